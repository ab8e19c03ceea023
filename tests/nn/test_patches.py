"""Maps sampled at joints."""

from __future__ import annotations

import torch

from skelact.nn.patches import JointPatches, sample_at


def test_a_linear_map_is_read_exactly() -> None:
    """A map that rises evenly has, between its cells, the value of the place."""
    height, width = 6, 9
    rows, columns = (torch.arange(n).double() + 0.5 for n in (height, width))
    maps = torch.stack([columns / width + 0 * rows[:, None], 0 * columns + rows[:, None] / height])[None]
    xy = torch.rand(1, 20, 2, dtype=torch.float64) * 0.8 + 0.1
    assert torch.allclose(sample_at(maps, xy)[0], xy[0], atol=1e-9)


def test_nodes_see_their_own_clip_picture_and_place() -> None:
    torch.manual_seed(0)
    n, d, t, side, v, frames = 2, 3, 4, 5, 6, 7
    maps = torch.randn(n, d, 2, side, side).double()  # a cell of time stands for two pictures
    owner = torch.tensor([0, 1, 1])
    xy = torch.rand(3, t, v, 2).double()
    there = torch.rand(3, t, v) > 0.3
    nearest = torch.tensor([[0, 0, 1, 2, 2, 3, 3], [0, 1, 1, 1, 2, 2, 3]])
    patches = JointPatches(d, 4).double()
    nodes = patches(maps, owner, xy, there, nearest)
    assert nodes.shape == (3, frames, v, 4)
    for p in range(3):
        for s in range(frames):
            k = int(nearest[owner[p], s])
            read = sample_at(maps[owner[p], :, k // 2][None], xy[p, k][None])[0]  # projected after sampling
            expected = patches.project(read) * there[p, k][:, None]
            assert torch.allclose(nodes[p, s], expected, atol=1e-9)
    assert (nodes == 0).all(-1).any()
