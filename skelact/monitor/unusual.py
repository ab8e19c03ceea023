"""Unusual motion and unusual inactivity as they happen, against what was learned from normal recordings and days."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

import numpy as np

from skelact.errors import DataError
from skelact.layouts import SkeletonLayout
from skelact.models.classical.body_motion import UP, motion_of
from skelact.monitor.log import Event
from skelact.monitor.spans import in_words
from skelact.monitor.usual_rest import RESTING, RestWatch, UsualRest
from skelact.recognition.normal_motion import Method, NormalMotion

_STILL = 0.08  # metres that joints move within a second at most, in the mean, of somebody who rests
_LOST = 1.0  # seconds without somebody after which their window begins anew


@dataclass
class UnusualSettings:
    """When motion is told of.

    Args:
        method: ``sparse`` (cost of sparse reconstruction) or ``density``.
        per_hour: windows of normal motion that may exceed the threshold, an hour of somebody's being seen.
        rounds: windows one after the other that must exceed it.
        quiet: seconds of usual motion after which something unusual is told of again.
    """

    method: Method = "density"
    per_hour: float = 1.0
    rounds: int = 2
    quiet: float = 5.0


@dataclass
class _Seen:
    past: deque[tuple[float, np.ndarray, np.ndarray]] = field(default_factory=deque)
    asked: float = -np.inf
    high: int = 0
    told: bool = False
    usual_since: float = -np.inf


class UnusualWatch:
    """Takes people's joints over time and gives events of the kinds ``unusual_motion`` and ``unusual_inactivity``.

    Args:
        source: name of the camera or video, in events.
        layout: of the joints.
        motion: model of normal motion; None: motion is not judged.
        rest: usual rests by hour; None, or a source without wall-clock time: inactivity is not judged.
        wall: seconds since 1970 at time 0 of a live source; None: a file.
        settings: see `UnusualSettings`.
        zone: of the local time; None: this machine's.
    """

    def __init__(
        self,
        source: str,
        layout: SkeletonLayout,
        motion: NormalMotion | None = None,
        rest: UsualRest | None = None,
        wall: float | None = None,
        settings: UnusualSettings | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        self.source, self.layout, self.motion, self.wall = source, layout, motion, wall
        self.settings = settings or UnusualSettings()
        self._rest = None if rest is None or wall is None else RestWatch(rest, wall, zone)
        self._threshold = (
            np.inf if motion is None else motion.threshold(self.settings.per_hour, self.settings.method)
        )
        self._people: dict[int, _Seen] = {}

    def see(
        self,
        people: Mapping[int, tuple[np.ndarray, np.ndarray]],
        time: float,
        up: np.ndarray = UP,
        actions: Mapping[int, str] | None = None,
    ) -> list[Event]:
        """Take a frame.

        Args:
            people: by track, joints ``[V, 3]`` (metres, camera coordinates) and scores ``[V]`` of who is seen.
            time: seconds of the source; frames that are not later than the last of somebody are left out.
            up: ``[3]`` against gravity.
            actions: what they do, where it is known; rests and moves are then told apart as in the log that rests were
                learned from, else by how far the joints move.

        Returns:
            what is unusual since this frame.
        """
        events: list[Event] = []
        moving = False
        keep = max(2.0, 0.0 if self.motion is None else self.motion.settings.seconds) + 0.2
        for track, (xyz, score) in people.items():
            seen = self._people.setdefault(track, _Seen())
            if seen.past and time <= seen.past[-1][0]:
                continue
            if seen.past and time - seen.past[-1][0] > _LOST:
                seen.past.clear()
                seen.high = 0
            seen.past.append((time, np.asarray(xyz, np.float64), np.asarray(score)))
            while seen.past[0][0] < time - keep:
                seen.past.popleft()
            label = None if actions is None else actions.get(track)
            moving = moving or (_moves(seen) if label is None else label not in RESTING)
            events += self._judge(track, seen, time, up)
        for track in [t for t, one in self._people.items() if time - one.past[-1][0] > 60.0]:
            del self._people[track]
        return events + self._judge_rest(time, moving, bool(people))

    def leave(self, track: int) -> None:
        """Somebody is gone for good."""
        self._people.pop(track, None)

    def _judge(self, track: int, seen: _Seen, time: float, up: np.ndarray) -> list[Event]:
        model, s = self.motion, self.settings
        if model is None or time - seen.asked < model.settings.step - 1e-6:
            return []
        seconds = model.settings.seconds
        rows = [row for row in seen.past if row[0] >= time - seconds - 1e-6]
        if len(rows) < 4 or rows[-1][0] - rows[0][0] < 0.9 * seconds:
            return []
        seen.asked = time
        times = np.array([row[0] for row in rows])
        xyz, score = (np.stack([row[i] for row in rows]) for i in (1, 2))
        try:
            motion = motion_of(xyz, score, times, self.layout, model.settings.rate, up, f"track {track}")
        except DataError:  # hips and shoulders are hidden
            return []
        windows, _ = model.windows(motion)
        if not len(windows):
            return []
        cost = float(model.cost(windows[-1:], s.method)[0])
        if cost <= self._threshold:
            seen.usual_since = time if seen.high else seen.usual_since
            seen.high = 0
            if seen.told and time - seen.usual_since >= s.quiet:
                seen.told = False
            return []
        seen.high += 1
        if seen.told or seen.high < s.rounds:
            return []
        seen.told = True
        start = max(times[0] - model.settings.step * (seen.high - 1), 0.0)
        odd = cost - self._threshold
        return [
            self._event(
                "unusual_motion", track, start, time, 1 - float(np.exp(-odd / model.tails[s.method].scale)),
                f"unusual motion: {cost:.3g} where normal motion stays below {self._threshold:.3g} "
                f"but for {s.per_hour:g} windows an hour ({s.method})",
            )
        ]  # fmt: skip

    def _judge_rest(self, time: float, moving: bool, anybody: bool) -> list[Event]:
        if self._rest is None or self.wall is None:
            return []
        found = self._rest.see(self.wall + time, moving, anybody)
        if found is None:
            return []
        since, limit, seen = found
        clock = datetime.fromtimestamp(since, self._rest.zone).strftime("%H:%M")
        who = "somebody is there and does not move" if seen else "nobody was seen"
        text = (
            f"no motion for {in_words(self.wall + time - since)}, since {clock}: {who}; usual at this hour are at most "
            f"{in_words(limit)}"
        )
        return [self._event("unusual_inactivity", None, since - self.wall, time, 1.0, text)]

    def _event(
        self, kind: str, person: int | None, start: float, end: float, score: float, text: str
    ) -> Event:
        at = None if self.wall is None else self.wall + start
        return Event(self.source, kind, kind, person, start, end, at, score, text)


def _moves(seen: _Seen) -> bool:
    """Whether the joints have moved in the last second; not before somebody was seen for so long."""
    now = seen.past[-1]
    before = [row for row in seen.past if row[0] <= now[0] - 1.0 + 1e-6]
    if not before:
        return False
    both = (now[2] > 0) & (before[-1][2] > 0)
    if not both.any():
        return False
    return float(np.linalg.norm(now[1][both] - before[-1][1][both], axis=1).mean()) > _STILL
