"""Recipes: those in ``configs``, found by name, and what ``skelact train --data set.h5`` uses when none is named."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from torch import Tensor

from skelact.config import Experiment
from skelact.datasets.gather import Sampling
from skelact.datasets.parts import DataSettings
from skelact.datasets.pipeline import Augment, Normalise, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, choices
from skelact.models import MODELS
from skelact.training.settings import TrainSettings

LARGE = 5000  # labelled clips from which on a set is large
SHORT = 40  # frames of a clip up to which it is short
USUAL_STEPS = 64  # of 16 clips per epoch: a smaller set is repeated within an epoch


def small_recipe(n_clips: int = LARGE, dims: int = 3, people: float = 1, frames: float = 64) -> Experiment:
    """For a few hundred to a few thousand clips: a light network, all of the input at once, much variation.

    Args:
        n_clips: of the training part; fewer clips are repeated, so that training takes as many steps.
        dims: coordinates per joint.
        people: of a usual clip; where it has several, the network sees where the others are.
        frames: of a usual clip; short ones are looked at in half as many moments.
    """
    batch_size = 16
    repeat = max(1, round(USUAL_STEPS * batch_size / max(1, n_clips)))
    return Experiment(
        name="default_small",
        data=DataSettings(),
        pipeline=Pipeline(
            Sampling("resize", n_frames=64 if frames > SHORT else 32, crop=(0.8, 1.0)),
            Normalise("mean", "body"),
            Augment(rotate=0.3, scale=0.1, bones=0.2 if dims == 3 else 0.1, drop_joints=0.05, jitter=0.005),
            ["joint", "bone", "joint_motion", *(["partner"] if people > 1 else [])],
        ),
        model=MODELS["skelactnet"](),
        train=TrainSettings(
            epochs=60, repeat=min(repeat, 8), batch_size=batch_size, lr=0.05, eval_every=2, keep="last"
        ),
    )


def large_recipe() -> Experiment:
    """For tens of thousands of clips: DG-STGCN as its authors train it, on one device."""
    return Experiment(
        name="default_large",
        data=DataSettings(),
        pipeline=Pipeline(
            Sampling("segments", n_frames=100),
            Normalise("first_frame", "none"),
            Augment(rotate=0.2, scale=0.0),
            ["joint"],
        ),
        model=MODELS["dgstgcn"](),
        train=TrainSettings(
            epochs=150, batch_size=64, lr=0.05, momentum=0.9, weight_decay=5e-4, warmup_epochs=5.0, ema=0.999,
            label_smoothing=0.1, eval_every=5,
        ),
        views=10,
    )  # fmt: skip


def default_recipe(data: SkeletonSet, train: Tensor) -> Experiment:
    """The recipe for a set of this kind.

    Args:
        data: the set.
        train: clip numbers of its training part.
    """
    if len(train) >= LARGE:
        return large_recipe()
    usual = (
        float(value[train].float().median()) if len(train) else 1.0
        for value in (data.n_tracks, data.n_frames)
    )
    if data.origin == "hips":  # where people are to each other is not known
        usual = (1.0, list(usual)[1])
    return small_recipe(len(train), data.dims, *usual)


FOLDER = Path(__file__).parent / "configs"


def list_recipes() -> dict[str, Path]:
    """The recipes that come with skelact, by name."""
    return {path.stem: path for path in sorted(FOLDER.rglob("*.yaml"))}


def describe_recipe(path: Path) -> str:
    """What a recipe is for: the comment on top of it, without its commands."""
    head = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    words = [line.removeprefix("#").strip() for line in head]
    return " ".join(takewhile(lambda line: not line.startswith(("skelact ", "torchrun ")), words))


def find_recipe(name: str) -> Path:
    """The file of a configuration: a path, or the name of a recipe that comes with skelact.

    Raises:
        ConfigError: if it is neither.
    """
    path, known = Path(name), list_recipes()
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    if name not in known:
        raise ConfigError(f"{choices(name, known, 'recipe')}. A file of your own ends in .yaml")
    return known[name]
