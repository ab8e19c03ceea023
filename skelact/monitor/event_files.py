"""Files of events in time: a log, ActivityNet's and OpenTAD's JSON, tables as OmniFall has them."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from skelact.errors import DataError
from skelact.evaluate.events import TimedEvent
from skelact.io.tables import Table
from skelact.monitor.log import ALARMS, read_log


def read_events(path: str | PathLike[str]) -> tuple[dict[str, list[TimedEvent]], dict[str, float]]:
    """Events by video, and the lengths of videos where they are known.

    Args:
        path: a log (``.db``), of which actions are taken; JSON with ``results`` or ``database`` by video; or a CSV
            with the columns ``path`` (or ``video``), ``label``, ``start``, ``end`` and where known ``score``.

    Raises:
        DataError: if it is none of these; the place is named.
    """
    path = Path(path)
    if _is_log(path):
        events: dict[str, list[TimedEvent]] = {}
        for e in read_log(path, kinds=("action",)):
            events.setdefault(e.source, []).append(TimedEvent(e.label, e.start, e.end, e.score))
        return events, {}
    if path.suffix.lower() == ".json":
        return _read_json(path)
    return _read_table(path), {}


def read_alarms(path: str | PathLike[str], label: str) -> dict[str, list[float]]:
    """Moments of alarm by video: a log's alarms, or the starts of another file's events of that label."""
    moments: dict[str, list[float]] = {}
    if _is_log(Path(path)):
        for event in read_log(path, kinds=ALARMS):
            if event.is_alarm:
                moments.setdefault(event.source, []).append(event.start)
        return moments
    for video, events in read_events(path)[0].items():
        moments[video] = [event.start for event in events if event.label == label]
    return moments


def _is_log(path: Path) -> bool:
    return path.suffix.lower() in (".db", ".sqlite")


def _read_json(path: Path) -> tuple[dict[str, list[TimedEvent]], dict[str, float]]:
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from None
    videos = whole.get("results", whole.get("database")) if isinstance(whole, dict) else None
    if not isinstance(videos, dict):
        raise DataError(f"{path} has neither 'results' nor 'database' by video, as ActivityNet's files do")
    events: dict[str, list[TimedEvent]] = {}
    lengths: dict[str, float] = {}
    for video, entry in videos.items():
        rows = entry.get("annotations", []) if isinstance(entry, dict) else entry
        if isinstance(entry, dict) and isinstance(entry.get("duration"), int | float):
            lengths[video] = float(entry["duration"])
        if not isinstance(rows, list):
            raise DataError(f"{path}: the events of '{video}' are no list")
        events[video] = [_event(row, f"{path}: '{video}', event {n}") for n, row in enumerate(rows)]
    return events, lengths


def _event(row: Any, where: str) -> TimedEvent:
    try:
        start, end = (float(v) for v in row["segment"])
        return TimedEvent(str(row["label"]), start, end, float(row.get("score", 1.0)))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"{where} needs a label and a segment [start, end], got {row!r}") from None


def _read_table(path: Path) -> dict[str, list[TimedEvent]]:
    table = Table(path)
    name = next((c for c in ("path", "video", "source") if c in table.header), None)
    lacks = [c for c in ("label", "start", "end") if c not in table.header]
    if name is None or lacks:
        raise DataError(
            f"{path} needs the columns path (or video), label, start and end; it has {', '.join(table.header)}"
        )
    numbers = table.numbers(["start", "end", *(["score"] if "score" in table.header else [])])
    events: dict[str, list[TimedEvent]] = {}
    for video, label, row in zip(table.text(name), table.text("label"), numbers, strict=True):
        events.setdefault(video, []).append(TimedEvent(label, *map(float, row)))
    return events
