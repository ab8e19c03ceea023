"""Convolution over time, and the 1×1 convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.temporal.spectral import Geometry, SpectralConv, SpectralTemporalConv, spectral_block


class TemporalConv(nn.Conv2d):
    """Convolution over time, ``kernel`` frames wide.

    Runs as a ``1 × kernel`` convolution on the view ``[V, C, P, T]`` (the same memory in channels-last
    order, no copy), or on the processor, where that takes fewer operations, by way of frequencies.

    Args:
        channels_in, channels_out: C and D.
        kernel: frames; odd.
        stride: frames per output frame.
        dilation: frames between taps.
        causal: see only the frame itself and those before it.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 9,
        stride: int = 1,
        dilation: int = 1,
        causal: bool = False,
    ) -> None:
        reach = (kernel - 1) * dilation
        pad = 0 if causal else reach // 2
        super().__init__(channels_in, channels_out, (1, kernel), (1, stride), (0, pad), (1, dilation))
        self.before = reach if causal else 0  # frames of zeros that a causal convolution starts from

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if self.dilation[1] == 1 and self.bias is not None and not torch.is_autocast_enabled(x.device.type):
            v, p, t, c = x.shape
            geometry = self.geometry()
            block = spectral_block(x, geometry, c, len(self.weight), t)
            if block is not None:
                flat, weight = x.reshape(v * p, t, c), self.weight.squeeze(2)
                return SpectralConv.apply(flat, weight, self.bias, geometry, block).view(
                    v, p, -1, len(weight)
                )  # type: ignore[union-attr]
        if self.before:
            x = functional.pad(x, (0, 0, self.before, 0))
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def geometry(self) -> Geometry:
        """Taps, frames of zeros before the first, and stride."""
        return Geometry(self.kernel_size[1], self.before or int(self.padding[1]), self.stride[1])

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedTemporalConv:
        """The inference form, with the norm that follows."""
        return FoldedTemporalConv(self, norm, dtype)


class PointConv(nn.Linear):
    """1×1 convolution, a matrix product on the last axis, with an optional stride in time."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if self.stride > 1:
            x = x[:, :, :: self.stride]
        return functional.linear(x, self.weight, self.bias)

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedPointConv:
        """The inference form, with the norm that follows."""
        return FoldedPointConv(self, norm, dtype)


class FoldedTemporalConv:
    """`TemporalConv` and the norm that follows it."""

    def __init__(self, conv: TemporalConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        scale, shift = (s.expand(len(conv.weight)) for s in scale_shift(norm, conv.weight))
        bias = torch.zeros_like(shift) if conv.bias is None else conv.bias
        weight = conv.weight * scale[:, None, None, None]
        self.weight = weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias = (bias * scale + shift).detach().to(dtype)
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation
        self.before = conv.before
        geometry = conv.geometry()
        self.spectral = SpectralTemporalConv(weight.detach().to(dtype).squeeze(2), self.bias, geometry)

    def __call__(self, x: Tensor) -> Tensor:
        v, p, t, c = x.shape
        if self.dilation[1] == 1:
            block = spectral_block(x, self.spectral.geometry, c, len(self.bias), t)
            if block is not None:
                return self.spectral(x.reshape(v * p, t, c), block).view(v, p, -1, len(self.bias))
        if self.before:
            x = functional.pad(x, (0, 0, self.before, 0))
        view = x.permute(0, 3, 1, 2)
        out = functional.conv2d(view, self.weight, self.bias, self.stride, self.padding, self.dilation)  # type: ignore[arg-type]
        return out.permute(0, 2, 3, 1)


class FoldedPointConv:
    """`PointConv` and the norm that follows it."""

    def __init__(self, conv: PointConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        scale, shift = (s.expand(len(conv.weight)) for s in scale_shift(norm, conv.weight))
        self.weight = (conv.weight * scale[:, None]).detach().to(dtype)
        self.bias = (conv.bias * scale + shift).detach().to(dtype)
        self.stride = conv.stride

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x[:, :, :: self.stride], self.weight, self.bias)
