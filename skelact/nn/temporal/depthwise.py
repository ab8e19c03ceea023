"""Depthwise temporal convolution with channel attention, in residual blocks over a person's frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.norm import ChannelNorm


class EfficientChannelAttention(nn.Module):
    """Weights of the channels from their means over the frames: ``σ(conv1d(mean_t x))`` across the channels.

    Source: Wang et al., "ECA-Net: efficient channel attention", CVPR 2020.

    Args:
        kernel: neighbouring channels that decide together; odd.
    """

    def __init__(self, kernel: int = 5) -> None:
        super().__init__()
        self.across = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """``[P, T, C]`` to the same; ``present [P, T]`` marks the frames that count in the mean."""
        if present is None:
            mean = x.mean(1, keepdim=True)
        else:
            weight = present.to(x.dtype)[..., None]
            mean = (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
        return x * self.across(mean).sigmoid()


class DropPath(nn.Module):
    """Stochastic depth: a residual branch is left out for whole people in training (Huang et al., ECCV 2016)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ConfigError(f"drop_path is a probability below 1, got {probability}")
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.probability:
            return x
        keep = 1 - self.probability
        drawn = torch.rand(len(x), *[1] * (x.ndim - 1), dtype=x.dtype, device=x.device)
        return x * ((drawn < keep).to(x.dtype) / keep)


class DepthwiseBlock(nn.Module):
    """Expand, causal depthwise convolution over time, norm, channel attention, project; with a residual.

    Source: the winning entry of Google's isolated sign recognition competition (2023).

    Args:
        channels: C.
        kernel: frames that the convolution sees, the last one the frame itself.
        expansion: widening of the channels inside.
        drop_path: see `DropPath`.

    Raises:
        ConfigError: if the kernel or the expansion are below 1.
    """

    def __init__(self, channels: int, kernel: int = 17, expansion: int = 2, drop_path: float = 0.2) -> None:
        super().__init__()
        if kernel < 1 or expansion < 1:
            raise ConfigError(f"kernel and expansion must be at least 1, got {kernel} and {expansion}")
        inner = channels * expansion
        self.before = kernel - 1
        self.expand = nn.Linear(channels, inner)
        self.depthwise = nn.Conv1d(inner, inner, kernel, groups=inner, bias=False)
        self.norm = ChannelNorm(inner)
        self.attention = EfficientChannelAttention()
        self.project = nn.Linear(inner, channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """``[P, T, C]`` to the same; frames that ``present [P, T]`` leaves out give and take nothing."""
        inner = functional.silu(self.expand(x))
        if present is not None:
            inner = inner * present.to(inner.dtype)[..., None]
        inner = self.depthwise(functional.pad(inner.transpose(1, 2), (self.before, 0)))
        inner = self.norm.normalise(inner).transpose(1, 2)
        return x + self.drop_path(self.project(self.attention(inner, present)))
