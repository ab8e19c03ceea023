"""Normalisation, a residual and ReLU in one step: what the plain modules give, forward and backward."""

from __future__ import annotations

import pytest
import torch

from skelact.nn import norm_step
from skelact.nn.norm import ChannelNorm
from skelact.nn.norm_step import norm_add_relu


@pytest.mark.parametrize("with_residual", [False, True])
def test_one_step_is_the_plain_modules(monkeypatch: pytest.MonkeyPatch, with_residual: bool) -> None:
    monkeypatch.setattr(norm_step, "CHUNK", 40)  # several stretches, the last one shorter
    torch.manual_seed(0)
    results = []
    x = torch.randn(3, 2, 5, 4, dtype=torch.float64) * 3 + 2
    residual, weight = torch.randn_like(x), torch.randn_like(x)
    for in_one in (True, False):
        norm = ChannelNorm(4).double()
        norm.weight.data = torch.tensor([1.0, 2.0, -1.0, 0.5], dtype=torch.float64)
        norm.bias.data = torch.tensor([0.1, 0.0, 0.3, -0.2], dtype=torch.float64)
        mine, more = x.clone().requires_grad_(), residual.clone().requires_grad_()
        if in_one:
            out = norm_add_relu(norm, mine * 1, more if with_residual else None)
        else:
            out = (norm(mine) + more if with_residual else norm(mine)).relu()
        (out * weight).sum().backward()
        state = [norm.running_mean, norm.running_var, norm.num_batches_tracked]
        results.append([out, mine.grad, norm.weight.grad, norm.bias.grad, *state])
        if with_residual:
            results[-1].append(more.grad)
    for ours, plain in zip(*results, strict=True):
        assert torch.allclose(ours, plain, atol=1e-10)


def test_evaluation_uses_the_running_statistics() -> None:
    norm = ChannelNorm(4).eval()
    norm.running_mean.add_(1)  # type: ignore[union-attr]
    x = torch.randn(3, 2, 5, 4)
    expected = norm(x).relu()
    assert torch.equal(norm_add_relu(norm, x.clone()), expected)


def test_single_precision_statistics_far_from_zero() -> None:
    x = torch.randn(50, 2, 40, 4) + 30
    norm = ChannelNorm(4)
    out = norm_add_relu(norm, x.clone().requires_grad_())
    exact = x.double().view(-1, 4)
    normal = (exact - exact.mean(0)) / (exact.var(0, correction=0) + norm.eps).sqrt()
    assert torch.allclose(out.view(-1, 4).double(), normal.relu(), atol=2e-3)
