"""The default recipes: the size and kind of a set decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from skelact.config import load_config
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.layouts import SkeletonLayout
from skelact.recipes import LARGE, default_recipe, find_recipe, small_recipe
from skelact.skeleton import Skeleton

CONFIGS = Path(__file__).parents[1] / "configs"


def a_set(n_clips: int, people: int = 1, frames: int = 50, dims: int = 3) -> tuple[SkeletonSet, torch.Tensor]:
    """A set of equal clips, and the numbers of all of them."""
    xyz = np.ones((people, frames, 2, dims), np.float32)
    layout = SkeletonLayout("two", ["root", "end"], [-1, 0])
    clip = Skeleton(xyz, np.ones(xyz.shape[:3], np.float32), layout, 30.0, label="a")
    return SkeletonSet.from_skeletons([clip] * n_clips), torch.arange(n_clips)


def test_size_decides() -> None:
    data, _ = a_set(3)
    large, small = (load_config(CONFIGS / f"default_{size}.yaml") for size in ("large", "small"))
    assert default_recipe(data, torch.zeros(LARGE, dtype=torch.long)) == large
    assert default_recipe(data, torch.zeros(LARGE - 1, dtype=torch.long)) == small == small_recipe()


def test_small_sets_take_as_many_steps() -> None:
    steps = [n * default_recipe(*a_set(n)).train.repeat / 16 for n in (180, 400, 1000, 2000)]
    assert all(45 <= s <= 130 for s in steps)
    assert default_recipe(*a_set(3)).train.repeat == 8


def test_people_and_frames_of_a_usual_clip_decide() -> None:
    alone, together = (default_recipe(*a_set(3, people)).pipeline.streams for people in (1, 2))
    assert together == [*alone, "partner"] and "partner" not in alone
    short, long = (default_recipe(*a_set(3, frames=n)).pipeline.sampling.n_frames for n in (30, 50))
    assert (short, long) == (32, 64)


def test_2d_sets_get_no_3d_changes() -> None:
    recipe = default_recipe(*a_set(3, dims=2)).pipeline
    assert recipe.augment.bones == default_recipe(*a_set(3)).pipeline.augment.bones / 2
    assert not recipe.normalise.align_view and not recipe.normalise.level and recipe.augment.turn == 0


def test_the_start_from_the_shipped_network_and_the_same_from_scratch() -> None:
    from skelact.commands.experiment import settings_of
    from skelact.models import SkelactNetSettings
    from skelact.recognition.everyday import EVERYDAY
    from skelact.settings import to_plain

    start, scratch = (load_config(find_recipe(f"start_{name}")) for name in ("everyday", "scratch"))
    assert start.train.init_from == EVERYDAY and not scratch.train.init_from
    assert to_plain(start.model) == to_plain(settings_of(EVERYDAY, SkelactNetSettings()))
    start.train.init_from, start.name = "", scratch.name
    assert to_plain(start) == to_plain(scratch)
