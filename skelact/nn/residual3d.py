"""Residual blocks of 3D networks whose convolutions are free to choose, and the shortcuts A and B."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError, choices
from skelact.nn.conv3d import ConvNorm3d

# Blocks of each stage (He et al., CVPR 2016).
DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
SHORTCUTS = ("A", "B")

# Makes a block from (channels in, channels out, stride).
MakeBlock = Callable[[int, int, int], nn.Module]


class PadShortcut(nn.Module):
    """Shortcut A (He et al., CVPR 2016): subsample frames and pixels, and fill new channels with 0.

    Args:
        channels_added: number of new channels.
        stride: in frames and pixels.
    """

    def __init__(self, channels_added: int, stride: int) -> None:
        super().__init__()
        self.channels_added, self.stride = channels_added, stride

    def forward(self, x: Tensor) -> Tensor:
        s = self.stride
        return functional.pad(x[:, :, ::s, ::s, ::s], (0, 0, 0, 0, 0, 0, 0, self.channels_added))

    def extra_repr(self) -> str:
        return f"channels_added={self.channels_added}, stride={self.stride}"


def make_shortcut(kind: str, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """The shortcut of a block: the identity where shapes agree, A without weights, B a 1×1×1 convolution.

    Raises:
        ConfigError: for a kind other than A and B, or if A would have to drop channels.
    """
    if kind not in SHORTCUTS:
        raise ConfigError(choices(kind, SHORTCUTS, "shortcut"))
    if channels_in == channels_out and stride == 1:
        return nn.Identity()
    if kind == "B":
        return ConvNorm3d(channels_in, channels_out, (1, 1), (stride, stride), activate=False)
    if channels_in > channels_out:
        raise ConfigError(f"shortcut A cannot make {channels_out} channels of {channels_in}; use shortcut B")
    return PadShortcut(channels_out - channels_in, stride)


class ResidualBlock3d(nn.Module):
    """``relu(path(x) + shortcut(x))``.

    Args:
        path: modules one after the other, the last without activation.
        shortcut: see `make_shortcut`.
    """

    def __init__(self, path: Iterable[nn.Module], shortcut: nn.Module) -> None:
        super().__init__()
        self.path = nn.Sequential(*path)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return (self.path(x) + self.shortcut(x)).relu()


def residual_stages(
    make_block: MakeBlock, channels_in: int, channels: Sequence[int], depths: Sequence[int]
) -> list[nn.Sequential]:
    """The stages of a residual network; every stage but the first begins with a stride of 2.

    Args:
        make_block: makes a block from (channels in, channels out, stride).
        channels_in: channels of the first stage's input.
        channels: output channels of each stage.
        depths: blocks of each stage.
    """
    stages = []
    for i, (out, depth) in enumerate(zip(channels, depths, strict=True)):
        blocks = [make_block(channels_in, out, 1 if i == 0 else 2)]
        blocks += [make_block(out, out, 1) for _ in range(depth - 1)]
        stages.append(nn.Sequential(*blocks))
        channels_in = out
    return stages


def find_depths(depth: int, allowed: Iterable[int]) -> tuple[int, ...]:
    """Blocks of each stage for a depth.

    Raises:
        ConfigError: for a depth that is not allowed.
    """
    if depth not in tuple(allowed):
        raise ConfigError(choices(depth, allowed, "depth"))
    return DEPTHS[depth]
