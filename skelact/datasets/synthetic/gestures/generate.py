"""Examples of gesture classes: other people, speeds, places, cameras and estimators each time."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.datasets.synthetic.gestures.classes import N_SHAPES, REST, GestureClasses
from skelact.datasets.synthetic.gestures.hand import hand_joints
from skelact.datasets.synthetic.gestures.seen import see
from skelact.transforms.gesture_form import LEFT_HAND, N_JOINTS, RIGHT_HAND, J

_UPPER, _FORE, _PALM = 0.8, 0.68, 0.26  # shoulder widths
_THIGH, _SHIN = 1.15, 1.1
# How much people differ: in the palm's direction (radians, about), the hand's shape, the gesture's place.
_PALM_DIFFERS, _SHAPE_DIFFERS, _PLACE_DIFFERS = 0.18, 0.09, 0.1


def make_gestures(
    classes: GestureClasses, profile: str, rng: torch.Generator, *, exact: bool = False, flat: bool = False
) -> tuple[Tensor, Tensor]:
    """One example of each class.

    Args:
        classes: N classes; take a class several times for several examples.
        profile: what the estimator gives, see `skelact.datasets.synthetic.gestures.classes.PROFILES`.
        rng: of everything that differs from example to example.
        exact: as it is made, without a camera's and an estimator's errors.
        flat: without depth.

    Returns:
        joints ``[N, N_STEPS, V, 3]`` of `GESTURE_LAYOUT` and presence ``[N, N_STEPS, V]``, resampled over the whole.
    """
    n = len(classes)
    frames = int(torch.randint(10, 61, (1,), generator=rng))
    seconds = 0.9 + 2.2 * torch.rand(n, generator=rng)
    share = _phases(n, frames, rng)
    xyz = _bodies(classes, share, rng)
    if exact:
        times = torch.linspace(0, 1, frames) * seconds[:, None]
        return see(xyz, times, profile, None, flat)
    times = _times(n, frames, rng) * seconds[:, None]
    return see(xyz, times, profile, rng, flat)


def _times(n: int, frames: int, rng: torch.Generator) -> Tensor:
    """``[N, T]`` from 0 to 1, with a camera's uneven steps."""
    steps = 0.7 + 0.6 * torch.rand(n, frames, generator=rng)
    at = steps.cumsum(1)
    return (at - at[:, :1]) / (at[:, -1:] - at[:, :1])


def _phases(n: int, frames: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """How far the gesture is ``[N, T]`` (0..1, at its own changing speed) and how much of it there is (0 at rest)."""
    t = torch.linspace(0, 1, frames)[None]
    lead = torch.rand(n, 2, generator=rng) * torch.tensor([0.32, 0.3])
    lead = lead * (torch.rand(n, 2, generator=rng) < 0.8)
    cut = (
        0.15 * torch.rand(n, 2, generator=rng) * (torch.rand(n, 2, generator=rng) < 0.25)
    )  # begun before, ends after
    lead = torch.where(cut > 0, -cut, lead)
    a, b = lead[:, :1], 1 - lead[:, 1:]
    phase = ((t - a) / (b - a)).clamp(0, 1)
    wobble = 0.1 * torch.randn(n, 2, generator=rng)
    phase = (
        phase
        + wobble[:, :1] * torch.sin(torch.pi * phase)
        + 0.5 * wobble[:, 1:] * torch.sin(2 * torch.pi * phase)
    )
    up = 0.08 + 0.14 * torch.rand(n, 2, generator=rng)  # time from rest to the gesture and back
    rests = (torch.rand(n, 2, generator=rng) < 0.6).float()  # whether it is cut before the rest
    rise = ((t - a + up[:, :1]) / up[:, :1]).clamp(0, 1)
    fall = ((b + up[:, 1:] - t) / up[:, 1:]).clamp(0, 1)
    amount = torch.maximum(_ease(rise), 1 - rests[:, :1]) * torch.maximum(_ease(fall), 1 - rests[:, 1:])
    return phase.clamp(0, 1), amount


def _ease(x: Tensor) -> Tensor:
    return x * x * x * (10 - 15 * x + 6 * x * x)


def _path(classes: GestureClasses, phase: Tensor, rng: torch.Generator) -> Tensor:
    """Wrists ``[N, 2, T, 3]`` from their shoulders."""
    n, t = phase.shape
    keys = classes.keys + 0.07 * torch.randn(classes.keys.shape, generator=rng)
    middle = keys[:, :, :1]
    keys = middle + (keys - middle) * (0.75 + 0.5 * torch.rand(n, 1, 1, 1, generator=rng))
    keys = keys + _PLACE_DIFFERS * torch.randn(n, 2, 1, 3, generator=rng)
    legs = (classes.n_keys - 1).clamp(min=0)[:, None]
    at = phase * legs
    first = at.floor().clamp(max=3).long().minimum((legs - 1).clamp(min=0))
    within = (at - first).clamp(0, 1)
    within = torch.where(classes.smooth[:, None] > 0, 0.5 * (within + _ease(within)), _ease(within))

    def key(number: Tensor) -> Tensor:
        return torch.gather(keys, 2, number[:, None, :, None].expand(n, 2, t, 3))

    path = (
        key(first)
        + (key((first + 1).clamp(max=4)) - key(first))
        * within[:, None, :, None]
        * (legs > 0)[:, None, :, None]
    )
    extra = torch.randint(-1, 2, (n,), generator=rng) * (classes.cycles > 2)  # nobody counts
    angle = 2 * torch.pi * (classes.cycles + extra)[:, None] * phase
    wave = classes.wave * (0.7 + 0.6 * torch.rand(n, 1, 1, 1, generator=rng))
    return (
        path + angle.sin()[:, None, :, None] * wave[:, :, :1] + angle.cos()[:, None, :, None] * wave[:, :, 1:]
    )


def _limb(root: Tensor, end: Tensor, pole: Tensor, upper: Tensor, lower: Tensor) -> tuple[Tensor, Tensor]:
    """Middle joint and reachable end of a limb of two bones; ``upper``, ``lower`` ``[..., 1]``."""
    way = end - root
    far = way.norm(dim=-1, keepdim=True).clamp(min=1e-4)
    unit = way / far
    far = torch.minimum(torch.maximum(far, 1.15 * (upper - lower).abs() + 0.25), 0.985 * (upper + lower))
    along = (upper.square() - lower.square() + far.square()) / (2 * far)
    aside = (upper.square() - along.square()).clamp(min=1e-6).sqrt()
    pole = pole - (pole * unit).sum(-1, keepdim=True) * unit
    pole = pole / pole.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    return root + along * unit + aside * pole, root + far * unit


def _bodies(classes: GestureClasses, share: tuple[Tensor, Tensor], rng: torch.Generator) -> Tensor:
    """Joints ``[N, T, V, 3]``: right, up, away from the camera that the person faces; shoulder widths."""
    phase, amount = share
    n, t = phase.shape
    size = torch.exp(0.07 * torch.randn(n, 8, generator=rng))

    def sized(length: float, k: int) -> Tensor:
        return (length * size[:, k])[:, None, None, None]

    rest = torch.tensor(REST) + torch.randn(n, 2, 1, 3, generator=rng) * torch.tensor([0.12, 0.15, 0.12])
    lap = torch.rand(n, 1, 1, 1, generator=rng) < 0.35  # hands before the body
    rest = torch.where(lap, rest + torch.tensor([-0.35, 0.45, 0.35]), rest)
    path = _path(classes, phase, rng)
    busy = amount[:, None, :, None] * classes.moves[:, :, None, None]
    idle = (torch.rand(n, 2, 1, 1, generator=rng) < 0.15) & (classes.moves[:, :, None, None] == 0)
    rest = torch.where(idle, rest + torch.tensor([-0.1, 0.8, 0.5]), rest)
    sway = 0.05 * torch.sin(torch.linspace(0, 5, t)[:, None] + 6 * torch.rand(n, 2, 1, 3, generator=rng))
    wrist = rest + (path - rest) * busy + sway * (1 - 0.7 * busy)

    shoulder = torch.tensor([0.5, 0.0, 0.0]).expand(n, 2, t, 3)
    swivel = (classes.swivel + 0.2 * torch.randn(n, 2, generator=rng) + 0.5)[:, :, None, None]
    pole = torch.cat([swivel.sin(), -swivel.cos(), -0.25 * torch.ones_like(swivel)], -1).expand(n, 2, t, 3)
    elbow, wrist = _limb(shoulder, wrist, pole, sized(_UPPER, 0), sized(_FORE, 1))
    hands = _hands(classes, phase, amount, wrist - elbow, size[:, 2], rng)

    step = _ease(torch.sin(torch.pi * phase).clamp(0, 1)) * amount
    lean = classes.lean * (0.8 + 0.4 * torch.rand(n, 1, generator=rng))
    drop = torch.zeros(n, t, 3)
    drop[..., 1] = -(1.2 * lean[:, 2:] * step)
    hip = torch.tensor([0.3, -1.35, 0.0]).expand(n, 2, t, 3) * sized(1.0, 3)
    foot = (
        torch.tensor([0.3, -1.35 - 0.97 * (_THIGH + _SHIN), 0.0]) * size[:, 3, None, None, None]
        + classes.leg[:, :, None] * step[:, None, :, None]
    )
    ahead = torch.tensor([0.1, 0.0, 1.0]).expand(n, 2, t, 3)
    hip_now = hip + drop[:, None]
    knee, ankle = _limb(hip_now, foot, ahead, sized(_THIGH, 3), sized(_SHIN, 3))

    xyz = torch.zeros(n, t, N_JOINTS, 3)
    head = torch.tensor([0.0, 0.62, 0.1]) * size[:, 4, None] + 0.06 * torch.randn(n, 3, generator=rng)
    upper = {J["head"]: head[:, None].expand(n, t, 3)}
    lower: dict[int, Tensor] = {}
    for k, (side, first) in enumerate((("left", LEFT_HAND), ("right", RIGHT_HAND))):
        sign = torch.tensor([-1.0 if k == 0 else 1.0, 1.0, 1.0])
        for name, joints in (("shoulder", shoulder), ("elbow", elbow), ("wrist", wrist)):
            upper[J[f"{side}_{name}"]] = joints[:, k] * sign
        for joint in range(21):
            upper[first + joint] = (wrist[:, k] + hands[:, k, :, joint]) * sign
        for name, joints in (("hip", hip_now), ("knee", knee), ("ankle", ankle)):
            lower[J[f"{side}_{name}"]] = joints[:, k] * sign
    stacked = _lean(torch.stack(list(upper.values()), 2), drop, lean[:, :2], step, size[:, 3])
    xyz[:, :, list(upper)] = stacked
    for v, joints in lower.items():
        xyz[:, :, v] = joints
    return xyz * torch.tensor([1.0, 1.0, -1.0])  # forwards is towards the camera


def _lean(upper: Tensor, drop: Tensor, lean: Tensor, step: Tensor, size: Tensor) -> Tensor:
    """Turn the trunk ``[N, T, K, 3]`` forwards and sidewards about the hips."""
    hips = torch.zeros(len(upper), 1, 1, 3)
    hips[..., 1] = (-1.35 * size)[:, None, None]
    x, y, z = (upper - hips).unbind(-1)
    forwards, aside = (lean[:, i, None, None] * step[..., None] for i in (0, 1))
    y, z = y * forwards.cos() - z * forwards.sin(), z * forwards.cos() + y * forwards.sin()
    x, y = x * aside.cos() + y * aside.sin(), y * aside.cos() - x * aside.sin()
    return torch.stack([x, y, z], -1) + hips + drop[:, :, None]


def _blend(values: Tensor, number: Tensor) -> Tensor:
    """``values [N, 2, S, K]`` at fractional numbers ``[N, T]``: ``[N, 2, T, K]``."""
    n, _, s, k = values.shape
    low = number.floor().clamp(0, s - 1).long()
    high = (low + 1).clamp(max=s - 1)
    share = _ease((number - low).clamp(0, 1))[:, None, :, None]

    def at(i: Tensor) -> Tensor:
        return torch.gather(values, 2, i[:, None, :, None].expand(n, 2, i.shape[1], k))

    return at(low) * (1 - share) + at(high) * share


def _hands(
    classes: GestureClasses,
    phase: Tensor,
    amount: Tensor,
    forearm: Tensor,
    size: Tensor,
    rng: torch.Generator,
) -> Tensor:
    """Hands about their wrists ``[N, 2, T, 21, 3]``, in each arm's own frame."""
    n, t = phase.shape

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    shapes = torch.cat([classes.curl.flatten(3), classes.spread[..., None], classes.thumb], -1)
    shapes = shapes + _SHAPE_DIFFERS * (noise(n, 2, 1, 13) + 0.45 * noise(n, 2, N_SHAPES, 13))
    through = phase * classes.shape_cycles[:, None]
    through = torch.where(through >= classes.shape_cycles[:, None], torch.ones_like(through), through % 1)
    shape = _blend(shapes, (through * 1.3 - 0.15).clamp(0, 1) * (classes.n_shapes - 1)[:, None])
    loose = torch.tensor([0.35, 0.3] * 5 + [0.3, 0.2, 0.6]) + 0.12 * noise(n, 2, 1, 13)
    busy = amount[:, None, :, None] * classes.moves[:, :, None, None]
    shape = (loose + (shape - loose) * busy).clamp(-0.12, 1.1)
    sizes = torch.exp(0.06 * noise(n, 1, 1, 5)).expand(n, 2, t, 5)
    hand = hand_joints(shape[..., :10].unflatten(-1, (5, 2)), shape[..., 10], shape[..., 11:], sizes)

    along = forearm / forearm.norm(dim=-1, keepdim=True).clamp(min=1e-4)
    held = torch.cat(
        [
            classes.point + _PALM_DIFFERS * noise(n, 2, 1, 3),
            (classes.roll + _PALM_DIFFERS * noise(n, 2, 1))[..., None],
        ],
        -1,
    )
    held = _blend(held, phase)
    follow = classes.follow[:, None, None, None]
    fingers = held[..., :3] * (1 - follow) + along * follow
    fingers = along + (fingers - along) * busy
    angle = 2 * torch.pi * classes.cycles[:, None] * phase
    roll = (held[..., 3] * busy[..., 0]) + (classes.twist[:, :1] * angle.sin())[:, None] * busy[..., 0]
    fingers = fingers / fingers.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    down = torch.tensor([-0.5, -0.6, 0.6]).expand_as(fingers)
    palm = down - (down * fingers).sum(-1, keepdim=True) * fingers
    palm = palm / palm.norm(dim=-1, keepdim=True).clamp(min=1e-2)
    thumb = torch.linalg.cross(palm, fingers)
    palm, thumb = (
        palm * roll.cos()[..., None] + thumb * roll.sin()[..., None],
        thumb * roll.cos()[..., None] - palm * roll.sin()[..., None],
    )
    wag = (classes.twist[:, 1:] * angle.sin())[:, None, :, None] * busy
    fingers, palm = fingers * wag.cos() + palm * wag.sin(), palm * wag.cos() - fingers * wag.sin()
    frame = torch.stack([thumb, fingers, palm], -2)  # rows: the palm's axes
    return (hand @ frame) * (_PALM * size)[:, None, None, None, None]
