"""MS-TCN's stages against their equations written plainly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.temporal.dilated import MultiStageTCN


def plain_stage(x: Tensor, stage, causal: bool) -> Tensor:
    """One stage on ``[N, T, C]``, frame by frame as the paper has it."""
    x = x @ stage.first.weight.T + stage.first.bias
    for i, layer in enumerate(stage.layers):
        d, weight = 2**i, layer.conv.weight[:, :, 0]  # [D, C, 3]
        taps = []
        for t in range(x.shape[1]):
            frames = (t - 2 * d, t - d, t) if causal else (t - d, t, t + d)
            taps.append(
                sum(x[:, s] @ weight[:, :, k].T for k, s in enumerate(frames) if 0 <= s < x.shape[1])
                + layer.conv.bias
            )
        hidden = functional.relu(torch.stack(taps, 1))
        x = x + hidden @ layer.point.weight.T + layer.point.bias
    return x @ stage.last.weight.T + stage.last.bias


@pytest.mark.parametrize("causal", [False, True])
def test_equations(causal: bool) -> None:
    torch.manual_seed(0)
    net = MultiStageTCN(7, 3, channels=8, n_layers=4, n_stages=3, causal=causal).double().eval()
    x = torch.randn(2, 25, 7, dtype=torch.float64)
    found = net(x)
    assert len(found) == 3
    expected = x
    for stage, logits in zip(net.stages, found, strict=True):
        expected = plain_stage(expected, stage, causal)
        assert torch.allclose(logits, expected, rtol=0, atol=1e-12)
        expected = expected.softmax(-1)


def test_shape_of_the_published_network() -> None:
    net = MultiStageTCN(2048, 48)
    assert len(net.stages) == 4 and all(len(stage.layers) == 10 for stage in net.stages)
    layer = 64 * 64 * 3 + 64 + 64 * 64 + 64
    first, last = 2048 * 64 + 64 + 10 * layer, 64 * 48 + 48
    assert sum(p.numel() for p in net.parameters()) == first + last + 3 * (48 * 64 + 64 + 10 * layer + last)
    assert [layer.conv.dilation[1] for layer in net.stages[0].layers] == [2**i for i in range(10)]
    assert all(layer.dropout.p == 0.5 for stage in net.stages for layer in stage.layers)


def test_frames_beyond_the_end_change_nothing() -> None:
    torch.manual_seed(0)
    net = MultiStageTCN(5, 3, channels=8, n_layers=4, n_stages=2).double().eval()
    x = torch.randn(1, 20, 5, dtype=torch.float64)
    longer = torch.cat([x, torch.zeros(1, 9, 5, dtype=torch.float64)], 1)
    real = torch.arange(29)[None] < 20
    for short, long in zip(net(x), net(longer, real), strict=True):
        # the padding before a recording's own first layer is zeros, so is what lies beyond its end
        assert torch.allclose(long[:, :20], short, rtol=0, atol=1e-12)
        assert not long[:, 20:].any()


def test_dropout_and_sizes() -> None:
    torch.manual_seed(0)
    net = MultiStageTCN(5, 3, channels=8, n_layers=2, n_stages=1, dropout=0.9)
    x = torch.randn(1, 10, 5)
    assert not torch.equal(net.train()(x)[0], net.eval()(x)[0])
    for sizes in ((0, 2, 2), (8, 0, 2), (8, 2, 0)):
        with pytest.raises(ConfigError, match="at least 1"):
            MultiStageTCN(5, 3, *sizes)
