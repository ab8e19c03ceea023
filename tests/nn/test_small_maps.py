"""Convolutions with kernels larger than their input keep float32 where a CPU trains in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from skelact.nn.small_maps import float32_small_maps

CPU = torch.device("cpu")


def trained(x: torch.Tensor, weight: torch.Tensor, precision: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The output in bfloat16 and the weight's gradient, of a convolution under autocast."""
    weight = weight.clone().requires_grad_()
    conv = functional.conv3d if x.ndim == 5 else functional.conv2d
    with torch.autocast("cpu", torch.bfloat16), float32_small_maps(CPU, precision):
        out = conv(x, weight, None, padding=1)
        named = conv(input=x, weight=weight, padding=1)
    assert torch.equal(out, named) and out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    assert weight.grad is not None
    return out.detach(), weight.grad


@pytest.mark.parametrize("shape", [(2, 16, 2, 4, 4), (2, 16, 5, 1, 4), (2, 16, 1, 5)])
def test_the_numbers_are_those_of_float32(shape: tuple[int, ...]) -> None:
    made = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=made)
    weight = torch.randn(16, 16, *[3] * (len(shape) - 2), generator=made) / 20
    out, grad = trained(x, weight, "bf16-mixed")
    conv = functional.conv3d if x.ndim == 5 else functional.conv2d
    assert torch.equal(out, conv(x, weight, padding=1).to(torch.bfloat16))
    exact = weight.clone().requires_grad_()
    conv(x, exact, padding=1).square().sum().backward()
    assert exact.grad is not None
    assert (grad - exact.grad).norm() < 0.02 * exact.grad.norm()


def test_larger_maps_and_other_precisions_are_left_alone() -> None:
    made = torch.Generator().manual_seed(0)
    weight = torch.randn(16, 16, 3, 3, 3, generator=made) / 20
    for x, precision in (
        (torch.randn(2, 16, 3, 4, 4, generator=made), "bf16-mixed"),
        (torch.randn(2, 16, 2, 4, 4, generator=made), "32-true"),
    ):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            usual = functional.conv3d(x, weight, padding=1)
            with float32_small_maps(CPU, precision):
                assert torch.equal(functional.conv3d(x, weight, padding=1), usual)
        assert not torch.equal(usual, functional.conv3d(x, weight, padding=1).to(torch.bfloat16))
    with float32_small_maps(CPU, "bf16-mixed"):  # without autocast nothing is changed
        x = torch.randn(2, 16, 2, 4, 4, generator=made)
        assert functional.conv3d(x, weight, padding=1).dtype == torch.float32
