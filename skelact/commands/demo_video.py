"""What the demo sees: rendered people, a rendered fall, or who stands before a camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skelact.commands.demo_networks import Outcome, quiet
from skelact.commands.ui import UI, command_line, percent
from skelact.errors import counted

if TYPE_CHECKING:
    from skelact.commands.demo import Options

RATE = 20.0  # frames a second of the rendered videos
LYING = 2.0  # seconds that the fallen person stays on the floor
ESTIMATOR = "mediapipe"  # what every installation has
VIDEOS, FALL = ("wave", "kick"), "fall_forward"


def watch_videos(folder: Path, options: Options, ui: UI) -> Outcome:
    """Render people, let MediaPipe find them, and let the network that ships with skelact name what they do."""
    from skelact.commands.predict import Options as PredictOptions
    from skelact.commands.predict import predict
    from skelact.datasets.synthetic.render import render_clip
    from skelact.evaluate.report import Code, Picture, Section, Table

    videos = folder / "videos"
    videos.mkdir(exist_ok=True)
    rows, blocks = [], []
    for action in VIDEOS:
        path = videos / f"{action}.mp4"
        render_clip(path, action, subject=12, camera=2, repetition=3, seed=options.seed, fps=RATE)
        overlay = videos / f"{action}_overlay.mp4"
        outcome = predict(
            PredictOptions(
                source=str(path), overlay=str(overlay), out=str(videos), people="one", estimator=ESTIMATOR
            ),
            quiet(ui),
        )
        best = max(outcome["segments"], key=lambda s: (s["end"] - s["start"]) * s["score"])
        right = "right" if best["label"] == action else "wrong"
        rows.append([action, best["label"], right, best["score"], outcome["seen"]])
        strip = frame_strip(overlay, folder / "pictures" / f"video_{action}.png", keep=0.7)
        blocks.append(Picture(strip, f"MediaPipe on {path.name}", photo=True))
        ui.done(
            f"video {path.name}: person found on {percent(outcome['seen'])} of the frames, "
            f"recognised {best['label']} ({right})"
        )
    again = command_line("predict", videos / f"{VIDEOS[-1]}.mp4", "--overlay", videos / "overlay.mp4")
    section = Section(
        "Any video, without training",
        [
            Table(["performed", "recognised", "", "confidence", "share of frames with a person"], rows),
            *blocks,
            Code(again),
        ],
    )
    columns = ("action", "recognised", "verdict", "confidence", "seen")
    return {"videos": [dict(zip(columns, row, strict=True)) for row in rows]}, [section]


def watch_fall(folder: Path, options: Options, ui: UI) -> Outcome:
    """Render somebody who falls and stays on the floor, and let the monitor watch the video."""
    from skelact.commands.events import draw
    from skelact.commands.monitor import Options as MonitorOptions
    from skelact.commands.monitor import read_home
    from skelact.commands.monitor_run import run
    from skelact.evaluate.report import Code, Picture, Section, Table
    from skelact.monitor.log import read_log

    video = folder / "videos" / "fall.mp4"
    video.parent.mkdir(exist_ok=True)
    render_fall(video, options.seed)
    place = new_place(folder / "monitor")
    log, overlay = place / "home.db", place / "fall_overlay.mp4"
    settings = MonitorOptions(
        str(video), log=str(log), overlay=str(overlay), people="one", estimator=ESTIMATOR
    )
    outcome = run(read_home(settings), settings, quiet(ui))
    events = read_log(log)
    alarms = [event for event in events if event.is_alarm]
    said = alarms[0].text if alarms else "no alarm"
    ui.done(
        f"monitor on {video.name}: {counted(len(events), 'event')}, {counted(len(alarms), 'alarm')}; {said}"
    )
    timeline = draw(str(folder / "pictures" / "monitor.png"), events)
    strip = frame_strip(overlay, folder / "pictures" / "monitor_fall.png")
    section = Section(
        "Watching for falls",
        [
            Picture(strip, "A rendered fall, as the monitor sees it.", photo=True),
            Picture(
                timeline, "What the monitor wrote down: actions, and the alarm once the fall is verified."
            ),
            Table(
                ["what", "at s", "in words"],
                [[e.label, e.start, e.text] for e in events if e.kind != "action"],
            ),
            Code(
                command_line("events", log)
                + "\n"
                + command_line(
                    "monitor", video, "--log", place / "again.db", "--overlay", place / "again.mp4"
                )
            ),
        ],
    )
    return {"events": len(events), "alarms": len(alarms), "frames": outcome["frames"], "log": str(log)}, [
        section
    ]


def render_fall(path: Path, seed: int) -> None:
    """A video of a fall and what comes after it."""
    from skelact.datasets.synthetic import make_clip
    from skelact.datasets.synthetic.render import render_frames
    from skelact.io.video import write_video

    clip = make_clip(FALL, subject=12, camera=1, repetition=4, seed=seed, fps=RATE, noise=None)
    frames = list(render_frames(clip, seed=seed))
    write_video(path, frames + frames[-1:] * round(LYING * RATE), RATE)


def new_place(folder: Path) -> Path:
    """An empty folder of the demo's own."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def watch_camera(folder: Path, options: Options, ui: UI) -> dict[str, Any]:
    """Name what is done before a camera for a while, and write a video and a timeline of it."""
    from skelact.commands.events import draw
    from skelact.commands.monitor import Options as MonitorOptions
    from skelact.commands.monitor import read_home
    from skelact.commands.monitor_run import run
    from skelact.io.video import open_video
    from skelact.monitor.log import read_log

    with open_video(options.webcam):  # a camera that is not there is told of before anything is written
        pass
    place = new_place(folder / "webcam")
    log, overlay = place / "events.db", place / "overlay.mp4"
    ui.say(
        f"camera {options.webcam} for {options.seconds:g} s: wave, clap, sit down, drink; Ctrl-C ends it sooner"
    )
    settings = MonitorOptions(
        options.webcam, log=str(log), overlay=str(overlay), seconds=options.seconds, falls=False
    )
    outcome = run(read_home(settings), settings, ui)
    events = read_log(log)
    actions = [event for event in events if event.kind == "action"]
    result = {
        "overlay": str(overlay), "log": str(log), "frames": outcome["frames"], "timeline": None,
        "actions": [event.label for event in actions],
    }  # fmt: skip
    if actions:
        result["timeline"] = draw(str(place / "timeline.png"), events)
        ui.done(f"timeline {result['timeline']}")
    else:
        ui.warn(
            "no action was seen: stand so that the camera sees you from head to feet, or give it more --seconds"
        )
    ui.next(
        command_line("monitor", options.webcam, "--log", "home.db"),
        command_line("teach", "hello", "--camera", options.webcam),
    )
    return result


def frame_strip(video: Path, picture: Path, n: int = 5, keep: float = 1.0) -> Path:
    """A few frames of a video side by side, as a PNG; of each the middle ``keep`` of its width."""
    import numpy as np
    from matplotlib.image import imsave

    from skelact.io.video import open_video

    with open_video(video) as frames:
        images = [f.image for f in frames]
    chosen = [images[round(i * (len(images) - 1) / (n - 1))] for i in range(n)]
    cut = round(chosen[0].shape[1] * (1 - keep) / 2)
    imsave(picture, np.concatenate([image[:, cut : image.shape[1] - cut] for image in chosen], 1))
    return picture
