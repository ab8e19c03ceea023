"""Networks over single pictures that video networks are built on: CNN-M, CaffeNet and VGG-16.

They take pictures ``[N, C, H, W]``. Pooling rounds sizes up, so that small pictures pass too; before the first fully
connected layer, pictures of another size than the paper's are averaged to its grid.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from skelact.nn.inception import Scale
from skelact.nn.initialise import initialise_fan_in


def conv_relu(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1
) -> list[nn.Module]:
    """A 2D convolution and ReLU."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups)
    return [conv, nn.ReLU(inplace=True)]


def response_norm() -> nn.Module:
    """Local response norm (Krizhevsky et al., NIPS 2012) over 5 channels: alpha 1e-4 for each, beta 0.75."""
    return nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)


class CNNM(nn.Module):
    """CNN-M (Chatfield et al., BMVC 2014) as the two-stream networks have it, to fc7 (2048 channels).

    Args:
        channels_in: C.
        scale: of the numbers of channels.
        second_norm: local response norm after the second convolution too; the temporal network has none.
        dropout: after fc6.
    """

    def __init__(
        self, channels_in: int, scale: Scale, second_norm: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        a, b, c = scale(96), scale(256), scale(512)
        pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.maps = nn.Sequential(
            *conv_relu(channels_in, a, 7, 2),
            response_norm(),
            nn.MaxPool2d(2, 2),
            *conv_relu(a, b, 5, 2, 1),
            *([response_norm()] if second_norm else []),
            pool,
            *conv_relu(b, c, 3, 1, 1),
            *conv_relu(c, c, 3, 1, 1),
            *conv_relu(c, c, 3, 1, 1),
            nn.MaxPool2d(2, 2),
        )
        self.channels_out = scale(2048)
        self.full = nn.Sequential(
            nn.AdaptiveAvgPool2d(6),
            nn.Flatten(),
            nn.Linear(36 * c, scale(4096)),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(scale(4096), self.channels_out),
            nn.ReLU(inplace=True),
        )
        initialise_fan_in(self)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` to ``[N, D]``."""
        return self.full(self.maps(x))


class CaffeNet(nn.Module):
    """CaffeNet (Jia et al., 2014: AlexNet with pooling before its norms), to fc6 (4096 channels).

    Args:
        channels_in: C.
        scale: of the numbers of channels.
    """

    def __init__(self, channels_in: int, scale: Scale) -> None:
        super().__init__()
        a, b, c = scale(96), scale(256), scale(384)
        self.maps = nn.Sequential(
            *conv_relu(channels_in, a, 11, 4),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            response_norm(),
            *conv_relu(a, b, 5, 1, 2, groups=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            response_norm(),
            *conv_relu(b, c, 3, 1, 1),
            *conv_relu(c, c, 3, 1, 1, groups=2),
            *conv_relu(c, b, 3, 1, 1, groups=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )
        self.channels_out = scale(4096)
        self.full = nn.Sequential(
            nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Linear(36 * b, self.channels_out), nn.ReLU(inplace=True)
        )
        initialise_fan_in(self)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` to ``[N, D]``."""
        return self.full(self.maps(x))


VGG16_COUNTS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16Maps(nn.Module):
    """The convolutions of VGG-16 (Simonyan and Zisserman, ICLR 2015).

    Args:
        channels_in: C.
        scale: of the numbers of channels.
    """

    def __init__(self, channels_in: int, scale: Scale) -> None:
        super().__init__()
        self.channels_out = [scale(row[-1]) for row in VGG16_COUNTS]
        rows, c = [], channels_in
        for row in VGG16_COUNTS:
            parts: list[nn.Module] = []
            for before, after in pairwise([c, *(scale(count) for count in row)]):
                parts += conv_relu(before, after, 3, 1, 1)
                c = after
            rows.append(nn.Sequential(*parts, nn.MaxPool2d(2, 2, ceil_mode=True)))
        self.rows = nn.ModuleList(rows)
        initialise_fan_in(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``[N, C, H, W]`` to the maps of pool1 to pool5, ``[N, channels_out[i], H/2^(i+1), W/2^(i+1)]``."""
        maps = []
        for row in self.rows:
            x = row(x)
            maps.append(x)
        return maps


class VGG16Full(nn.Module):
    """The layers fc6 and fc7 of VGG-16 on its pool5.

    Args:
        channels_in: channels of pool5.
        scale: of the numbers of channels.
    """

    def __init__(self, channels_in: int, scale: Scale) -> None:
        super().__init__()
        self.channels_out = scale(4096)
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(7),
            nn.Flatten(),
            nn.Linear(49 * channels_in, self.channels_out),
            nn.ReLU(inplace=True),
            nn.Linear(self.channels_out, self.channels_out),
            nn.ReLU(inplace=True),
        )
        initialise_fan_in(self)

    def forward(self, pool5: Tensor) -> Tensor:
        """``[N, C, h, w]`` to ``[N, D]``."""
        return self.layers(pool5)
