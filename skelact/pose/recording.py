"""Frames that are in memory already, from a camera, as a recording of one person with hands."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np

from skelact.layouts import get_layout
from skelact.pose.assemble import as_skeleton
from skelact.pose.estimators import available_estimator, find_estimator
from skelact.pose.extract import MIN_VISIBILITY
from skelact.pose.look import Facts, Seen
from skelact.skeleton import Skeleton


def record(
    frames: Sequence[tuple[float, np.ndarray]],
    name: str,
    estimator: str = "auto",
    quality: str = "full",
    fov: float | None = None,
) -> Skeleton:
    """Look for one person and both hands.

    Args:
        frames: (seconds, picture ``[H, W, 3]`` uint8 RGB), times increasing.
        name: of the recording.
        estimator: of `skelact.pose.estimators.ESTIMATORS`, one that sees hands.
        quality: ``lite``, ``full`` or ``heavy``.
        fov: the camera's horizontal field of view in degrees; None: as for `extract_video`.

    Returns:
        metres from the camera, layout ``pose_hands75``; no person if nobody was found.
    """
    kind = find_estimator(available_estimator(estimator), "pose+hands", "camera", quality)
    times = np.array([time for time, _ in frames], np.float64)
    with closing(kind.make("one", parts="pose+hands", coordinates="world", quality=quality)) as finder:
        found = [finder.estimate(np.ascontiguousarray(image), float(time)) for time, image in frames]
        height, width = frames[0][1].shape[:2]
        fps = float(1 / np.median(np.diff(times))) if len(times) > 1 else 30.0
        facts = Facts(
            fps, width, height, (), get_layout(finder.layout), finder.unit, getattr(finder, "origin", "hips")
        )
        about = {"people": "one", "estimator": estimator, "smooth": True, "min_visibility": MIN_VISIBILITY}
        return as_skeleton(Seen(found, times, facts), name, about, "camera", fov)
