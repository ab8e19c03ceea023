"""Inception modules: BN-Inception in 2D, and Inception-v1 in 3D."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.conv3d import ConvNorm3d
from skelact.nn.modules import Modules

# Scales a published number of channels to the network's width.
Scale = Callable[[int], int]


class Branches(nn.Module):
    """Parallel modules whose outputs are concatenated (Szegedy et al., CVPR 2015)."""

    def __init__(self, branches: Iterable[nn.Module]) -> None:
        super().__init__()
        self.branches = Modules(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class ConvNorm2d(nn.Sequential):
    """2D convolution, batch norm, ReLU.

    The convolution keeps its bias, which the released BN-Inception has although the norm removes it.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))


# Rows: 1×1; reduction and 3×3; reduction and double 3×3; pooling and its projection. 0: no such branch, and
# a stride of 2.
BN_INCEPTION = (
    (64, (64, 64), (64, 96), ("avg", 32)),
    (64, (64, 96), (64, 96), ("avg", 64)),
    (0, (128, 160), (64, 96), ("max", 0)),
    (224, (64, 96), (96, 128), ("avg", 128)),
    (192, (96, 128), (96, 128), ("avg", 128)),
    (160, (128, 160), (128, 160), ("avg", 128)),
    (96, (128, 192), (160, 192), ("avg", 128)),
    (0, (128, 192), (192, 256), ("max", 0)),
    (352, (192, 320), (160, 224), ("avg", 128)),
    (352, (192, 320), (192, 224), ("max", 128)),
)


class BNInception(nn.Module):
    """BN-Inception (Ioffe and Szegedy, ICML 2015): pictures ``[N, C, H, W]`` to features ``[N, D]``.

    Args:
        channels_in: C.
        scale: of the numbers of channels.
    """

    def __init__(self, channels_in: int, scale: Scale) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvNorm2d(channels_in, scale(64), 7, 2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            ConvNorm2d(scale(64), scale(64), 1),
            ConvNorm2d(scale(64), scale(192), 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )
        c, rows = scale(192), []
        for one, (reduce, three), (reduce_double, double), (pool, project) in BN_INCEPTION:
            s = 1 if one else 2
            branches: list[nn.Module] = [ConvNorm2d(c, scale(one), 1)] if one else []
            branches.append(
                nn.Sequential(ConvNorm2d(c, scale(reduce), 1), ConvNorm2d(scale(reduce), scale(three), 3, s))
            )
            branches.append(
                nn.Sequential(
                    ConvNorm2d(c, scale(reduce_double), 1),
                    ConvNorm2d(scale(reduce_double), scale(double), 3),
                    ConvNorm2d(scale(double), scale(double), 3, s),
                )
            )
            pooling = nn.AvgPool2d(3, s, 1) if pool == "avg" else nn.MaxPool2d(3, s, 1)
            branches.append(nn.Sequential(pooling, ConvNorm2d(c, scale(project), 1)) if project else pooling)
            rows.append(Branches(branches))
            c = (scale(one) if one else 0) + scale(three) + scale(double) + (scale(project) if project else c)
        self.rows = nn.ModuleList(rows)
        self.channels_out = c

    def maps(self, x: Tensor) -> Tensor:
        """The last map ``[N, D, H / 32, W / 32]``."""
        x = self.stem(x)
        for row in self.rows:
            x = row(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).mean((2, 3))


def pad_same(x: Tensor, kernel: Sequence[int], stride: Sequence[int], repeat_frames: bool = False) -> Tensor:
    """Pad ``[N, C, T, H, W]`` so that a kernel gives ``ceil(size / stride)`` outputs (TensorFlow's "SAME").

    Where the padding is odd, the end has more. It is zeros, in time copies of the first and last frame if
    ``repeat_frames``.
    """
    amounts = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(0, ((size + s - 1) // s - 1) * s + k - size)  # ONNX divides negative numbers towards 0
        amounts.append((total // 2, total - total // 2))
    time, rows, columns = amounts
    if repeat_frames and max(time):
        x = functional.pad(x, (0, 0, 0, 0, *time), mode="replicate")
        time = (0, 0)
    return functional.pad(x, (*columns, *rows, *time)) if max(*columns, *rows, *time) else x


class SameConv3d(nn.Module):
    """3D convolution with "SAME" padding, batch norm, ReLU.

    Args:
        channels_in, channels_out: C and D.
        kernel: in frames, rows and columns.
        stride: in frames, rows and columns.
        repeat_frames: see `pad_same`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        stride: int = 1,
        repeat_frames: bool = False,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.repeat_frames = (kernel,) * 3, (stride,) * 3, repeat_frames
        self.conv = ConvNorm3d(channels_in, channels_out, self.kernel, self.stride, padding=(0, 0, 0))
        norm = self.conv[1]
        assert isinstance(norm, nn.BatchNorm3d)
        norm.eps = 1e-3

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad_same(x, self.kernel, self.stride, self.repeat_frames))


class SameMaxPool3d(nn.Module):
    """Maximum pooling with "SAME" padding by zeros, for inputs that are not negative."""

    def __init__(self, kernel: Sequence[int], stride: Sequence[int]) -> None:
        super().__init__()
        self.kernel, self.stride = tuple(kernel), tuple(stride)

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}, stride={self.stride}"


def inception3d(channels_in: int, counts: Sequence[int], repeat_frames: bool = False) -> tuple[Branches, int]:
    """An Inception-v1 module in 3D (Carreira and Zisserman, CVPR 2017) and the number of its output channels.

    Args:
        channels_in: C.
        counts: channels of 1×1; reduction, 3×3; reduction, second 3×3; projection after pooling.
        repeat_frames: see `pad_same`.
    """
    one, reduce, three, reduce_second, second, project = counts
    branches = Branches(
        [
            SameConv3d(channels_in, one),
            nn.Sequential(
                SameConv3d(channels_in, reduce),
                SameConv3d(reduce, three, 3, repeat_frames=repeat_frames),
            ),
            nn.Sequential(
                SameConv3d(channels_in, reduce_second),
                SameConv3d(reduce_second, second, 3, repeat_frames=repeat_frames),
            ),
            nn.Sequential(SameMaxPool3d((3, 3, 3), (1, 1, 1)), SameConv3d(channels_in, project)),
        ]
    )
    return branches, one + three + second + project
