"""ConvGRU, ConvLSTM and attention over places against their equations, written plainly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from skelact.nn.conv_recurrent import ConvGRU, ConvLSTMCell, MapAttention


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)


@pytest.mark.parametrize("stacked", [False, True])
def test_conv_gru_is_its_four_equations(stacked: bool) -> None:
    torch.manual_seed(0)
    module = ConvGRU(3, 4, channels_below=2 if stacked else 0).double()
    x = torch.randn(2, 5, 3, 6, 7, dtype=torch.float64)
    below = torch.randn(2, 5, 2, 6, 7, dtype=torch.float64) if stacked else None
    states = module(x, below)
    wz, wr, w = module.input.weight.split(4)
    uz, ur = module.gates.weight.split(4)
    h = torch.zeros(2, 4, 6, 7, dtype=torch.float64)
    for t in range(5):
        z_in, r_in = convolve(x[:, t], wz), convolve(x[:, t], wr)
        if below is not None and module.below is not None:
            vz, vr = module.below.weight.split(4)
            z_in, r_in = z_in + convolve(below[:, t], vz), r_in + convolve(below[:, t], vr)
        z = torch.sigmoid(z_in + convolve(h, uz))
        r = torch.sigmoid(r_in + convolve(h, ur))
        n = torch.tanh(convolve(x[:, t], w) + convolve(r * h, module.candidate.weight))
        h = (1 - z) * h + z * n
        assert torch.allclose(states[:, t], h, atol=1e-12)
    assert not any("bias" in name for name, _ in module.named_parameters())


@pytest.mark.parametrize("extra", [False, True])
def test_conv_lstm_is_its_equations(extra: bool) -> None:
    torch.manual_seed(0)
    module = ConvLSTMCell(3, 4, channels_extra=2 if extra else 0).double()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    e = torch.randn(2, 2, 6, 7, dtype=torch.float64) if extra else None
    h, c = torch.randn(2, 2, 4, 6, 7, dtype=torch.float64)
    new_h, new_c = module(x, (h, c), e)
    bias = module.input.bias
    assert bias is not None and torch.equal(bias, torch.tensor([0.0] * 4 + [1.0] * 4 + [0.0] * 8).double())
    gates = []
    for k in range(4):
        part = slice(4 * k, 4 * k + 4)
        total = convolve(x, module.input.weight[part]) + convolve(h, module.recurrent.weight[part])
        total = total + bias[part][:, None, None]
        if e is not None and module.extra is not None:
            total = total + convolve(e, module.extra.weight[part])
        gates.append(total)
    i, f, o, g = (
        torch.sigmoid(gates[0]),
        torch.sigmoid(gates[1]),
        torch.sigmoid(gates[2]),
        torch.tanh(gates[3]),
    )
    expected_c = f * c + i * g
    assert torch.allclose(new_c, expected_c, atol=1e-12)
    assert torch.allclose(new_h, o * torch.tanh(expected_c), atol=1e-12)
    for zeros in module.begin(x):
        assert zeros.shape == (2, 4, 6, 7) and not zeros.any()


def test_attention_is_a_softmax_over_places() -> None:
    torch.manual_seed(0)
    module = MapAttention(3, 4).double()
    x, h = torch.randn(2, 3, 5, 6, dtype=torch.float64), torch.randn(2, 4, 5, 6, dtype=torch.float64)
    bias = module.input.bias
    assert bias is not None
    inside = convolve(x, module.input.weight) + convolve(h, module.state.weight) + bias[:, None, None]
    z = convolve(torch.tanh(inside), module.score.weight)
    weights = module(x, h)
    assert weights.shape == (2, 1, 5, 6)
    for n in range(2):
        total = sum(z[n, 0, i, j].exp() for i in range(5) for j in range(6))
        for i in range(5):
            for j in range(6):
                assert torch.isclose(weights[n, 0, i, j], z[n, 0, i, j].exp() / total, atol=1e-12)
