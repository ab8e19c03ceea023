"""From the frames of one source to events: people, what they do, falls."""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from skelact.errors import ConfigError
from skelact.io.addresses import public_name, without_secrets
from skelact.monitor.action_rules import ActionRules
from skelact.monitor.actions import ActionChange, LiveActions
from skelact.monitor.alarm_updates import AlarmUpdates, Told
from skelact.monitor.falls import FallEvent, FallSettings, FallWatch
from skelact.monitor.gestures import GestureWatch
from skelact.monitor.ground import BodyParts, Ground
from skelact.monitor.log import Event
from skelact.monitor.people import LivePeople, LivePerson
from skelact.monitor.sources import Notice, read_source
from skelact.monitor.unusual import UnusualWatch
from skelact.monitor.zones import Zone, Zones
from skelact.pose.camera import ASSUMED_FOV
from skelact.pose.estimator import PoseEstimator

logger = logging.getLogger(__name__)
_SAME_PLACE = 1.2  # metres within which somebody on the floor is taken up again under another name
_OUT_OF_SIGHT = 1.0  # seconds without somebody who has fallen after which that is told
_FORGOTTEN = 600.0  # seconds after which somebody who was lost on the floor is forgotten


@dataclass
class WatchSettings:
    """How a source is watched.

    Args:
        fov: the camera's horizontal field of view in degrees; None: 60 is assumed.
        tilt: degrees that the camera looks down, until the floor is known from who walks on it.
        fps: frames a second that are looked at; 0: all.
        falls: thresholds; None: falls are not watched for.
        zones: places in the picture, by name.
    """

    fov: float | None = None
    tilt: float = 0.0
    fps: float = 0.0
    falls: FallSettings | None = field(default_factory=FallSettings)
    zones: dict[str, Zone] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """What is known after a frame.

    Args:
        time: seconds.
        people: who is seen.
        actions: (action, probability) by track, where known.
        states: of `FallWatch` by track.
        events: that were found with this frame.
        looked: seconds that looking for people took.
        decided: seconds that the rest took.
        dropped: frames that a live source gave meanwhile, which nobody looked at.
        image: the frame, ``[H, W, 3]`` uint8 RGB.
        gestures: (gesture, likeness) by track, of those that have just been made.
    """

    time: float
    people: list[LivePerson]
    actions: dict[int, tuple[str, float]]
    states: dict[int, str]
    events: list[Event]
    looked: float
    decided: float
    dropped: int = 0
    image: np.ndarray | None = None
    gestures: dict[int, tuple[str, float]] = field(default_factory=dict)


class Watch:
    """Watches the frames of one source, one after the other.

    Args:
        source: its name, in events.
        estimator: who looks for people; its joints are metres about each person's hips, or in the picture.
        size: width and height of the pictures in pixels.
        actions: what everybody does; None: not asked.
        settings: see `WatchSettings`.
        wall: seconds since 1970 at time 0 of a live source; None: a file.
        unusual: looks for unusual motion and rests; None: nobody does.
        gestures: names taught gestures; None: nobody does.

    Raises:
        ConfigError: if the estimator gives neither.
    """

    def __init__(
        self,
        source: str,
        estimator: PoseEstimator,
        size: tuple[int, int],
        actions: LiveActions | None = None,
        settings: WatchSettings | None = None,
        wall: float | None = None,
        unusual: UnusualWatch | None = None,
        gestures: GestureWatch | None = None,
    ) -> None:
        if estimator.unit not in ("m", "image"):
            raise ConfigError(
                f"falls and places need joints in metres or in the picture, and the estimator gives '{estimator.unit}'"
            )
        self.settings, self.source, self.wall = settings or WatchSettings(), source, wall
        self.estimator, self.actions, self.unusual, self.gestures = estimator, actions, unusual, gestures
        self.ground = Ground(estimator.layout, self.settings.tilt)
        self.people = LivePeople(
            estimator.layout, size, self.settings.fov or ASSUMED_FOV, flat=estimator.unit == "image"
        )
        self.zones = Zones(self.settings.zones, estimator.layout)
        self._falls: dict[int, FallWatch] = {}
        self._updates = AlarmUpdates()
        self._rate, self._last, self._shift = 30.0, -np.inf, 0.0

    def see(self, image: np.ndarray, time: float) -> Moment | None:
        """Look at a frame ``[H, W, 3]`` uint8 RGB, taken at ``time`` seconds; None if it is left out (``fps``).

        Where the clock stands still or goes backwards, time goes on from the frame before.
        """
        time = self._going_on(time)
        if self.settings.fps and time - self._last < 1 / self.settings.fps - 1e-3:
            return None
        if np.isfinite(self._last) and time > self._last:
            self._rate += 0.1 * (min(1 / (time - self._last), 120.0) - self._rate)
        self._last = time
        begin = clock.perf_counter()
        found = [
            one for one in self.estimator.estimate(image, time) if not self.zones.ignores(one.xy, one.score)
        ]
        looked = clock.perf_counter()
        events = self._leave(self.people.see(found, time), time)
        here = self.people.here(time)
        if self.actions is not None:
            events += [self._action(change) for change in self.actions.ask(self.people, time, self._rate)]
        events += self._watch_falls(here, time)
        found_actions = {} if self.actions is None else {p.track: self.actions.current(p.track) for p in here}
        actions = {track: a for track, a in found_actions.items() if a is not None}
        if self.unusual is not None:
            joints = {p.track: p.past[-1][1:] for p in here}
            doing = {track: label for track, (label, _) in actions.items()}
            events += self.unusual.see(joints, time, self.ground.up, doing)
        made: dict[int, tuple[str, float]] = {}
        if self.gestures is not None:
            events += self.gestures.see({p.track: p.past[-1][1:] for p in here}, time)
            made = {p.track: one for p in here if (one := self.gestures.current(p.track, time)) is not None}
        return Moment(
            time, here, actions,
            {track: one.state for track, one in self._falls.items()}, events, looked - begin,
            clock.perf_counter() - looked, gestures=made,
        )  # fmt: skip

    def change(self, settings: WatchSettings) -> None:
        """Go on with other zones, thresholds of falls and frames a second; people and their states stay."""
        if settings.zones != self.settings.zones:
            self.zones = Zones(settings.zones, self.estimator.layout)
        for one in self._falls.values():
            one.settings = settings.falls or one.settings
        self.settings = settings

    def change_rules(self, rules: ActionRules | None) -> list[Event]:
        """Name actions by other rules; returns the actions that end with the old ones."""
        if self.actions is None or self.actions.rules is rules:
            return []
        return [self._action(change) for change in self.actions.change_rules(rules, self._last)]

    def _going_on(self, time: float) -> float:
        if time + self._shift <= self._last:
            if not self._shift:
                logger.warning(
                    "%s: the clock went backwards at %.1f s; times go on from there", self.source, time
                )
            self._shift = self._last + 1 / self._rate - time
        return time + self._shift

    def finish(self) -> list[Event]:
        """The source has ended: what was going on ends, too, and nobody waits for a verification any more."""
        events = [self._fall(track, e) for track, one in self._falls.items() for e in one.finish(self._last)]
        tracks = [] if self.actions is None else list(self.people.people)
        for track in tracks:
            assert self.actions is not None
            events += [self._action(change) for change in self.actions.leave(track, self._last)]
        return events

    def _watch_falls(self, here: list[LivePerson], time: float) -> list[Event]:
        settings = self.settings.falls
        if settings is None:
            return []
        events: list[Event] = []
        seen = {person.track: person for person in here}
        for track in {*seen, *self._falls}:
            if track not in self._falls:
                self._falls[track] = self._lost_near(seen[track]) or FallWatch(
                    self.people.layout, self.ground, settings
                )
            one = self._falls[track]
            learned = 0.0 if self.actions is None else self.actions.probability(track, "fall")
            person = seen.get(track)
            if person is None:
                found = one.see(None, None, time)
            else:
                resting = self.zones.rests(person)
                found = one.see(person.past[-1][1], person.past[-1][2], time, learned, resting)
            events += [self._fall(track, event) for event in found]
        return events + self._update_alarms(time)

    def _update_alarms(self, time: float) -> list[Event]:
        """What has changed of those whose alarms go on."""
        events = []
        for track in self._updates.tracks:
            one = self._falls.get(track)
            if one is None or one.evidence is None:
                self._updates.end(track)
                continue
            gone = time - one.last_seen > _OUT_OF_SIGHT
            state, zones = ("out_of_sight", None) if gone else (one.state, tuple(self.zones.inside(track)))
            now = self._updates.see(track, time, state, zones, one.evidence.learned)
            if now is not None:
                events.append(self._of_fall("updated", track, time, now, now.describe()))
        return events

    def _lost_near(self, person: LivePerson) -> FallWatch | None:
        """The watch over somebody who was lost on the floor where this person turns up under another name."""
        joints, score = person.past[-1][1:]
        body = BodyParts(self.people.layout).of(joints, score)
        for track, one in list(self._falls.items()):
            lost = track not in self.people.people and one.state == "on_floor"
            if lost and body is not None and np.linalg.norm(body.hips - one.place) < _SAME_PLACE:
                self._updates.rename(track, person.track)
                return self._falls.pop(track)
        return None

    def _leave(self, tracks: list[int], time: float) -> list[Event]:
        """Tracks are gone; who lies on the floor is watched on until the alarm is given."""
        events: list[Event] = []
        for track in tracks:
            self.zones.leave(track)
            if self.unusual is not None:
                self.unusual.leave(track)
            if self.gestures is not None:
                self.gestures.leave(track)
            if self.actions is not None:
                events += [self._action(change) for change in self.actions.leave(track, time)]
            if track in self._falls and self._falls[track].state != "on_floor":
                del self._falls[track]
        for track, one in list(self._falls.items()):
            if track not in self.people.people and time - one.last_seen > _FORGOTTEN:
                del self._falls[track]
        return events

    def _action(self, change: ActionChange) -> Event:
        return Event(
            self.source, "action", change.label, change.person, change.start, change.end, self._wall(change.start),
            change.score, f"{change.label} for {change.end - change.start:.1f} s",
        )  # fmt: skip

    def _fall(self, track: int, event: FallEvent) -> Event:
        zones, one = tuple(self.zones.inside(track)), self._falls.get(track)
        told = Told("" if one is None else one.state, zones, event.evidence.learned)
        if event.is_alarm:
            self._updates.begin(track, event.time, told)
        elif event.kind == "recovered":
            self._updates.end(track)
        text = event.describe() + (f", in {', '.join(zones)}" if zones else "")
        return self._of_fall(event.kind, track, event.time, told, text)

    def _of_fall(self, kind: str, track: int, time: float, told: Told, text: str) -> Event:
        return Event(
            self.source, kind, kind, track, time, time, self._wall(time), 1.0, text, None,
            told.state, ", ".join(told.zones), told.top_score,
        )  # fmt: skip

    def _wall(self, time: float) -> float | None:
        return None if self.wall is None else self.wall + time


def watch_source(
    make: Callable[[tuple[int, int]], Watch],
    source: str | int,
    seconds: float | None = None,
    timeout: float = 15.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Moment]:
    """Watch a file from beginning to end, or a camera or stream until ``seconds`` are over, or it is stopped.

    Args:
        make: makes the watch for pictures of a size.
        source: a path, a camera number or a stream address.
        seconds: stop after this time.
        timeout: seconds to wait for a live source before it counts as lost.
        stopped: asked before every frame whether to stop.

    Raises:
        DataError: if it is not a video that can be read.
    """
    one: Watch | None = None
    last = 0.0
    for item in read_source(source, seconds, timeout):
        if stopped():
            break
        last = item.time
        if isinstance(item, Notice):
            text = without_secrets(item.text)
            logger.warning("%s: %s", public_name(source), text)
            name, wall = (public_name(source), None) if one is None else (one.source, one.wall)
            at = None if wall is None else wall + item.time
            event = Event(name, item.kind, item.kind, None, item.time, item.time, at, 1.0, text)
            yield Moment(item.time, [], {}, {}, [event], 0.0, 0.0)
            continue
        one = one or make((item.image.shape[1], item.image.shape[0]))
        moment = one.see(item.image, item.time)
        if moment is not None:
            yield replace(moment, dropped=item.dropped, image=item.image)
    rest = [] if one is None else one.finish()
    if rest:
        yield Moment(last, [], {}, {}, rest, 0.0, 0.0)
