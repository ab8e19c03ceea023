"""Blocks of the networks over video: consensus, shortcuts, factorised convolutions, padding, contrast."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from skelact.errors import ConfigError
from skelact.nn.consensus import Consensus, mean_probability
from skelact.nn.contrast import normalise_contrast
from skelact.nn.conv3d import ConvNorm3d
from skelact.nn.factorised3d import Conv2Plus1d, FastConv3d, middle_of_2plus1, middle_of_fast
from skelact.nn.inception import SameMaxPool3d, pad_same
from skelact.nn.residual3d import ResidualBlock3d, make_shortcut


def test_mean_probability_is_the_mean_of_softmaxes() -> None:
    logits = torch.randn(2, 5, 3, dtype=torch.float64)
    expected = sum(logits[:, t].softmax(-1) for t in range(5)) / 5
    assert torch.allclose(mean_probability(logits, 1).exp(), expected, atol=1e-12)
    assert torch.allclose(mean_probability(logits, 1).softmax(-1), expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["mean", "max", "weighted"])
def test_consensus_and_its_gradient(kind: str) -> None:
    """dL/dF_k = dL/dG · dG/dF_k with L = - sum y_i (G_i - log sum exp G_j)."""
    torch.manual_seed(0)
    module = Consensus(kind, 3).double()
    if module.weight is not None:
        assert torch.allclose(module.weight, torch.full((3,), 1 / 3, dtype=torch.float64))
        nn.init.normal_(module.weight)
    scores = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    y = torch.eye(4, dtype=torch.float64)[[1, 3]]
    g = module(scores)
    expected = {"mean": scores.sum(1) / 3, "max": scores.max(1).values}.get(kind)
    if module.weight is not None:
        expected = sum(module.weight[k] * scores[:, k] for k in range(3))
    assert torch.is_tensor(expected) and torch.allclose(g, expected, atol=1e-12)
    loss = -(y * (g - g.exp().sum(1, keepdim=True).log())).sum()
    (slope,) = torch.autograd.grad(loss, scores)
    by_g = g.softmax(1) - y
    for k in range(3):
        if kind == "mean":
            part = torch.full_like(by_g, 1 / 3)
        elif kind == "max":
            part = (scores.argmax(1) == k).double()
        else:
            assert module.weight is not None
            part = module.weight[k].expand_as(by_g)
        assert torch.allclose(slope[:, k], by_g * part, atol=1e-12)
    with pytest.raises(ConfigError, match="allowed: mean, max, weighted"):
        Consensus("median", 3)


def test_shortcuts() -> None:
    x = torch.randn(2, 4, 5, 6, 7)
    a = make_shortcut("A", 4, 8, 2)
    out = a(x)
    assert out.shape == (2, 8, 3, 3, 4) and not list(a.parameters())
    assert torch.equal(out[:, :4], x[:, :, ::2, ::2, ::2]) and not out[:, 4:].any()
    b = make_shortcut("B", 4, 8, 2).eval()
    assert b(x).shape == out.shape and sum(p.numel() for p in b.parameters()) == 4 * 8 + 2 * 8
    for kind in "AB":
        assert isinstance(make_shortcut(kind, 4, 4, 1), nn.Identity)
    with pytest.raises(ConfigError, match="use shortcut B"):
        make_shortcut("A", 8, 4, 1)
    with pytest.raises(ConfigError, match="allowed: A, B"):
        make_shortcut("C", 8, 4, 1)
    path = ConvNorm3d(4, 8, (3, 3), (2, 2), activate=False).eval()
    assert torch.equal(ResidualBlock3d([path], a)(x), torch.relu(path(x) + out))


@pytest.mark.parametrize(
    ("c", "d", "middle"),
    # 3·9·64·64 / (9·64 + 3·64), ...; the last is what torchvision's r2plus1d_18 has from 64 to 128 channels
    [(64, 64, 144), (128, 128, 288), (256, 256, 576), (512, 512, 1152), (64, 128, 230)],
)
def test_widths_of_2plus1(c: int, d: int, middle: int) -> None:
    assert middle_of_2plus1(c, d) == middle
    spatial, temporal = Conv2Plus1d(c, d)
    shapes = [list(part.get_parameter("0.weight").shape) for part in (spatial, temporal)]
    assert shapes == [[middle, c, 1, 3, 3], [d, middle, 3, 1, 1]]
    assert 9 * c * middle + 3 * middle * d <= 27 * c * d < 9 * c * (middle + 1) + 3 * (middle + 1) * d


@pytest.mark.parametrize("variant", ["sequential", "parallel"])
@pytest.mark.parametrize(("c", "d"), [(64, 64), (64, 128), (256, 512)])
def test_fast_convolutions(c: int, d: int, variant: str) -> None:
    m = middle_of_fast(c, d, variant)
    module = FastConv3d(c, d, 2, variant=variant).eval()
    weights = {name: value for name, value in module.named_parameters() if value.ndim == 5}
    kernels = [tuple(value.shape[2:]) for value in weights.values()]
    assert kernels == [(1, 3, 3), (3, 1, 3), (3, 3, 1)]
    total = sum(value.numel() for value in weights.values())
    assert total == 9 * (c * m + (m * m + m * d if variant == "sequential" else 2 * m * d))
    assert abs(total / (27 * c * d) - 1) < 0.05
    x = torch.randn(1, c, 3, 6, 5)
    s = module.spatial(x)
    if variant == "sequential":
        expected = module.vertical(module.horizontal(s))
    else:
        expected = module.horizontal(s) + module.vertical(s)
    out = module(x)
    assert torch.equal(out, expected.relu()) and out.shape == (1, d, 2, 3, 3)
    with pytest.raises(ConfigError, match="allowed: sequential, parallel"):
        FastConv3d(4, 4, variant="both")
    with pytest.raises(ConfigError, match="odd"):
        FastConv3d(4, 4, kernel=2)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 9])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (2, 2), (3, 1), (1, 1)])
def test_same_padding(size: int, kernel: int, stride: int) -> None:
    """TensorFlow: ceil(size / stride) outputs; of odd padding the end has more."""
    x = torch.rand(1, 1, size, size, 4) + 0.1
    padded = pad_same(x, (kernel, kernel, 1), (stride, stride, 1))
    total = padded.shape[2] - size
    assert (padded.shape[2] - kernel) // stride + 1 == math.ceil(size / stride)
    assert total == max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
    first = total // 2
    inside = padded[:, :, first : first + size, first : first + size]
    assert torch.equal(inside, x) and torch.isclose(padded.sum(), x.sum())
    repeated = pad_same(x, (kernel, 1, 1), (stride, 1, 1), repeat_frames=True)
    for t in range(repeated.shape[2]):
        assert torch.equal(repeated[:, :, t], x[:, :, min(max(t - first, 0), size - 1)])
    pooled = SameMaxPool3d((kernel, 1, 1), (stride, 1, 1))(x)
    for t in range(pooled.shape[2]):
        a = max(0, t * stride - first)
        assert torch.equal(pooled[:, :, t], x[:, :, a : t * stride - first + kernel].amax(2))


def test_contrast_by_loops() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 3, 4, 5, dtype=torch.float64)
    out = normalise_contrast(x, kernel=3, sigma=0.8)

    def blur(maps: torch.Tensor, t: int, i: int, j: int) -> torch.Tensor:
        total, weights = torch.zeros(2, dtype=torch.float64), 0.0
        for a in range(max(0, t - 1), min(3, t + 2)):
            for b in range(max(0, i - 1), min(4, i + 2)):
                for c in range(max(0, j - 1), min(5, j + 2)):
                    weight = math.exp(-((a - t) ** 2 + (b - i) ** 2 + (c - j) ** 2) / (2 * 0.8**2))
                    total, weights = total + weight * maps[:, :, a, b, c].mean(1), weights + weight
        return total / weights

    places = [(t, i, j) for t in range(3) for i in range(4) for j in range(5)]
    v, deviation = x.clone(), torch.zeros(2, 3, 4, 5, dtype=torch.float64)
    for t, i, j in places:
        v[:, :, t, i, j] -= blur(x, t, i, j)[:, None]
    for t, i, j in places:
        deviation[:, t, i, j] = blur(v**2, t, i, j).sqrt()
    floor = deviation.mean((1, 2, 3), keepdim=True)
    assert torch.allclose(out, v / torch.maximum(deviation, floor)[:, None], atol=1e-10)
    assert torch.isfinite(normalise_contrast(torch.ones(1, 2, 2, 3, 3))).all()
