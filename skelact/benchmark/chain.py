"""Live watching as a whole, on a video that comes at a camera's pace: rate, delay, our own share, memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelact.benchmark.scale import peak_megabytes
from skelact.errors import ConfigError, DataError
from skelact.io.video import open_video
from skelact.monitor.actions import LiveActions
from skelact.monitor.watch import Watch
from skelact.pose.estimator import follow_live
from skelact.pose.estimators import available_estimator, find_estimator
from skelact.recognition import Recogniser
from skelact.recognition.everyday import everyday_for

SIZE = (640, 480)
MOST_FRAMES = 120  # of the video, which go to and fro
WARM_UP = 2.0  # seconds that do not count: models are loaded, people are found


@dataclass
class _Camera:
    delays: list[float] = field(default_factory=list)
    looked: list[float] = field(default_factory=list)
    decided: list[float] = field(default_factory=list)
    passed_over: int = 0
    error: Exception | None = None


def measure_chain(
    video: str | PathLike[str],
    cameras: int = 1,
    fps: float = 30.0,
    seconds: float = 20.0,
    estimator: str = "auto",
) -> dict[str, Any]:
    """Watch a video as so many cameras would give it: pose, tracks, actions, falls.

    A frame that comes while the one before is looked at waits; of several that wait, the newest is taken, as of a
    live source.

    Args:
        video: with people; made 640×480.
        cameras: that give it at once, each with its own estimator, in a thread of its own.
        fps: of each.
        seconds: measured, after two for warming up.
        estimator: who looks for people.

    Returns:
        ``frames/s`` of each camera, ``passed over %``, milliseconds from a frame to the decision (median and 95th
        percentile), milliseconds of looking for people and of all the rest, the rest's share of one core, cores in use
        and the peak of memory, without the video's own frames.

    Raises:
        ConfigError: for an estimator that is not there, or senseless numbers.
        DataError: if the video cannot be read.
    """
    if cameras < 1 or not fps > 0 or not seconds > 0:
        raise ConfigError(f"cameras, fps and seconds must be above 0, got {cameras}, {fps} and {seconds}")
    images = _load(video)
    name = available_estimator(estimator)
    kind = find_estimator(name)
    unit = "image" if name == "movenet" else "world"
    recogniser = Recogniser(everyday_for(2 if unit == "image" else 3), "cpu")
    found = [_Camera() for _ in range(cameras)]
    stop = threading.Event()

    def run(one: _Camera) -> None:
        try:
            with closing(kind.make("many", coordinates=unit)) as finder:
                follow_live(finder)
                _watch(Watch("camera", finder, SIZE, LiveActions(recogniser)), images, fps, one, stop)
        except Exception as error:  # told below
            one.error = error

    threads = [threading.Thread(target=run, args=(one,), daemon=True) for one in found]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP)
    for one in found:
        for values in (one.delays, one.looked, one.decided):
            values.clear()
        one.passed_over = 0
    begin, used = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    wall, used = time.perf_counter() - begin, time.process_time() - used
    stop.set()
    for thread in threads:
        thread.join()
    for one in found:
        if one.error is not None:
            raise one.error
    figures = _figures(found, wall, used)
    figures["peak MB"] -= sum(image.nbytes for image in images) / 1e6
    return {"what": f"{Path(video).name}, {cameras} at {fps:g} fps, {name}", **figures}


def _watch(
    watch: Watch, images: Sequence[np.ndarray], fps: float, one: _Camera, stop: threading.Event
) -> None:
    begin, number = time.perf_counter(), -1
    turn = max(1, 2 * len(images) - 2)
    while not stop.is_set():
        now = time.perf_counter() - begin
        newest = int(now * fps)
        if newest == number:
            time.sleep((newest + 1) / fps - now)
            continue
        one.passed_over += newest - number - 1
        number = newest
        place = number % turn
        moment = watch.see(images[min(place, turn - place)], number / fps)
        if moment is not None:
            one.delays.append(time.perf_counter() - begin - number / fps)
            one.looked.append(moment.looked)
            one.decided.append(moment.decided)


def _figures(found: Sequence[_Camera], wall: float, used: float) -> dict[str, Any]:
    delays, looked, decided = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("delays", "looked", "decided")
    )
    if not len(delays):
        raise DataError("no frame was looked at in time; measure for longer (--seconds)")
    passed = sum(one.passed_over for one in found)
    return {
        "frames/s": len(delays) / wall / len(found),
        "passed over %": 100 * passed / (passed + len(delays)),
        "ms to decision": 1e3 * float(np.median(delays)),
        "ms, 95 %": 1e3 * float(np.quantile(delays, 0.95)),
        "ms looking": 1e3 * float(np.mean(looked)),
        "ms the rest": 1e3 * float(np.mean(decided)),
        "the rest, % of a core": 100 * float(decided.sum()) / wall,
        "cores": used / wall,
        "peak MB": peak_megabytes(),
    }


def _load(video: str | PathLike[str]) -> list[np.ndarray]:
    import cv2

    images = []
    with open_video(video) as opened:
        for frame in opened:
            images.append(cv2.resize(frame.image, SIZE))
            if len(images) == MOST_FRAMES:
                break
    if not images:
        raise DataError(f"{video} has no frame")
    return images
