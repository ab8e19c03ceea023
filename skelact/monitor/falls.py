"""Falls of one person: physical evidence in metres and seconds, beside what a network says.

States: ``upright`` (anything above the floor), ``falling``, ``on_floor``, ``cannot_judge``. A fall is suspected when
somebody is on the floor soon after a plunge; it becomes an alarm after a time of verification, unless the person gets
up. Who is on the floor for long without a fall that was seen gives an alarm of another kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from skelact.layouts import SkeletonLayout
from skelact.monitor.fall_evidence import HEAD, HIPS, BodyHistory, Evidence
from skelact.monitor.ground import Body, BodyParts, Ground

State = Literal["upright", "falling", "on_floor", "cannot_judge"]
Kind = Literal["suspected_fall", "fall", "long_on_floor", "recovered"]


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
        plunge: speed of the hips downwards [m/s, of somebody of usual height] that a fall has,
        plunge_head: or that of the head,
        descent: or seconds in which the head comes from above ``tall`` of its height in standing down to the floor; who
            squats takes longer.
        nearly: shares of their heights in standing below which head and hips of somebody who falls, and is not seen
            from then on, are taken to be on the floor.
        learned: probability of ``fall`` that counts like a plunge.
        memory: seconds between a plunge and the floor.
        settle: seconds on the floor until it counts.
        glitch: seconds for which an estimator may see somebody on the floor elsewhere, without their having got up.
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
    descent: float = 0.7
    tall: float = 0.8
    nearly: tuple[float, float] = (0.5, 0.55)
    learned: float = 0.5
    memory: float = 2.5
    settle: float = 0.25
    glitch: float = 0.12
    verify: float = 1.0
    long_on_floor: float = 30.0
    risen: float = 0.65
    risen_seconds: float = 1.0
    unseen: float = 3.0


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

    @property
    def is_alarm(self) -> bool:
        """Whether somebody should be told."""
        return self.kind in ("fall", "long_on_floor")

    def describe(self) -> str:
        """One line for people."""
        text = f"{self.kind.replace('_', ' ')} at {self.time:.1f} s: {self.evidence.describe()}"
        return text + (f", fell at {self.plunge:.1f} m/s" if self.kind.endswith("fall") else "")


class FallWatch:
    """Watches one person; `see` is called with every frame in which they are expected.

    Args:
        layout: of the joints.
        ground: of the camera, shared by all people.
        settings: thresholds.
    """

    # frames further apart miss the peak of the speed, which counts for less
    _SLOW_SECONDS, _SLOW_SHARE = 0.4, 0.6
    # metres across the view that nobody moves within so many seconds: what is seen there is somebody or something else,
    # and believed after a while only
    _LEAP, _LEAP_SECONDS, _BELIEVED_SECONDS = 1.5, 0.3, 1.0
    _LATELY = 0.5  # seconds after a plunge in which somebody is falling
    # that somebody must be down for, or half as long as the way down must take, should nothing more be seen of them
    _DOWN_SECONDS = 0.1

    def __init__(self, layout: SkeletonLayout, ground: Ground, settings: FallSettings | None = None) -> None:
        self.settings, self.ground = settings or FallSettings(), ground
        self.state: State = "cannot_judge"
        self.evidence: Evidence | None = None
        self._parts = BodyParts(layout)
        s = self.settings
        self._history = BodyHistory(ground, s.tall, s.low_head, s.glitch)
        self._plunged = self._plunge_speed = -np.inf
        self._came_down = -np.inf  # as `_plunged`, without the network
        self._low_since: float | None = None
        self._low_last = self._down_last = -np.inf
        self._down_since: float | None = None
        self._way_down = np.inf  # seconds that it took
        self._first_seen = np.inf
        self._risen_since: float | None = None
        self._suspected: float | None = None
        self._elsewhere: float | None = None
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
        elsewhere = body is not None and self._is_elsewhere(body, time)
        if xyz is None or score is None or body is None or elsewhere:
            if self._low_last < self.last_seen:  # what was seen last was not the floor
                self._low_since = None
            if self.state == "falling" and self._was_down():
                self._low_since, self._low_last = self._low_since or self._down_since, self.last_seen
                self._risen_since = None
            if self.state == "on_floor" or self._low_since is not None:
                return self._judge(
                    None, time
                )  # whoever vanished on the floor, or on the way to it, is still told about
            if time - self.last_seen > self.settings.unseen:
                self.state = "cannot_judge"
            return []
        self.last_seen, self.place = time, body.hips
        self._first_seen = min(self._first_seen, time)
        self.evidence = self._history.measure(body, xyz, score, time, learned)
        return self._judge(self.evidence, time, resting)

    def finish(self, time: float) -> list[FallEvent]:
        """The source has ended: whoever lies there after a plunge, or is on the way down, still gives the alarm."""
        if "fall" in self._alarmed or self.evidence is None:
            return []
        if self.state == "on_floor":
            lies = self._low_since is not None or self._is_nearly_down(self.evidence)
            fell = self._suspected is not None and self._risen_since is None and lies
        else:
            seen = time - self.last_seen <= self._LATELY
            fell = seen and self._was_down() and self.last_seen - self._plunged <= self.settings.memory
        if not fell:
            return []
        self._alarmed.add("fall")
        return [self._event("fall", time)]

    def _is_elsewhere(self, body: Body, time: float) -> bool:
        """Whether a body is too far from where this person was just now to be theirs."""
        leap = float(np.linalg.norm((body.hips - self.place)[:2]))
        if time - self.last_seen > self._BELIEVED_SECONDS or leap < self._LEAP:
            self._elsewhere = None
            return False
        if self._elsewhere is None and time - self.last_seen < self._LEAP_SECONDS:
            self._elsewhere = time
        return self._elsewhere is not None

    def _was_down(self) -> bool:
        """Whether somebody was on the floor, or nearly, in the last frames in which they were seen."""
        if self._down_since is None or self.last_seen - self._down_last > self.settings.glitch:
            return False
        came_down = 2 * self._DOWN_SECONDS <= self._way_down <= self.settings.descent
        unknown = self.evidence is not None and self.evidence.floor_unknown
        enough = self.settings.settle if unknown else self._DOWN_SECONDS
        return came_down or self.last_seen - self._down_since >= enough

    def _is_nearly_down(self, now: Evidence) -> bool:
        """Whether who is falling is so far down that they will not stand again, should nothing more be seen of them."""
        if now.floor_unknown:
            return now.head_drop > self.settings.head_drop and now.trunk > self.settings.lying
        head, hips = self.settings.nearly
        return now.head_share < head and now.hips_share < hips

    def _judge(self, now: Evidence | None, time: float, resting: bool = False) -> list[FallEvent]:
        s = self.settings
        if now is not None:
            low, risen = self._posture(now)
            low, risen = low and not resting, risen or resting
            share = self._SLOW_SHARE if self._history.apart > self._SLOW_SECONDS else 1.0
            plunges = (
                now.down_share * HIPS > share * s.plunge or now.head_down_share * HEAD > share * s.plunge_head
            )
            if plunges or now.descent < s.descent:
                self._came_down = time
            if plunges or now.descent < s.descent or now.learned > s.learned:
                if time - self._plunged > s.memory:
                    self._plunge_speed = -np.inf
                self._plunged = time
                self._plunge_speed = max(self._plunge_speed, now.down, now.head_down)
            if low:
                self._low_since = self._low_since if self._low_since is not None else time
                self._low_last = time
            elif time - self._low_last > s.glitch:
                self._low_since = None
            lately = (
                time - self._plunged < self._LATELY <= time - self._first_seen
            )  # not something that flickers
            if low or (lately and not resting and self._is_nearly_down(now)):
                if self._down_since is None:
                    self._down_since, self._way_down = time, time - self._history.tall_last
                self._down_last = time
            elif time - self._down_last > s.glitch:
                self._down_since = None
            self._risen_since = (
                (self._risen_since if self._risen_since is not None else time) if risen else None
            )
        if self.state == "on_floor":
            return self._on_floor(time)
        if self._low_since is not None and time - self._low_since >= s.settle:
            self.state = "on_floor"
            self._suspected = None
            self._alarmed.clear()
            return self._suspect(time, self._plunged)
        falling = time - self._plunged < self._LATELY and self._low_since is None
        self.state = "falling" if falling else "upright" if self.ground.known else "cannot_judge"
        return []

    def _posture(self, now: Evidence) -> tuple[bool, bool]:
        """Whether a body is on the floor, and whether it is off it."""
        s = self.settings
        if not now.floor_unknown:
            low = now.hips_share < s.low and (now.head_share < s.low_head or now.trunk > s.lying)
            flat = now.hips_share < s.flat_hips and now.head_share < s.flat_head and now.trunk > s.flat
            return low or flat, now.hips_share > s.risen and not flat
        low = now.drop > s.drop and now.head_drop > s.head_drop and now.trunk > s.lying
        low = low or (self.state == "on_floor" and now.trunk > s.lying)  # the past is forgotten meanwhile
        return low, not low and now.trunk < 0.6 * s.lying

    def _on_floor(self, time: float) -> list[FallEvent]:
        s = self.settings
        if self._risen_since is not None and time - self._risen_since >= s.risen_seconds:
            self.state = "upright"
            told = self._suspected is not None or bool(self._alarmed)
            self._suspected, self._plunged, self._came_down = None, -np.inf, -np.inf
            return [self._event("recovered", time)] if told else []
        if (
            self._suspected is None
            and not self._alarmed
            and (suspected := self._suspect(time, self._came_down))
        ):
            return suspected
        if self._risen_since is not None:
            return []  # whoever is up, for the moment, is not reported to lie
        if self._suspected is not None and "fall" not in self._alarmed and time - self._suspected >= s.verify:
            self._alarmed.add("fall")
            return [self._event("fall", time)]
        lies = 0.0 if self._low_since is None else time - self._low_since
        if s.long_on_floor > 0 and not self._alarmed and lies >= s.long_on_floor:
            self._alarmed.add("long_on_floor")
            return [self._event("long_on_floor", time)]
        return []

    def _suspect(self, time: float, plunged: float) -> list[FallEvent]:
        """Who is on the floor has fallen if a plunge came shortly before, or goes on with it."""
        if self._low_since is None or abs(self._low_since - plunged) > self.settings.memory:
            return []
        self._suspected = time
        return [self._event("suspected_fall", time)]

    def _event(self, kind: Kind, time: float) -> FallEvent:
        assert self.evidence is not None
        return FallEvent(kind, time, self.evidence, max(self._plunge_speed, 0.0))
