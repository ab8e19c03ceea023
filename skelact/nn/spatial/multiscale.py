"""Multi-scale graph convolution in one frame and over windows of frames (MS-G3D's)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.graph import SkeletonGraph
from skelact.nn.norm import ChannelNorm, scale_shift


class MultiScaleGraphConv(nn.Module):
    """Graph convolution over several hop distances, each with a learned residual mask.

    ``out = Σ_k (A_k + B_k) x W_k + b`` (Liu et al., "Disentangling and unifying graph convolutions for
    skeleton-based action recognition", CVPR 2020).

    Args:
        channels_in, channels_out: C and D.
        graph: the scales, from `skelact.layouts.hop_scales`; shared between layers.
    """

    def __init__(self, channels_in: int, channels_out: int, graph: SkeletonGraph) -> None:
        super().__init__()
        k, v = graph.n_partitions, graph.n_joints
        self.graph = graph
        self.learned = nn.Parameter(torch.empty(k * v, v).uniform_(-1e-6, 1e-6))
        self.weight = nn.Parameter(torch.empty(k, channels_in, channels_out))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        nn.init.normal_(self.weight, 0, math.sqrt(2 / channels_out))

    def adjacency(self) -> Tensor:
        """``[K*V, V]`` (target, source): the fixed graphs and the learned masks."""
        return self.learned + self.graph.dense(self.graph.value).to(self.learned.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return aggregate_and_mix(x, self.adjacency(), self.weight, self.bias)

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedMultiScaleGraphConv:
        """The inference form, with the norm that follows."""
        return FoldedMultiScaleGraphConv(self, norm, dtype)


def aggregate_and_mix(x: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``Σ_k matrix_k x W_k + b``: ``[V, P, T, C]`` with ``[K*V, V]``, ``[K, C, D]`` and ``[D]``."""
    v, p, t, c = x.shape
    k, _, d = weight.shape
    parts = (matrix.to(x.dtype) @ x.reshape(v, -1)).view(k, v * p * t, c)
    joined = parts.transpose(0, 1).reshape(v, p, t, k * c)
    return functional.linear(joined, weight.reshape(k * c, d).T, bias)


class FoldedMultiScaleGraphConv:
    """`MultiScaleGraphConv` and the norm that follows it."""

    def __init__(self, conv: MultiScaleGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        scale, shift = scale_shift(norm, conv.weight)
        self.matrix = conv.adjacency().detach().to(dtype, copy=True)
        self.weight = (conv.weight * scale).detach().to(dtype).contiguous()
        self.bias = (conv.bias * scale + shift).detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        v, p, t, c = x.shape
        k, _, d = self.weight.shape
        parts = (self.matrix @ x.reshape(v, -1)).view(k, v * p * t, c)
        out = torch.addmm(self.bias, parts[0], self.weight[0])
        for i in range(1, k):
            out.addmm_(parts[i], self.weight[i])
        return out.view(v, p, t, d)


class WindowGraphConv(nn.Module):
    """Multi-scale graph convolution over windows of frames, each collapsed to one frame (G3D).

    Every window is one graph of ``window * V`` joints; a norm and ReLU follow, and then one product takes a
    joint's features of all frames of the window (Liu et al., CVPR 2020).

    Args:
        channels_in, channels_out: C and D.
        graph: the scales over the window, from `skelact.layouts.hop_scales`.
        window: frames.
        width: channels between the two products; the release keeps C, but widens at once in its first block.
        stride: frames per output frame.
        dilation: frames between two of the window.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        graph: SkeletonGraph,
        window: int,
        width: int,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.window, self.stride, self.dilation = window, stride, dilation
        self.conv = MultiScaleGraphConv(channels_in, width, graph)
        self.norm = ChannelNorm(width)
        self.collapse_weight = nn.Parameter(torch.empty(window, width, channels_out))
        self.collapse_bias = nn.Parameter(torch.zeros(channels_out))
        nn.init.normal_(self.collapse_weight, 0, math.sqrt(1 / (3 * window * width)))

    def forward(self, x: Tensor) -> Tensor:
        windows = unfold_frames(x, self.window, self.stride, self.dilation)
        seen = self.norm(self.conv(windows)).relu_()
        _, p, t, e = seen.shape
        joined = seen.view(self.window, -1, p, t, e).permute(1, 2, 3, 0, 4).reshape(-1, p, t, self.window * e)
        return functional.linear(joined, self.collapse_weight.flatten(0, 1).T, self.collapse_bias)

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedWindowGraphConv:
        """The inference form, with the norm that follows."""
        return FoldedWindowGraphConv(self, norm, dtype)


def unfold_frames(x: Tensor, window: int, stride: int, dilation: int) -> Tensor:
    """Every frame's window of frames as more joints: ``[V, P, T, C]`` to ``[window*V, P, T', C]``."""
    reach = (window - 1) * dilation
    frames = (x.shape[2] - 1) // stride * stride + 1
    x = functional.pad(x, (0, 0, reach // 2, reach - reach // 2))
    return torch.cat([x[:, :, start : start + frames : stride] for start in range(0, reach + 1, dilation)])


class FoldedWindowGraphConv:
    """`WindowGraphConv` and the norm that follows it."""

    def __init__(self, conv: WindowGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        self.window, self.stride, self.dilation = conv.window, conv.stride, conv.dilation
        self.conv = conv.conv.folded(conv.norm, dtype)
        scale, shift = scale_shift(norm, conv.collapse_weight)
        self.weight = (conv.collapse_weight * scale).detach().to(dtype).contiguous()
        self.bias = (conv.collapse_bias * scale + shift).detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        windows = unfold_frames(x, self.window, self.stride, self.dilation)
        seen = self.conv(windows).relu_()
        _, p, t, e = seen.shape
        flat = seen.view(self.window, -1, e)
        out = torch.addmm(self.bias, flat[0], self.weight[0])
        for i in range(1, self.window):
            out.addmm_(flat[i], self.weight[i])
        return out.view(-1, p, t, out.shape[1])
