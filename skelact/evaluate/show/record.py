"""A recording as a page holds it: rounded positions and what is drawn with them, as plain containers."""

from __future__ import annotations

import base64
from itertools import groupby
from typing import Any

import numpy as np

from skelact.datasets.signing.utterance import seconds_of
from skelact.errors import DataError
from skelact.evaluate.palette import PEOPLE, action_colours, person_colour
from skelact.evaluate.view import PICTURE_UNITS, is_fine, view_axes
from skelact.skeleton import Skeleton

MAX_BYTES = 32 << 20  # of one page; browsers on phones take so much without trouble
_STEPS = 32767  # positions are rounded to whole steps of 1/65534 of the recording's longest side
_SCORES = 255


def page_bytes(skeleton: Skeleton) -> int:
    """About how many bytes of a page a recording takes."""
    people, frames, joints, dims = skeleton.xyz.shape
    times = 0 if skeleton.time is None else 4 * frames
    return (people * frames * joints * (2 * dims + 1) + times) * 4 // 3


def check_size(skeletons: list[Skeleton]) -> None:
    """Refuse what is too much for one page.

    Raises:
        DataError: naming the largest recording and what to do.
    """
    total = sum(map(page_bytes, skeletons))
    if total <= MAX_BYTES:
        return
    largest = max(skeletons, key=page_bytes)
    raise DataError(
        f"{len(skeletons)} recordings take {total / 2**20:.0f} MiB, and a page holds {MAX_BYTES >> 20}; the largest is "
        f"'{largest.id}' ({largest.duration:.0f} s, {largest.n_people} people, {page_bytes(largest) / 2**20:.0f} MiB): "
        "show a part with --start SECONDS --seconds SECONDS, or fewer clips with --clip or --most"
    )


def packed_recording(skeleton: Skeleton) -> dict[str, Any]:
    """What the page needs of one recording, for JSON.

    Positions are upright (right, up, towards the viewer) and rounded to ``step``, so that they are off by at most
    ``step / 2`` = 1/131,068 of the recording's longest side: 0.04 mm in 5 m. Scores are rounded up to 1/255; those
    above 0 stay above 0.

    Raises:
        DataError: if it has no frame, or no joint that is there.
    """
    there = skeleton.score > 0
    if not there.any():
        raise DataError(
            f"there is nobody to show in '{skeleton.id}': it has {skeleton.n_frames} frames and no joint that is not "
            "missing"
        )
    axes = view_axes(skeleton)
    xyz = skeleton.xyz * axes
    seen = xyz[there]
    low, high = seen.min(0), seen.max(0)
    centre, step = (low + high) / 2, max(float((high - low).max()), 1e-6) / (2 * _STEPS)
    whole = np.where(there[..., None], np.round((xyz - centre) / step), 0).clip(-_STEPS, _STEPS)
    times = None if skeleton.time is None else _base64(seconds_of(skeleton), "<f4")
    tracks = skeleton.track_ids
    named = max(tracks) < 1000  # sensors' ids can have 17 digits
    by_track = named and len({track % len(PEOPLE) for track in tracks}) == len(tracks)
    return {
        "id": skeleton.id,
        "label": skeleton.label,
        "layout": skeleton.layout.name,
        "unit": skeleton.unit,
        "flat": xyz.shape[-1] == 2,
        "picture": skeleton.unit in PICTURE_UNITS,
        "fps": skeleton.fps,
        "duration": skeleton.duration,
        "shape": list(xyz.shape),
        "people": [str(track) if named else str(m + 1) for m, track in enumerate(tracks)],
        "colours": [person_colour(track if by_track else m) for m, track in enumerate(tracks)],
        "joints": [name.replace("_", " ") for name in skeleton.layout.joints],
        "edges": [list(edge) for edge in skeleton.layout.edges],
        "sides": [_side(name) for name in skeleton.layout.joints],
        "fine": [is_fine(name) for name in skeleton.layout.joints],
        "axes": axes.tolist(),
        "centre": centre.tolist(),
        "step": step,
        "positions": _base64(whole, "<i2"),
        "scores": _base64(np.ceil(skeleton.score * _SCORES), "u1"),
        "times": times,
        "labels": _frame_labels(skeleton),
        **_extent(xyz, there),
    }


def _side(joint: str) -> int:
    return 0 if joint.startswith("left_") else 1 if joint.startswith("right_") else 2


def _base64(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def _extent(xyz: np.ndarray, there: np.ndarray) -> dict[str, Any]:
    """Where people are, but for the farthest half per cent of joints; their floor, size and first place."""
    seen = xyz[there]
    low, high = np.percentile(seen, 0.5, axis=0), np.percentile(seen, 99.5, axis=0)
    up = np.where(there, xyz[..., 1], np.nan)
    shown = there.any(-1)
    feet, tops = np.nanmin(up[shown], axis=-1), np.nanmax(up[shown], axis=-1)
    first = np.argwhere(shown.T)[0][::-1]  # (person, frame) of the first pose
    start = xyz[tuple(first)][there[tuple(first)]].mean(0)
    return {
        "low": low.tolist(),
        "high": high.tolist(),
        "floor": float(np.percentile(feet, 5)),
        "size": float(max(np.percentile(tops - feet, 90), 1e-6)),
        "start": start.tolist(),
        "first": int(first[1]),
    }


def _frame_labels(skeleton: Skeleton) -> dict[str, Any] | None:
    """Runs of equal labels: (first frame, number of frames, index into the names)."""
    if skeleton.frame_labels is None:
        return None
    colours = action_colours(sorted(set(skeleton.frame_labels)))
    place = {name: k for k, name in enumerate(colours)}
    runs, at = [], 0
    for name, run in groupby(skeleton.frame_labels):
        n = sum(1 for _ in run)
        runs.append([at, n, place[name]])
        at += n
    return {"names": list(colours), "colours": list(colours.values()), "runs": runs}
