"""Patches of pictures at joints: a map sampled where joints are becomes channels of the graph's nodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def sample_at(maps: Tensor, xy: Tensor) -> Tensor:
    """Maps read at points, linearly between their cells.

    Args:
        maps: ``[B, D, H, W]``; cell (r, c) lies at ((c + 0.5) / W, (r + 0.5) / H) of the picture.
        xy: ``[B, V, 2]`` shares of the picture, across and down; beyond the outer cells' middles these hold.

    Returns:
        ``[B, V, D]``.
    """
    grid = (2 * xy - 1).unsqueeze(2).to(maps.dtype)
    read = functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    return read.squeeze(3).transpose(1, 2)


class JointPatches(nn.Module):
    """A learned projection of a backbone's map, sampled at each joint (bilinear, at the map's scale).

    The projection comes before the sampling, which gives the same numbers as after it and is cheaper.

    Args:
        channels_in: D of the map.
        width: channels of a node.
    """

    def __init__(self, channels_in: int, width: int = 32) -> None:
        super().__init__()
        self.project = nn.Linear(channels_in, width)

    def forward(self, maps: Tensor, owner: Tensor, xy: Tensor, there: Tensor, nearest: Tensor) -> Tensor:
        """Channels of the nodes ``[P, S, V, width]``, 0 where a joint is not in the picture.

        Args:
            maps: ``[N, D, T', H, W]`` of clips; each cell of time stands for as many pictures.
            owner: ``[P]`` the clip of each person.
            xy: ``[P, T, V, 2]`` places in the T pictures, as shares of them.
            there: ``[P, T, V]`` bool.
            nearest: ``[N, S]`` which picture is nearest to each frame of the skeletons.
        """
        p, t = xy.shape[:2]
        maps = self.project(maps.movedim(1, -1)).movedim(-1, 1)
        cell = (torch.arange(t, device=maps.device) * maps.shape[2]) // t
        each = maps.transpose(1, 2)[owner[:, None], cell]  # [P, T, width, H, W]
        nodes = sample_at(each.flatten(0, 1), xy.flatten(0, 1)).unflatten(0, (p, t))
        nodes = torch.where(there.unsqueeze(-1), nodes, torch.zeros_like(nodes))
        people = torch.arange(p, device=maps.device)[:, None]
        return nodes[people, nearest[owner]]
