"""Who is found in videos: shares of frames, identities and rate of every estimator, video by video."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DependencyError
from skelact.io.video_open import videos_in
from skelact.layouts import get_layout
from skelact.pose.estimator import Detection, PoseEstimator
from skelact.pose.estimators import available_estimator, find_estimator
from skelact.pose.extract import extract_video
from skelact.pose.mediapipe_pose import MediaPipePose
from skelact.pose.movenet import MoveNet
from skelact.skeleton import Skeleton

_MOST = 4  # counts of people from here on share a column


class PlainMoveNet:
    """MoveNet alone, one look at every picture and no identities."""

    layout, unit, follows = get_layout("coco17"), "image", False

    def __init__(self) -> None:
        self._net = MoveNet()

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        """Find people in ``image [H, W, 3]`` uint8 RGB."""
        return self._net.find(image)

    def close(self) -> None:
        """Nothing is held open."""


def _named(name: str, coordinates: str) -> Callable[[], PoseEstimator]:
    return lambda: find_estimator(name).make("many", coordinates=coordinates)


CONTESTANTS: dict[str, Callable[[], PoseEstimator]] = {
    "auto": _named("auto", "world"),
    "movenet": _named("movenet", "image"),
    "mediapipe": _named("mediapipe", "world"),
    "plain MediaPipe": lambda: MediaPipePose(coordinates="world"),
    "plain MoveNet": PlainMoveNet,
}


def measure_people(
    folder: str | PathLike[str], seconds: float | None = None, names: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """Let every estimator look at every video of a folder.

    Args:
        folder: of videos.
        seconds: of each video that are looked at; None: all.
        names: of `CONTESTANTS`; empty: all that can be had.

    Yields:
        per video and estimator: frames, shares of frames with 0, 1, 2, 3 and more people, the share of frames of
        each person, how many identities there are, identity switches (identities beyond the largest number of people
        at once: also people who come one after the other), frames a second.

    Raises:
        DataError: if there is no video.
    """
    videos = videos_in(Path(folder))
    chosen = names or tuple(CONTESTANTS)
    if not names and available_estimator("auto") != "auto":
        chosen = ("mediapipe", "plain MediaPipe")
    for video in videos:
        for name in chosen:
            yield {"what": video.name, "estimator": name, **_look(video, CONTESTANTS[name], seconds)}


def _look(video: Path, make: Callable[[], PoseEstimator], seconds: float | None) -> dict[str, Any]:
    try:
        with closing(make()) as estimator:
            began = time.perf_counter()
            found = extract_video(
                video, estimator=estimator, people="many", coordinates="world", seconds=seconds, threads=1
            )
            took = time.perf_counter() - began
    except DependencyError as error:
        return {"error": str(error)}
    return count_people(found, identities=estimator.follows or len(found.layout) != 17) | {
        "frames/s": round(found.n_frames / took, 1)
    }


def count_people(found: Skeleton, identities: bool = True) -> dict[str, Any]:
    """How many people are in how many frames of a recording, and how often they changed their names."""
    seen = (found.score > 0).any(-1)  # [M, T]
    n_people = seen.sum(0)
    row: dict[str, Any] = {"frames": found.n_frames}
    for n in range(_MOST):
        row[f"{n} people"] = round(float((n_people == n).mean()), 3)
    row[f"{_MOST} or more"] = round(float((n_people >= _MOST).mean()), 3)
    if identities:
        row["each"] = " ".join(f"{share:.2f}" for share in seen.mean(1)[:12])
        row["ids"] = found.n_people
        row["switches"] = found.n_people - int(n_people.max(initial=0))
    return row
