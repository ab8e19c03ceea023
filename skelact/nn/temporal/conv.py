"""Temporal convolution, and the 1×1 convolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class TemporalConv(nn.Conv2d):
    """Temporal convolution.

    Runs as a ``1 × kernel`` convolution on the view ``[V, C, P, T]``: the same memory in channels-last order.

    Args:
        channels_in, channels_out: C and D.
        kernel: temporal kernel size [frames]; odd.
        stride: temporal stride.
        dilation: temporal dilation.
        causal: the receptive field ends at the frame itself.
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
        self.before = reach if causal else 0  # zero padding before the first frame of a causal convolution

    def forward(self, x: Tensor) -> Tensor:
        if self.before:
            x = functional.pad(x, (0, 0, self.before, 0))
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class PointConv(nn.Linear):
    """1×1 convolution, a matrix product on the last axis, with an optional temporal stride."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = x[:, :, :: self.stride]
        return functional.linear(x, self.weight, self.bias)
