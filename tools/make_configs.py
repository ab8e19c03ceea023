"""Write configs/ntu and SBU's folds from a few bases; ``--check`` only says which files are out of step.

A recipe states what its base, its network and its set decide. Whatever it does not state is skelact's default,
so that a new setting changes no file. The other recipes in configs/ are single ones, written by hand.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from skelact.config import Experiment
from skelact.datasets.named import SBU_FOLDS
from skelact.settings import from_plain, to_plain

CONFIGS = Path(__file__).parents[1] / "configs"
Settings = dict[str, Any]


def join(*parts: Mapping) -> Settings:
    """Nested settings joined; later ones win."""
    joined: Settings = {}
    for part in parts:
        for key, value in part.items():
            old = joined.get(key, {})
            joined[key] = join(old, value) if isinstance(value, Mapping) else value
    return joined


def sampled(kind: str, n_frames: int, low: float, high: float = 1.0, **more: Any) -> Settings:
    """How moments of a clip are chosen."""
    return {"pipeline": {"sampling": {"kind": kind, "n_frames": n_frames, "crop": [low, high], **more}}}


def augmented(**amounts: float) -> Settings:
    """Random changes."""
    return {"pipeline": {"augment": amounts}}


def trained(**settings: Any) -> Settings:
    """How the network is trained."""
    return {"train": settings}


SGD = {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 0.0005}
PLAIN = {"label_smoothing": 0.0, "clip_norm": 0.0, "ema": 0.0}  # nothing but the loss
NTU: Settings = {
    "data": {"val": 0.0},
    "pipeline": {"normalise": {"centre": "first_frame", "scale": "none"}, "streams": ["joint"]},
    "train": {"precision": "auto"},
}
SEGMENTS = sampled("segments", 100, 1.0)
WHOLE_CLIP = join(sampled("resize", 100, 1.0), augmented(rotate=0.0, scale=0.0))
PYSKL = join(  # Duan et al., "PYSKL: towards good practices for skeleton action recognition", 2022
    SEGMENTS,
    augmented(rotate=0.0, scale=0.0),
    trained(batch_size=128, repeat=5, lr=0.1, schedule="cosine", warmup_epochs=0.0, **SGD, **PLAIN),
    {"views": 10},
)
STRONG = augmented(rotate=0.3, scale=0.1)
STEPS = trained(schedule="step", gamma=0.1, **SGD, **PLAIN)
BASELINE = join(
    sampled("resize", 64, 0.5),
    STRONG,
    trained(
        epochs=80, batch_size=128, optimiser="adamw", lr=0.001, weight_decay=0.01, schedule="cosine",
        warmup_epochs=3.0, label_smoothing=0.1, clip_norm=1.0, ema=0.0,
    ),
)  # fmt: skip
NO_RECIPE = "a baseline, no published recipe: AdamW, 80 epochs, cosine, 64 frames."
PARTS = "one random frame of each of 100 parts"

# Network: what its recipe is, in words and in settings.
NETWORKS: dict[str, tuple[str, Settings]] = {
    "aagcn": (
        f"AAGCN: PYSKL's recipe: 16 x 5 epochs, cosine, {PARTS}, 10 views.",
        join(PYSKL, trained(epochs=16)),
    ),
    "agcn": (
        f"2s-AGCN (one stream): PYSKL's recipe: 16 x 5 epochs, cosine, {PARTS}, 10 views.",
        join(PYSKL, trained(epochs=16)),
    ),
    "ctrgcn": (
        "CTR-GCN: the authors' recipe: 65 epochs, rate / 10 after 35 and 55, a window of half to all of the clip "
        "resampled to 64 frames.",
        join(
            sampled("resize", 64, 0.5, least=64, test_share=0.95),
            augmented(rotate=0.3, scale=0.0),
            STEPS,
            trained(
                epochs=65, batch_size=64, lr=0.1, weight_decay=4e-4, milestones=[35, 55], warmup_epochs=5.0
            ),
        ),
    ),
    "dgstgcn": (
        f"DG-STGCN: the authors' recipe: 150 epochs, cosine, {PARTS}, rotation of 0.2, 10 views.",
        join(PYSKL, augmented(rotate=0.2), trained(epochs=150, repeat=1, batch_size=64)),
    ),
    "gru": (f"GRU: {NO_RECIPE}", BASELINE),
    "lstm": (f"LSTM: {NO_RECIPE}", BASELINE),
    "msg3d": (
        "MS-G3D (one stream): the authors' schedule; the whole clip is resampled to 100 frames, where they fill it "
        "up with zeros to 300.",
        join(WHOLE_CLIP, STEPS, trained(batch_size=32, lr=0.05, warmup_epochs=0.5)),
    ),
    "posec3d": (
        "PoseC3D: the authors' schedule for one of their eight GPUs (rate 0.4 for 256 clips): 24 x 10 epochs, "
        "cosine, 48 frames, mirrored, 10 views; here on 3D skeletons seen from the front, rotated instead of "
        "cropped.",
        join(
            PYSKL,
            sampled("segments", 48, 1.0),
            augmented(rotate=0.3, scale=0.1, mirror=0.5),
            trained(epochs=24, repeat=10, batch_size=32, lr=0.05, weight_decay=3e-4, clip_norm=40.0),
        ),
    ),
    "protogcn": (
        f"ProtoGCN: the authors' recipe for one GPU: 150 epochs, cosine, batches of 16, {PARTS}, rotation of 0.2, "
        "10 views.",
        join(PYSKL, augmented(rotate=0.2), trained(epochs=150, repeat=1, batch_size=16, lr=0.025)),
    ),
    "shiftgcn": (
        "Shift-GCN: the authors' schedule; the whole clip is resampled to 100 frames, where they fill it up with "
        "zeros to 300.",
        join(
            WHOLE_CLIP,
            STEPS,
            trained(
                epochs=140,
                batch_size=64,
                lr=0.1,
                weight_decay=1e-4,
                milestones=[60, 80, 100],
                warmup_epochs=0.0,
            ),
        ),
    ),
    "skateformer": (
        "SkateFormer: the authors' recipe: AdamW, 500 epochs, cosine, 64 frames; every clip is changed a little "
        "where they change some clips more, and bones are stretched where they take other people's.",
        join(
            BASELINE,
            augmented(bones=0.1, shear=0.2, mirror=0.25, drop_joints=0.05),
            trained(epochs=500, weight_decay=0.1, warmup_epochs=25.0),
        ),
    ),
    "skelactnet": (
        "SkelactNet: our own network with the schedule of the strongest graph networks; not yet tried at this "
        "scale.",
        join(
            BASELINE,
            augmented(bones=0.1),
            trained(epochs=150, batch_size=64, lr=0.05, warmup_epochs=5.0, ema=0.999, **SGD),
        ),
    ),
    "stalstm": (
        "STA-LSTM: three stages as in the paper, 100 frames; the optimiser is ours.",
        join(
            BASELINE,
            SEGMENTS,
            augmented(scale=0.0),
            trained(batch_size=256, weight_decay=0.0, warmup_epochs=0.0, label_smoothing=0.0),
            {"views": 10},
        ),
    ),
    "stgat": (
        "graph attention: no published recipe; that of ST-GCN++ with strong augmentation.",
        join(PYSKL, STRONG, trained(epochs=24)),
    ),
    "stgcn": (
        "ST-GCN: the modern recipe (100 frames, cosine, 80 epochs).",
        join(PYSKL, STRONG, trained(epochs=80, repeat=1)),
    ),
    "stgcnpp": (
        f"ST-GCN++: PYSKL's recipe with strong augmentation: 24 x 5 epochs, cosine, {PARTS}, 10 views.",
        join(PYSKL, STRONG, trained(epochs=24)),
    ),
    "tcn": (f"TCN: {NO_RECIPE}", BASELINE),
}
# What depends on the benchmark, too.
OTHERWISE: dict[tuple[str, str], Settings] = {
    ("ntu60", "msg3d"): trained(epochs=50, milestones=[30, 40]),
    ("ntu120", "msg3d"): trained(epochs=60, milestones=[30, 50]),
}
PROTOCOLS = {
    "ntu60_xsub": "NTU RGB+D 60, cross-subject",
    "ntu60_xview": "NTU RGB+D 60, cross-view",
    "ntu120_xsub": "NTU RGB+D 120, cross-subject",
    "ntu120_xset": "NTU RGB+D 120, cross-setup",
}

SMALL = join(  # sets of a few hundred clips
    {"pipeline": {"normalise": {"centre": "mean", "scale": "body"}}},
    STRONG,
    trained(
        epochs=60, batch_size=16, lr=0.05, schedule="cosine", warmup_epochs=3.0, label_smoothing=0.1, clip_norm=1.0,
        ema=0.99, **SGD,
    ),
)  # fmt: skip
SBU = join(
    SMALL,
    {"data": {"path": "sbu.h5", "val": 0.0, "val_by": "pair"}},
    {"pipeline": {"streams": ["joint", "bone", "joint_motion"]}},
    sampled("resize", 32, 0.5),
    augmented(mirror=0.5),
    {"model": {"name": "stgcn", "channels": [48, 48, 96, 96], "stride_blocks": [1, 2]}},
)


ACTING = join(  # people who act on each other
    SMALL,
    {"data": {"path": "sbu.h5", "val": 0.0, "val_by": "pair"}},
    {"pipeline": {"streams": ["joint", "partner", "nearest"]}},
    sampled("resize", 32, 0.8),
    augmented(mirror=0.5, bones=0.2, drop_joints=0.05, jitter=0.005),
    {"model": {"name": "interactionnet"}},
    trained(epochs=20, repeat=5, precision="auto", keep="last"),
)


def acting_recipe(fold: str) -> tuple[str, Settings]:
    """Comment and settings of InteractionNet's recipe for one of SBU's folds."""
    comment = (
        f"SBU interactions, fold {fold[-1]} of 5 (by pair), InteractionNet on joints, the partner's same joint and the "
        "nearest one.\n"
        "skelact convert sbu-interaction --out sbu.h5 --benchmark sbu\n"
        f"skelact train configs/sbu_interactionnet_{fold}.yaml\n"
        "Other streams: --name NAME --pipeline.streams joint bone joint_motion partner nearest"
    )
    return comment, join(ACTING, {"data": {"train": f"{fold}/train", "test": f"{fold}/test"}})


def sbu_recipe(fold: str) -> tuple[str, Settings]:
    """Comment and settings of ST-GCN's recipe for one of SBU's folds."""
    comment = (
        f"SBU interactions, fold {fold[-1]} of 5 (by pair), ST-GCN on joints, bones and joint motion.\n"
        "skelact convert sbu-interaction --out sbu.h5 --benchmark sbu"
    )
    return comment, join(SBU, {"data": {"train": f"{fold}/train", "test": f"{fold}/test"}})


def ntu_recipe(split: str, network: str) -> tuple[str, Settings]:
    """Comment and settings of a network's recipe for one of `PROTOCOLS`."""
    words, own = NETWORKS[network]
    data, protocol = split.split("_")
    name, file = f"{split}_{network}", f"configs/ntu/{split}_{network}.yaml"
    parts = {"path": f"{data}.h5", "train": f"{protocol}/train", "test": f"{protocol}/test"}
    settings = join(NTU, {"data": parts, "model": {"name": network}}, own, OTHERWISE.get((data, network), {}))
    batch = settings["train"]["batch_size"]
    streams = f"Other streams: --name {name}_bone --pipeline.streams bone (joint_motion, bone_motion).\n"
    comment = (
        f"{PROTOCOLS[split]}, {words}\n"
        f"skelact convert nturgb+d_skeletons --out {data}.h5 --benchmark {data}\n"
        f"skelact train {file}\n"
        f"{'' if network == 'posec3d' else streams}"
        f"Several GPUs: torchrun --nproc-per-node 8 -m skelact.cli train {file}\n"
        f"  --train.batch-size {batch // 8} keeps the {batch} clips a step of this recipe."
    )
    return comment, settings


def recipes() -> Iterator[tuple[Path, str]]:
    """Every file with its text."""
    for split in PROTOCOLS:
        for network in NETWORKS:
            name = f"{split}_{network}"
            yield CONFIGS / "ntu" / f"{name}.yaml", text_of(name, *ntu_recipe(split, network))
    for fold in SBU_FOLDS:
        name = f"sbu_interactionnet_{fold}"
        yield CONFIGS / f"{name}.yaml", text_of(name, *acting_recipe(fold))
        yield CONFIGS / f"sbu_stgcn_{fold}.yaml", text_of(f"sbu_stgcn_{fold}", *sbu_recipe(fold))


class _Dumper(yaml.SafeDumper):
    """Lists in one line."""


_Dumper.add_representer(
    list, lambda dumper, values: dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)
)


def text_of(name: str, comment: str, settings: Settings) -> str:
    """A recipe's file: the comment, then what is stated, in the order of the settings' fields.

    Raises:
        ConfigError: if a setting does not exist.
    """

    def stated(complete: Settings, chosen: Settings) -> Settings:
        return {
            key: stated(value, chosen[key]) if isinstance(value, dict) else value
            for key, value in complete.items()
            if key in chosen
        }

    settings = {"name": name, **settings}
    body = stated(to_plain(from_plain(Experiment, settings, name)), settings)
    lines = [row for line in comment.splitlines() for row in textwrap.wrap(line, 110)]
    return "".join(f"# {line}\n" for line in lines) + yaml.dump(body, Dumper=_Dumper, sort_keys=False)


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or say which are not as they would be written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of step")
    check = parser.parse_args(arguments).check
    made = dict(recipes())
    strange = [path for path in CONFIGS.glob("ntu/*.yaml") if path not in made]
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in sorted([*stale, *strange]):
        sys.stdout.write(
            f"{'out of step' if path in stale else 'of no recipe'}: {path.relative_to(CONFIGS)}\n"
        )
    if check:
        return 1 if stale or strange else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
