"""Which Kinect bodies of a recording are people: denoising, stitching and selection.

The field's rules, as in PYSKL and CTR-GCN's scripts: among several bodies, those seen in 11 frames or less
and those that are wider than 0.8 of their height in 69.754 % of their frames are noise; the two with most
motion are kept. Motion is the summed variance of the coordinates. One rule is added before those: a body
whose id changes is joined again, so that a person who flickers is not dropped piece by piece.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skelact.errors import counted

MIN_FRAMES = 12
MAX_WIDTH = 0.8  # of the height
MAX_WIDE_SHARE = 0.69754
STITCH_DISTANCE = 0.5  # metres, plus
STITCH_SPEED = 2.0  # metres a second of the gap
_FPS = 30.0


@dataclass(frozen=True)
class BodyReport:
    """What became of the bodies of one recording.

    Args:
        name: of the recording.
        n_frames: frames of the file.
        n_bodies: different body ids in it.
        empty_frames: frames without any body.
        kept: ids of the people kept.
        dropped: (body id, reason) of the others.
        stitched: (body id, id of the person it was joined to).
        nan_joints: joints that were NaN and are now missing.
        zero_joints: tracked joints at exactly the origin, now missing.
    """

    name: str = ""
    n_frames: int = 0
    n_bodies: int = 0
    empty_frames: int = 0
    kept: tuple[int, ...] = ()
    dropped: tuple[tuple[int, str], ...] = ()
    stitched: tuple[tuple[int, int], ...] = ()
    nan_joints: int = 0
    zero_joints: int = 0

    def with_counts(self, name: str, n_frames: int, nan_joints: int, zero_joints: int) -> BodyReport:
        """The report with what the caller knows filled in."""
        return replace(
            self,
            name=name,
            n_frames=n_frames,
            empty_frames=n_frames - self.empty_frames,
            nan_joints=nan_joints,
            zero_joints=zero_joints,
        )

    def notes(self) -> list[str]:
        """What was dropped or mended, in plain words; empty if nothing was."""
        lines = [f"body {i} dropped: {reason}" for i, reason in self.dropped]
        lines += [f"body {i} continues person {onto}" for i, onto in self.stitched]
        for count, text in (
            (self.empty_frames, ("frame has no body", "frames have no body")),
            (self.nan_joints, ("joint was NaN and is marked missing", "joints were NaN and are marked missing")),
            (self.zero_joints, ("joint lay exactly at the origin and is marked missing",
                                "joints lay exactly at the origin and are marked missing")),
        ):  # fmt: skip
            if count:
                lines.append(counted(count, *text))
        return lines


def motion(xyz: np.ndarray) -> float:
    """Summed variance of the coordinates of ``xyz [T, V, 3]``."""
    return float(xyz.reshape(-1, 3).var(0, dtype=np.float64).sum())


def wide_frames(xyz: np.ndarray) -> np.ndarray:
    """``[T]`` whether the body of ``xyz [T, V, 3]`` is wider than 0.8 of its height."""
    low, high = xyz.min(1), xyz.max(1)
    return (high[:, 0] - low[:, 0]) > MAX_WIDTH * (high[:, 1] - low[:, 1])


def select_people(
    frame: np.ndarray,
    body_id: np.ndarray,
    xyz: np.ndarray,
    score: np.ndarray,
    max_people: int | None = 2,
    denoise: bool = True,
    stitch: bool = True,
) -> tuple[list[tuple[int, np.ndarray]], BodyReport]:
    """Choose the people among the bodies of a recording.

    Args:
        frame: ``[B]`` frame of each body.
        body_id: ``[B]``.
        xyz: ``[B, V, 3]`` in metres, V >= 1; joint 0 is the base of the spine.
        score: ``[B, V]``, 0 = missing.
        max_people: the most people kept (those with most motion), None for all.
        denoise: apply the length and the width rule where there is more than one body. One body is
            always left: if all are noise, the one with most motion stays.
        stitch: join bodies that follow one another.

    Returns:
        (id, rows) of each person in order of appearance, and the report; its ``empty_frames`` holds the
        number of frames *with* a body until `BodyReport.with_counts` is called.
    """
    bodies: dict[int, np.ndarray] = {}
    dropped: list[tuple[int, str]] = []
    if len(body_id) and (body_id == body_id[0]).all():
        bodies[int(body_id[0])] = np.arange(len(body_id))
    else:
        ids, first = np.unique(body_id, return_index=True)
        for i in ids[np.argsort(first, kind="stable")]:
            bodies[int(i)] = np.flatnonzero(body_id == i)
    n_bodies = len(bodies)
    for i, rows in bodies.items():
        repeated = np.flatnonzero(np.diff(frame[rows], prepend=-1) == 0)
        if len(repeated):
            bodies[i] = np.delete(rows, repeated)
            dropped.append((i, f"{len(repeated)} doubles of it within one frame"))
    stitched: list[tuple[int, int]] = []
    if len(bodies) > 1 and stitch:
        bodies, stitched = _stitch(bodies, frame, xyz, score)
    if len(bodies) > 1:
        moved = {i: motion(xyz[rows]) for i, rows in bodies.items()}
        if denoise:
            dropped += _denoise(bodies, xyz, moved)
        if max_people is not None and len(bodies) > max_people:
            order = sorted(bodies, key=lambda i: -moved[i])
            for i in order[max_people:]:
                dropped.append((i, f"{max_people} others move more (motion {moved[i]:.3f})"))
                del bodies[i]
    people = list(bodies.items())
    covered = len(np.unique(frame))
    report = BodyReport(
        n_bodies=n_bodies,
        empty_frames=covered,
        kept=tuple(bodies),
        dropped=tuple(dropped),
        stitched=tuple(stitched),
    )
    return people, report


def _stitch(
    bodies: dict[int, np.ndarray], frame: np.ndarray, xyz: np.ndarray, score: np.ndarray
) -> tuple[dict[int, np.ndarray], list[tuple[int, int]]]:
    """Join each body to the nearest person who was last seen before it began."""
    people: dict[int, list[np.ndarray]] = {}
    stitched = []

    def middle(row: int) -> np.ndarray:
        seen = score[row] > 0
        return xyz[row, seen].mean(0) if seen.any() else np.full(3, np.inf)

    for i, rows in bodies.items():
        best, nearest = None, np.inf
        for person, pieces in people.items():
            last = pieces[-1][-1]
            gap = (frame[rows[0]] - frame[last]) / _FPS
            if gap <= 0:
                continue
            with np.errstate(invalid="ignore"):
                distance = float(np.linalg.norm(middle(rows[0]) - middle(last)))
            if distance <= STITCH_DISTANCE + STITCH_SPEED * gap and distance < nearest:
                best, nearest = person, distance
        if best is None:
            people[i] = [rows]
        else:
            people[best].append(rows)
            stitched.append((i, best))
    return {i: np.concatenate(pieces) for i, pieces in people.items()}, stitched


def _denoise(
    bodies: dict[int, np.ndarray], xyz: np.ndarray, moved: dict[int, float]
) -> list[tuple[int, str]]:
    """Remove noise from ``bodies`` in place, least moving first; lower ``moved`` to plausible frames."""
    dropped = []
    for i in sorted(bodies, key=lambda i: moved[i]):
        if len(bodies) == 1:
            break
        if len(bodies[i]) < MIN_FRAMES:
            dropped.append((i, f"seen in {len(bodies[i])} frames only (fewer than {MIN_FRAMES})"))
            del bodies[i]
    for i in sorted(bodies, key=lambda i: moved[i]):
        if len(bodies) == 1:
            break
        wide = wide_frames(xyz[bodies[i]])
        if wide.mean() >= MAX_WIDE_SHARE:
            dropped.append((i, f"too wide for a person in {wide.mean():.0%} of its frames"))
            del bodies[i]
        elif wide.any():
            moved[i] = min(moved[i], motion(xyz[bodies[i]][~wide]))
    return dropped
