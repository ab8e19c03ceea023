"""What the demo trains: networks over joints and bones of synthetic people, fused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skelact.commands.ui import UI, command_line, percent
from skelact.errors import counted

if TYPE_CHECKING:
    from skelact.commands.demo import Options

ACTIONS = ("walk", "sit_down", "pick_up", "fall_forward", "wave", "clap", "kick", "shake_hands")
TRAIN_SUBJECTS, TEST_SUBJECTS = tuple(range(1, 17)), (91, 92)
SEQUENCE = ("wave", "kick", "pick_up", "fall_forward")
STREAMS = ("joint", "bone")
WINDOW = 3.2  # seconds, about the length of the sequence's actions
Outcome = tuple[dict[str, Any], list[Any]]  # what --json prints, and sections of the report


def quiet(ui: UI) -> UI:
    """For commands that run as a part of the demo."""
    return UI(json_output=ui.json_output, quiet=True, silent=True)


def make_data(folder: Path, options: Options, ui: UI) -> Path:
    """Synthetic raw NTU files, converted to one skelact file with a split by subject."""
    import shutil

    from skelact.datasets.synthetic import make_set
    from skelact.io.convert import convert
    from skelact.io.ntu import write_ntu

    raw, data = folder / "skeletons", folder / "synthetic.h5"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir()
    people, cameras = TRAIN_SUBJECTS + TEST_SUBJECTS, (1, 2)
    total, size = len(ACTIONS) * len(people) * len(cameras), 0
    clips = make_set(actions=ACTIONS, subjects=people, repetitions=(1,), cameras=cameras, seed=options.seed)
    with ui.progress("making people") as update:
        for n, clip in enumerate(clips, 1):
            number = (
                ACTIONS.index(str(clip.label)) + 1
            )  # NTU files name actions by number, classes.txt names them
            file = raw / f"{clip.id.partition('A')[0]}A{number:03d}.skeleton"
            write_ntu(clip, file)
            size += file.stat().st_size
            update(n, total, clip.id)
    (raw / "classes.txt").write_text("\n".join(ACTIONS) + "\n", encoding="utf-8")
    ui.done(
        f"{total} raw NTU .skeleton files of {len(people)} synthetic people in {raw} ({size / 1e6:.0f} MB)"
    )

    def by_subject(clips: list) -> dict[str, list[str]]:
        test = {name for name, info in clips if info["subject"] in TEST_SUBJECTS}
        return {
            "xsub/train": [name for name, _ in clips if name not in test],
            "xsub/test": [name for name, _ in clips if name in test],
        }

    with ui.progress("converting") as update:
        report = convert(raw, data, splits=by_subject, overwrite=True, progress=update)
    ui.done(f"converted to {data} at {report.files_per_second:.0f} files/s: {counted(report.clips, 'clip')}")
    return data


def train_networks(folder: Path, data: Path, options: Options, ui: UI) -> list[Path]:
    """A small ST-GCN for each stream."""
    from skelact.commands.train import train
    from skelact.config import Experiment
    from skelact.datasets.gather import Sampling
    from skelact.datasets.parts import DataSettings
    from skelact.datasets.pipeline import Augment, Normalise, Pipeline
    from skelact.models import STGCNSettings
    from skelact.training.settings import TrainSettings

    runs = []
    for stream in STREAMS:
        experiment = Experiment(
            name=stream,
            data=DataSettings(str(data), "xsub/train", 0.2, "subject", "xsub/test"),
            pipeline=Pipeline(
                Sampling(n_frames=32, crop=(0.6, 1.0)),
                Normalise(align_view=True),
                Augment(jitter=0.005, drop_joints=0.1),
                streams=[stream],
            ),
            model=STGCNSettings(channels=(32, 48, 64), stride_blocks=(0, 1, 2)),
            train=TrainSettings(epochs=options.epochs, lr=0.06, batch_size=16, ema=0.97, seed=options.seed),
            out=str(folder),
        )
        runs.append(folder / stream)
        train(experiment, ui, restart=True, folder=runs[-1], advise=False)
    return runs


def fuse_networks(folder: Path, runs: list[Path], data: Path, ui: UI) -> Outcome:
    """Fuse the networks, and compare each of them with all on people that none has seen."""
    import torch

    from skelact.commands.fuse import Options as FuseOptions
    from skelact.commands.fuse import fuse
    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.evaluate.fusion_plot import plot_members
    from skelact.evaluate.report import Code, Picture, Section, Text
    from skelact.recognition.ensemble import load_ensemble

    fused = folder / "fused"
    weights = fuse(FuseOptions(tuple(map(str, runs)), out=str(fused)), quiet(ui))["weights"]
    ensemble = load_ensemble(fused)
    whole = SkeletonSet.open(data)
    clips = whole.split("xsub/test")
    logits = [one[:, 0] for one in ensemble.member_logits(whole, clips)]
    truth = whole.labels[clips]
    accuracy, certainty = [], []
    for answer in [*logits, ensemble.combine(logits)]:
        chances = answer.softmax(-1)
        accuracy.append(float((chances.argmax(1) == truth).float().mean()))
        certainty.append(float(chances[torch.arange(len(truth)), truth].mean()))
    names = [*STREAMS, "fused"]
    said = ", ".join(f"{name} {percent(share)}" for name, share in zip(names, accuracy, strict=True))
    ui.done(
        f"fused with weights {', '.join(f'{w:.2f}' for w in weights)}; {counted(len(clips), 'clip')} of "
        f"unseen people: {said}"
    )
    picture = plot_members(names, accuracy, certainty, folder / "pictures" / "fusion.png")
    section = Section(
        "Two streams, fused",
        [
            Picture(picture, f"{counted(len(clips), 'clip')} of people that no network has seen."),
            Text(
                "Any networks of the same classes can be fused: streams, families, seeds, skeletons with video."
            ),
            Code(command_line("fuse", *runs, "--out", folder / "fused_again")),
        ],
    )
    return dict(zip(names, accuracy, strict=True)) | {"weights": weights}, [section]


def recognise_sequence(folder: Path, options: Options, ui: UI) -> Outcome:
    """Join unseen performances of one unseen person into a sequence and name its actions."""
    import numpy as np

    from skelact.datasets.synthetic import make_clip
    from skelact.evaluate.plots import plot_probabilities_over_time, plot_skeleton_strip, plot_timeline
    from skelact.evaluate.report import Code, Picture, Section, Table
    from skelact.io.store import write_store
    from skelact.recognition import Recogniser
    from skelact.skeleton import Skeleton

    parts = [
        make_clip(action, subject=TEST_SUBJECTS[0], camera=1, repetition=7, seed=options.seed)
        for action in SEQUENCE
    ]
    xyz = np.concatenate([p.xyz[:1] for p in parts], 1)
    score = np.concatenate([p.score[:1] for p in parts], 1)
    sequence = Skeleton(xyz, score, parts[0].layout, parts[0].fps, label=None, id="unseen sequence")
    file = folder / "sequence.h5"
    write_store(file, [sequence], overwrite=True)
    recognition = Recogniser(folder / "fused").recognise(sequence, window=WINDOW)
    pictures = folder / "pictures"
    truth, at = [], 0.0
    for part in parts:
        truth.append({"start": at, "end": at + part.duration, "label": part.label, "person": "truth"})
        at += part.duration
    found = [
        {"start": s.start, "end": s.end, "label": s.label, "score": s.score, "person": "recognised"}
        for s in recognition.segments
    ]
    names = recognition.label_names
    timeline = plot_timeline(truth + found, sequence.duration, pictures / "timeline.png", names)
    curves = plot_probabilities_over_time(
        recognition.times[0], recognition.probabilities[0], names, pictures / "probabilities.png"
    )
    strip = plot_skeleton_strip(sequence, pictures / "sequence.png", n=6)
    agree = agreement(truth, found)
    ui.done(
        f"unseen sequence of {sequence.duration:.0f} s: "
        + " → ".join(s.label for s in recognition.segments)
        + f" ({percent(agree)} of the time right)"
    )
    section = Section(
        "An unseen sequence of an unseen person",
        [
            Picture(strip, "Poses through the sequence: " + ", ".join(SEQUENCE).replace("_", " ") + "."),
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
            Code(command_line("predict", folder / "fused", file, "--window", WINDOW)),
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


def write_demo_report(folder: Path, data: Path, sections: list, options: Options, ui: UI) -> dict[str, Any]:
    """Evaluate on the unseen people and write the one report."""
    from skelact.commands.evaluate import Options as EvaluateOptions
    from skelact.commands.evaluate import evaluate

    settings = EvaluateOptions(str(folder / "fused"), str(data), "xsub/test", out=str(folder / "report"))
    command = command_line("demo", "--out", options.out, "--seed", options.seed)
    return evaluate(
        settings,
        ui,
        command,
        examples=4,
        sections=sections,
        advise=False,
        title="skelact demo: synthetic people",
    )
