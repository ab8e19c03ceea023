"""What somebody did one after the other: spans of time without overlaps and without flicker."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

KEPT = ("fall", "fallen")  # labels that are never taken for a flicker, however short


@dataclass(frozen=True)
class Span:
    """Somebody did something; seconds since 1970, or of the file's own time."""

    label: str
    start: float
    end: float
    score: float = 1.0

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end - self.start


def one_at_a_time(spans: Sequence[Span]) -> list[Span]:
    """Spans that do not overlap: at every moment the surest one, by time."""
    ordered = sorted(spans, key=begins)
    if all(b.start >= a.end for a, b in itertools.pairwise(ordered)):
        return ordered
    edges = sorted({t for s in spans for t in (s.start, s.end)})
    out: list[Span] = []
    waiting, open_ = ordered[::-1], []
    for a, b in itertools.pairwise(edges):
        while waiting and waiting[-1].start <= a:
            open_.append(waiting.pop())
        open_ = [s for s in open_ if s.end > a]
        if open_:
            best = max(open_, key=lambda s: (s.score, -s.start))
            out.append(replace(best, start=a, end=b))
    return _joined(out, 0.0)


def calm(spans: Sequence[Span], least: float, gap: float) -> list[Span]:
    """Spans without flicker, by time.

    What is shorter than ``least`` seconds goes to the neighbour that it touches, the longer one if it touches two, the
    shortest first; what touches nothing stays, and so does what `KEPT` names. Of the same label what is less than
    ``gap`` apart is joined, and so is a shorter gap between two others, to the first.
    """
    out = _joined(sorted(spans, key=begins), gap)
    left, right = list(range(-1, len(out) - 1)), [*range(1, len(out)), -1]
    queue = [(s.seconds, k) for k, s in enumerate(out) if s.seconds < least and s.label not in KEPT]
    heapq.heapify(queue)
    gone: set[int] = set()

    def remove(k: int) -> None:
        gone.add(k)
        if left[k] >= 0:
            right[left[k]] = right[k]
        if right[k] >= 0:
            left[right[k]] = left[k]

    while queue:
        seconds, k = heapq.heappop(queue)
        near = [i for i in (left[k], right[k]) if i >= 0 and _touch(out[min(i, k)], out[max(i, k)])]
        if k in gone or out[k].seconds != seconds or not near:
            continue
        into = max(near, key=lambda i: (out[i].seconds, -i))
        a, b = out[min(into, k)], out[max(into, k)]
        out[into] = replace(out[into], start=a.start, end=b.end)
        remove(k)
        for first, second in ((left[into], into), (into, right[into])):
            joined = _joined([out[first], out[second]], gap) if min(first, second) >= 0 else []
            if len(joined) == 1:  # the same on both sides of what was short
                out[first] = joined[0]
                remove(second)
                into = first
        if out[into].seconds < least:
            heapq.heappush(queue, (out[into].seconds, into))
    return [s for k, s in enumerate(out) if k not in gone]


def begins(span: Span) -> float:
    """When: what spans are sorted by."""
    return span.start


def _touch(a: Span, b: Span) -> bool:
    return a.label not in KEPT and b.label not in KEPT and abs(b.start - a.end) < 1e-9


def _joined(spans: Sequence[Span], gap: float) -> list[Span]:
    out: list[Span] = []
    for span in spans:
        if out and span.start - out[-1].end <= gap:
            last = out[-1]
            if last.label == span.label:
                total = max(last.seconds + span.seconds, 1e-9)
                score = (last.score * last.seconds + span.score * span.seconds) / total
                out[-1] = replace(last, end=max(last.end, span.end), score=score)
                continue
            if span.start > last.end:
                out[-1] = replace(last, end=span.start)
        out.append(span)
    return out


def in_words(seconds: float) -> str:
    """A length of time: ``3 h 05 min``, ``4 min 10 s``, ``12 s``."""
    s = round(seconds)
    if s >= 3600:
        return f"{s // 3600} h {s // 60 % 60:02d} min"
    return f"{s // 60} min {s % 60:02d} s" if s >= 60 else f"{s} s"
