"""RoIAlign: against sampling point by point, and as torchvision has it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from skelact.nn.roi_align import roi_align

BOXES = torch.tensor(
    [
        [0.1, 0.2, 0.6, 0.9],
        [0.0, 0.0, 1.0, 1.0],
        [-0.3, -0.2, 1.3, 1.4],
        [0.4, 0.4, 0.45, 0.42],
        [0.9, 0.1, 1.2, 0.5],
    ],
    dtype=torch.float64,
)
CLIP = torch.tensor([0, 1, 1, 0, 1])


def some_maps() -> Tensor:
    return torch.randn(2, 3, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def sample(x: Tensor, at_y: float, at_x: float) -> Tensor:
    """The bilinear value of a map ``[D, H, W]`` at a place where the first cell's centre is 0."""
    h, w = x.shape[1:]
    if not (-1 <= at_y <= h and -1 <= at_x <= w):
        return torch.zeros_like(x[:, 0, 0])
    at_y, at_x = min(max(at_y, 0), h - 1), min(max(at_x, 0), w - 1)
    y, u = math.floor(at_y), min(math.floor(at_y) + 1, h - 1)
    z, v = math.floor(at_x), min(math.floor(at_x) + 1, w - 1)
    fy, fx = at_y - y, at_x - z
    top = (1 - fx) * x[:, y, z] + fx * x[:, y, v]
    return (1 - fy) * top + fy * ((1 - fx) * x[:, u, z] + fx * x[:, u, v])


def slow_roi_align(x: Tensor, clip: Tensor, boxes: Tensor, bins: int, samples: int) -> Tensor:
    out = torch.zeros(len(boxes), x.shape[1], bins, bins, dtype=x.dtype)
    n, (h, w) = bins * samples, x.shape[2:]
    for b, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        for i in range(n):
            for j in range(n):
                at_y = (y1 + (y2 - y1) * (i + 0.5) / n) * h - 0.5
                at_x = (x1 + (x2 - x1) * (j + 0.5) / n) * w - 0.5
                out[b, :, i // samples, j // samples] += sample(x[clip[b]], at_y, at_x) / samples**2
    return out


@pytest.mark.parametrize(("bins", "samples"), [(7, 2), (2, 3), (1, 1)])
def test_every_sample(bins: int, samples: int) -> None:
    x = some_maps()
    assert torch.allclose(
        roi_align(x, CLIP, BOXES, bins, samples), slow_roi_align(x, CLIP, BOXES, bins, samples)
    )


@pytest.mark.parametrize(("bins", "samples"), [(7, 2), (3, 4)])
def test_as_torchvision_has_it(bins: int, samples: int) -> None:
    ops = pytest.importorskip("torchvision.ops")
    x = some_maps().requires_grad_()
    pixels = BOXES * torch.tensor([9, 6, 9, 6])
    theirs = ops.roi_align(
        x, torch.cat([CLIP[:, None].double(), pixels], 1), bins, sampling_ratio=samples, aligned=True
    )
    ours = roi_align(x, CLIP, BOXES, bins, samples)
    assert torch.allclose(ours, theirs, atol=1e-12)
    weight = torch.randn_like(ours)
    (a,) = torch.autograd.grad((ours * weight).sum(), x)
    (b,) = torch.autograd.grad((theirs * weight).sum(), x)
    assert torch.allclose(a, b, atol=1e-12)


def test_a_ramp_keeps_its_values() -> None:
    """On a map that says where it is, a region says where its places are."""
    ramp = ((torch.arange(20.0) + 0.5) / 20).expand(1, 1, 20, 20)
    found = roi_align(ramp, torch.tensor([0]), torch.tensor([[0.2, 0.3, 0.9, 0.7]]), 7)
    assert torch.allclose(found[0, 0, 0], 0.2 + 0.7 * (torch.arange(7) + 0.5) / 7, atol=1e-6)


def test_no_box() -> None:
    assert roi_align(some_maps(), CLIP[:0], BOXES[:0]).shape == (0, 3, 7, 7)
