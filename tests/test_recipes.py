"""The default recipes: the shipped files are the code's, and the size of a set decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelact.config import Experiment, load_config
from skelact.recipes import LARGE, default_recipe, large_recipe, small_recipe

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize("recipe", [small_recipe(), large_recipe()], ids=lambda r: r.name)
def test_the_files_are_what_the_code_says(recipe: Experiment) -> None:
    assert load_config(CONFIGS / f"{recipe.name}.yaml") == recipe


def test_size_decides() -> None:
    assert (
        default_recipe(LARGE, 3).name == "default_large"
        and default_recipe(LARGE - 1, 3).name == "default_small"
    )


def test_small_sets_take_as_many_steps() -> None:
    steps = [n * default_recipe(n, 3).train.repeat / 16 for n in (180, 400, 1000, 2000)]
    assert all(45 <= s <= 130 for s in steps)
    assert default_recipe(3, 3).train.repeat == 8


def test_2d_sets_get_no_3d_changes() -> None:
    recipe = default_recipe(300, 2).pipeline
    assert not recipe.normalise.align_view and not recipe.normalise.level and recipe.augment.turn == 0
