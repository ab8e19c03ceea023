"""One long video on several cores: every process looks at a part of it, and the parts are joined.

A part begins some seconds before the mark (see `skelact.pose.renewal`) from which on it counts, so that it knows
everybody who is there. The part before it goes on beyond the mark until both have seen the same for a while; where
they do not agree it goes on to the next mark, or to the end. So what is joined is what one process would have seen.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import ConfigError, DataError, DependencyError, SkelactError
from skelact.io.video import is_live, open_video
from skelact.io.workers import WorkerPool
from skelact.layouts import SkeletonLayout
from skelact.pose.agreement import AGREE_SECONDS, Agreement, fresh_name, match_names
from skelact.pose.estimator import Detection
from skelact.pose.look import Facts, Look, Progress, Seen, Source, check_size
from skelact.pose.renewal import EVERY_SECONDS
from skelact.pose.seen_files import Frame, SeenReader, SeenWriter

OVERLAP_SECONDS = 2.5  # from where a part begins to where it counts: as long as people are remembered
_SHORTEST = 20.0  # seconds of a video for each process, below which it is not worth it


@dataclass(frozen=True)
class Part:
    """A part of a video for one process.

    Args:
        number: from 0.
        source: the video.
        look: how to look at it.
        folder: where what is seen is kept, for all parts.
        begin: seconds from which on it is looked at.
        cut: seconds from which on it counts.
        until: where the next part counts; None: this is the last.
        end: seconds to stop before; None: the end of the video.
        n_frames: about how many count.
    """

    number: int
    source: Source
    look: Look
    folder: str
    begin: float
    cut: float
    until: float | None
    end: float | None
    n_frames: int

    def path(self, number: int) -> Path:
        """Where what a part sees is kept."""
        return Path(self.folder) / f"part{number}"


@dataclass(frozen=True)
class PartsLook:
    """Looks at a video in parts; a `skelact.pose.look.Looker`.

    Args:
        marks: seconds at which the second and the further parts begin to count; see `find_marks`.
        folder: for what the parts see; it is deleted when all are done.
        resume: go on with what is in the folder, and leave it there when interrupted.
    """

    marks: tuple[float, ...]
    folder: str
    resume: bool = True

    def __call__(
        self, source: Source, look: Look, start: float | None, end: float | None, progress: Progress | None
    ) -> Seen:
        """See `skelact.pose.look.look_at`; each part in a process of its own."""
        with open_video(source, **look.reading) as video:
            fps, announced = video.fps, video.n_frames_estimate or 0
        first = start or 0.0
        last = min(end or math.inf, announced / fps if announced else math.inf)
        cuts = (first, *self.marks)
        parts = []
        for i, (cut, until) in enumerate(zip(cuts, (*self.marks, None), strict=True)):
            n_frames = round(((until or (last if math.isfinite(last) else cut)) - cut) * fps)
            begin = cut if i == 0 else max(first, cut - OVERLAP_SECONDS)
            parts.append(Part(i, source, look, self.folder, begin, cut, until, end, n_frames))
        self._prepare(parts)
        name, done = Path(str(source)).name, [0] * len(parts)

        def tell(n: int, _: int, which: str) -> None:
            done[int(which)] = n
            if progress is not None:
                progress(sum(done), max(sum(done), sum(part.n_frames for part in parts)), name)

        try:
            with WorkerPool(look_at_part, len(parts), _failed, progress=tell) as pool:
                for _, error in pool.run(parts):
                    if error:
                        raise DataError(error)
            seen = join(parts)
        except BaseException as error:
            if not self.resume or isinstance(error, SkelactError):
                shutil.rmtree(self.folder, ignore_errors=True)
            raise
        shutil.rmtree(self.folder, ignore_errors=True)
        n = len(seen.times)
        if end is None and not start and announced and n < announced - 2:
            text = f"{n} of {announced} announced frames decode: the tail is broken or missing"
            seen = replace(seen, facts=replace(seen.facts, warnings=(*seen.facts.warnings, text)))
        if progress is not None:
            progress(n, n, name)
        return seen

    def _prepare(self, parts: list[Part]) -> None:
        """Begin anew, unless an interrupted run did the same with the same file."""
        file = Path(str(parts[0].source)).stat()
        plan = f"{file.st_size} {file.st_mtime_ns} {[replace(part, folder='') for part in parts]}"
        note = Path(self.folder) / "plan.txt"
        if self.resume:
            with contextlib.suppress(OSError):
                if note.read_text(encoding="utf-8") == plan:
                    return
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            note.parent.mkdir(parents=True)
            note.write_text(plan, encoding="utf-8")
        except OSError as error:
            raise DataError(f"cannot write {note}: {error}; free some space, or use --workers 1") from error


def find_marks(source: Source, n_parts: int, seconds: float | None = None) -> tuple[float, ...]:
    """Where to cut a video into parts of like length; nowhere if it is short, live, or of unknown length.

    Args:
        source: the video.
        n_parts: how many parts at most.
        seconds: of the video that are looked at; None: all.

    Raises:
        DataError: if it is not a video that can be read.
    """
    if is_live(source) or n_parts < 2:
        return ()
    with open_video(source) as video:
        length = video.duration or (video.n_frames_estimate or 0) / video.fps
    length = min(length, seconds or math.inf)
    n = min(n_parts, int(length / _SHORTEST))
    # All but the first look at the overlap, too, and all but the last go on until they agree with the next.
    share = (length + (n - 1) * (OVERLAP_SECONDS + AGREE_SECONDS)) / max(n, 1)
    ideal = [share - AGREE_SECONDS + k * (share - OVERLAP_SECONDS - AGREE_SECONDS) for k in range(n - 1)]
    marks = sorted({round(at / EVERY_SECONDS) * EVERY_SECONDS for at in ideal})
    return tuple(mark for mark in marks if 0 < mark < length)


def look_at_part(part: Part, progress: Progress | None = None) -> str:
    """Look at one part and keep what is seen in its folder; returns what went wrong, in words.

    Raises:
        DependencyError, ConfigError: what would go wrong with every part too.
    """
    if SeenReader(part.path(part.number)).facts() is not None:
        return ""
    try:
        writer = SeenWriter(part.path(part.number))
        joined = None
        with (
            open_video(part.source, start=part.begin or None, end=part.end, **part.look.reading) as video,
            contextlib.closing(part.look.make()) as finder,
        ):
            check_size(video)
            following = _Following(part)
            n = 0
            for frame in video:
                people = finder.estimate(frame.image, frame.time)
                writer.add(frame.time, people)
                if part.until is not None and following.agrees(frame.time, people):
                    joined = frame.time
                    break
                n += part.cut <= frame.time < (math.inf if part.until is None else part.until)
                if progress is not None:
                    progress(n, part.n_frames, str(part.number))
            facts = vars(Facts.of(video, finder)) | {"layout": finder.layout.to_dict()}
        writer.finish(joined=joined, **facts)
    except (DependencyError, ConfigError):
        raise
    except SkelactError as error:
        return str(error)
    except Exception as error:  # what is odd about one video never stops the rest
        return f"{type(error).__name__}: {error}"
    return ""


def _failed(part: Part, why: str) -> str:
    return why


class _Following:
    """The part after this one, and whether this one agrees with it already."""

    def __init__(self, part: Part) -> None:
        self._reader = SeenReader(part.path(part.number + 1))
        self._from = part.until or 0.0
        self._agreement, self._at = Agreement(), 0

    def agrees(self, time: float, people: list[Detection]) -> bool:
        if time < self._from:
            return False
        frames = self._reader.frames
        while (not frames or frames[-1][0] < time - 1e-6) and self._reader.more():
            pass
        while self._at < len(frames) and frames[self._at][0] < time - 1e-6:
            self._at += 1
        if self._at == len(frames) or frames[self._at][0] > time + 1e-6:
            return False
        return self._agreement.reached(time, people, frames[self._at][1])


def join(parts: list[Part]) -> Seen:
    """What one process would have seen, of what those of the parts saw.

    Raises:
        DataError: if a file of a part cannot be read.
    """
    frames: list[Frame] = []
    warnings: list[str] = []
    names: dict[int | None, int | None] = {}
    used: set[int | None] = set()
    facts: dict[str, Any] = {}
    for part in parts:
        reader = SeenReader(part.path(part.number))
        theirs, facts = reader.everything(), reader.facts() or {}
        warnings += [text for text in facts["warnings"] if text not in warnings]
        names = match_names(_common(frames, theirs)) if part.number else {}
        last = frames[-1][0] if frames else -math.inf
        for time, people in theirs:
            if time > last + 1e-6:
                frames.append((time, [_renamed(one, names, used) for one in people]))
        used |= {one.track_id for _, people in frames for one in people}
        if facts["joined"] is None:
            break
    layout = SkeletonLayout.from_dict(facts["layout"])
    kept = {k: facts[k] for k in ("fps", "width", "height", "unit", "origin")}
    times = np.array([time for time, _ in frames])
    return Seen(
        [people for _, people in frames], times, Facts(warnings=tuple(warnings), layout=layout, **kept)
    )


def _common(ours: list[Frame], theirs: list[Frame]) -> Iterator[tuple[list[Detection], list[Detection]]]:
    times = [time for time, _ in ours]
    for time, people in theirs:
        at = bisect_left(times, time - 1e-6)
        if at < len(times) and abs(times[at] - time) <= 1e-6:
            yield ours[at][1], people


def _renamed(one: Detection, names: dict[int | None, int | None], used: set[int | None]) -> Detection:
    if one.track_id is None:
        return one
    if one.track_id not in names:
        names[one.track_id] = fresh_name(names, used)
    return replace(one, track_id=names[one.track_id])
