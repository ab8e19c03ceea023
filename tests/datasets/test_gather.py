"""The ragged set and `gather`: exact rows, interpolation, people who come and go, time, mapping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from skelact import Skeleton
from skelact.datasets.gather import SAMPLINGS, Sampling, gather, sample_positions
from skelact.datasets.pipeline import Augment, Normalise, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.io.store import write_store
from skelact.transforms import device


def clips(n: int = 9, missing: bool = True) -> list[Skeleton]:
    rng = np.random.default_rng(0)
    made = []
    for i in range(n):
        people, frames = 1 + i % 2, 5 + 7 * i
        score = np.ones((people, frames, 17), np.float32)
        if missing:
            score[rng.random(score.shape) < 0.1] = 0
            score[:, [0, -1], 0] = 1
        if people == 2:
            score[1, : frames // 2] = 0
        xyz = rng.normal(size=(people, frames, 17, 3))
        made.append(Skeleton(xyz, score, "coco17", 30, label=f"a{i % 3}", id=str(i)))
    return made


def at(positions: list[float]) -> torch.Tensor:
    return torch.tensor([positions])


ANY = Sampling(n_frames=4)


def test_whole_frames_are_exact() -> None:
    made = clips()
    data = SkeletonSet.from_skeletons(made)
    for i, clip in enumerate(made):
        positions = torch.arange(clip.n_frames, dtype=torch.float32)[None]
        batch = gather(data, torch.tensor([i]), ANY, positions=positions)
        assert np.array_equal(batch.x.numpy(), clip.xyz) and np.array_equal(batch.score.numpy(), clip.score)
        assert batch.label.tolist() == [i % 3]


def test_interpolation_and_missing_neighbours() -> None:
    xyz = np.zeros((1, 3, 17, 3), np.float32)
    xyz[0, :, :, 0] = np.array([0, 10, 20])[:, None]
    score = np.ones((1, 3, 17), np.float32)
    score[0, 1, 5] = 0
    score[0, :, 6] = [0.2, 0.6, 1.0]
    data = SkeletonSet.from_skeletons([Skeleton(xyz, score, "coco17", 30)])
    batch = gather(data, torch.tensor([0]), ANY, positions=at([0.25, 0.75, 1.4, 2.0]))
    assert torch.allclose(batch.x[0, :, 0, 0], torch.tensor([2.5, 7.5, 14.0, 20.0]))
    # joint 5 is missing in frame 1: the neighbour's position, missing where frame 1 is nearer
    assert batch.x[0, 0, 5, 0] == 0 and batch.score[0, :, 5].gt(0).tolist() == [True, False, False, True]
    assert torch.allclose(batch.score[0, :, 6], torch.tensor([0.3, 0.5, 0.76, 1.0]))


def test_people_who_are_not_there() -> None:
    made = clips(4, missing=False)  # clip 1: person 1 comes at frame 6 of 12
    data = SkeletonSet.from_skeletons(made)
    early = gather(data, torch.tensor([1]), ANY, positions=at([0, 1, 2, 3]))
    assert early.owner.tolist() == [0]
    late = gather(data, torch.tensor([1, 0]), ANY, positions=torch.tensor([[4.0, 5, 6, 7], [0, 1, 2, 3]]))
    assert late.owner.tolist() == [0, 0, 1]
    assert late.score[1].amax(1).tolist() == [0, 0, 1, 1] and (late.x[1, :2] == 0).all()
    gone = gather(data, torch.tensor([1]), ANY, positions=at([90, 91, 92, 93]))
    assert gone.owner.tolist() == [0] and (gone.score == 0).all()


@pytest.mark.parametrize("kind", SAMPLINGS)
@pytest.mark.parametrize("training", [True, False])
def test_mapped_and_resident_agree(tmp_path: Path, kind: str, training: bool) -> None:
    write_store(tmp_path / "a.h5", clips(40))
    sampling = Sampling(kind, 16, fps=20)
    results = []
    for resident in (True, False):
        data = SkeletonSet.open(tmp_path / "a.h5", resident=resident)
        moved = data.to("cpu")
        assert data.n_bytes == moved.xyz.data.nbytes + moved.score.data.nbytes > 0
        generator = torch.Generator().manual_seed(5)
        results.append(gather(data, torch.arange(40), sampling, training=training, generator=generator))
    assert torch.equal(results[0].x, results[1].x) and torch.equal(results[0].score, results[1].score)


def test_positions() -> None:
    length, fps = torch.tensor([10, 100]), torch.tensor([30.0, 30.0])
    resize = sample_positions(Sampling("resize", 10), length, fps, False)
    assert torch.allclose(resize[0], torch.arange(10.0)) and resize[1, 0] == 4.5 and resize[1, -1] == 94.5
    segments = sample_positions(Sampling("segments", 5), length, fps, False)
    assert segments[0].tolist() == [1, 3, 5, 7, 9]
    seconds = sample_positions(Sampling("seconds", 5, fps=10), length, fps, False)
    assert torch.allclose(seconds[1].diff(), torch.full((4,), 3.0)) and seconds[0, 0] == 0
    generator = torch.Generator().manual_seed(0)
    for kind in ("resize", "segments"):
        drawn = sample_positions(
            Sampling(kind, 8, (0.5, 0.9)), length.repeat(50), fps.repeat(50), True, generator
        )
        assert (drawn >= 0).all() and (drawn <= length.repeat(50)[:, None] - 1).all()
        assert (drawn.diff(dim=1) >= 0).all()


def test_rates_are_drawn_in_training_alone() -> None:
    length, fps = torch.full((500,), 300), torch.full((500,), 30.0)
    sampling = Sampling("seconds", 5, fps=30.0, rates=(25.0, 50.0))
    assert torch.equal(
        sample_positions(sampling, length, fps, False),
        sample_positions(Sampling("seconds", 5, fps=30.0), length, fps, False),
    )
    drawn = sample_positions(sampling, length, fps, True, torch.Generator().manual_seed(0)).diff()
    rate = 30 / drawn[:, 0]
    assert torch.allclose(drawn, drawn[:, :1].expand(-1, 4), atol=1e-3)
    assert 25 - 1e-3 <= rate.min() < 26 and 49 < rate.max() <= 50 + 1e-3
    assert abs(float(rate.mean()) - 37.5) < 1
    with pytest.raises(ConfigError, match="rates must be two frame rates"):
        Sampling("seconds", rates=(50.0, 25.0))
    with pytest.raises(ConfigError, match="rates are of sampling by seconds"):
        Sampling("resize", rates=(25.0, 50.0))


@pytest.mark.parametrize("n_views", [2, 5, 10])
def test_views_of_a_clip_differ_and_stay_within_what_training_sees(n_views: int) -> None:
    length, fps = torch.tensor([200]), torch.tensor([30.0])
    sampling = Sampling("resize", 50, crop=(0.8, 0.9))
    views = torch.cat(
        [sample_positions(sampling, length, fps, False, view=(i, n_views)) for i in range(n_views)]
    )
    assert torch.equal(views[:1], sample_positions(sampling, length, fps, False))
    assert len(views.unique(dim=0)) == n_views
    window = (views[:, -1] - views[:, 0]) * 50 / 49
    assert window.min() >= 160 and window.max() <= 180 and views.min() >= 0 and views.max() <= 199


def test_same_speed_at_any_frame_rate() -> None:
    """A movement recorded at 15 and at 30 fps looks the same when read by seconds."""

    def walk(fps: int) -> Skeleton:
        time = np.arange(2 * fps) / fps
        return Skeleton(np.tile(time[None, :, None, None], (1, 1, 17, 3)), None, "coco17", fps)

    sampling = Sampling("seconds", 16, fps=10)
    slow, fast = (
        gather(SkeletonSet.from_skeletons([walk(f)]), torch.tensor([0]), sampling).x for f in (15, 30)
    )
    assert torch.allclose(slow.diff(dim=1), fast.diff(dim=1), atol=1e-5)
    assert torch.allclose(slow.diff(dim=1), torch.tensor(0.1), atol=1e-5)


def test_real_timestamps_are_used() -> None:
    time = np.array([0, 0.1, 0.2, 0.9, 1.0])  # a camera that stalled
    xyz = np.tile(time[None, :, None, None], (1, 1, 17, 3))
    clip = Skeleton(xyz, None, "coco17", 5, time=time)
    data = SkeletonSet.from_skeletons([clip.with_(time=None, id="even"), clip])
    batch = gather(data, torch.tensor([1, 0]), ANY, positions=torch.tensor([[0.0, 1, 2, 3]] * 2))
    assert torch.allclose(batch.x[0, :, 0, 0], torch.tensor([0, 0.25, 0.5, 0.75]), atol=1e-6)
    assert torch.allclose(batch.x[1, :, 0, 0], torch.tensor([0, 0.1, 0.2, 0.9]), atol=1e-6)


def test_bad_sets_and_settings() -> None:
    with pytest.raises(DataError, match="at least one recording"):
        SkeletonSet.from_skeletons([])
    made = clips(2)
    with pytest.raises(DataError, match="differs from the first"):
        SkeletonSet.from_skeletons([made[0], made[1].with_(unit="px")])
    for bad in ({"kind": "all"}, {"n_frames": 0}, {"crop": (0.5, 2)}, {"fps": 0}):
        with pytest.raises(ConfigError):
            Sampling(**bad)
    with pytest.raises(DataError, match="unknown split 'test'"):
        SkeletonSet.from_skeletons(made).split("test")


def test_pipeline_is_deterministic_and_random_only_in_training() -> None:
    data = SkeletonSet.from_skeletons(clips())
    augment = Augment(0.3, 0.1, 0.1, 0.01, 0.5, 0.1, 0.1)
    pipeline = Pipeline(
        Sampling(n_frames=8), Normalise(align_view=True), augment, ["joint", "bone", "angles"]
    )
    index = torch.arange(9)
    a, b = (
        pipeline(data, index, training=True, generator=torch.Generator().manual_seed(1)) for _ in range(2)
    )
    c = pipeline(data, index, training=True, generator=torch.Generator().manual_seed(2))
    assert torch.equal(a.x, b.x) and not torch.equal(a.x[:5], c.x[:5])
    assert torch.equal(pipeline(data, index).x, pipeline(data, index).x)
    assert a.x.shape[-1] == pipeline.channels(3) == 9 and torch.isfinite(a.x).all()


def test_set_moves_to_another_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    data = SkeletonSet.from_skeletons(clips())
    moved = data.to("cuda")
    batch, same = gather(data, torch.arange(9), ANY), gather(moved, torch.arange(9), ANY)
    assert torch.allclose(batch.x, same.x.cpu(), atol=1e-6)


# --- the recording's first frame, CTR-GCN's windows, no waiting ---


def walker(frames: int = 100) -> Skeleton:
    """One person whose every joint is at x = frame number; the hips are not seen in the first three frames."""
    xyz = np.zeros((1, frames, 17, 3), np.float32)
    xyz[0, :, :, 0] = np.arange(frames)[:, None]
    score = np.ones((1, frames, 17), np.float32)
    score[0, :3, 11:13] = 0
    return Skeleton(xyz, score, "coco17", 30, id="walker")


def test_first_frame_is_the_recordings_not_the_windows() -> None:
    data = SkeletonSet.from_skeletons([walker(), walker(50)])
    pipeline = Pipeline(
        Sampling(n_frames=8, crop=(0.2, 0.2)), Normalise("first_frame", "none"), Augment(0, 0, 0)
    )
    clips = torch.tensor([1, 0, 0])
    for training in (False, True):
        draws = [torch.Generator().manual_seed(3) for _ in range(2)]
        batch = pipeline(data, clips, training=training, generator=draws[0])
        plain = gather(data, clips, pipeline.sampling, training=training, generator=draws[1])
        assert torch.allclose(batch.x[..., 0], (plain.x[..., 0] - 3) * (plain.score > 0))
    # windows of a long recording are clips of their own
    window = gather(data, torch.tensor([0]), ANY, positions=at([60, 61, 62, 63]))
    assert pipeline.prepare(window).x[0, :, 0, 0].tolist() == [0, 1, 2, 3]


def test_first_frame_of_several_people_and_of_those_without_hips() -> None:
    late, early = np.full((1, 20, 17, 3), 8.0), np.full((1, 20, 17, 3), 2.0)
    score = np.ones((2, 20, 17))
    score[0, :5] = 0  # comes later, and does not move the centre
    people = np.concatenate([late, early])
    both, together = (Skeleton(people, s, "coco17", 30) for s in (score, None))
    headless = np.zeros((1, 20, 17))
    headless[0, 4:, :5] = 1
    face = Skeleton(np.arange(20.0)[None, :, None, None] * np.ones((1, 20, 17, 3)), headless, "coco17", 30)
    data = SkeletonSet.from_skeletons([both, together, face])
    assert data.first_centres()[:, 0].tolist() == [2, 5, 4]


@pytest.mark.parametrize("centre", ["mean", "first_frame"])
@pytest.mark.parametrize("more", [{}, {"level": True}, {"align_view": True}])
def test_absent_frames_and_missing_joints_do_not_enter_means(centre: str, more: dict) -> None:
    made = clips()
    pipeline = Pipeline(Sampling("seconds", n_frames=20), Normalise(centre, "body", **more))
    data = SkeletonSet.from_skeletons(made)
    batch = gather(data, torch.arange(9), pipeline.sampling)
    start = data.first_centres() if centre == "first_frame" else None
    seen = pipeline.prepare(batch, start=start)
    # the same clips with absent frames in between and rubbish where nothing is seen
    rubbish = torch.where(batch.score[..., None] > 0, batch.x, torch.full_like(batch.x, 99.0))
    gap = torch.full_like(batch.x[:, :7], -50.0)
    longer = batch.replace(
        x=torch.cat([gap, rubbish, gap], 1),
        score=torch.cat([torch.zeros_like(gap[..., 0]), batch.score, torch.zeros_like(gap[..., 0])], 1),
    )
    assert torch.allclose(pipeline.prepare(longer, start=start).x[:, 7:-7], seen.x, atol=1e-5)


def test_windows_have_a_least_length_in_training_and_a_share_of_their_own_in_testing() -> None:
    length, fps = torch.tensor([200, 80, 40] * 50), torch.full((150,), 30.0)

    def span(sampling: Sampling, training: bool, view: tuple[int, int] = (0, 1)) -> torch.Tensor:
        p = sample_positions(sampling, length, fps, training, torch.Generator().manual_seed(0), view)
        return (p[:, -1] - p[:, 0]) * 64 / 63  # of the window

    free, least = Sampling(crop=(0.5, 1.0)), Sampling(crop=(0.5, 1.0), least=64)
    assert span(free, True)[1::3].min() < 45 and span(free, True)[2::3].min() < 25
    assert span(least, True)[1::3].min() >= 63.9 and span(least, True)[2::3] == pytest.approx(40, abs=0.7)
    assert torch.equal(span(least, True)[0::3], span(free, True)[0::3])
    assert torch.equal(span(least, False), span(free, False))  # testing is as it was
    test = Sampling(crop=(0.5, 1.0), test_share=0.95)
    assert span(test, False) == pytest.approx((0.95 * length).numpy(), rel=0.01)
    assert torch.equal(span(test, True), span(free, True))
    p = sample_positions(test, length, fps, False)
    assert (p[:, 0] + p[:, -1]) / 2 == pytest.approx((length.numpy() - 1) / 2)  # in the middle
    assert span(test, False, (1, 2)) == pytest.approx((0.725 * length).numpy(), rel=0.01)
    for wrong in ({"least": -1}, {"test_share": -0.1}, {"test_share": 1.1}):
        with pytest.raises(ConfigError, match=r"least|test_share"):
            Sampling(**wrong)


class NoWaiting(TorchDispatchMode):
    """Refuses what makes the host wait for a GPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("timed", [False, True])
def test_batches_are_made_without_waiting_where_that_costs(
    monkeypatch: pytest.MonkeyPatch, timed: bool
) -> None:
    made = clips()
    if timed:
        made = [c.with_(time=np.cumsum(np.linspace(0.5, 1.5, c.n_frames)) / 30) for c in made]
    data = SkeletonSet.from_skeletons(made)
    numbers = torch.arange(9)
    streams = ["joint", "bone", "joint_motion", "bone_motion", "angles", "partner", "confidence"]
    augment = Augment(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5, 0.1, 0.1)
    for centre, level in (("mean", True), ("first_frame", False)):
        pipeline = Pipeline(
            Sampling(n_frames=8), Normalise(centre, "body", level, not level), augment, streams
        )

        def batch(pipeline: Pipeline = pipeline):
            return pipeline(data, numbers, training=True, generator=torch.Generator().manual_seed(0))

        usual = batch()
        with monkeypatch.context() as patch:
            patch.setattr(device, "may_look", lambda _: False)
            batch()  # what is made once
            with NoWaiting():
                there = batch()
        # nobody is left out then, but networks do not count who is never there
        assert len(there.owner) >= len(usual.owner) and torch.isfinite(there.x).all()
        if len(there.owner) == len(usual.owner):
            assert torch.allclose(there.x, usual.x, atol=1e-6)


def test_between_the_ends_of_a_clip_and_the_next_nothing_is_mixed() -> None:
    xyz = np.arange(10.0)[None, :, None, None] * np.ones((1, 10, 17, 3))
    data = SkeletonSet.from_skeletons([Skeleton(xyz + place, None, "coco17", 30) for place in (500, 0, -500)])
    batch = gather(data, torch.tensor([1]), ANY, positions=at([-0.25, 0.5, 8.75, 9.0, 9.25]))
    assert batch.x[0, :, 0, 0].tolist() == [0, 0.5, 8.75, 9, 9] and batch.score.all()
    end = gather(data, torch.tensor([2]), ANY, positions=at([9, 20]))  # the last rows that there are
    assert end.x[0, :, 0, 0].tolist() == [-491, 0] and end.score[0, :, 0].tolist() == [1, 0]


def test_by_timestamps_nobody_is_there_after_the_end() -> None:
    xyz = np.arange(5.0)[None, :, None, None] * np.ones((1, 5, 17, 3))
    clip = Skeleton(
        xyz, None, "coco17", 10, time=np.array([0, 0.1, 0.2, 0.3, 0.8])
    )  # 0.2 s a frame on average
    data = SkeletonSet.from_skeletons([clip, clip])
    batch = gather(data, torch.tensor([0]), ANY, positions=at([0.0, 1, 2, 3, 4, 6]), by_time=True)
    expected = torch.tensor([0, 2, 3.2, 3.6, 4, 0])
    assert torch.allclose(batch.x[0, :, 0, 0], expected, atol=1e-5)
    assert batch.score[0, :, 0].tolist() == [1, 1, 1, 1, 1, 0]
