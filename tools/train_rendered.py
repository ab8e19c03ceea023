"""Train networks over pictures on rendered people, and test them on other bodies, in other rooms and from other views.

python tools/train_rendered.py OUT_FOLDER [NETWORK ...] [--epochs 30] [--subjects 24] [--seed 0]

Twelve actions; a quarter of the bodies and one of three cameras are for the test alone. One row per network, written
as it is ready (``rendered.md``, ``rendered.json``); networks that have a row are not trained again. The networks are
small forms (`WIDTH`), on 16 frames of 64 × 64 pixels.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skelact.config import Experiment
from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.pictures import PictureInput, PictureSet
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_set
from skelact.datasets.synthetic.render import View, render_frames
from skelact.io.files import write_text
from skelact.models.fusion import FusionSettings
from skelact.models.video import list_video_models, video_settings
from skelact.recognition.checkpoint import Card
from skelact.recognition.engine import predict_logits
from skelact.settings import to_plain
from skelact.training.loop import fit
from skelact.training.settings import TrainSettings

ACTIONS = (
    "walk", "sit_down", "stand_up", "lie_down", "pick_up", "fall_forward", "fall_backward", "wave", "clap", "kick",
    "throw", "push",
)  # fmt: skip
TEST_CAMERA, SIZE, KEPT = 3, 64, 72
WIDTH = {"c3d": 0.25, "i3d": 0.5, "slowfast_50": 0.25, "slowfast_101": 0.25, "convgrbm": 0.5}  # else 0.25
SEEN = PictureInput(
    ClipSampling("segments", n_frames=1, segments=16), Framing((KEPT, KEPT)), fps=15, crop=SIZE, jitter=0.3
)


def render_set(file: Path, subjects: int) -> SkeletonSet:
    """The clips, with their pictures, which are kept in a file for the next time."""
    cameras = (1, 2, TEST_CAMERA)
    clips = list(
        make_set(
            actions=ACTIONS, subjects=range(1, subjects + 1), repetitions=(1,), cameras=cameras, noise=None
        )
    )
    data = SkeletonSet.from_skeletons(clips)
    if not file.exists():
        parts = []
        for k, clip in enumerate(clips):
            every = max(1, round(clip.fps / SEEN.fps))
            room = int(clip.info["subject"]) * 10 + int(clip.info["camera"])
            frames = np.stack(list(render_frames(clip, view=View(KEPT, KEPT), seed=room)))
            parts.append(frames[::every])
            sys.stderr.write(f"\rrendering {k + 1} of {len(clips)}")
        np.savez(file, frames=np.concatenate(parts), length=np.array([len(p) for p in parts]))
    kept = np.load(file)
    frames, length = torch.from_numpy(kept["frames"]), torch.from_numpy(kept["length"])
    data.pictures[SEEN.kept_as("rgb")] = PictureSet("rgb", frames, length, SEEN.fps)
    return data


def divide(data: SkeletonSet, subjects: int) -> tuple[Tensor, Tensor]:
    """(training clips, test clips); a test body from a training camera, or the reverse, is in neither."""
    body = np.array(data.column("subject")) > subjects * 3 // 4
    camera = np.array(data.column("camera")) == TEST_CAMERA
    return torch.as_tensor(np.flatnonzero(~body & ~camera)), torch.as_tensor(np.flatnonzero(body & camera))


def train_one(
    name: str, data: SkeletonSet, subjects: int, epochs: int, seed: int, out: Path
) -> dict[str, Any]:
    """Train and test one network; returns its row."""
    width = WIDTH.get(name, 0.25)
    settings = FusionSettings(streams={"rgb": video_settings(name, width=width)})
    train, test = divide(data, subjects)
    pipeline = Pipeline(pictures={"rgb": SEEN})
    how = TrainSettings(epochs=epochs, batch_size=16, lr=0.02, precision="bf16-mixed", keep="last", seed=seed)
    torch.manual_seed(seed)
    model = settings.build(data.layout, len(data.label_names), 3)
    experiment = Experiment(name=name, pipeline=pipeline, model=settings, train=how)
    card = Card(
        data.layout.to_dict(), 3, "m", data.label_names, 30.0, to_plain(settings), to_plain(pipeline),
        config=to_plain(experiment),
    )  # fmt: skip
    begin = time.perf_counter()

    def show(record: dict[str, float]) -> None:
        sys.stderr.write(f"\r{name}: epoch {record['epoch']:.0f}, training {record['train_top1']:.1%} ")

    result = fit(model, data, train, None, pipeline, how, out / "runs" / name, card, on_epoch=show)
    model.eval()
    state = torch.load(out / "runs" / name / "last.pt", weights_only=True)["average"]
    model.load_state_dict(state)
    logits = predict_logits(model, data, test, pipeline)[:, 0]
    return {
        "network": name,
        "width": width,
        "weights": sum(p.numel() for p in model.parameters()),
        "epochs": epochs,
        "minutes": round((time.perf_counter() - begin) / 60, 1),
        "training": round(100 * result.history[-1]["train_top1"], 1),
        "test": round(100 * float((logits.argmax(1) == data.labels[test]).float().mean()), 1),
        "clips": [len(train), len(test)],
    }


def table_of(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| network | width | weights | epochs | minutes | training | test |", "|" + " --- |" * 7]
    lines += [
        f"| `{r['network']}` | {r['width']:g} | {r['weights'] / 1e6:.2f} M | {r['epochs']} | {r['minutes']} | "
        f"{r['training']} | {r['test']} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Train what has no row yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=list_video_models())
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--subjects", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    data = render_set(options.out / f"rendered{options.subjects}.npz", options.subjects)
    file = options.out / "rendered.json"
    rows = json.loads(file.read_text()) if file.exists() else []
    for name in options.networks:
        if name in {row["network"] for row in rows}:
            continue
        rows.append(train_one(name, data, options.subjects, options.epochs, options.seed, options.out))
        write_text(file, json.dumps(rows, indent=1))
        write_text(options.out / "rendered.md", table_of(rows))
        sys.stdout.write(f"\n{table_of(rows[-1:]).splitlines()[-1]}\n")


if __name__ == "__main__":
    main()
