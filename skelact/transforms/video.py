"""Batched augmentation of video clips ``[N, C, T, H, W]`` on their device; a draw per clip holds for all its frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from skelact.errors import ConfigError, choices

KINETICS_MEAN, KINETICS_STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))  # down, right; as shares of the room
CROPS = {"centre": 1, "three": 3, "ten": 10}  # how many crops a network sees of a clip when it is tested


def to_float(frames: Tensor) -> Tensor:
    """``uint8 [N, T, H, W, C]`` as decoded to float32 ``[N, C, T, H, W]`` in 0..1."""
    return frames.permute(0, 4, 1, 2, 3).float().div_(255)


def flow_to_float(fields: Tensor, bound: float = 20.0) -> Tensor:
    """Flow of 8 bits ``uint8 [N, T, H, W, 2]`` to float32 pixels per frame ``[N, 2, T, H, W]``.

    Args:
        fields: as read from files of flow; 128 is 0.
        bound: what 1 and 255 stand for.
    """
    return fields.permute(0, 4, 1, 2, 3).float().sub_(128).mul_(bound / 127)


def normalise(
    x: Tensor, mean: Sequence[float] = KINETICS_MEAN, std: Sequence[float] = KINETICS_STD
) -> Tensor:
    """Subtract a mean and divide by a deviation per channel."""
    shape = (1, -1, 1, 1, 1)
    return (x - x.new_tensor(mean).view(shape)) / x.new_tensor(std).view(shape)


def crop_resize(x: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut one box out of each clip and scale it, linearly between pixels.

    Args:
        x: ``[N, C, T, H, W]`` floats.
        boxes: ``[N, 4]`` top, left, height, width in pixels, whole or not.
        size: (height, width) of the result. It should not be much smaller than the boxes: pixels are not averaged.
    """
    n, c, t, height, width = x.shape
    boxes = boxes.to(x)
    rows = (torch.arange(size[0], device=x.device, dtype=x.dtype) + 0.5) / size[0]
    columns = (torch.arange(size[1], device=x.device, dtype=x.dtype) + 0.5) / size[1]
    y = (boxes[:, :1] + rows * boxes[:, 2:3]) * (2 / height) - 1
    x_at = (boxes[:, 1:2] + columns * boxes[:, 3:]) * (2 / width) - 1
    grid = torch.stack(
        [x_at[:, None, :].expand(n, *size), y[:, :, None].expand(n, *size)], -1
    )  # across, then down
    cut = functional.grid_sample(
        x.reshape(n, c * t, height, width), grid, padding_mode="border", align_corners=False
    )
    return cut.view(n, c, t, *size)


def _draw(n: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(n, generator=generator, device=like.device)


def multi_scale_boxes(
    n: int,
    picture: tuple[int, int],
    generator: torch.Generator | None = None,
    scales: Sequence[float] = (1.0, 0.875, 0.75, 0.66),
    *,
    square: bool = False,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Boxes ``[n, 4]`` (top, left, height, width in pixels) at a corner or in the middle, of random sides.

    Args:
        n: clips.
        picture: height and width.
        generator: where random numbers come from.
        scales: sides, as shares of the picture's shorter one. Height and width draw theirs apart, at most one step from
            each other, as in Wang et al., Temporal Segment Networks, ECCV 2016.
        square: one share for both, as in Hara et al., 2017, with scales 1, 2^-1/4, ..., 1/2.
        device: of the result.
    """
    like = torch.empty(0, device=device)
    shares = torch.tensor(sorted(scales, reverse=True), device=device)
    first = (_draw(n, like, generator) * len(scales)).long()
    step = torch.zeros_like(first) if square else (_draw(n, like, generator) * 3).long() - 1
    second = (first + step).clamp(0, len(scales) - 1)
    sides = torch.stack([shares[first], shares[second]], 1).mul(min(picture)).round().clamp(min=1)
    at = torch.tensor(CORNERS, device=device)[(_draw(n, like, generator) * len(CORNERS)).long()]
    room = torch.tensor(picture, device=device) - sides
    return torch.cat([(room * at).round(), sides], 1)


def flip(
    x: Tensor, probability: float = 0.5, generator: torch.Generator | None = None, *, flow: bool = False
) -> Tensor:
    """Mirror clips left to right, each with this probability; of flow (channels u, v, u, v, ...) u is negated."""
    return mirror(x, draw_mirrored(len(x), probability, generator, x.device), flow=flow)


def draw_mirrored(
    n: int, probability: float, generator: torch.Generator | None, device: torch.device | str = "cpu"
) -> Tensor:
    """``[n]`` bool: which clips are mirrored."""
    return _draw(n, torch.empty(0, device=device), generator) < probability


def mirror(x: Tensor, chosen: Tensor, *, flow: bool = False) -> Tensor:
    """Mirror the chosen ``[N]`` of the clips ``x [N, C, T, H, W]``; ``flow`` as of `flip`."""
    return torch.where(chosen.view(-1, 1, 1, 1, 1), mirror_all(x, flow=flow), x)


def mirror_all(x: Tensor, *, flow: bool = False) -> Tensor:
    """Mirror the clips ``x [N, C, T, H, W]``; ``flow`` as of `flip`."""
    mirrored = x.flip(4)
    if flow:
        mirrored[:, ::2] = -mirrored[:, ::2]
    return mirrored


def colour_jitter(
    x: Tensor,
    generator: torch.Generator | None = None,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.0,
) -> Tensor:
    """Change each clip's brightness, contrast and saturation by factors within 1 ± amount, and its hue.

    Args:
        x: ``[N, 3, T, H, W]`` RGB in 0..1, not normalised yet.
        generator: where random numbers come from.
        brightness, contrast, saturation: the amounts.
        hue: the largest turn of the colours, as a share of the whole circle.

    Raises:
        ConfigError: if there are not three channels.
    """
    if x.shape[1] != 3:
        raise ConfigError(f"colours can be changed of 3 channels (RGB), not of {x.shape[1]}")

    def factor(amount: float) -> Tensor:
        return (1 + amount * (2 * _draw(len(x), x, generator) - 1)).to(x).view(-1, 1, 1, 1, 1)

    weights = x.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1, 1)
    x = (x * factor(brightness)).clamp(0, 1)
    mean = (x * weights).sum(1, keepdim=True).mean((2, 3, 4), keepdim=True)
    x = (mean + (x - mean) * factor(contrast)).clamp(0, 1)
    grey = (x * weights).sum(1, keepdim=True)
    x = grey + (x - grey) * factor(saturation)
    if hue:
        angle = (factor(hue) - 1).flatten() * (2 * torch.pi)
        x = torch.einsum("nij,njthw->nithw", _turn_colours(angle), x)
    return x.clamp(0, 1)


def _turn_colours(angle: Tensor) -> Tensor:
    """``[N, 3, 3]`` that turn RGB about grey by these radians, in the plane of I and Q (NTSC's)."""
    to_yiq = angle.new_tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], 1).view(-1, 3, 3)
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq


def cut_test_crop(
    x: Tensor, size: tuple[int, int], crops: str = "centre", number: int = 0, *, flow: bool = False
) -> tuple[Tensor, tuple[int, int], bool]:
    """One of the crops that a network sees of clips when it is tested.

    Args:
        x: ``[N, C, T, H, W]``, at least as large as ``size``.
        size: (height, width) of a crop; nothing is scaled.
        crops: ``centre``; ``three`` along the longer side (Feichtenhofer et al., SlowFast, ICCV 2019); ``ten``: the
            corners and the middle, and their mirror images (Krizhevsky et al., NIPS 2012; Wang et al., Temporal
            Segment Networks, ECCV 2016).
        number: which of the `CROPS`.
        flow: the channels are u, v, u, v, ...; u of a mirror image is negated.

    Returns:
        ``[N, C, T, h, w]``, the crop's (top, left), and whether it is mirrored.

    Raises:
        ConfigError: for another name or number, or clips smaller than the crop.
    """
    height, width = x.shape[3:]
    if crops not in CROPS:
        raise ConfigError(choices(crops, tuple(CROPS), "kind of test crops"))
    if not 0 <= number < CROPS[crops]:
        raise ConfigError(f"'{crops}' has the crops 0 to {CROPS[crops] - 1}, got {number}")
    if height < size[0] or width < size[1]:
        raise ConfigError(f"clips of {height} × {width} pixels cannot be cut to {size[0]} × {size[1]}")
    along = [(0.5, s) if width >= height else (s, 0.5) for s in (0.0, 0.5, 1.0)]
    places = {"centre": [(0.5, 0.5)], "three": along, "ten": list(CORNERS)}[crops]
    down, right = places[number % len(places)]
    top, left = round(down * (height - size[0])), round(right * (width - size[1]))
    crop, mirrored = x[..., top : top + size[0], left : left + size[1]], number >= len(places)
    return (mirror_all(crop, flow=flow) if mirrored else crop), (top, left), mirrored
