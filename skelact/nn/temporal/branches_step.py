"""The multi-branch temporal convolution as two steps of the tape, for training in plain precision.

Within a joint, features are channel-major here, ``[V, C, P*T]``: the 1×1 convolutions around the branches
are matrix products that turn the axes at no cost. What a norm and ReLU give is made again in the backward
pass rather than kept, and a convolution's taps are matrix products with the same memory, moved by some
frames. Equal to the plain form.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelact.nn.norm_step import NormMap, add_moments

CHUNK_BYTES = 1 << 22  # of one map


class Frames:
    """Frames of ``[B, C, P, T]`` laid out so that moving by an offset is moving a pointer.

    The frames of a person are followed by as many zeros as the widest branch reaches, which are those before
    the next person's, too. With a stride, frames are dealt out to as many such buffers.

    Args:
        n_people, n_frames: P and T.
        stride: frames per output frame.
        reach: frames that the widest branch looks to either side.
    """

    def __init__(self, n_people: int, n_frames: int, stride: int, reach: int) -> None:
        self.n_people, self.stride = n_people, stride
        self.n_out = -(-n_frames // stride)
        self.gap = -(-reach // stride)
        self.row = self.n_out + self.gap
        self.length = n_people * self.row

    def spread(self, x: Tensor) -> Tensor:
        """``[stride, B, C, gap + length]`` of ``x [B, C, P, T]``."""
        b, c, p, _ = x.shape
        out = x.new_zeros(self.stride, b, c, self.gap + self.length)
        for phase in range(self.stride):
            part = x[..., phase :: self.stride]
            out[phase, :, :, self.gap :].view(b, c, p, self.row)[..., : part.shape[3]].copy_(part)
        return out

    def spread_output(self, grad: Tensor) -> Tensor:
        """``[B, C, gap + length]`` of ``grad [B, C, P, T']``."""
        b, c, p, _ = grad.shape
        out = grad.new_zeros(b, c, self.gap + self.length)
        out[:, :, self.gap :].view(b, c, p, self.row)[..., : self.n_out].copy_(grad)
        return out

    def moved(self, spread: Tensor, rows: slice, offset: int) -> Tensor:
        """What every output frame sees at ``offset`` frames from it: ``[B, rows, length - gap]``."""
        begin = self.gap + offset // self.stride
        return spread[offset % self.stride, :, rows, begin : begin + self.length - self.gap]

    def gathered(self, x: Tensor, out: Tensor) -> None:
        """Put ``x [B, C, length - gap]``, one value an output frame, into ``out [B, C, P, T']``."""
        b, c = x.shape[:2]
        shape, strides = (b, c, self.n_people, self.n_out), (*x.stride()[:2], self.row, 1)
        out.copy_(x.as_strided(shape, strides, x.storage_offset()))


def offsets_of(kernel: int, dilation: int) -> list[int]:
    """Offsets of a convolution's taps in frames."""
    return [(i - kernel // 2) * dilation for i in range(kernel)]


class MixFrames(torch.autograd.Function):
    """1×1 convolution, norm, ReLU and branches: ``[V, P, T, C]`` to ``[V, D, P*T']``.

    A few joints at a time, so that every operation finds its input in the cache. The mean over joints, where
    there is one, is one more joint.
    """

    @staticmethod
    def forward(ctx: Any, module: Any, x: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor,
                heard: Tensor | None, *kernels: Tensor) -> Tensor:  # type: ignore[override]  # fmt: skip
        v, p, t, c = x.shape
        narrow, plan = module.n_narrow, Frames(p, t, module.stride, module.reach)
        flat = x.reshape(v, p * t, c)
        mean_joint = None if heard is None else flat.mean(0, keepdim=True)
        mixed = x.new_empty(v if heard is None else v + 1, narrow, p * t)
        groups = _groups(mixed, v)
        sums = x.new_zeros(2, narrow, dtype=torch.float64)
        for joints in groups:
            part = mixed[joints]
            seen = flat[joints] if joints.start < v else mean_joint
            torch.bmm(weight[:narrow].expand(len(part), narrow, c), seen.transpose(1, 2), out=part)  # type: ignore[union-attr]
            add_moments(sums, part)
        n = len(mixed) * p * t
        # a constant before a norm has no effect: the bias is left out
        ctx.map = NormMap.of_moments(module.norm, sums, n, gamma, beta, bias[:narrow])
        ctx.module, ctx.plan = module, plan
        out = x.new_empty(v, len(weight), p, plan.n_out)
        far = None
        for joints in reversed(groups):  # the mean over joints, which all hear, comes last and so first here
            spread = plan.spread(ctx.map.active(mixed[joints]).view(-1, narrow, p, t))
            own = joints.start < v
            result = out[joints] if own else x.new_empty(1, *out.shape[1:])
            _branches(module, plan, spread, kernels, result)
            seen = (x[joints] if own else mean_joint.view(1, p, t, c))[:, :, :: module.stride]  # type: ignore[union-attr]
            last = weight[narrow:].expand(len(result), -1, c)
            points = torch.baddbmm(
                bias[narrow:, None], last, seen.reshape(len(result), -1, c).transpose(1, 2)
            )
            result[:, narrow:] = points.view(*result[:, narrow:].shape)
            if not own:
                far = result
            elif far is not None and heard is not None:
                result.addcmul_(far, heard[joints, None, None, None])
        ctx.save_for_backward(x, weight, heard, mixed, far, *kernels)
        return out.view(v, len(weight), -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        x, weight, heard, mixed, far, *kernels = ctx.saved_tensors
        module, plan = ctx.module, ctx.plan
        v, p, t, c = x.shape
        narrow, n_all = module.n_narrow, len(weight)
        grad = grad.contiguous().view(v, n_all, p, plan.n_out)
        kept = torch.empty_like(mixed)
        sums = x.new_zeros(2, narrow, dtype=torch.float64)
        grad_kernels = [torch.zeros_like(kernel) for kernel in kernels]
        grad_rows, grad_heard, grad_far = x.new_zeros(n_all), None, None
        if heard is not None:
            grad_heard, grad_far = x.new_empty(v), torch.zeros_like(far)
        for joints in _groups(mixed, v):
            own = grad[joints] if joints.start < v else grad_far
            assert own is not None
            if joints.start < v and grad_heard is not None and grad_far is not None and heard is not None:
                rows = own.flatten(1)
                grad_heard[joints] = torch.mv(rows, far.view(-1))
                grad_far.view(-1).addmv_(rows.T, heard[joints])
            grad_rows += own.flatten(2).sum(2).sum(0)
            before, result = mixed[joints], kept[joints]
            active = ctx.map.active(before)
            spread = plan.spread(active.view(-1, narrow, p, t))
            sent = torch.empty_like(active)
            _branches_backward(module, plan, spread, kernels, grad_kernels, own, sent.view(-1, narrow, p, t))
            torch.ops.aten.threshold_backward.grad_input(sent, active, 0, grad_input=result)
            sums[0] += result.sum(2).sum(0)
            sums[1] += torch.mul(result, before, out=sent).sum(2).sum(0)
        by_x, constant, grad_gamma, grad_beta = (value[:, None] for value in ctx.map.slopes(sums))
        grad_weight, grad_x = torch.zeros_like(weight), torch.empty_like(x)
        flat, strided = x.view(v, p * t, c), x[:, :, :: module.stride]
        for joints in _groups(mixed, v):
            result = kept[joints].mul_(ctx.map.scale[:, None]).addcmul_(mixed[joints], by_x).add_(constant)
            is_own = joints.start < v
            last = (grad[joints] if is_own else grad_far)[:, narrow:].flatten(2)  # type: ignore[index]
            seen = flat[joints] if is_own else x.mean(0).view(1, p * t, c)
            seen_last = strided[joints] if is_own else seen.view(1, p, t, c)[:, :, :: module.stride]
            target = grad_x[joints] if is_own else torch.empty_like(grad_x[:1])
            width = len(result)
            torch.bmm(
                result.transpose(1, 2),
                weight[:narrow].expand(width, narrow, c),
                out=target.view(width, -1, c),
            )
            points = torch.bmm(last.transpose(1, 2), weight[narrow:].expand(width, n_all - narrow, c))
            target[:, :, :: module.stride] += points.view(width, p, -1, c)
            grad_weight[:narrow] += torch.bmm(result, seen).sum(0)
            grad_weight[narrow:] += torch.bmm(last, seen_last.reshape(width, -1, c)).sum(0)
            if not is_own:
                grad_x.add_(target, alpha=1 / v)
        start = 0
        for i, width in enumerate(module.widths[: len(kernels) // 2]):
            grad_kernels[2 * i + 1] = grad_rows[start : start + width]
            start += width
        grad_bias = torch.cat([torch.zeros_like(grad_rows[:narrow]), grad_rows[narrow:]])
        return (
            None,
            grad_x,
            grad_weight,
            grad_bias,
            grad_gamma[:, 0],
            grad_beta[:, 0],
            grad_heard,
            *grad_kernels,
        )


def _groups(mixed: Tensor, n_joints: int) -> list[slice]:
    """Joints a few at a time; the mean over joints, if there is one, last and alone."""
    size = max(1, CHUNK_BYTES // (mixed[0].numel() * mixed.element_size()))
    groups = [slice(i, min(i + size, n_joints)) for i in range(0, n_joints, size)]
    return groups if len(mixed) == n_joints else [*groups, slice(n_joints, len(mixed))]


def _branches(module: Any, plan: Frames, spread: Tensor, kernels: tuple[Tensor, ...], out: Tensor) -> None:
    """Fill ``out [B, D, P, T']`` but for the last branch."""
    start = 0
    for i, conv in enumerate(module.convs):
        rows = slice(start, start + module.widths[i])
        kernel, bias = kernels[2 * i][:, :, 0].permute(2, 0, 1).contiguous(), kernels[2 * i + 1][:, None]
        part = None
        for tap, offset in zip(kernel, offsets_of(conv.kernel_size[1], conv.dilation[1]), strict=True):
            tap, seen = tap.expand(len(out), *tap.shape), plan.moved(spread, rows, offset)
            part = torch.baddbmm(bias, tap, seen) if part is None else part.baddbmm_(tap, seen)
        assert part is not None
        plan.gathered(part, out[:, rows])
        start += module.widths[i]
    rows = slice(start, module.n_narrow)
    peaks = torch.maximum(plan.moved(spread, rows, -1), plan.moved(spread, rows, 0))
    plan.gathered(torch.maximum(peaks, plan.moved(spread, rows, 1), out=peaks), out[:, rows])


def _branches_backward(
    module: Any, plan: Frames, spread: Tensor, kernels: list[Tensor], grad_kernels: list[Tensor], grad: Tensor,
    out: Tensor,
) -> None:  # fmt: skip
    """Gradients of `_branches`: of what was spread into ``out [B, C, P, T]``, of kernels added up."""
    wide = plan.spread_output(grad[:, : module.n_narrow])
    start = 0
    for i, conv in enumerate(module.convs):
        rows = slice(start, start + module.widths[i])
        kernel = kernels[2 * i][:, :, 0].permute(2, 1, 0).contiguous()  # transposed
        own = wide[:, rows, plan.gap : plan.length]
        sums: list[Tensor | None] = [None] * plan.stride
        for j, offset in enumerate(offsets_of(conv.kernel_size[1], conv.dilation[1])):
            moments = torch.bmm(own, plan.moved(spread, rows, offset).transpose(1, 2))
            grad_kernels[2 * i][:, :, 0, j] += moments.sum(0)
            phase, begin = offset % plan.stride, plan.gap - offset // plan.stride
            sent = wide[:, rows, begin : begin + plan.length - plan.gap]
            tap, before = kernel[j].expand(len(out), *kernel[j].shape), sums[phase]
            sums[phase] = torch.bmm(tap, sent) if before is None else before.baddbmm_(tap, sent)
        _collect(plan, sums, out[:, rows])
        start += module.widths[i]
    rows = slice(start, module.n_narrow)
    _peaks_backward(plan, spread, rows, wide[:, rows, plan.gap : plan.length], out[:, rows])


def _collect(plan: Frames, sums: list[Tensor | None], out: Tensor) -> None:
    """Put what every buffer's frames were sent into ``out [B, C, P, T]``."""
    for phase, part in enumerate(sums):
        target = out[..., phase :: plan.stride]
        if part is None:
            target.zero_()
            continue
        shape, strides = target.shape, (*part.stride()[:2], plan.row, 1)
        target.copy_(part.as_strided(shape, strides))


def _peaks_backward(plan: Frames, spread: Tensor, rows: slice, own: Tensor, out: Tensor) -> None:
    """Send the gradient of a maximum of three frames to the first of them that is the maximum."""
    seen = [plan.moved(spread, rows, offset) for offset in (-1, 0, 1)]
    peak = torch.maximum(torch.maximum(seen[0], seen[1]), seen[2])
    first = seen[0] == peak
    second = (seen[1] == peak).logical_and_(~first)
    parts = [own * first, own * second]
    parts.append(own - parts[0] - parts[1])
    wide = spread.new_zeros(plan.stride, *spread[0, :, rows].shape)
    for offset, part in zip((-1, 0, 1), parts, strict=True):
        plan.moved(wide, slice(None), offset).add_(part)
    b, c, p, _ = out.shape
    for phase in range(plan.stride):
        target = out[..., phase :: plan.stride]
        target.copy_(wide[phase, :, :, plan.gap :].view(b, c, p, plan.row)[..., : target.shape[3]])


class NormReluPoint(torch.autograd.Function):
    """Norm, ReLU and 1×1 convolution: ``[B, C, R]`` to ``[B, R, D]``."""

    @staticmethod
    def forward(
        ctx: Any, norm: Any, x: Tensor, gamma: Tensor, beta: Tensor, weight: Tensor, bias: Tensor
    ) -> Tensor:  # type: ignore[override]
        groups = _groups(x, len(x))
        sums = x.new_zeros(2, x.shape[1], dtype=torch.float64)
        for rows in groups:
            add_moments(sums, x[rows])
        ctx.map = NormMap.of_moments(norm, sums, len(x) * x.shape[2], gamma, beta)
        ctx.save_for_backward(x, weight)
        out = x.new_empty(len(x), x.shape[2], len(weight))
        for rows in groups:
            active, result = ctx.map.active(x[rows]).transpose(1, 2), out[rows]
            torch.baddbmm(bias, active, weight.T.expand(len(result), *weight.T.shape), out=result)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        grad_x, grad_weight = torch.empty_like(x), torch.zeros_like(weight)
        sums = x.new_zeros(2, x.shape[1], dtype=torch.float64)
        for rows in _groups(x, len(x)):
            part, own, result = x[rows], grad[rows], grad_x[rows]
            active = ctx.map.active(part)
            grad_weight += torch.bmm(active, own).sum(0).T
            sent = torch.bmm(weight.T.expand(len(part), *weight.T.shape), own.transpose(1, 2))
            torch.ops.aten.threshold_backward.grad_input(sent, active, 0, grad_input=result)
            sums[0] += result.sum(2).sum(0)
            sums[1] += torch.mul(result, part, out=sent).sum(2).sum(0)
        by_x, constant, grad_gamma, grad_beta = (value[:, None] for value in ctx.map.slopes(sums))
        for rows in _groups(x, len(x)):
            grad_x[rows].mul_(ctx.map.scale[:, None]).addcmul_(x[rows], by_x).add_(constant)
        return None, grad_x, grad_gamma[:, 0], grad_beta[:, 0], grad_weight, grad.sum((0, 1))
