"""Forms of the temporal convolutions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from skelact.nn.fast.form import Form
from skelact.nn.fast.gate import TrainingForm
from skelact.nn.fast.spectral import Geometry, SpectralConv, SpectralKernels, spectral_block
from skelact.nn.modules import Modules
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.temporal.conv import PointConv, TemporalConv
from skelact.nn.temporal.split import SplitConv


def geometry_of(conv: TemporalConv) -> Geometry:
    """Taps, padding before the first frame, and stride."""
    return Geometry(conv.kernel_size[1], conv.before or int(conv.padding[1]), conv.stride[1])


class TemporalConvStep(TrainingForm, TemporalConv):
    """`TemporalConv` by `spectral` where that takes fewer operations."""

    def step(self, x: Tensor) -> Tensor:
        geometry = geometry_of(self)
        block = spectral_block(x, geometry, len(self.weight)) if self.dilation[1] == 1 else None
        if block is None or self.bias is None:
            return TemporalConv.forward(self, x)
        v, p, t, c = x.shape
        out = SpectralConv.apply(x.reshape(v * p, t, c), self.weight.squeeze(2), self.bias, geometry, block)
        return out.view(v, p, -1, len(self.weight))


class TemporalConvForm(Form):
    """`TemporalConv` and the norm that follows it."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: TemporalConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = (s.expand(len(conv.weight)) for s in scale_shift(norm, conv.weight))
        bias = torch.zeros_like(shift) if conv.bias is None else conv.bias
        self.keep(dtype, bias=bias * scale + shift)
        weight = (conv.weight * scale[:, None, None, None]).detach().to(dtype, copy=True)
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.strides, self.padding, self.dilation = (1, conv.stride[1]), conv.padding, conv.dilation
        self.stride, self.before = conv.stride[1], conv.before
        self.kernels = SpectralKernels(geometry_of(conv)) if conv.dilation[1] == 1 else None

    def _apply(self, fn, recurse: bool = True):
        if self.kernels is not None:  # cached kernels are of the old device and dtype
            self.kernels = SpectralKernels(self.kernels.geometry)
        return super()._apply(fn, recurse)

    def forward(self, x: Tensor) -> Tensor:
        if self.kernels is not None:
            block = spectral_block(x, self.kernels.geometry, len(self.bias))
            if block is not None:
                v, p, t, c = x.shape
                flat = x.reshape(v * p, t, c)
                out = self.kernels.convolve(flat, self.weight.squeeze(2), self.bias, block)
                return out.view(v, p, -1, len(self.bias))
        if self.before:
            x = functional.pad(x, (0, 0, self.before, 0))
        view = x.permute(0, 3, 1, 2)
        out = functional.conv2d(view, self.weight, self.bias, self.strides, self.padding, self.dilation)
        return out.permute(0, 2, 3, 1)


class PointConvForm(Form):
    """`PointConv` and the norm that follows it."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: PointConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = (s.expand(len(conv.weight)) for s in scale_shift(norm, conv.weight))
        self.keep(dtype, weight=conv.weight * scale[:, None], bias=conv.bias * scale + shift)
        self.stride = conv.stride

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x[:, :, :: self.stride], self.weight, self.bias)


class SplitConvForm(Form):
    """`SplitConv` and the norm that follows it."""

    scale: Tensor
    shift: Tensor

    def __init__(self, conv: SplitConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.widths, self.stride = conv.widths, conv.stride
        self.mix = PointConvForm(conv.mix, conv.norm, dtype)
        self.convs = Modules(TemporalConvForm(c, None, dtype) for c in conv.convs)
        scale, shift = scale_shift(norm, conv.mix.weight)
        ones = torch.ones_like(conv.mix.bias)
        self.keep(dtype, scale=scale * ones, shift=shift * ones)

    def forward(self, x: Tensor) -> Tensor:
        *groups, rest = self.mix(x).relu_().split(self.widths, dim=-1)
        branches = [conv(group) for conv, group in zip(self.convs, groups, strict=True)]
        return torch.cat([*branches, rest[:, :, :: self.stride]], -1).mul_(self.scale).add_(self.shift)
