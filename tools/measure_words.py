"""Bags of visual words with a χ² SVM on folders of videos, cross-validated by group (Laptev et al., CVPR 2008).

python tools/measure_words.py FOLDER --label REGEX --group REGEX [--folds 5] [--words 300] [--sample 12000]
    [--size 144] [--seed 0]

Two kinds of words, each of HOG, HOF and MBH: in dense blocks (``cells``), and along keypoints that are followed
(``tracks``, with the tracks' shapes). Codebooks are fitted on the training videos alone. ``--label`` and ``--group``
take the first group of a regular expression out of each path; groups are never divided (without ``--folds`` each is a
fold).
Prints a line for the cells, the tracks and both together.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from pathlib import Path

import numpy as np
import torch

from skelact.errors import DataError, SkelactError
from skelact.evaluate.cross_validation import grouped_interval
from skelact.io.flow import flow_between
from skelact.io.video import open_video
from skelact.models.classical.bag_of_words import ChiSquareSVM, word_histogram
from skelact.models.classical.keypoint_tracks import track_descriptors, track_keypoints
from skelact.nn.cells import cell_descriptors, hof_maps, hog_maps, mbh_maps
from skelact.nn.kmeans import fit_codebook

CELL, FRAMES = 12, 4  # pixels, and frames, of a cell
LENGTH, PATCH = 3 * FRAMES, 2 * CELL  # of a block and of a track's neighbourhood
N_CELLS = 3 * 2 * 2  # of each
KINDS = {"cells": ("hog", "hof", "mbh"), "tracks": ("hog", "hof", "mbh", "shape")}
MOST = 400  # descriptors of a video that go into a codebook or a histogram


def describe(path: Path, size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Descriptors ``[n, D]`` of one video by kind and channel, such as ``tracks hof``."""
    import cv2

    with open_video(path) as video:
        pictures = [frame.image for frame in video]
    scale = min(1.0, size / min(pictures[0].shape[:2]))
    pictures = [cv2.resize(p, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for p in pictures]
    while len(pictures) <= LENGTH:  # a video that is too short goes on with its last frame
        pictures.append(pictures[-1])
    grey = np.stack([cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in pictures])
    flow = torch.from_numpy(flow_between(np.stack(pictures))).float().transpose(0, 1)
    seen = torch.from_numpy(grey[:-1]).float()
    maps = {"hog": hog_maps(seen), "hof": hof_maps(flow), "mbh": mbh_maps(flow)}
    tracks = track_keypoints(grey, LENGTH)
    tracks = [tracks[i] for i in np.sort(rng.permutation(len(tracks))[:MOST])]
    blocks = {name: cell_descriptors(maps[name], CELL, FRAMES).numpy() for name in KINDS["cells"]}
    # Blocks in which hardly anything moves say nothing: the last bin of HOF counts still pixels.
    still = blocks["hof"][:, -N_CELLS:].sum(1)
    moving = np.sort(np.argsort(still, kind="stable")[:MOST])
    found = {f"cells {name}": rows[moving] for name, rows in blocks.items()}
    found |= {f"tracks {name}": track_descriptors(maps[name].numpy(), tracks, PATCH) for name in maps}
    found["tracks shape"] = np.array([t.shape() for t in tracks]).reshape(len(tracks), 2 * LENGTH)
    return found


def histograms(
    described: list[dict[str, np.ndarray]], channel: str, training: np.ndarray, options: argparse.Namespace
) -> np.ndarray:
    """Histograms ``[videos, words]`` of one channel, by words of the training videos."""
    rng = np.random.default_rng(options.seed)
    known = np.concatenate([described[i][channel] for i in np.flatnonzero(training)])
    known = known[rng.permutation(len(known))[: options.sample]]
    book = fit_codebook(known, min(options.words, len(known)), options.seed)
    return np.stack([word_histogram(d[channel], book) for d in described])


def answer(
    described: list[dict[str, np.ndarray]], labels: np.ndarray, fold: np.ndarray, options: argparse.Namespace
) -> dict[str, np.ndarray]:
    """The class of every video by networks that saw nothing of its fold, by kind."""
    kinds = {**KINDS, "both": ()}
    said = {kind: np.zeros(len(labels), int) for kind in kinds}
    for k in np.unique(fold):
        training = fold != k
        seen = {
            f"{kind} {channel}": histograms(described, f"{kind} {channel}", training, options)
            for kind, channels in KINDS.items()
            for channel in channels
        }
        for kind in kinds:
            used = [h for name, h in seen.items() if kind == "both" or name.startswith(f"{kind} ")]
            machine = ChiSquareSVM([h[training] for h in used], labels[training], int(labels.max()) + 1)
            said[kind][~training] = machine.decide([h[~training] for h in used]).argmax(1)
    return said


def main() -> None:
    """Describe all videos, then cross-validate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--label", required=True)
    parser.add_argument("--group", required=True)
    for name, value in (("folds", 0), ("words", 300), ("sample", 12000), ("size", 144), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    paths = sorted(p for p in options.folder.rglob("*") if p.suffix in (".avi", ".mp4", ".mkv", ".mov"))
    found = [(re.search(options.label, str(p)), re.search(options.group, str(p))) for p in paths]
    kept = [(p, a[1], b[1]) for p, (a, b) in zip(paths, found, strict=True) if a and b]
    if len({label for _, label, _ in kept}) < 2 or len({group for *_, group in kept}) < 2:
        raise DataError(
            f"{options.folder} has {len(paths)} videos, {len(kept)} of which have a label and a group; two of each are "
            "needed"
        )
    names = sorted({label for _, label, _ in kept})
    labels = np.array([names.index(label) for _, label, _ in kept])
    groups = [group for *_, group in kept]
    order = {group: i for i, group in enumerate(sorted(set(groups)))}
    fold = np.array([order[group] % (options.folds or len(order)) for group in groups])
    described = []
    for i, (path, *_) in enumerate(kept):
        described.append(describe(path, options.size, np.random.default_rng([options.seed, i])))
        print(f"\r{i + 1} of {len(kept)} described", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for kind, said in answer(described, labels, fold, options).items():
        low, high = grouped_interval(said == labels, groups)
        print(f"{kind}: {100 * (said == labels).mean():.1f} % ({100 * low:.1f} to {100 * high:.1f})")


if __name__ == "__main__":
    logging.getLogger("skelact").setLevel(logging.ERROR)
    try:
        main()
    except SkelactError as error:
        sys.exit(f"measure_words: {error}")
