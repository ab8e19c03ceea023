"""``skelact predict INPUT --vocabulary FILE``: taught gestures in a video or skeleton file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skelact.commands.convert import find_layout, show_reasons
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, DataError, LayoutError
from skelact.io.addresses import short_name
from skelact.skeleton import Skeleton

SHORT = 2.0  # a recording of so many times the longest gesture at most is taken to show one, and answered as a whole


def predict_gestures(options: Any, ui: UI) -> dict[str, Any]:
    """Name taught gestures in one recording or every recording of a file; returns what ``--json`` prints.

    Raises:
        ConfigError: for options that go with a checkpoint only.
        DataError: if no recording can be used.
    """
    from skelact.commands.sources import is_video, read_skeletons
    from skelact.io.files import write_text
    from skelact.io.outputs import holding
    from skelact.pose.extract import extract_video
    from skelact.recognition.taught import Vocabulary

    if options.checkpoint:
        raise ConfigError(
            "--vocabulary takes the place of a checkpoint; name the input alone: "
            "skelact predict video.mp4 --vocabulary FILE"
        )
    for name in ("overlay", "window", "stride", "model", "threshold"):
        if getattr(options, name):
            raise ConfigError(f"--{name} goes with a checkpoint, not with --vocabulary")
    vocabulary = Vocabulary.load(options.vocabulary)
    if not len(vocabulary):
        raise ConfigError(
            f"{options.vocabulary} holds no gesture; teach one first: skelact teach NAME a.mp4 b.mp4 c.mp4"
        )
    for note in vocabulary.notes:
        ui.warn(note)
    failed: list[tuple[str, str]] = []
    video = not options.format and is_video(options.source)
    folder = Path(options.out) if options.out else Path("." if video else Path(options.source).parent)
    name = short_name(options.source) if video else Path(options.source).name.split(".")[0]
    target = folder / f"{name}.gestures.json"
    with holding(target, [options.source, options.vocabulary]):
        if video:
            with ui.progress("finding people and hands") as update:
                found = extract_video(
                    options.source, people=options.people, parts="pose+hands",
                    coordinates="image" if vocabulary.flat else "camera", fov=options.fov,
                    estimator=options.estimator, quality=options.quality, min_score=options.min_score,
                    pose_layout=find_layout(options.pose_layout), progress=update,
                )  # fmt: skip
            skeletons: Any = [found]
        else:
            skeletons = read_skeletons(options, failed)
        rows = []
        for skeleton in skeletons:
            try:
                rows += _of_recording(vocabulary, skeleton)
            except (DataError, LayoutError) as error:
                failed.append((skeleton.id, str(error)))
        if not rows:
            reason = failed[0][1] if failed else "it holds no recording"
            raise DataError(f"{options.source}: {reason}")
        show_reasons(ui, "could not be used", failed)
        ui.table(
            ["recording", "person", "gesture", "when", "likeness"],
            [[r["recording"], r["person"], r["gesture"] or f"none (nearest {r['nearest']})",
              f"{r['start']:.1f}–{r['end']:.1f} s", percent(max(0.0, r["score"]))] for r in rows[:30]],
        )  # fmt: skip
        if len(rows) > 30:
            ui.say(f"... and {len(rows) - 30} more")
        output = {"names": vocabulary.names, "gestures": rows, "failed": failed, "predictions": str(target)}
        write_text(target, json.dumps(output, indent=1))
        ui.done(str(target))
    return output


def _of_recording(vocabulary: Any, skeleton: Skeleton) -> list[dict[str, Any]]:
    """Rows of every person: one answer for a short recording, every spotted gesture of a long one."""
    from skelact.recognition.taught_examples import frame_times, make_example
    from skelact.recognition.taught_live import spot_gestures

    if not skeleton.n_people or not (skeleton.score > 0).any():
        raise DataError(f"no person was found in '{skeleton.id}'")
    times = frame_times(skeleton)
    longest = max(g.seconds for g in vocabulary.gestures.values())
    rows, problems = [], []
    for person, track in enumerate(skeleton.track_ids):
        base = {"recording": skeleton.id, "person": track, "label": skeleton.label}
        try:
            if skeleton.duration <= SHORT * longest + 1.0:
                example = make_example(skeleton, person)
                answer = vocabulary.recognise(example)
                rows.append(base | {"gesture": answer.name, "nearest": answer.best, "score": round(answer.score, 4),
                                    "threshold": round(answer.threshold, 4), "start": float(times[0]),
                                    "end": float(times[-1]), "scores": answer.scores})  # fmt: skip
                continue
            spotted = spot_gestures(vocabulary, skeleton, person)
            for one in spotted:
                rows.append(base | {"gesture": one.name, "nearest": one.name} | asdict(one))
            if not spotted:
                rows.append(
                    base
                    | {
                        "gesture": None,
                        "nearest": "-",
                        "score": 0.0,
                        "start": float(times[0]),
                        "end": float(times[-1]),
                    }
                )
        except (DataError, LayoutError) as error:
            problems.append(error)
    if not rows and problems:
        raise problems[0]
    return rows
