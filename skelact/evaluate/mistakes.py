"""The worst mistakes of an evaluation: the wrong answers that were given most surely, each as a small strip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.evaluate.figures import draw_figure
from skelact.evaluate.page import Block, Picture, Section, Text
from skelact.evaluate.plots import plot_skeleton_strip
from skelact.evaluate.predictions import Predictions
from skelact.skeleton import Skeleton

MOMENTS = 6
HEIGHT = 1.1  # inches of a pose or frame
Scene = Skeleton | np.ndarray  # a recording, or frames of its video [T, H, W, 3] uint8


def plot_frames(frames: np.ndarray, path: str | Path, height: float = HEIGHT) -> Path:
    """Frames of a video side by side.

    Args:
        frames: ``[T, H, W, 3]`` uint8.
        path: the PNG to write.
        height: of a frame, in inches.

    Returns:
        The path.

    Raises:
        DataError: for another shape, or no frames.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
        raise DataError(f"frames must be [frames, height, width, 3], got {list(frames.shape)}")
    gap = max(1, round(0.05 * frames.shape[1] / height))  # 0.05 inches
    apart = np.pad(frames, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=255)
    row = np.concatenate(list(apart), 1)[:, :-gap]
    with draw_figure(path, (height * row.shape[1] / row.shape[0], height)) as (_, axes):
        axes[0, 0].imshow(row)
        axes[0, 0].axis("off")
    return Path(path)


def plot_scene(scene: Scene, path: str | Path, n: int = MOMENTS) -> Path:
    """A recording, or frames of its video, as a small strip; no words in it."""
    if isinstance(scene, np.ndarray):
        return plot_frames(scene, path)
    return plot_skeleton_strip(scene.with_(label=None, id=""), path, n=n, height=HEIGHT)


def mistakes_section(
    found: Predictions,
    n: int,
    look: Callable[[int], Scene | str],
    folder: str | Path,
) -> Section | None:
    """The section of a report that shows the most confident wrong answers.

    Args:
        found: the answers.
        n: how many at most.
        look: gives the recording of a row, frames of its video, or why there is nothing to see.
        folder: for the pictures, ``mistake_1.png`` and so on; those of an earlier report are removed.

    Returns:
        The section; None for n = 0.
    """
    folder = Path(folder)
    for old in folder.glob("mistake_*.png"):
        old.unlink(missing_ok=True)
    if not n:
        return None
    wrong = int((~found.correct).sum())
    rows = found.worst(n)
    if not rows:
        return Section("Worst mistakes", [Text("Every answer is right.")])
    which = f"the {len(rows)} given most surely" if wrong > len(rows) else "all of them"
    blocks: list[Block] = [
        Text(
            f"{wrong} of {len(found)} answers are wrong; shown: {which}, the surest first. predictions.csv lists every "
            "clip."
        )
    ]
    for k, row in enumerate(rows, 1):
        scene, caption = look(row), caption_of(found, row)
        if isinstance(scene, str):
            blocks.append(Text(f"{caption} ({scene})"))
        else:
            drawn = plot_scene(scene, folder / f"mistake_{k}.png")
            blocks.append(Picture(drawn, caption, photo=isinstance(scene, np.ndarray), small=True))
    return Section("Worst mistakes", blocks)


def caption_of(found: Predictions, row: int) -> str:
    """One line: clip, truth, answer with its confidence, and how likely the truth was held."""
    return (
        f"{found.clips[row]}: is {found.labels[row]}, answered {found.predicted[row]} "
        f"({100 * found.confidence[row]:.1f} %; the truth {100 * found.label_probability[row]:.1f} %)"
    )
