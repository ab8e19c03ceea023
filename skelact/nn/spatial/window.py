"""Graph convolution over windows of frames (MS-G3D's G3D)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.graph import SkeletonGraph
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.norm_step import NormMap, chunks
from skelact.nn.spatial.mix import in_plain_precision
from skelact.nn.spatial.multiscale import MultiScaleGraphConv


class Windows(NamedTuple):
    """Windows of frames, centred on every output frame.

    Args:
        size: frames of a window; odd.
        stride: frames per output frame.
        dilation: frames between two of a window.
    """

    size: int
    stride: int = 1
    dilation: int = 1

    def unfold(self, x: Tensor) -> Tensor:
        """Every frame's window as more joints: ``[V, P, T, C]`` to ``[size*V, P, T', C]``."""
        reach = (self.size - 1) * self.dilation
        frames = (x.shape[2] - 1) // self.stride * self.stride + 1
        x = functional.pad(x, (0, 0, reach // 2, reach - reach // 2))
        starts = range(0, reach + 1, self.dilation)
        return torch.cat([x[:, :, start : start + frames : self.stride] for start in starts])

    def phases(self, x: Tensor) -> list[Tensor]:
        """One person's ``[V, T, C]``, its frames dealt out by the stride."""
        return [x[:, phase :: self.stride].contiguous() for phase in range(min(self.stride, x.shape[1]))]

    def steps(self, n_frames: int, width: int) -> list[tuple[int, int, slice, slice]]:
        """For every place in the window: ``(place, phase, columns of the output, columns of that phase)``,
        where frames of ``width`` channels lie side by side and those beyond the clip are left out."""
        n_out, result = -(-n_frames // self.stride), []
        for place in range(self.size):
            offset = place * self.dilation - (self.size - 1) * self.dilation // 2
            phase, shift = offset % self.stride, offset // self.stride
            n_here = -(-(n_frames - phase) // self.stride)
            first, last = max(0, -shift), min(n_out, n_here - shift)
            if first < last:
                seen = slice((first + shift) * width, (last + shift) * width)
                result.append((place, phase, slice(first * width, last * width), seen))
        return result


def by_place(matrix: Tensor, n_scales: int, size: int) -> Tensor:
    """The window's graph ``[K*size*V, size*V]`` as ``[size, size*V, K*V]``: apart for every source frame, with
    all scales of that frame side by side."""
    v = matrix.shape[1] // size
    return matrix.view(n_scales, size * v, size, v).permute(2, 1, 0, 3).reshape(size, size * v, n_scales * v)


def mix_windows(x: Tensor, places: Tensor, weight: Tensor, bias: Tensor, windows: Windows) -> Tensor:
    """Mix channels frame by frame, then aggregate over windows: ``[V, P, T, C]`` to ``[size*V, P, T', E]``.

    The other order would mix every frame's channels once for every window that it is in, and make windows.

    Args:
        x: features.
        places: from `by_place`.
        weight: ``[K, C, E]``.
        bias: ``[E]``.
        windows: their geometry.
    """
    p, t, e = *x.shape[1:3], weight.shape[2]
    out = x.new_empty(places.shape[1], p, -(-t // windows.stride), e)
    steps = windows.steps(t, e)
    for i in range(p):
        mixed = _mix_phases(windows.phases(x[:, i]), weight)
        result = out[:, i].copy_(bias).flatten(1)
        for place, phase, columns, seen in steps:
            result[:, columns].addmm_(places[place], mixed[phase][:, seen])
    return out


def _mix_phases(phases: list[Tensor], weight: Tensor) -> list[Tensor]:
    """``[V, T, C]`` to ``[K*V, T*E]``."""
    k, c, e = weight.shape
    return [
        torch.bmm(x.view(1, -1, c).expand(k, -1, -1), weight).view(k * x.shape[0], x.shape[1] * e)
        for x in phases
    ]


class MixWindows(torch.autograd.Function):
    """`mix_windows` for training: only the input is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, weight: Tensor, bias: Tensor, windows: Windows):  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(x, places, weight)
        ctx.windows = windows
        return mix_windows(x, places, weight, bias, windows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor):  # type: ignore[no-untyped-def, override]
        x, places, weight = ctx.saved_tensors
        windows: Windows = ctx.windows
        v, p, t, c = x.shape
        k, _, e = weight.shape
        grad = grad.contiguous()
        grad_x, grad_places, grad_weight = (
            torch.empty_like(x),
            torch.zeros_like(places),
            torch.zeros_like(weight),
        )
        steps = windows.steps(t, e)
        for i in range(p):
            phases, part_grad = windows.phases(x[:, i]), grad[:, i].flatten(1)
            mixed = _mix_phases(phases, weight)
            slopes = [torch.zeros_like(m) for m in mixed]
            for place, phase, columns, seen in steps:
                grad_places[place].addmm_(part_grad[:, columns], mixed[phase][:, seen].T)
                slopes[phase][:, seen].addmm_(places[place].T, part_grad[:, columns])
            for phase, (frames, slope) in enumerate(zip(phases, slopes, strict=True)):
                flat, rows = frames.view(1, -1, c), slope.view(k, -1, e)
                grad_weight.baddbmm_(flat.transpose(1, 2).expand(k, -1, -1), rows)
                part = rows[0] @ weight[0].T
                for j in range(1, k):
                    part.addmm_(rows[j], weight[j].T)
                grad_x[:, i, phase :: windows.stride] = part.view(v, -1, c)
        return grad_x, grad_places, grad_weight, grad.sum((0, 1, 2)), None


class NormCollapse(torch.autograd.Function):
    """Norm, ReLU and the product over a window's frames: ``[size*V, P, T, E]`` to ``[V, P, T, D]``.

    What norm and ReLU give is made again in the backward pass, joint by joint.
    """

    @staticmethod
    def forward(
        ctx: Any, norm: ChannelNorm, x: Tensor, gamma: Tensor, beta: Tensor, weight: Tensor, bias: Tensor
    ):  # type: ignore[no-untyped-def, override]
        size, e, d = weight.shape
        ctx.map = NormMap.of_rows(norm, x.view(-1, e), gamma, beta)
        ctx.save_for_backward(x, weight)
        frames = x.view(size, -1, *x.shape[1:3], e)
        out = bias.expand(*frames.shape[1:4], d).contiguous()
        for joint in range(frames.shape[1]):
            result = out[joint].view(-1, d)
            for place in range(size):
                seen = torch.addcmul(ctx.map.shift, frames[place, joint], ctx.map.scale).relu_()
                result.addmm_(seen.view(-1, e), weight[place])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor):  # type: ignore[no-untyped-def, override]
        x, weight = ctx.saved_tensors
        size, e, d = weight.shape
        grad = grad.contiguous()
        frames, grad_x = x.view(size, -1, *x.shape[1:3], e), torch.empty_like(x)
        slopes, grad_weight = grad_x.view(frames.shape), torch.zeros_like(weight)
        sums = torch.zeros(2, e, dtype=torch.float64)
        for joint in range(frames.shape[1]):
            flat_grad = grad[joint].view(-1, d)
            for place in range(size):
                part, slope = frames[place, joint].view(-1, e), slopes[place, joint].view(-1, e)
                seen = torch.addcmul(ctx.map.shift, part, ctx.map.scale).relu_()
                grad_weight[place].addmm_(seen.T, flat_grad)
                passed = torch.mm(flat_grad, weight[place].T)
                torch.ops.aten.threshold_backward.grad_input(passed, seen, 0, grad_input=slope)
                sums[0] += slope.sum(0)
                sums[1] += (slope * part).sum(0)
        by_x, constant, grad_gamma, grad_beta = ctx.map.slopes(sums)
        for part, slope in chunks(x.view(-1, e), grad_x.view(-1, e)):
            slope.mul_(ctx.map.scale).addcmul_(part, by_x).add_(constant)
        return None, grad_x, grad_gamma, grad_beta, grad_weight, grad.sum((0, 1, 2))


class WindowGraphConv(nn.Module):
    """Multi-scale graph convolution over windows of frames, each collapsed to one frame (G3D).

    Every window is one graph of ``window * V`` joints; a norm and ReLU follow, and then one product takes a
    joint's features of all frames of the window (Liu et al., CVPR 2020).

    Args:
        channels_in, channels_out: C and D.
        graph: the scales over the window, from `skelact.layouts.hop_scales`.
        windows: their geometry.
        width: channels between the two products; the release keeps C, but widens at once in its first block.
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

    @property
    def mixes_first(self) -> bool:
        """Whether channels are mixed before windows are made: not where that makes many out of few."""
        return 2 * self.conv.weight.shape[1] >= self.conv.weight.shape[2]

    def forward(self, x: Tensor) -> Tensor:
        size, conv = self.windows.size, self.conv
        steps = self.training and x.device.type == "cpu" and in_plain_precision(x)
        if steps and self.mixes_first:
            places = by_place(conv.adjacency(), conv.graph.n_partitions, size)
            seen = MixWindows.apply(x, places, conv.weight, conv.bias, self.windows)
        else:
            seen = conv(self.windows.unfold(x))
        if steps and self.norm.training:
            values = (self.norm.weight, self.norm.bias, self.collapse_weight, self.collapse_bias)
            return NormCollapse.apply(self.norm, seen, *values)  # type: ignore[return-value]
        seen = self.norm(seen).relu_()
        _, p, t, e = seen.shape
        joined = seen.view(size, -1, p, t, e).permute(1, 2, 3, 0, 4).reshape(-1, p, t, size * e)
        return functional.linear(joined, self.collapse_weight.flatten(0, 1).T, self.collapse_bias)

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedWindowGraphConv:
        """The inference form, with the norm that follows."""
        return FoldedWindowGraphConv(self, norm, dtype)


class FoldedWindowGraphConv:
    """`WindowGraphConv` and the norm that follows it."""

    def __init__(self, conv: WindowGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        self.windows, self.mixes_first = conv.windows, conv.mixes_first
        inner_scale, inner_shift = scale_shift(conv.norm, conv.conv.weight)
        self.inner = conv.conv.folded(conv.norm, dtype)
        self.places = by_place(self.inner.matrix, conv.conv.graph.n_partitions, conv.windows.size)
        self.mix_bias = (conv.conv.bias * inner_scale + inner_shift).detach().to(dtype)
        scale, shift = scale_shift(norm, conv.collapse_weight)
        self.weight = (conv.collapse_weight * scale).detach().to(dtype).contiguous()
        self.bias = (conv.collapse_bias * scale + shift).detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        if self.mixes_first:
            seen = mix_windows(x, self.places, self.inner.weight, self.mix_bias, self.windows)
        else:
            seen = self.inner(self.windows.unfold(x))
        _, p, t, e = seen.shape
        flat = seen.relu_().view(self.windows.size, -1, e)
        out = torch.addmm(self.bias, flat[0], self.weight[0])
        for i in range(1, self.windows.size):
            out.addmm_(flat[i], self.weight[i])
        return out.view(-1, p, t, out.shape[1])
