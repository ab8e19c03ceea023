"""What ``skelact predict`` writes: JSON, CSV, a timeline, and the video with what was recognised."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skelact.commands.ui import UI, percent
from skelact.skeleton import Skeleton


def write_results(folder: Path, name: str, results: list, threshold: float, ui: UI) -> dict:
    """Write JSON, CSV and a timeline, and say what was recognised."""
    from skelact.evaluate.plots import plot_timeline
    from skelact.io.files import write_text

    rows, recordings = [], []
    for skeleton, recognition in results:
        for s in recognition.segments:
            rows.append({"recording": skeleton.id, **asdict(s)})
        recordings.append(
            {
                "recording": skeleton.id,
                "seconds": skeleton.duration,
                "mode": recognition.mode,
                "window": recognition.window,
                "segments": [asdict(s) for s in recognition.segments],
                "windows": [
                    {
                        "person": person,
                        "times": [round(float(t), 3) for t in times],
                        "probabilities": [[round(float(p), 4) for p in row] for row in values],
                    }
                    for person, times, values in zip(
                        recognition.people, recognition.times, recognition.probabilities, strict=True
                    )
                ],
            }
        )
    label_names = results[0][1].label_names
    written = folder / f"{name}.predictions.json"
    write_text(
        written,
        json.dumps({"label_names": label_names, "threshold": threshold, "recordings": recordings}, indent=1),
    )
    text = io.StringIO()
    table = csv.DictWriter(text, ["recording", "person", "label", "start", "end", "score"])
    table.writeheader()
    table.writerows(rows)
    write_text(folder / f"{name}.segments.csv", text.getvalue())
    shown = [
        [r["recording"], "all" if r["person"] < 0 else r["person"], r["label"], f"{r['start']:.1f}–{r['end']:.1f} s",
         percent(r["score"])]
        for r in rows[:30]
    ]  # fmt: skip
    ui.table(["recording", "person", "action", "when", "confidence"], shown)
    if len(rows) > 30:
        ui.say(f"... and {len(rows) - 30} more")
    ui.done(f"{written}, {name}.segments.csv")
    output = {"predictions": str(written), "threshold": threshold, "segments": rows}
    if len(results) == 1:
        skeleton = results[0][0]
        segments = [{**r, "person": "all" if r["person"] < 0 else r["person"]} for r in rows]
        begin = float(skeleton.time[0]) if skeleton.time is not None else 0.0
        out = folder / f"{name}.timeline.png"
        picture = plot_timeline(segments, begin + skeleton.duration, out, label_names)
        ui.done(f"timeline {picture}")
        output["timeline"] = str(picture)
    return output


def draw(options: Any, picture: Skeleton, recognition: Any, ui: UI) -> None:
    """Write the overlay video."""
    from skelact.evaluate.overlay import overlay_recording
    from skelact.recognition.unknown import UNKNOWN

    times = picture.time if picture.time is not None else [t / picture.fps for t in range(picture.n_frames)]
    texts: dict[int, list[str | None]] = {}
    for track in picture.track_ids:
        spoken = [recognition.at(track, float(t)) for t in times]
        texts[track] = [
            None if s is None else UNKNOWN if s[0] == UNKNOWN else f"{s[0]} {100 * s[1]:.0f} %"
            for s in spoken
        ]
    overlay_recording(options.source, picture, options.overlay, texts, box=True)
    ui.done(f"overlay {options.overlay}")
