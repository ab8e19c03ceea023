"""HDF5 files that skelact did not write: data elsewhere, tables that contradict each other, impossible sizes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_store import recordings

from skelact.errors import DataError
from skelact.io.store import Store, write_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_store(tmp_path / "a.h5", recordings(6), {"x/train": ["clip1", "clip3"]})
    return tmp_path / "a.h5"


def external_storage(file: h5py.File, folder: Path) -> None:
    score = file["frames/score"]
    shape, n_bytes = score.shape, score.size * 4
    (folder / "secret").write_bytes(b"s" * n_bytes)
    del file["frames/score"]
    file.create_dataset("frames/score", shape, "f4", external=[(str(folder / "secret"), 0, n_bytes)])


def virtual(file: h5py.File, folder: Path) -> None:
    score = file["frames/score"]
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = score[()]
    layout = h5py.VirtualLayout(score.shape, "f4")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "x", score.shape)
    del file["frames/score"]
    file.create_virtual_dataset("frames/score", layout)


def external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = file["frames/score"][()]
    del file["frames/score"]
    file["frames/score"] = h5py.ExternalLink(str(folder / "other.h5"), "x")


def linked_group(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        file.copy("splits", other)
    del file["splits"]
    file["splits"] = h5py.ExternalLink(str(folder / "other.h5"), "splits")


def soft_link(file: h5py.File, folder: Path) -> None:
    file["splits/y"] = h5py.SoftLink("/splits/x/train")


def circle(file: h5py.File, folder: Path) -> None:
    file["splits/y"] = file["splits"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (external_storage, "lies in other files"), (virtual, "lies in other files"),
        (external_link, "link to another place"), (linked_group, "link to another place"),
        (soft_link, "link to another place"), (circle, "within itself"),
    ],
)  # fmt: skip
def test_data_of_other_places_is_refused(path: Path, change: Callable, words: str) -> None:
    with h5py.File(path, "r+") as file:
        change(file, path.parent)
    with pytest.raises(DataError, match=words) as error:
        Store(path)
    assert "a.h5" in str(error.value)


def claim(name: str, shape: tuple[int, ...], kind: str, chunks: tuple[int, ...] | None = None) -> Callable:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, shape, kind, chunks=chunks)

    return change


def put(name: str, place: int, value: object) -> Callable:
    def change(file: h5py.File) -> None:
        file[name][place] = value  # type: ignore[index]

    return change


def attribute(name: str, value: object) -> Callable:
    def change(file: h5py.File) -> None:
        file.attrs[name] = value  # type: ignore[assignment]

    return change


def replaced(name: str, values: object) -> Callable:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = values

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (claim("frames/xyz", (10**10, 17, 3), "f4", (10000, 17, 3)), "claims 10000000000×17×3 values"),
        (claim("clips/n_frames", (10**9,), "i8", (10000,)), "claims"),
        (put("clips/n_frames", 0, 10**12), "claims 1000000000000 frames|goes from"),
        (put("clips/n_frames", 1, 10**9), "claims 1000000000 frames"),
        (put("tracks/start", 0, 2**63 - 2), "tracks/start"),
        (put("tracks/start", 0, 900), "goes on after its clip"),
        (put("tracks/length", 0, 10**9), "tracks/length"),
        (put("tracks/length", 0, 0), "tracks/length"),
        (put("tracks/clip", 1, 5), "not those that name them"),
        (put("clips/first_track", 0, 3), "not those that name them"),
        (put("clips/n_tracks", 0, 2), "the table"),
        (put("clips/label", 0, 4), "clips/label"),
        (put("clips/fps", 0, np.nan), "frame rate"),
        (put("clips/timeline", 1, 10**6), "timeline"),
        (put("clips/id", 1, "clip0"), "not different"),
        (put("clips/id", 1, ""), "empty"),
        (put("clips/info", 2, "[1]"), "no JSON object"),
        (put("clips/info", 2, "{"), "no JSON object"),
        (put("timeline/label", 0, 77), "frame label"),
        (replaced("timeline/label", np.zeros(3, np.int32)), "the timeline is"),
        (put("splits/x/train", 0, 6), "splits/x/train"),
        (put("splits/x/train", 0, -1), "splits/x/train"),
        (replaced("splits/x/train", np.array([0.5])), "splits/x/train"),
        (replaced("tracks/first", np.zeros(3, np.int64)), "tracks/first"),
        (replaced("clips/fps", np.full(6, 30)), "clips/fps"),
        (attribute("unit", "feet"), "'feet'"),
        (attribute("label_names", json.dumps("abcdef")), "label_names"),
        (attribute("label_names", json.dumps(["a", "b", "a", "c"])), "twice"),
        (attribute("frame_label_names", json.dumps([1, 2, 3])), "frame_label_names"),
        (attribute("label_names", "["), "damaged"),
        (attribute("layout", json.dumps([1])), "damaged"),
    ],
)  # fmt: skip
def test_tables_that_contradict_each_other(path: Path, change: Callable, words: str) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(DataError, match=words) as error:
        Store(path)
    assert "a.h5" in str(error.value)


def test_compressed_frames_may_be_far_larger_than_the_file(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for name in ("xyz", "score"):
            old = file[f"frames/{name}"][()]  # type: ignore[index]
            del file[f"frames/{name}"]
            new = np.concatenate([old, np.zeros((300_000, *old.shape[1:]), "f2")])
            file.create_dataset(
                f"frames/{name}", data=new, dtype="f2", chunks=(9000, *old.shape[1:]), compression=4
            )
    with Store(path) as store:
        assert store.xyz.size * 2 > 5 * path.stat().st_size
        assert store.read(5).xyz.shape[2] == 17
