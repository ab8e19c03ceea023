"""Multi-branch temporal convolution: the field's form, the steps of training, and the inference form."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.fast.table import fold
from skelact.nn.norm import ChannelNorm
from skelact.nn.temporal.multibranch import MultiBranchConv, max_of_three

KERNELS = ((3, 1), (5, 2), (3, 4))
DTYPE = torch.float64


def make(stride: int = 1, transform: bool = True, n_joints: int = 0) -> MultiBranchConv:
    torch.manual_seed(0)
    conv = MultiBranchConv(13, stride, KERNELS, transform, n_joints, channels_in=7).to(DTYPE)
    for value in conv.parameters():
        nn.init.normal_(value)
    for norm in (conv.norm, conv.transform_norm):
        if norm is not None:
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    return conv


def usual(conv: MultiBranchConv, x: torch.Tensor) -> torch.Tensor:
    """Branch by branch on ``[N, C, T, V]`` with pooling modules, in evaluation mode."""
    if conv.joint_mean is not None:
        x = torch.cat([x, x.mean(-1, keepdim=True)], -1)
    weight, bias = conv.point.weight[:, :, None, None], conv.point.bias
    points = functional.conv2d(x, weight, bias).split(conv.widths, 1)
    scale, shift = (s.split(conv.widths[:-1]) for s in conv.norm.scale_shift())
    outs = []
    for i, part in enumerate(points[:-1]):
        part = torch.relu(part * scale[i][:, None, None] + shift[i][:, None, None])
        if i < len(KERNELS):
            module, (kernel, dilation) = conv.convs[i], KERNELS[i]
            outs.append(
                functional.conv2d(
                    part, module.weight.transpose(2, 3), module.bias, (conv.stride, 1),  # type: ignore
                    (kernel // 2 * dilation, 0), (dilation, 1),
                )
            )  # fmt: skip
        else:
            outs.append(functional.max_pool2d(part, (3, 1), (conv.stride, 1), (1, 0)))
    out = torch.cat([*outs, points[-1][:, :, :: conv.stride]], 1)
    if conv.joint_mean is not None:
        out = out[..., :-1] + out[..., -1:] * conv.joint_mean
    if conv.transform is not None and conv.transform_norm is not None:
        s, b = (value[:, None, None] for value in conv.transform_norm.scale_shift())
        out = functional.conv2d(
            torch.relu(out * s + b), conv.transform.weight[:, :, None, None], conv.transform.bias
        )
    return out


@pytest.mark.parametrize("n_frames", [1, 2, 7, 16])
@pytest.mark.parametrize("n_joints", [0, 5])
@pytest.mark.parametrize("transform", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_equals_the_usual_form(stride: int, transform: bool, n_joints: int, n_frames: int) -> None:
    conv = make(stride, transform, n_joints).eval()
    norm = ChannelNorm(13).to(DTYPE).eval()
    nn.init.normal_(norm.running_mean)
    nn.init.normal_(norm.weight)  # of either sign: a maximum must not be taken after it
    x = torch.randn(5, 3, n_frames, 7, dtype=DTYPE)
    expected = usual(conv, x.permute(1, 3, 2, 0)).permute(3, 0, 2, 1)
    assert torch.allclose(conv(x), expected, atol=1e-10)
    folded = fold(conv, norm, DTYPE)
    assert torch.allclose(folded(x), norm(expected), atol=1e-10)


def test_maximum_of_three_frames_is_pooling() -> None:
    x = torch.rand(4, 2, 9, 3)
    for stride in (1, 2):
        expected = functional.max_pool2d(x.permute(0, 3, 1, 2), (1, 3), (1, stride), (0, 1)).permute(
            0, 2, 3, 1
        )
        assert torch.equal(max_of_three(x, stride), expected)


def test_inference_does_not_follow_training() -> None:
    conv = make(n_joints=5).eval()
    x = torch.randn(5, 2, 8, 7, dtype=DTYPE)
    folded = fold(conv, None, DTYPE)
    before = folded(x)
    with torch.no_grad():
        for value in conv.parameters():
            value.add_(1.0)
    assert torch.equal(folded(x), before)


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="5 temporal branches need at least as many channels, got 4"):
        MultiBranchConv(4, kernels=KERNELS)
    with pytest.raises(ConfigError, match="kernels must be odd"):
        MultiBranchConv(12, kernels=((4, 1),))
