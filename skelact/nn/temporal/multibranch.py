"""Multi-branch temporal convolution: branches of different dilations, max pooling and a 1×1 convolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.modules import Modules
from skelact.nn.norm import ChannelNorm
from skelact.nn.temporal.conv import PointConv, TemporalConv


class MultiBranchConv(nn.Module):
    """Multi-branch temporal convolution.

    Sources: Liu et al., CVPR 2020 (MS-G3D); Chen et al., ICCV 2021 (CTR-GCN); Duan et al., ACM MM 2022
    (ST-GCN++); Duan et al., arXiv 2210.05895 (DG-STGCN). Every branch begins with a 1×1
    convolution. In all but the last, norm, ReLU and a temporal convolution, or in the last but one max pooling
    over three frames, follow. The 1×1 convolutions of all branches are computed as one.

    Args:
        channels: D of the output. Divided equally between the branches; the first takes the remainder.
        stride: temporal stride.
        kernels: ``(kernel size, dilation)`` of each temporal convolution.
        transform: norm, ReLU and a 1×1 convolution after the branches.
        n_joints: V: the mean over joints passes through the same branches and is added to every joint with a
            learned coefficient, initialised with 0 (DG-STGCN). 0: without it.
        channels_in: C of the input; None: D.

    Raises:
        ConfigError: if there are fewer channels than branches, or a kernel is even.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        kernels: Sequence[tuple[int, int]] = ((3, 1), (3, 2), (3, 3), (3, 4)),
        transform: bool = True,
        n_joints: int = 0,
        channels_in: int | None = None,
    ) -> None:
        super().__init__()
        n_branches = len(kernels) + 2
        if channels < n_branches:
            raise ConfigError(
                f"{n_branches} temporal branches need at least as many channels, got {channels}"
            )
        if any(kernel % 2 == 0 for kernel, _ in kernels):
            raise ConfigError(f"kernels must be odd so that frames stay centred, got {tuple(kernels)}")
        width = channels // n_branches
        self.widths = [channels - width * (n_branches - 1)] + [width] * (n_branches - 1)
        self.stride = stride
        self.n_narrow = channels - width  # channels of the branches that mix frames
        self.reach = max([1, *((kernel // 2) * dilation for kernel, dilation in kernels)])
        self.point = PointConv(channels_in or channels, channels)
        self.norm = ChannelNorm(self.n_narrow)
        self.convs = Modules(
            TemporalConv(w, w, kernel, stride, dilation)
            for w, (kernel, dilation) in zip(self.widths, kernels, strict=False)
        )
        self.joint_mean = nn.Parameter(torch.zeros(n_joints)) if n_joints else None
        self.transform_norm = ChannelNorm(channels) if transform else None
        self.transform = PointConv(channels, channels) if transform else None

    def forward(self, x: Tensor) -> Tensor:
        if self.joint_mean is not None:
            x = torch.cat([x, x.mean(0, keepdim=True)])
        split = sum(self.widths[:-1])
        weight, bias = self.point.weight, self.point.bias
        mixed = functional.linear(x, weight[:split], bias[:split])
        *narrow, peaks = self.norm(mixed).relu_().split(self.widths[:-1], dim=-1)
        branches = [conv(part) for conv, part in zip(self.convs, narrow, strict=True)]
        branches.append(max_of_three(peaks, self.stride))
        branches.append(functional.linear(x[:, :, :: self.stride], weight[split:], bias[split:]))
        out = torch.cat(branches, -1)
        if self.joint_mean is not None:
            out = torch.addcmul(out[:-1], out[-1:], self.joint_mean.to(out.dtype)[:, None, None, None])
        if self.transform is not None and self.transform_norm is not None:
            out = self.transform(self.transform_norm(out).relu_())
        return out


def max_of_three(x: Tensor, stride: int = 1) -> Tensor:
    """Max pooling over three frames of non-negative features ``[V, P, T, C]``.

    Computed on slices, many times faster than a pooling layer; padding is 0.
    """
    frames = x.shape[2]
    x = functional.pad(x, (0, 0, 1, 1))
    before, here, after = (x[:, :, i : i + frames : stride] for i in range(3))
    return torch.maximum(torch.maximum(before, here), after)
