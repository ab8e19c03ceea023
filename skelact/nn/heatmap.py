"""Joints as heatmap volumes, made on the device: only the pixels near a joint are computed and scattered."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST_BOX = 1e-6  # side of the crop where all joints lie on one point


@torch.no_grad()
def crop_to_people(
    xy: Tensor, there: Tensor, owner: Tensor, n_clips: int, size: int, margin: float = 0.125
) -> Tensor:
    """Joints in pixels of a square picture that holds all people of a clip in all frames.

    Args:
        xy: ``[P, T, V, 2]`` positions in any unit.
        there: ``[P, T, V]`` booleans; other joints are ignored.
        owner: ``[P]`` the clip of each person.
        n_clips: N.
        size: pixels along a side.
        margin: free space on each side, as a share of the joints' box.

    Returns:
        ``[P, T, V, 2]``, from 0 at one border of the picture to ``size`` at the other, as in the released code.
    """
    far = torch.finfo(xy.dtype).max
    visible = there.unsqueeze(-1)
    low = torch.where(visible, xy, far).amin((1, 2))
    high = torch.where(visible, xy, -far).amax((1, 2))
    index = owner[:, None].expand(-1, 2)
    low = torch.full((n_clips, 2), far, dtype=xy.dtype, device=xy.device).scatter_reduce(
        0, index, low, "amin"
    )
    high = torch.full_like(low, -far).scatter_reduce(0, index, high, "amax")
    empty = low > high  # no joint in any frame: any crop will do
    low, high = torch.where(empty, 0.0, low), torch.where(empty, 1.0, high)
    side = ((high - low).amax(1) * (1 + 2 * margin)).clamp_min(SMALLEST_BOX)
    centre, scale = ((low + high) / 2)[owner], (size / side)[owner]
    return (xy - centre[:, None, None]) * scale[:, None, None, None] + size / 2


@torch.no_grad()
def make_heatmaps(
    pixels: Tensor, score: Tensor, owner: Tensor, n_clips: int, size: int, sigma: float = 0.6
) -> Tensor:
    """Gaussians around joints (Duan et al., PoseC3D, CVPR 2022), with the maximum over all people of a clip.

    Each joint touches the pixels from ``floor(x - 3σ)`` to ``floor(x + 3σ)`` in both directions; all others
    stay 0, so only a small patch per joint is computed. The result has no gradient with respect to the
    joints.

    Args:
        pixels: ``[P, T, V, 2]`` joints in pixels (column, row); pixel centres are at whole numbers.
        score: ``[P, T, V]`` height of each joint's Gaussian; 0 = missing.
        owner: ``[P]`` the clip of each person.
        n_clips: N.
        size: pixels along a side.
        sigma: width of the Gaussians in pixels.

    Returns:
        ``[N, V, T, size, size]``; the row index increases with the second coordinate.
    """
    t, v = pixels.shape[1:3]
    device, dtype = pixels.device, pixels.dtype
    # Far outside the picture nothing is drawn, and whole numbers stay exact.
    pixels = torch.nan_to_num(pixels).clamp(-2.0 * size - 9 * sigma, 3.0 * size + 9 * sigma)
    first = (pixels - 3 * sigma).floor()
    steps = torch.arange(int(6 * sigma) + 2, device=device, dtype=dtype)
    at = first.unsqueeze(-1) + steps  # [P, T, V, 2, patch]: columns, rows
    inside = (at <= (pixels + 3 * sigma).floor().unsqueeze(-1)) & (at >= 0) & (at < size)
    value = torch.exp((at - pixels.unsqueeze(-1)).square() * (-0.5 / sigma**2)) * inside
    place = at.clamp(0, size - 1).long()
    height = value[..., 1, :, None] * value[..., 0, None, :] * score[..., None, None].to(dtype)
    picture = (owner[:, None, None] * v + torch.arange(v, device=device)) * t
    picture = picture + torch.arange(t, device=device)[:, None]  # [P, T, V]: which picture a joint is in
    index = (picture[..., None, None] * size + place[..., 1, :, None]) * size + place[..., 0, None, :]
    volume = torch.zeros(n_clips * v * t * size * size, dtype=dtype, device=device)
    volume.scatter_reduce_(0, index.reshape(-1), height.reshape(-1), "amax")
    return volume.view(n_clips, v, t, size, size)
