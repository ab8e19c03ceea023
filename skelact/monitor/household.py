"""Several cameras at once: each is watched in a thread of its own, what they find comes out one after the other."""

from __future__ import annotations

import queue
import threading
import time as clock
from collections.abc import Callable, Iterator
from contextlib import closing

from skelact.errors import SkelactError
from skelact.io.video import is_live
from skelact.layouts import SkeletonLayout
from skelact.monitor.action_rules import SharedRules
from skelact.monitor.actions import LiveActions
from skelact.monitor.gestures import Gestures
from skelact.monitor.home import CameraSettings, Home
from skelact.monitor.log import Event
from skelact.monitor.unusual import UnusualSettings, UnusualWatch
from skelact.monitor.usual_rest import UsualRest
from skelact.monitor.watch import Moment, Watch, watch_source
from skelact.pose.estimator import PoseEstimator, follow_live
from skelact.recognition import Recogniser
from skelact.recognition.normal_motion import NormalMotion

MakeUnusual = Callable[[str, SkeletonLayout, float | None], UnusualWatch | None]
_WAITING = 64  # moments that may wait to be taken
_LOOK = 1.0  # seconds after which changes are looked for, if nothing comes


def watch_home(
    home: Home,
    make: Callable[[], PoseEstimator],
    recogniser: Recogniser | None,
    seconds: float | None = None,
    reread: Callable[[], object] | None = None,
    gestures: Gestures | None = None,
    rules: SharedRules | None = None,
    unknown: float = 0.0,
) -> Iterator[tuple[str, Moment]]:
    """Watch every camera of a home.

    Args:
        home: its cameras.
        make: makes an estimator for one of them.
        recogniser: names actions; None: they are not named.
        seconds: stop after this time.
        reread: called once a second at least; it may change the home's cameras, which are then watched as they are
            now. None: they stay as they are.
        gestures: names taught gestures; None: they are not named.
        rules: by which actions are told, as they are at any time; None: the surest one is told.
        unknown: see `LiveActions`.

    Returns:
        pairs of a camera's name and what is known after a frame of it. One of several that cannot be opened gives a
        ``source_lost`` event, and the others go on.

    Raises:
        SkelactError: if the only camera, or every one, cannot be opened.
    """
    usual, actions = unusual_maker(home), action_maker(recogniser, rules, unknown)
    if len(home.cameras) == 1 and reread is None:
        ((name, camera),) = home.cameras.items()
        watched = _watch(name, lambda: camera, make, actions, usual, seconds, lambda: False, gestures, rules)
        for moment in watched:
            yield name, moment
        return
    found: queue.Queue[tuple[str, Moment | Exception | None]] = queue.Queue(_WAITING)
    stop = threading.Event()
    threads: dict[str, threading.Thread] = {}

    def run(name: str) -> None:
        """Watch a camera; again with its new settings when they change, until it is in the home no more."""
        try:
            while not stop.is_set() and (camera := home.cameras.get(name)) is not None:

                def current(first: CameraSettings = camera) -> CameraSettings | None:
                    now = home.cameras.get(name)
                    return now if now is not None and _same_picture(now, first) else None

                def over(current: Callable[[], CameraSettings | None] = current) -> bool:
                    return stop.is_set() or current() is None

                for moment in _watch(name, current, make, actions, usual, seconds, over, gestures, rules):
                    found.put((name, moment))
                if not over():
                    break
            found.put((name, None))
        except Exception as error:  # told to whoever takes the moments
            found.put((name, error))

    def begin() -> None:
        for name in list(home.cameras):
            if name not in threads:
                threads[name] = threading.Thread(target=run, args=(name,), daemon=True, name=name)
                threads[name].start()

    begin()
    errors: dict[str, SkelactError] = {}
    ended: set[str] = set()
    try:
        while threads.keys() - ended:
            if reread is not None:
                reread()
                for name in [n for n in threads if n not in home.cameras and n in ended]:
                    del threads[name]  # it may come back
                    ended.discard(name)
                    errors.pop(name, None)
                begin()
            try:
                name, item = found.get(timeout=None if reread is None else _LOOK)
            except queue.Empty:
                continue
            if isinstance(item, Moment):
                yield name, item
                continue
            ended.add(name)
            if item is None:
                continue
            if not isinstance(item, SkelactError):
                raise item
            errors[name] = item
            if len(errors) == len(threads):
                raise next(iter(errors.values()))
            lost = Event(name, "source_lost", "source_lost", None, 0.0, 0.0, clock.time(), 1.0, str(item))
            yield name, Moment(0.0, [], {}, {}, [lost], 0.0, 0.0)
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads.values()):  # let go of whoever waits to be taken
            try:
                found.get(timeout=0.1)
            except queue.Empty:
                continue


def _same_picture(a: CameraSettings, b: CameraSettings) -> bool:
    """Whether a watch over one can go on with the other's settings, and who lies on the floor is not forgotten."""
    return (a.source, a.fov, a.tilt) == (b.source, b.fov, b.tilt)


def action_maker(
    recogniser: Recogniser | None, rules: SharedRules | None = None, unknown: float = 0.0
) -> Callable[[], LiveActions | None]:
    """Makes, for every camera, what names actions."""
    if recogniser is None:
        return lambda: None
    return lambda: LiveActions(recogniser, rules=None if rules is None else rules.rules, unknown=unknown)


def unusual_maker(home: Home) -> MakeUnusual:
    """Makes, for every camera, what looks for the unusual; the models are read once.

    Raises:
        SkelactError: if a model is not there, or damaged.
    """
    motion = NormalMotion.load(home.normal) if home.normal else None
    rest = UsualRest.load(home.rest) if home.rest else None
    settings = UnusualSettings(per_hour=home.unusual_per_hour)

    def make(name: str, layout: SkeletonLayout, wall: float | None) -> UnusualWatch | None:
        if motion is None and rest is None:
            return None
        return UnusualWatch(name, layout, motion, rest, wall, settings)

    return make


def _watch(
    name: str,
    current: Callable[[], CameraSettings | None],
    make: Callable[[], PoseEstimator],
    name_actions: Callable[[], LiveActions | None],
    usual: MakeUnusual,
    seconds: float | None,
    stopped: Callable[[], bool],
    gestures: Gestures | None = None,
    rules: SharedRules | None = None,
) -> Iterator[Moment]:
    """Watch a camera with its settings as ``current`` gives them; None: with the last ones, until it is stopped."""
    camera = current()
    if camera is None:
        return
    wall = clock.time() if is_live(camera.source) else None
    actions = name_actions()
    watches: list[Watch] = []
    with closing(make()) as finder:
        if is_live(camera.source):
            follow_live(finder)
        settings = camera.watched()

        def begin(size: tuple[int, int]) -> Watch:
            spotter = None if gestures is None else gestures.watch(name, finder.layout, wall)
            watches.append(
                Watch(name, finder, size, actions, settings, wall, usual(name, finder.layout, wall), spotter)
            )
            return watches[-1]

        for moment in watch_source(begin, camera.source, seconds, stopped=stopped):
            yield moment
            now = current()
            if now is not None and now.watched() != settings and watches:  # drawn zones, a changed file
                settings = now.watched()
                watches[-1].change(settings)
            if rules is not None and watches and (ended := watches[-1].change_rules(rules.rules)):
                yield Moment(moment.time, [], {}, {}, ended, 0.0, 0.0)
