"""Random gesture classes: what is common to everybody who makes a gesture.

A class says which hands move, along which path, in which shape and how the palm is held. Many come in families whose
members differ in one of these only, because that is what gestures have to be told apart by. Lengths are shoulder
widths; each arm is described from its own shoulder: outwards, up, forwards.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

# What an estimator gives: body and hands, one hand alone, hands of two points, arms and legs without hands.
PROFILES = ("holistic", "hand", "points", "body")
N_KEYS, N_SHAPES, N_WAVES = 5, 3, 2
REST = (0.12, -1.45, 0.25)


@dataclass
class GestureClasses:
    """N classes; the second axis of what belongs to an arm is left, right.

    Args:
        moves: ``[N, 2]`` whether the hand takes part.
        keys: ``[N, 2, N_KEYS, 3]`` where the wrist goes.
        n_keys: ``[N]`` how many of these count (1: the hand is held still).
        smooth: ``[N]`` 1: through the keys without a stop; 0: a stop at each.
        wave: ``[N, 2, N_WAVES, 3]`` directions of what is repeated, the second a quarter turn later.
        cycles: ``[N]`` how often.
        curl: ``[N, 2, N_SHAPES, 5, 2]`` of every finger at its base and beyond, 0 (straight) to 1.
        spread: ``[N, 2, N_SHAPES]`` between fingers, 0..1.
        thumb: ``[N, 2, N_SHAPES, 2]`` opposition and direction, 0..1.
        n_shapes: ``[N]`` how many hand shapes follow each other.
        shape_cycles: ``[N]`` how often the shapes are gone through.
        point: ``[N, 2, 2, 3]`` where the fingers point at the beginning and at the end.
        roll: ``[N, 2, 2]`` of the palm about the fingers, radians.
        follow: ``[N]`` share of the forearm's direction in the fingers'.
        twist: ``[N, 2]`` size of a repeated roll and of a repeated wag of the hand, radians.
        swivel: ``[N, 2]`` of the elbow, radians.
        lean: ``[N, 3]`` forwards, sidewards and downwards, of the trunk.
        leg: ``[N, 2, 3]`` where a foot goes at the most, from where it stands.
    """

    moves: Tensor
    keys: Tensor
    n_keys: Tensor
    smooth: Tensor
    wave: Tensor
    cycles: Tensor
    curl: Tensor
    spread: Tensor
    thumb: Tensor
    n_shapes: Tensor
    shape_cycles: Tensor
    point: Tensor
    roll: Tensor
    follow: Tensor
    twist: Tensor
    swivel: Tensor
    lean: Tensor
    leg: Tensor

    def __len__(self) -> int:
        return len(self.moves)

    def take(self, rows: Tensor) -> GestureClasses:
        """Some of the classes, in order; rows may come again."""
        return GestureClasses(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def join(self, other: GestureClasses) -> GestureClasses:
        """These and others."""
        return GestureClasses(
            **{f.name: torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)}
        )


# What members of a family differ in: one of these groups of fields.
_GROUPS = {
    "path": ("keys", "n_keys", "wave", "cycles"),
    "repeat": ("wave", "cycles"),
    "shape": ("curl", "spread", "thumb", "n_shapes", "shape_cycles"),
    "palm": ("point", "roll", "twist"),
    "hands": ("moves",),
    "last": ("keys",),
    "trunk": ("lean", "leg"),
}
_ASKED = {
    "holistic": ("path", "repeat", "shape", "shape", "palm", "hands", "last"),
    "hand": ("shape", "shape", "palm", "path"),
    "points": ("path", "repeat", "palm", "palm", "shape", "last", "hands"),
    "body": ("path", "path", "repeat", "hands", "last", "trunk"),
}


def make_classes(n: int, profile: str, rng: torch.Generator) -> GestureClasses:
    """``n`` random classes, half of them in families.

    Args:
        n: how many.
        profile: one of `PROFILES`: what can be seen decides what classes may differ in.
        rng: of everything.
    """
    bases = _alone(n - n // 2, profile, rng)
    variants = bases.take(torch.randint(len(bases), (n // 2,), generator=rng))
    others = _alone(n // 2, profile, rng)
    groups = _ASKED[profile]
    chosen = torch.randint(len(groups), (n // 2,), generator=rng)
    for number, group in enumerate(groups):
        rows = torch.nonzero(chosen == number)[:, 0]
        for name in _GROUPS[group]:
            values = getattr(variants, name)
            new = getattr(others, name)[rows]
            if group == "last":  # the same way, but another end
                kept = values[rows].clone()
                kept[:, :, 2:] = new[:, :, 2:]
                new = kept
            values[rows] = new
    return bases.join(variants)


def _alone(n: int, profile: str, rng: torch.Generator) -> GestureClasses:
    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=rng)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    def often(chance: float, *shape: int) -> Tensor:
        return (torch.rand(*shape, generator=rng) < chance).float()

    which = torch.multinomial(torch.tensor([0.12, 0.38, 0.5]), n, True, generator=rng)
    moves = torch.stack([(which != 1).float(), (which != 0).float()], 1)
    if profile == "hand":
        moves = torch.tensor([0.0, 1.0]).expand(n, 2).clone()
    keys = torch.stack([uniform(n, 2, N_KEYS, low=-0.9, high=1.1), uniform(n, 2, N_KEYS, low=-1.3, high=0.95),
                        uniform(n, 2, N_KEYS, low=0.15, high=1.35)], -1)  # fmt: skip
    small = uniform(n, 1, 1, 1, low=0.25, high=1.0)  # many gestures stay near one place
    keys = keys[:, :, :1] + (keys - keys[:, :, :1]) * small
    back = often(0.35, n)[:, None, None]  # there and back
    keys[:, :, 2] = torch.where(back > 0, keys[:, :, 0], keys[:, :, 2])
    alike = torch.multinomial(
        torch.tensor([0.45, 0.25, 0.3]), n, True, generator=rng
    )  # mirrored, parallel, each its own
    keys[:, 0] = torch.where((alike == 0)[:, None, None], keys[:, 1], keys[:, 0])
    parallel = keys[:, 1] * torch.tensor([-1.0, 1, 1]) + torch.tensor([-0.2, 0, 0])
    keys[:, 0] = torch.where((alike == 1)[:, None, None], parallel, keys[:, 0])
    still = 0.5 if profile == "hand" else 0.25 if profile == "holistic" else 0.1
    n_keys = torch.where(often(still, n) > 0, 1, torch.randint(2, N_KEYS + 1, (n,), generator=rng))
    wave = normal(n, 2, N_WAVES, 3)
    wave = wave / wave.norm(dim=-1, keepdim=True) * uniform(n, 1, 1, 1, low=0.1, high=0.55)
    wave[:, :, 1] *= often(0.5, n, 1, 1)  # a line or an ellipse
    wave[:, 0] = torch.where((alike == 0)[:, None, None], wave[:, 1], wave[:, 0])
    wave = wave * often(0.4, n, 1, 1, 1)
    cycles = torch.randint(1, 5, (n,), generator=rng).float()

    fingers = often(0.5, n, 2, N_SHAPES, 5)
    between = uniform(n, 2, N_SHAPES, 5)
    plain = often(0.75, n, 2, N_SHAPES, 5)
    bend = fingers * plain + between * (1 - plain)
    whole = often(0.35, n, 2, N_SHAPES, 1)  # all fingers alike: flat hand, fist, claw
    bend = whole * bend[..., 2:3] + (1 - whole) * bend
    curl = torch.stack([bend, bend], -1)
    hooked = often(0.2, n, 2, N_SHAPES, 1, 1) * torch.tensor([1.0, 0.0]) + often(
        0.1, n, 2, N_SHAPES, 1, 1
    ) * torch.tensor([0.0, 1.0])
    curl = curl * (1 - hooked.clamp(max=1))
    thumb = uniform(n, 2, N_SHAPES, 2)
    spread = uniform(n, 2, N_SHAPES) * often(0.7, n, 2, N_SHAPES)
    n_shapes = torch.where(often(0.6, n) > 0, 1, torch.randint(2, N_SHAPES + 1, (n,), generator=rng))
    shape_cycles = torch.where(often(0.7, n) > 0, 1, torch.randint(2, 4, (n,), generator=rng)).float()
    same = often(0.8, n)  # both hands in one shape
    for value in (curl, spread, thumb):
        mask = same.reshape(n, *([1] * (value.ndim - 2))) > 0
        value[:, 0] = torch.where(mask, value[:, 1], value[:, 0])

    point = normal(n, 2, 2, 3) + torch.tensor([-0.2, 0.6, 0.4])
    point = point / point.norm(dim=-1, keepdim=True)
    roll = uniform(n, 2, 2, low=-2.2, high=2.2)
    turns = often(0.25, n)[:, None]  # else held as at the beginning
    point[:, :, 1] = torch.where(turns[..., None] > 0, point[:, :, 1], point[:, :, 0])
    roll[:, :, 1] = torch.where(turns > 0, roll[:, :, 1], roll[:, :, 0])
    for value in (point, roll):
        mask = (often(0.7, n) > 0).reshape(n, *([1] * (value.ndim - 2)))
        value[:, 0] = torch.where(mask, value[:, 1], value[:, 0])
    twist = uniform(n, 2, high=0.7) * often(0.2, n, 2)
    trunk = often(0.3 if profile == "body" else 0.03, n, 1)
    lean = torch.stack([uniform(n, low=-0.2, high=1.2), normal(n) * 0.25, uniform(n) * often(0.4, n)], 1)
    leg = torch.stack([normal(n, 2) * 0.5, uniform(n, 2, high=1.1), uniform(n, 2, low=-0.6, high=1.6)], -1)
    leg = leg * torch.nn.functional.one_hot(torch.randint(2, (n,), generator=rng), 2)[..., None]
    legs = often(0.4, n, 1)
    lean = lean * trunk * (1 - legs)
    leg = leg * trunk[..., None] * legs[..., None]
    still_arms = (often(0.5, n, 1) > 0) & (trunk > 0)
    moves = torch.where(still_arms, torch.zeros_like(moves), moves)
    return GestureClasses(
        moves, keys, n_keys, often(0.5, n), wave, cycles, curl, spread, thumb, n_shapes, shape_cycles, point, roll,
        uniform(n) * often(0.8, n), twist, normal(n, 2) * 0.35, lean, leg,
    )  # fmt: skip
