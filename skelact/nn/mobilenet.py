"""MobileNetV2 (Sandler et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

# expansion, channels, repetitions, stride of the first (table 2 of the paper)
ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def conv_norm(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Convolution without bias, batch norm, ReLU6."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    return [conv, nn.BatchNorm2d(channels_out), nn.ReLU6(inplace=True)]


class InvertedResidual(nn.Module):
    """Expand by 1×1, filter depthwise by 3×3, project by 1×1 without activation; the input is added if it fits."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = channels_in * expansion
        layers = conv_norm(channels_in, inside, 1) if expansion > 1 else []
        layers += conv_norm(inside, inside, 3, stride, groups=inside)
        layers += conv_norm(inside, channels_out, 1)[:2]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(x)
        return x + out if self.adds else out


class MobileNetV2(nn.Module):
    """Pictures ``[N, C, H, W]`` to features ``[N, D]``, the mean of the last map.

    Its weights come in the same order as those of torchvision's ``mobilenet_v2().features``.

    Args:
        channels_in: C.
        scale: of the numbers of channels.
    """

    def __init__(self, channels_in: int, scale: Callable[[int], int]) -> None:
        super().__init__()
        c = scale(32)
        self.stem = nn.Sequential(*conv_norm(channels_in, c, 3, 2))
        rows: list[nn.Module] = []
        for expansion, channels, repetitions, stride in ROWS:
            blocks = []
            for i in range(repetitions):
                blocks.append(InvertedResidual(c, scale(channels), stride if i == 0 else 1, expansion))
                c = scale(channels)
            rows.append(nn.Sequential(*blocks))
        self.channels_out = scale(1280)
        rows.append(nn.Sequential(*conv_norm(c, self.channels_out, 1)))
        self.rows = nn.ModuleList(rows)

    def maps(self, x: Tensor) -> Tensor:
        """The last map ``[N, D, H / 32, W / 32]``."""
        x = self.stem(
            x.contiguous(memory_format=torch.channels_last)
        )  # twice as fast: depthwise convolutions
        for row in self.rows:
            x = row(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).mean((2, 3))
