"""Which untrimmed recordings train, validate and test."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError


def find_train_part(data: SkeletonSet, train: str = "auto") -> str:
    """The name of the training part: as given; ``auto``: the file's only part that ends in ``train``, else ``all``.

    Raises:
        ConfigError: if several parts could be meant.
    """
    if train != "auto":
        return train
    named = [name for name in data.splits if name.rpartition("/")[2] == "train"]
    if len(named) > 1:
        raise ConfigError(
            f"{data.source or 'the set'} has several training parts; name one with --data.train: {', '.join(named)}"
        )
    return named[0] if named else "all"


def find_test_part(data: SkeletonSet, train: str, test: str = "auto") -> str:
    """The name of the test part: as given; ``auto``: ``x/test`` beside ``x/train``, else empty."""
    if test != "auto":
        return test
    beside = f"{train.rpartition('/')[0]}/test".lstrip("/")
    return beside if train != "all" and beside in data.splits else ""


def choose_recordings(
    data: SkeletonSet, train: str = "auto", val: str = "0", seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Recordings to train on and to validate with, of those that are labelled by frame.

    Args:
        data: the set.
        train: see `find_train_part`.
        val: ids separated by commas, a split, or a share of the training part; ``0``: none.
        seed: of the choice of a share.

    Raises:
        ConfigError: if nothing is left to train on, or an id is not of the training part.
    """
    part = data.split(find_train_part(data, train)).cpu()
    part = part[data.frame_first[part].cpu() >= 0]
    share = None
    with suppress(ValueError):
        share = float(val or 0)
    if val in data.splits:
        held = data.split(val).cpu()
        held = held[data.frame_first[held].cpu() >= 0]
    elif share is not None:
        if not 0 <= share < 1:
            raise ConfigError(f"data.val is a share in 0..1 (1 excluded), a split or ids, got {val}")
        n = max(1, round(share * len(part))) if share else 0
        held = part[torch.from_numpy(np.random.default_rng(seed).permutation(len(part))[:n])]
    else:
        ids = [data.ids[int(c)] for c in part]
        unknown = [name for name in val.split(",") if name not in ids]
        if unknown:
            raise ConfigError(
                f"data.val names {', '.join(unknown[:5])}, neither a split nor a labelled recording of the training "
                f"part ({', '.join(ids[:8])}{', ...' if len(ids) > 8 else ''})"
            )
        held = part[torch.tensor([ids.index(name) for name in val.split(",")])]
    part = part[~torch.isin(part, held)]
    if not len(part):
        raise ConfigError(
            "no recording that is labelled by frame is left to train on; look at the splits: skelact inspect"
        )
    return part, held
