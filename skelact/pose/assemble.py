"""What an estimator saw in the frames of a video becomes a recording of its people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from skelact.io.addresses import public_name, short_name
from skelact.pose.camera import ASSUMED_FOV, place_in_camera
from skelact.pose.estimator import Detection
from skelact.pose.look import Seen, Source
from skelact.pose.smoothing import smooth_track
from skelact.skeleton import Skeleton

_MIN_SECONDS = 0.3  # somebody seen for a shorter time is taken for an error
_BRIDGE_SECONDS = 0.2


def as_skeleton(
    seen: Seen, source: Source, about: Mapping[str, Any], coordinates: str, fov: float | None
) -> Skeleton:
    """A recording of the people, smoothed and placed.

    Args:
        seen: who is in every frame.
        source: the video.
        about: ``people``, ``estimator``, ``smooth`` and ``min_visibility``, which become part of its info.
        coordinates: ``camera``, ``world`` or ``image``.
        fov: horizontal field of view in degrees, for ``camera``; None: `ASSUMED_FOV`.
    """
    facts, times, smooth = seen.facts, seen.times, bool(about["smooth"])
    tracks = _keep_long_runs(seen.found, times, facts.fps)
    info: dict[str, str | int | float] = {
        "source": public_name(source), "width": facts.width, "height": facts.height, "mirrored": False, **about,
    }  # fmt: skip
    if facts.warnings:
        info["warnings"] = "; ".join(facts.warnings)
    size = (facts.width, facts.height)
    xyz, score = _assemble(tracks, len(times), len(facts.layout), 3, _joints)
    xy, _ = _assemble(tracks, len(times), len(facts.layout), 2, _in_picture)
    place = facts.unit == "m" and facts.origin == "hips" and coordinates == "camera"
    if place:
        info |= {"fov": fov or ASSUMED_FOV, "fov_assumed": fov is None}
    for m in range(len(xyz)):
        if smooth:
            xyz[m], xy[m] = (smooth_track(x, score[m], times) for x in (xyz[m], xy[m]))
        if place:
            xyz[m], score[m] = place_in_camera(
                xyz[m], xy[m], score[m], facts.layout, size, fov or ASSUMED_FOV, times, smooth
            )
    score[score < about["min_visibility"]] = 0
    return Skeleton(
        xyz, score, facts.layout, facts.fps, facts.unit, id=short_name(source), info=info, track_ids=sorted(tracks),
        time=times, origin="camera" if place else facts.origin, picture=xy if facts.unit == "m" else None,
    )  # fmt: skip


def _keep_long_runs(
    found: Sequence[list[Detection]], times: np.ndarray, fps: float
) -> dict[int, dict[int, Detection]]:
    """Per track the detections by frame, without runs that are too short to be somebody."""
    tracks: dict[int, dict[int, Detection]] = {}
    for t, people in enumerate(found):
        for m, one in enumerate(people):
            tracks.setdefault(one.track_id if one.track_id is not None else m, {})[t] = one
    kept = {}
    shortest = min(_MIN_SECONDS, 0.5 * (times[-1] - times[0]) if len(times) > 1 else 0.0)
    for track, seen in tracks.items():
        frames = np.array(sorted(seen))
        breaks = np.flatnonzero(np.diff(times[frames]) > max(_BRIDGE_SECONDS, 1.5 / fps))
        good: list[int] = []
        for run in np.split(frames, breaks + 1):
            if times[run[-1]] - times[run[0]] + 1 / fps > shortest:
                good += run.tolist()
        if good:
            kept[track] = {t: seen[t] for t in good}
    return kept


def _joints(one: Detection) -> np.ndarray:
    return one.xyz


def _in_picture(one: Detection) -> np.ndarray:
    return one.xy


def _assemble(
    tracks: Mapping[int, Mapping[int, Detection]],
    n_frames: int,
    n_joints: int,
    dims: int,
    pick: Callable[[Detection], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    xyz = np.zeros((len(tracks), n_frames, n_joints, dims), np.float32)
    score = np.zeros((len(tracks), n_frames, n_joints), np.float32)
    for m, track in enumerate(sorted(tracks)):
        for t, one in tracks[track].items():
            xyz[m, t], score[m, t] = pick(one), one.score
    return xyz, score
