"""Residual blocks of 3D convolutions on ``[N, C, T, H, W]``."""

from __future__ import annotations

from torch import Tensor, nn


class ConvNorm3d(nn.Sequential):
    """3D convolution without bias, batch normalisation and an optional ReLU.

    Args:
        channels_in, channels_out: C and D.
        kernel: (frames, pixels) or (frames, rows, columns); odd unless ``padding`` is given.
        stride: (frames, pixels) or (frames, rows, columns).
        activate: apply ReLU.
        padding: as ``kernel``; None: half the kernel, so that sizes stay the same without a stride.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: tuple[int, ...],
        stride: tuple[int, ...] = (1, 1),
        activate: bool = True,
        padding: tuple[int, ...] | None = None,
    ) -> None:
        size = _three(kernel)
        pad = (size[0] // 2, size[1] // 2, size[2] // 2) if padding is None else _three(padding)
        conv = nn.Conv3d(channels_in, channels_out, size, _three(stride), pad, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        norm = nn.BatchNorm3d(channels_out)
        super().__init__(conv, norm, *([nn.ReLU(inplace=True)] if activate else []))


def _three(values: tuple[int, ...]) -> tuple[int, int, int]:
    """(frames, pixels) or (frames, rows, columns) as the latter."""
    return (values[0], values[1], values[-1])


class Bottleneck3d(nn.Module):
    """The bottleneck of a SlowOnly network (Feichtenhofer et al., ICCV 2019): D/4 channels inside.

    Args:
        channels_in, channels_out: C and D, a multiple of 4.
        stride: (frames, pixels).
        temporal: the first convolution has a temporal kernel of 3 frames instead of 1.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: tuple[int, int] = (1, 1), temporal: bool = False
    ) -> None:
        super().__init__()
        inner = channels_out // 4
        self.reduce = ConvNorm3d(channels_in, inner, (3 if temporal else 1, 1))
        self.spread = ConvNorm3d(inner, inner, (1, 3), stride)
        self.expand = ConvNorm3d(inner, channels_out, (1, 1), activate=False)
        nn.init.constant_(self.expand.get_parameter("1.weight"), 1e-3)  # the block starts near its shortcut
        same = channels_in == channels_out and stride == (1, 1)
        self.shortcut = (
            None if same else ConvNorm3d(channels_in, channels_out, (1, 1), stride, activate=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.expand(self.spread(self.reduce(x)))
        return (out + (x if self.shortcut is None else self.shortcut(x))).relu_()
