"""Heatmaps by patch scatter against the dense formula; crops; 3D residual blocks."""

from __future__ import annotations

import pytest
import torch

from skelact.nn.conv3d import Bottleneck3d
from skelact.nn.fast import inference_form
from skelact.nn.heatmap import crop_to_people, make_heatmaps


def dense(pixels, score, owner, n_clips: int, size: int, sigma: float) -> torch.Tensor:
    """Every pixel of every picture, then the maximum over people."""
    grid = torch.arange(size, dtype=pixels.dtype)
    x, y = pixels[..., 0, None, None], pixels[..., 1, None, None]
    far = (grid[None, :] - x).square() + (grid[:, None] - y).square()
    drawn = torch.exp(-far / (2 * sigma**2)) * score[..., None, None]  # [P, T, V, H, W]
    volume = torch.zeros(n_clips, *drawn.shape[1:], dtype=pixels.dtype)
    for person, clip in enumerate(owner.tolist()):
        volume[clip] = torch.maximum(volume[clip], drawn[person])
    return volume.transpose(1, 2)


@pytest.mark.parametrize("sigma", [0.4, 0.6, 1.0, 2.5])
def test_patches_agree_with_the_dense_formula(sigma: float) -> None:
    torch.manual_seed(0)
    owner = torch.tensor([0, 0, 2, 2, 2])
    pixels = torch.rand(5, 4, 7, 2, dtype=torch.float64) * 40 - 8  # some lie outside
    score = torch.rand(5, 4, 7, dtype=torch.float64) * (torch.rand(5, 4, 7) > 0.2)
    ours = make_heatmaps(pixels, score, owner, 3, 24, sigma)
    expected = dense(pixels, score, owner, 3, 24, sigma)
    assert ours.shape == (3, 7, 4, 24, 24)
    assert (ours - expected).abs().max() <= torch.exp(torch.tensor(-4.5)) + 1e-12  # the rim at 3 sigma
    near = expected > torch.exp(torch.tensor(-4.5))  # what lies within 3 sigma is equal
    assert torch.allclose(ours[near], expected[near], atol=1e-12) and near.any()
    assert (ours <= expected + 1e-12).all()
    assert ours[1].sum() == 0


def test_order_of_people_and_missing_joints_do_not_matter() -> None:
    torch.manual_seed(0)
    owner, pixels = torch.tensor([0, 0, 1]), torch.rand(3, 2, 5, 2) * 16
    score = (torch.rand(3, 2, 5) > 0.3).float()
    ours = make_heatmaps(pixels, score, owner, 2, 16)
    assert torch.equal(ours, make_heatmaps(pixels.flip(0), score.flip(0), owner.flip(0), 2, 16))
    moved = torch.where(score[..., None] > 0, pixels, torch.full_like(pixels, torch.nan))
    assert torch.equal(ours, make_heatmaps(moved, score, owner, 2, 16))
    assert torch.isfinite(make_heatmaps(pixels * 1e30, score, owner, 2, 16)).all()


def test_the_picture_holds_all_people_of_a_clip() -> None:
    torch.manual_seed(0)
    owner = torch.tensor([0, 0, 1, 2])
    xy = torch.randn(4, 6, 5, 2, dtype=torch.float64) * torch.tensor([3.0, 1.0])
    there = torch.rand(4, 6, 5) > 0.2
    there[3] = False
    pixels = crop_to_people(xy, there, owner, 3, 56, margin=0.0)
    for clip in range(2):
        inside = pixels[owner == clip][there[owner == clip]]
        low, high = inside.amin(0), inside.amax(0)
        assert low.min().item() == pytest.approx(0, abs=1e-9) and high.max().item() == pytest.approx(56)
        assert torch.allclose((low + high) / 2, torch.tensor(28.0).double())
    assert torch.isfinite(pixels).all()
    wider = crop_to_people(xy, there, owner, 3, 56, margin=0.5)
    assert torch.allclose(wider[:3] - 28, (pixels[:3] - 28) / 2)
    for change in (lambda z: 7 * z, lambda z: z + torch.tensor([5.0, -9.0])):  # any unit, anywhere
        assert torch.allclose(crop_to_people(change(xy), there, owner, 3, 56, 0.0)[:3], pixels[:3])
    one_point = crop_to_people(torch.ones(1, 2, 3, 2), torch.ones(1, 2, 3) > 0, torch.zeros(1).long(), 1, 8)
    assert torch.allclose(one_point, torch.full((1, 2, 3, 2), 4.0))


@pytest.mark.parametrize("temporal", [True, False])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_folded_bottleneck(temporal: bool, stride: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = Bottleneck3d(8, 16, stride, temporal).double()
    x = torch.randn(2, 8, 5, 6, 6, dtype=torch.float64)
    block(x)
    expected = block.eval()(x)
    assert expected.shape == (2, 16, -(-5 // stride[0]), 6 // stride[1], 6 // stride[1])
    frozen = inference_form(block, torch.float64).model
    assert not any(isinstance(m, torch.nn.BatchNorm3d) for m in frozen.modules())
    assert torch.allclose(frozen(x), expected, atol=1e-10)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(1)
    assert torch.allclose(frozen(x), expected, atol=1e-10)
    assert block.shortcut is not None and Bottleneck3d(16, 16).shortcut is None


def test_a_block_without_frames_mixes_none() -> None:
    block = Bottleneck3d(4, 4).eval()
    x = torch.randn(1, 4, 3, 4, 4)
    changed = x.clone()
    changed[:, :, 2] += 1
    assert torch.equal(block(x)[:, :, :2], block(changed)[:, :, :2])
