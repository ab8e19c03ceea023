"""``skelact extract VIDEO… --out FILE.h5``, and ``--flow KIND --out FOLDER`` for optical flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.convert import check_shares, find_layout, read_split_from, show_reasons
from skelact.commands.options import named, parse
from skelact.commands.ui import PARTLY, UI, command_line, percent
from skelact.errors import ConfigError, DataError, counted
from skelact.skeleton import Skeleton

HELP = """Turn videos into skeletons: files, folders, a camera (0) or a stream address.

  skelact extract clips/ --out mine.h5 --split 0.7 0.1 0.2     (a folder label/...mp4 gives the labels)
  skelact extract video.mp4 --out video.h5 --parts pose+hands
  skelact extract video.mp4 --overlay drawn.mp4                 (the video with the skeletons drawn on it)
  skelact extract clips/ --flow dis                             (optical flow instead, into clips_flow/)"""


@dataclass
class Options:
    """Options of extract.

    Args:
        sources: videos, folders of videos, a camera number or a stream address.
        out: the skelact file to write.
        overlay: write the only video with its skeletons drawn on it; without --out nothing else is written.
        workers: processes; -1 for one per core.
        people: how many people to look for: one, many or auto; none: only list the videos, for networks that see
            pictures.
        keep_empty: keep videos that show nobody, for networks that see pictures.
        parts: pose, or pose+hands.
        coordinates: camera (metres from the camera, with the trajectory), world (metres around each person's own
            hips) or image (fractions of the picture).
        fov: the camera's horizontal field of view in degrees, for camera coordinates; 60 is assumed if not given.
        min_visibility: joints that are seen less surely than this (0 to 1) are missing.
        smooth: One-Euro smoothing of every landmark.
        labels: take labels from the folders that the videos are in.
        label: regular expression with one group that finds the label in a file's path, instead of the folder's name.
        subject: regular expression with one group that finds the subject in a file's path.
        seconds: stop a camera or stream after this time.
        split: shares for train, val and test, such as 0.7 0.1 0.2; nobody is in two parts.
        split_by: what is never divided: subject, or clip.
        split_from: parts that are written down: FILE.csv or FILE.csv:COLUMN (a column of video or clip names, and one
            of parts, split if not named), or PART=LIST.txt ... with a name a line.
        resume: continue an unfinished file.
        overwrite: replace the file if it exists.
        dask: address of a Dask scheduler that does the work.
        estimator: who looks for people: auto (MoveNet finds them and MediaPipe reads each; MediaPipe alone where
            MoveNet cannot be had), mediapipe, movenet (17 joints, without depth), or a YOLO-pose or RTMPose model of
            your own: a file MODEL.onnx, with --pose-layout.
        pose_layout: layout of the joints of an ONNX model, such as coco17: a name or a YAML file.
        quality: lite, full or heavy: which networks look for people and read them, from fast to exact.
        min_score: leave out people found less surely than this (0 to 1); the estimator's own limit if not given.
        flow: find optical flow instead of skeletons: dis, farneback, tvl1, raft or motion (the codec's own vectors);
            --out is then a folder, FOLDER_flow beside the videos' folder if it is not given.
        flow_size: shorter side of the fields of flow, in pixels.
        flow_bound: pixels per frame, at that size, beyond which flow is cut off.
    """

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, named("VIDEO|FOLDER")] = ()
    out: Annotated[str, named("FILE.h5")] = ""
    overlay: Annotated[str, named("FILE.mp4")] = ""
    workers: int = -1
    people: Literal["auto", "one", "many", "none"] = "auto"
    keep_empty: bool = False
    parts: Literal["pose", "pose+hands"] = "pose"
    coordinates: Literal["camera", "world", "image"] = "camera"
    fov: Annotated[float | None, named("DEGREES")] = None
    min_visibility: float = 0.1
    smooth: bool = True
    labels: bool = True
    label: Annotated[str | None, named("PATTERN")] = None
    subject: Annotated[str | None, named("PATTERN")] = None
    seconds: Annotated[float | None, named("SECONDS")] = None
    split: Annotated[tuple[float, float, float] | None, named("TRAIN VAL TEST")] = None
    split_by: str = "subject"
    split_from: Annotated[tuple[str, ...], named("FILE.csv|PART=LIST.txt")] = ()
    resume: bool = True
    overwrite: bool = False
    dask: Annotated[str | None, named("ADDRESS")] = None
    estimator: Annotated[str, named("NAME|MODEL.onnx")] = "auto"
    pose_layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    quality: Literal["lite", "full", "heavy"] = "full"
    min_score: Annotated[float | None, named("0..1")] = None
    flow: Annotated[str | None, named("KIND")] = None
    flow_size: Annotated[int, named("PIXELS")] = 128
    flow_bound: Annotated[float, named("PIXELS")] = 20.0


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "extract", HELP)
    if options.flow is not None and options.sources:
        found = flow(options, ui)
        ui.result(found.to_dict())
        return PARTLY if found.failed else 0
    if options.sources and options.overlay:
        return extract_and_draw(options, ui)
    if not options.sources or not options.out:
        raise ConfigError("name the videos and the file to write: skelact extract VIDEO --out set.h5")
    report = extract(options, ui)
    ui.result(report.to_dict())
    return PARTLY if report.failed or report.empty else 0


def extract_and_draw(options: Options, ui: UI) -> int:
    """Extract one video, to a skelact file if one is named, and draw its skeletons on it."""
    from skelact.io.outputs import holding
    from skelact.io.store import Store

    check_overlay(options)
    with holding(options.overlay, options.sources):
        if options.out:
            report = extract(options, ui)
            result, partly = report.to_dict(), bool(report.failed or report.empty)
            with Store(options.out) as store:
                skeleton = store.read(0)
        else:
            skeleton, partly = find_people(options, ui), False
            result = {"people": skeleton.n_people, "frames": skeleton.n_frames}
        draw(options, skeleton, ui)
    ui.result({**result, "overlay": options.overlay})
    return PARTLY if partly else 0


def check_overlay(options: Options) -> None:
    """Refuse an overlay that cannot be drawn, before any work.

    Raises:
        ConfigError: it says what is allowed.
        DataError: if the file exists.
    """
    from skelact.io.video import VIDEO_SUFFIXES, is_live

    source = options.sources[0]
    more = len(options.sources) > 1 or Path(source).is_dir()
    if more or is_live(source) or options.people == "none":
        raise ConfigError(
            "--overlay draws the people of one video file; name one: skelact extract video.mp4 --overlay out.mp4"
        )
    if Path(options.overlay).suffix.lower() not in VIDEO_SUFFIXES:
        raise ConfigError(f"--overlay {options.overlay} names no kind of video; use a name such as out.mp4")
    if Path(options.overlay).exists() and not options.overwrite:
        raise DataError(
            f"{options.overlay} exists already; choose another name, or replace it with --overwrite"
        )


def find_people(options: Options, ui: UI) -> Skeleton:
    """The people of the only video.

    Raises:
        DataError: if nobody is found.
    """
    from skelact.pose.estimators import sees_depth
    from skelact.pose.extract import extract_video

    source = options.sources[0]
    with ui.progress("finding people") as update:
        found = extract_video(
            source, people=options.people, parts=options.parts, fov=options.fov, smooth=options.smooth,
            coordinates=options.coordinates if sees_depth(options.estimator) else "image",
            min_visibility=options.min_visibility, seconds=options.seconds, estimator=options.estimator,
            quality=options.quality, min_score=options.min_score,
            pose_layout=find_layout(options.pose_layout), progress=update,
        )  # fmt: skip
    if not (found.score > 0).any():
        raise DataError(f"no person was found in {source}; look at it, or try --people many")
    return found


def draw(options: Options, skeleton: Skeleton, ui: UI) -> None:
    """Write the overlay video."""
    from skelact.evaluate.overlay import overlay_recording

    overlay_recording(options.sources[0], skeleton, options.overlay)
    ui.done(f"overlay {options.overlay}")


def flow(options: Options, ui: UI) -> Any:
    """Find the optical flow of videos with progress; returns the report."""
    from skelact.io.flow_many import extract_flow

    with ui.progress("finding flow") as update:
        report = extract_flow(
            options.sources, options.out or None, kind=options.flow or "", size=options.flow_size,
            bound=options.flow_bound, workers=options.workers, resume=options.resume and not options.overwrite,
            progress=update,
        )  # fmt: skip
    n = len(report.stored) + len(report.already_there)
    share = f", {percent(report.n_bytes / report.video_bytes)} of their bytes" if report.video_bytes else ""
    ui.done(f"{report.kind} flow of {counted(n, 'video')} in {report.out}{share}")
    if report.already_there:
        ui.say(f"  {counted(len(report.already_there), 'of them was', 'of them were')} there")
    show_reasons(ui, "videos could not be used", list(report.failed.items()))
    return report


def found_names(out: str | Path) -> list[str]:
    """``3 labels: sit, walk, wave`` and the same of subjects, so that a wrong pattern is seen at once."""
    from skelact.io.store import Store

    with Store(out) as store:
        found = {
            "label": store.label_names,
            "subject": [str(i["subject"]) for i in store.infos if "subject" in i],
        }
    return [
        f"{counted(len(names), what)}: {', '.join(names[:12])}{', ...' * (len(names) > 12)}"
        for what, names in ((what, sorted(set(names))) for what, names in found.items())
        if names
    ]


def extract(options: Options, ui: UI) -> Any:
    """Extract videos with progress; returns the report."""
    from skelact.datasets.splits import subject_splits
    from skelact.pose.extract_many import extract_many

    listed = read_split_from(options)

    def divide(tasks: Sequence[Any]) -> Mapping[str, Sequence[str]]:
        if listed is not None:
            return listed([(t.id, {}) for t in tasks])
        known = all(t.subject is not None for t in tasks)
        if options.split_by == "subject" and not known:
            raise ConfigError(
                "--split keeps subjects together, but some videos do not say their subject; give --subject PATTERN "
                "(such as 'person([0-9]+)'), or --split-by clip"
            )
        clips = [(t.id, {"subject": t.subject or ""}) for t in tasks]
        return subject_splits(clips, options.split, by=options.split_by)

    if options.split:
        check_shares(options.split)
    with ui.progress("extracting") as update:
        report = extract_many(
            list(options.sources), options.out, workers=options.workers, people=options.people, parts=options.parts,
            coordinates=options.coordinates, fov=options.fov, min_visibility=options.min_visibility,
            smooth=options.smooth, labels_from_folders=options.labels,
            subject_pattern=options.subject, label_pattern=options.label, seconds=options.seconds,
            resume=options.resume, overwrite=options.overwrite, splits=divide if options.split or listed else None,
            progress=update, dask=options.dask,
            estimator=options.estimator, quality=options.quality,
            min_score=options.min_score, pose_layout=find_layout(options.pose_layout), keep_empty=options.keep_empty,
        )  # fmt: skip
    stored = len(report.stored) + len(report.already_there)
    rate = report.n_frames / report.seconds if report.seconds else 0
    ui.done(
        f"{counted(stored, 'recording')} in {report.out} ({counted(report.n_frames, 'frame')}, {rate:.0f} "
        f"looked at a second)"
    )
    if names := found_names(report.out):
        ui.say("  " + "; ".join(names))
    if options.coordinates == "camera" and options.fov is None:
        ui.say(
            "  distances assume a camera that sees 60 degrees across; --fov DEGREES says it (Kinect v2: 84.1)"
        )
    if report.already_there:
        ui.say(
            f"  {counted(len(report.already_there), 'of them was', 'of them were')} there from an interrupted run"
        )
    rows = [[name, report.n_people[name], percent(share)] for name, share in sorted(report.found.items())]
    ui.table(["recording", "people", "frames with a person"], rows[:30])
    show_reasons(ui, "videos could not be used", list(report.failed.items()))
    show_reasons(ui, "videos show nobody", [(source, "no person was found") for source in report.empty])
    show_reasons(ui, "warnings", list(report.warnings.items()))
    for note in listed.notes if listed else ():
        ui.warn(note)
    ui.next(
        *(command_line(word, report.out) for word in ("inspect", "show")),
        command_line("train", "--data", report.out),
    )
    return report
