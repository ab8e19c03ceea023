"""Which clips of a set train, validate and test: named parts, shares held out by group, and folds."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, counted


@dataclass
class DataSettings:
    """Which file and which parts of it.

    Args:
        path: the skelact file.
        train: split to train on; ``all`` for everything; ``auto``: the file's training part, else all.
        val: split for validation, or a share (0.1) held out of the training part, or 0 for none; ``auto``:
            the part ``val`` beside the training part, else a share (see `resolve_parts`).
        val_by: how a share is held out: whole groups of this column (``subject``), or ``clip``.
        test: split that ``skelact evaluate`` uses by default; ``auto``: the part ``test`` beside the
            training part, else none.
        val_seed: of the choice of a held-out share, and of ``share``; the same whatever the training's seed is.
        fold: ``i/k``: instead of ``val``, leave out the i-th of k equal parts of the training part (by
            ``val_by``), so that k trainings together leave out every clip once; see ``skelact fuse``.
        videos: folder of the clips' videos, for streams of pictures; empty: the set names them itself.
        share: train on this share of the training clips alone, drawn class by class (see `keep_share`) after the
            validation clips are held out; these and the test part stay whole.

    Raises:
        ConfigError: for a fold or a share that there is not.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    path: str = ""
    train: str = "auto"
    val: float | str = "auto"
    val_by: str = "subject"
    test: str = "auto"
    val_seed: int = 0
    fold: str = ""
    videos: str = ""
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(
                f"data.share must be above 0 and at most 1, such as 0.25 for a quarter of the training clips, got "
                f"{self.share}"
            )
        if self.fold:
            read_fold(self.fold)


def read_fold(text: str) -> tuple[int, int]:
    """``i/k`` as two numbers, 1 ≤ i ≤ k and k ≥ 2.

    Raises:
        ConfigError: for anything else.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    i, k = (int(n) for n in match.groups()) if match else (0, 0)
    if not (k >= 2 and 1 <= i <= k):
        raise ConfigError(f"data.fold must be i/k, such as 1/5 for the first of five, got '{text}'")
    return i, k


def hold_out(groups: list, share: float, seed: int) -> np.ndarray:
    """Choose whole groups until they hold about ``share`` of the entries.

    Args:
        groups: a group name per entry.
        share: 0..1.
        seed: of the choice.

    Returns:
        booleans, True where an entry is held out.

    Raises:
        ConfigError: if there is only one group, so that nothing can be held out.
    """
    names, member = np.unique(np.array([str(g) for g in groups]), return_inverse=True)
    if len(names) < 2:
        raise ConfigError("only one group is there, so none can be held out; use data.val_by: clip")
    order = np.random.default_rng(seed).permutation(len(names))
    counts = np.bincount(member)
    held = np.zeros(len(names), bool)
    for group in order:
        if held.any() and counts[held].sum() + counts[group] / 2 > share * len(groups):
            continue
        if held.sum() + 1 < len(names):
            held[group] = True
    return held[member]


def keep_share(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose about ``share`` of the clips of every class; what a smaller share keeps, a larger one keeps too.

    Args:
        labels: class number of each clip, or -1 where it has none: such clips are left out.
        share: 0 (excluded) to 1.
        seed: of the choice.

    Returns:
        booleans, True where a clip is kept: at least one of each class that occurs.
    """
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == label)
        drawn = np.random.default_rng((seed, int(label))).permutation(members)
        kept[drawn[: max(1, round(share * len(members)))]] = True
    return kept


def fold_of(groups: list, n_folds: int, seed: int) -> np.ndarray:
    """Deal whole groups to folds so that these are nearly equally large.

    Args:
        groups: a group name per entry.
        n_folds: how many.
        seed: of the draw.

    Returns:
        the fold of each entry, 0..n_folds-1.

    Raises:
        ConfigError: if there are fewer groups than folds.
    """
    names, member = np.unique(np.array([str(g) for g in groups]), return_inverse=True)
    if len(names) < n_folds:
        raise ConfigError(
            f"{len(names)} groups cannot be dealt to {n_folds} folds; take fewer folds, or data.val_by: clip"
        )
    counts = np.bincount(member)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-counts[order], kind="stable")]  # large ones first; ties stay drawn at random
    fold, filled = np.zeros(len(names), int), np.zeros(n_folds, int)
    for group in order:
        fold[group] = filled.argmin()
        filled[fold[group]] += counts[group]
    return fold[member]


def sibling_part(name: str, kind: str) -> str | None:
    """The part beside a training part: ``x/train`` → ``x/test``, ``train1`` → ``test1``; None without ``train``.

    Args:
        name: of the training part.
        kind: ``val`` or ``test``.
    """
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{kind}{last[5:]}" if _kind(name) == "train" else None


def _kind(name: str) -> str:
    """``train``, ``val`` or ``test`` for names such as ``x/train``, ``train1`` or ``test_2``; else empty."""
    match = re.fullmatch(r"(?:.*/)?(train|val|test)[-_.]?\d*", name)
    return match.group(1) if match else ""


def resolve_parts(data: SkeletonSet, settings: DataSettings) -> DataSettings:
    """Settle what the settings leave to the set (``auto``).

    A set with one training part (``train``, ``train1``, ``NAME/train``, as ``--split`` makes them) trains on it
    and validates and tests on those beside it. A set without named parts trains on everything; one with a
    test part only must be told. Without a validation part a share of the
    training part is held out: whole subjects where enough are known (with a test part: so many that training
    hardly misses one), else clips, whose people are in training too.

    Raises:
        ConfigError: if there are several training parts to choose from, or a test part without one.
    """
    train = settings.train
    source = data.source or "the set"
    if train == "auto":
        named = [name for name in data.splits if _kind(name) == "train"]
        if len(named) > 1:
            raise ConfigError(
                f"{source} has several training parts: {', '.join(named)}; choose one with --data.train {named[0]}"
            )
        tests = [name for name in data.splits if _kind(name) == "test"]
        if tests and not named:
            raise ConfigError(
                f"{source} has a test part ({', '.join(tests)}) and no training part; name one when converting, or say "
                "--data.train all to train on everything, test clips too"
            )
        train = named[0] if named else "all"
    val, val_by, test = settings.val, settings.val_by, settings.test
    if isinstance(val, str):
        with suppress(ValueError):
            val = float(val)
    beside = {kind: sibling_part(train, kind) for kind in ("val", "test")}
    if settings.fold and val == "auto":
        val, val_by = 0.0, _held_out_share(data, train, False)[1] if val_by == "subject" else val_by
    if val == "auto":
        if beside["val"] in data.splits:
            val = beside["val"]
        else:
            val, val_by = _held_out_share(data, train, beside["test"] in data.splits)
    if test == "auto":
        test = beside["test"] if beside["test"] in data.splits else ""
    return replace(settings, train=train, val=val, val_by=val_by, test=test)


AUTO_SHARE, AUTO_SHARE_TESTED = 0.15, 0.1  # held out where nothing else is said; where there is a test part
FEW_SUBJECTS, FEW_SUBJECTS_TESTED = 4, 8  # of a training part, below which none can be spared
_FEW_CLIPS = 10


def _held_out_share(data: SkeletonSet, train: str, tested: bool) -> tuple[float, str]:
    clips = data.split(train).tolist()
    if len(clips) < _FEW_CLIPS:
        return 0.0, "clip"
    subjects = [data.infos[i].get("subject") for i in clips]
    enough = None not in subjects and len(set(subjects)) >= (FEW_SUBJECTS_TESTED if tested else FEW_SUBJECTS)
    return AUTO_SHARE_TESTED if tested else AUTO_SHARE, "subject" if enough else "clip"


def choose_parts(data: SkeletonSet, settings: DataSettings) -> tuple[Tensor, Tensor | None]:
    """(train, val) clip numbers of a `SkeletonSet`; val is None if there is none (see `resolve_parts`).

    Raises:
        ConfigError, DataError: for an unknown split or column.
    """
    train, val = _hold_out_part(data, resolve_parts(data, settings))
    if settings.share < 1:
        kept = keep_share(data.labels[train].cpu().numpy(), settings.share, settings.val_seed)
        train = train[torch.as_tensor(kept, device=train.device)]
    return train, val


def _hold_out_part(data: SkeletonSet, settings: DataSettings) -> tuple[Tensor, Tensor | None]:
    """The parts by settings that leave nothing to the set, all training clips among them."""
    train = data.split(settings.train)
    if isinstance(settings.val, str) and not settings.fold:
        return train, data.split(settings.val)
    if not settings.fold and not (isinstance(settings.val, float | int) and 0 <= settings.val < 1):
        raise ConfigError(f"data.val must be a split or a share in 0..1, got {settings.val}")
    if settings.val == 0 and not settings.fold:
        return train, None
    if settings.val_by == "clip":
        groups: list = train.tolist()
    else:
        column = data.column(settings.val_by)
        groups = [column[i] for i in train.tolist()]
        if any(g is None for g in groups):
            raise ConfigError(
                f"data.val_by is '{settings.val_by}', but some clips do not say their {settings.val_by}; "
                "use data.val_by: clip, or give the column when converting"
            )
    if settings.fold:
        i, k = read_fold(settings.fold)
        out = fold_of(groups, k, settings.val_seed) == i - 1
    else:
        assert isinstance(settings.val, float | int)
        out = hold_out(groups, settings.val, settings.val_seed)
    held = torch.as_tensor(out, device=train.device)
    return train[~held], train[held]


def describe_parts(settings: DataSettings, n_train: int, n_val: int | None) -> str:
    """Which clips train, validate and test, in words."""
    text = (
        f"training on {counted(n_train, 'clip')} ("
        + ("all" if settings.train == "all" else settings.train)
        + ")"
    )
    if settings.share < 1:
        text += f", {100 * settings.share:g} % of each class's"
    if n_val is None:
        text += ", no validation"
    elif isinstance(settings.val, str) and not settings.fold:
        text += f", validation on {n_val} ({settings.val})"
    else:
        text = text.replace("(all)", "(all others)")
        how = f"fold {settings.fold}" if settings.fold else "held out"
        text += f", validation on {n_val} {how} by {settings.val_by}"
        if settings.val_by == "clip":
            text += " (their people are in training too: figures are better than those on other people)"
    return text + (f"; test part: {settings.test}" if settings.test else "; no test part")
