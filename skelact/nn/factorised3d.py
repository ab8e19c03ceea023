"""3D convolutions as several cheaper ones: R(2+1)D and FAST."""

from __future__ import annotations

import math

from torch import Tensor, nn

from skelact.errors import ConfigError, choices
from skelact.nn.conv3d import ConvNorm3d

FAST_VARIANTS = ("sequential", "parallel")


def middle_of_2plus1(channels_in: int, channels_out: int, frames: int = 3, pixels: int = 3) -> int:
    """Channels between the two convolutions of R(2+1)D, for as many weights as the full 3D convolution has.

    ``M = floor(t d² N_in N_out / (d² N_in + t N_out))`` (Tran et al., CVPR 2018, section 3.5).
    """
    full = frames * pixels**2 * channels_in * channels_out
    return max(1, full // (pixels**2 * channels_in + frames * channels_out))


class Conv2Plus1d(nn.Sequential):
    """A 3D convolution as one in pixels, batch norm, ReLU and one in frames (Tran et al., CVPR 2018).

    Args:
        channels_in, channels_out: C and D.
        stride: in frames and pixels.
        activate: ReLU after the last batch norm.
        middle: channels between the two; None: see `middle_of_2plus1`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        activate: bool = True,
        middle: int | None = None,
    ) -> None:
        middle = middle_of_2plus1(channels_in, channels_out) if middle is None else middle
        super().__init__(
            ConvNorm3d(channels_in, middle, (1, 3), (1, stride)),
            ConvNorm3d(middle, channels_out, (3, 1), (stride, 1), activate),
        )


def middle_of_fast(channels_in: int, channels_out: int, variant: str, kernel: int = 3) -> int:
    """Middle channels M of a FAST convolution, for about as many weights as the full 3D convolution has.

    The sequential form has ``k² (N_in M + M² + M N_out)`` weights, the parallel one ``k² (N_in M + 2 M N_out)``;
    M is where they equal ``k³ N_in N_out``, rounded to a multiple of 8 (at least 4), which processors compute best.
    """
    full = kernel * channels_in * channels_out
    if variant == "parallel":
        exact = full / (channels_in + 2 * channels_out)
    else:
        total = channels_in + channels_out
        exact = (math.sqrt(total**2 + 4 * full) - total) / 2
    return max(4, round(exact / 8) * 8)


class FastConv3d(nn.Module):
    """A 3D convolution as one in pixels, one in frames and columns, one in frames and rows.

    Stergiou and Poppe, "Spatio-temporal FAST 3D convolutions for human action recognition", ICMLA 2019. Batch norm
    and ReLU follow every convolution. In the ``parallel`` variant the last two see the same input and their outputs
    are added before the ReLU; the paper's abstract does not say how they are joined.

    Args:
        channels_in, channels_out: C and D.
        stride: in frames and pixels.
        activate: ReLU after the last batch norm.
        variant: ``sequential`` or ``parallel``.
        kernel: k, odd.

    Raises:
        ConfigError: for an unknown variant or an even kernel.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        activate: bool = True,
        variant: str = "sequential",
        kernel: int = 3,
    ) -> None:
        super().__init__()
        if variant not in FAST_VARIANTS:
            raise ConfigError(choices(variant, FAST_VARIANTS, "variant of FAST convolutions"))
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames and pixels stay centred, got {kernel}")
        self.parallel, self.activate = variant == "parallel", activate
        k, m = kernel, middle_of_fast(channels_in, channels_out, variant, kernel)
        self.spatial = ConvNorm3d(channels_in, m, (1, k, k), (1, stride, stride))
        after = channels_out if self.parallel else m
        self.horizontal = ConvNorm3d(m, after, (k, 1, k), (stride, 1, 1), activate=not self.parallel)
        down = stride if self.parallel else 1
        self.vertical = ConvNorm3d(m, channels_out, (k, k, 1), (down, 1, 1), activate=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.spatial(x)
        if self.parallel:
            x = self.horizontal(x) + self.vertical(x)
        else:
            x = self.vertical(self.horizontal(x))
        return x.relu() if self.activate else x
