"""Temporal convolution by way of frequencies: equal to the direct form, forward and backward."""

from __future__ import annotations

import copy

import pytest
import torch

import skelact.nn.fast.temporal as temporal
from skelact.nn.fast import for_training, plain_form
from skelact.nn.fast.spectral import Geometry, choose_block
from skelact.nn.fast.table import fold
from skelact.nn.fast.temporal import geometry_of
from skelact.nn.temporal.conv import TemporalConv


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (9, 1), (5, 2), (9, 2), (9, 3)])
@pytest.mark.parametrize("n_frames", [1, 2, 9, 16, 33])
def test_frequencies_give_what_the_direct_form_gives(
    monkeypatch: pytest.MonkeyPatch, n_frames: int, taps: int, stride: int, causal: bool
) -> None:
    torch.manual_seed(0)
    conv = for_training(TemporalConv(3, 4, taps, stride, causal=causal).double())
    x = torch.randn(5, 60, n_frames, 3, dtype=torch.float64, requires_grad=True)  # several chunks
    results = []
    for block in (None, 8, 19):
        monkeypatch.setattr(temporal, "spectral_block", lambda *a, block=block: block)
        conv.zero_grad()
        x.grad = None
        out = conv(x)
        (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
        folded = fold(plain_form(copy.deepcopy(conv)), None, torch.float64)(x.detach())
        results.append([out.detach(), folded, x.grad, conv.weight.grad, conv.bias.grad])  # type: ignore[union-attr]
    for ours in results[1:]:
        for value, direct in zip(ours, results[0], strict=True):
            assert value.shape == direct.shape and torch.allclose(value, direct, atol=1e-9)


@pytest.mark.parametrize(("channels", "n_frames"), [(64, 64), (128, 32), (256, 16), (64, 100)])
def test_single_precision_loses_nothing(channels: int, n_frames: int) -> None:
    torch.manual_seed(0)
    conv = TemporalConv(channels, channels)
    assert conv.bias is not None
    x = torch.randn(2, 1, n_frames, channels)
    geometry = geometry_of(conv)
    assert choose_block(geometry.joined_taps, channels, channels, n_frames) is not None
    exact = torch.nn.functional.conv2d(
        x.double().permute(0, 3, 1, 2),
        conv.weight.double(),
        conv.bias.double(),
        padding=(0, 4),
    ).permute(0, 2, 3, 1)
    for out in (for_training(copy.deepcopy(conv))(x), fold(conv, None, torch.float32)(x)):
        assert (out - exact).abs().max() / exact.abs().max() < 2e-6


def test_direct_form_where_it_is_cheaper() -> None:
    assert choose_block(9, 4, 4, 64) is None  # few channels
    assert choose_block(3, 64, 64, 64) is None  # few taps
    assert choose_block(9, 64, 64, 4) is None  # few frames


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_joined_weights_come_apart_again(stride: int) -> None:
    geometry = Geometry(9, 4, stride)
    weight = torch.randn(4, 3, 9)
    joined = geometry.join_weight(weight)
    assert joined.shape == (4, 3 * stride, geometry.joined_taps)
    assert torch.equal(geometry.split_weight(joined), weight)


def test_training_does_not_change_a_folded_form() -> None:
    conv = TemporalConv(64, 64)
    folded = fold(conv, None, torch.float32)
    x = torch.randn(3, 1, 32, 64)
    before = folded(x).clone()
    conv.weight.data.mul_(2)
    assert torch.equal(folded(x), before)
