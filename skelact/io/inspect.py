"""What is in a skelact file, or in files of any known format, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from skelact.errors import SkelactError, counted
from skelact.io.formats import FORMATS, Format, ReadOptions, detect_format, get_format
from skelact.io.inspect_frames import FrameTally
from skelact.io.inspect_splits import leaks
from skelact.io.reading import some
from skelact.io.store import Store
from skelact.skeleton import Skeleton

# Beyond these a position is a slip rather than a person: metres from the sensor, fractions of the image,
# pixels.
_FAR = {"m": 15.0, "image": 10.0, "px": 20_000.0}
_IMBALANCE = 10
_FEW_CLIPS = 5
_MANY_MISSING = 0.3


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Args:
        path: what was looked at.
        format: a name of `FORMATS`.
        clips, frames, tracks: how many (frames: of clips, not of people).
        people: clips by how many people they hold.
        layout, joints, dims, unit: of the recordings (several layouts are joined by a comma).
        labels: clips by label, in class order where it is known.
        frame_labels: frames by label.
        fps: (least, most).
        duration: (shortest, median, longest) in seconds, and their sum.
        missing_share: of all joints of people while they are there.
        missing_by_joint: the same for each joint.
        ranges: for x, y (and z) the (least, 1 %, median, 99 %, most) position.
        subjects: clips by subject, where it is known.
        splits: clips by split.
        problems: plain sentences, worst first; empty if nothing is wrong.
    """

    path: str
    format: str
    clips: int
    frames: int
    tracks: int
    people: Mapping[int, int]
    layout: str
    joints: int
    dims: int
    unit: str
    labels: Mapping[str, int]
    frame_labels: Mapping[str, int]
    fps: tuple[float, float]
    duration: tuple[float, float, float, float]
    missing_share: float
    missing_by_joint: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float, float, float, float]]
    subjects: Mapping[str, int]
    splits: Mapping[str, int]
    problems: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return (
            f"Inspection({self.path!r}, {self.format}: {counted(self.clips, 'clip')}, "
            f"{counted(len(self.labels), 'label')}, layout "
            f"{self.layout}, {counted(len(self.problems), 'problem')})"
        )

    def to_dict(self) -> dict:
        """Plain containers."""
        return asdict(self)


def inspect(
    path: str | Path,
    *,
    format: str | None = None,
    options: ReadOptions | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Inspection:
    """Look at every recording of a skelact file, or of files of a known format.

    Args:
        path: a file or folder.
        format: a name of `FORMATS`; None: told from the files.
        options: what the reader needs (the layout of a CSV, for instance).
        progress: called with (items done, items, name).

    Raises:
        DataError: if nothing can be read at all.
    """
    path = Path(path)
    kind = get_format(format or detect_format(path))
    items = kind.find(path)
    if kind.name == "skelact" and len(items) == 1:
        tally = _Tally()
        with Store(items[0]) as store:
            for k in range(len(store)):
                try:
                    tally.add(store.read(k))
                except SkelactError as error:
                    tally.failed.append((str(store.clips["id"][k]), str(error)))
                if progress is not None:
                    progress(k + 1, len(store), str(store.clips["id"][k]))
            splits = {name: [str(store.clips["id"][k]) for k in rows] for name, rows in store.splits.items()}
            return tally.result(str(path), kind.name, splits, store.label_names)
    tally, splits = _Tally(), {}
    base = options or ReadOptions()
    for n, item in enumerate(items):
        now = replace(base, root=path, notes=[], splits={})
        for skeleton in _read(kind, item, now, tally):
            tally.add(skeleton)
        tally.notes += [(item.name, note) for note in now.notes]
        for name, ids in now.splits.items():
            splits.setdefault(name, []).extend(ids)
        if progress is not None:
            progress(n + 1, len(items), item.name)
    if not tally.ids and tally.failed:
        raise type_of_first(tally.failed, len(items), kind)
    return tally.result(str(path), kind.name, splits, base.label_names or kind.label_names(items))


def type_of_first(failed: list[tuple[str, str]], n_items: int, kind: Format) -> SkelactError:
    """The error for a folder in which nothing can be read."""
    from skelact.errors import DataError

    return DataError(f"not one of {n_items} items of format '{kind.name}' can be read. First: {failed[0][1]}")


def _read(kind: Format, item: Path, options: ReadOptions, tally: _Tally) -> Iterator[Skeleton]:
    try:
        yield from FORMATS[kind.name].read(item, options)
    except SkelactError as error:
        tally.failed.append((item.name, str(error)))


class _Tally:
    """Counts over recordings, in memory that grows with their number only."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.infos: list[Mapping[str, str | int | float]] = []
        self.failed: list[tuple[str, str]] = []
        self.notes: list[tuple[str, str]] = []
        self.labels: Counter[str | None] = Counter()
        self.frame_labels: Counter[str] = Counter()
        self.people: Counter[int] = Counter()
        self.layouts: dict[str, tuple[str, ...]] = {}
        self.units: set[str] = set()
        self.dims: set[int] = set()
        self.fps: Counter[float] = Counter()
        self.durations: list[float] = []
        self.n_frames: list[int] = []
        self.short: list[str] = []
        self.far: list[str] = []
        self.seen: dict[int, str] = {}
        self.doubles: list[tuple[str, str]] = []
        self.there: dict[str, np.ndarray] = {}  # layout → [2, V]: joints seen, joints in all
        self.still: dict[str, np.ndarray] = {}  # layout → [V]: tracks in which the joint never moves
        self.samples: list[np.ndarray] = []
        self.low = np.full(3, np.inf)
        self.high = np.full(3, -np.inf)
        self.tracks = 0
        self.empty: list[str] = []
        self.frame_tally = FrameTally()

    def add(self, s: Skeleton) -> None:
        self.ids.append(s.id)
        self.infos.append(s.info)
        self.labels[s.label] += 1
        self.frame_labels.update(s.frame_labels or ())
        self.layouts[s.layout.name] = s.layout.joints
        self.units.add(s.unit)
        self.dims.add(s.xyz.shape[3])
        self.fps[round(s.fps, 3)] += 1
        self.durations.append(s.duration)
        self.n_frames.append(s.n_frames)
        self.frame_tally.add(s)
        present = s.score > 0
        people = present.any((1, 2))
        self.people[int(people.sum())] += 1
        self.tracks += int(people.sum())
        if s.n_frames <= 1:
            self.short.append(s.id)
        key = hash(s.xyz.tobytes())
        if key in self.seen:
            self.doubles.append((self.seen[key], s.id))
        self.seen.setdefault(key, s.id)
        counts = self.there.setdefault(s.layout.name, np.zeros((2, len(s.layout)), np.int64))
        still = self.still.setdefault(s.layout.name, np.zeros(len(s.layout), np.int64))
        for m in np.flatnonzero(people):
            rows = present[m].any(-1)
            xyz, seen = s.xyz[m, rows], present[m, rows]
            counts[0] += seen.sum(0)
            counts[1] += len(seen)
            if len(xyz) > 1:
                still += seen.all(0) & (np.ptp(xyz, axis=0) == 0).all(-1)
        positions = s.xyz[present]
        if not len(positions):
            self.empty.append(s.id)
            return
        dims = positions.shape[1]
        low, high = positions.min(0), positions.max(0)
        self.low[:dims] = np.minimum(self.low[:dims], low)
        self.high[:dims] = np.maximum(self.high[:dims], high)
        if max(float(np.abs(low).max()), float(np.abs(high).max())) > _FAR.get(s.unit, np.inf):
            self.far.append(s.id)
        self.samples.append(positions[:: max(1, len(positions) // 50)][:64])

    def result(
        self, path: str, name: str, splits: Mapping[str, list[str]], label_names: Iterable[object] | None
    ) -> Inspection:
        counts: dict[str, list[int]] = {}
        for layout, there in self.there.items():
            for joint, (seen, total) in zip(self.layouts[layout], there.T.tolist(), strict=True):
                old = counts.setdefault(joint, [0, 0])
                counts[joint] = [old[0] + seen, old[1] + total]
        seen, total = (sum(c[k] for c in counts.values()) for k in (0, 1))
        order = [str(n) for n in label_names or ()]
        labels = {str(k): v for k, v in self.labels.items() if k is not None}
        known = {n: labels.get(n, 0) for n in order}
        labels = known | {k: v for k, v in sorted(labels.items()) if k not in known}
        sample = [p for p in self.samples if p.shape[1] == max(self.dims, default=3)]
        ranges = {}
        if sample:
            quantiles = np.quantile(np.concatenate(sample), [0.01, 0.5, 0.99], axis=0)
            for c, axis in enumerate("xyz"[: quantiles.shape[1]]):
                values = (self.low[c], *quantiles[:, c], self.high[c])
                ranges[axis] = tuple(float(v) for v in values)
        d = np.array(self.durations or [0.0])
        subjects = Counter(str(i["subject"]) for i in self.infos if "subject" in i)
        return Inspection(
            path=path,
            format=name,
            clips=len(self.ids),
            frames=sum(self.n_frames),
            tracks=self.tracks,
            people=dict(sorted(self.people.items())),
            layout=", ".join(self.layouts),
            joints=max((len(j) for j in self.layouts.values()), default=0),
            dims=max(self.dims, default=0),
            unit=", ".join(sorted(self.units)),
            labels=labels,
            frame_labels=dict(self.frame_labels.most_common()),
            fps=(min(self.fps, default=0.0), max(self.fps, default=0.0)),
            duration=(float(d.min()), float(np.median(d)), float(d.max()), float(d.sum())),
            missing_share=1 - seen / total if total else 0.0,
            missing_by_joint={j: 1 - a / b if b else 1.0 for j, (a, b) in counts.items()},
            ranges=ranges,
            subjects=dict(sorted(subjects.items(), key=_by_number)),
            splits={k: len(v) for k, v in sorted(splits.items())},
            problems=self._problems(labels, counts, splits),
        )

    def _problems(
        self, labels: Mapping[str, int], counts: Mapping[str, list[int]], splits: Mapping[str, list[str]]
    ) -> list[str]:
        found: list[str] = []

        def say(condition: object, text: str) -> None:
            if condition:
                found.append(text)

        say(
            self.failed,
            f"{counted(len(self.failed), 'item')} cannot be read: {some(f'{i} ({r})' for i, r in self.failed)}",
        )
        say(
            self.empty,
            f"{counted(len(self.empty), 'clip shows', 'clips show')} nobody in any frame: {some(self.empty)}",
        )
        say(len(self.layouts) > 1, f"several layouts are mixed: {', '.join(self.layouts)}; convert to one")
        say(len(self.units) > 1, f"several units are mixed: {', '.join(sorted(self.units))}")
        say(len(self.dims) > 1, "clips with 2 and with 3 coordinates are mixed")
        twice = [i for i, n in Counter(self.ids).items() if n > 1]
        say(twice, f"{counted(len(twice), 'id stands', 'ids stand')} there more than once: {some(twice)}")
        found += leaks(splits, dict(zip(self.ids, self.infos, strict=True)), self.doubles, self.frame_tally)
        say(
            self.short,
            f"{counted(len(self.short), 'clip has', 'clips have')} a single frame or none: {some(self.short)}",
        )
        say(
            self.far,
            f"{counted(len(self.far), 'clip has', 'clips have')} positions far outside what a sensor sees: "
            f"{some(self.far)}",
        )
        say(
            self.doubles,
            f"{counted(len(self.doubles), 'clip equals', 'clips equal')} another: "
            f"{some(f'{b} = {a}' for a, b in self.doubles)}",
        )
        found += self.frame_tally.problems(self.doubles)
        gone = [j for j, (seen, total) in counts.items() if total and not seen]
        say(gone, f"joints that are never there: {some(gone)}")
        share = 1 - sum(c[0] for c in counts.values()) / max(1, sum(c[1] for c in counts.values()))
        say(share > _MANY_MISSING, f"{share:.0%} of all joints are missing")
        for layout, still in self.still.items():
            stuck = [
                j for j, n in zip(self.layouts[layout], still, strict=True) if n > 0.05 * max(1, self.tracks)
            ]
            say(stuck, f"joints that do not move at all in more than 5 % of the tracks: {some(stuck)}")
        present = {k: v for k, v in labels.items() if v}
        absent = [k for k, v in labels.items() if not v]
        say(
            absent,
            f"{len(absent)} of {counted(len(labels), 'class', 'classes')} "
            f"{'has' if len(absent) == 1 else 'have'} no clip: {some(absent)}",
        )
        say(len(present) == 1 and not self.frame_labels, "there is only one class; nothing can be told apart")
        none = self.labels[None]
        say(none and not self.frame_labels, f"{counted(none, 'clip has', 'clips have')} no label")
        if len(present) > 1:
            most, least = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
            ratio = present[most] / present[least]
            say(
                ratio > _IMBALANCE,
                f"classes are unbalanced: '{most}' has {counted(present[most], 'clip')}, '{least}' {present[least]}; "
                "balance the loss or the sampling",
            )
            few = [k for k, v in present.items() if v < _FEW_CLIPS]
            say(
                few,
                f"{counted(len(few), 'class has', 'classes have')} fewer than {_FEW_CLIPS} clips: {some(few)}",
            )
        low, high = min(self.fps, default=1.0), max(self.fps, default=1.0)
        say(high > 1.2 * low, f"frame rates run from {low:g} to {high:g}; resample by time")
        say(
            self.notes,
            f"{counted(len(self.notes), 'note')} on reading: {some(f'{i}: {n}' for i, n in self.notes)}",
        )
        return found


def _by_number(item: tuple[str, int]) -> tuple[int, str]:
    """2 before 10, and numbers before names."""
    name = item[0]
    return (int(name), "") if name.isdecimal() else (1 << 62, name)
