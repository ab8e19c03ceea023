"""Does live watching grow: a video in a loop at full speed, with the log written, and memory looked at."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any

from skelact.errors import ConfigError, DataError
from skelact.io.video import open_video
from skelact.monitor.actions import LiveActions
from skelact.monitor.log import EventLog
from skelact.monitor.watch import Watch
from skelact.pose.estimators import available_estimator, find_estimator
from skelact.recognition import Recogniser
from skelact.recognition.everyday import everyday_for

SETTLED = 5.0  # minutes after which memory must not grow any more
ROWS = 12  # of a report


def measure_soak(
    video: str | PathLike[str], minutes: float = 60.0, estimator: str = "auto"
) -> Iterator[dict[str, Any]]:
    """Watch a video again and again, as one source whose people come and go.

    Args:
        video: with people who come and go.
        minutes: in all.
        estimator: who looks for people.

    Yields:
        twelve rows with ``what`` (the minute), ``frames`` and ``rounds`` of the video so far, ``people`` who are
        followed, ``events`` in the log, ``MB`` resident, and ``growth %`` since the fifth minute.

    Raises:
        ConfigError: for an estimator that is not there, or no time.
        DataError: if the video cannot be read.
    """
    if not minutes > 0:
        raise ConfigError(f"minutes must be above 0, got {minutes}")
    name = available_estimator(estimator)
    unit = "image" if name == "movenet" else "world"
    recogniser = Recogniser(everyday_for(2 if unit == "image" else 3), "cpu")
    begin, told = time.monotonic(), 0
    frames = rounds = events = 0
    settled: float | None = None
    offset = last = 0.0
    with (
        tempfile.TemporaryDirectory(prefix="skelact-soak-") as folder,
        EventLog(Path(folder) / "soak.db") as log,
        closing(find_estimator(name).make("many", coordinates=unit)) as finder,
    ):
        watch: Watch | None = None
        while True:
            before = frames
            with open_video(video) as opened:
                for frame in opened:
                    if watch is None:
                        size = (frame.image.shape[1], frame.image.shape[0])
                        watch = Watch("soak", finder, size, LiveActions(recogniser))
                    last = offset + frame.time
                    moment = watch.see(frame.image, last)
                    frames += 1
                    for event in () if moment is None else moment.events:
                        log.add(event)
                        events += 1
                    passed = (time.monotonic() - begin) / 60
                    if settled is None and passed >= SETTLED:
                        settled = resident_megabytes()
                    if passed >= minutes * (told + 1) / ROWS:
                        told += 1
                        now = resident_megabytes()
                        row = {
                            "what": f"minute {passed:.1f}", "frames": frames, "rounds": rounds,
                            "people": len(watch.people.people), "events": events, "MB": now,
                        }  # fmt: skip
                        yield row if settled is None else row | {"growth %": 100 * (now / settled - 1)}
                    if told == ROWS:
                        return
            if frames == before:
                raise DataError(f"{video} has no frame")
            offset, rounds = last + 1.0, rounds + 1


def resident_megabytes() -> float:
    """Memory of this process now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1e3
    raise DataError("the system does not say how much memory a process has")
