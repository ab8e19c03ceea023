"""HOG, HOF and MBH in dense cells, against sums written out."""

from __future__ import annotations

import math

import pytest
import torch

from skelact.errors import ConfigError
from skelact.nn.cells import block_cells, cell_descriptors, hof_maps, hog_maps, mbh_maps, orientation_maps


def test_directions_go_to_their_bins() -> None:
    angles = (torch.arange(8) * math.pi / 4).double().view(1, 1, 8)
    found = orientation_maps(3 * angles.cos(), 3 * angles.sin())
    assert torch.allclose(found.view(8, 8), 3 * torch.eye(8).double(), atol=1e-5)
    between = torch.tensor(math.pi / 8).view(1, 1, 1)
    assert torch.allclose(
        orientation_maps(between.cos(), between.sin()).flatten(),
        torch.tensor([0.5, 0.5, 0, 0, 0, 0, 0, 0]),
        atol=1e-6,
    )


def test_gradients_and_flow_by_direction() -> None:
    ramp = torch.arange(6.0).expand(2, 5, 6)
    assert torch.allclose(hog_maps(ramp)[0], torch.ones(2, 5, 6)) and hog_maps(ramp)[1:].abs().max() < 1e-6
    flow = torch.zeros(2, 3, 4, 4)
    flow[1] = -2
    assert torch.allclose(hof_maps(flow)[6], torch.tensor(2.0), atol=1e-5) and hof_maps(flow)[8].max() == 0
    assert hof_maps(0.1 * flow)[8].min() == 1 and hof_maps(0.1 * flow)[:8].abs().max() == 0
    assert hof_maps(flow, still=3.0)[8].min() == 1
    assert mbh_maps(flow).abs().max() == 0  # even motion cancels
    flow[0] = torch.arange(4.0)  # faster to the right: a gradient of the first component to the right
    assert torch.allclose(mbh_maps(flow)[0], torch.ones(3, 4, 4)) and mbh_maps(flow)[8:].abs().max() == 0


def test_blocks_are_means_of_their_cells_in_order() -> None:
    maps = torch.rand(2, 5, 13, 13, 18, generator=torch.Generator().manual_seed(0)).double()
    found = block_cells(maps, cell=4, frames=2)
    assert found.shape == (2, 2 * 2 * 3, 5, 12)
    expected = []
    for time in range(2):
        for top in range(2):
            for left in range(3):
                cells = []
                for t in range(3):
                    for y in range(2):
                        for x in range(2):
                            a, b, c = 6 * time + 2 * t, 4 * (top + y), 4 * (left + x)
                            cells.append(maps[:, :, a : a + 2, b : b + 4, c : c + 4].mean((2, 3, 4)))
                expected.append(torch.stack(cells, 2))
    assert torch.allclose(found, torch.stack(expected, 1))
    rows = cell_descriptors(maps, cell=4, frames=2)
    flat = found.flatten(2)
    assert torch.allclose(rows, flat / flat.norm(dim=-1, keepdim=True))
    assert torch.equal(cell_descriptors(maps[0], 4, 2), rows[0])  # a single clip
    with pytest.raises(ConfigError, match="6 frames and 14 x 14 pixels do not fit into 13 frames of 13 x 18"):
        block_cells(maps, cell=7, frames=2)
