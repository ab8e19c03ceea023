"""Convolution over time in several branches: different dilations, a maximum, and the frame itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.channel_major import JointsFirst, accumulate, product
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.norm_step import in_steps
from skelact.nn.temporal.branches_step import MixFrames, NormReluPoint, offsets_of
from skelact.nn.temporal.conv import PointConv, TemporalConv


class MultiBranchConv(nn.Module):
    """Branches of a 1×1 convolution, norm, ReLU and a temporal convolution, a maximum, or nothing more.

    Sources: Liu et al., CVPR 2020 (MS-G3D); Chen et al., ICCV 2021 (CTR-GCN); Duan et al., ACM MM 2022
    (ST-GCN++); Duan et al., arXiv 2210.05895 (DG-STGCN). The branches' 1×1 convolutions are one product, and
    so are their norms. The last branch is its 1×1 convolution alone, the one before takes the maximum of
    three frames.

    Args:
        channels: D of the output. Branches share them equally, the first takes what is left over.
        stride: frames per output frame.
        kernels: ``(frames, dilation)`` of each convolution branch.
        transform: norm, ReLU and a 1×1 convolution after the branches.
        n_joints: V; with it, every joint also hears the mean over joints, which runs through the same
            branches, with a learned coefficient per joint that starts at 0 (DG-STGCN). 0: it does not.
        channels_in: C of the input; None: as many as of the output.

    Raises:
        ConfigError: if there are fewer channels than branches, or a kernel is even.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        kernels: Sequence[tuple[int, int]] = ((3, 1), (3, 2), (3, 3), (3, 4)),
        transform: bool = True,
        n_joints: int = 0,
        channels_in: int | None = None,
    ) -> None:
        super().__init__()
        n_branches = len(kernels) + 2
        if channels < n_branches:
            raise ConfigError(
                f"{n_branches} temporal branches need at least as many channels, got {channels}"
            )
        if any(kernel % 2 == 0 for kernel, _ in kernels):
            raise ConfigError(f"kernels must be odd so that frames stay centred, got {tuple(kernels)}")
        width = channels // n_branches
        self.widths = [channels - width * (n_branches - 1)] + [width] * (n_branches - 1)
        self.stride = stride
        self.n_narrow = channels - width  # channels of the branches that mix frames
        self.reach = max([1, *((kernel // 2) * dilation for kernel, dilation in kernels)])
        self.point = PointConv(channels_in or channels, channels)
        self.norm = ChannelNorm(self.n_narrow)
        self.convs = nn.ModuleList(
            TemporalConv(w, w, kernel, stride, dilation)
            for w, (kernel, dilation) in zip(self.widths, kernels, strict=False)
        )
        self.joint_mean = nn.Parameter(torch.zeros(n_joints)) if n_joints else None
        self.transform_norm = ChannelNorm(channels) if transform else None
        self.transform = PointConv(channels, channels) if transform else None

    def forward(self, x: Tensor) -> Tensor:
        if self.norm.training and in_steps(x):
            return self._forward_in_steps(x)
        if self.joint_mean is not None:
            x = torch.cat([x, x.mean(0, keepdim=True)])
        split = sum(self.widths[:-1])
        weight, bias = self.point.weight, self.point.bias
        mixed = functional.linear(x, weight[:split], bias[:split])
        *narrow, peaks = self.norm(mixed).relu_().split(self.widths[:-1], dim=-1)
        branches = [conv(part) for conv, part in zip(self.convs, narrow, strict=True)]
        branches.append(max_of_three(peaks, self.stride))
        branches.append(functional.linear(x[:, :, :: self.stride], weight[split:], bias[split:]))
        out = torch.cat(branches, -1)
        if self.joint_mean is not None:
            out = torch.addcmul(out[:-1], out[-1:], self.joint_mean.to(out.dtype)[:, None, None, None])
        if self.transform is not None and self.transform_norm is not None:
            out = self.transform(self.transform_norm(out).relu_())
        return out

    def _forward_in_steps(self, x: Tensor) -> Tensor:
        v, p, t, _ = x.shape
        kernels = [value for conv in self.convs for value in (conv.weight, conv.bias)]
        values = (self.point.weight, self.point.bias, self.norm.weight, self.norm.bias, self.joint_mean)
        out = MixFrames.apply(self, x, *values, *kernels)
        if self.transform is None or self.transform_norm is None:
            return out.view(v, -1, p, -(-t // self.stride)).permute(0, 2, 3, 1).contiguous()  # type: ignore
        norm, mix = self.transform_norm, self.transform
        out = NormReluPoint.apply(norm, out, norm.weight, norm.bias, mix.weight, mix.bias)
        return out.view(v, p, -(-t // self.stride), -1)  # type: ignore[union-attr]

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> JointsFirst:
        """The inference form, with the norm that follows."""
        return JointsFirst(self.folded_major(norm, dtype), dtype)

    def folded_major(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedMultiBranchConv:
        """The channel-major inference form, with the norm that follows (see `channel_major`)."""
        return FoldedMultiBranchConv(self, norm, dtype)


def max_of_three(x: Tensor, stride: int = 1) -> Tensor:
    """Maximum over a frame and its neighbours of features that are nowhere negative, ``[V, P, T, C]``.

    As slices, which is many times faster than a pooling layer; frames beyond the ends count as 0.
    """
    frames = x.shape[2]
    x = functional.pad(x, (0, 0, 1, 1))
    before, here, after = (x[:, :, i : i + frames : stride] for i in range(3))
    return torch.maximum(torch.maximum(before, here), after)


class FoldedMultiBranchConv:
    """`MultiBranchConv` and the norm that follows it, channel-major.

    A joint's frames are followed by as many zeros as the widest branch reaches, which are those before the
    next joint's, too. So a tap of a convolution is a matrix product with the same memory, moved by some
    frames, and nothing is copied. With a stride, frames are dealt out to as many such buffers.
    """

    def __init__(self, conv: MultiBranchConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        def fixed(value: Tensor) -> Tensor:
            return value.detach().to(dtype, copy=True)

        self.widths, self.stride, like = conv.widths, conv.stride, conv.point.weight
        n_all, n_last = sum(self.widths), self.widths[-1]
        self.n_padded, self.reach = conv.n_narrow, conv.reach
        closing = norm if conv.transform is None else conv.transform_norm
        scale, shift = (s.expand(n_all) for s in scale_shift(closing, like))
        point_scale, point_shift = scale_shift(conv.norm, like)
        point_scale = torch.cat([point_scale, scale[-n_last:]])
        point_shift = torch.cat([point_shift, shift[-n_last:]])
        self.weight = fixed(conv.point.weight * point_scale[:, None])
        self.bias = fixed(conv.point.bias * point_scale + point_shift)[:, None]
        self.taps, self.offsets, self.biases = [], [], []
        start = 0
        for module, width in zip(conv.convs, self.widths, strict=False):
            rows = slice(start, start + width)
            kernel = module.weight[:, :, 0] * scale[rows, None, None]  # type: ignore[index, operator]
            self.taps.append(fixed(kernel.permute(2, 0, 1)).contiguous())
            self.biases.append(fixed(module.bias * scale[rows] + shift[rows])[:, None])  # type: ignore[operator]
            self.offsets.append(offsets_of(module.kernel_size[1], module.dilation[1]))  # type: ignore[index, arg-type]
            start += width
        self.peaks = slice(start, self.n_padded)
        self.peak_scale, self.peak_shift = (fixed(s[self.peaks])[:, None] for s in (scale, shift))
        self.room = 0
        if conv.joint_mean is not None:
            self.room = 1
            self.joint_mean = fixed(conv.joint_mean)[:, None]
            self.mean_shift = fixed(shift)[:, None]
        self.transform_weight: Tensor | None = None
        self.shift = torch.zeros_like(self.bias)
        if conv.transform is not None:
            scale, shift = (s.expand(n_all) for s in scale_shift(norm, like))
            constant = (conv.transform.bias * scale + shift)[:, None]
            self.transform_weight = fixed(torch.cat([conv.transform.weight * scale[:, None], constant], 1))

    def accumulate(self, x: Tensor, out: Tensor) -> None:
        """Add the branches of ``x [P, C, V + room, T]`` to ``out [P, D, V, T']``."""
        p, _, v, frames = out.shape
        if self.room:
            torch.mean(x[:, :, :v], 2, keepdim=True, out=x[:, :, v:])
        joints = v + self.room
        mixed = product(self.weight, x.flatten(2), self.bias).view(p, -1, joints, x.shape[3])
        branches = self._branches(mixed, frames)
        branches[:, self.n_padded :].copy_(mixed[:, self.n_padded :, :, :: self.stride])
        if self.room:
            heard = branches[:, :, v] - self.mean_shift
            branches = torch.addcmul(branches[:, :, :v], heard.unsqueeze(2), self.joint_mean)
        if self.transform_weight is None:
            out.add_(branches)
            return
        n_all = branches.shape[1]
        features = branches.new_empty(p, n_all + 1, v, frames)
        torch.clamp_min(branches, 0, out=features[:, :n_all])
        features[:, n_all] = 1.0  # the transform's constant is one more column of its weights
        accumulate(out.flatten(2), self.transform_weight, features.flatten(2))

    def _branches(self, mixed: Tensor, frames: int) -> Tensor:
        """``[P, D, J, T']`` with the branches that mix frames filled in."""
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
        for taps, offsets, bias in zip(self.taps, self.offsets, self.biases, strict=True):
            rows = slice(start, start + len(bias))
            target = result[:, rows, : length - gap]
            for i, (tap, offset) in enumerate(zip(taps, offsets, strict=True)):
                tap = tap.expand(p, *tap.shape)
                if i == 0:
                    torch.baddbmm(bias, tap, moved(rows, offset), out=target)
                else:
                    target.baddbmm_(tap, moved(rows, offset))
            start += len(bias)
        peaks = torch.maximum(moved(self.peaks, -1), moved(self.peaks, 0))
        torch.maximum(peaks, moved(self.peaks, 1), out=peaks)
        torch.addcmul(self.peak_shift, peaks, self.peak_scale, out=result[:, self.peaks, : length - gap])
        return result.view(p, n_all, joints, frames + gap)[..., :frames]
