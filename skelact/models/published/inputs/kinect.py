"""Kinect's bodies as CTR-GCN's and PYSKL's scripts see them: tracks by id, and which of them are noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.errors import DataError
from skelact.io.ntu_bodies import MAX_WIDE_SHARE, MIN_FRAMES, wide_frames
from skelact.io.original import Bodies


@dataclass(eq=False)
class Track:
    """One body. Its frames lie without a gap from the first on, also where the sensor lost it between.

    Args:
        start: its first frame among those that show anybody.
        xyz: ``[T, 25, 3]`` float32.
        motion: summed variance of its coordinates.
    """

    start: int
    xyz: np.ndarray
    motion: float

    @property
    def end(self) -> int:
        """The frame after its last."""
        return self.start + len(self.xyz)


def find_tracks(bodies: Bodies) -> tuple[int, list[Track]]:
    """How many frames show anybody, and the bodies in order of appearance.

    Raises:
        DataError: if nobody is in any frame.
    """
    shown, frame = np.unique(bodies.frame, return_inverse=True)
    if not len(shown):
        raise DataError("nobody is in any frame of the recording")
    tracks = []
    for k in range(int(bodies.body.max()) + 1):
        rows = np.flatnonzero(bodies.body == k)
        xyz = bodies.values[rows]
        tracks.append(Track(int(frame[rows[0]]), xyz, _motion(xyz)))
    return len(shown), tracks


def _motion(xyz: np.ndarray) -> float:
    return float(np.sum(np.var(xyz.reshape(-1, 3), axis=0)))  # in single precision, as the scripts do


def keep_long(tracks: list[Track]) -> list[Track]:
    """Those in 12 frames or more.

    Raises:
        DataError: if none is.
    """
    kept = [t for t in tracks if len(t.xyz) >= MIN_FRAMES]
    if not kept:
        raise DataError(f"no body is in {MIN_FRAMES} frames or more; the release drops such a recording")
    return kept


def drop_wide(tracks: list[Track], stop_at_one: bool) -> list[Track]:
    """Those that are not too wide in most frames; the motion of the others counts plausible frames only.

    Args:
        tracks: in the script's order.
        stop_at_one: leave the last one alone, as CTR-GCN's script does.

    Raises:
        DataError: if none is left.
    """
    kept = list(tracks)
    for track in tracks:
        if stop_at_one and len(kept) == 1:
            break
        wide = wide_frames(track.xyz)
        if not wide.any():
            continue
        if wide.sum() / len(wide) >= MAX_WIDE_SHARE:
            kept.remove(track)
        else:
            track.motion = min(track.motion, _motion(track.xyz[~wide]))
    if not kept:
        raise DataError("every body is too wide for a person; the release drops such a recording")
    return kept
