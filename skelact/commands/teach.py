"""``skelact teach NAME clip1.mp4 clip2.mp4 clip3.mp4``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.teach_examples import gather_examples, idle_windows
from skelact.commands.ui import UI, command_line
from skelact.errors import ConfigError, counted

HELP = """Teach a gesture of your own with 3 to 10 examples; it is recognised at once, nothing is trained.

  skelact teach "thumbs up" a.mp4 b.mp4 c.mp4           each video shows the gesture once
  skelact teach wave --camera 0 --examples 5            from the webcam, after a countdown
  skelact teach "all clear" --from-set natops.h5        the recordings of a set with that label (5 of them)
  skelact teach --list                                  and --remove NAME, --export FILE

Then: skelact predict video.mp4 --vocabulary FILE, skelact monitor 0 --gestures FILE, skelact gestures serve FILE.
The file holds joints, no pictures."""


@dataclass
class Options:
    """Options of teach.

    Args:
        name: of the gesture.
        clips: videos, or skeleton files of any known format; each recording shows the gesture once.
        vocabulary: the file that is taught; if not given, gestures.safetensors in the user's data folder (or in
            $SKELACT_DATA).
        camera: a camera number, a stream address, or a video that stands for one.
        examples: how many are recorded from the camera, or taken from a set.
        seconds: of each example from a camera.
        countdown: seconds before each example from a camera.
        from_set: a set or skeleton file; its recordings with the gesture's name as label are the examples.
        seed: which recordings of a set are taken.
        more: add examples to a gesture that is there.
        either_hand: gestures may be made with either hand (of a new vocabulary).
        false_per_hour: how often idle movement may pass for a gesture, all together.
        idle: videos or skeleton files of your own idle movement, in which no gesture is to be seen.
        whole: take recordings as a whole; else the part in which hands move.
        accept: teach the gesture even if examples differ much or it is like another.
        list: list the gestures.
        remove: forget this gesture.
        export: write the vocabulary to this file, too.
        fov: the camera's horizontal field of view in degrees; 60 is assumed if not given.
        estimator: who looks for people: auto, mediapipe.
        quality: lite, full or heavy: which networks look for people, from fast to exact.
        format: format of skeleton files; found out if not given.
        layout: layout of skeleton files where the format leaves it open.
        fps: frame rate of skeleton files where the format does not say.
        unit: unit of their joints (m, px, image, unknown) where the format does not say.
    """

    name: Annotated[str, tyro.conf.Positional, named("NAME")] = ""
    clips: Annotated[tuple[str, ...], tyro.conf.Positional, named("CLIP")] = ()
    vocabulary: Annotated[str, named("FILE")] = ""
    camera: Annotated[str, named("CAMERA")] = ""
    examples: int = 5
    seconds: float = 2.5
    countdown: float = 3.0
    from_set: Annotated[str, named("FILE.h5")] = ""
    seed: int = 0
    more: bool = False
    either_hand: bool = False
    false_per_hour: Annotated[float | None, named("NUMBER")] = None
    idle: Annotated[tuple[str, ...], named("CLIP")] = ()
    whole: bool = False
    accept: bool = False
    list: bool = False
    remove: Annotated[str, named("NAME")] = ""
    export: Annotated[str, named("FILE")] = ""
    fov: Annotated[float | None, named("DEGREES")] = None
    estimator: Literal["auto", "mediapipe"] = "auto"
    quality: Literal["lite", "full", "heavy"] = "full"
    format: Annotated[str | None, named("FORMAT")] = None
    layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    fps: Annotated[float | None, named("FLOAT")] = None
    unit: Annotated[str | None, named("NAME")] = None


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "teach", HELP)

    from skelact.io.outputs import check_output, holding
    from skelact.recognition.taught import default_vocabulary

    need_at_least(0, seconds=options.seconds, false_per_hour=options.false_per_hour, fps=options.fps)
    if options.countdown < 0:
        raise ConfigError(f"--countdown must not be below 0, got {options.countdown}")
    path = Path(options.vocabulary) if options.vocabulary else default_vocabulary()
    sources = [bool(options.clips), bool(options.camera), bool(options.from_set)]
    asked = (
        options.list or options.remove or options.export or options.idle or options.false_per_hour is not None
    )
    if options.name and sum(sources) != 1:
        raise ConfigError(
            f"name the examples of '{options.name}' in one way: clips (skelact teach NAME a.mp4 b.mp4 c.mp4), "
            "--camera 0 or --from-set FILE.h5"
        )
    if not options.name and (any(sources) or not asked):
        raise ConfigError(
            "name a gesture and its examples: skelact teach NAME a.mp4 b.mp4 c.mp4; or --list, --remove NAME, "
            "--export FILE"
        )
    if options.camera and not 1 <= options.examples <= 50:
        raise ConfigError(f"--examples must be 1 to 50, got {options.examples}")
    inputs = [*options.clips, *options.idle, options.from_set]
    if options.export:
        check_output(options.export, [*inputs, path])
    if options.list and not (options.name or options.remove or options.export or options.idle):
        vocabulary = open_vocabulary(path, options, must_exist=True)
        ui.result(show(vocabulary, path, ui))
        return 0
    with holding(path, inputs):
        vocabulary = open_vocabulary(path, options, must_exist=not options.name)
        change(vocabulary, path, options, ui)
        result = show(vocabulary, path, ui) if options.list or not options.name else {"vocabulary": str(path)}
        if options.export:
            vocabulary.save(options.export)
            ui.done(f"exported to {options.export}")
            result["exported"] = options.export
    ui.result(result | {"gestures": vocabulary.names})
    return 0


def open_vocabulary(path: Path, options: Options, must_exist: bool) -> Any:
    """The vocabulary of the file, or a new one.

    Raises:
        SkelactError: if it is damaged, or not there and must be.
    """
    from skelact.recognition.taught import Vocabulary

    if path.exists() or must_exist:
        vocabulary = Vocabulary.load(path)
        if options.either_hand and not vocabulary.either_hand and len(vocabulary):
            raise ConfigError(
                f"{path} holds gestures of the hand that made them; teach another vocabulary for gestures of either "
                "hand (--vocabulary FILE)"
            )
    else:
        vocabulary = Vocabulary()
    vocabulary.either_hand = vocabulary.either_hand or options.either_hand
    return vocabulary


def change(vocabulary: Any, path: Path, options: Options, ui: UI) -> None:
    """Do what is asked to a vocabulary and write it."""
    for note in vocabulary.notes:
        ui.warn(note)
    changed = bool(vocabulary.notes)
    if options.remove:
        vocabulary.remove(options.remove)
        ui.done(f"'{options.remove}' is removed")
        changed = True
    if options.false_per_hour is not None:
        vocabulary.false_per_hour = options.false_per_hour
        changed = True
    if options.idle:
        vocabulary.idle += idle_windows(options, ui)
        changed = True
    if changed:
        vocabulary.fit()
    if options.name:
        examples, said = gather_examples(options, ui)
        notes = vocabulary.add(options.name, examples, more=options.more, strict=not options.accept)
        for line in said:
            ui.say(f"  {line}")
        for note in notes:
            ui.warn(note)
        gesture = vocabulary.gestures[options.name.strip()]
        changed = True
        ui.done(
            f"'{gesture.name}' is taught: {counted(len(gesture.examples), 'example')} of about "
            f"{gesture.seconds:.1f} s, in {path}"
        )
        ui.next(
            command_line("predict", "video.mp4", "--vocabulary", path),
            command_line("monitor", "0", "--gestures", path),
        )
    if changed:
        vocabulary.save(path)


def show(vocabulary: Any, path: Path, ui: UI) -> dict[str, Any]:
    """List the gestures; returns what ``--json`` prints."""
    rows, plain = [], []
    for gesture in vocabulary.gestures.values():
        layouts = sorted({e.layout for e in gesture.examples if e.layout})
        rows.append(
            [
                gesture.name,
                len(gesture.examples),
                f"{gesture.seconds:.1f} s",
                f"{gesture.threshold:.2f}",
                ", ".join(layouts),
            ]
        )
        plain.append(
            {"name": gesture.name, "examples": len(gesture.examples), "seconds": gesture.seconds,
             "threshold": gesture.threshold, "layouts": layouts}
        )  # fmt: skip
    ui.table(["gesture", "examples", "length", "threshold", "layout"], rows)
    hand = "either hand" if vocabulary.either_hand else "the hand that made it"
    ui.say(f"{path}: {hand}; {vocabulary.false_per_hour:g} false triggers an hour allowed")
    return {
        "vocabulary": str(path), "taught": plain, "either_hand": vocabulary.either_hand,
        "false_per_hour": vocabulary.false_per_hour,
    }  # fmt: skip
