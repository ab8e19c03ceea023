"""``skelact detect VIDEO --checkpoint CKPT``."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro

from skelact.commands.options import OwnModels, named, need_at_least, parse, use_own
from skelact.commands.predict import Options as PredictOptions
from skelact.commands.predict import pose_of_video
from skelact.commands.sources import is_video
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, DataError
from skelact.io.addresses import short_name

if TYPE_CHECKING:
    from skelact.recognition.person_tracks import Detection, PersonTrack

HELP = """Find who does what in a video, where, and from when to when.

  skelact detect video.mp4 --overlay out.mp4           what people do all day, by the network that ships with skelact
  skelact detect video.mp4 --checkpoint runs/NAME --overlay out.mp4
  skelact detect video.mp4 --checkpoint regions.safetensors --boxes people.csv

A skeleton checkpoint follows people by their poses and names the actions of each. A checkpoint of a region network
classifies boxes in the picture: it finds them itself (proposals), takes those of the pose tracks, or of AVA's CSV."""

LEAST_LINK = 0.1  # IoU of two proposals that may be the same person


@dataclass
class Options:
    """Options of detect.

    Args:
        source: a video file.
        checkpoint: of a network over skeletons (file or run folder), or of a region network; everyday ships with
            skelact.
        boxes: AVA's CSV with the boxes of people, for a region network.
        video_id: the video's name in the CSV files; its file name if not given.
        find: how a region network gets its boxes where no CSV is given: by pose tracks or by its own proposals; auto
            takes proposals if the network makes them.
        overlay: write the video with boxes, actions and confidence drawn on it.
        out: folder for detections.json, ava.csv and labels.pbtxt; the current one if not given.
        rate: rows of each person and action for every second of ava.csv.
        threshold: least probability of an action that is told, for a region network.
        stride: seconds between decisions; half a second for a region network, otherwise a quarter window.
        window: seconds per decision of a skeleton network; the usual length of a training clip if not given.
        mode: each person alone, all people as one group, or auto.
        people: how many people the pose tracks look for: one, many or auto.
        fov: the camera's horizontal field of view in degrees; 60 is assumed if not given.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
        model: your own class (module:Class) that the checkpoint is of, if it is; its code is run. Can be repeated.
    """

    source: Annotated[str, tyro.conf.Positional, named("VIDEO")] = ""
    checkpoint: Annotated[str, named("CHECKPOINT")] = "everyday"
    boxes: Annotated[str, named("FILE.csv")] = ""
    video_id: Annotated[str, named("NAME")] = ""
    find: Literal["auto", "pose", "proposals"] = "auto"
    overlay: Annotated[str, named("FILE.mp4")] = ""
    out: Annotated[str, named("FOLDER")] = ""
    rate: float = 1.0
    threshold: float = 0.5
    stride: Annotated[float | None, named("SECONDS")] = None
    window: Annotated[float | None, named("SECONDS")] = None
    mode: Literal["auto", "each", "group"] = "each"
    people: Literal["auto", "one", "many"] = "auto"
    fov: Annotated[float | None, named("DEGREES")] = None
    device: str = "auto"
    model: OwnModels = ()

    @property
    def name(self) -> str:
        """The video's name in files."""
        return self.video_id or short_name(self.source)


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "detect", HELP)
    if not options.source:
        raise ConfigError("name a video: skelact detect video.mp4")
    ui.result(detect(options, ui))
    return 0


def detect(options: Options, ui: UI) -> dict:
    """Detect actions in a video and write what was found; returns what ``--json`` prints."""
    from skelact.io.outputs import holding
    from skelact.io.video import VIDEO_SUFFIXES, is_live
    from skelact.recognition.region_detector import is_region_checkpoint

    need_at_least(0, rate=options.rate, stride=options.stride, window=options.window)
    if not 0 < options.threshold < 1:
        raise ConfigError(f"--threshold must be between 0 and 1, got {options.threshold}")
    if is_live(options.source) or not is_video(options.source):
        raise ConfigError(
            f"{short_name(options.source)} is no video file, and detect reads a video twice; record it first. Cameras, "
            "streams and skeleton files: skelact predict"
        )
    if options.overlay and Path(options.overlay).suffix.lower() not in VIDEO_SUFFIXES:
        raise ConfigError(f"--overlay {options.overlay} names no kind of video; use a name such as out.mp4")
    use_own(options.model)
    region = is_region_checkpoint(options.checkpoint)
    given = [name for name in ("boxes", "find") if getattr(options, name) not in ("", "auto")]
    if given and not region:
        raise ConfigError(
            f"--{given[0]} is for region networks, and {options.checkpoint} is a skeleton network, which finds "
            "people by their poses; leave it out"
        )
    inputs = [options.checkpoint, Path(options.checkpoint) / "best.safetensors", options.source]
    inputs += [options.boxes] if options.boxes else []
    with ExitStack() as held:
        for path in (*output_files(options), *([options.overlay] if options.overlay else [])):
            held.enter_context(holding(path, inputs))
        detection = detect_by_regions(options, ui) if region else detect_by_pose(options, ui)
        return write_detection(options, detection, ui)


def output_files(options: Options) -> tuple[Path, Path, Path]:
    """JSON, CSV and label map."""
    folder = Path(options.out)
    stem = options.name.replace("/", "_")
    return folder / f"{stem}.detections.json", folder / f"{stem}.ava.csv", folder / f"{stem}.labels.pbtxt"


def detect_by_pose(options: Options, ui: UI) -> Detection:
    """People by their pose tracks, and their actions by a network over skeletons."""
    from skelact.recognition import Recogniser, fit_input
    from skelact.recognition.person_tracks import locate, tracks_of_skeleton

    recogniser = Recogniser(options.checkpoint, options.device)
    release = recogniser.card.pipeline.get("release")
    if release:
        raise DataError(
            f"{options.checkpoint} was imported from the release '{release}', which reads the raw skeleton files that "
            "it was trained on, not videos. Fine-tune it on skeletons of videos (skelact train --train.init-from)"
        )
    looking = PredictOptions(source=options.source, people=options.people, fov=options.fov)
    found, picture = pose_of_video(looking, recogniser.card, ui)
    fitted, notes = fit_input(found, recogniser.card, recogniser.pipeline)
    for note in notes:
        ui.say(f"  {note}")
    recognition = recogniser.recognise(
        fitted, window=options.window, stride=options.stride, mode=options.mode
    )
    return locate(recognition, tracks_of_skeleton(picture))


def detect_by_regions(options: Options, ui: UI) -> Detection:
    """Actions of boxes by a region network."""
    from skelact.io.video import open_video
    from skelact.recognition.person_tracks import Detection
    from skelact.recognition.region_detector import RegionDetector, join_key_frames

    detector = RegionDetector(options.checkpoint, options.device)
    tracks = given_tracks(options, detector.model.proposal is not None, ui)
    stride = 0.5 if options.stride is None else options.stride
    with open_video(options.source) as video:
        length = max(frame.time for frame in video)
    times = np.arange(stride / 2, max(length, stride / 2 + 1e-6) + 1e-9, stride)
    with open_video(options.source) as video, ui.progress("recognising") as update:
        seen = list(detector.look(video, times.tolist(), tracks, update))
    said: dict[int, list[tuple[float, np.ndarray]]] = {}
    if tracks is None:
        tracks = link_people(seen, said, stride)
    else:
        for key in seen:
            for person, p in zip(key.people or (), key.probabilities, strict=True):
                said.setdefault(person, []).append((key.time, p))
    if not tracks:
        raise DataError(f"no person was found in {short_name(options.source)}; look at it, or give --boxes")
    names = detector.card.label_names
    return Detection(names, tracks, join_key_frames(said, names, stride, options.threshold))


def given_tracks(options: Options, proposes: bool, ui: UI) -> list[PersonTrack] | None:
    """The people of a CSV or of the pose tracks; None: the network is to propose them."""
    from skelact.recognition.person_tracks import tracks_of_skeleton, tracks_of_table

    if options.boxes:
        from skelact.io.ava import read_ava

        return tracks_of_table(read_ava(options.boxes), options.name)
    if options.find == "proposals" or (options.find == "auto" and proposes):
        return None
    from skelact.pose.extract import extract_video

    with ui.progress("finding people") as update:
        found = extract_video(options.source, people=options.people, coordinates="image", progress=update)
    return tracks_of_skeleton(found)


def link_people(
    seen: list, said: dict[int, list[tuple[float, np.ndarray]]], stride: float
) -> list[PersonTrack]:
    """Proposals linked into people; what is said of each goes to ``said``."""
    from skelact.evaluate.tubes import link_tubes
    from skelact.recognition.person_tracks import PersonTrack

    tubes = link_tubes([key.boxes for key in seen], [key.sure for key in seen], least_iou=LEAST_LINK)
    tracks = []
    for person, tube in enumerate(tubes):
        assert tube.rows is not None
        keys = [seen[t] for t in tube.frames]
        times = np.array([key.time for key in keys])
        tracks.append(PersonTrack(person, times, tube.boxes, bridge=1.5 * stride))
        said[person] = [
            # an action is as sure as the person who does it
            (key.time, key.sure[row] * key.probabilities[row])
            for key, row in zip(keys, tube.rows.tolist(), strict=True)
        ]
    return tracks


def write_detection(options: Options, detection: Detection, ui: UI) -> dict:
    """Write JSON, CSV, label map and overlay, and say what was found."""
    from skelact.io.ava import write_ava, write_label_map
    from skelact.io.files import write_text

    written, table, labels = output_files(options)
    plain = {"video": options.name, **detection.to_plain()}
    write_text(written, json.dumps(plain, indent=1))
    write_ava(table, detection.to_table(options.name, options.rate), predictions=True)
    write_label_map(labels, {k + 1: name for k, name in enumerate(detection.label_names)})
    shown = [
        [a.person, a.label, f"{a.start:.1f}–{a.end:.1f} s", percent(a.score)] for a in detection.actions[:30]
    ]
    ui.table(["person", "action", "when", "confidence"], shown)
    if len(detection.actions) > 30:
        ui.say(f"... and {len(detection.actions) - 30} more")
    ui.done(f"{written}, {table.name}, {labels.name}")
    output = {"detections": str(written), "ava": str(table), "labels": str(labels), **plain}
    if options.overlay:
        draw(options, detection)
        ui.done(f"overlay {options.overlay}")
        output["overlay"] = options.overlay
    return output


def draw(options: Options, detection: Detection) -> None:
    """Write the overlay video: every person's box, with the actions of the moment."""
    from skelact.evaluate.overlay_boxes import OverlayBox, overlay_boxes
    from skelact.io.video import open_video

    def boxes_at(time: float) -> list[OverlayBox]:
        found = []
        for track in detection.tracks:
            box = track.at(time)
            if box is not None:
                now = detection.doing(track.person, time)
                lines = [f"{action.label} {100 * action.score:.0f} %" for action in now[:3]]
                found.append(OverlayBox(box, track.person, lines))
        return found

    with open_video(options.source) as video:
        overlay_boxes(video, boxes_at, options.overlay)
