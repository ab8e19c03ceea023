"""Shifts over joints and frames: the released formulas, gradients, and the form for compilers."""

from __future__ import annotations

import math

import pytest
import torch

from skelact.nn.fast import for_training
from skelact.nn.fast.shift import ShiftFrames, ShiftGraphConvForm, ShiftTemporalConvForm
from skelact.nn.spatial.shift import ShiftGraphConv, shifted_rows
from skelact.nn.temporal.shift import STEP, ShiftTemporalConv, position_of, shift_frames


def test_rows_travel_as_many_joints_as_their_channel_says() -> None:
    rows = shifted_rows(5, 7, 1).view(5, 7)
    assert all(rows[i, j] == (i + j) % 5 * 7 + j for i in range(5) for j in range(7))
    back = shifted_rows(5, 7, -1)
    assert torch.equal(rows.flatten()[back], torch.arange(35))


def test_shift_graph_convolution_is_the_papers() -> None:
    torch.manual_seed(0)
    conv = ShiftGraphConv(3, 7, 5).double()
    torch.nn.init.normal_(conv.mask)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(5, 3, 2, 4, dtype=torch.float64)
    moved = torch.stack([torch.stack([x[(i + j) % 5, j] for j in range(3)]) for i in range(5)])
    moved = moved * (1 + conv.mask.tanh())[:, :, None, None]
    mixed = torch.einsum("vcpt,dc->vdpt", moved, conv.weight) + conv.bias[:, None, None]
    back = torch.stack([torch.stack([mixed[(i - j) % 5, j] for j in range(7)]) for i in range(5)])
    expected = conv.norm(back.view(1, 35, 8)).view(back.shape)
    conv.norm.reset_running_stats()
    assert torch.allclose(conv(x), expected, atol=1e-12)
    conv.eval()
    assert torch.allclose(ShiftGraphConvForm(conv, torch.float64)(x), conv(x), atol=1e-12)
    assert torch.autograd.gradcheck(conv, (x.requires_grad_(),))
    conv.train()
    assert torch.autograd.gradcheck(for_training(conv), (x,))


def shift_one_by_one(x: torch.Tensor, position: torch.Tensor, stride: int) -> torch.Tensor:
    v, c, p, t = x.shape
    out = torch.zeros(v, c, p, math.ceil(t / stride), dtype=x.dtype)
    for channel, offset in enumerate(position.tolist()):
        whole = math.floor(offset)
        for frame in range(out.shape[3]):
            for place, share in ((whole, 1 - offset + whole), (whole + 1, offset - whole)):
                source = frame * stride + place
                if 0 <= source < t:
                    out[:, channel, :, frame] += share * x[:, channel, :, source]
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("n_frames", [1, 2, 7, 8])
def test_shift_over_frames_interpolates(stride: int, n_frames: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 2, n_frames, dtype=torch.float64, requires_grad=True)
    position = (torch.rand(6, dtype=torch.float64) * 8 - 4).requires_grad_()
    expected = shift_one_by_one(x.detach(), position.detach(), stride)
    assert torch.allclose(ShiftFrames.apply(x, position, stride), expected, atol=1e-12)  # type: ignore[arg-type]
    assert torch.allclose(
        shift_frames(x, position - position_of(torch.zeros(()), stride), stride), expected, atol=1e-12
    )
    assert torch.autograd.gradcheck(lambda a, b: ShiftFrames.apply(a, b, stride), (x, position))


@pytest.mark.parametrize("stride", [1, 2])
def test_folded_temporal_shift_gives_the_same(stride: int) -> None:
    from skelact.nn.norm import ChannelNorm

    torch.manual_seed(0)
    conv, norm = ShiftTemporalConv(4, 6, stride).double(), ChannelNorm(6).double()
    x = torch.randn(3, 4, 2, 9, dtype=torch.float64)
    for _ in range(3):
        norm.normalise(conv(x))
    conv.norm.bias.data.normal_()
    conv.eval()
    norm.eval()
    assert torch.allclose(
        ShiftTemporalConvForm(conv, norm, torch.float64)(x), norm.normalise(conv(x)), atol=1e-12
    )


def test_only_the_sign_of_an_offsets_gradient_counts() -> None:
    torch.manual_seed(0)
    conv = ShiftTemporalConv(4, 4)
    conv(torch.randn(3, 4, 2, 9)).square().sum().backward()
    assert conv.offset_in.grad is not None
    assert torch.allclose(conv.offset_in.grad.abs(), torch.full((4,), STEP))
