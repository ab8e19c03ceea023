"""Alarms on recorded skeletons: falls that are found, and false alarms by activity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any

from skelact.errors import ConfigError
from skelact.evaluate.events import poisson_interval
from skelact.io.store import Store
from skelact.monitor.actions import LiveActions
from skelact.monitor.falls import FallEvent
from skelact.monitor.replay import Replayed, replay
from skelact.recognition import Recogniser
from skelact.recognition.everyday import everyday_for
from skelact.skeleton import Skeleton

ALARMS = ("fall", "long_on_floor")
_MOST_NAMED = 12  # falls that were missed


def measure_falls(sets: list[str | PathLike[str]], falls: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Watch all recordings of sets, one stream for each subject and view, with the networks that ship.

    Args:
        sets: files of recordings in camera coordinates (metres), or in the picture (2D).
        falls: names, of clips or of frames, that are falls; the alarm belongs to them, and all others are false.

    Yields:
        per set ``what``, ``hours``, ``falls``, ``found`` and ``missed`` ones, ``delay s`` of the alarm after the first
        frame that is named so (after the clip's begin, where only clips are named), median and the longest,
        ``false`` alarms,
        ``false/h`` with its 95 % interval, ``judged %`` of frames with hips and shoulders, and ``by activity``.

    Raises:
        ConfigError: for a set without trajectories.
    """
    recognisers = {dims: Recogniser(everyday_for(dims), "cpu") for dims in (2, 3)}
    for path in sets:
        with closing(Store(Path(path))) as store:  # with the labels of frames, which say when a fall was over
            yield {"what": Path(path).stem, **score_falls(_replayed(iter(store), recognisers), falls)}


def _replayed(recordings: Iterator[Skeleton], recognisers: dict[int, Recogniser]) -> Iterator[Replayed]:
    return replay(_checked(recordings), camera_of, actions=lambda dims: LiveActions(recognisers[dims]))


def camera_of(recording: Skeleton) -> str:
    """The stream that a recording belongs to: its subject and camera; its own where neither is known."""
    known = [
        f"{name} {recording.info[name]}" for name in ("subject", "camera", "view") if name in recording.info
    ]
    return "/".join(known) or recording.id


def score_falls(replayed: Iterator[Replayed], falls: tuple[str, ...]) -> dict[str, Any]:
    """The figures of `measure_falls` of one set."""
    hours = judged = 0.0
    n = n_falls = n_found = 0
    false: Counter[str] = Counter()
    delays: list[float] = []
    missed: list[str] = []
    for one in replayed:
        n, judged = n + 1, judged + one.judged
        hours += one.seconds / 3600
        alarms = [event for event in one.events if event.kind in ALARMS]
        begin = fall_begin(one.recording, falls)
        if begin is None:
            false.update([_activity(one.recording, event) for event in alarms])
            continue
        n_falls += 1
        hours -= one.seconds / 3600
        if alarms:
            n_found += 1
            delays.append(alarms[0].time - begin)
        else:
            missed.append(one.recording.id)
    low, high = poisson_interval(false.total())
    row: dict[str, Any] = {
        "clips": n,
        "judged %": 100 * judged / max(n, 1),
        "falls": n_falls,
        "found": n_found,
    }
    if delays:
        row |= {"delay s": sorted(delays)[len(delays) // 2], "longest": max(delays)}
    if missed:
        row["missed"] = ", ".join(missed[:_MOST_NAMED]) + (", ..." if len(missed) > _MOST_NAMED else "")
    row |= {"hours": hours, "false": false.total()}
    if hours > 0:
        row |= {"false/h": false.total() / hours, "interval": f"{low / hours:.2f} to {high / hours:.2f}"}
    row["by activity"] = ", ".join(f"{name} {count}" for name, count in false.most_common())
    return row


def fall_begin(recording: Skeleton, falls: tuple[str, ...]) -> float | None:
    """Seconds at which the fall of a recording begins; None if it has none."""
    if recording.frame_labels is not None:
        found = [i for i, name in enumerate(recording.frame_labels) if name in falls]
        if found:
            times = recording.time
            return float(times[found[0]] - times[0]) if times is not None else found[0] / recording.fps
    return 0.0 if recording.label in falls else None


def _activity(recording: Skeleton, event: FallEvent) -> str:
    if recording.frame_labels is not None:
        return recording.frame_labels[min(int(event.time * recording.fps), len(recording.frame_labels) - 1)]
    return recording.label or recording.id


def _checked(recordings: Iterator[Skeleton]) -> Iterator[Skeleton]:
    for one in recordings:
        if one.origin != "camera":
            raise ConfigError(
                f"recording '{one.id}' is about each person's hips, so heights and speeds are not known; falls need "
                "camera or picture coordinates"
            )
        yield one
