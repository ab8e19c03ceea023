"""Train a region network, which names what every person of a video does, and test it on held-out clips.

python tools/train_regions.py SET.h5 --out RUN [--videos FOLDER] [--train train --test test]
python tools/train_regions.py --boxes train.csv --test-boxes test.csv --labels labels.pbtxt --videos FOLDER --out RUN
    [--excluded excluded_timestamps.csv]

A set (``skelact extract`` makes it) says where its joints are in the picture: a person's box is around them, and all
people of a clip do what its label says. AVA's CSV gives the boxes of videos by name, each with any number of actions;
frames that it excludes are not tested. Without splits every fourth clip (video) is held out. ``skelact detect VIDEO
--checkpoint RUN/regions.safetensors`` uses the result.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from skelact.datasets.skeleton_set import SkeletonSet
from skelact.device import find_device
from skelact.errors import ConfigError, DataError, SkelactError
from skelact.io.ava import ActionBoxes, read_ava, read_excluded_frames, read_label_map
from skelact.io.video_open import videos_in
from skelact.models.video import video_settings
from skelact.models.video.region import RegionSettings
from skelact.recognition.region_detector import RegionCard, save_region_checkpoint
from skelact.settings import to_plain
from skelact.training.regions import boxes_of_set, read_regions, score_regions, train_regions

EVERY = 4  # clips, of which the last is held out where there are no splits
SHOWN = {
    "frame": "frame-mAP, boxes given",
    "video": "video-mAP, boxes given",
    "proposed": "frame-mAP, boxes found",
}

Found = tuple[ActionBoxes, ActionBoxes, dict[str, Path], list[int], list[str]]


def from_set(options: argparse.Namespace) -> Found:
    """Tables for training and test, the videos, and the numbers and names of the actions, of a set."""
    data = SkeletonSet.open(options.set)
    if (options.train in data.splits) != (options.test in data.splits):
        data.split(options.test if options.train in data.splits else options.train)  # says what there is
    if options.train in data.splits:
        parts = [data.split(name).tolist() for name in (options.train, options.test)]
    else:
        held = [k for k in range(len(data)) if k % EVERY == EVERY - 1]
        parts = [[k for k in range(len(data)) if k not in held], held]
    if not all(parts):
        raise DataError(
            f"{options.set} has {len(parts[0])} clips for training and {len(parts[1])} for the test; both are needed: "
            "name splits with --train and --test"
        )
    tables = [boxes_of_set(data, part, options.stride, options.videos) for part in parts]
    files = tables[0][1] | tables[1][1]
    return tables[0][0], tables[1][0], files, list(range(len(data.label_names))), data.label_names


def from_boxes(options: argparse.Namespace) -> Found:
    """The same of AVA's CSV files."""
    if not options.videos:
        raise ConfigError("--boxes names videos; say where they are: --videos FOLDER")
    files = {path.stem: path for path in videos_in(Path(options.videos))}
    train = read_ava(options.boxes)
    if options.test_boxes:
        test = read_ava(options.test_boxes)
    else:
        held = sorted(set(train.video.tolist()))[EVERY - 1 :: EVERY]
        inside = np.isin(train.video, held)
        train, test = train.take(~inside), train.take(inside)
    if options.excluded:
        excluded = read_excluded_frames(options.excluded)
        test = test.take(np.array([key not in excluded for key in test.frames()], bool))
    if not len(train) or not len(test):
        raise DataError(
            f"{options.boxes} leaves {len(train)} rows for training and {len(test)} for the test; give more videos, or "
            "--test-boxes FILE.csv"
        )
    names = read_label_map(options.labels) if options.labels else {}
    actions = sorted(names) or sorted(set(train.action.tolist()))
    return train, test, files, actions, [names.get(a, f"action {a}") for a in actions]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, train, save, test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", nargs="?", default="", metavar="SET.h5")
    parser.add_argument("--boxes", default="", metavar="FILE.csv")
    parser.add_argument("--test-boxes", default="", metavar="FILE.csv")
    parser.add_argument("--excluded", default="", metavar="FILE.csv", help="frames that are not tested")
    parser.add_argument("--labels", default="", metavar="FILE.pbtxt", help="names of the CSV's actions")
    parser.add_argument("--videos", default="", metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--train", default="train", help="split of the set")
    parser.add_argument("--test", default="test", help="split of the set")
    parser.add_argument("--stride", type=float, default=0.5, help="seconds between moments of a set's clip")
    parser.add_argument("--backbone", default="resnet3d_18")
    parser.add_argument("--width", type=float, default=0.25, help="of the backbone")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--size", type=int, nargs=2, default=(112, 112), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--no-proposals", action="store_true", help="boxes are always given")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    try:
        run(options)
    except SkelactError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def run(options: argparse.Namespace) -> None:
    """What the options say."""
    if bool(options.set) == bool(options.boxes):
        raise ConfigError("name a set, or boxes with --boxes FILE.csv; one of them")
    if min(options.epochs, options.batch_size) < 1 or not min(options.lr, options.stride) > 0:
        raise ConfigError(
            f"--epochs and --batch-size must be at least 1, --lr and --stride above 0; got {options.epochs}, "
            f"{options.batch_size}, {options.lr:g} and {options.stride:g}"
        )
    train, test, files, actions, names = (from_set if options.set else from_boxes)(options)
    backbone = video_settings(options.backbone, width=options.width)
    settings = RegionSettings(backbone, proposals=not options.no_proposals)
    size = (options.size[0], options.size[1])
    card = RegionCard(names, to_plain(settings), options.frames, options.fps, size)
    torch.manual_seed(options.seed)
    model = settings.build(len(names)).to(find_device(options.device))

    def reading(done: int, total: int, what: str) -> None:
        sys.stderr.write(f"\r{what} of {done} of {total} videos")

    seen, held = (read_regions(table, files, actions, card, reading) for table in (train, test))
    sys.stdout.write(
        f"\n{len(seen.batch)} clips with {len(seen.people)} people; held out: {len(held.batch)} with "
        f"{len(held.people)}\n"
    )

    def told(epoch: int, loss: float) -> None:
        sys.stdout.write(f"epoch {epoch} of {options.epochs}: loss {loss:.4f}\n")

    train_regions(model, seen, options.epochs, options.lr, options.batch_size, options.seed, told)
    options.out.mkdir(parents=True, exist_ok=True)
    path = save_region_checkpoint(options.out / "regions.safetensors", model, card)
    for name, score in score_regions(model, held, options.batch_size).items():
        sys.stdout.write(f"{SHOWN[name]}: {100 * score.mean:.1f} %\n")
    sys.stdout.write(f"{path}; next: skelact detect VIDEO --checkpoint {path}\n")


if __name__ == "__main__":
    main()
