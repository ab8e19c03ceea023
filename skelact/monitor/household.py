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
from skelact.monitor.actions import LiveActions
from skelact.monitor.home import CameraSettings, Home
from skelact.monitor.log import Event
from skelact.monitor.unusual import UnusualSettings, UnusualWatch
from skelact.monitor.usual_rest import UsualRest
from skelact.monitor.watch import Moment, Watch, watch_source
from skelact.monitor.zones import Zones
from skelact.pose.estimator import PoseEstimator
from skelact.recognition import Recogniser
from skelact.recognition.normal_motion import NormalMotion

MakeUnusual = Callable[[str, SkeletonLayout, float | None], UnusualWatch | None]
_WAITING = 64  # moments that may wait to be taken


def watch_home(
    home: Home,
    make: Callable[[], PoseEstimator],
    recogniser: Recogniser | None,
    seconds: float | None = None,
) -> Iterator[tuple[str, Moment]]:
    """Watch every camera of a home.

    Args:
        home: its cameras.
        make: makes an estimator for one of them.
        recogniser: names actions; None: they are not named.
        seconds: stop after this time.

    Returns:
        pairs of a camera's name and what is known after a frame of it. One of several that cannot be opened gives a
        ``source_lost`` event, and the others go on.

    Raises:
        SkelactError: if the only camera, or every one, cannot be opened.
    """
    usual = unusual_maker(home)
    if len(home.cameras) == 1:
        ((name, camera),) = home.cameras.items()
        for moment in _watch(name, camera, make, recogniser, usual, seconds, lambda: False):
            yield name, moment
        return
    found: queue.Queue[tuple[str, Moment | Exception | None]] = queue.Queue(_WAITING)
    stop = threading.Event()

    def run(name: str, camera: CameraSettings) -> None:
        try:
            for moment in _watch(name, camera, make, recogniser, usual, seconds, stop.is_set):
                found.put((name, moment))
            found.put((name, None))
        except Exception as error:  # told to whoever takes the moments
            found.put((name, error))

    threads = [
        threading.Thread(target=run, args=item, daemon=True, name=item[0]) for item in home.cameras.items()
    ]
    for thread in threads:
        thread.start()
    running, errors = len(threads), []
    try:
        while running:
            name, item = found.get()
            if isinstance(item, Moment):
                yield name, item
                continue
            running -= 1
            if item is None:
                continue
            if not isinstance(item, SkelactError):
                raise item
            errors.append(item)
            if len(errors) == len(threads):
                raise errors[0]
            lost = Event(name, "source_lost", "source_lost", None, 0.0, 0.0, clock.time(), 1.0, str(item))
            yield name, Moment(0.0, [], {}, {}, [lost], 0.0, 0.0)
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads):  # let go of whoever waits to be taken
            try:
                found.get(timeout=0.1)
            except queue.Empty:
                continue


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
    camera: CameraSettings,
    make: Callable[[], PoseEstimator],
    recogniser: Recogniser | None,
    usual: MakeUnusual,
    seconds: float | None,
    stopped: Callable[[], bool],
) -> Iterator[Moment]:
    wall = clock.time() if is_live(camera.source) else None
    actions = None if recogniser is None else LiveActions(recogniser)
    watches: list[Watch] = []
    with closing(make()) as finder:

        def begin(size: tuple[int, int]) -> Watch:
            watches.append(
                Watch(name, finder, size, actions, camera.watched(), wall, usual(name, finder.layout, wall))
            )
            return watches[-1]

        zones = camera.zones
        for moment in watch_source(begin, camera.source, seconds, stopped=stopped):
            yield moment
            if camera.zones is not zones and watches:  # somebody has drawn others meanwhile
                zones = camera.zones
                watches[-1].zones = Zones(zones, finder.layout)
