"""What gestures are compared by: positions normalised per part, the shapes of hands, and the slow movement.

The body is about the shoulders in shoulder widths, each hand about its wrist in palm lengths.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.transforms.gesture_form import LEFT_HAND, RIGHT_HAND, J

_BODY = tuple(range(LEFT_HAND))
_ARM = 1.4  # shoulder widths a forearm, for layouts without shoulders: width = _ARM x forearm
_PALM = 4.0  # shoulder widths a palm, for a hand alone
_TIPS = (4, 8, 12, 16, 20)
# (joint, middle, joint) of the angles inside of each finger, in the order of a hand's 21 joints
_ANGLES = tuple(
    (a, b, c)
    for base in (1, 5, 9, 13, 17)
    for a, b, c in ((0, base, base + 1), (base, base + 1, base + 2), (base + 1, base + 2, base + 3))
)
_PAIRS = tuple((0, t) for t in _TIPS) + (
    (4, 8),
    (4, 12),
    (4, 16),
    (4, 20),
    (8, 12),
    (12, 16),
    (16, 20),
    (4, 5),
    (4, 9),
    (4, 17),
)
_PALM_BONES = ((0, 5), (0, 9), (0, 17), (5, 17))
_PALM_LENGTHS = (0.98, 1.0, 0.9, 0.66)  # of these, in palm lengths
N_HAND = 60 + len(_ANGLES) + len(_PAIRS) + 3 + 2
N_SHAPE = 40 + 30 + 10 + 40
_PARENTS = (0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
_SEEN = 0.1  # share of the steps in which a hand must be seen for its shape to count
_POINTS = (3, 11)  # tips of the thumb and of the middle finger, of the 20 joints after the wrist
N_TIPS = 2 * len(_POINTS)
N_FREQUENCIES = 4
N_FEATURES = 3 * len(_BODY) + len(_BODY) + 2 * N_HAND + 1
N_SLOW = N_FREQUENCIES * (4 * len(_BODY) + 2 * 60)


def _mean(value: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over time and joints of ``value [B, T, K]`` where ``weight`` is 1, and whether there was one ``[B]``."""
    total = weight.sum((1, 2))
    return (value * weight).sum((1, 2)) / total.clamp(min=1e-6), (total > 0).to(value.dtype)


def length(x: Tensor) -> Tensor:
    """Of vectors ``[..., C]``."""
    return (x.square().sum(-1) + 1e-12).sqrt()


def _choose(options: list[tuple[Tensor, Tensor]], otherwise: float) -> Tensor:
    """The first option that there is, ``[B]``."""
    found = torch.full_like(options[0][0], otherwise)
    for value, there in reversed(options):
        found = value * there + found * (1 - there)
    return found.clamp(min=1e-4)


def gesture_features(xyz: Tensor, present: Tensor) -> Tensor:
    """Features of gestures, normalised per part.

    Args:
        xyz: ``[B, T, V, 3]`` joints of `GESTURE_LAYOUT`, in any unit.
        present: ``[B, T, V]`` of 0 and 1.

    Returns:
        ``[B, T, N_FEATURES]``.
    """
    sides = [
        (J[f"{s}_shoulder"], J[f"{s}_elbow"], J[f"{s}_wrist"], h)
        for s, h in (("left", LEFT_HAND), ("right", RIGHT_HAND))
    ]
    left, right = sides[0][0], sides[1][0]
    both = (present[..., left] * present[..., right])[..., None]
    width = _mean(length(xyz[..., left, :] - xyz[..., right, :])[..., None], both)
    forearm = _mean(
        torch.stack([length(xyz[..., e, :] - xyz[..., w, :]) for _, e, w, _ in sides], -1),
        torch.stack([present[..., e] * present[..., w] for _, e, w, _ in sides], -1),
    )
    palms = [_palm(xyz[..., h : h + 21, :], present[..., h : h + 21]) for *_, h in sides]
    palm = (
        (palms[0][0] * palms[0][1] + palms[1][0] * palms[1][1]) / (palms[0][1] + palms[1][1]).clamp(min=1),
        (palms[0][1] + palms[1][1]).clamp(max=1),
    )
    scale = _choose([width, (forearm[0] * _ARM, forearm[1]), (palm[0] * _PALM, palm[1])], 1.0)

    def centre(weights: list[Tensor], joints: list[Tensor]) -> tuple[Tensor, Tensor]:
        weight = torch.stack(weights, -1)
        total = weight.sum((1, 2))
        middle = (torch.stack(joints, -2) * weight[..., None]).sum((1, 2)) / total.clamp(min=1e-6)[:, None]
        return middle, (total > 0).to(xyz.dtype)[:, None]

    shoulders = centre([both[..., 0]] * 2, [xyz[..., left, :], xyz[..., right, :]])
    elbows = centre([present[..., e] for _, e, _, _ in sides], [xyz[..., e, :] for _, e, _, _ in sides])
    hands = centre([present[..., h] for *_, h in sides], [xyz[..., h, :] for *_, h in sides])
    origin = torch.zeros_like(shoulders[0])
    for value, there in (hands, elbows, shoulders):
        origin = value * there + origin * (1 - there)

    body_xyz = [xyz[..., j, :] for j in _BODY]
    body_there = [present[..., j] for j in _BODY]
    for _, _, w, h in sides:  # a wrist that is not there is the hand's
        body_xyz[w] = body_xyz[w] * present[..., w, None] + xyz[..., h, :] * (1 - present[..., w, None])
        body_there[w] = torch.maximum(present[..., w], present[..., h])
    body = torch.stack(body_xyz, -2)
    there = torch.stack(body_there, -1)
    body = ((body - origin[:, None, None]) / scale[:, None, None, None] * there[..., None]).clamp(-6, 6)
    flat = (xyz[..., 2].abs().amax((1, 2)) > 0).to(xyz.dtype)
    parts = [body.flatten(2), there]
    for (_, _, _, h), (size, known) in zip(sides, palms, strict=True):
        parts.append(
            _hand(
                xyz[..., h : h + 21, :], present[..., h : h + 21], size * known + scale * 0.25 * (1 - known)
            )
        )
    parts.append(flat[:, None, None].expand(-1, xyz.shape[1], 1))
    return torch.cat(parts, -1)


def _palm(hand: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """The palm's length ``[B]`` from four bones that fingers do not bend, and whether it is known."""
    lengths = torch.stack([length(hand[..., a, :] - hand[..., b, :]) for a, b in _PALM_BONES], -1)
    weight = torch.stack([there[..., a] * there[..., b] for a, b in _PALM_BONES], -1)
    return _mean(lengths / lengths.new_tensor(_PALM_LENGTHS), weight)


def _hand(hand: Tensor, there: Tensor, size: Tensor) -> Tensor:
    """Features of one hand ``[B, T, N_HAND]``: joints about the wrist, angles, distances, the palm's direction."""
    there = there * there[..., :1]
    x = ((hand - hand[..., :1, :]) / size[:, None, None, None] * there[..., None]).clamp(-4, 4)
    whole = there.amin(-1, keepdim=True)
    a, b, c = (list(k) for k in zip(*_ANGLES, strict=True))
    first, second = x[..., b, :] - x[..., a, :], x[..., c, :] - x[..., b, :]
    angles = (first * second).sum(-1) / (length(first) * length(second)).clamp(min=1e-4) * whole
    p, q = (list(k) for k in zip(*_PAIRS, strict=True))
    apart = length(x[..., p, :] - x[..., q, :]) * whole
    u, w = x[..., 5, :], x[..., 17, :]
    normal = torch.stack(
        [
            u[..., 1] * w[..., 2] - u[..., 2] * w[..., 1],
            u[..., 2] * w[..., 0] - u[..., 0] * w[..., 2],
            u[..., 0] * w[..., 1] - u[..., 1] * w[..., 0],
        ],
        -1,
    )
    return torch.cat([x[..., 1:, :].flatten(-2), angles, apart, normal * whole, whole, there[..., :1]], -1)


def held_shapes(features: Tensor) -> tuple[Tensor, Tensor]:
    """The shapes in which both hands are held: in a finger alphabet, these are the letters.

    A mean over time in which frames weigh more when hand and fingers rest and the hand is raised.

    Args:
        features: ``[B, T, N_FEATURES]`` of `gesture_features`.

    Returns:
        ``[B, 2, N_SHAPE]`` of the left and the right hand, and ``[B, 2, 1]`` whether they are seen.
    """
    shapes, seen = [], []
    for k, side in enumerate(("left", "right")):
        hand, weight = _held(features, k, side, whole=True)
        mean = (hand * weight).sum(1) / weight.sum(1).clamp(min=1e-6)
        joints = mean[:, :60].unflatten(1, (20, 3))[..., :2]
        whole = torch.cat([0 * joints[:, :1], joints], 1)  # exports with any batch, as zeros_like does not
        bones = whole[:, 1:] - whole[:, list(_PARENTS)]
        bones = bones / length(bones)[..., None].clamp(min=0.15)
        tips = joints[:, [tip - 1 for tip in _TIPS]]
        parts = [joints.flatten(1) / 3, mean[:, 60:90] / 1.5, tips.flatten(1) / 1.5, bones.flatten(1) / 4]
        shapes.append(torch.cat(parts, 1))
        seen.append((hand[..., -2:-1].mean(1) > _SEEN).to(mean.dtype))
    return torch.stack(shapes, 1), torch.stack(seen, 1)


def pointed_hands(features: Tensor) -> Tensor:
    """Where thumb and fingers point, of hands of which no more than the tips are known, in the picture's plane.

    Weighted over time as in `held_shapes`; depth, of which such estimators are least sure, is left out.

    Args:
        features: ``[B, T, N_FEATURES]`` of `gesture_features`.

    Returns:
        ``[B, 2, 4]`` of the left and the right hand; 0 where a tip is never seen, or once the whole hand.
    """
    found = []
    for k, side in enumerate(("left", "right")):
        hand, weight = _held(features, k, side, whole=False)
        mean = (hand * weight).sum(1) / weight.sum(1).clamp(min=1e-6)
        tips = mean[:, :60].unflatten(1, (20, 3))[:, list(_POINTS), :2]
        known = (tips.abs().amax(-1).amin(1, keepdim=True) > 0) & (hand[..., -2:-1].amax(1) == 0)
        found.append(tips.flatten(1) * known.to(tips.dtype))
    return torch.stack(found, 1)


def _held(features: Tensor, k: int, side: str, whole: bool) -> tuple[Tensor, Tensor]:
    """One hand's features ``[B, T, N_HAND]``, and how much each step counts ``[B, T, 1]``: when hand and fingers rest
    and the hand is raised, of the steps in which it is seen (as a whole)."""
    at, wrist = 4 * len(_BODY) + k * N_HAND, 3 * J[f"{side}_wrist"]
    hand, place = features[..., at : at + N_HAND], features[..., wrist : wrist + 3]
    there = hand[..., -2:-1] if whole else hand[..., -1:]
    return hand, there * (2 * place[..., 1:2].clamp(max=1) - _steps(hand[..., :60]) - 8 * _steps(place)).exp()


def slow_movement(features: Tensor) -> Tensor:
    """The lowest frequencies over time of every joint's position: the first terms of its cosine transform.

    Args:
        features: ``[B, T, N_FEATURES]`` of `gesture_features`.

    Returns:
        ``[B, N_SLOW]``.
    """
    steps = features.shape[1]
    at = (torch.arange(steps) + 0.5) * torch.pi / steps
    basis = (torch.arange(N_FREQUENCIES)[:, None] * at).cos().to(features) / steps
    body = 4 * len(_BODY)
    hands = [features[..., body + k * N_HAND : body + k * N_HAND + 60] for k in (0, 1)]
    return (basis @ torch.cat([features[..., :body], *hands], -1)).flatten(1)


def _steps(x: Tensor) -> Tensor:
    """How far ``x [B, T, K]`` goes from step to step ``[B, T, 1]``."""
    far = length(x[:, 1:] - x[:, :-1])[..., None]
    return torch.cat([0 * far[:, :1], far], 1)
