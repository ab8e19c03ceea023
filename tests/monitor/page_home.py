"""A home that is played to the page: synthetic people who walk, fall and get up, without a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from bodies import scene

from skelact.datasets.synthetic.body import LAYOUT
from skelact.datasets.synthetic.everyday import falls, moves
from skelact.datasets.synthetic.everyday.generate import FPS
from skelact.monitor.attention import Attention
from skelact.monitor.home import Home, load_home
from skelact.monitor.log import Event, EventLog
from skelact.monitor.outbox import TOLD, Channel, Outbox
from skelact.monitor.page.keep_zones import keep_zones
from skelact.monitor.page.live import Live
from skelact.monitor.page.server import PageServer
from skelact.monitor.page.settings import PageSettings
from skelact.monitor.people import LivePerson
from skelact.monitor.watch import Moment

CONFIG = """
# our home
cameras:
  living room:   # above the shelf
    source: rtsp://ann:s3cret@192.0.2.7/stream
    zones:
      sofa: {kind: sofa, polygon: [[0.05, 0.6], [0.35, 0.6], [0.35, 0.95], [0.05, 0.95]]}
  hall: {source: 0, fps: 5}
actions: false
"""
SIZE = (640, 480)


def person(track: int, joints: np.ndarray) -> LivePerson:
    """Somebody whose joints ``[V, 3]`` are metres before the camera."""
    half = np.tan(np.radians(30))
    xy = 0.5 - joints[:, :2] / np.maximum(joints[:, 2:], 0.3) / [2 * half, 2 * half * SIZE[1] / SIZE[0]]
    return LivePerson(track, 0.0, xy=xy.astype(np.float32), score=np.ones(len(joints), np.float32))


def moment(at: float, people: list[LivePerson], state: str = "upright", action: str = "walk") -> Moment:
    """What a frame gives."""
    tracks = [one.track for one in people]
    image = np.full((SIZE[1], SIZE[0], 3), (60, 90, 120), np.uint8)
    return Moment(
        at, people, {t: (action, 0.87) for t in tracks}, {t: state for t in tracks}, [], 0.02, 0.004, 1, image
    )


def alarm(camera: str, track: int | None = 3, kind: str = "fall", at: float = 1.0) -> Event:
    """An event as falls give it."""
    text = f"{kind.replace('_', ' ')} at {at:.1f} s: hips 0.12 m and head 0.19 m above the floor"
    return Event(camera, kind, kind, track, at, at, time.time(), 1.0, text)


class PlayedHome:
    """Cameras whose moments are made here, and the page that shows them."""

    def __init__(
        self,
        folder: Path,
        settings: PageSettings | None = None,
        log: bool = True,
        channels: dict[str, Channel] | None = None,
    ) -> None:
        self.config = folder / "home.yaml"
        self.config.write_text(CONFIG)
        self.home: Home = load_home(self.config)
        self.log = EventLog(folder / "log.db") if log else None
        self.outbox = Outbox(self.log, channels, 0.1) if self.log is not None and channels else None
        self.attention = Attention(self.log)
        settings = settings or PageSettings(port=0)
        self.live = Live(
            self.home.cameras,
            LAYOUT,
            self.attention,
            self.outbox,
            settings.pictures,
            lambda name, zones: keep_zones(self.config, name, zones),
        )
        self.server = PageServer(self.live, settings)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        return self.server.address

    def tell(self, event: Event) -> Event:
        """An event of a camera, as the loop takes it."""
        written = self.attention.take(event)
        empty = moment(event.start, [])
        self.live.feed(
            event.source, Moment(event.start, [], {}, {}, [written], 0.0, 0.0, 0, empty.image), [written]
        )
        if self.outbox is not None and event.kind in TOLD:
            self.outbox.tell()
        return written

    def play(self, fps: float = 15.0, falls_at: Callable[[], bool] = lambda: True) -> None:
        """Let somebody walk and fall in the living room, and another walk in the hall, until it is closed."""
        falling, begin, end, _ = scene(falls.fall_over, 2, rest=60.0)
        walking = scene(moves.walk, 3, rest=0.1)[0]

        def run() -> None:
            told, frame = False, 0
            while not self._stop.wait(1 / fps):
                at = frame * (FPS / fps)
                there = min(int(at), len(falling) - 1) if falls_at() else int(at) % int(begin * FPS)
                down = there > end * FPS
                one = moment(frame / fps, [person(3, falling[there])], "on_floor" if down else "upright",
                             "fallen" if down else "walk")  # fmt: skip
                events = []
                if down and not told:
                    told = True
                    events = [self.attention.take(alarm("living room", 3, "fall", frame / fps))]
                self.live.feed("living room", one, events)
                other = walking[int(at) % len(walking)]
                self.live.feed("hall", moment(frame / fps, [person(7, other)], "upright", "walk"))
                frame += 1

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
        self.server.close()
        if self.outbox is not None:
            self.outbox.close()
        if self.log is not None:
            self.log.close()


@contextmanager
def played(folder: Path, *args, **options) -> Iterator[PlayedHome]:
    """A played home, closed in the end."""
    home = PlayedHome(folder, *args, **options)
    try:
        yield home
    finally:
        with suppress(Exception):
            home.close()
