"""``skelact predict CKPT INPUT``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.convert import find_layout, show_reasons
from skelact.commands.options import OwnModels, named, need_at_least, parse, use_own
from skelact.commands.predict_results import draw, write_results
from skelact.commands.sources import is_video, read_skeletons
from skelact.commands.ui import PARTLY, UI, percent
from skelact.errors import ConfigError, DataError, LayoutError, counted
from skelact.io.addresses import public_name, short_name
from skelact.skeleton import Skeleton

HELP = """Name the actions in a video (or camera, stream) or in a skeleton file.

  skelact predict video.mp4                             what people do all day, by the network that ships with skelact
  skelact predict runs/NAME video.mp4 --overlay out.mp4
  skelact predict runs/NAME S001C001P001R001A001.skeleton
  skelact predict video.mp4 --vocabulary FILE           gestures that were taught with skelact teach"""


@dataclass
class Options:
    """Options of predict.

    Args:
        checkpoint: checkpoint file or run folder; everyday (3D) or everyday-2d, the networks that ship with skelact,
            if only the input is named.
        source: a video, or a skeleton file of any known format.
        vocabulary: of skelact teach, instead of a checkpoint: its gestures are named.
        overlay: write the video with skeletons, tracks, actions and confidence drawn on it.
        out: folder for predictions.json, segments.csv and timeline.png; beside the source if not given.
        window: seconds per decision; the usual length of a training clip if not given.
        stride: seconds between decisions; a quarter window if not given.
        mode: each person alone, all people as one group, or auto.
        unknown: answer 'unknown' below the threshold that was fitted for the checkpoint (skelact evaluate
            --fit-unknown); without one, every answer is a class.
        threshold: answer 'unknown' below this probability (0 to 1) instead.
        people: how many people to look for in a video: one, many or auto.
        estimator: who looks for people: auto (MoveNet finds them and MediaPipe reads each; MediaPipe alone where
            MoveNet cannot be had), mediapipe, movenet (17 joints, without depth), or a YOLO-pose or RTMPose model of
            your own: a file MODEL.onnx, with --pose-layout.
        pose_layout: layout of the joints of an ONNX model, such as coco17: a name or a YAML file.
        quality: lite, full or heavy: which networks look for people and read them, from fast to exact.
        min_score: leave out people found less surely than this (0 to 1); the estimator's own limit if not given.
        fov: the camera's horizontal field of view in degrees; 60 is assumed if not given.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
        model: your own class (module:Class) that the checkpoint is of, if it is; its code is run. Can be repeated.
        format: format of a skeleton file; found out if not given.
        layout: layout of a skeleton file where the format leaves it open.
        fps: frame rate of a skeleton file where the format does not say.
        unit: unit of its joints (m, px, image, unknown) where the format does not say.
    """

    checkpoint: Annotated[str, tyro.conf.Positional, named("CHECKPOINT")] = ""
    source: Annotated[str, tyro.conf.Positional, named("INPUT")] = ""
    vocabulary: Annotated[str, named("FILE")] = ""
    overlay: Annotated[str, named("FILE.mp4")] = ""
    out: Annotated[str, named("FOLDER")] = ""
    window: Annotated[float | None, named("SECONDS")] = None
    stride: Annotated[float | None, named("SECONDS")] = None
    mode: Literal["auto", "each", "group"] = "auto"
    unknown: bool = True
    threshold: Annotated[float | None, named("0..1")] = None
    people: Literal["auto", "one", "many"] = "auto"
    estimator: Annotated[str, named("NAME|MODEL.onnx")] = "auto"
    pose_layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    quality: Literal["lite", "full", "heavy"] = "full"
    min_score: Annotated[float | None, named("0..1")] = None
    fov: Annotated[float | None, named("DEGREES")] = None
    device: str = "auto"
    model: OwnModels = ()
    format: Annotated[str | None, named("NAME")] = None
    layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    fps: Annotated[float | None, named("FLOAT")] = None
    unit: Annotated[str | None, named("NAME")] = None


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "predict", HELP)
    if not options.source:  # the only word that was given is the input
        options.checkpoint, options.source = "", options.checkpoint
    if not options.source:
        raise ConfigError("name an input: skelact predict video.mp4, or skelact predict runs/NAME video.mp4")
    if options.vocabulary:
        from skelact.commands.name_gestures import predict_gestures

        output = predict_gestures(options, ui)
    else:
        output = predict(options, ui)
    ui.result(output)
    return PARTLY if output["failed"] else 0


def predict(options: Options, ui: UI) -> dict:
    """Recognise one recording or every recording of a file; returns what ``--json`` prints."""
    from skelact.io.outputs import check_output, holding
    from skelact.io.video import VIDEO_SUFFIXES

    need_at_least(0, window=options.window, stride=options.stride, fps=options.fps)
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise ConfigError(f"--threshold must be from 0 to 1, got {options.threshold}")
    if options.threshold is not None and not options.unknown:
        raise ConfigError("--threshold says when to answer 'unknown', --no-unknown never to; leave one out")
    use_own(options.model)
    results, others = result_files(options)
    inputs = [options.source]
    if options.checkpoint:
        inputs += [options.checkpoint, str(Path(options.checkpoint) / "best.safetensors")]
    for path in others:
        check_output(path, inputs)
    with ExitStack() as held:
        if options.overlay:
            if Path(options.overlay).suffix.lower() not in VIDEO_SUFFIXES:
                raise ConfigError(
                    f"--overlay {options.overlay} names no kind of video; use a name such as out.mp4"
                )
            held.enter_context(holding(options.overlay, inputs))
        held.enter_context(holding(results, inputs))
        return _predict(options, ui)


def result_files(options: Options) -> tuple[Path, list[Path]]:
    """The main file that is written, and those beside it."""
    video = not options.format and is_video(options.source)
    folder = Path(options.out) if options.out else Path(options.source if not video else ".").parent
    name = short_name(options.source) if video else Path(options.source).name.split(".")[0]
    return folder / f"{name}.predictions.json", [
        folder / f"{name}.segments.csv",
        folder / f"{name}.timeline.png",
    ]


def _predict(options: Options, ui: UI) -> dict:
    from skelact.recognition import Recogniser, fit_input
    from skelact.recognition.everyday import everyday_for

    video = not options.format and is_video(options.source)
    if options.overlay and not video:
        raise ConfigError(f"--overlay draws on a video, but {options.source} is a skeleton file")
    failed: list[tuple[str, str]] = []
    skeletons: Iterable[Skeleton] = () if video else read_skeletons(options, failed)
    shipped = not options.checkpoint
    if shipped:
        options.checkpoint, skeletons = choose_everyday(options, video, skeletons)
        ui.say(f"no checkpoint is named: {options.checkpoint}, which ships with skelact")
    recogniser = Recogniser(options.checkpoint, options.device)
    release = recogniser.card.pipeline.get("release")
    if video and release:
        raise DataError(
            f"{options.checkpoint} was imported from the release '{release}', which reads the raw skeleton files "
            f"that it was trained on, not videos; got {options.source}. Fine-tune it on skeletons of videos "
            "(skelact train --train.init-from)"
        )
    threshold = choose_threshold(options, ui)
    drawn: Skeleton | None = None
    results: list[tuple[Skeleton, Any]] = []
    if video:
        try:
            found, drawn = pose_of_video(options, recogniser, ui)
        except NobodyFound:
            if not (shipped and may_look_flat(options)):
                raise
            options.estimator, options.checkpoint = "movenet", everyday_for(2)
            ui.say(
                f"nobody is read in metres; looking again in the picture alone: MoveNet, {options.checkpoint}"
            )
            recogniser = Recogniser(options.checkpoint, options.device)
            found, drawn = pose_of_video(options, recogniser, ui)
        skeletons = [found]
    for skeleton in skeletons:
        try:
            fitted, notes = fit_input(skeleton, recogniser.card, recogniser.pipeline)
            recognition = recogniser.recognise(
                fitted, window=options.window, stride=options.stride, mode=options.mode,
                threshold=threshold, video=options.source if video else None,
            )  # fmt: skip
        except (DataError, LayoutError) as error:
            failed.append((skeleton.id, str(error)))
            continue
        for note in notes if not results else ():
            ui.say(f"  {note}")
        results.append((skeleton, recognition))
    if not results:
        reasons = [reason for _, reason in failed] or ["it holds no recording"]
        text = reasons[0] if options.source in reasons[0] else f"{options.source}: {reasons[0]}"
        more = (
            f" (and {counted(len(reasons) - 1, 'more recording')} that cannot be used)"
            if len(reasons) > 1
            else ""
        )
        raise DataError(text + more)
    show_reasons(ui, "could not be used", failed)
    written = result_files(options)[0]
    name = written.name.removesuffix(".predictions.json")
    output = write_results(written.parent, name, results, threshold, ui)
    output["seen"] = float((results[0][0].score > 0).any((0, 2)).mean())
    output["failed"] = failed
    if options.overlay and drawn is not None:
        draw(options, drawn, results[0][1], ui)
        output["overlay"] = options.overlay
    return output


def choose_threshold(options: Options, ui: UI) -> float:
    """The probability below which the answer is ``unknown``; 0: never.

    Raises:
        CheckpointError: if the checkpoint's own is damaged, or was fitted for other weights.
    """
    from skelact.recognition.checkpoint import find_checkpoint
    from skelact.recognition.unknown import load_threshold

    if options.threshold is not None or not options.unknown:
        return options.threshold or 0.0
    found = load_threshold(find_checkpoint(options.checkpoint))
    if found is None:
        return 0.0
    ui.say(
        f"  'unknown' below {found.threshold:.3f}, fitted to refuse {100 * found.rate:g} % of clips of known classes "
        "(--no-unknown: answer always)"
    )
    return found.threshold


def choose_everyday(
    options: Options, video: bool, skeletons: Iterable[Skeleton]
) -> tuple[str, Iterable[Skeleton]]:
    """The form of the shipped network that fits the input, and the recordings (the first was looked at)."""
    from skelact.pose.estimators import sees_depth
    from skelact.recognition.everyday import everyday_for

    if video:
        return everyday_for(3 if sees_depth(options.estimator) else 2), skeletons
    rest = iter(skeletons)
    first = list(islice(rest, 1))
    return everyday_for(first[0].xyz.shape[3] if first else 3), chain(first, rest)


def may_look_flat(options: Options) -> bool:
    """Whether another look, without depth, may find people of whom none can be read in metres."""
    from skelact.pose.estimators import available_estimator

    return options.estimator == "auto" and available_estimator("auto") == "auto"


class NobodyFound(DataError):
    """A video shows nobody to the estimator that looked at it."""


def pose_of_video(options: Options, recogniser: Any, ui: UI) -> tuple[Skeleton, Skeleton]:
    """(skeleton for the network, skeleton in the picture for drawing).

    Raises:
        NobodyFound: if nobody is, and the network sees no pictures.
    """
    from skelact.pose.extract import extract_video

    with ui.progress("finding people") as update:
        found = extract_video(
            options.source,
            people=options.people,
            **recogniser.extraction,
            fov=options.fov,
            estimator=options.estimator,
            quality=options.quality,
            min_score=options.min_score,
            pose_layout=find_layout(options.pose_layout),
            progress=update,
        )
    if recogniser.pictures and not (found.score > 0).any():
        ui.warn("no person was found; the answer rests on the pictures alone")
        return found, found.in_picture()
    if found.n_people == 0 or not (found.score > 0).any():
        raise NobodyFound(
            f"no person was found in {public_name(options.source)}; look at it, or try --people many"
        )
    seen = (found.score > 0).any((0, 2)).mean()
    ui.say(f"{counted(found.n_people, 'person', 'people')} on {percent(seen)} of the frames")
    return found, found.in_picture()
