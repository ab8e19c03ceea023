"""Frames of a source: a file frame by frame, a camera or stream the newest first, through losses and back again."""

from __future__ import annotations

import logging
import threading
import time as clock
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from skelact.errors import DataError
from skelact.io.addresses import public_name, without_secrets
from skelact.io.video import is_live, open_video

logger = logging.getLogger(__name__)
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds between attempts to open a live source again


@dataclass(frozen=True)
class Picture:
    """A frame of a source.

    Args:
        time: seconds since the source was first opened.
        image: ``[H, W, 3]`` uint8 RGB.
        dropped: frames before it that came while the last was looked at.
    """

    time: float
    image: np.ndarray
    dropped: int = 0


@dataclass(frozen=True)
class Notice:
    """Something about the source itself.

    Args:
        time: seconds since it was first opened.
        kind: ``source_lost`` or ``source_back``.
        text: words for people.
    """

    time: float
    kind: str
    text: str


def read_source(
    source: str | int,
    seconds: float | None = None,
    timeout: float = 15.0,
    pauses: tuple[float, ...] = _PAUSES,
) -> Iterator[Picture | Notice]:
    """Read a source.

    Every frame of a file is given. Of a live source it is the newest one each time; how many were passed over is
    said. When it is lost, it is opened again after a pause, for as long as it takes.

    Args:
        source: a path, a camera number or a stream address.
        seconds: stop after this time.
        timeout: seconds to wait for a live source before it counts as lost.
        pauses: seconds between attempts, the last again and again.

    Raises:
        DataError: if it is not a video that can be read, or a live source cannot be opened in the beginning.
    """
    if is_live(source):
        yield from _read_live(source, seconds, timeout, pauses)
        return
    with open_video(source, end=seconds) as video:
        for frame in video:
            yield Picture(frame.time, frame.image)


def _read_live(
    source: str | int, seconds: float | None, timeout: float, pauses: tuple[float, ...]
) -> Iterator[Picture | Notice]:
    begin, lost = clock.monotonic(), False
    reader = _Reader(source, timeout)  # the first time it must be there
    waits = iter(())
    try:
        while seconds is None or clock.monotonic() - begin < seconds:
            taken = reader.take(timeout) if reader is not None else None
            now = clock.monotonic() - begin
            if taken is not None:
                if lost:
                    lost = False
                    yield Notice(now, "source_back", "the source gives pictures again")
                yield Picture(now, *taken)
                continue
            reason = (
                "no picture came in time" if reader is None or reader.error is None else str(reader.error)
            )
            if reader is not None:
                reader.stop()
            if not lost:
                lost, waits = True, chain(pauses, iter(lambda: pauses[-1], None))
                yield Notice(now, "source_lost", reason)
            pause = next(waits)
            if seconds is not None:
                pause = min(pause, max(0.0, seconds - now))
            clock.sleep(pause)
            try:
                reader = _Reader(source, timeout)
            except DataError as error:
                logger.info("%s is still not there: %s", public_name(source), without_secrets(str(error)))
                reader = None
    finally:
        if reader is not None:
            reader.stop()


class _Reader:
    """Reads a live source in a thread and keeps its newest frame."""

    def __init__(self, source: str | int, timeout: float) -> None:
        self.error: Exception | None = None
        self._video = open_video(source, timeout=timeout)
        self._newest: np.ndarray | None = None
        self._n_passed, self._stopped = 0, False
        self._there = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True, name="frames")
        self._thread.start()

    def _run(self) -> None:
        try:
            for frame in self._video:
                with self._there:
                    if self._stopped:
                        break
                    self._n_passed += self._newest is not None
                    self._newest = frame.image
                    self._there.notify()
            else:
                self.error = DataError("the stream has ended")
        except Exception as error:  # whatever a decoder or a network throws, the source is lost
            self.error = error
        finally:
            self._video.close()
            with self._there:
                self._there.notify()

    def take(self, timeout: float) -> tuple[np.ndarray, int] | None:
        """The newest frame and how many were passed over; None if none comes in time or the source has ended."""
        with self._there:
            self._there.wait_for(lambda: self._newest is not None or self.error is not None, timeout)
            if self._newest is None:
                return None
            image, passed = self._newest, self._n_passed
            self._newest, self._n_passed = None, 0
            return image, passed

    def stop(self) -> None:
        """Let the thread end; it does when its next frame comes, or its time is over."""
        with self._there:
            self._stopped = True
