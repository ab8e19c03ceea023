"""Mapping a set from disk: only where the file is proved to be laid out as skelact lays it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from skelact.datasets import skeleton_set
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.io.store import StoreWriter
from skelact.skeleton import Skeleton


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "a.h5", layout="coco17") as writer:
        for k in range(40):
            xyz = rng.normal(size=(1, 300, 17, 3))
            score = rng.uniform(0.1, 1, xyz.shape[:3])
            writer.append(Skeleton(xyz, score, "coco17", 30, "m", "ab"[k % 2], f"clip{k}"))
    return tmp_path / "a.h5"


def relaid(**options: object) -> Callable[[Path], None]:
    """Lay the frames anew, as another tool might; values stay the same."""

    def change(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            for name in ("xyz", "score"):
                data = file[f"frames/{name}"][()]  # type: ignore[index]
                del file[f"frames/{name}"]
                given = {k: v(data) if callable(v) else v for k, v in options.items()}
                kind = given.pop("dtype", "f4")
                file.create_dataset(f"frames/{name}", data=data.astype(kind), dtype=kind, **given)

    return change


def user_block(path: Path) -> None:
    """A block of another program's before the file's beginning."""
    other = path.with_suffix(".new")
    with h5py.File(path) as file, h5py.File(other, "w", libver="latest", userblock_size=512) as new:
        for name in file:
            file.copy(name, new)
        new.attrs.update(file.attrs)
    other.replace(path)


CHANGES = {
    "part of the joints a chunk": relaid(chunks=lambda d: (100, 5, *d.shape[2:])),
    "part of the coordinates a chunk": relaid(chunks=lambda d: (100, *[1] * (d.ndim - 1))),
    "chunks wider than the rows": relaid(
        chunks=lambda d: (100, 20, *d.shape[2:]), maxshape=lambda d: (None,) * d.ndim
    ),
    "contiguous": relaid(),
    "compressed": relaid(chunks=True, compression="gzip"),
    "shuffled": relaid(chunks=lambda d: (500, *d.shape[1:]), shuffle=True),
    "with checksums": relaid(chunks=lambda d: (500, *d.shape[1:]), fletcher32=True),
    "bytes turned round": relaid(chunks=lambda d: (500, *d.shape[1:]), dtype=">f4"),
    "double": relaid(chunks=lambda d: (500, *d.shape[1:]), dtype="f8"),
    "user block": user_block,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_large_set_that_is_laid_otherwise_is_read(
    path: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skeleton_set, "RESIDENT_LIMIT", 1000)
    own = SkeletonSet.open(path)
    assert own.xyz._mapping is not None and own.score._mapping is not None
    rows = torch.randperm(own.xyz.shape[0])[:500]
    before = own.xyz.take(rows), own.score.take(rows)
    del own
    change(path)
    data = SkeletonSet.open(path)
    assert data.xyz._mapping is None
    assert torch.equal(data.xyz.take(rows), before[0]) and torch.equal(data.score.take(rows), before[1])


def test_whole_rows_in_other_chunks_are_mapped_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeleton_set, "RESIDENT_LIMIT", 1000)
    rows = torch.randperm(12000)[:500]
    before = SkeletonSet.open(path, resident=True).xyz.take(rows)
    relaid(chunks=lambda d: (77, *d.shape[1:]))(path)
    data = SkeletonSet.open(path)
    assert data.xyz._mapping is not None and torch.equal(data.xyz.take(rows), before)


def test_chunks_that_were_never_written_are_not_mapped(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        old = file["frames/score"][()]  # type: ignore[index]
        del file["frames/score"]
        new = file.create_dataset("frames/score", old.shape, "f4", chunks=(500, 17), fillvalue=1.0)
        new[:6000] = old[:6000]
    data = SkeletonSet.open(path, resident=False)
    assert data.score.take(torch.tensor([5999, 6000, 11999]))[1:].eq(1).all()
    assert data.score._mapping is None
