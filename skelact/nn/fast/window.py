"""Forms of the graph convolution over windows of frames (MS-G3D)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelact.nn.fast.form import Form
from skelact.nn.fast.gate import TrainingForm
from skelact.nn.fast.graph_conv import DenseGraphConvForm
from skelact.nn.fast.norm_map import NormMap, chunks
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.window import WindowGraphConv, Windows


def mixes_first(conv: WindowGraphConv) -> bool:
    """Whether channels are mixed before windows are unfolded: not where their number increases much."""
    return 2 * conv.conv.weight.shape[1] >= conv.conv.weight.shape[2]


class WindowGraphConvStep(TrainingForm, WindowGraphConv):
    """`WindowGraphConv` without unfolded windows; saves only its input and the norm's input."""

    def step(self, x: Tensor) -> Tensor:
        if self.norm.sync:
            return WindowGraphConv.forward(self, x)
        size, conv = self.windows.size, self.conv
        if mixes_first(self):
            places = by_place(conv.adjacency(), conv.graph.n_partitions, size)
            features = MixWindows.apply(x, places, conv.weight, conv.bias, self.windows)
        else:
            features = conv(self.windows.unfold(x)).contiguous()
        values = (self.norm.weight, self.norm.bias, self.collapse_weight, self.collapse_bias)
        return NormCollapse.apply(self.norm, features, *values)


class WindowGraphConvForm(Form):
    """`WindowGraphConv` and the norm that follows it."""

    places: Tensor
    mix_weight: Tensor
    mix_bias: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, conv: WindowGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.windows, self.mixes_first = conv.windows, mixes_first(conv)
        self.stride = conv.windows.stride
        inner_scale, inner_shift = scale_shift(conv.norm, conv.conv.weight)
        scale, shift = scale_shift(norm, conv.collapse_weight)
        self.keep(dtype, weight=conv.collapse_weight * scale, bias=conv.collapse_bias * scale + shift)
        if self.mixes_first:
            places = by_place(conv.conv.adjacency(), conv.conv.graph.n_partitions, conv.windows.size)
            mix_bias = conv.conv.bias * inner_scale + inner_shift
            self.keep(dtype, places=places, mix_weight=conv.conv.weight * inner_scale, mix_bias=mix_bias)
        self.inner = DenseGraphConvForm.of_scales(conv.conv, conv.norm, dtype)

    def forward(self, x: Tensor) -> Tensor:
        if self.mixes_first and x.device.type == "cpu":  # person by person; a GPU would wait for launches
            features = mix_windows(x, self.places, self.mix_weight, self.mix_bias, self.windows)
        else:
            features = self.inner(self.windows.unfold(x))
        _, p, t, e = features.shape
        flat = features.relu_().view(self.windows.size, -1, e)
        out = torch.addmm(self.bias, flat[0], self.weight[0])
        for i in range(1, self.windows.size):
            out.addmm_(flat[i], self.weight[i])
        return out.view(-1, p, t, out.shape[1])


def phases_of(windows: Windows, x: Tensor) -> list[Tensor]:
    """The phases of one person's ``[V, T, C]``: every ``stride``-th frame."""
    return [x[:, phase :: windows.stride].contiguous() for phase in range(min(windows.stride, x.shape[1]))]


def steps_of(windows: Windows, n_frames: int, width: int) -> list[tuple[int, int, slice, slice]]:
    """``(place, phase, columns of the output, columns of that phase)`` for every place in the window; a
    frame is ``width`` columns, and frames outside the clip are omitted."""
    n_out, result = -(-n_frames // windows.stride), []
    for place in range(windows.size):
        offset = place * windows.dilation - (windows.size - 1) * windows.dilation // 2
        phase, shift = offset % windows.stride, offset // windows.stride
        n_here = -(-(n_frames - phase) // windows.stride)
        first, last = max(0, -shift), min(n_out, n_here - shift)
        if first < last:
            source = slice((first + shift) * width, (last + shift) * width)
            result.append((place, phase, slice(first * width, last * width), source))
    return result


def by_place(matrix: Tensor, n_scales: int, size: int) -> Tensor:
    """The window's graph ``[K*size*V, size*V]`` as ``[size, size*V, K*V]``: a matrix per source frame, with
    its scales concatenated."""
    v = matrix.shape[1] // size
    return matrix.view(n_scales, size * v, size, v).permute(2, 1, 0, 3).reshape(size, size * v, n_scales * v)


def mix_windows(x: Tensor, places: Tensor, weight: Tensor, bias: Tensor, windows: Windows) -> Tensor:
    """Mix channels frame by frame, then aggregate over windows: ``[V, P, T, C]`` to ``[size*V, P, T', E]``.

    The other order would mix the channels of every frame once per window that contains it.

    Args:
        x: features.
        places: from `by_place`.
        weight: ``[K, C, E]``.
        bias: ``[E]``.
        windows: size, stride and dilation.
    """
    p, t, e = *x.shape[1:3], weight.shape[2]
    out = x.new_empty(places.shape[1], p, -(-t // windows.stride), e)
    steps = steps_of(windows, t, e)
    for i in range(p):
        mixed = _mix_phases(phases_of(windows, x[:, i]), weight)
        result = out[:, i].copy_(bias).flatten(1)
        for place, phase, columns, source in steps:
            result[:, columns].addmm_(places[place], mixed[phase][:, source])
    return out


def _mix_phases(phases: list[Tensor], weight: Tensor) -> list[Tensor]:
    """``[V, T, C]`` to ``[K*V, T*E]``."""
    k, c, e = weight.shape
    return [
        torch.bmm(x.view(1, -1, c).expand(k, -1, -1), weight).view(k * x.shape[0], x.shape[1] * e)
        for x in phases
    ]


class MixWindows(torch.autograd.Function):
    """`mix_windows` for training: only the input is saved."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, weight: Tensor, bias: Tensor, windows: Windows):
        ctx.save_for_backward(x, places, weight)
        ctx.windows = windows
        return mix_windows(x, places, weight, bias, windows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
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
        steps = steps_of(windows, t, e)
        for i in range(p):
            phases, part_grad = phases_of(windows, x[:, i]), grad[:, i].flatten(1)
            mixed = _mix_phases(phases, weight)
            slopes = [torch.zeros_like(m) for m in mixed]
            for place, phase, columns, source in steps:
                grad_places[place].addmm_(part_grad[:, columns], mixed[phase][:, source].T)
                slopes[phase][:, source].addmm_(places[place].T, part_grad[:, columns])
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

    The outputs of norm and ReLU are recomputed in the backward pass, joint by joint.
    """

    @staticmethod
    def forward(
        ctx: Any, norm: ChannelNorm, x: Tensor, gamma: Tensor, beta: Tensor, weight: Tensor, bias: Tensor
    ):
        size, e, d = weight.shape
        ctx.map = NormMap.of_rows(norm, x.view(-1, e), gamma, beta)
        ctx.save_for_backward(x, weight)
        frames = x.view(size, -1, *x.shape[1:3], e)
        out = bias.expand(*frames.shape[1:4], d).contiguous()
        for joint in range(frames.shape[1]):
            result = out[joint].view(-1, d)
            for place in range(size):
                activated = torch.addcmul(ctx.map.shift, frames[place, joint], ctx.map.scale).relu_()
                result.addmm_(activated.view(-1, e), weight[place])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
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
                activated = torch.addcmul(ctx.map.shift, part, ctx.map.scale).relu_()
                grad_weight[place].addmm_(activated.T, flat_grad)
                passed = torch.mm(flat_grad, weight[place].T)
                torch.ops.aten.threshold_backward.grad_input(passed, activated, 0, grad_input=slope)
                sums[0] += slope.sum(0)
                sums[1] += (slope * part).sum(0)
        by_x, constant, grad_gamma, grad_beta = ctx.map.slopes(sums)
        for part, slope in chunks(x.view(-1, e), grad_x.view(-1, e)):
            slope.mul_(ctx.map.scale).addcmul_(part, by_x).add_(constant)
        return None, grad_x, grad_gamma, grad_beta, grad_weight, grad.sum((0, 1, 2))
