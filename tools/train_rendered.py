"""Train every kind of network over pictures, and some over joints, on rendered people; test on people never seen.

python tools/train_rendered.py OUT_FOLDER [NETWORK ...] [--epochs 10] [--subjects 30] [--repetitions 3] [--seed 0]

Twelve actions; a quarter of the bodies is for the test alone. Every clip has its own room, clothes and view, drawn
from one distribution for training and test (see `rendered_people.py`). Networks are small forms, one of each family
by default, on the square of 56 × 56 pixels that follows the person, at 12 moments of the clip (`UNUSUAL`: what single
networks see and take instead). One row per network is written as it is ready (``rendered.md``, ``rendered.json``);
what has a row with the same settings is not trained again, and an unfinished training goes on. ``--validate`` leaves
the test's bodies alone and answers for a fifth of the others: choose settings by that.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rendered_people import KEPT, Size, divide, load_rendered, picture_input

from skelact.config import Experiment
from skelact.datasets.augment import Augment
from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.io.files import write_text
from skelact.models import SkelactNetSettings, STGCNSettings
from skelact.models.fusion import SKELETON, FusionSettings
from skelact.models.patch_as_node import PatchAsNodeSettings
from skelact.models.rgbpose_conv3d import RGBPoseConv3dSettings
from skelact.models.settings import LayoutSettings
from skelact.models.video import VIDEO_MODELS, VideoSettings, list_video_models, video_settings
from skelact.recognition.checkpoint import Card
from skelact.recognition.engine import predict_logits
from skelact.settings import to_plain
from skelact.training.loop import fit
from skelact.training.settings import TrainSettings

WIDTH, DROPOUT, MOMENTS, VIEWS, LR = 0.25, 0.2, 12, 10, 1e-3
# What differs from that, by family, beside the settings of the same names: ``moments`` seen, ``views`` answered for,
# the learning rate ``lr``, and passes without labels, ``pretrain``.
UNUSUAL: dict[str, dict[str, Any]] = {
    "single_frame": {"moments": 1, "views": VIEWS},
    "late_fusion": {"moments": 16},
    "lrcn": {"lr": 3e-4},  # no norms: at the usual rate it learns nothing, and the next three little
    **{name: {"width": 0.125, "lr": 3e-4} for name in ("gru_rcn", "convlstm", "videolstm")},
    "words": {"moments": 24, "cell": 7, "frames": 2},
    "slowfast": {"alpha": 4, "tau": 4, "moments": 16, "width": 0.125},
    "convgrbm": {
        "width": 1.0,
        "n_maps": 8,
        "window": 6,
        "filters": 32,
        "kernel": 5,
        "hidden": 64,
        "dropout": 0.0,
        "pretrain": 1,  # passes without labels
    },
    **{name: {"width": 0.125} for name in ("c3d", "r2plus1d", "slowonly")},  # slow ones
}
STREAMS = {"two_stream": ["rgb", "flow"], "convgrbm": ["grey"], "words": ["flow"]}  # else colour
CLOSED = ("words",)  # trained in closed form, without a width
JOINTS = ("stgcn", "skelactnet")
JOINED = ("fusion", "patch_as_node", "rgbpose_conv3d")
EPOCHS = 10
OURS = {name: settings for name, settings in VIDEO_MODELS.items() if name != "torchvision"}
SMALLEST = [f"{name}_{min(s.depths)}" if s.depths else name for name, s in OURS.items()]
NETWORKS = [*SMALLEST, *JOINTS, *JOINED]


def unusual(name: str) -> dict[str, Any]:
    """What a network takes instead of the usual settings."""
    return UNUSUAL.get(name if name in VIDEO_MODELS else name.rpartition("_")[0], {})


def of_pictures(name: str) -> tuple[VideoSettings, int, int]:
    """The small form of a network over pictures, how many moments it sees, and how many times it looks in the test."""
    changes: dict[str, Any] = {"width": WIDTH, "dropout": DROPOUT, "moments": MOMENTS, "views": 1}
    changes |= unusual(name)
    moments, views = changes.pop("moments"), changes.pop("views")
    for training in ("lr", "pretrain"):
        changes.pop(training, None)
    if name in CLOSED:
        del changes["width"]
    return video_settings(name, **changes), moments, views


def of_joints(name: str) -> SkelactNetSettings | STGCNSettings:
    """The small form of a network over joints."""
    if name == "stgcn":
        return STGCNSettings(channels=(32, 32, 64, 64, 128), stride_blocks=(1, 3), dropout=0.1)
    return SkelactNetSettings(channels=(32, 32, 64, 64, 128))


def experiment_of(name: str, epochs: int = EPOCHS, seed: int = 0) -> Experiment:
    """What a network is, sees, and is trained with."""
    moments, views, pictures = MOMENTS, 1, ["rgb"]
    model: LayoutSettings
    if name in JOINTS:
        model, pictures = of_joints(name), []
    elif name == "rgbpose_conv3d":
        model = RGBPoseConv3dSettings(
            width=16,
            pose_width=8,
            depths=(1, 1, 1, 1),
            pose_depths=(1, 1, 1),
            size=KEPT // 4,
            dropout=DROPOUT,
        )
        moments = 8
    elif name in JOINED:
        seen = of_pictures("resnet3d_18")[0]
        if name == "fusion":
            model = FusionSettings(streams={SKELETON: of_joints("stgcn"), "rgb": seen})
        else:
            model = PatchAsNodeSettings(graph=of_joints("stgcn"), picture=seen)
    else:
        network, moments, views = of_pictures(name)
        pictures = STREAMS.get(name, pictures)
        model = FusionSettings(streams=dict.fromkeys(pictures, network), mode="score")
    places = name in ("patch_as_node", "rgbpose_conv3d")
    see = {stream: picture_input(moments, stream, places) for stream in pictures}
    if name == "rgbpose_conv3d":  # needs four times the heatmaps' side
        see["rgb"].crop = KEPT
    pipeline = Pipeline(
        Sampling(n_frames=32, crop=(0.8, 1.0)), augment=Augment(rotate=0.2), streams=["joint"], pictures=see
    )
    how = TrainSettings(
        epochs=epochs, batch_size=8, optimiser="adamw", lr=unusual(name).get("lr", LR), weight_decay=0.02,
        warmup_epochs=1, precision="auto", ema=0.98, keep="last", seed=seed,
        pretrain_epochs=unusual(name).get("pretrain", 0),
    )  # fmt: skip
    if name in CLOSED:
        how = TrainSettings(epochs=1, batch_size=8, optimiser="ridge", keep="last", seed=seed)
    return Experiment(name=name, pipeline=pipeline, model=model, train=how, views=views)


def train_one(experiment: Experiment, data: SkeletonSet, validate: bool, folder: Path) -> dict[str, Any]:
    """Train and test one network; returns its row."""
    train, test = divide(data, validate)
    pipeline, settings = experiment.pipeline, experiment.model
    torch.manual_seed(experiment.train.seed)
    model = settings.build(
        data.layout, len(data.label_names), pipeline.channels(data.dims), pipeline.picture_channels()
    )
    card = Card(
        data.layout.to_dict(), data.dims, data.unit, data.label_names, float(data.fps[0]), to_plain(settings),
        to_plain(pipeline), config=to_plain(experiment),
    )  # fmt: skip
    begin = time.process_time()

    def show(record: dict[str, float]) -> None:
        sys.stderr.write(f"\r{experiment.name}: epoch {record['epoch']:.0f}, {record['train_top1']:.1%} ")

    result = fit(model, data, train, None, pipeline, experiment.train, folder, card, on_epoch=show)
    minutes = (time.process_time() - begin) / 60
    state = torch.load(folder / "last.pt", weights_only=True)
    model.load_state_dict(state["average"] or state["model"])
    logits = predict_logits(model, data, test, pipeline, views=experiment.views).softmax(-1).mean(1)
    return {
        "network": experiment.name,
        "sees": " + ".join(pipeline.pictures) or "joints",
        "weights": sum(p.numel() for p in model.parameters()),
        "epochs": experiment.train.epochs,
        "seed": experiment.train.seed,
        "clips": [len(train), len(test)],
        "minutes": round(minutes, 1),
        "training": round(100 * result.history[-1]["train_top1"], 1),
        "test": round(100 * float((logits.argmax(1) == data.labels[test]).float().mean()), 1),
    }


def table_of(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| network | sees | weights | clips | epochs | CPU minutes | training | test |", "|" + " --- |" * 8
    ]  # fmt: skip
    lines += [
        f"| `{r['network']}` | {r['sees']} | {r['weights'] / 1e6:.2f} M | {r['clips'][0]} / {r['clips'][1]} | "
        f"{r['epochs']} | {r['minutes']} | {r['training']} | {r['test']} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Train what has no row yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=NETWORKS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--subjects", type=int, default=Size.subjects)
    parser.add_argument("--repetitions", type=int, default=Size.repetitions)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")
    parser.add_argument("--validate", action="store_true")
    options = parser.parse_intermixed_args(arguments)
    known = [*list_video_models(), *JOINTS, *JOINED]
    for name in options.networks:
        if name not in known:
            parser.error(f"there is no network '{name}'; known: {', '.join(known)}")
    options.out.mkdir(parents=True, exist_ok=True)
    size = Size(options.subjects, options.repetitions)
    data = load_rendered(options.out, size, options.workers)
    title = "validation" if options.validate else "rendered"
    file = options.out / f"{title}.json"
    rows = json.loads(file.read_text()) if file.exists() else []
    clips = [len(part) for part in divide(data, options.validate)]
    key = ("network", "epochs", "seed", "clips")
    done = [[row[k] for k in key] for row in rows]
    for name in options.networks:
        experiment = experiment_of(name, options.epochs, options.seed)
        if [name, options.epochs, options.seed, clips] in done:
            continue
        run = f"{title}_{name}_{options.epochs}epochs_{size.name}_seed{options.seed}"
        rows.append(train_one(experiment, data, options.validate, options.out / "runs" / run))
        write_text(file, json.dumps(rows, indent=1))
        write_text(file.with_suffix(".md"), table_of(rows))
        sys.stdout.write(f"\n{table_of(rows[-1:]).splitlines()[-1]}\n")


if __name__ == "__main__":
    main()
