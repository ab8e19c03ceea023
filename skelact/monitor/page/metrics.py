"""Numbers for Prometheus, in its text form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from skelact import __version__
from skelact.monitor.page.live import Live

_CAMERA = (
    ("camera_up", "gauge", "Whether the camera gives pictures.", lambda c: int(c["state"] == "online")),
    ("frames_total", "counter", "Frames that were looked at.", lambda c: c["frames"]),
    ("dropped_frames_total", "counter", "Frames that nobody looked at.", lambda c: c["dropped"]),
    ("frames_per_second", "gauge", "Frames a second lately.", lambda c: c["fps"]),
    ("delay_seconds", "gauge", "From a frame to what is known of it.", lambda c: c["delay"]),
    ("people", "gauge", "People who are seen.", lambda c: c["people"]),
)


def metrics(live: Live, n_streams: int = 0) -> str:
    """All numbers, with ``# HELP`` and ``# TYPE``; names begin with ``skelact_``."""
    now = live.status()
    lines = _metric("info", "gauge", "Of skelact.", [({"version": __version__}, 1)])
    lines += _metric("up_seconds", "gauge", "Since the start.", [({}, round(now["up"], 1))])
    for name, kind, text, value in _CAMERA:
        lines += _metric(name, kind, text, [({"camera": c["name"]}, value(c)) for c in now["cameras"]])
    events = [
        ({"camera": camera, "kind": kind}, n)
        for camera, kinds in live.counts().items()
        for kind, n in sorted(kinds.items())
    ]
    lines += _metric("events_total", "counter", "Events of this run.", events)
    lines += _metric(
        "alarms_open", "gauge", "Alarms that nobody has acknowledged.", [({}, len(now["alarms"]))]
    )
    lines += _metric("suspensions", "gauge", "Suspensions of alarms.", [({}, len(now["suspensions"]))])
    owed = [({"channel": name}, said["owed"]) for name, said in now["channels"].items()]
    lines += _metric("outbox_owed", "gauge", "Events that a channel has not delivered yet.", owed)
    lines += _metric(
        "log_unwritten", "gauge", "Events that wait for the log.", [({}, now["log"]["unwritten"])]
    )
    lines += _metric("page_streams", "gauge", "Browsers that look on.", [({}, n_streams)])
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, text: str, rows: Iterable[tuple[Mapping[str, str], Any]]) -> list[str]:
    lines = [f"# HELP skelact_{name} {text}", f"# TYPE skelact_{name} {kind}"]
    for labels, value in rows:
        inner = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        lines.append(f"skelact_{name}{{{inner}}} {value}" if inner else f"skelact_{name} {value}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
