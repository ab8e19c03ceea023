"""Graph convolution over windows of frames (G3D of MS-G3D)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.graph import SkeletonGraph
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.multiscale import MultiScaleGraphConv


class Windows(NamedTuple):
    """Sliding windows of frames, centred on the output frames.

    Args:
        size: frames of a window; odd.
        stride: frames per output frame.
        dilation: distance between the frames of a window.
    """

    size: int
    stride: int = 1
    dilation: int = 1

    def unfold(self, x: Tensor) -> Tensor:
        """Windows of ``[V, P, T, C]`` as graphs of ``size * V`` joints: ``[size*V, P, T', C]``."""
        reach = (self.size - 1) * self.dilation
        frames = (x.shape[2] - 1) // self.stride * self.stride + 1
        x = functional.pad(x, (0, 0, reach // 2, reach - reach // 2))
        starts = range(0, reach + 1, self.dilation)
        return torch.cat([x[:, :, start : start + frames : self.stride] for start in starts])


class WindowGraphConv(nn.Module):
    """Multi-scale graph convolution over windows of frames, each collapsed to one frame (G3D).

    Every window is one graph of ``size * V`` joints; a norm, ReLU and a linear map of each joint's features in
    all frames of the window follow (Liu et al., CVPR 2020).

    Args:
        channels_in, channels_out: C and D.
        graph: the scales over the window, from `skelact.layouts.hop_scales`.
        windows: size, stride and dilation of the windows.
        width: channels of the graph convolution: C in the release, except in its first block.
    """

    def __init__(
        self, channels_in: int, channels_out: int, graph: SkeletonGraph, windows: Windows, width: int
    ) -> None:
        super().__init__()
        self.windows = windows
        self.conv = MultiScaleGraphConv(channels_in, width, graph)
        self.norm = ChannelNorm(width)
        self.collapse_weight = nn.Parameter(torch.empty(windows.size, width, channels_out))
        self.collapse_bias = nn.Parameter(torch.zeros(channels_out))
        nn.init.normal_(self.collapse_weight, 0, math.sqrt(1 / (3 * windows.size * width)))

    def forward(self, x: Tensor) -> Tensor:
        size = self.windows.size
        features = self.norm(self.conv(self.windows.unfold(x))).relu()
        joined = features.view(size, -1, *features.shape[1:]).permute(1, 2, 3, 0, 4).flatten(3)
        return functional.linear(joined, self.collapse_weight.flatten(0, 1).T, self.collapse_bias)
