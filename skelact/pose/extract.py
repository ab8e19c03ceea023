"""One video to skeletons; `skelact.pose.extract_many` does many."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import ConfigError, DataError, choices
from skelact.io.addresses import public_name, short_name
from skelact.io.video import is_live, open_video
from skelact.io.video_frames import frame_times
from skelact.layouts import SkeletonLayout, get_layout
from skelact.pose.assemble import as_skeleton
from skelact.pose.camera import check_fov
from skelact.pose.choose import choose_people
from skelact.pose.estimator import PoseEstimator
from skelact.pose.estimators import available_estimator, find_estimator
from skelact.pose.look import Look, Looker, look_at, look_with
from skelact.skeleton import Skeleton

Progress = Callable[[int, int, str], None]
MIN_VISIBILITY = 0.1  # MediaPipe places joints that it does not see, too: outside the picture, behind others
PEOPLE = ("one", "many", "auto", "none")


def check_options(
    people: str = "one",
    parts: str = "pose",
    coordinates: str = "image",
    fov: float | None = None,
    min_visibility: float = MIN_VISIBILITY,
    estimator: str = "auto",
    quality: str = "full",
    min_score: float | None = None,
    pose_layout: str | SkeletonLayout | None = None,
) -> None:
    """Refuse unknown options before any work is done.

    Raises:
        ConfigError: it names what is allowed.
    """
    if people not in PEOPLE:
        raise ConfigError(choices(people, PEOPLE, "people"))
    find_estimator(estimator, parts, coordinates, quality, pose_layout)
    if fov is not None:
        check_fov(fov)
    for name, value in (("min_visibility", min_visibility), ("min_score", min_score)):
        if value is not None and not 0 <= value <= 1:
            raise ConfigError(f"{name} must lie in 0..1, got {value}")


def extract(
    source: str | PathLike[str] | int,
    *,
    people: str = "auto",
    parts: str = "pose",
    coordinates: str = "camera",
    fov: float | None = None,
    min_visibility: float = MIN_VISIBILITY,
    smooth: bool = True,
    seconds: float | None = None,
    start: float | None = None,
    estimator: PoseEstimator | str = "auto",
    quality: str = "full",
    min_score: float | None = None,
    pose_layout: str | SkeletonLayout | None = None,
    progress: Progress | None = None,
    look: Looker | None = None,
    **options: Any,
) -> Skeleton:
    """Turn one video into the skeletons of the people in it.

    Args:
        source: a path, a camera number or a stream address.
        people: ``one`` (the most prominent person, fast), ``many`` (each with an identity), ``auto``:
            everybody, too, where the estimator sees several people at once; for MediaPipe alone a few frames are
            searched first, and live sources are taken for one person; or ``none``: nobody is
            looked for, the recording says how long the video is.
        parts: ``pose`` (layout ``pose33``) or ``pose+hands`` (``pose_hands75``).
        coordinates: ``camera`` (metres from the camera, so that the trajectory is in them), ``world``
            (metres, origin between each person's hips) or ``image`` (x, y as fractions of width and height,
            z in picture widths).
        fov: for ``camera``, the horizontal field of view in degrees; None: `ASSUMED_FOV`, and the recording's
            info says so. What is wrong by a factor makes depths wrong by about the same factor.
        min_visibility: joints below this visibility are missing.
        smooth: One-Euro smoothing of every landmark, and of the trajectory.
        seconds: stop after this time; live sources end only so, or by an interrupt.
        start: seconds to begin at.
        estimator: a name of `skelact.pose.estimators.ESTIMATORS`, the path of an ``.onnx`` file, or an estimator,
            which is not closed here.
        quality: ``lite``, ``full`` or ``heavy``: of the estimators that have them, from fast to exact.
        min_score: people found less surely are left out, 0..1; None: what the estimator's author chose.
        pose_layout: layout of the joints of an ``.onnx`` file.
        progress: called with (frames done, frames expected, what).
        look: lets a named estimator look at the frames; None: frame by frame, see `skelact.pose.long_video` for
            another way.
        options: for the estimator (``pose_model``, ``hand_model``, ``model``: files), and ``fps`` and
            ``threads`` for the video.

    Returns:
        ``xyz [M, T, V, 3]`` with score 0 where a person is not there, the same joints in the picture beside
        metres, the video's own timestamps, track ids; M is 0 if nobody was found.

    Raises:
        DataError: if it is not a video that can be read.
        ConfigError: for an unknown option.
        DependencyError: if a model file or a system library is missing.
    """
    named = estimator if isinstance(estimator, str) else ""
    check_options(
        people, parts, coordinates, fov, min_visibility, named or "auto", quality, min_score, pose_layout
    )
    reading = {k: options.pop(k) for k in ("fps", "threads", "timeout") if k in options}
    if named and people != "none":
        estimator = named = available_estimator(named, **options)
        options |= {} if min_score is None else {"min_score": min_score}
        if len(find_estimator(named, pose_layout=pose_layout).qualities) > 1:
            options["quality"] = quality
        if people == "auto":  # the others see several people at the price of one
            people = choose_people(source, start, **reading, **options) if named == "mediapipe" else "many"
    end = None if seconds is None else (start or 0.0) + seconds
    if people == "none":
        layout = get_layout(find_estimator(named or "auto", pose_layout=pose_layout).layouts[parts])
        return _without_people(source, layout, coordinates, start or 0.0, end, reading)
    if isinstance(estimator, str):
        kind = find_estimator(estimator, pose_layout=pose_layout)
        given = coordinates if coordinates in kind.coordinates else "world"
        how = Look(estimator, people, parts, given, options, pose_layout, reading)
        seen = (look or look_at)(source, how, start, end, progress)
    else:
        own = estimator
        seen = look_with(lambda: own, source, start, end, reading, progress, close=False)
    about = {
        "people": people,
        "estimator": Path(named).name if named else type(estimator).__name__,
        "smooth": smooth,
        "min_visibility": min_visibility,
    }
    return as_skeleton(seen, source, about, coordinates, fov)


extract_video = extract  # its name where `extract` alone would say too little


def _without_people(
    source: str | PathLike[str] | int, layout: SkeletonLayout, coordinates: str, start: float, end: float | None,
    reading: dict[str, Any],
) -> Skeleton:  # fmt: skip
    """A recording of a video's length that shows nobody."""
    if is_live(source):
        raise ConfigError("people 'none' needs a video file, not a camera or an address")
    with open_video(source, **reading) as video:
        info = {"source": public_name(source), "width": video.width, "height": video.height, "people": "none"}
        fps = video.fps
    times = frame_times(str(source))
    times = times[(times >= start) & (times < (np.inf if end is None else end))]
    if not len(times):
        raise DataError(f"{public_name(source)} has no frame from {start} s on; choose an earlier start")
    xyz, picture = np.zeros((0, len(times), len(layout), 3)), np.zeros((0, len(times), len(layout), 2))
    metres = coordinates != "image"
    return Skeleton(
        xyz, None, layout, fps, "m" if metres else "image", id=short_name(source), info=info, time=times,
        origin="hips" if coordinates == "world" else "camera", picture=picture if metres else None,
    )  # fmt: skip
