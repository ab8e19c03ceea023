"""Falls as CSV: UP-Fall landmarks (Martínez-Villaseñor et al., 2019) and UR Fall poses (Kępski, 2014)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.reading import Notes, bound_frames, mark_missing
from skelact.io.tables import Table
from skelact.skeleton import Skeleton

UP_FALL_FPS = 18.0  # of the cameras; the files hold 100 sampled frames and do not say
UP_FALL_NAMES: tuple[str, ...] = (
    "falling forward using hands", "falling forward using knees", "falling backward", "falling sideward",
    "falling sitting in empty chair",
)  # fmt: skip
UP_FALL_PHASES: tuple[str, ...] = ("before_impact", "impact")
_UP_NAME = re.compile(r"(?:C(\d)?)?\D?(\d+)_?A_?(\d+)_?T_?(\d+)$")

UR_FALL_FPS = 30.0
UR_FALL_PHASES: tuple[str, ...] = ("not_fall", "falling", "fallen")
_UR_JOINTS = (
    "Nose", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist", "LHip", "RHip", "LKnee",
    "RKnee", "LAnkle", "RAnkle",
)  # fmt: skip


def _codes(texts: list[str], names: tuple[str, ...], lines: list[int], where: str) -> list[str]:
    try:
        return [names[("0", "1", "2")[: len(names)].index(t.removesuffix(".0"))] for t in texts]
    except ValueError:
        for n, t in zip(lines, texts, strict=True):
            if t.removesuffix(".0") not in ("0", "1", "2")[: len(names)]:
                raise DataError(f"{where} line {n}: label '{t}' is not one of 0..{len(names) - 1}") from None
        raise


def read_up_fall(path: str | Path, notes: Notes | None = None) -> Skeleton:
    """Read one UP-Fall trial: 33 MediaPipe landmarks × 3 and a label (1 from the impact on) a frame.

    Args:
        path: the CSV file; camera, subject, activity and trial are taken from its name
            (``SUBJECT2__C1S10A1T2``).
        notes: a line is added for what was mended.

    Returns:
        Layout pose33, unit image, label of the kind of fall, a label per frame; rows as they stand in the file. In the
        published files they stand in the order of the frames' names as text (see `sorted_as_text`), labels were given
        by row, and most lack the fall itself: a line is added to ``notes`` where that is plain to see.

    Raises:
        DataError: if the file is not of this format; the line is named.
    """
    where, stem = str(path), Path(path).stem
    match = _UP_NAME.search(stem)
    if not match or not 1 <= int(match.group(3)) <= len(UP_FALL_NAMES):
        raise DataError(f"{where}: the name must end like C1S10A1T2 with activity A1..A5, got '{stem}'")
    table = Table(path)
    if len(table.header) != 100:
        raise DataError(f"{where} line 1: {len(table.header)} columns; needs 33 × 3 coordinates and a label")
    # The headers differ between files, the order does not: 33 × (x, y, z), then the label.
    xyz = table.numbers(table.header[:-1]).reshape(1, len(table), 33, 3)
    phases = _codes(table.text(table.header[-1]), UP_FALL_PHASES, table.line, where)
    xyz, score = mark_missing(xyz, None, where, notes)
    camera, subject, action, trial = match.groups()
    info = {"subject": int(subject), "action": int(action), "trial": int(trial)}
    if camera:
        info["camera"] = int(camera)
    label = UP_FALL_NAMES[info["action"] - 1]
    frames = sorted_as_text(xyz[0, ..., :2])
    if frames is not None and notes is not None:
        notes.append(
            f"{where}: the rows are not in the order of time but in that of the frames' names as text: 1, 10, 100, "
            f"101, ... ({(frames < 100).sum()} of frames 1 to 99, and 100 to {frames.max()}); the labels follow the "
            "rows"
        )
    return Skeleton(xyz, score, "pose33", UP_FALL_FPS, "image", label, stem, info, frame_labels=phases)


def sorted_as_text(xy: np.ndarray, fewest: int = 150, most: int = 400) -> np.ndarray | None:
    """The frame that each row shows, if the rows are plainly frames 1 to n sorted as text, or the first of these.

    Args:
        xy: one person's joints ``[T, V, 2]`` by row, in shares of the picture.
        fewest, most: frames that the whole recording may have had.

    Returns:
        ``[T]`` from 1 on, for the n with the smallest steps from frame to frame, if they are smaller by a quarter
        (geometric means) than the steps from row to row; None otherwise.
    """
    n_rows = len(xy)
    if n_rows < 20:
        return None
    step = np.log(np.linalg.norm(xy[:, None] - xy[None], axis=-1).mean(-1) + 0.003)
    least, found = step[np.arange(n_rows - 1), np.arange(1, n_rows)].mean() - 0.29, None
    for n in range(fewest, most + 1):
        frames = np.array(sorted(range(1, n + 1), key=str)[:n_rows])
        order = np.argsort(frames)
        mean = step[order[:-1], order[1:]].mean()
        if mean < least:
            least, found = mean, frames
    return found


def iter_ur_fall(path: str | Path, notes: Notes | None = None) -> Iterator[Skeleton]:
    """Read the UR Fall videos of one CSV: video, frame, 13 × (x, y, score), label 0, 1 or 2.

    A frame number that comes again is a second person, or, with the same pose, another label (the
    highest holds). Frames left out of the table are missing, so
    that time stays even; they take the label of the frame before.

    Args:
        path: the CSV file.
        notes: a line is added for what was mended.

    Returns:
        One recording a video: layout urfd13, two coordinates, unit image, a label per frame.

    Raises:
        DataError: if the file is not of this format; the line is named.
    """
    where = str(path)
    table = Table(path)
    data = table.numbers([f"{j}_{c}" for j in _UR_JOINTS for c in "xys"]).reshape(-1, 13, 3)
    frames = table.numbers(["frame"])[:, 0]
    bad = np.flatnonzero(~(frames == np.floor(frames)) | (frames < 0) | (frames > 1e6))
    if len(bad):
        raise DataError(f"{where} line {table.line[bad[0]]}: frame is not a whole number from 0")
    phases = _codes(table.text("label"), UR_FALL_PHASES, table.line, where)
    xy, score = mark_missing(data[..., :2], data[..., 2], where, notes)
    rows: dict[str, list[int]] = {}
    for k, video in enumerate(table.text("video")):
        rows.setdefault(video, []).append(k)
    for video, part in rows.items():
        # Two videos have most frames several times with different labels. The highest holds: with it
        # (but for one frame), they go once from not fallen over falling to fallen, as all others do.
        last: dict[tuple, int] = {}
        for k in part:
            key = (frames[k], xy[k].tobytes())
            if key not in last or UR_FALL_PHASES.index(phases[k]) > UR_FALL_PHASES.index(phases[last[key]]):
                last[key] = k
        if len(last) < len(part) and notes is not None:
            notes.append(
                f"{video}: {len(part) - len(last)} rows repeat a frame with another label; the highest holds"
            )
        yield _ur_video(video, np.array(sorted(last.values())), frames.astype(int), xy, score, phases)


def _ur_video(
    video: str, part: np.ndarray, frames: np.ndarray, xy: np.ndarray, score: np.ndarray, phases: list[str]
) -> Skeleton:
    first, last = frames[part].min(), frames[part].max()
    people: list[dict[int, int]] = []  # frame → row
    for k in part[np.argsort(frames[part], kind="stable")]:
        t = int(frames[k] - first)
        free = [m for m, seen in enumerate(people) if t not in seen]
        if not free:
            people.append({})
            free = [len(people) - 1]
        # nearest to where each person was last seen
        best = min(free, key=lambda m: _distance(people[m], k, xy))
        people[best][t] = int(k)
    n_frames = int(last - first) + 1
    bound_frames(len(people), n_frames, len(part), f"video {video}")
    out = np.zeros((len(people), n_frames, 13, 2), np.float32)
    out_score = np.zeros(out.shape[:3], np.float32)
    labels: list[str | None] = [None] * n_frames
    for m, seen in enumerate(people):
        for t, k in seen.items():
            out[m, t], out_score[m, t] = xy[k], score[k]
            labels[t] = labels[t] or phases[k]
    for t in range(1, n_frames):
        labels[t] = labels[t] or labels[t - 1]
    info = {"video": video, "first_frame": int(first)}
    names = [str(label) for label in labels]
    return Skeleton(out, out_score, "urfd13", UR_FALL_FPS, "image", "fall", video, info, frame_labels=names)


def _distance(seen: dict[int, int], row: int, xy: np.ndarray) -> float:
    if not seen:
        return 0.5  # beyond half the image it is rather somebody new
    return float(np.linalg.norm(xy[seen[max(seen)]].mean(0) - xy[row].mean(0)))
