"""``skelact demo``: the whole path on synthetic people."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, DependencyError
from skelact.io.outputs import holding

HELP = """Walk the whole path in under three minutes, without any data of your own.

Makes synthetic people as raw NTU files and rendered videos, converts them, trains a small ST-GCN,
evaluates it on people it has never seen, names the actions of an unseen sequence, lets the network that ships
with skelact name what the rendered people do, and writes a report."""

MARK = ".skelact-demo"  # that what lies in a folder was made by the demo, which may then make it anew
TRAIN_SUBJECTS, TEST_SUBJECTS = tuple(range(1, 11)), (11, 12)


@dataclass
class Options:
    """Options of demo.

    Args:
        out: folder for everything.
        epochs: of training.
        seed: of everything.
        video: also render videos and let MediaPipe look at them.
    """

    out: Annotated[str, named("FOLDER")] = "skelact-demo"
    epochs: int = 16
    seed: int = 0
    video: bool = True


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "demo", HELP)
    need_at_least(1, epochs=options.epochs)
    begin = time.perf_counter()
    import torch

    # A network this small gains little from more threads, and threads that wait for a busy core cost much.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return walk(options, ui, begin)
    finally:
        torch.set_num_threads(threads)


def walk(options: Options, ui: UI, begin: float) -> int:
    """Every step of the demo."""
    folder = Path(options.out)
    mark = folder / MARK
    taken = [name for name in ("skeletons", "synthetic.h5") if (folder / name).exists()]
    if taken and not mark.exists():
        raise ConfigError(
            f"{folder} holds {taken[0]}, which the demo would replace and did not make; name another folder: --out"
        )
    with holding(folder, folder=True):
        mark.touch()
        return _walk(folder, options, ui, begin)


def _walk(folder: Path, options: Options, ui: UI, begin: float) -> int:
    results: dict[str, Any] = {"folder": str(folder)}
    data = make_data(folder, options, ui)
    run = train_network(folder, data, options, ui)
    sequence, sections = recognise_sequence(folder, run, options, ui)
    results["sequence"] = sequence
    if options.video:
        try:
            results["video"], more = watch_video(folder, options, ui)
            sections += more
        except DependencyError as error:
            results["video"] = None  # the rest of the demo stands without it
            ui.warn(f"the video part is left out: {error}")
    results |= write_demo_report(folder, run, data, sections, options, ui)
    results["seconds"] = time.perf_counter() - begin
    ui.say()
    ui.done(f"done in {results['seconds']:.0f} s; open {results['report']} in a browser")
    ui.next(
        "skelact extract my_videos/ --out mine.h5 --split 0.7 0.1 0.2   (folders named after the actions)",
        "skelact train --data mine.h5",
        "skelact predict runs/mine_default_small video.mp4 --overlay out.mp4",
    )
    ui.result(results)
    return 0


def make_data(folder: Path, options: Options, ui: UI) -> Path:
    """Synthetic raw NTU files, converted to one skelact file with a split by subject."""
    import shutil

    from skelact.datasets.synthetic import write_ntu_folder
    from skelact.io.convert import convert

    raw, data = folder / "skeletons", folder / "synthetic.h5"
    shutil.rmtree(raw, ignore_errors=True)
    with ui.progress("making people") as update:
        files = write_ntu_folder(
            raw, subjects=TRAIN_SUBJECTS + TEST_SUBJECTS, repetitions=(1,), cameras=(1, 2), seed=options.seed,
            progress=update,
        )  # fmt: skip
    size = sum(f.stat().st_size for f in files) / 1e6
    ui.done(f"{len(files)} raw NTU .skeleton files of 12 synthetic people in {raw} ({size:.0f} MB)")

    def by_subject(clips: list) -> dict[str, list[str]]:
        test = {name for name, info in clips if info["subject"] in TEST_SUBJECTS}
        return {
            "xsub/train": [name for name, _ in clips if name not in test],
            "xsub/test": [name for name, _ in clips if name in test],
        }

    with ui.progress("converting") as update:
        report = convert(raw, data, splits=by_subject, overwrite=True, progress=update)
    ui.done(f"converted to {data} at {report.files_per_second:.0f} files/s: {report.clips} clips")
    return data


def train_network(folder: Path, data: Path, options: Options, ui: UI) -> Path:
    """A small ST-GCN."""
    from skelact.commands.train import train
    from skelact.config import Experiment
    from skelact.datasets.gather import Sampling
    from skelact.datasets.parts import DataSettings
    from skelact.datasets.pipeline import Augment, Normalise, Pipeline
    from skelact.models import STGCNSettings
    from skelact.training.settings import TrainSettings

    experiment = Experiment(
        name="demo",
        data=DataSettings(str(data), "xsub/train", 0.2, "subject", "xsub/test"),
        pipeline=Pipeline(
            Sampling(n_frames=48, crop=(0.8, 1.0)),
            Normalise(align_view=True),
            Augment(jitter=0.005, drop_joints=0.1),
        ),
        model=STGCNSettings(channels=(32, 32, 64, 64), stride_blocks=(1, 2)),
        train=TrainSettings(epochs=options.epochs, lr=0.05, batch_size=16, ema=0.98, seed=options.seed),
        out=str(folder),
    )
    run = folder / "run"
    train(experiment, ui, restart=True, folder=run, advise=False)
    return run


def recognise_sequence(folder: Path, run: Path, options: Options, ui: UI) -> tuple[dict, list]:
    """Join unseen performances of one unseen person into a sequence and name its actions."""
    import numpy as np

    from skelact.datasets.synthetic import make_clip
    from skelact.evaluate.plots import plot_probabilities_over_time, plot_skeleton_strip, plot_timeline
    from skelact.evaluate.report import Picture, Section, Table
    from skelact.recognition import Recogniser
    from skelact.skeleton import Skeleton

    parts = [
        make_clip(action, subject=TEST_SUBJECTS[0], camera=1, repetition=7, seed=options.seed)
        for action in ("wave", "kick", "pick_up", "fall_forward")
    ]
    xyz = np.concatenate([p.xyz[:1] for p in parts], 1)
    score = np.concatenate([p.score[:1] for p in parts], 1)
    sequence = Skeleton(xyz, score, parts[0].layout, parts[0].fps, label=None, id="unseen sequence")
    recognition = Recogniser(run).recognise(sequence)
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    truth, at = [], 0.0
    for part in parts:
        truth.append({"start": at, "end": at + part.duration, "label": part.label, "person": "truth"})
        at += part.duration
    found = [
        {"start": s.start, "end": s.end, "label": s.label, "score": s.score, "person": "recognised"}
        for s in recognition.segments
    ]
    timeline = plot_timeline(truth + found, sequence.duration, pictures / "timeline.png")
    curves = plot_probabilities_over_time(
        recognition.times[0],
        recognition.probabilities[0],
        recognition.label_names,
        pictures / "probabilities.png",
    )
    strip = plot_skeleton_strip(sequence, pictures / "sequence.png", n=10)
    agree = agreement(truth, found)
    ui.done(
        f"unseen sequence of {sequence.duration:.0f} s: "
        + " → ".join(s.label for s in recognition.segments)
        + f" ({percent(agree)} of the time right)"
    )
    section = Section(
        "An unseen sequence of an unseen person",
        [
            Picture(strip, "Poses through the sequence: wave, kick, pick up, fall forward."),
            Picture(
                timeline,
                f"What was performed and what was recognised; they agree {percent(agree)} of the time.",
            ),
            Picture(curves, "Probability of each action over time."),
            Table(
                ["action", "from s", "to s", "confidence"],
                [[s.label, s.start, s.end, s.score] for s in recognition.segments],
                bars=["confidence"],
            ),
        ],
    )
    return {"segments": found, "agreement": agree}, [section]


def agreement(truth: list[dict], found: list[dict]) -> float:
    """Share of the time in which two segmentations name the same action."""
    total = truth[-1]["end"]
    same = sum(
        max(0.0, min(a["end"], b["end"]) - max(a["start"], b["start"]))
        for a in truth
        for b in found
        if a["label"] == b["label"]
    )
    return same / total


def watch_video(folder: Path, options: Options, ui: UI) -> tuple[dict, list]:
    """Render people, let MediaPipe find them, and let the network that ships with skelact name what they do."""
    from skelact.commands.predict import Options as PredictOptions
    from skelact.commands.predict import predict
    from skelact.datasets.synthetic.render import render_clip
    from skelact.evaluate.report import Picture, Section, Table

    videos = folder / "videos"
    videos.mkdir(exist_ok=True)
    rows, blocks = [], []
    for action in ("wave", "kick"):
        path = videos / f"{action}.mp4"
        render_clip(path, action, subject=TEST_SUBJECTS[1], camera=2, repetition=3, seed=options.seed)
        overlay = videos / f"{action}_overlay.mp4"
        outcome = predict(
            PredictOptions(source=str(path), overlay=str(overlay), out=str(videos), people="one"),
            UI(json_output=ui.json_output, quiet=True, silent=True),
        )
        best = max(outcome["segments"], key=lambda s: (s["end"] - s["start"]) * s["score"])
        right = "right" if best["label"] == action else "wrong"
        rows.append([action, best["label"], right, best["score"], outcome["seen"]])
        blocks.append(
            Picture(
                frame_strip(overlay, folder / "pictures" / f"video_{action}.png"), f"MediaPipe on {path.name}"
            )
        )
        ui.done(
            f"video {path.name}: person found on {percent(outcome['seen'])} of the frames, "
            f"recognised {best['label']} ({right})"
        )
    section = Section(
        "Through video and pose",
        [
            Table(["performed", "recognised", "", "confidence", "share of frames with a person"], rows),
            *blocks,
        ],
    )
    return {
        "videos": [
            dict(zip(("action", "recognised", "verdict", "confidence", "seen"), r, strict=True)) for r in rows
        ]
    }, [section]


def frame_strip(video: Path, picture: Path, n: int = 5) -> Path:
    """A few frames of a video side by side, as a PNG."""
    import numpy as np
    from matplotlib.image import imsave

    from skelact.io.video import open_video

    with open_video(video) as frames:
        images = [f.image for f in frames]
    chosen = [images[round(i * (len(images) - 1) / (n - 1))] for i in range(n)]
    imsave(picture, np.concatenate(chosen, 1))
    return picture


def write_demo_report(folder: Path, run: Path, data: Path, sections: list, options: Options, ui: UI) -> dict:
    """Evaluate on the unseen people and write the one report."""
    from skelact.commands.evaluate import Options as EvaluateOptions
    from skelact.commands.evaluate import evaluate

    settings = EvaluateOptions(str(run), str(data), "xsub/test", out=str(folder / "report"))
    return evaluate(
        settings,
        ui,
        f"skelact demo --out {options.out} --seed {options.seed}",
        sections=sections,
        advise=False,
    )
