"""Streams of pictures beside skeletons: which frames are kept, which are seen, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from motion_pictures import encode, pan, texture

from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.picture_files import (
    attach_pictures,
    boxes_of,
    find_videos,
    person_boxes,
    pictures_of_video,
)
from skelact.datasets.pictures import KINDS, PictureInput, PictureSet, check_pictures, spread_moments
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.io.store import Store, StoreWriter
from skelact.io.video_frames import read_frames
from skelact.layouts import get_layout
from skelact.layouts.parts import regions
from skelact.models.fusion import CHANNELS
from skelact.skeleton import Skeleton

WHOLE = PictureInput(framing=Framing((48, 64)), fps=10, crop=32)


def recording(name: str, n_people: int = 1, n_frames: int = 25, **info) -> Skeleton:
    rng = np.random.default_rng(len(name))
    shape = (n_people, n_frames, 25)
    place = np.full((*shape, 2), 0.5) + rng.normal(0, 0.05, (*shape, 2))
    return Skeleton(
        rng.normal(size=(*shape, 3)), None, "ntu25", 25.0, label="walk", id=name, info=info, picture=place
    )


def a_set(folder: Path, *skeletons: Skeleton) -> SkeletonSet:
    with StoreWriter(folder / "set.h5", layout=skeletons[0].layout) as writer:
        for skeleton in skeletons:
            writer.append(skeleton)
    return SkeletonSet.open(folder / "set.h5")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for k in range(2):
        encode(
            tmp_path / f"clip{k}.mp4",
            [texture(96, 128, 100 * k + t) for t in range(25)],
            options={"crf": "4"},
        )
    return tmp_path


def test_the_kept_frames_are_the_videos(videos: Path) -> None:
    data = a_set(videos, recording("a", video="clip0.mp4"), recording("b"), recording("c", video="clip1.mp4"))
    attach_pictures(data, {"rgb": WHOLE})
    kept = data.pictures[WHOLE.kept_as("rgb")]
    assert kept.length.tolist() == [10, 0, 10] and kept.frames.shape == (20, 48, 64, 3)
    times = np.arange(10) / 10
    for clip, name in ((0, "clip0.mp4"), (2, "clip1.mp4")):
        first = int(kept.first[clip])
        expected = read_frames(videos / name, times, size=(48, 64))
        assert np.array_equal(kept.frames[first : first + 10].numpy(), expected)
    assert "'b'" in kept.missing[1] and "--data.videos" in kept.missing[1]


def test_the_middle_is_cut_out(videos: Path) -> None:
    seen = PictureInput(framing=Framing((40, 40), aspect="cut"), fps=10, crop=32)
    data = a_set(videos, recording("a", video="clip0.mp4"))
    attach_pictures(data, {"rgb": seen})
    kept = data.pictures[seen.kept_as("rgb")]
    expected = read_frames(videos / "clip0.mp4", np.arange(10) / 10, size=(40, 40), box=(16, 0, 112, 96))
    assert np.array_equal(kept.frames.numpy(), expected)
    assert kept.regions is not None and torch.allclose(kept.regions[3], torch.tensor([0.125, 0, 0.875, 1]))


def test_a_part_of_a_video_is_a_clip(videos: Path) -> None:
    data = a_set(videos, recording("a", video="clip0.mp4", video_start=0.4, video_end=0.7))
    attach_pictures(data, {"rgb": WHOLE})
    kept = data.pictures[WHOLE.kept_as("rgb")]
    assert np.array_equal(
        kept.frames.numpy(), read_frames(videos / "clip0.mp4", [0.4, 0.5, 0.6, 0.7], size=(48, 64))
    )


@pytest.mark.parametrize("timed", [False, True])
def test_a_videos_pictures_are_of_the_time_of_its_recording(videos: Path, timed: bool) -> None:
    whole = recording("a", n_frames=11)
    part = whole.with_(time=0.3 + np.arange(11) / 25) if timed else whole
    kept = pictures_of_video(videos / "clip0.mp4", part, {"rgb": WHOLE})[WHOLE.kept_as("rgb")]
    times = np.array([0.3, 0.4, 0.5, 0.6, 0.7]) if timed else np.arange(10) / 10
    assert np.array_equal(kept.frames.numpy(), read_frames(videos / "clip0.mp4", times, size=(48, 64)))


def test_videos_of_a_folder_are_found_by_the_clips_names(videos: Path) -> None:
    (videos / "d").mkdir()
    (videos / "clip0.mp4").rename(videos / "d" / "a_rgb.mp4")
    (videos / "clip1.mp4").rename(videos / "d" / "a_depth.mp4")
    infos = [{}, {}, {"video": "gone.mp4"}]
    found, why = find_videos(["a", "b", "c"], infos, "video", videos, str(videos / "d"))
    assert found == {0: videos / "d" / "a_rgb.mp4"}
    assert "'b'" in why[1] and "gone.mp4" in why[2]
    assert find_videos(["a"], [{}], "depth_video", videos, str(videos / "d"))[0][0].name == "a_depth.mp4"
    with pytest.raises(DataError, match="no folder"):
        find_videos(["a"], [{}], "video", videos, str(videos / "nowhere"))


def test_an_unreadable_video_is_listed(videos: Path) -> None:
    (videos / "clip1.mp4").write_bytes(b"no video")
    data = a_set(videos, recording("a", video="clip0.mp4"), recording("b", video="clip1.mp4"))
    attach_pictures(data, {"rgb": WHOLE}, workers=1)
    kept = data.pictures[WHOLE.kept_as("rgb")]
    assert kept.length.tolist() == [10, 0] and "clip1.mp4" in kept.missing[1]
    (videos / "clip0.mp4").unlink()
    other = SkeletonSet.open(videos / "set.h5")
    with pytest.raises(DataError, match=r"no clip of .* has the stream rgb.*clip0.mp4"):
        attach_pictures(other, {"rgb": WHOLE}, clips=torch.tensor([0]))


def numbered(length: tuple[int, ...] = (20, 0, 10)) -> PictureSet:
    """Frames whose every pixel is their number."""
    n = sum(length)
    frames = torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1).expand(n, 8, 8, 1).contiguous()
    return PictureSet("depth", frames, torch.tensor(length), 10.0)


def seen_numbers(x: torch.Tensor) -> torch.Tensor:
    mean, std = 0.43216, 0.22803
    return ((x[:, 0, :, 4, 4] * std + mean) * 255).round().long()


def test_moments_lie_in_the_window() -> None:
    seen = PictureInput(ClipSampling("segments", 1, segments=4), Framing((8, 8)), 10, crop=8)
    window = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.5, 1.0]])
    x, there = numbered().sample(torch.tensor([0, 1, 2]), seen, window)
    assert list(there) == [True, False, True]
    assert seen_numbers(x)[0].tolist() == [
        2,
        7,
        12,
        17,
    ]  # the middles of four parts of 1.9 s, ten frames a second
    assert seen_numbers(x)[2].tolist() == [25, 26, 27, 28]
    made = torch.Generator().manual_seed(0)
    drawn = [
        numbered().sample(torch.tensor([0, 2]), seen, window[[0, 2]], training=True, generator=made)[0]
        for _ in range(30)
    ]
    first = torch.stack([seen_numbers(x)[0] for x in drawn])
    assert len(first.unique(dim=0)) > 10
    for part in range(4):
        assert first[:, part].min() >= part * 4.75 - 0.5 and first[:, part].max() <= (part + 1) * 4.75 + 0.5
    assert min(seen_numbers(x)[1].min() for x in drawn) >= 24


def test_views_are_spread_over_the_parts() -> None:
    seen = PictureInput(ClipSampling("segments", 1, segments=2), Framing((8, 8)), 10, crop=8)
    window = torch.tensor([[0.0, 1.0]])
    views = [
        seen_numbers(numbered().sample(torch.tensor([0]), seen, window, view=(i, 2))[0])[0] for i in range(2)
    ]
    assert [v.tolist() for v in views] == [[2, 12], [7, 17]]


def test_dense_moments_are_those_of_the_sampling() -> None:
    sampling = ClipSampling("dense", n_frames=4, stride=0.2)
    shares = torch.tensor([[0.0], [0.5], [1.0]])
    found = spread_moments(sampling, torch.zeros(3, 1), torch.full((3, 1), 2.0), shares)
    expected = np.array([[0.0], [0.7], [1.4]]) + 0.2 * np.arange(4)  # 2 s have room for 0.6 s at 0 to 1.4
    assert np.allclose(found.numpy(), expected, atol=1e-6)
    long = spread_moments(sampling, torch.zeros(1, 1), torch.full((1, 1), 0.3), torch.zeros(1, 1))
    assert torch.allclose(long, torch.tensor([[0.0, 0.2, 0.3, 0.3]]))


@pytest.mark.parametrize("setting", [{"flip": 1.0}, {"jitter": 0.5}, {"scales": (0.5,)}])
def test_augmentation_is_of_training(setting: dict) -> None:
    made = torch.Generator().manual_seed(3)
    frames = torch.randint(0, 256, (6, 12, 12, 3), generator=made, dtype=torch.uint8)
    pictures = PictureSet("rgb", frames, torch.tensor([6]), 10.0)
    plain = PictureInput(framing=Framing((12, 12)), crop=12, scales=(1.0,))
    changed = PictureInput(framing=Framing((12, 12)), crop=12, **{"scales": (1.0,), **setting})
    whole, one = torch.tensor([[0.0, 1.0]]), torch.tensor([0])

    def draw(seen: PictureInput, training: bool) -> torch.Tensor:
        made = torch.Generator().manual_seed(0)
        return pictures.sample(one, seen, whole, training=training, generator=made)[0]

    assert torch.equal(draw(plain, False), draw(changed, False))
    assert not torch.allclose(draw(plain, True), draw(changed, True), atol=1e-3)
    if setting == {"flip": 1.0}:
        assert torch.allclose(draw(plain, True).flip(4), draw(changed, True), atol=1e-5)


def test_colours_are_standardised_by_the_set_that_is_named() -> None:
    frames = torch.full((1, 8, 8, 3), 128, dtype=torch.uint8)
    pictures = PictureSet("rgb", frames, torch.tensor([1]), 10.0)
    for colours, mean, deviation in (("kinetics", 0.43216, 0.22803), ("imagenet", 0.485, 0.229)):
        seen = PictureInput(framing=Framing((8, 8)), crop=8, colours=colours)  # type: ignore[arg-type]
        x, _ = pictures.sample(torch.tensor([0]), seen, torch.tensor([[0.0, 1.0]]))
        assert torch.allclose(x[:, 0], torch.tensor((128 / 255 - mean) / deviation))
    with pytest.raises(ConfigError, match="set of colours"):
        PictureInput(colours="mine")  # type: ignore[arg-type]


def test_flow_is_read_made_once_and_mirrored(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    encode(tmp_path / "v" / "a.mp4", pan(15, (2, 0)), options={"crf": "4"})
    data = a_set(tmp_path, recording("a", video="v/a.mp4", n_frames=15))
    seen = PictureInput(framing=Framing((96, 128)), fps=25, crop=64)
    attach_pictures(data, {"flow": seen})
    made = next((tmp_path / "set_flow").rglob("a.mp4*"))
    written = made.stat().st_mtime_ns
    x, _ = data.pictures[seen.kept_as("flow")].sample(torch.tensor([0]), seen, torch.tensor([[0.0, 1.0]]))
    assert x.shape == (1, 2, 16, 64, 64)
    assert abs(float(x[:, 0].median()) - 2 * 128 / 128 / 2) < 0.4 and abs(float(x[:, 1].median())) < 0.2
    again = SkeletonSet.open(tmp_path / "set.h5")
    attach_pictures(again, {"flow": seen})
    assert made.stat().st_mtime_ns == written
    mirrored = PictureInput(framing=Framing((96, 128)), fps=25, crop=64, scales=(1.0,), flip=1.0)
    y, _ = data.pictures[seen.kept_as("flow")].sample(
        torch.tensor([0]), mirrored, torch.tensor([[0.0, 1.0]]), training=True
    )
    assert float(y[:, 0].median()) < -0.4


def test_boxes_follow_all_people(videos: Path) -> None:
    skeleton = recording("a", 2, video="clip0.mp4")
    data = a_set(videos, skeleton, recording("b", video="clip1.mp4").with_(picture=None))
    boxes = person_boxes(data, {0: videos / "clip0.mp4", 1: videos / "clip1.mp4"}, Framing(region="person"))
    assert set(boxes) == {0} and boxes[0].shape == (25, 5)
    assert skeleton.picture is not None
    place = skeleton.picture
    assert np.allclose(boxes[0][:, 1:3], place.min((0, 2)), atol=1e-5)
    assert np.allclose(boxes[0][:, 3:], place.max((0, 2)), atol=1e-5)
    assert np.allclose(boxes[0][:, 0], np.arange(25) / 25)
    seen = PictureInput(framing=Framing((48, 48), region="person"), fps=10, crop=32)
    attach_pictures(data, {"rgb": seen})
    kept = data.pictures[seen.kept_as("rgb")]
    whole = PictureInput(framing=Framing((48, 48)), fps=10, crop=32)
    attach_pictures(data, {"rgb": whole})
    assert kept.length.tolist() == [10, 0] and "whole" in kept.missing[1]
    assert not torch.equal(kept.frames, data.pictures[whole.kept_as("rgb")].frames[:10])


def test_boxes_follow_the_main_person(videos: Path) -> None:
    skeleton = recording("a", 3, video="clip0.mp4")
    assert skeleton.picture is not None
    place, score = skeleton.picture.copy(), skeleton.score.copy()
    place[1] += 0.2
    score[0, 5:], score[2, 24:] = 0, 0
    skeleton = skeleton.with_(picture=place, score=score)
    main = boxes_of(skeleton, Framing(region="main_person"))
    both = boxes_of(skeleton, Framing(region="person"))
    assert main is not None and both is not None
    assert np.allclose(main[:, 1:3], place[1].min(1)) and np.allclose(main[:, 3:], place[1].max(1))
    assert (both[:24, 1:3] < main[:24, 1:3] - 0.05).all()  # alone in the last frame
    seen = [
        PictureInput(framing=Framing((48, 48), region=region), fps=10, crop=32)
        for region in ("person", "main_person")
    ]
    data = a_set(videos, skeleton)
    kept = []
    for one in seen:
        attach_pictures(data, {"rgb": one})
        kept.append(data.pictures[one.kept_as("rgb")])
    assert kept[0].regions is not None and kept[1].regions is not None
    together, alone = (one.regions[:9, 2:] - one.regions[:9, :2] for one in kept)
    assert (alone < together).all()
    with pytest.raises(ConfigError, match="whole, person, main_person"):
        Framing(region="everybody")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="stand still"):
        PictureInput(framing=Framing((48, 48), region="main_person"), crop=32, stacking="trajectory")


def hands_at(n_frames: int) -> tuple[Skeleton, np.ndarray]:
    """A signer whose left hand rests below and whose right hand moves across the picture; its middle, in shares."""
    layout = get_layout("pose_hands75")
    place = np.full((2, n_frames, len(layout), 2), 0.5, np.float32)
    place += np.random.default_rng(0).uniform(-0.06, 0.06, place.shape)
    middle = np.stack([np.linspace(0.2, 0.8, n_frames), np.full(n_frames, 0.25)], 1)
    parts = regions(layout)
    for name, at in (("left_hand", np.full_like(middle, 0.8)), ("right_hand", middle)):
        place[0][:, parts[name]] += (at - 0.5)[:, None]
    score = np.ones(place.shape[:3], np.float32)
    score[1, 5:] = 0  # somebody who is there for a moment
    xyz = np.zeros((*place.shape[:3], 3), np.float32)
    return Skeleton(xyz, score, layout, 25.0, id="clip0", info={"video": "clip0.mp4"}, picture=place), middle


def test_boxes_follow_a_hand() -> None:
    skeleton, middle = hands_at(25)
    right = boxes_of(skeleton, Framing(region="right_hand"))
    left, both = (boxes_of(skeleton, Framing(region=r)) for r in ("left_hand", "hands"))
    assert right is not None and left is not None and both is not None
    assert np.allclose((right[:, 1:3] + right[:, 3:]) / 2, middle, atol=0.02)
    assert np.allclose((left[:, 1:3] + left[:, 3:]) / 2, 0.8, atol=0.02)
    assert np.allclose(both[:, 1:3], np.minimum(left, right)[:, 1:3])
    assert np.allclose(both[:, 3:], np.maximum(left, right)[:, 3:])
    score = skeleton.score.copy()
    score[0, 10:, regions(skeleton.layout)["right_hand"]] = 0
    part = boxes_of(skeleton.with_(score=score), Framing(region="right_hand"))
    assert part is not None and len(part) == 10
    score[0][:, regions(skeleton.layout)["right_hand"]] = 0
    assert boxes_of(skeleton.with_(score=score), Framing(region="right_hand")) is None
    with pytest.raises(ConfigError, match=r"'ntu25' has none; .*--parts pose\+hands"):
        boxes_of(recording("a"), Framing(region="hands"))


def test_the_stream_of_a_hand_shows_the_hand(tmp_path: Path) -> None:
    skeleton, middle = hands_at(25)
    frames = np.repeat(texture(96, 128)[None], 25, 0)
    for frame, (x, y) in zip(frames, middle, strict=True):
        frame[int(96 * y) - 16 : int(96 * y) + 16, int(128 * x) - 16 : int(128 * x) + 16] = (255, 0, 0)
    encode(tmp_path / "clip0.mp4", list(frames), options={"crf": "4"})
    data = a_set(tmp_path, skeleton)
    seen = {
        name: PictureInput(framing=Framing((32, 32), region=region, margin=0.1, smooth=0.05), fps=10, crop=32)
        for name, region in (("rgb_right_hand", "right_hand"), ("rgb_left_hand", "left_hand"))
    }
    attach_pictures(data, seen)
    shown = {name: data.pictures[one.kept_as(name)].frames[:-1].float() for name, one in seen.items()}
    red = {name: ((f[..., 0] > 180) & (f[..., 1:] < 80).all(-1)).float().mean() for name, f in shown.items()}
    assert red["rgb_right_hand"] > 0.9 and red["rgb_left_hand"] < 0.1
    with pytest.raises(ConfigError, match=r"framing\.region to left_hand, got right_hand"):
        check_pictures({"rgb_left_hand": seen["rgb_right_hand"]})
    assert {name: kind.channels for name, kind in KINDS.items()} == CHANNELS


def test_test_crops_are_of_evaluation() -> None:
    made = torch.Generator().manual_seed(0)
    whole, one = torch.tensor([[0.0, 1.0]]), torch.tensor([0])
    for name, channels in (("rgb", 3), ("flow", 2)):
        frames = torch.randint(0, 256, (6, 8, 12, channels), generator=made, dtype=torch.uint8)
        pictures = PictureSet(name, frames, torch.tensor([6]), 10.0)
        full = pictures.sample(one, PictureInput(framing=Framing((8, 8)), crop=8), whole)[0]  # of the middle
        assert full.shape[3:] == (8, 8)
        middle = PictureInput(framing=Framing((8, 12)), crop=6)
        ten = PictureInput(framing=Framing((8, 12)), crop=6, test_crops="ten")
        looks = [pictures.look(one, ten, whole, crop=k) for k in range(10)]
        assert torch.equal(looks[4].x, pictures.look(one, middle, whole).x)
        assert torch.equal(pictures.look(one, ten, whole).x, looks[4].x)  # in validation: the middle
        assert torch.equal(pictures.look(one, middle, whole, crop=3).x, looks[4].x)
        sign = torch.tensor([-1.0, 1.0] if name == "flow" else [1.0] * 3).view(1, -1, 1, 1, 1)
        for k in range(5):
            assert torch.equal(looks[k + 5].x, looks[k].x.flip(4) * sign)
            assert bool(looks[k + 5].mirrored) and not bool(looks[k].mirrored)
            assert torch.equal(looks[k + 5].box, looks[k].box)
        assert torch.allclose(looks[3].box, torch.tensor([[2 / 8, 6 / 12, 6 / 8, 6 / 12]]))
        assert len(torch.stack([look.x for look in looks]).unique(dim=0)) == 10
        views = [pictures.look(one, ten, whole, view=(i, 2), crop=0).share for i in range(2)]
        assert not torch.equal(*views)
    for settings, hint in (
        ({"test_crops": "five"}, "centre, three, ten"),
        ({"test_crops": "three", "crop": 128}, "longer"),
    ):
        with pytest.raises(ConfigError, match=hint):
            PictureInput(**settings)
    with pytest.raises(ConfigError, match="same test_crops"):
        Pipeline(
            pictures={
                "rgb": PictureInput(test_crops="ten"),
                "flow": PictureInput(framing=Framing((128, 171)), test_crops="three"),
            }
        )
    both = Pipeline(pictures={"rgb": PictureInput(test_crops="ten"), "flow": PictureInput()})
    assert both.n_crops == 10 and Pipeline().n_crops == 1


def test_a_batch_carries_pictures_in_step(videos: Path) -> None:
    data = a_set(videos, recording("a", video="clip0.mp4"), recording("b"))
    pipeline = Pipeline(pictures={"rgb": WHOLE})
    with pytest.raises(ConfigError, match="attach_pictures"):
        pipeline(data, torch.tensor([0]))
    attach_pictures(data, pipeline.pictures)
    batch = pipeline(data, torch.tensor([1, 0]))
    assert batch.pictures["rgb"].shape == (2, 3, 16, 32, 32) and batch.there["rgb"] == (False, True)
    plain = Pipeline()(data, torch.tensor([1, 0]))
    assert torch.equal(plain.x, batch.x) and not plain.pictures
    for seed in range(3):  # the skeletons of a training batch do not depend on the pictures
        one, other = (torch.Generator().manual_seed(seed) for _ in range(2))
        assert torch.equal(
            pipeline(data, torch.tensor([0]), training=True, generator=one).x,
            Pipeline()(data, torch.tensor([0]), training=True, generator=other).x,
        )


def test_clips_without_people_are_kept_for_their_pictures(videos: Path) -> None:
    nobody = recording("n", 0, video="clip0.mp4")
    data = a_set(videos, nobody, recording("a", video="clip1.mp4"))
    memory = SkeletonSet.from_skeletons([nobody, recording("a", video="clip1.mp4")])
    for made in (data, memory):
        assert made.n_tracks.tolist() == [1, 1] and made.n_frames.tolist() == [25, 25]
        batch = Pipeline()(made, torch.arange(2))
        assert not (batch.score[batch.owner == 0] > 0).any() and batch.x.isfinite().all()
    with Store(videos / "set.h5") as store:
        assert store.read(0).id == "n" and not store.read(0).score.any()
    with pytest.raises(DataError, match="no person"):
        a_set(videos / "x", recording("n", 0))


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"fps": 0}, "fps"), ({"crop": 200}, "crop"), ({"flip": 2}, "flip"), ({"scales": ()}, "scales"),
        ({"jitter": 1.0}, "jitter"),
    ],
)  # fmt: skip
def test_impossible_inputs(settings: dict, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        PictureInput(**settings)


def test_unknown_streams_are_named() -> None:
    with pytest.raises(ConfigError, match="'infrared'"):
        Pipeline(pictures={"infrared": PictureInput()})
    assert set(KINDS) >= {"rgb", "flow", "depth", "motion"}
