"""Falls of one person: physical evidence in metres and seconds, beside what a network says.

States: ``upright`` (anything above the floor), ``falling``, ``on_floor``, ``cannot_judge``. A fall is suspected when
somebody is on the floor soon after a plunge; it becomes an alarm after a time of verification, unless the person gets
up. Who is on the floor for long without a fall that was seen gives an alarm of another kind.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from skelact.layouts import SkeletonLayout
from skelact.monitor.ground import BodyParts, Ground

State = Literal["upright", "falling", "on_floor", "cannot_judge"]
Kind = Literal["suspected_fall", "fall", "long_on_floor", "recovered"]
HIPS, HEAD = 0.93, 1.6  # metres above the floor of somebody whose standing height is not known yet


@dataclass
class FallSettings:
    """Thresholds of `FallWatch`.

    Args:
        low: hips below this share of their height in standing are on the floor,
        low_head: if the head is below this share of its own,
        lying: or the trunk is further than this from upright [degrees] with hips that low.
        flat: who is further than this from upright [degrees], with the head below ``flat_head`` and the hips below
            ``flat_hips`` of their heights, is on the floor too: estimators see the hips of who lies too high.
        drop, head_drop: while the floor is not known: metres that hips and head are lower than they were in the last
            seconds, of somebody who is on the floor if the trunk is not upright either.
        plunge: speed of the hips downwards [m/s] that a fall has,
        plunge_head: or that of the head.
        learned: probability of ``fall`` that counts like a plunge.
        memory: seconds between a plunge and the floor.
        settle: seconds on the floor until it counts.
        verify: seconds from a suspected fall to the alarm.
        long_on_floor: seconds on the floor without a fall that was seen until an alarm; 0: never.
        risen: hips above this share of their height in standing are off the floor again,
        risen_seconds: for so long.
        unseen: seconds without hips and shoulders after which nothing can be said.
    """

    low: float = 0.45
    low_head: float = 0.45
    lying: float = 50.0
    flat: float = 65.0
    flat_head: float = 0.42
    flat_hips: float = 0.72
    drop: float = 0.3
    head_drop: float = 0.6
    plunge: float = 0.9
    plunge_head: float = 1.5
    learned: float = 0.5
    memory: float = 2.5
    settle: float = 0.25
    verify: float = 1.0
    long_on_floor: float = 30.0
    risen: float = 0.65
    risen_seconds: float = 1.0
    unseen: float = 3.0


@dataclass(frozen=True)
class Evidence:
    """What is known of a body at a moment.

    Args:
        time: seconds.
        hips, head: metres above the floor.
        hips_share, head_share: of their heights in standing.
        trunk: degrees from upright.
        drop, head_drop: metres below where they were at most in the last seconds.
        down, head_down: speeds downwards, m/s.
        motion: mean speed of the joints over the last second, m/s.
        learned: probability of ``fall`` by the network.
        floor_unknown: heights are above an unknown level.
    """

    time: float
    hips: float
    head: float
    hips_share: float
    head_share: float
    trunk: float
    drop: float
    head_drop: float
    down: float
    head_down: float
    motion: float
    learned: float
    floor_unknown: bool = False

    def describe(self) -> str:
        """One line for people."""
        where = (
            f"head {self.head_drop:.2f} m lower than before (the floor is not known)"
            if self.floor_unknown
            else f"hips {self.hips:.2f} m and head {self.head:.2f} m above the floor"
        )
        return (
            f"{where}, trunk {self.trunk:.0f} degrees from upright, moving at {self.motion:.2f} m/s, network says fall "
            f"{self.learned:.0%}"
        )


@dataclass(frozen=True)
class FallEvent:
    """Something that happened to a person.

    Args:
        kind: ``suspected_fall``, ``fall`` (the alarm), ``long_on_floor`` (an alarm, too) or ``recovered``.
        time: seconds.
        evidence: of the moment.
        plunge: the greatest speed downwards before, m/s.
    """

    kind: Kind
    time: float
    evidence: Evidence
    plunge: float

    def describe(self) -> str:
        """One line for people."""
        text = f"{self.kind.replace('_', ' ')} at {self.time:.1f} s: {self.evidence.describe()}"
        return text + (f", fell at {self.plunge:.1f} m/s" if self.kind.endswith("fall") else "")


@dataclass
class _Standing:
    """How high hips and head of somebody are in standing, learned from upright frames."""

    hips: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    head: deque[float] = field(default_factory=lambda: deque(maxlen=200))

    def of(self, values: deque[float], usual: float) -> float:
        return float(np.median(values)) if len(values) >= 5 else usual


class FallWatch:
    """Watches one person; `see` is called with every frame in which they are expected.

    Args:
        layout: of the joints.
        ground: of the camera, shared by all people.
        settings: thresholds.
    """

    _SPEED_SECONDS, _LATELY_SECONDS = 0.35, 6.0
    _FORGOTTEN = 2.0  # seconds between two frames from which on they say nothing about speed
    _SLOW_SECONDS, _SLOW_SHARE = (
        0.4,
        0.6,
    )  # frames further apart miss the peak of the speed, which counts for less

    def __init__(self, layout: SkeletonLayout, ground: Ground, settings: FallSettings | None = None) -> None:
        self.settings, self.ground = settings or FallSettings(), ground
        self.state: State = "cannot_judge"
        self.evidence: Evidence | None = None
        self._parts, self._standing = BodyParts(layout), _Standing()
        self._past: deque[tuple[float, float, float]] = deque()  # time, hips, head
        self._lately: deque[tuple[float, float, float]] = deque()  # the same, for longer
        self._joints: deque[tuple[float, np.ndarray, np.ndarray]] = deque()
        self._plunged = self._plunge_speed = -np.inf
        self._low_since: float | None = None
        self._risen_since: float | None = None
        self._suspected: float | None = None
        self._alarmed: set[str] = set()
        self.last_seen, self.place = -np.inf, np.zeros(3)  # seconds, and where the hips were [m]

    def see(
        self,
        xyz: np.ndarray | None,
        score: np.ndarray | None,
        time: float,
        learned: float = 0.0,
        resting: bool = False,
    ) -> list[FallEvent]:
        """Take a frame.

        Args:
            xyz, score: joints ``[V, 3]`` in camera coordinates and ``[V]``; None: the person was not found.
            time: seconds, increasing.
            learned: the network's probability of ``fall`` now.
            resting: they are where one may lie (a bed), which is no floor.

        Returns:
            what happened, mostly nothing.
        """
        body = None if xyz is None or score is None else self._parts.of(xyz, score)
        if xyz is None or score is None or body is None:
            if self.state == "on_floor" or self._low_since is not None:
                return self._judge(
                    None, time
                )  # whoever vanished on the floor, or on the way to it, is still told about
            if time - self.last_seen > self.settings.unseen:
                self.state = "cannot_judge"
            return []
        self.last_seen, self.place = time, body.hips
        upright = self.ground.see(xyz, score, time)
        hips = self.ground.height(body.hips)
        head = self.ground.height(body.shoulders if body.head is None else body.head)
        if upright and self.ground.floor is not None:
            self._standing.hips.append(hips)
            self._standing.head.append(head)
        self.evidence = self._measure(body, hips, head, time, learned, xyz, score)
        return self._judge(self.evidence, time, resting)

    def finish(self, time: float) -> list[FallEvent]:
        """The source has ended: who was suspected to have fallen and lies there still gives the alarm."""
        lies = self.state == "on_floor" and self._low_since is not None
        if not lies or self._suspected is None or "fall" in self._alarmed:
            return []
        self._alarmed.add("fall")
        return [self._event("fall", time)]

    def _measure(
        self, body, hips: float, head: float, time: float, learned: float, xyz: np.ndarray, score: np.ndarray
    ) -> Evidence:
        self._past.append((time, hips, head))
        while len(self._past) > 2 and self._past[0][0] < time - self._SPEED_SECONDS:
            self._past.popleft()
        if time - self._past[0][0] > self._FORGOTTEN:
            self._past.popleft()
        down, head_down = (-_slope(self._past, column) for column in (1, 2))
        self._lately.append((time, hips, head))
        while self._lately[0][0] < time - self._LATELY_SECONDS:
            self._lately.popleft()
        _, highest, highest_head = np.max(np.array(self._lately), 0)
        self._joints.append((time, np.array(xyz, np.float64), np.array(score)))
        while self._joints[0][0] < time - 1.0:
            self._joints.popleft()
        trunk = body.shoulders - body.hips
        lean = trunk @ self.ground.up / max(np.linalg.norm(trunk), 1e-9)
        standing = self._standing
        return Evidence(
            time, hips, head, hips / standing.of(standing.hips, HIPS), head / standing.of(standing.head, HEAD),
            float(np.degrees(np.arccos(np.clip(lean, -1, 1)))), float(highest - hips), float(highest_head - head),
            down, head_down, self._motion(), learned, self.ground.floor is None,
        )  # fmt: skip

    @property
    def _apart(self) -> float:
        """Seconds between the last two frames."""
        return self._past[-1][0] - self._past[-2][0] if len(self._past) > 1 else 0.0

    def _motion(self) -> float:
        (t0, a, sa), (t1, b, sb) = self._joints[0], self._joints[-1]
        both = (sa > 0) & (sb > 0)
        if t1 <= t0 or not both.any():
            return 0.0
        return float(np.linalg.norm(b[both] - a[both], axis=1).mean() / (t1 - t0))

    def _judge(self, now: Evidence | None, time: float, resting: bool = False) -> list[FallEvent]:
        s = self.settings
        known = self.ground.floor is not None
        if now is not None:
            share = self._SLOW_SHARE if self._apart > self._SLOW_SECONDS else 1.0
            plunges = now.down > share * s.plunge or now.head_down > share * s.plunge_head
            if plunges or now.learned > s.learned:
                if time - self._plunged > s.memory:
                    self._plunge_speed = -np.inf
                self._plunged = time
                self._plunge_speed = max(self._plunge_speed, now.down, now.head_down)
            if known:
                low = now.hips_share < s.low and (now.head_share < s.low_head or now.trunk > s.lying)
                flat = now.hips_share < s.flat_hips and now.head_share < s.flat_head and now.trunk > s.flat
                low = low or flat
                risen = now.hips_share > s.risen and not flat
            else:
                low = now.drop > s.drop and now.head_drop > s.head_drop and now.trunk > s.lying
                low = low or (
                    self.state == "on_floor" and now.trunk > s.lying
                )  # the past is forgotten meanwhile
                risen = not low and now.trunk < 0.6 * s.lying
            low, risen = low and not resting, risen or resting
            self._low_since = (self._low_since if self._low_since is not None else time) if low else None
            self._risen_since = (
                (self._risen_since if self._risen_since is not None else time) if risen else None
            )
        if self.state == "on_floor":
            return self._on_floor(time)
        if self._low_since is not None and time - self._low_since >= s.settle:
            self.state = "on_floor"
            self._suspected = None
            self._alarmed.clear()
            if self._low_since - self._plunged <= s.memory:
                self._suspected = time
                return [self._event("suspected_fall", time)]
            return []
        falling = time - self._plunged < 0.5 and self._low_since is None
        self.state = "falling" if falling else "upright" if known else "cannot_judge"
        return []

    def _on_floor(self, time: float) -> list[FallEvent]:
        s = self.settings
        if self._risen_since is not None and time - self._risen_since >= s.risen_seconds:
            self.state = "upright"
            told = self._suspected is not None or bool(self._alarmed)
            self._suspected, self._plunged = None, -np.inf
            return [self._event("recovered", time)] if told else []
        if self._suspected is not None and "fall" not in self._alarmed and time - self._suspected >= s.verify:
            self._alarmed.add("fall")
            return [self._event("fall", time)]
        lies = 0.0 if self._low_since is None else time - self._low_since
        if s.long_on_floor > 0 and not self._alarmed and lies >= s.long_on_floor:
            self._alarmed.add("long_on_floor")
            return [self._event("long_on_floor", time)]
        return []

    def _event(self, kind: Kind, time: float) -> FallEvent:
        assert self.evidence is not None
        return FallEvent(kind, time, self.evidence, max(self._plunge_speed, 0.0))


def _slope(past: deque[tuple[float, float, float]], column: int) -> float:
    """Metres a second by a straight line through the last moments."""
    if len(past) < 2 or past[-1][0] - past[0][0] < 0.06:
        return 0.0
    values = np.array(past)
    t = values[:, 0] - values[:, 0].mean()
    spread = float(t @ t)
    return float(t @ values[:, column] / spread) if spread > 1e-9 else 0.0
