"""Recipes: those in ``configs``, found by name, and what ``skelact train --data set.h5`` uses when none is named."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from skelact.errors import ConfigError, choices

if TYPE_CHECKING:  # recipes are listed without torch
    from torch import Tensor

    from skelact.config import Experiment
    from skelact.datasets.skeleton_set import SkeletonSet

LARGE = 5000  # labelled clips from which on a set is large
SHORT = 40  # frames of a clip up to which it is short
USUAL_STEPS = 64  # of 16 clips per epoch: a smaller set is repeated within an epoch
FOLDER = Path(__file__).parent / "configs"


def small_recipe(n_clips: int = LARGE, dims: int = 3, people: float = 1, frames: float = 64) -> Experiment:
    """``default_small.yaml``, for a few hundred to a few thousand clips, fitted to a set.

    Args:
        n_clips: of the training part; fewer clips are repeated, so that training takes as many steps.
        dims: coordinates per joint.
        people: of a usual clip; where it has several, the network sees where the others are.
        frames: of a usual clip; short ones are looked at in half as many moments.
    """
    from skelact.config import load_config

    recipe = load_config(FOLDER / "default_small.yaml")
    recipe.train.repeat = min(8, max(1, round(USUAL_STEPS * recipe.train.batch_size / max(1, n_clips))))
    if frames <= SHORT:
        recipe.pipeline.sampling.n_frames //= 2
    if dims != 3:
        recipe.pipeline.augment.bones /= 2
    if people > 1:
        recipe.pipeline.streams.append("partner")
    return recipe


def default_recipe(data: SkeletonSet, train: Tensor) -> Experiment:
    """The recipe for a set of this kind.

    Args:
        data: the set.
        train: clip numbers of its training part.
    """
    from skelact.config import load_config

    if len(train) >= LARGE:
        return load_config(FOLDER / "default_large.yaml")
    usual = (
        float(value[train].float().median()) if len(train) else 1.0
        for value in (data.n_tracks, data.n_frames)
    )
    if data.origin == "hips":  # where people are to each other is not known
        usual = (1.0, list(usual)[1])
    return small_recipe(len(train), data.dims, *usual)


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
