"""What PYSKL's PoseC3D is fed: 2D poses with scores out of a PYSKL pickle, drawn into volumes."""

from __future__ import annotations

import numpy as np
import torch

from skelact.errors import DataError
from skelact.io.original import Bodies
from skelact.layouts import get_layout
from skelact.models.published.inputs.pyskl import sample_frames, stack_poses
from skelact.nn.heatmap import make_heatmaps

_COCO = get_layout("coco17")
_CLIP, _SIZE, _PADDING, _SMALLEST, _FAINT = 48, 64, 0.25, 10, 1e-3


def posec3d_input(bodies: Bodies, stream: str) -> np.ndarray:
    """``[3, T, V, M]`` x, y in pixels and score, before sampling.

    Raises:
        DataError: for 3D poses, or if the size of the picture is not known.
    """
    poses = stack_poses(bodies)
    if bodies.size is None or poses.shape[2] != len(_COCO):
        raise DataError(
            "the release draws COCO's 17 joints with scores in a picture of known size; the recording has "
            f"{poses.shape[2]} joints" + ("" if bodies.size else " and no picture's size (img_shape)")
        )
    return poses.astype(np.float32).transpose(3, 1, 2, 0)


def draw_clips(x: np.ndarray, n_clips: int, bodies: Bodies) -> np.ndarray:
    """Volumes ``[2 * n_clips, V, 48, 64, 64]``: the clips, then the same in a mirror.

    Args:
        x: ``[3, T, V, M]`` of `posec3d_input`.
        n_clips: 10 in the release; the crop is around all of them together.
        bodies: with the picture's size.
    """
    assert bodies.size is not None
    frames = sample_frames(x.shape[1], n_clips, _CLIP)
    poses = np.nan_to_num(x.transpose(3, 1, 2, 0)[:, frames.ravel()])
    score = poses[..., 2] * (poses[..., 2] >= _FAINT)
    xy = torch.from_numpy(_crop(poses[..., :2], bodies.size))
    m, _, v = score.shape
    owner = torch.arange(n_clips).repeat(m)  # person by person, clip by clip
    pixels, height = xy.reshape(-1, _CLIP, v, 2), torch.from_numpy(score).reshape(-1, _CLIP, v)
    volume = make_heatmaps(pixels, height, owner, n_clips, _SIZE)
    return torch.cat([volume, volume.flip(-1)[:, list(_COCO.mirror)]]).numpy()


def _crop(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Poses ``[M, T, V, 2]`` in pixels of the square around all joints (0 is no joint), 64 pixels wide."""
    height, width = size
    xy = xy.astype(np.float32)
    there = xy != 0
    if there.any((0, 1, 2)).all():
        low = np.where(there, xy, np.inf).min((0, 1, 2))
        high = np.where(there, xy, -np.inf).max((0, 1, 2))
        if (high - low >= _SMALLEST).all():
            half = ((high - low) / 2 * (1 + _PADDING)).max()
            middle = (high + low) / 2
            corner, end = np.trunc(middle - half), np.trunc(middle + half)
            xy = np.where(there, xy - corner, xy)
            width, height = end - corner
    return (xy * np.array([_SIZE / width, _SIZE / height], np.float32)).astype(np.float32)
