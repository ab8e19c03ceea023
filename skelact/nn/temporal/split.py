"""Convolution over time on groups of channels, after all have been mixed (skelact's own)."""

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
    """A 1×1 convolution, norm and ReLU; then each group of channels looks as far as its dilation reaches.

    The last group passes as it is. Against branches that each mix all channels anew (`MultiBranchConv`),
    there is no maximum, which costs more than all convolutions in training, and nothing of the future with
    ``causal``.

    Args:
        channels: D of input and output.
        stride: frames per output frame.
        dilations: of the groups that are convolved; one more group passes.
        kernel: frames; odd.
        causal: see only the frame itself and those before it.

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
        seen = [conv(group) for conv, group in zip(self.convs, groups, strict=True)]
        return torch.cat([*seen, rest[:, :, :: self.stride]], -1)
