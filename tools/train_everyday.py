"""Train the network that ships with the package: what people do all day, learned from synthetic people alone.

python tools/train_everyday.py OUT_FOLDER [--form 3d|2d] [--clips 900] [--held-out 60] [--epochs 30] [--seed 0]

Makes the clips (`skelact.datasets.synthetic.everyday`; other numbers, so other people, for the held-out ones), trains a
causal SkelactNet, fits one temperature on half of the held-out clips, which goes into the classifier's weights, reports
on the other half (per class, by the camera's distance and height), and writes ``everyday_FORM.safetensors`` with 16-bit
weights: copy it to ``skelact/recognition/weights/`` to ship it. An unfinished training goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact import __version__
from skelact.config import Experiment
from skelact.datasets.augment import Augment
from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Normalise, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic.everyday import EVERYDAY_CLASSES, make_everyday
from skelact.evaluate.calibration import calibration_metrics
from skelact.io.files import write_text
from skelact.models import SkelactNetSettings
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.recognition.engine import predict_logits
from skelact.settings import to_plain
from skelact.training.loop import fit
from skelact.training.settings import TrainSettings

HELD_OUT = 1_000_000  # the first number of held-out clips


def experiment_of(form: str, epochs: int, seed: int) -> Experiment:
    """What the network is, sees, and is trained with."""
    flat = form == "2d"
    augment = Augment(
        rotate=0.12, turn=0.0 if flat else 0.25, tilt=0.0 if flat else 0.15, scale=0.1, bones=0.1, jitter=0.01,
        wander=0.02, mirror=0.5, drop_joints=0.04, drop_frames=0.01,
    )  # fmt: skip
    return Experiment(
        name=f"everyday_{form}",
        pipeline=Pipeline(
            Sampling(n_frames=32, crop=(0.75, 1.0)), Normalise("mean", "body"), augment,
            streams=["joint", "bone", "joint_motion"],
        ),
        model=SkelactNetSettings(channels=(48, 48, 96, 96, 192), topology="learned", causal=True),
        train=TrainSettings(
            epochs=epochs, batch_size=64, lr=0.1, warmup_epochs=1, weight_decay=5e-4, label_smoothing=0.05, ema=0.998,
            keep="last", seed=seed,
        ),
    )  # fmt: skip


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature with the least negative log likelihood."""
    grid = torch.exp(torch.linspace(-1.5, 1.5, 121))
    loss = [float(torch.nn.functional.cross_entropy(logits / t, labels)) for t in grid]
    return float(grid[int(np.argmin(loss))])


def share_right(right: np.ndarray, values: np.ndarray, edges: list[float]) -> dict[str, float]:
    """Share of right answers between edges of some value."""
    found = {}
    for low, high in pairwise(edges):
        inside = (values >= low) & (values < high)
        if inside.any():
            found[f"{low:g} to {high:g}"] = round(100 * float(right[inside].mean()), 1)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Make, train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("--form", choices=("3d", "2d"), default="3d")
    parser.add_argument("--clips", type=int, default=900, help="of each class")
    parser.add_argument("--held-out", type=int, default=60, help="of each class")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    clips = list(make_everyday(options.clips, seed=options.seed, form=options.form))
    held = list(make_everyday(options.held_out, seed=options.seed, form=options.form, first=HELD_OUT))
    data = SkeletonSet.from_skeletons([*clips, *held], list(EVERYDAY_CLASSES))
    train = torch.arange(len(clips))
    test = torch.arange(len(clips), len(data))
    experiment = experiment_of(options.form, options.epochs, options.seed)
    pipeline, settings = experiment.pipeline, experiment.model
    torch.manual_seed(options.seed)
    model: Any = settings.build(data.layout, len(EVERYDAY_CLASSES), pipeline.channels(data.dims))
    card = Card(
        data.layout.to_dict(), data.dims, data.unit, list(EVERYDAY_CLASSES), float(data.fps[0]), to_plain(settings),
        to_plain(pipeline), skelact=__version__, clip_seconds=2.4, config=to_plain(experiment),
        trained={"people": 1, "on": "synthetic people"},
    )  # fmt: skip

    def show(record: dict[str, float]) -> None:
        sys.stderr.write(f"\r{experiment.name}: epoch {record['epoch']:.0f}, {record['train_top1']:.1%} ")

    folder = options.out / f"{experiment.name}_{options.clips}x{options.epochs}_seed{options.seed}"
    fit(model, data, train, None, pipeline, experiment.train, folder, card, on_epoch=show)
    model.load_state_dict(torch.load(folder / "last.pt", weights_only=True)["average"])
    logits = predict_logits(model, data, test, pipeline)[:, 0]
    labels = data.labels[test]
    warmth = fit_temperature(logits[::2], labels[::2])
    with torch.no_grad():
        model.head.weight /= warmth
        model.head.bias /= warmth
    probabilities = (logits[1::2] / warmth).softmax(1).numpy()
    truth = labels[1::2].numpy()
    right = probabilities.argmax(1) == truth
    infos = [data.infos[int(i)] for i in test[1::2]]

    def by(name: str, edges: list[float]) -> dict[str, float]:
        return share_right(right, np.array([info[name] for info in infos]), edges)

    report = {
        "form": options.form,
        "clips": [len(clips), len(truth)],
        "epochs": options.epochs,
        "seed": options.seed,
        "weights": sum(p.numel() for p in model.parameters()),
        "temperature": round(warmth, 3),
        "top1": round(100 * float(right.mean()), 1),
        "ece": round(calibration_metrics(probabilities, truth).ece, 3),
        "classes": {
            n: round(100 * float(right[truth == k].mean()), 1) for k, n in enumerate(EVERYDAY_CLASSES)
        },
        "by camera tilt [degrees down]": by("tilt", [-30, 0, 10, 20, 50]),
        "by camera height [m]": by("height", [0, 1, 1.7, 2.3, 3.5]),
        "by distance [m]": by("distance", [0, 3, 4, 5, 7]),
    }
    write_text(options.out / f"{experiment.name}.json", json.dumps(report, indent=1))
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_checkpoint(options.out / f"{experiment.name}.safetensors", state, card)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
