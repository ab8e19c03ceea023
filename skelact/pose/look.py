"""An estimator looks at the frames of one video: how it is asked to, and what it saw."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DataError
from skelact.io.video import Video, open_video
from skelact.layouts import SkeletonLayout, get_layout
from skelact.pose.estimator import Detection, PoseEstimator
from skelact.pose.estimators import find_estimator

logger = logging.getLogger(__name__)

SMALLEST = 32  # pixels high and wide in which somebody might be found
Progress = Callable[[int, int, str], None]
Source = str | PathLike[str] | int


@dataclass(frozen=True)
class Look:
    """How a video is looked at; can be sent to another process.

    Args:
        estimator, people, parts, options, pose_layout: see `skelact.pose.extract.extract_video`.
        coordinates: that the estimator is asked for.
        reading: options of `skelact.io.video.open_video`.
    """

    estimator: str
    people: str
    parts: str
    coordinates: str
    options: Mapping[str, Any] = field(default_factory=dict)
    pose_layout: str | SkeletonLayout | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> PoseEstimator:
        """The estimator."""
        kind = find_estimator(self.estimator, pose_layout=self.pose_layout)
        return kind.make(self.people, parts=self.parts, coordinates=self.coordinates, **self.options)


@dataclass(frozen=True)
class Facts:
    """Of a video and of what looked at it: what a recording of it must know."""

    fps: float
    width: int
    height: int
    warnings: tuple[str, ...]
    layout: SkeletonLayout
    unit: str
    origin: str

    @classmethod
    def of(cls, video: Video, finder: PoseEstimator) -> Facts:
        """Those of an open video, after its frames were read."""
        origin = getattr(finder, "origin", "hips") if finder.unit == "m" else "camera"
        size = (video.width, video.height)
        warnings = (*video.warnings, *getattr(finder, "warnings", ()))
        return cls(video.fps, *size, warnings, get_layout(finder.layout), finder.unit, origin)


@dataclass(frozen=True)
class Seen:
    """Who is in every frame of a video.

    Args:
        found: per frame.
        times: ``[T]`` seconds.
        facts: of the video.
    """

    found: Sequence[list[Detection]]
    times: np.ndarray
    facts: Facts


Looker = Callable[[Source, Look, float | None, float | None, Progress | None], Seen]


def look_at(
    source: Source,
    look: Look,
    start: float | None = None,
    end: float | None = None,
    progress: Progress | None = None,
) -> Seen:
    """Look at a video from beginning to end.

    Args:
        source: a path, a camera number or a stream address.
        look: how.
        start, end: seconds to begin at and to stop before.
        progress: called with (frames done, frames expected, what).

    Raises:
        DataError: if it is not a video that can be read.
        DependencyError: if a model file or a system library is missing.
    """
    return look_with(look.make, source, start, end, look.reading, progress)


def look_with(
    make: Callable[[], PoseEstimator],
    source: Source,
    start: float | None,
    end: float | None,
    reading: Mapping[str, Any],
    progress: Progress | None,
    close: bool = True,
) -> Seen:
    """Look at a video with the estimator that ``make`` gives, and close it afterwards, unless it is not to be."""
    with open_video(source, start=start, end=end, **reading) as video:
        check_size(video)
        finder = make()
        try:
            found, times = _run(video, finder, end, progress)
        finally:
            if close:
                finder.close()
        for text in getattr(finder, "warnings", ()):
            logger.warning("%s: %s", video.name, text)
        return Seen(found, times, Facts.of(video, finder))


def check_size(video: Video) -> None:
    """Refuse pictures that are too small to find anybody in.

    Raises:
        DataError: it says how large they must be.
    """
    if min(video.width, video.height) < SMALLEST:
        raise DataError(
            f"{video.name} has pictures of {video.width}x{video.height} pixels, too small to find anybody in; give the "
            f"video in its own size, at least {SMALLEST} pixels high and wide"
        )


def _run(
    video: Video, finder: PoseEstimator, end: float | None, progress: Progress | None
) -> tuple[list[list[Detection]], np.ndarray]:
    found: list[list[Detection]] = []
    times: list[float] = []
    total = video.n_frames_estimate or 0
    if end is not None:
        total = min(total, round(end * video.fps)) if total else round(end * video.fps)
    try:
        for frame in video:
            found.append(finder.estimate(frame.image, frame.time))
            times.append(frame.time)
            if progress is not None:
                progress(len(times), max(total, len(times)), Path(video.name).name)
    except KeyboardInterrupt:
        if not (video.live and times):  # stopping a camera by hand keeps what was seen
            raise
    return found, np.array(times)
