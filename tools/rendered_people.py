"""A set of rendered people with its pictures: twelve actions, every clip another room, other clothes and another view.

For `train_rendered.py`. The bodies of the last quarter are for the test alone. Rooms, clothes, places and views of
their clips are new draws from the distribution that the training's were drawn from.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.clip_sampling import ClipSampling, Framing, follow_boxes
from skelact.datasets.picture_files import boxes_of
from skelact.datasets.pictures import PictureInput, PictureSet
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import CAMERAS, SensorNoise, make_clip
from skelact.datasets.synthetic.render import View, render_frames
from skelact.io.files import atomic_path
from skelact.io.flow import flow_between, to_bytes
from skelact.skeleton import Skeleton
from skelact.transforms.video import crop_resize

ACTIONS = (
    "walk", "sit_down", "stand_up", "lie_down", "pick_up", "fall_forward", "fall_backward", "wave", "clap", "kick",
    "throw", "push",
)  # fmt: skip
FPS, RENDERED, KEPT, SIZE = 12.0, 144, 64, 56  # frames a second, pixels: of the whole picture, kept, seen
SETUPS = 6  # distances and heights of each camera
NOISE = SensorNoise(swap=0.0, id_change=0.0)  # of the joints, as a Kinect sees them
FRAMING = Framing((KEPT, KEPT), region="person", smooth=1.0)
FLOW_BOUND = 8.0  # kept pixels a frame


@dataclass(frozen=True)
class Size:
    """How large the set is.

    Args:
        subjects: bodies.
        repetitions: clips of each action by each body.
        seed: of bodies, motions, views, rooms and clothes.
    """

    subjects: int = 30
    repetitions: int = 3
    seed: int = 0

    @property
    def name(self) -> str:
        """Of its files."""
        return f"rendered_{self.subjects}x{self.repetitions}_seed{self.seed}"


def picture_input(moments: int = 16, stream: str = "rgb", places: bool = False) -> PictureInput:
    """What a network sees of the pictures: moments from as many equal parts of the clip, the person's square."""
    return PictureInput(
        ClipSampling("segments", n_frames=1, segments=moments), FRAMING, FPS, SIZE,
        jitter=0.0 if stream == "flow" else 0.2, camera="median" if stream == "flow" else "none", places=places,
    )  # fmt: skip


def make_clips(size: Size, only: Collection[int] | None = None) -> Iterator[tuple[Skeleton, Skeleton, int]]:
    """Every clip as it is, as the sensor sees it (with the joints' true places in the picture), and its number.

    Args:
        size: of the set.
        only: bodies; all without.
    """
    view = View(RENDERED, RENDERED)
    everything = product(range(1, size.subjects + 1), ACTIONS, range(1, size.repetitions + 1))
    for number, (subject, action, repetition) in enumerate(everything):
        if only is not None and subject not in only:
            continue
        rng = np.random.default_rng([size.seed, number])
        how = {
            "subject": subject, "repetition": repetition, "camera": int(rng.integers(1, len(CAMERAS) + 1)),
            "setup": int(rng.integers(1, SETUPS + 1)), "seed": size.seed, "fps": FPS,
        }  # fmt: skip
        true = make_clip(action, **how, noise=None)
        picture = ((view.project(true.xyz) + 0.5) / RENDERED).astype(np.float32)
        sensed = make_clip(action, **how, noise=NOISE)
        yield true.with_(picture=picture), sensed.with_(picture=picture), number


def render_person(clip: Skeleton, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The pictures ``[T, KEPT, KEPT, 3]`` of the square that follows a clip's person, and the squares ``[T, 4]``."""
    frames = np.stack(list(render_frames(clip, view=View(RENDERED, RENDERED), seed=seed)))
    boxes = boxes_of(clip, FRAMING)
    assert boxes is not None
    boxes[:, 1:] *= RENDERED
    squares = follow_boxes(boxes, np.arange(clip.n_frames) / FPS, FRAMING.margin, FRAMING.smooth)
    whole = torch.from_numpy(frames).permute(0, 3, 1, 2)[:, :, None].float()
    at = torch.from_numpy(np.column_stack([squares[:, 1::-1], squares[:, 3:1:-1] - squares[:, 1::-1]]))
    cut = crop_resize(whole, at, (KEPT, KEPT))[:, :, 0].permute(0, 2, 3, 1)
    return cut.round().byte().numpy(), (squares / RENDERED).astype(np.float32)


def find_flow(frames: np.ndarray) -> np.ndarray:
    """Flow ``[T, H, W, 2]`` in bytes between a clip's pictures ``[T, H, W, 3]``; the last field stands twice."""
    fields = to_bytes(flow_between(frames), FLOW_BOUND).transpose(0, 2, 3, 1)
    return np.concatenate([fields, fields[-1:]])


def render_body(file: Path, size: Size, subject: int) -> Path:
    """Render the clips of one body into ``file``, unless it is there."""
    if not file.exists():
        clips = [(true, number) for true, _, number in make_clips(size, [subject])]
        rendered = [render_person(true, number) for true, number in clips]
        frames, regions = ([pair[k] for pair in rendered] for k in (0, 1))
        with atomic_path(file) as part, part.open("wb") as out:
            np.savez(
                out, length=np.array([len(p) for p in frames]), frames=np.concatenate(frames),
                regions=np.concatenate(regions), flow=np.concatenate([find_flow(p) for p in frames]),
            )  # fmt: skip
    return file


def render_all(folder: Path, size: Size, workers: int) -> list[Path]:
    """One file for each body, in order; what an earlier run left is kept."""
    subjects = range(1, size.subjects + 1)
    jobs = [(folder / size.name / f"body{subject:03d}.npz", size, subject) for subject in subjects]
    files: list[Path] = []
    with ExitStack() as stack:
        run: Callable[..., Iterable[Path]] = map
        if workers > 1:
            spawn = multiprocessing.get_context("spawn")
            run = stack.enter_context(ProcessPoolExecutor(workers, spawn)).map
        for file in run(render_body, *zip(*jobs, strict=True)):
            files.append(file)
            sys.stderr.write(f"\rrendered {len(files)} of {len(jobs)} bodies")
    sys.stderr.write("\n")
    return files


def load_rendered(folder: Path, size: Size, workers: int = 1) -> SkeletonSet:
    """The set with its pictures (``rgb``, ``grey`` and ``flow``), which are kept in ``folder`` for the next time."""
    bodies = [np.load(file) for file in render_all(folder, size, workers)]
    length, regions, colour, flow = (
        torch.from_numpy(np.concatenate([body[key] for body in bodies]))
        for key in ("length", "regions", "frames", "flow")
    )
    data = SkeletonSet.from_skeletons([sensed for _, sensed, _ in make_clips(size)], places=True)
    grey = (colour.sum(-1, keepdim=True, dtype=torch.int16) // 3).byte()
    for name, frames in {"rgb": colour, "grey": grey, "flow": flow}.items():
        known = picture_input(stream=name).kept_as(name)
        data.pictures[known] = PictureSet(name, frames, length, FPS, FLOW_BOUND, regions=regions)
    return data


def divide(data: SkeletonSet, validate: bool = False) -> tuple[Tensor, Tensor]:
    """(training clips, test clips): the last quarter of the bodies is the test's.

    Args:
        data: the set.
        validate: instead of these, the last fifth of the other bodies; to choose settings by.
    """
    subject = np.array(data.column("subject"))
    others = int(subject.max()) * 3 // 4
    held = subject > others
    if validate:
        fifth = subject > others - max(1, others // 5)
        return torch.as_tensor(np.flatnonzero(~fifth)), torch.as_tensor(np.flatnonzero(fifth & ~held))
    return torch.as_tensor(np.flatnonzero(~held)), torch.as_tensor(np.flatnonzero(held))
