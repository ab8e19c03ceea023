"""Minimal filtering gives the convolution, at any size, by the published transforms."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.winograd import transforms, winograd_conv2d


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("size", [(3, 3), (4, 7), (8, 8), (9, 5), (3, 14)])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_it_is_the_convolution(m: int, size: tuple[int, int], padding: int) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, *size), torch.randn(5, 3, 3, 3), torch.randn(5)
    x, weight, bias = x.double(), weight.double(), bias.double()
    expected = functional.conv2d(x, weight, bias, padding=padding)
    assert (winograd_conv2d(x, weight, bias, padding, m) - expected).abs().max() < 1e-10
    assert torch.equal(
        winograd_conv2d(x, weight, None, padding, m) + bias[:, None, None],
        winograd_conv2d(x, weight, bias, padding, m),
    )


def test_two_outputs_of_four_products() -> None:
    d, g = torch.randn(4).double(), torch.randn(3).double()
    m1 = (d[0] - d[2]) * g[0]
    m2 = (d[1] + d[2]) * (g[0] + g[1] + g[2]) / 2
    m3 = (d[2] - d[1]) * (g[0] - g[1] + g[2]) / 2
    m4 = (d[1] - d[3]) * g[2]
    back, kernel, out = transforms(2, d)
    products = (kernel @ g) * (back @ d)
    assert torch.allclose(products, torch.stack([m1, m2, m3, m4]))
    assert torch.allclose(out @ products, torch.stack([m1 + m2 + m3, m2 - m3 - m4]))
    assert torch.allclose(out @ products, functional.conv1d(d.view(1, 1, 4), g.view(1, 1, 3)).flatten())


def test_float32_loses_more_with_larger_tiles() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 64, 16, 16), torch.randn(64, 64, 3, 3)
    exact = functional.conv2d(x.double(), weight.double(), padding=1)
    errors = [
        float((winograd_conv2d(x, weight, None, 1, m) - exact).abs().max() / exact.abs().max())
        for m in (2, 4)
    ]
    assert errors[0] < 2e-6 and errors[0] < errors[1] < 2e-5


def test_other_kernels_are_refused() -> None:
    with pytest.raises(ConfigError, match="number of outputs of minimal filtering"):
        winograd_conv2d(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 3, 3), m=3)
    with pytest.raises(ConfigError, match="kernels of 3 x 3"):
        winograd_conv2d(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 5, 5))
