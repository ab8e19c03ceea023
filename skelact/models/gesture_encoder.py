"""A small network that turns a gesture into a vector: gestures of one kind lie near each other, of any kind.

Depthwise temporal convolutions (as in the networks that win isolated-sign competitions) over features normalised per
part: the body about the shoulders in shoulder widths, each hand about its wrist in palm lengths.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelact.transforms.gesture_form import LEFT_HAND, N_JOINTS, N_STEPS, RIGHT_HAND, J

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
N_FEATURES = 3 * len(_BODY) + len(_BODY) + 2 * N_HAND + 1


def _mean(value: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over time and joints of ``value [B, T, K]`` where ``weight`` is 1, and whether there was one ``[B]``."""
    total = weight.sum((1, 2))
    return (value * weight).sum((1, 2)) / total.clamp(min=1e-6), (total > 0).to(value.dtype)


def _length(x: Tensor) -> Tensor:
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
    width = _mean(_length(xyz[..., left, :] - xyz[..., right, :])[..., None], both)
    forearm = _mean(
        torch.stack([_length(xyz[..., e, :] - xyz[..., w, :]) for _, e, w, _ in sides], -1),
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
    lengths = torch.stack([_length(hand[..., a, :] - hand[..., b, :]) for a, b in _PALM_BONES], -1)
    weight = torch.stack([there[..., a] * there[..., b] for a, b in _PALM_BONES], -1)
    return _mean(lengths / lengths.new_tensor(_PALM_LENGTHS), weight)


def _hand(hand: Tensor, there: Tensor, size: Tensor) -> Tensor:
    """Features of one hand ``[B, T, N_HAND]``: joints about the wrist, angles, distances, the palm's direction."""
    there = there * there[..., :1]
    x = ((hand - hand[..., :1, :]) / size[:, None, None, None] * there[..., None]).clamp(-4, 4)
    whole = there.amin(-1, keepdim=True)
    a, b, c = (list(k) for k in zip(*_ANGLES, strict=True))
    first, second = x[..., b, :] - x[..., a, :], x[..., c, :] - x[..., b, :]
    angles = (first * second).sum(-1) / (_length(first) * _length(second)).clamp(min=1e-4) * whole
    p, q = (list(k) for k in zip(*_PAIRS, strict=True))
    apart = _length(x[..., p, :] - x[..., q, :]) * whole
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
        at, wrist = 4 * len(_BODY) + k * N_HAND, 3 * J[f"{side}_wrist"]
        hand, place = features[..., at : at + N_HAND], features[..., wrist : wrist + 3]
        there = hand[..., -2:-1]
        weight = there * (2 * place[..., 1:2].clamp(max=1) - _steps(hand[..., :60]) - 8 * _steps(place)).exp()
        mean = (hand * weight).sum(1) / weight.sum(1).clamp(min=1e-6)
        joints = mean[:, :60].unflatten(1, (20, 3))[..., :2]
        whole = torch.cat([0 * joints[:, :1], joints], 1)  # exports with any batch, as zeros_like does not
        bones = whole[:, 1:] - whole[:, list(_PARENTS)]
        bones = bones / _length(bones)[..., None].clamp(min=0.15)
        tips = joints[:, [tip - 1 for tip in _TIPS]]
        parts = [joints.flatten(1) / 3, mean[:, 60:90] / 1.5, tips.flatten(1) / 1.5, bones.flatten(1) / 4]
        shapes.append(torch.cat(parts, 1))
        seen.append((there.mean(1) > _SEEN).to(mean.dtype))
    return torch.stack(shapes, 1), torch.stack(seen, 1)


def _steps(x: Tensor) -> Tensor:
    """How far ``x [B, T, K]`` goes from step to step ``[B, T, 1]``."""
    far = _length(x[:, 1:] - x[:, :-1])[..., None]
    return torch.cat([0 * far[:, :1], far], 1)


class _Block(nn.Module):
    """A depthwise temporal convolution and a pointwise network, each with a residual."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.time = nn.Conv1d(
            channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=channels
        )
        self.mix = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(2 * channels, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.time(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mix(x)


class GestureEncoder(nn.Module):
    """Gestures to unit vectors: what a network has learned, joined with the shape in which hands are held.

    Args:
        channels: of every block.
        dims: of the vector.
        n_blocks: temporal blocks.
        dropout: inside of the blocks.
        shape: weight of the hands' shapes beside the network's vector, whose weight is 1.
    """

    shape_middle: Tensor

    def __init__(
        self,
        channels: int = 96,
        dims: int = 128,
        n_blocks: int = 4,
        dropout: float = 0.05,
        shape: float = 0.7,
    ) -> None:
        super().__init__()
        self.settings = {"channels": channels, "dims": dims, "n_blocks": n_blocks, "shape": shape}
        self.shape, self.dims = shape, dims + 2 * N_SHAPE
        self.register_buffer("shape_middle", torch.zeros(N_SHAPE))
        self.stem = nn.Linear(N_FEATURES, channels)
        self.blocks = nn.ModuleList(
            _Block(channels, 5, dilation, dropout) for dilation in ([1, 2, 3, 1] * n_blocks)[:n_blocks]
        )
        self.norm = nn.LayerNorm(channels)
        self.look = nn.Linear(channels, 4)
        self.head = nn.Linear(6 * channels, dims)

    def forward(self, xyz: Tensor, present: Tensor) -> Tensor:
        """Encode gestures.

        Args:
            xyz: ``[B, T, V, 3]`` joints of `skelact.transforms.gesture_form.GESTURE_LAYOUT`, T = `N_STEPS`.
            present: ``[B, T, V]``.

        Returns:
            ``[B, dims + 2 * N_SHAPE]`` of length 1.
        """
        features = gesture_features(xyz, present)
        shapes, seen = held_shapes(features)
        shape = ((shapes - self.shape_middle) * seen).flatten(1)
        shape = self.shape * shape / _length(shape)[:, None].clamp(min=1e-4)
        return F.normalize(torch.cat([self.learned(features), shape], 1), dim=1)

    def learned(self, features: Tensor) -> Tensor:
        """The network's part, ``[B, dims]`` of length 1, of features ``[B, T, N_FEATURES]``."""
        x = self.stem(features)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        weight = self.look(x).softmax(1)
        seen = (weight.transpose(1, 2) @ x).flatten(1)
        return F.normalize(self.head(torch.cat([seen, x.mean(1), x.amax(1)], 1)), dim=1)

    def set_shape_middle(self, xyz: Tensor, present: Tensor) -> None:
        """Take what is subtracted from hands' shapes, their mean, from gestures ``[B, T, V, 3]``."""
        shapes, seen = held_shapes(gesture_features(xyz, present))
        self.shape_middle.copy_((shapes * seen).sum((0, 1)) / seen.sum((0, 1)).clamp(min=1))


def example_input(n: int = 1) -> tuple[Tensor, Tensor]:
    """Input of the right shape, for export."""
    return torch.zeros(n, N_STEPS, N_JOINTS, 3), torch.ones(n, N_STEPS, N_JOINTS)
