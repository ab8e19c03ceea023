"""``skelact benchmark [WHAT …]``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from skelact.benchmark.shown import shown
from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import PARTLY, UI
from skelact.device import find_device
from skelact.errors import ConfigError, choices, counted

Keep = Callable[[list[dict[str, Any]]], None]
PARTS = {
    "models": "whole networks against the field's usual form; those named after it, or all",
    "stgcn": "ST-GCN against the field's usual form: models stgcn",
    "video": "networks over video: weights, GFLOP (multiply-adds), clips a second, memory",
    "loading": "decoding, kept flow, motion vectors (us per frame), waiting in training (--videos FOLDER, or made)",
    "winograd": "convolutions by minimal filtering against PyTorch's: error, time, and what oneDNN runs",
    "block": "one ST-GCN block against the usual form",
    "propagate": "sparse against dense graph product",
    "gather": "making batches",
    "import": "import and --help",
    "convert": "reading NTU files (needs --files FOLDER)",
    "extract": "MediaPipe extraction (needs --video FILE)",
    "people": "who is found in videos by every estimator, frame by frame (needs --videos FOLDER)",
    "monitor": "networks frame by frame against a window that slides",
    "onnx": "networks over skeletons in onnxruntime beside PyTorch (--names)",
    "chain": "live watching as a whole, at a camera's pace (needs --video FILE)",
    "soak": "whether live watching grows, on a video in a loop (needs --video FILE; --minutes)",
    "falls": "alarms on recorded skeletons: falls found, false alarms by activity (needs --sets FILE.h5 ...)",
    "ntu-scale": "training on a set of NTU-60's size (--ntu-scale)",
    "gpu": "everything that needs a GPU, in under eight minutes; by itself",
}

HELP = """Measure speed on this machine. Figures are ratios of runs in turn; give it a quiet machine.

  skelact benchmark                          everything that needs no files
  skelact benchmark models                   every network that has a yardstick
  skelact benchmark models ctrgcn stgcnpp
  skelact benchmark stgcn propagate
  skelact benchmark video --names resnet3d_18 slowfast_50 --seconds 3
  skelact benchmark loading --videos my_videos
  skelact benchmark convert --files nturgb+d_skeletons
  skelact benchmark extract --video clip.mp4
  skelact benchmark people --videos my_videos --out people
  skelact benchmark monitor
  skelact benchmark chain --video person.mp4 --cameras 4 --fps 10 --names movenet
  skelact benchmark falls --sets urfd.h5 --falls fall
  skelact benchmark falls --sets nw_ucla.h5 utd_mhad.h5
  skelact benchmark --ntu-scale --seconds 60 --model ctrgcn --set ntu_like.h5
  skelact benchmark gpu --device cuda:0 --out gpu_benchmark

parts: """ + ", ".join(f"{name} ({text})" for name, text in PARTS.items())


@dataclass
class Options:
    """Options of benchmark.

    Args:
        parts: what to measure; everything that needs no files if not given. After "models": networks.
        threads: of the arithmetic.
        seconds: for each measurement, 6 if not given; with --ntu-scale a whole epoch, for people whole videos if not
            given.
        files: folder of .skeleton files.
        video: a video with one person.
        videos: folder of videos for loading (small ones are made if not given) and people.
        ntu_scale: make a set of NTU-60's size and train on it, end to end.
        clips: of that set.
        set: where that set is kept and found again (for gpu too); a temporary folder if not given.
        model: the network that is trained on it.
        batch_size: clips per step of that training.
        device: auto, cpu, cuda or cuda:1, for that training and for gpu; for models, a GPU if it is named.
        out: folder for the tables as Markdown and JSON: benchmark.md and benchmark.json, or gpu.md and gpu.json of gpu,
            which takes gpu_benchmark if not given; the others are then only printed.
        minutes: for gpu and soak, in all.
        names: for video and onnx, the networks; all if not given (skelact models lists them). For people, chain and
            soak, the estimators.
        cameras: for chain, that give the video at once,
        fps: frames a second of each.
        sets: for falls, files of recordings; those of one subject and camera are one stream.
        falls: names of the clips that are falls; alarms in all others are false.
        size: for video, pixels along a side instead of the papers' sizes.
        networks: those named after "models".
    """

    parts: Annotated[tuple[str, ...], tyro.conf.Positional, named("PART")] = ()
    threads: int = 1
    seconds: Annotated[float | None, named("FLOAT")] = None
    files: Annotated[str, named("FOLDER")] = ""
    video: Annotated[str, named("FILE")] = ""
    videos: Annotated[str, named("FOLDER")] = ""
    ntu_scale: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    clips: int = 56_578
    set: Annotated[str, named("FILE")] = ""
    model: str = "ctrgcn"
    batch_size: int = 64
    device: str = "auto"
    out: Annotated[str, named("FOLDER")] = ""
    minutes: float = 7.5
    names: Annotated[tuple[str, ...], named("NAME")] = ()
    cameras: int = 1
    fps: float = 30.0
    sets: Annotated[tuple[str, ...], named("FILE.h5 ...")] = ()
    falls: Annotated[tuple[str, ...], named("NAME ...")] = ()
    size: Annotated[int | None, named("PIXELS")] = None
    networks: tyro.conf.Suppress[tuple[str, ...]] = ()


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "benchmark", HELP)
    need_at_least(1, threads=options.threads, batch_size=options.batch_size)
    need_at_least(0, seconds=options.seconds, minutes=options.minutes, size=options.size)
    if "gpu" in options.parts:
        if len(options.parts) > 1:
            raise ConfigError(
                f"gpu is measured by itself, got {' '.join(options.parts)}; leave the others out"
            )
        return run_gpu(options, ui)
    if options.parts and options.parts[0] == "models":
        from skelact.benchmark.models import check_names

        check_names(options.parts[1:])
        options.parts, options.networks = ("models",), options.parts[1:]
    for part in options.parts:
        if part not in PARTS:
            raise ConfigError(choices(part, PARTS, "part"))
    needs = {"convert": options.files, "extract": options.video, "ntu-scale": options.ntu_scale, "gpu": False}
    needs |= {
        "video": False,
        "loading": False,
        "winograd": False,
        "people": False,
        "monitor": False,
        "onnx": False,
        "falls": False,
        "chain": False,
        "soak": False,
    }  # by name only: they take minutes
    if options.names and options.parts in (("people",), ("chain",), ("soak",)):
        from skelact.benchmark.people import CONTESTANTS

        for name in options.names:
            if name not in CONTESTANTS:
                raise ConfigError(choices(name, CONTESTANTS, "estimator"))
    elif options.names and options.parts == ("onnx",):
        from skelact.models import MODELS

        for name in options.names:
            if name not in MODELS:
                raise ConfigError(choices(name, MODELS, "network"))
    elif options.names:
        from skelact.benchmark.video import check_video_names

        check_video_names(options.names)
    chosen = tuple(options.parts)
    if options.ntu_scale and "ntu-scale" not in chosen:
        chosen = (*chosen, "ntu-scale")
    chosen = chosen or tuple(p for p in PARTS if needs.get(p, True) and p != "stgcn")
    if "ntu-scale" in chosen:
        from skelact.benchmark.scale import check_scale

        check_scale(options.model, options.clips)
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(
        True
    )  # as inference does; both are put back, for whoever called this in a process
    try:
        run_parts(chosen, options, ui)
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
    return 0


def run_parts(chosen: tuple[str, ...], options: Options, ui: UI) -> None:
    """Measure and print."""
    machine = describe_machine(options.threads)
    ui.say(", ".join(f"{k} {v}" for k, v in machine.items()))
    results: dict[str, Any] = {"machine": machine}
    for part in chosen:
        ui.say()

        def keep(rows: list[dict[str, Any]], part: str = part) -> None:
            results[part] = rows
            if options.out:
                write_tables(Path(options.out), results)

        rows = measure(part, options, ui, keep)
        columns = list(dict.fromkeys(k for row in rows for k in row))
        ui.table(columns, [[shown(row.get(c, "")) for c in columns] for row in rows], title=PARTS[part])
        keep(rows)
    if options.out:
        ui.done(f"{Path(options.out) / 'benchmark.md'} and benchmark.json")
    ui.result(results)


def write_tables(folder: Path, results: dict[str, Any]) -> None:
    """Write what is measured so far: a Markdown table for every part, and the same as JSON."""
    from skelact.io.files import write_text

    lines = ["# Measurements", "", ", ".join(f"{k} {v}" for k, v in results["machine"].items())]
    for part, rows in results.items():
        if part == "machine":
            continue
        columns = list(dict.fromkeys(k for row in rows for k in row))
        lines += [
            "",
            f"## {part}: {PARTS[part]}",
            "",
            "| " + " | ".join(columns) + " |",
            "|" + " --- |" * len(columns),
        ]
        lines += ["| " + " | ".join(str(shown(row.get(c, ""))) for c in columns) + " |" for row in rows]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "benchmark.md", "\n".join(lines) + "\n")
    write_text(folder / "benchmark.json", json.dumps(results, indent=1, default=str))


def run_gpu(options: Options, ui: UI) -> int:
    """Measure everything that needs a GPU, print and keep it."""
    from skelact.benchmark.gpu import find_gpu, jobs, markdown, measure_gpu
    from skelact.io.outputs import holding
    from skelact.nn.measure import device_name

    device = find_gpu(options.device)
    machine = describe_machine(options.threads) | {"GPU": device_name(device), "device": str(device)}
    ui.say(", ".join(f"{k} {v}" for k, v in machine.items()))
    with holding(options.out or "gpu_benchmark", folder=True) as out:
        rows = measure_gpu(
            device, out, options.minutes, machine, jobs(options.set), lambda row: ui.say(_said(row))
        )
        ui.say()
        ui.say(markdown(rows, machine))
        ui.done(f"{out / 'gpu.md'} and {out / 'gpu.json'}: {counted(len(rows), 'row')}")
    failed = sum("error" in row for row in rows)
    if failed:
        ui.warn(f"{failed} of them are errors; the report names them")
    ui.result({"machine": machine, "gpu": rows, "out": str(out)})
    return PARTLY if failed else 0


def _said(row: dict[str, Any]) -> str:
    values = (f"{name} {shown(value)}" for name, value in row.items() if name not in ("part", "what"))
    return f"{row['part']}: {row['what']}: {', '.join(values)}"


def measure(part: str, options: Options, ui: UI, keep: Keep) -> list[dict[str, Any]]:
    """Run one part; ``keep`` is told the rows of long ones as they come."""
    from skelact.benchmark import data, kernels

    if part == "ntu-scale":
        from skelact.benchmark.scale import measure_ntu_scale

        with ui.progress("") as update:
            rows = measure_ntu_scale(
                options.set, options.clips, options.model, options.seconds, options.batch_size,
                options.device, update,
            )  # fmt: skip
            return list(rows)
    seconds = 6.0 if options.seconds is None else options.seconds
    if part in ("models", "stgcn"):
        from skelact.benchmark.models import measure_models

        device = "cpu" if options.device == "auto" else str(find_device(options.device))
        return measure_models(options.networks if part == "models" else ("stgcn",), seconds, device)
    if part == "video":
        from skelact.benchmark.video import measure_video

        return _one_by_one(measure_video(options.names, seconds, options.size or 0), ui, keep)
    if part == "loading":
        from skelact.benchmark.loading import measure_loading

        return _one_by_one(measure_loading(options.videos, seconds), ui, keep)
    if part == "people":
        from skelact.benchmark.people import measure_people

        if not options.videos:
            raise ConfigError("benchmark people needs real videos: --videos FOLDER")
        return _one_by_one(measure_people(options.videos, options.seconds, options.names), ui, keep)
    if part == "monitor":
        from skelact.benchmark.monitor import measure_continual

        return _one_by_one(measure_continual(seconds), ui, keep)
    if part == "onnx":
        from skelact.benchmark.onnx import measure_onnx

        return _one_by_one(measure_onnx(seconds, options.names), ui, keep)
    if part == "falls":
        from skelact.benchmark.falls import measure_falls

        if not options.sets:
            raise ConfigError(
                "benchmark falls needs recorded skeletons: --sets FILE.h5 ... (skelact convert)"
            )
        return _one_by_one(measure_falls(list(options.sets), options.falls), ui, keep)
    if part == "winograd":
        from skelact.benchmark.winograd import measure_winograd

        return measure_winograd(seconds / 2)
    if part == "block":
        return kernels.measure_block(seconds / 2)
    if part == "propagate":
        return kernels.measure_propagate(seconds / 2)
    if part == "gather":
        return data.measure_gather(seconds)
    if part == "import":
        return data.measure_import()
    if part == "convert":
        if not options.files:
            raise ConfigError("benchmark convert needs real files: --files FOLDER of .skeleton files")
        return data.measure_conversion(Path(options.files))
    if not options.video:
        raise ConfigError(f"benchmark {part} needs a video with one person: --video FILE")
    if part == "chain":
        from skelact.benchmark.chain import measure_chain

        rows = (
            measure_chain(options.video, options.cameras, options.fps, options.seconds or 20.0, name)
            for name in options.names or ("auto",)
        )
        return _one_by_one(rows, ui, keep)
    if part == "soak":
        from skelact.benchmark.soak import measure_soak

        name = options.names[0] if options.names else "auto"
        return _one_by_one(measure_soak(options.video, options.minutes, name), ui, keep)
    from skelact.benchmark.extraction import measure_extraction

    return [{"what": "extraction", **measure_extraction(options.video)}]


def _one_by_one(rows: Iterable[dict[str, Any]], ui: UI, keep: Keep) -> list[dict[str, Any]]:
    """The rows, each said and kept as it is ready."""
    found: list[dict[str, Any]] = []
    for row in rows:
        values = (f"{name} {shown(value)}" for name, value in row.items() if name != "what")
        ui.say(f"{row['what']}: {', '.join(values)}")
        found.append(row)
        keep(found)
    return found


def describe_machine(threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    import os
    import platform

    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    flags = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        text = cpuinfo.read_text(errors="replace")
        flags = " with AMX" if "amx_bf16" in text else " without AMX"
    return {
        "processor": f"{platform.machine()} {capability}{flags}",
        "cores": os.cpu_count(),
        "threads": threads,
        "torch": torch.__version__,
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }
