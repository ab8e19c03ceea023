"""``skelact demo``: the whole path on synthetic people."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI, command_line
from skelact.errors import ConfigError, DependencyError
from skelact.io.outputs import holding

HELP = """Walk the whole path in a minute or two, without any data of your own.

  skelact demo                       synthetic people: train, fuse, evaluate, watch, teach; one report
  skelact demo --webcam              what you do before the first camera, for 20 seconds

Makes synthetic people as raw NTU files and rendered videos, converts them, trains two small networks (joints, bones),
fuses them, evaluates on people they have never seen and names the actions of an unseen sequence; lets the network that
ships with skelact name what rendered people do; watches a rendered fall; teaches three gestures; writes a report."""

MARK = ".skelact-demo"  # that what lies in a folder was made by the demo, which may then make it anew
MADE = (
    "skeletons", "synthetic.h5", "sequence.h5", "joint", "bone", "fused", "pictures", "videos", "monitor", "gestures",
    "report", "webcam",
)  # fmt: skip


@dataclass
class Options:
    """Options of demo.

    Args:
        out: folder for everything.
        epochs: of training.
        seed: of everything.
        video: also render videos, let MediaPipe look at them, and watch one for falls.
        webcam: instead of all that: name what is done before a camera (its number, 0 if --webcam stands alone; also a
            stream address or a video file) and draw it on the video.
        seconds: how long the camera is watched.
    """

    out: Annotated[str, named("FOLDER")] = "skelact-demo"
    epochs: int = 8
    seed: int = 0
    video: bool = True
    webcam: Annotated[str, named("CAMERA")] = ""
    seconds: float = 20.0


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, with_camera(arguments), "demo", HELP)
    need_at_least(1, epochs=options.epochs)
    need_at_least(0, seconds=options.seconds)
    begin = time.perf_counter()
    with own_folder(options.out) as folder:
        if options.webcam:
            from skelact.commands.demo_video import watch_camera

            ui.result(watch_camera(folder, options, ui))
            return 0
        import torch

        # Networks this small gain little from more threads, and threads that wait for a busy core cost much.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            ui.result(walk(folder, options, ui, begin))
        finally:
            torch.set_num_threads(threads)
    return 0


def with_camera(arguments: list[str]) -> list[str]:
    """The arguments, with the first camera after a ``--webcam`` that stands alone."""
    whole: list[str] = []
    for word, after in zip(arguments, [*arguments[1:], "--"], strict=False):
        whole.append(word)
        if word == "--webcam" and after.startswith("--"):
            whole.append("0")
    return whole


@contextmanager
def own_folder(out: str) -> Iterator[Path]:
    """The demo's folder, held and marked as its own.

    Raises:
        ConfigError: if it holds something of a name that the demo uses, and the demo did not make it.
    """
    folder = Path(out)
    mark = folder / MARK
    taken = [name for name in MADE if (folder / name).exists()]
    if taken and not mark.exists():
        raise ConfigError(
            f"{folder} holds {taken[0]}, which the demo would replace and did not make; name another folder: --out"
        )
    with holding(folder, folder=True):
        mark.touch()
        (folder / "pictures").mkdir(exist_ok=True)
        yield folder


def walk(folder: Path, options: Options, ui: UI, begin: float) -> dict[str, Any]:
    """Every step of the demo; returns what ``--json`` prints."""
    from skelact.commands.demo_gestures import teach_gestures
    from skelact.commands.demo_networks import (
        fuse_networks,
        make_data,
        recognise_sequence,
        train_networks,
        write_demo_report,
    )
    from skelact.commands.demo_video import watch_fall, watch_videos

    results: dict[str, Any] = {"folder": str(folder)}
    watching = (
        {
            "video": ("Videos through MediaPipe and the network that ships", watch_videos),
            "monitor": ("Somebody falls", watch_fall),
        }
        if options.video
        else {}
    )
    parts = {**watching, "gestures": ("Gestures taught with three examples each", teach_gestures)}
    n_steps, number = 4 + len(parts), itertools.count(1)

    def step(title: str) -> None:
        ui.say(f"{next(number)}/{n_steps}  {title}", style="bold")

    step("Synthetic people as raw files, converted to one")
    data = make_data(folder, options, ui)
    step("Two networks trained, over joints and over bones")
    runs = train_networks(folder, data, options, ui)
    step("Fused, and tested on people whom neither has seen")
    results["fusion"], sections = fuse_networks(folder, runs, data, ui)
    results["sequence"], more = recognise_sequence(folder, options, ui)
    sections = more + sections
    for name, (title, show) in parts.items():
        step(title)
        try:
            with ui.progress("a few seconds"):
                results[name], more = show(folder, options, ui)
            sections += more
        except DependencyError as error:
            results[name] = None  # the rest of the demo stands without it
            ui.warn(f"the part '{name}' is left out: {error}")
    step("The report")
    results |= write_demo_report(folder, data, sections, options, ui)
    results["seconds"] = time.perf_counter() - begin
    ui.say()
    ui.done(f"done in {results['seconds']:.0f} s; open {results['report']} in a browser")
    ui.say("It shows every part with a command to go on with, such as:")
    for command in next_commands(folder, results):
        ui.say(f"  {command}", style="cyan")
    ui.next(
        "skelact demo --webcam   (what you do before a camera)",
        "skelact extract my_videos/ --out mine.h5 --split 0.7 0.1 0.2   (folders named after the actions)",
        "skelact train --data mine.h5",
        "skelact predict runs/mine_default_small video.mp4 --overlay out.mp4",
    )
    return results


def next_commands(folder: Path, results: dict[str, Any]) -> list[str]:
    """A command for each part that was shown, to be typed where the demo was started."""
    shown = {
        "sequence": command_line("evaluate", folder / "fused"),
        "video": command_line("predict", folder / "videos" / "kick.mp4"),
        "monitor": command_line("events", folder / "monitor" / "home.db"),
        "gestures": command_line(
            "predict",
            folder / "gestures" / "new.h5",
            "--vocabulary",
            folder / "gestures" / "taught.safetensors",
        ),
    }
    return [command for name, command in shown.items() if results.get(name)]
