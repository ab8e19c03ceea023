"""Keypoints followed through a video, and what is seen along them.

Corners (Shi and Tomasi, CVPR 1994) are followed by Lucas and Kanade's method (Tomasi and Kanade, 1991: "KLT"), and
HOG, HOF and MBH are summed in cells that move along, with the track's own shape beside them (Matikainen et al., ICCV
workshops 2009; Wang et al., IJCV 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.errors import DataError

STILL = 1.0  # pixels: tracks that stay within such a deviation show nothing
JUMP = 0.7  # of a track's whole length: one step that is longer is an error
ASTRAY = 1.0  # pixels between a point and where it is followed back to


@dataclass(frozen=True)
class Track:
    """A keypoint through some frames.

    Args:
        start: its first frame.
        points: ``[length + 1, 2]`` x and y [pixels].
    """

    start: int
    points: np.ndarray

    def shape(self) -> np.ndarray:
        """Its steps over its whole length, ``[2 · length]``: the same at every size and speed."""
        steps = np.diff(self.points, axis=0)
        return (steps / max(float(np.linalg.norm(steps, axis=1).sum()), 1e-9)).ravel()


def track_keypoints(
    frames: np.ndarray, length: int = 15, most: int = 200, quality: float = 0.01, distance: float = 5.0
) -> list[Track]:
    """Follow corners for ``length`` frames each; new ones begin where none is followed.

    A point is given up where following it back does not lead to where it was. Tracks that stand still, or jump, are
    left out.

    Args:
        frames: ``[T, H, W]`` grey, uint8.
        length: frames that a track lasts.
        most: corners that are followed at once.
        quality: least quality of a corner, as a share of the best one's.
        distance: between corners [pixels].

    Raises:
        DataError: for frames of another kind, or no length.
    """
    import cv2

    if frames.ndim != 3 or frames.dtype != np.uint8 or length < 1:
        raise DataError(
            f"keypoints are followed through grey frames [T, H, W] of uint8 for at least 1 frame, got "
            f"{list(frames.shape)} of {frames.dtype} and length={length}"
        )
    done: list[Track] = []
    active: list[tuple[int, list[np.ndarray]]] = []
    for t in range(len(frames) - 1):
        free = np.full(frames.shape[1:], 255, np.uint8)
        for _, points in active:
            x, y = np.round(points[-1]).astype(int)
            cv2.circle(free, (int(x), int(y)), int(distance), 0, -1)
        if len(active) < most:
            new = cv2.goodFeaturesToTrack(frames[t], most - len(active), quality, distance, mask=free)
            active += [(t, [point[0]]) for point in ([] if new is None else new)]
        if not active:
            continue
        here = np.array([points[-1] for _, points in active], np.float32)[:, None]
        there, found, _ = cv2.calcOpticalFlowPyrLK(frames[t], frames[t + 1], here, here.copy())
        back, returned, _ = cv2.calcOpticalFlowPyrLK(frames[t + 1], frames[t], there, there.copy())
        astray = np.linalg.norm(back - here, axis=(1, 2))
        size = np.array(frames.shape[:0:-1])
        kept = []
        for k, (start, points) in enumerate(active):
            inside = ((there[k, 0] >= 0) & (there[k, 0] < size)).all()
            if not (found[k] and returned[k] and astray[k] <= ASTRAY and inside):
                continue
            points.append(there[k, 0])
            if len(points) <= length:
                kept.append((start, points))
            elif _moves(np.array(points)):
                done.append(Track(start, np.array(points, np.float64)))
        active = kept
    return done


def _moves(points: np.ndarray) -> bool:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return bool(points.std(0).max() > STILL and steps.max() < JUMP * max(steps.sum(), 1e-9))


def track_descriptors(
    maps: np.ndarray, tracks: list[Track], patch: int = 32, cells: tuple[int, int, int] = (3, 2, 2)
) -> np.ndarray:
    """What is seen along tracks: sums of maps in cells that move along, each descriptor of length 1 (L2).

    Args:
        maps: ``[B, T, H, W]`` from `skelact.nn.cells`.
        tracks: of the same frames.
        patch: side of the neighbourhood [pixels]; outside the picture is nothing.
        cells: in frames, rows and columns.

    Returns:
        ``[tracks, B · cells]``, as `skelact.nn.cells.cell_descriptors` gives them.

    Raises:
        DataError: for tracks that are shorter than their cells, or end after the maps.
    """
    n_bins, n_frames = maps.shape[:2]
    ct, ch, cw = cells
    found = np.zeros((len(tracks), ct * ch * cw * n_bins))
    half = patch // 2
    padded = np.pad(maps, ((0, 0), (0, 0), (half, half), (half, half)))
    rows, columns = (np.linspace(0, patch, n + 1).astype(int)[:-1] for n in (ch, cw))
    for k, track in enumerate(tracks):
        length = len(track.points) - 1
        if length < ct or track.start + length > n_frames:
            raise DataError(
                f"a track of {length} frames from frame {track.start} does not fit {ct} cells in time and maps of "
                f"{n_frames} frames"
            )
        seen = np.zeros((length, n_bins, ch, cw))
        for i, (x, y) in enumerate(np.round(track.points[:-1]).astype(int)):
            window = padded[:, track.start + i, y : y + patch, x : x + patch]
            seen[i] = np.add.reduceat(np.add.reduceat(window, rows, 1), columns, 2)
        times = np.linspace(0, length, ct + 1).astype(int)[:-1]
        found[k] = np.add.reduceat(seen, times, 0).swapaxes(0, 1).ravel()
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
