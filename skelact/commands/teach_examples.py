"""Where ``skelact teach`` takes its examples from: clips, a set, a camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skelact.commands.ui import UI
from skelact.errors import DataError, LayoutError, choices, counted
from skelact.skeleton import Skeleton


def gather_examples(options: Any, ui: UI) -> tuple[list[Any], list[str]]:
    """The examples of the gesture, from wherever they are to come, and what is to be said of them.

    Raises:
        DataError: naming every recording that cannot be used.
    """
    from skelact.recognition.taught_examples import make_example

    if options.camera:
        recordings: Iterator[Skeleton] = from_camera(options, ui)
    elif options.from_set:
        recordings = from_set(options)
    else:
        recordings = (s for clip in options.clips for s in recordings_of(clip, options, ui))
    examples, said, problems = [], [], []
    for skeleton in recordings:
        try:
            examples.append(make_example(skeleton, whole=options.whole))
        except (DataError, LayoutError) as error:
            problems.append(str(error))
            continue
        several = (
            f"; {skeleton.n_people} people are seen, and whose hands move most is taken"
            if skeleton.n_people > 1
            else ""
        )
        said.append(f"{skeleton.id}: {examples[-1].seconds:.1f} s{several}")
    if problems:
        raise DataError(
            "; ".join(problems[:5]) + (f" (and {len(problems) - 5} more)" if len(problems) > 5 else "")
        )
    return examples, said


def recordings_of(source: str, options: Any, ui: UI) -> Iterator[Skeleton]:
    """The recordings of a video or skeleton file."""
    from skelact.commands.convert import find_layout
    from skelact.commands.sources import is_video
    from skelact.io.formats import ReadOptions, detect_format, get_format
    from skelact.pose.extract import extract_video

    if not options.format and is_video(source):
        with ui.progress(f"finding hands in {Path(source).name}") as update:
            yield extract_video(
                source, people="one", parts="pose+hands", coordinates="camera", fov=options.fov,
                estimator=options.estimator, quality=options.quality, progress=update,
            )  # fmt: skip
        return
    if not Path(source).exists():
        raise DataError(f"{source} does not exist; name a video or a skeleton file")
    kind = get_format(options.format or detect_format(source))
    read = ReadOptions(
        layout=find_layout(options.layout), fps=options.fps, unit=options.unit, root=Path(source)
    )
    for item in kind.find(source):
        yield from kind.read(item, read)


def from_set(options: Any) -> Iterator[Skeleton]:
    """Some recordings of a set with the gesture's name as label.

    Raises:
        DataError: if there is none.
    """
    import numpy as np

    found, labels = [], set()
    for skeleton in recordings_of(options.from_set, options, UI(quiet=True)):
        labels.add(str(skeleton.label))
        if skeleton.label == options.name.strip():
            found.append(skeleton)
    if not found:
        raise DataError(f"{options.from_set}: {choices(options.name, sorted(labels), 'label')}")
    rng = np.random.default_rng(options.seed)
    chosen = sorted(rng.choice(len(found), min(options.examples, len(found)), replace=False))
    yield from (found[i] for i in chosen)


def idle_windows(options: Any, ui: UI) -> list[Any]:
    """Windows of the user's own idle movement, of one and two seconds."""
    from skelact.recognition.taught_examples import busiest, cut_example
    from skelact.transforms.gesture_form import to_gesture_form

    found = []
    for clip in options.idle:
        for skeleton in recordings_of(clip, options, ui):
            if not skeleton.n_people:
                continue
            xyz, present, times = to_gesture_form(skeleton, busiest(skeleton))
            for seconds in (1.0, 2.0):
                begin = 0.0
                while begin + seconds <= float(times[-1]):
                    one = cut_example(xyz, present, times, begin, begin + seconds, skeleton.layout.name)
                    if one.present.any():
                        found.append(one)
                    begin += 0.5
    if not found:
        raise DataError("--idle: nobody is seen for a second or longer in these recordings")
    ui.say(f"{counted(len(found), 'window')} of your own idle movement")
    return found


def from_camera(options: Any, ui: UI) -> Iterator[Skeleton]:
    """Record examples one after the other, each after a countdown.

    Raises:
        DataError: if the source ends before all are there.
    """
    from skelact.monitor.sources import Notice, read_source
    from skelact.pose.recording import record

    source: str | int = int(options.camera) if options.camera.isdecimal() else options.camera
    number, begin, frames, told = 1, None, [], -1
    for item in read_source(source):
        if isinstance(item, Notice):
            ui.warn(item.text)
            continue
        if begin is None:
            begin, frames, told = item.time, [], -1
        passed = item.time - begin
        if passed < options.countdown:
            left = int(options.countdown - passed) + 1
            if left != told:
                told = left
                ui.say(f"example {number} of {options.examples} in {left}")
            continue
        if not frames:
            ui.say(f"example {number}: make the gesture now ({options.seconds:g} s)")
        frames.append((item.time, item.image))
        if item.time - frames[0][0] >= options.seconds:
            yield record(frames, f"example {number}", options.estimator, options.quality, options.fov)
            number, begin = number + 1, None
            if number > options.examples:
                return
    raise DataError(
        f"{options.camera} ended after {number - 1} of {options.examples} examples; each takes "
        f"{options.countdown:g} + {options.seconds:g} s (--countdown, --seconds)"
    )
