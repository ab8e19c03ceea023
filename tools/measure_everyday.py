"""Prove the shipped network on real recordings that it never saw: per class, calibration, confusion.

python tools/measure_everyday.py DATA_FOLDER OUT_FOLDER [SET ...] [--weizmann weizmann.h5] [--part all|development|rest]

`MAPS` says which of a set's classes are which of the network's; what is not in it is left out. Two shares are given:
the answer among the classes of the map alone (``closed``), and among all of the network's classes (``open``). The
generator was developed with an eye on ``development``: views 1 and 2 of NW-UCLA, the odd subjects of UTD-MHAD; ``rest``
is the others. Weizmann is a file made by ``skelact extract``, see the README.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skelact.datasets.synthetic.everyday import make_everyday_clip
from skelact.errors import SkelactError
from skelact.evaluate.calibration import calibration_metrics
from skelact.evaluate.plots import plot_confusion
from skelact.io.files import write_text
from skelact.io.formats import ReadOptions, detect_format, get_format
from skelact.io.store import Store
from skelact.recognition import Recogniser, fit_input
from skelact.recognition.checkpoint import find_checkpoint
from skelact.recognition.everyday import EVERYDAY, EVERYDAY_2D
from skelact.skeleton import Skeleton

# Written down before anything was measured. A run is no walk, putting on a jacket is nothing that it names, and
# a class that is two of the network's (pickup and throw) is neither.
MAPS: dict[str, dict[str, str]] = {
    "nw-ucla": {
        "pick up with one hand": "pick_up", "pick up with two hands": "pick_up", "walk around": "walk",
        "sit down": "sit_down", "stand up": "stand_up", "throw": "throw", "carry": "walk",
    },
    "utd-mhad": {
        "wave": "wave", "clap": "clap", "throw": "throw", "walk": "walk", "sit to stand": "stand_up",
        "stand to sit": "sit_down", "squat": "squat_down",
    },
    "ntu": {"drink water": "drink"},
    "up-fall": {"fall": "fall"},
    "ur-fall": {"falling": "fall", "fallen": "fallen"},
    "weizmann": {
        "bend": "pick_up", "jack": "jump", "jump": "jump", "pjump": "jump", "walk": "walk", "wave1": "wave",
        "wave2": "wave",
    },
}  # fmt: skip
FOLDERS = {
    "nw-ucla": "nw-ucla", "utd-mhad": "utd-mhad/skeleton", "ntu": "ntu", "up-fall": "up-fall-3d",
    "ur-fall": "urfd-pose",
}  # fmt: skip
SIZE = {
    "width": 640,
    "height": 480,
}  # of UP-Fall's and UR Fall's videos, whose poses are fractions of the picture


def read_all(folder: Path) -> Iterator[Skeleton]:
    """Every recording of a folder that can be read."""
    kind = get_format(detect_format(folder))
    for item in kind.find(folder):
        try:
            yield from kind.read(item, ReadOptions(root=folder))
        except SkelactError as error:
            sys.stderr.write(f"left out: {error}\n")


def between(skeleton: Skeleton, first: int, last: int, label: str) -> Skeleton:
    """Frames ``first`` to ``last`` of a recording."""
    part = slice(max(0, first), last)
    return Skeleton(
        skeleton.xyz[:, part], skeleton.score[:, part], skeleton.layout, skeleton.fps, skeleton.unit, label=label,
        id=f"{skeleton.id} {first}", info=skeleton.info,
    )  # fmt: skip


def recordings(name: str, data: Path, weizmann: Path | None) -> Iterator[Skeleton]:
    """A set's labelled clips."""
    if name == "weizmann":
        if weizmann is not None:
            for clip in Store(weizmann):
                yield clip
                if clip.picture is not None:  # the same for the 2D form
                    yield clip.in_picture().converted("coco17")
        return
    for clip in read_all(data / FOLDERS[name]):
        if name == "up-fall":
            yield clip.with_(xyz=clip.xyz[..., :2], label="fall", info={**clip.info, **SIZE})
        elif name == "ur-fall":
            sized = clip.with_(info={**clip.info, **SIZE})
            phases = np.array(clip.frame_labels)
            for phase, before, after in (("falling", 12, 6), ("fallen", 0, 0)):
                frames = np.flatnonzero(phases == phase)
                if len(frames) > 8:
                    yield between(sized, frames[0] - before, frames[-1] + 1 + after, phase)
        else:
            yield clip


def in_development(name: str, clip: Skeleton) -> bool:
    """Whether a clip was looked at while the generator was written."""
    if name == "nw-ucla":
        return clip.info["view"] in (1, 2)
    if name == "up-fall":
        return int(clip.info["subject"]) == 1
    if name == "ur-fall":
        return int(re.findall(r"\d+", clip.id)[0]) <= 14
    return name == "utd-mhad" and int(clip.info["subject"]) % 2 == 1


def measure(name: str, clips: list[Skeleton], checkpoint: str, out: Path) -> dict[str, Any]:
    """One form of the network on one set."""
    recogniser = Recogniser(checkpoint)
    names = recogniser.card.label_names
    fitted = [fit_input(clip, recogniser.card, recogniser.pipeline)[0] for clip in clips]
    p = np.stack([recogniser.recognise(clip, mode="group").probabilities[0].mean(0) for clip in fitted])
    theirs = [str(clip.label) for clip in clips]
    truth = np.array([names.index(MAPS[name][label]) for label in theirs])
    known = sorted({names.index(label) for label in MAPS[name].values()})
    closed = np.array(known)[p[:, known].argmax(1)]
    among = p[:, known] / p[:, known].sum(1, keepdims=True)
    classes = {}
    for label in dict.fromkeys(theirs):
        of = np.array([t == label for t in theirs])
        said = np.bincount(p[of].argmax(1), minlength=len(names))
        classes[label] = {
            "clips": int(of.sum()),
            "closed": round(100 * float((closed == truth)[of].mean()), 1),
            "open": round(100 * float((p.argmax(1) == truth)[of].mean()), 1),
            "said": {names[k]: int(said[k]) for k in said.argsort()[::-1][:5] if said[k]},
        }
    if len(known) > 1:
        matrix = np.zeros((len(known), len(known)), int)
        np.add.at(matrix, (np.searchsorted(known, truth), np.searchsorted(known, closed)), 1)
        plot_confusion(matrix, [names[k] for k in known], out / f"{name}_{checkpoint}_confusion.png")
    return {
        "set": name,
        "network": checkpoint,
        "clips": len(clips),
        "closed": round(100 * float((closed == truth).mean()), 1),
        "closed, mean of classes": round(float(np.mean([c["closed"] for c in classes.values()])), 1),
        "open": round(100 * float((p.argmax(1) == truth).mean()), 1),
        "ece, open": round(calibration_metrics(p, truth).ece, 3),
        "ece, closed": round(calibration_metrics(among, np.searchsorted(known, truth)).ece, 3)
        if len(known) > 1
        else None,
        "classes": classes,
    }


def cost(checkpoint: str) -> dict[str, Any]:
    """Size, and the time of one decision about one person on one core."""
    clip = make_everyday_clip("walk", 0, form="2d" if checkpoint == EVERYDAY_2D else "3d")
    recogniser, taken = Recogniser(checkpoint), []
    for _ in range(30):
        begin = time.process_time()
        recogniser.recognise(clip, window=60.0)
        taken.append(time.process_time() - begin)
    return {
        "network": checkpoint,
        "weights": sum(p.numel() for p in recogniser.ensemble.members[0].model.parameters()),
        "megabytes": round(find_checkpoint(checkpoint).stat().st_size / 1e6, 2),
        "milliseconds a decision": round(1000 * float(np.median(taken)), 1),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and write ``everyday.json``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("sets", nargs="*", default=list(MAPS), metavar="SET")
    parser.add_argument("--weizmann", type=Path)
    parser.add_argument("--part", choices=("all", "development", "rest"), default="rest")
    parser.add_argument("--checkpoint", help="another checkpoint than the shipped ones, for 3D recordings")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    results = []
    for name in options.sets:
        clips: dict[str, list[Skeleton]] = {}
        for clip in recordings(name, options.data, options.weizmann):
            if clip.label not in MAPS[name] or not (clip.score > 0).any():
                continue
            if options.part != "all" and in_development(name, clip) != (options.part == "development"):
                continue
            flat = clip.xyz.shape[3] == 2
            clips.setdefault(EVERYDAY_2D if flat else options.checkpoint or EVERYDAY, []).append(clip)
        for checkpoint, some in clips.items():
            results.append(measure(name, some, checkpoint, options.out))
            line = {k: v for k, v in results[-1].items() if k != "classes"}
            sys.stdout.write(json.dumps(line) + "\n")
            for label, row in results[-1]["classes"].items():
                sys.stdout.write(f"   {label:24s} {row}\n")
    if options.checkpoint is None:
        results += [cost(EVERYDAY), cost(EVERYDAY_2D)]
        sys.stdout.write("".join(json.dumps(row) + "\n" for row in results[-2:]))
    write_text(options.out / "everyday.json", json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
