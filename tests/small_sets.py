"""Small sets of random clips for tests."""

from __future__ import annotations

import numpy as np
import torch

from skelact.datasets.skeleton_set import SkeletonSet
from skelact.layouts import LAYOUTS
from skelact.skeleton import Skeleton


def random_set(
    layout: str, n: int = 8, dims: int = 3, n_classes: int = 3, subjects: int = 4, splits: dict | None = None
) -> SkeletonSet:
    rng = np.random.default_rng(0)
    clips = [
        Skeleton(
            rng.normal(size=(1 + i % 2, 20, len(LAYOUTS[layout]), dims)), None, layout, 30.0, "m",
            label=f"class {i % n_classes}", id=f"clip {i}", info={"subject": f"s{i % subjects}"} if subjects else {},
        )
        for i in range(n)
    ]  # fmt: skip
    data = SkeletonSet.from_skeletons(clips)
    data.splits = {name: np.array(ids) for name, ids in (splits or {}).items()}
    return data


def hide_missing(x: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """Missing joints at 0, where the network sees them."""
    return x * (score > 0).unsqueeze(-1).to(x.dtype)
