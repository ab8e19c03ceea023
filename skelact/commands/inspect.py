"""``skelact inspect FILE``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from skelact.commands.convert import find_layout
from skelact.commands.options import named, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, counted
from skelact.io.outputs import check_output

HELP = """Show what is inside a skelact file, a checkpoint, or files of any known format, and what is wrong.

  skelact inspect ntu60.h5
  skelact inspect runs/NAME                  the checkpoint of a run
  skelact inspect joints.csv --layout my_layout.yaml"""


@dataclass
class Options:
    """Options of inspect.

    Args:
        path: a file or folder.
        format: name of the format; found out from the files if not given.
        layout: layout of the files where the format leaves it open: a name or a YAML file.
        fps: frame rate, where the format does not say.
        figure: write a picture of the first recording's poses to this PNG.
    """

    path: Annotated[str, tyro.conf.Positional, named("FILE|FOLDER")] = ""
    format: Annotated[str | None, named("NAME")] = None
    layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    fps: Annotated[float | None, named("FLOAT")] = None
    figure: Annotated[str, named("FILE.png")] = ""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "inspect", HELP)
    if not options.path:
        raise ConfigError("name a file or folder: skelact inspect FILE")
    if options.figure:
        check_output(options.figure, [options.path])
    run = Path(options.path) / "best.safetensors"
    if options.path.endswith(".safetensors") or run.is_file():
        return inspect_checkpoint(str(run) if run.is_file() else options.path, ui)
    from skelact.io.formats import ReadOptions
    from skelact.io.inspect import inspect

    with ui.progress("reading") as update:
        found = inspect(
            options.path,
            format=options.format,
            options=ReadOptions(layout=find_layout(options.layout), fps=options.fps),
            progress=update,
        )
    least, median, most, total = found.duration
    people = ", ".join(f"{n} with {counted(m, 'person', 'people')}" for m, n in sorted(found.people.items()))
    rows = [
        ["format", found.format],
        ["clips", f"{found.clips} ({people})"],
        ["frames", f"{found.frames}, {total / 60:.1f} minutes"],
        ["clip length", f"{least:.1f} to {most:.1f} s, median {median:.1f} s"],
        [
            "frame rate",
            f"{found.fps[0]:g} to {found.fps[1]:g}" if found.fps[0] != found.fps[1] else f"{found.fps[0]:g}",
        ],
        ["layout", f"{found.layout}: {found.joints} joints × {found.dims}, unit {found.unit}"],
        ["missing joints", percent(found.missing_share)],
        *[
            [f"range of {axis}", f"{r[0]:.3g} to {r[4]:.3g}, median {r[2]:.3g}"]
            for axis, r in found.ranges.items()
        ],
    ]
    ui.table(["what", found.path], rows)
    for title, counts in (
        ("label", found.labels),
        ("frame label", found.frame_labels),
        ("subject", found.subjects),
        ("split", found.splits),
    ):
        if counts:
            ui.say()
            shown = [[str(name), n] for name, n in list(counts.items())[:60]]
            ui.table([title, "frames" if title == "frame label" else "clips"], shown)
            if len(counts) > 60:
                ui.say(f"... and {len(counts) - 60} more")
    ui.say()
    for problem in found.problems:
        ui.warn(problem)
    if not found.problems:
        ui.done("nothing wrong was found")
    if options.figure:
        draw_first(options, ui)
    ui.result(found.to_dict())
    return 0


def draw_first(options: Options, ui: UI) -> None:
    """A strip of poses of the first recording."""
    from skelact.evaluate.plots import plot_skeleton_strip
    from skelact.io.formats import ReadOptions, detect_format, get_format

    kind = get_format(options.format or detect_format(options.path))
    item = kind.find(options.path)[0]
    skeleton = next(iter(kind.read(item, ReadOptions(layout=find_layout(options.layout), fps=options.fps))))
    ui.done(f"picture {plot_skeleton_strip(skeleton, options.figure)}")


def inspect_checkpoint(path: str, ui: UI) -> int:
    """Say what a checkpoint is for."""
    from dataclasses import asdict

    from skelact.recognition.checkpoint import load_checkpoint

    state, card = load_checkpoint(path)
    weights = sum(v.numel() for v in state.values())
    streams = ", ".join(card.pipeline.get("streams", []))
    if "release" in card.pipeline:
        streams += f", as the release '{card.pipeline['release']}' makes it of raw files"
    taken = card.trained.get("propagate", {})
    shown = lambda v: f"{v:.4g}" if isinstance(v, (int, float)) else v  # noqa: E731
    ui.table(
        ["what", path],
        [
            ["network", f"{card.model.get('name', 'unknown')}, {weights / 1e6:.2f} M numbers"],
            [
                "layout",
                f"{card.layout['name']}: {len(card.layout['joints'])} joints × {card.dims}, unit {card.unit}",
            ],
            ["streams", streams],
            ["classes", f"{len(card.label_names)}: {', '.join(card.label_names)}"],
            ["clips", f"{card.clip_seconds:.1f} s at {card.fps:g} fps"],
            ["trained", ", ".join(f"{k} {shown(v)}" for k, v in card.trained.items() if k != "propagate")],
            *[["graph product", _product(key, name)] for key, name in taken.items()],
            ["skelact", card.skelact],
        ],
    )
    ui.result(asdict(card))
    return 0


def _product(key: str, backend: str) -> str:
    """One choice of ``auto`` in words; the key is as `skelact.nn.propagate.chosen_backends` writes it."""
    parts = key.split("|")
    what = f" ({parts.pop(0)})" if parts[0] == "graph convolution" else ""
    (device, dtype, partitions, joints, edges, columns), trains = parts[:6], parts[-1]
    return (
        f"{backend}{what} for {partitions} partitions of {joints} joints ({edges} edges) by {columns} columns, "
        f"{dtype.removeprefix('torch.')}, {device}, {'training' if trains == 'True' else 'inference'}"
    )
