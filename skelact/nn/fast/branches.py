"""The channel-major inference form of the multi-branch temporal convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.nn.fast.channel_major import MajorForm, accumulate, product
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.temporal.multibranch import MultiBranchConv


class MajorMultiBranchConv(MajorForm):
    """`MultiBranchConv` and the norm that follows it.

    The frames of consecutive joints are separated by zero padding of half the largest receptive field, so that
    every tap of a convolution is a matrix product with an offset view of one buffer. With a stride, there is
    one such buffer per phase of the frames.
    """

    weight: Tensor
    bias: Tensor
    peak_scale: Tensor
    peak_shift: Tensor
    joint_mean: Tensor
    mean_shift: Tensor
    transform_weight: Tensor

    def __init__(self, conv: MultiBranchConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.stride, like = conv.stride, conv.point.weight
        n_all, n_last = sum(conv.widths), conv.widths[-1]
        self.n_padded, self.reach = conv.n_narrow, conv.reach
        closing = norm if conv.transform is None else conv.transform_norm
        scale, shift = (s.expand(n_all) for s in scale_shift(closing, like))
        point_scale, point_shift = scale_shift(conv.norm, like)
        point_scale = torch.cat([point_scale, scale[-n_last:]])
        point_shift = torch.cat([point_shift, shift[-n_last:]])
        self.keep(
            dtype,
            weight=conv.point.weight * point_scale[:, None],
            bias=(conv.point.bias * point_scale + point_shift)[:, None],
            shift=torch.zeros_like(conv.point.bias)[:, None],
        )
        self.offsets: list[list[int]] = []
        start = 0
        for i, (module, width) in enumerate(zip(conv.convs, conv.widths, strict=False)):
            assert module.bias is not None
            channels = slice(start, start + width)
            kernel = (module.weight[:, :, 0] * scale[channels, None, None]).permute(2, 0, 1)
            bias = (module.bias * scale[channels] + shift[channels])[:, None]
            self.keep(dtype, **{f"taps{i}": kernel, f"bias{i}": bias})
            self.offsets.append(offsets_of(module.kernel_size[1], module.dilation[1]))
            start += width
        self.peaks = slice(start, self.n_padded)
        self.keep(dtype, peak_scale=scale[self.peaks, None], peak_shift=shift[self.peaks, None])
        if conv.joint_mean is not None:
            self.room = 1
            self.keep(dtype, joint_mean=conv.joint_mean[:, None], mean_shift=shift[:, None])
        self.transforms = conv.transform is not None
        if conv.transform is not None:
            scale, shift = (s.expand(n_all) for s in scale_shift(norm, like))
            constant = (conv.transform.bias * scale + shift)[:, None]
            self.keep(
                dtype, transform_weight=torch.cat([conv.transform.weight * scale[:, None], constant], 1)
            )

    def accumulate(self, x: Tensor, out: Tensor) -> None:
        p, _, v, frames = out.shape
        if self.room:
            torch.mean(x[:, :, :v], 2, keepdim=True, out=x[:, :, v:])
        joints = v + self.room
        mixed = product(self.weight, x.flatten(2), self.bias).view(p, -1, joints, x.shape[3])
        branches = self._branches(mixed, frames)
        branches[:, self.n_padded :].copy_(mixed[:, self.n_padded :, :, :: self.stride])
        if self.room:
            mean = branches[:, :, v] - self.mean_shift
            branches = torch.addcmul(branches[:, :, :v], mean.unsqueeze(2), self.joint_mean)
        if not self.transforms:
            out.add_(branches)
            return
        n_all = branches.shape[1]
        features = branches.new_empty(p, n_all + 1, v, frames)
        torch.clamp_min(branches, 0, out=features[:, :n_all])
        features[:, n_all] = 1.0  # the transform's bias is the last column of its weights
        accumulate(out.flatten(2), self.transform_weight, features.flatten(2))

    def _branches(self, mixed: Tensor, frames: int) -> Tensor:
        """``[P, D, J, T']`` with the temporal branches filled in."""
        p, n_all, joints, _ = mixed.shape
        stride, gap = self.stride, -(-self.reach // self.stride)
        length = joints * (frames + gap)
        padded = mixed.new_empty(stride, p, self.n_padded, gap + length)
        padded[..., :gap] = 0
        for phase in range(stride):
            part = mixed[:, : self.n_padded, :, phase::stride]
            target = padded[phase, :, :, gap:].view(p, -1, joints, frames + gap)
            torch.clamp_min(part, 0, out=target[..., : part.shape[3]])
            target[..., part.shape[3] :] = 0

        def moved(rows: slice, offset: int) -> Tensor:
            begin = gap + offset // stride
            return padded[offset % stride, :, rows, begin : begin + length - gap]

        result = mixed.new_empty(p, n_all, length)
        start = 0
        for i, offsets in enumerate(self.offsets):
            taps, bias = getattr(self, f"taps{i}"), getattr(self, f"bias{i}")
            rows = slice(start, start + len(bias))
            target = result[:, rows, : length - gap]
            for j, (tap, offset) in enumerate(zip(taps, offsets, strict=True)):
                tap = tap.expand(p, *tap.shape)
                if j == 0:
                    torch.baddbmm(bias, tap, moved(rows, offset), out=target)
                else:
                    target.baddbmm_(tap, moved(rows, offset))
            start += len(bias)
        peaks = torch.maximum(moved(self.peaks, -1), moved(self.peaks, 0))
        torch.maximum(peaks, moved(self.peaks, 1), out=peaks)
        torch.addcmul(self.peak_shift, peaks, self.peak_scale, out=result[:, self.peaks, : length - gap])
        return result.view(p, n_all, joints, frames + gap)[..., :frames]


def offsets_of(kernel: int, dilation: int) -> list[int]:
    """Offsets of a convolution's taps in frames."""
    return [(i - kernel // 2) * dilation for i in range(kernel)]
