"""Where joints are in what a network sees: a marker is rendered at a joint and found again in the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from motion_pictures import encode

from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.picture_files import attach_pictures
from skelact.datasets.pictures import PictureInput
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.io.store import write_store
from skelact.skeleton import Skeleton

HEIGHT, WIDTH, FRAMES, JOINT, RADIUS = 120, 160, 24, 7, 6
SAMPLING = ClipSampling("segments", 1, segments=4)


def paths() -> np.ndarray:
    """``[T, 25, 2]`` places as shares of the picture: joint `JOINT` walks through it, the others stand around it."""
    t = np.linspace(0, 1, FRAMES)
    place = np.zeros((FRAMES, 25, 2))
    place[:, :, 0] = 0.3 + 0.4 * t[:, None] + 0.1 * np.cos(np.arange(25))
    place[:, :, 1] = 0.5 + 0.2 * np.sin(np.arange(25))
    place[:, JOINT] = np.stack([0.3 + 0.4 * t, 0.4 + 0.2 * t], 1)
    return place.astype(np.float32)


def render(path: Path) -> Path:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    pictures = []
    for x, y in paths()[:, JOINT] * [WIDTH, HEIGHT]:
        away = ((rows - y) ** 2 + (columns - x) ** 2) / RADIUS**2
        pictures.append(np.repeat((20 + 220 * np.exp(-away))[..., None], 3, 2).astype(np.uint8))
    return encode(path, pictures, options={"crf": "2"})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marker")
    render(folder / "a.mp4")
    rng = np.random.default_rng(0)
    xyz, picture = rng.normal(size=(1, FRAMES, 25, 3)), paths()[None].copy()
    score = np.ones((1, FRAMES, 25))
    score[0, :, 3] = 0
    known = Skeleton(xyz, score, "ntu25", 25, label="walk", id="a", info={"video": "a.mp4"}, picture=picture)
    unknown = Skeleton(xyz, score, "ntu25", 25, label="walk", id="b", info={"video": "a.mp4"})
    write_store(folder / "set.h5", [known, unknown])
    return folder / "set.h5"


def find_marker(x: torch.Tensor) -> torch.Tensor:
    """``[T, 2]`` where the marker is in pictures ``[3, T, H, W]``, as shares of them."""
    light = x.mean(0)
    light = (light - light.flatten(1).amin(1)[:, None, None]) ** 2  # the background weighs nothing
    height, width = light.shape[1:]
    rows, columns = (torch.arange(n) + 0.5 for n in (height, width))
    total = light.sum((1, 2))
    across, down = (light.sum(1) * columns).sum(1) / total, (light.sum(2) * rows).sum(1) / total
    return torch.stack([across / width, down / height], 1)


@pytest.mark.parametrize("limit", [None, 0])
@pytest.mark.parametrize("region", ["whole", "person"])
@pytest.mark.parametrize("training", [False, True])
def test_the_place_is_where_the_marker_is(
    path: Path, region: str, training: bool, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit is not None:  # decoded for every batch
        monkeypatch.setattr("skelact.datasets.picture_reading.LIMIT", limit)
    data = SkeletonSet.open(path)
    seen = PictureInput(
        SAMPLING, Framing((96, 96), region=region, margin=0.5), fps=25, crop=80, scales=(1.0, 0.8), places=True,
        flip=0.5,
    )  # fmt: skip
    attach_pictures(data, {"rgb": seen})
    pipeline = Pipeline(pictures={"rgb": seen})
    mirrored = []
    for seed in range(10 if training else 1):
        made = torch.Generator().manual_seed(seed)
        batch = pipeline(data, torch.tensor([0, 1]), training=training, generator=made)
        places = batch.places["rgb"]
        assert places.xy.shape == (2, 4, 25, 2) and places.xy_frames.shape == (2, 64, 25, 2)
        found = find_marker(batch.pictures["rgb"][0])
        sure = ((found > 0.15) & (found < 0.85)).all(1) & places.there[0, :, JOINT]
        assert int(sure.sum()) >= 2
        pixels = (places.xy[0, :, JOINT] - found)[sure] * 80
        assert pixels.abs().max() < 1.0
        mirrored.append(bool(found[sure][-1, 0] < found[sure][0, 0]) if region == "whole" else False)
        assert not places.there[:, :, 3].any() and not places.there[1].any() and not places.xy[1].any()
        nearest = places.nearest[0]
        assert nearest.shape == (64,) and bool((nearest.diff() >= 0).all())
        assert training or int(nearest.bincount().min()) >= 13
    assert training is False or region != "whole" or set(mirrored) == {False, True}


def test_places_at_the_skeletons_frames(path: Path) -> None:
    data = SkeletonSet.open(path)
    seen = PictureInput(SAMPLING, Framing((96, 96)), fps=25, crop=96, places=True)
    attach_pictures(data, {"rgb": seen})
    batch = Pipeline(pictures={"rgb": seen})(data, torch.tensor([0]))
    last = torch.tensor(paths()[:, JOINT])
    position = ((torch.arange(64) + 0.5) * FRAMES / 64 - 0.5).clamp(0, FRAMES - 1)
    low = position.floor().long().clamp_max(FRAMES - 2)
    expected = torch.lerp(last[low], last[low + 1], (position - low)[:, None])
    assert torch.allclose(batch.places["rgb"].xy_frames[0, :, JOINT], expected, atol=1e-4)
    assert bool(batch.places["rgb"].there_frames[0, :, JOINT].all())
    moved = batch.to("cpu")
    assert torch.equal(moved.places["rgb"].xy, batch.places["rgb"].xy)


def test_memory_is_taken_only_if_asked(path: Path) -> None:
    data = SkeletonSet.open(path)
    attach_pictures(data, {"rgb": PictureInput(SAMPLING, Framing((32, 32)), crop=32)})
    assert data.places is None
    data.read_places()
    mapped = SkeletonSet.open(path, resident=False)
    mapped.read_places()
    assert data.places is not None and mapped.places is not None and not mapped.places.resident
    rows = torch.arange(2 * FRAMES)
    assert torch.equal(data.places.take(rows).nan_to_num(7), mapped.places.take(rows).nan_to_num(7))
    skeleton = data.recording(0).with_(picture=paths()[None])
    assert SkeletonSet.from_skeletons([skeleton]).places is None
    made = SkeletonSet.from_skeletons([skeleton], places=True).places
    assert made is not None and torch.equal(made.take(rows[:FRAMES]), data.places.take(rows[:FRAMES]))


def test_what_does_not_fit(path: Path, tmp_path: Path) -> None:
    seen = PictureInput(SAMPLING, Framing((32, 32)), crop=32, places=True)
    from skelact.datasets.augment import Augment

    with pytest.raises(ConfigError, match=r"augment\.mirror"):
        Pipeline(pictures={"rgb": seen}, augment=Augment(mirror=0.5))
    render(tmp_path / "a.mp4")
    write_store(tmp_path / "set.h5", [SkeletonSet.open(path).recording(0).with_(picture=None)])
    data = SkeletonSet.open(tmp_path / "set.h5")
    attach_pictures(data, {"rgb": seen})
    with pytest.raises(DataError, match="does not say where its joints are"):
        Pipeline(pictures={"rgb": seen})(data, torch.tensor([0]))
