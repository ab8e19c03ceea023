"""Temporal convolution of groups of channels with different dilations (SkelactNet)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.nn.initialise import initialise_fan_out
from skelact.nn.modules import Modules
from skelact.nn.norm import ChannelNorm
from skelact.nn.temporal.conv import PointConv, TemporalConv


class SplitConv(nn.Module):
    """1×1 convolution, norm and ReLU, then a temporal convolution of another dilation per group of channels.

    The last group is passed through. Unlike `MultiBranchConv` it has no max pooling, which costs more than all
    convolutions in training, and can be causal.

    Args:
        channels: D of input and output.
        stride: temporal stride.
        dilations: of the convolved groups; one more group is passed through.
        kernel: temporal kernel size [frames]; odd.
        causal: the receptive field ends at the frame itself.

    Raises:
        ConfigError: if there are fewer channels than groups, or the kernel is even.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        dilations: Sequence[int] = (1, 2, 4),
        kernel: int = 5,
        causal: bool = False,
    ) -> None:
        super().__init__()
        width = channels // (len(dilations) + 1)
        if width < 1:
            raise ConfigError(f"{len(dilations) + 1} groups need at least as many channels, got {channels}")
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        self.widths = [width] * len(dilations) + [channels - width * len(dilations)]
        self.stride = stride
        self.mix, self.norm = PointConv(channels, channels), ChannelNorm(channels)
        self.convs = Modules(TemporalConv(width, width, kernel, stride, d, causal) for d in dilations)
        initialise_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        *groups, rest = self.norm(self.mix(x)).relu_().split(self.widths, dim=-1)
        branches = [conv(group) for conv, group in zip(self.convs, groups, strict=True)]
        return torch.cat([*branches, rest[:, :, :: self.stride]], -1)
