"""What the ST-GCN release feeds: NTU RGB+D as it is in the file, Kinetics-Skeleton with scores."""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError
from skelact.io.original import Bodies
from skelact.models.published.inputs.streams import OPENPOSE_PAIRS, four_streams

N_FRAMES, N_PEOPLE = 300, 2
_SEEN = 5  # people of a Kinetics frame that are looked at


def pad_frames(x: np.ndarray) -> np.ndarray:
    """``[M, T, V, C]`` with zeros at the end up to 300 frames.

    Raises:
        DataError: for more frames than the releases hold.
    """
    if x.shape[1] > N_FRAMES:
        raise DataError(
            f"the recording has {x.shape[1]} frames, the release holds {N_FRAMES} at most; cut it into shorter ones"
        )
    return np.pad(x, ((0, 0), (0, N_FRAMES - x.shape[1]), (0, 0), (0, 0)))


def ntu_input(bodies: Bodies, stream: str) -> np.ndarray:
    """``[C, 300, V, 2]``: the first two bodies of each frame in file order, metres, nothing else."""
    return pad_frames(bodies.slots(N_PEOPLE)).transpose(3, 1, 2, 0)


def kinetics_input(bodies: Bodies, stream: str) -> np.ndarray:
    """``[3, 300, 18, 2]`` x, y and score: the two surest of the first five people, frame by frame."""
    return _by_score(bodies, upwards=False).transpose(3, 1, 2, 0)


def kinetics_input_upwards(bodies: Bodies, stream: str) -> np.ndarray:
    """As `kinetics_input` with y upwards, as 2s-AGCN and MS-G3D have it, and their bones and motions."""
    return four_streams(_by_score(bodies, upwards=True).transpose(3, 1, 2, 0), stream, OPENPOSE_PAIRS)


def _by_score(bodies: Bodies, upwards: bool) -> np.ndarray:
    if bodies.values.shape[1] != len(OPENPOSE_PAIRS):
        raise DataError(f"the release reads OpenPose's 18 joints, the recording has {bodies.values.shape[1]}")
    x = pad_frames(bodies.slots(_SEEN)).astype(np.float64)
    score = x[..., 2:]
    place = (x[..., :2] - 0.5) * (1, -1 if upwards else 1)
    x = np.concatenate([np.where(score == 0, 0, place), score], -1)
    order = np.argsort(-x[..., 2].sum(2), axis=0, kind="stable")[:N_PEOPLE]
    return np.take_along_axis(x, order[:, :, None, None], 0).astype(np.float32)
