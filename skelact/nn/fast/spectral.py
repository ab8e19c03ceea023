"""Temporal convolutions with large kernels by discrete Fourier transforms of short blocks (overlap-save).

A block of L output frames needs N = L + taps - 1 input frames. The transform turns the convolution into one
product of channels per frequency, a complex one that takes three real ones. So N = 24 takes 35 products of
channels for 16 frames, where nine taps take 144. The transforms are products with small constant matrices that
include the sums of the three-product form; they are orthogonal, so precision equals the direct form's.

Sources: Cooley and Tukey, 1965; Mathieu, Henaff and LeCun, "Fast training of convolutional networks through
FFTs", ICLR 2014, with fast transforms; for blocks this short dense ones are faster.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from skelact.nn.fast.gate import applies

ROWS = 128  # of a matrix product, at least
CALL_COST = 1e5  # overhead of a small product, in operations


class Plan(NamedTuple):
    """The constant matrices for blocks of ``block`` frames, R real products each.

    Attributes:
        block: output frames, L.
        forward: ``[R, N]`` from input frames.
        kernel: ``[R, taps]`` from taps.
        inverse: ``[L, R]`` to output frames.
    """

    block: int
    forward: Tensor
    kernel: Tensor
    inverse: Tensor


@lru_cache(maxsize=256)
def make_plan(block: int, taps: int, dtype: torch.dtype) -> Plan:
    """Transforms for blocks of a length; row 0 is the mean, whose inverse is 1 / N."""
    n = block + taps - 1
    frames, taps_at, out = (torch.arange(m, dtype=torch.float64) for m in (n, taps, block))
    forward, kernel, inverse = [], [], []
    for frequency in range(n // 2 + 1):
        angle = 2 * math.pi * frequency / n
        real, imaginary = torch.cos(angle * frames), -torch.sin(angle * frames)
        p, q = torch.cos(angle * taps_at), torch.sin(angle * taps_at)
        cosine, sine = torch.cos(angle * out) / n, torch.sin(angle * out) / n
        if frequency == 0 or 2 * frequency == n:
            forward, kernel, inverse = [*forward, real], [*kernel, p], [*inverse, cosine]
            continue
        # (a + ib)(p + iq) = k1 - k3 + i (k1 + k2) with k1 = p (a + b), k2 = a (q - p), k3 = b (p + q)
        forward += [real + imaginary, real, imaginary]
        kernel += [p, q - p, p + q]
        inverse += [2 * (cosine - sine), -2 * sine, -2 * cosine]
    with torch.inference_mode(False):
        return Plan(
            block,
            torch.stack(forward).to(dtype),
            torch.stack(kernel).to(dtype),
            torch.stack(inverse, 1).to(dtype),
        )


@lru_cache(maxsize=1024)
def choose_block(taps: int, channels_in: int, channels_out: int, n_frames: int) -> int | None:
    """Length of block with the fewest operations; None where the direct convolution needs fewer."""
    best, cost = None, 0.8 * 2.0 * taps * channels_in * channels_out * n_frames
    for n_blocks in range(1, n_frames // 8 + 1):
        block = -(-n_frames // n_blocks)
        n = block + taps - 1
        rows = 3 * ((n - 1) // 2) + (1 if n % 2 else 2)
        transforms = min(n, n_frames) * channels_in + block * channels_out
        this = n_blocks * (rows * 2.0 * (channels_in * channels_out + transforms) + 2 * CALL_COST)
        if this < cost:
            best, cost = block, this
    return best


class Geometry(NamedTuple):
    """Reduction of a stride to 1: ``stride`` consecutive frames are one frame of ``stride·C`` channels."""

    taps: int
    pad: int
    stride: int

    @property
    def first(self) -> int:
        """Joined frames between an output frame and the first of its receptive field."""
        return -(-self.pad // self.stride)

    @property
    def joined_taps(self) -> int:
        return (self.taps - 1 - self.pad) // self.stride + self.first + 1

    def join_frames(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` to ``[B, ceil(T / stride), stride·C]``."""
        if self.stride == 1:
            return x
        missing = -x.shape[1] % self.stride
        if missing:
            x = functional.pad(x, (0, 0, 0, missing))
        return x.reshape(x.shape[0], -1, self.stride * x.shape[2])

    def join_weight(self, weight: Tensor) -> Tensor:
        """``[D, C, taps]`` to ``[D, stride·C, joined taps]``."""
        if self.stride == 1:
            return weight
        before = self.first * self.stride - self.pad
        after = self.joined_taps * self.stride - before - self.taps
        wide = functional.pad(weight, (before, after)).unflatten(2, (-1, self.stride))
        return wide.permute(0, 3, 1, 2).flatten(1, 2)

    def split_weight(self, joined: Tensor) -> Tensor:
        """The inverse of `join_weight`."""
        if self.stride == 1:
            return joined
        before = self.first * self.stride - self.pad
        wide = joined.unflatten(1, (self.stride, -1)).permute(0, 2, 3, 1).flatten(2)
        return wide[..., before : before + self.taps]


def spectral_kernel(weight: Tensor, plan: Plan) -> Tensor:
    """``[D, C, taps]`` to ``[R, D, C]``."""
    d, c, taps = weight.shape
    return (plan.kernel @ weight.reshape(d * c, taps).T).view(-1, d, c)


def _span(index: int, plan: Plan, before: int, n_frames: int) -> tuple[int, int, int]:
    """First and last input frame of a block, and the position of the first in its window."""
    start = index * plan.block - before
    low = max(0, start)
    return low, max(low, min(n_frames, start + plan.forward.shape[1])), low - start


def _frames(index: int, plan: Plan, n_frames: int) -> slice:
    """Output frames of a block."""
    return slice(index * plan.block, min(n_frames, (index + 1) * plan.block))


def _chunks(x: Tensor, n_blocks: int, channels: int) -> tuple[Tensor, ...]:
    """Series per chunk: within a second-level cache, but enough to amortise reading the kernels."""
    return x.split(max(1, max(ROWS, channels) // n_blocks))


def _space(like: Tensor, n_rows: int, n_blocks: int, channels: int) -> Tensor:
    """Memory for one chunk's spectrum, reused by the next."""
    return like.new_empty(n_rows * n_blocks * len(like) * channels)


def _analyse(x: Tensor, plan: Plan, before: int, n_blocks: int, space: Tensor) -> Tensor:
    """``[B, T, C]`` to ``[R, blocks·B, C]``, in ``space``."""
    b, t, c = x.shape
    r = len(plan.forward)
    spectrum = space[: r * n_blocks * b * c].view(r, n_blocks, b, c)
    for j in range(n_blocks):
        low, high, at = _span(j, plan, before, t)
        transform = plan.forward[:, at : at + high - low].expand(b, -1, -1)
        torch.bmm(transform, x[:, low:high], out=spectrum[:, j].transpose(0, 1))
    return spectrum.flatten(1, 2)


def convolve(x: Tensor, kernel: Tensor, bias: Tensor, plan: Plan, before: int) -> Tensor:
    """``out[:, t] = Σ_j W_j x[:, t + j - before] + b`` for ``x [B, T, C]``, ``kernel [R, D, C]``, ``bias [D]``."""
    b, t, c = x.shape
    r, d, _ = kernel.shape
    out = x.new_empty(b, t, d)
    n_blocks = -(-t // plan.block)
    constant, transposed = bias * plan.forward.shape[1], kernel.transpose(1, 2)
    parts = _chunks(x, n_blocks, c)
    spaces = [_space(parts[0], r, n_blocks, width) for width in (c, d)]
    for part, result in zip(parts, _chunks(out, n_blocks, c), strict=True):
        spectrum = _analyse(part, plan, before, n_blocks, spaces[0])
        mixed = spaces[1][: r * n_blocks * len(part) * d].view(r, n_blocks, -1, d)
        torch.bmm(spectrum, transposed, out=mixed.view(r, -1, d))
        mixed[0] += constant
        for j in range(n_blocks):
            frames = _frames(j, plan, t)
            transform = plan.inverse[: frames.stop - frames.start].expand(len(part), -1, -1)
            torch.bmm(transform, mixed[:, j].transpose(0, 1), out=result[:, frames])
    return out


def convolve_backward(
    x: Tensor, kernel: Tensor, grad: Tensor, plan: Plan, before: int, needs_x: bool
) -> tuple[Tensor | None, Tensor]:
    """Gradients of `convolve` by ``x`` (where needed) and by ``kernel``."""
    t, c = x.shape[1:]
    r, d, _ = kernel.shape
    n_blocks = -(-t // plan.block)
    grad_x = torch.empty_like(x) if needs_x else None
    grad_kernel = torch.empty_like(kernel)
    parts = _chunks(x, n_blocks, c)
    spaces = [_space(parts[0], r, n_blocks, width) for width in (c, d)]
    grads_x = parts if grad_x is None else _chunks(grad_x, n_blocks, c)
    for i, (part, part_grad, result) in enumerate(
        zip(parts, _chunks(grad, n_blocks, c), grads_x, strict=True)
    ):
        mixed = spaces[1][: r * n_blocks * len(part) * d].view(r, n_blocks, -1, d)
        for j in range(n_blocks):
            frames = _frames(j, plan, t)
            transform = plan.inverse[: frames.stop - frames.start].T.expand(len(part), -1, -1)
            torch.bmm(transform, part_grad[:, frames], out=mixed[:, j].transpose(0, 1))
        rows = mixed.flatten(1, 2)
        spectrum = _analyse(part, plan, before, n_blocks, spaces[0])
        if i == 0:
            torch.bmm(rows.transpose(1, 2), spectrum, out=grad_kernel)
        else:
            grad_kernel.baddbmm_(rows.transpose(1, 2), spectrum)
        if grad_x is not None:
            _synthesise(torch.bmm(rows, kernel, out=spectrum), result, plan, before, n_blocks)
    return grad_x, grad_kernel


def _synthesise(spectrum: Tensor, out: Tensor, plan: Plan, before: int, n_blocks: int) -> None:
    """The transpose of `_analyse`, into ``out [B, T, C]``; windows of neighbouring blocks overlap."""
    b, t, c = out.shape
    spectrum = spectrum.view(len(spectrum), n_blocks, b, c)
    done = 0
    for j in range(n_blocks):
        low, high, at = _span(j, plan, before, t)
        if low == high:
            continue
        transform = plan.forward[:, at : at + high - low].T.expand(b, -1, -1)
        both = done - low  # frames that overlap with the block before
        if both <= 0:
            torch.bmm(transform, spectrum[:, j].transpose(0, 1), out=out[:, low:high])
        else:
            window = torch.bmm(transform, spectrum[:, j].transpose(0, 1))
            out[:, low:done] += window[:, :both]
            out[:, done:high] = window[:, both:]
        done = high
    if done < t:
        out[:, done:] = 0


class SpectralConv(torch.autograd.Function):
    """The convolution for training; spectra are recomputed in the backward pass."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, geometry: Geometry, block: int) -> Tensor:
        plan = make_plan(block, geometry.joined_taps, x.dtype)
        ctx.save_for_backward(x, weight)
        ctx.geometry, ctx.plan = geometry, plan
        kernel = spectral_kernel(geometry.join_weight(weight), plan)
        return convolve(geometry.join_frames(x), kernel, bias, plan, geometry.first)

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        geometry, plan = ctx.geometry, ctx.plan
        grad = grad.contiguous()
        kernel = spectral_kernel(geometry.join_weight(weight), plan)
        joined = geometry.join_frames(x)
        grad_x, grad_kernel = convolve_backward(
            joined, kernel, grad, plan, geometry.first, ctx.needs_input_grad[0]
        )
        grad_joined = (grad_kernel.flatten(1).T @ plan.kernel).view(*kernel.shape[1:], -1)
        if grad_x is not None:
            grad_x = grad_x.view(len(x), -1, x.shape[2])[:, : x.shape[1]]
        return grad_x, geometry.split_weight(grad_joined), grad.sum((0, 1)), None, None


class SpectralKernels:
    """Transformed kernels of a convolution for inference, cached per length of block.

    Args:
        geometry: taps, padding and stride.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self._kernels: dict[int, Tensor] = {}

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor, block: int) -> Tensor:
        """``[B, T, C]`` to ``[B, ceil(T / stride), D]`` with ``weight [D, C, taps]``, the same in every call."""
        plan = make_plan(block, self.geometry.joined_taps, x.dtype)
        kernel = self._kernels.get(block)
        if kernel is None or kernel.dtype != x.dtype:
            if len(self._kernels) > 3:  # many different lengths of clips
                self._kernels.clear()
            kernel = self._kernels[block] = spectral_kernel(self.geometry.join_weight(weight), plan)
        return convolve(self.geometry.join_frames(x), kernel, bias, plan, self.geometry.first)


def spectral_block(x: Tensor, geometry: Geometry, channels_out: int) -> int | None:
    """The block for ``x [V, P, T, C]``, or None where the direct form is to be used.

    It is None where the gate is closed, for small kernels, and for few channels or frames.
    """
    if not applies(x):
        return None
    joined = -(-x.shape[2] // geometry.stride)
    return choose_block(geometry.joined_taps, geometry.stride * x.shape[3], channels_out, joined)
