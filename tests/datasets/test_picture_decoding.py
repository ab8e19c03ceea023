"""Streams that are decoded for every batch give the numbers of those that are held in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from motion_pictures import encode, pan

from skelact.datasets import picture_reading
from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.picture_files import attach_pictures
from skelact.datasets.picture_reading import DecodedPictures
from skelact.datasets.pictures import PictureInput
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.io.store import write_store
from skelact.skeleton import Skeleton

SAMPLING = ClipSampling("segments", 1, segments=3)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    clips = []
    for k, n in enumerate((16, 12, 20)):
        encode(folder / f"{k}.mp4", pan(n, (1 + k, 0), 48, 64, seed=k), options={"crf": "6"})
        info = {"video": f"{k}.mp4"} | ({"video_start": 0.1, "video_end": 0.5} if k == 2 else {})
        picture = rng.uniform(0.3, 0.7, (1, n, 25, 2))
        clips.append(
            Skeleton(
                rng.normal(size=(1, n, 25, 3)), None, "ntu25", 25, "m", "a", f"c{k}", info, picture=picture
            )
        )
    clips.append(clips[0].with_(id="none", info={}, picture=None))
    write_store(folder / "set.h5", clips)
    return folder / "set.h5"


def opened(path: Path, name: str, seen: PictureInput, workers: int = 0) -> SkeletonSet:
    data = SkeletonSet.open(path)
    attach_pictures(data, {name: seen}, workers=workers)
    return data


@pytest.mark.parametrize(
    ("name", "settings", "workers"),
    [
        ("rgb", {"fps": 10}, 2),
        ("grey", {"framing": Framing((40, 40), region="person")}, 0),
        ("flow", {"stack": 3, "stacking": "trajectory"}, 0),
        ("flow", {"fps": 25}, 0),
        ("flow", {"framing": Framing((40, 40), aspect="cut"), "stack": 3, "stacking": "trajectory"}, 0),
        ("rgb", {"framing": Framing((40, 40), aspect="cut")}, 0),
    ],
)
def test_they_are_the_same(
    path: Path, name: str, settings: dict, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = PictureInput(SAMPLING, crop=32, **{"framing": Framing((40, 40)), **settings})
    kept = opened(path, name, seen)
    monkeypatch.setattr(picture_reading, "LIMIT", 1000)
    read = opened(path, name, seen, workers)
    stream = read.pictures[seen.kept_as(name)]
    assert isinstance(stream, DecodedPictures) and stream.n_bytes == 0
    assert stream.length.tolist() == kept.pictures[seen.kept_as(name)].length.tolist()
    assert torch.allclose(stream.fps, kept.pictures[seen.kept_as(name)].fps)
    pipeline, clips = Pipeline(pictures={name: seen}), torch.tensor([2, 3, 0, 1, 2])
    for training in (True, False):
        batches = [
            pipeline(data, clips, training=training, generator=torch.Generator().manual_seed(5))
            for data in (kept, read.to("cpu"))
        ]
        assert batches[0].there[name] == batches[1].there[name] == (True, False, True, True, True)
        there = batches[0].has(name)
        assert torch.equal(batches[0].pictures[name][there], batches[1].pictures[name][there])


def test_a_video_that_is_gone_is_left_out(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in path.parent.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(picture_reading, "LIMIT", 1000)
    seen = PictureInput(SAMPLING, Framing((40, 40)), crop=32)
    data = opened(tmp_path / "set.h5", "rgb", seen)
    (tmp_path / "1.mp4").unlink()
    batch = Pipeline(pictures={"rgb": seen})(data, torch.tensor([0, 1]))
    assert batch.there["rgb"] == (True, False)
    assert "1.mp4" in data.pictures[seen.kept_as("rgb")].missing[1]


def test_the_limit_is_of_all_clips_together(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = PictureInput(SAMPLING, Framing((40, 40)), fps=25, crop=32)
    n_bytes = opened(path, "rgb", seen).pictures[seen.kept_as("rgb")].n_bytes
    assert n_bytes == (16 + 12 + 11) * 40 * 40 * 3
    for limit, decoded in ((n_bytes, False), (n_bytes - 1, True)):
        monkeypatch.setattr(picture_reading, "LIMIT", limit)
        assert isinstance(opened(path, "rgb", seen).pictures[seen.kept_as("rgb")], DecodedPictures) == decoded
