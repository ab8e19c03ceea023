"""Continuous signing made of isolated signs: signs of one signer in random order, transitions and rests between them.

The signs themselves are the recordings' own frames; only their speed is changed a little. What lies between them is
made: the arms move from the last pose to the next with minimum jerk, or sink to a rest beside the body and rise again.
Words and times are known, so networks for continuous signing can be trained and tested where no continuous recording
is at hand; how people really join signs is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from skelact.datasets.signing.motion_input import sample
from skelact.datasets.signing.utterance import Span, Utterance, seconds_of
from skelact.errors import ConfigError, DataError
from skelact.layouts import SkeletonLayout
from skelact.layouts.parts import regions
from skelact.skeleton import Skeleton

_SIDES = ("left", "right")


@dataclass
class StreamSettings:
    """How streams are made.

    Args:
        signs: least and largest number of signs.
        transition: least and largest seconds of a movement between two poses.
        rest: the same of a rest.
        rest_share: probability of a rest between two signs; otherwise one sign goes over into the next.
        speed: least and largest factor of a sign's speed.
        hands_hidden: probability that the hands are not seen at rest.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    signs: tuple[int, int] = (3, 8)
    transition: tuple[float, float] = (0.2, 0.6)
    rest: tuple[float, float] = (0.2, 1.2)
    rest_share: float = 0.5
    speed: tuple[float, float] = (0.85, 1.2)
    hands_hidden: float = 0.7

    def __post_init__(self) -> None:
        for name, least in (("signs", 1), ("transition", 0), ("rest", 0), ("speed", 0)):
            low, high = getattr(self, name)
            if not (least <= low <= high < math.inf and (least or high > 0)):
                raise ConfigError(
                    f"streams.{name} must be two numbers of at least {least}, the lower first, got {low}, {high}"
                )
        if not self.speed[0] > 0:
            raise ConfigError(f"streams.speed must be above 0, got {self.speed}")
        for name in ("rest_share", "hands_hidden"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"streams.{name} must lie in 0..1, got {getattr(self, name)}")


def signs_by_signer(skeletons: Sequence[Skeleton], glosses: Sequence[str] = ()) -> dict[str, list[Skeleton]]:
    """Isolated signs (recordings with a label, of one person) by signer (``info``'s subject).

    Args:
        skeletons: the recordings; those without a label are left out.
        glosses: the labels that are wanted; none: all.

    Raises:
        DataError: if no recording is left.
    """
    found: dict[str, list[Skeleton]] = {}
    for skeleton in skeletons:
        if skeleton.label and skeleton.n_people == 1 and (not glosses or skeleton.label in glosses):
            found.setdefault(str(skeleton.info.get("subject", "")), []).append(skeleton)
    if not found:
        raise DataError(
            "streams need recordings of isolated signs, with a label and one person each, and there are none"
            + (f" of {', '.join(glosses)}" if glosses else "")
        )
    return found


def make_streams(
    signs: Mapping[str, Sequence[Skeleton]], n_each: int, settings: StreamSettings, seed: Sequence[int]
) -> list[Utterance]:
    """``n_each`` streams of every signer; the same seed gives the same streams.

    Args:
        signs: isolated signs by signer, of one layout and unit.
        n_each: streams of a signer.
        settings: how they are made.
        seed: numbers that no other use of randomness has.
    """
    out = []
    for k, signer in enumerate(sorted(signs)):
        rng = np.random.default_rng([*seed, k])
        out += [make_stream(signs[signer], settings, rng, f"{signer}_{n}", signer) for n in range(n_each)]
    return out


def make_stream(
    signs: Sequence[Skeleton], settings: StreamSettings, rng: np.random.Generator, name: str, signer: str = ""
) -> Utterance:
    """One stream of random signs; glosses are drawn evenly, then a recording of the gloss.

    Raises:
        DataError: without signs, or if they differ in layout, unit or frame rate.
    """
    if not signs:
        raise DataError("a stream needs at least one isolated sign")
    first = signs[0]
    for s in signs:
        if (s.layout, s.unit, s.fps, s.xyz.shape[3]) != (
            first.layout,
            first.unit,
            first.fps,
            first.xyz.shape[3],
        ):
            raise DataError(
                f"signs '{first.id}' and '{s.id}' differ in layout, unit, frame rate or coordinates; convert them first"
            )
    by_gloss: dict[str, list[Skeleton]] = {}
    for s in signs:
        by_gloss.setdefault(s.label or "", []).append(s)
    glosses = sorted(by_gloss)
    n = int(rng.integers(settings.signs[0], settings.signs[1] + 1))
    chosen = [by_gloss[g][int(rng.integers(len(by_gloss[g])))] for g in rng.choice(glosses, n)]
    parts = _Parts(first, settings, rng)
    parts.rest(chosen[0])
    spans = []
    for k, sign in enumerate(chosen):
        xyz, score = parts.at_speed(sign)
        if k and rng.random() < settings.rest_share:
            parts.rest(sign)
        parts.move(xyz[0], score[0])
        start = parts.seconds
        parts.add(xyz, score)
        spans.append(Span(sign.label or "", start, parts.seconds))
    parts.rest(chosen[-1])
    xyz, score = np.concatenate(parts.xyz), np.concatenate(parts.score)
    stream = Skeleton(
        xyz[None], score[None], first.layout, first.fps, first.unit, id=name, origin=first.origin,
        info={**{k: v for k, v in first.info.items() if k in ("subject", "width", "height")}, "source": "streams"},
    )  # fmt: skip
    return Utterance(name, stream, tuple(s.word for s in spans), (), tuple(spans), signer)


class _Parts:
    """Frames of a stream so far."""

    def __init__(self, like: Skeleton, settings: StreamSettings, rng: np.random.Generator) -> None:
        self.layout, self.fps, self.settings, self.rng = like.layout, like.fps, settings, rng
        self.hands = _hands(like.layout)
        self.xyz: list[np.ndarray] = []
        self.score: list[np.ndarray] = []
        self.n = 0
        self.noise = _noise(like)

    @property
    def seconds(self) -> float:
        return self.n / self.fps

    def add(self, xyz: np.ndarray, score: np.ndarray) -> None:
        if len(xyz):
            self.xyz.append(xyz * (score > 0)[..., None])
            self.score.append(score)
            self.n += len(xyz)

    def at_speed(self, sign: Skeleton) -> tuple[np.ndarray, np.ndarray]:
        """The sign's frames at a speed drawn at random."""
        times, speed = seconds_of(sign), self.rng.uniform(*self.settings.speed)
        at = np.arange(int(times[-1] * self.fps / speed + 1e-6) + 1) * speed / self.fps
        return sample(sign.xyz[0], sign.score[0], times, at)

    def move(self, xyz: np.ndarray, score: np.ndarray) -> None:
        """Move from the last frame to a pose ``[V, C]``; a joint that only one of them has is seen near that one."""
        before, seen = self.xyz[-1][-1], self.score[-1][-1]
        n = round(self.rng.uniform(*self.settings.transition) * self.fps)
        if not n:
            return
        u = np.arange(1, n + 1) / (n + 1)
        share = (u**3 * (10 - 15 * u + 6 * u**2))[:, None]
        both = (seen > 0) & (score > 0)
        start = np.where((seen > 0)[:, None], before, _beside(xyz, score, before, seen, self.layout))
        end = np.where((score > 0)[:, None], xyz, _beside(before, seen, xyz, score, self.layout))
        path = start + share[..., None] * (end - start)
        shown = np.where(both, np.minimum(seen, score), np.where(share < 0.5, seen, score))
        self._made(path, shown)

    def rest(self, like: Skeleton) -> None:
        """Sink to a rest beside the body and stay there."""
        pose, score = rest_pose(like)
        if self.rng.random() < self.settings.hands_hidden:
            score[self.hands] = 0
        if self.n:
            self.move(pose, score)
        n = max(1, round(self.rng.uniform(*self.settings.rest) * self.fps))
        self._made(np.repeat(pose[None], n, 0), np.repeat(score[None], n, 0))

    def _made(self, path: np.ndarray, score: np.ndarray) -> None:
        noise = self.rng.normal(0, 1, path.shape) * self.noise
        self.add((path + noise).astype(np.float32), score.astype(np.float32))


@cache
def _hands(layout: SkeletonLayout, region: str = "hand") -> list[int]:
    """Joints of the regions whose name has ``region`` in it."""
    return [v for name, own in regions(layout).items() if region in name for v in own]


def _noise(skeleton: Skeleton) -> float:
    """What joints jump from frame to frame, so that made frames are not told apart by being smooth."""
    xyz, seen = skeleton.xyz[0].astype(float), skeleton.score[0] > 0
    if len(xyz) < 3:
        return 0.0
    both = seen[2:] & seen[1:-1] & seen[:-2]
    second = (xyz[2:] - 2 * xyz[1:-1] + xyz[:-2])[both]
    return float(np.median(np.abs(second)) / 0.6745 / math.sqrt(6)) if len(second) else 0.0


def _beside(
    pose: np.ndarray, seen: np.ndarray, other: np.ndarray, other_seen: np.ndarray, layout: SkeletonLayout
) -> np.ndarray:
    """``pose [V, C]`` moved, each side's joints with that side's wrist, to where the wrists of ``other`` are."""
    out = pose.copy()
    for side in _SIDES:
        wrist = layout.index.get(f"{side}_wrist")
        if wrist is not None and seen[wrist] > 0 and other_seen[wrist] > 0:
            own = _hands(layout, f"{side}_hand")
            out[own] += other[wrist] - pose[wrist]
    return out


def rest_pose(like: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """A pose ``[V, C]`` with arms that hang beside the body, and its scores ``[V]``.

    The body is that of the recording's frames on average; where shoulders, elbows or wrists are unknown the arm stays.
    """
    xyz, score = like.xyz[0].astype(float), like.score[0]
    seen = score > 0
    weight = seen[..., None]
    pose = (xyz * weight).sum(0) / np.maximum(weight.sum(0), 1)
    shown = np.where(seen.any(0), np.where(seen, score, 0).sum(0) / np.maximum(seen.sum(0), 1), 0)
    index = like.layout.index
    down = np.zeros(xyz.shape[2])
    down[1] = -1.0 if like.unit == "m" else 1.0

    def middle(joint: str) -> np.ndarray | None:
        ends = [index.get(f"{side}_{joint}") for side in _SIDES]
        return None if None in ends or not all(shown[e] > 0 for e in ends) else pose[ends].mean(0)

    shoulders, hips = middle("shoulder"), middle("hip")
    if shoulders is not None and hips is not None and np.linalg.norm(hips - shoulders) > 1e-6:
        down = (hips - shoulders) / np.linalg.norm(hips - shoulders)
    for side in _SIDES:
        chain = [index.get(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist")]
        if None in chain or not all(shown[v] > 0 for v in chain):
            continue
        shoulder, elbow, wrist = (int(v) for v in chain if v is not None)
        before = pose[wrist].copy()
        for a, b in ((shoulder, elbow), (elbow, wrist)):
            there = seen[:, a] & seen[:, b]
            length = np.linalg.norm(xyz[there][:, b] - xyz[there][:, a], axis=1)
            pose[b] = pose[a] + down * (np.quantile(length, 0.9) if len(length) else 0)
        after = _hanging_on(wrist, like.layout)
        pose[after] += pose[wrist] - before
    return pose, shown.copy()


@cache
def _hanging_on(wrist: int, layout: SkeletonLayout) -> list[int]:
    """Joints from which the bones lead inwards over the wrist."""
    found = []
    for joint in range(len(layout)):
        at = layout.parents[joint]
        while at >= 0 and at != wrist:
            at = layout.parents[at]
        if at == wrist:
            found.append(joint)
    return found
