"""What a segmentation network sees and is asked for: labels in time, windows, parts, every setting."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.datasets.augment import Augment
from skelact.datasets.frame_input import (
    FrameInput,
    FrameLabels,
    FrameTarget,
    clip_times,
    draw_windows,
    training_windows,
    whole_recording,
)
from skelact.datasets.frame_parts import choose_recordings, find_test_part, find_train_part
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.io.store import write_store
from skelact.skeleton import Skeleton

PLAIN = FrameInput(
    fps=10,
    window=2,
    streams=("joint",),
    centre="none",
    scale="none",
    stretch=0,
    augment=Augment(rotate=0, scale=0),
)


def recording(name: str, labels: list[str] | None, fps: float = 10.0, uneven: bool = False) -> Skeleton:
    """One person whose joints are at (frame's second, joint, 1)."""
    n = len(labels or range(40))
    time = np.arange(n) / fps
    if uneven:
        time = time + 0.02 * (np.arange(n) % 2)
    xyz = np.zeros((1, n, 6, 3), np.float32)
    xyz[0, :, :, 0], xyz[0, :, :, 1], xyz[..., 2] = time[:, None], np.arange(6), 1
    return Skeleton(
        xyz, None, "gesture6", fps, "unknown", id=name, time=time if uneven else None, frame_labels=labels
    )


def small() -> SkeletonSet:
    phases = ["rest"] * 20 + ["go"] * 10 + ["rest"] * 10
    moments = ["none"] * 40
    moments[10] = moments[14] = "go"
    return SkeletonSet.from_skeletons(
        [recording("a", phases), recording("b", moments, uneven=True), recording("c", None)]
    )


def test_labels_are_kept_in_memory_and_in_the_file(tmp_path: Path) -> None:
    made = small()
    phases, moments = (s.frame_labels for s in (recording("a", ["x"] * 3), recording("b", ["y", "x"])))
    write_store(
        tmp_path / "a.h5",
        [
            recording("a", list(phases or ())),
            recording("c", None),
            recording("b", list(moments or ()), uneven=True),
        ],
    )
    read = SkeletonSet.open(tmp_path / "a.h5")
    assert read.frame_label_names == ["x", "y"] and read.frame_first[1] == -1
    assert FrameLabels(read, FrameTarget()).of_frames(0).tolist() == [0, 0, 0]
    assert FrameLabels(read, FrameTarget()).of_frames(2).tolist() == [1, 0]
    assert made.frame_label_names == ["go", "none", "rest"] and made.frame_first.tolist() == [0, 40, -1]
    assert FrameLabels(made, FrameTarget()).of_frames(2).tolist() == [-1] * 40
    assert torch.equal(made.to("cpu").frame_first, made.frame_first)
    write_store(tmp_path / "b.h5", [recording("c", None)])
    with pytest.raises(DataError, match="label for every frame"):
        FrameLabels(SkeletonSet.open(tmp_path / "b.h5"), FrameTarget())


def test_moments_are_widened_and_delayed() -> None:
    data = small()
    plain = FrameLabels(data, FrameTarget())
    assert plain.at(0, torch.tensor([1.9, 2.0, 2.04, -0.5, 9.0])).tolist() == [2, 0, 0, -1, -1]
    wide = FrameLabels(data, FrameTarget("none", before=0.1, after=0.15)).wide(1)
    assert (wide == 0).nonzero()[:, 0].tolist() == [9, 10, 11, 13, 14, 15]
    late = FrameLabels(data, FrameTarget(delay=0.3)).at(0, torch.tensor([0.2, 2.2, 2.3, 3.3]))
    assert late.tolist() == [-1, 2, 0, 2]
    with pytest.raises(DataError, match="background's label 'nothing'"):
        FrameLabels(data, FrameTarget("nothing"))
    for wrong in ({"delay": -1}, {"before": 0.1}, {"after": float("nan")}):
        with pytest.raises(ConfigError):
            FrameTarget(**wrong)


@pytest.mark.parametrize("clip", [0, 1])
def test_recordings_are_sampled_by_time(clip: int) -> None:
    data = small()
    batch, seconds = whole_recording(data, clip, replace(PLAIN, fps=25))
    assert seconds[1] == 0.04 and seconds[-1] <= clip_times(data, clip)[-1] < seconds[-1] + 0.04
    assert torch.allclose(batch.x[0, :, 0, 0].double(), seconds, atol=1e-4)


def test_long_pauses_are_shortened() -> None:
    labels = ["rest"] * 20 + ["go"] * 20
    clip = recording("a", labels)
    late = clip.with_(time=np.arange(40) / 10 + 30.0 * (np.arange(40) >= 20))
    data = SkeletonSet.from_skeletons([late])
    batch, seconds = whole_recording(data, 0, PLAIN)
    assert len(seconds) == 49 and float(clip_times(data, 0)[-1]) == pytest.approx(33.9)
    assert torch.allclose(batch.x[0, :, 0, 0].diff()[[5, 40]], torch.tensor(0.1), atol=1e-4)
    assert len(whole_recording(data, 0, replace(PLAIN, gap=2))[1]) == 59
    batch = training_windows(
        data, torch.tensor([0]), FrameLabels(data, FrameTarget()), replace(PLAIN, window=4.9),
        torch.Generator().manual_seed(0),
    )  # fmt: skip
    go = data.frame_label_names.index("go")
    assert batch.real.all() and (batch.label == go).sum() == 25


def test_windows_lie_within_and_carry_their_labels() -> None:
    data = small()
    labels = FrameLabels(data, FrameTarget())
    batch = training_windows(data, torch.tensor([0, 0, 1]), labels, PLAIN, torch.Generator().manual_seed(0))
    assert batch.skeletons.x.shape == (3, 20, 6, 3) and batch.real.all()
    for row, label in zip(batch.skeletons.x[:2, :, 0, 0], batch.label[:2], strict=True):
        assert torch.equal(label == 0, (row > 1.95) & (row < 2.95))
    assert batch.skeletons.x[0, 0, 0, 0] != batch.skeletons.x[1, 0, 0, 0]
    long = training_windows(
        data, torch.tensor([0]), labels, replace(PLAIN, window=6), torch.Generator().manual_seed(0)
    )
    assert (
        long.real.sum() == 40
        and (long.label[~long.real] == -1).all()
        and not long.skeletons.score[0, 40:].any()
    )
    drawn = draw_windows(data, torch.tensor([0, 1]), PLAIN, torch.Generator().manual_seed(0))
    assert sorted(drawn.tolist()) == [0, 0, 1, 1]


def test_every_setting_changes_what_is_seen() -> None:
    data = small()
    labels = FrameLabels(data, FrameTarget())
    changes = {
        "fps": 20.0, "window": 1.0, "streams": ("bone",), "centre": "body", "scale": "body", "stretch": 0.5,
        "gap": 0.05,
        "augment": Augment(rotate=0, scale=0.5),
    }  # fmt: skip
    assert set(changes) == {f.name for f in fields(FrameInput)}
    before = training_windows(
        data, torch.tensor([0]), labels, PLAIN, torch.Generator().manual_seed(0)
    ).skeletons.x
    for name, value in changes.items():
        shown = replace(PLAIN, **{name: value})
        x = training_windows(
            data, torch.tensor([0]), labels, shown, torch.Generator().manual_seed(0)
        ).skeletons.x
        assert x.shape != before.shape or not torch.allclose(x, before), name
    assert replace(PLAIN, streams=("joint", "velocity")).channels(3) == 6
    for wrong in ({"fps": 0}, {"window": -1}, {"stretch": 1.0}, {"streams": ("angles",)}, {"centre": "mean"}):
        with pytest.raises(ConfigError):
            replace(PLAIN, **wrong)


def test_parts() -> None:
    data = small()
    data.splits = {"user/train": np.array([0, 1, 2]), "user/test": np.array([1])}
    assert find_train_part(data) == "user/train" and find_test_part(data, "user/train") == "user/test"
    assert (
        find_test_part(data, "all") == ""
        and find_train_part(data, "all") == "all"
        and find_test_part(data, "x", "y") == "y"
    )
    assert [v.tolist() for v in choose_recordings(data)] == [[0, 1], []]
    assert [v.tolist() for v in choose_recordings(data, val="b")] == [[0], [1]]
    assert [v.tolist() for v in choose_recordings(data, val="user/test")] == [[0], [1]]
    train, val = choose_recordings(data, val="0.5")
    assert len(train) == len(val) == 1
    others = {tuple(choose_recordings(data, val="0.5", seed=s)[1].tolist()) for s in range(8)}
    assert others == {(0,), (1,)}
    for wrong in ("z", "1.5", "a,b"):
        with pytest.raises(ConfigError):
            choose_recordings(data, val=wrong)
    data.splits["other/train"] = np.array([0])
    with pytest.raises(ConfigError, match="several training parts"):
        find_train_part(data)


def test_time_is_stretched_up_to_the_setting_both_ways() -> None:
    data, clips = small(), torch.zeros(400, dtype=torch.int64)
    shown = replace(PLAIN, window=1, stretch=0.2)
    labels = FrameLabels(data, FrameTarget())
    batch = training_windows(data, clips, labels, shown, torch.Generator().manual_seed(0))
    speed = (batch.skeletons.x[:, 4, 0, 0] - batch.skeletons.x[:, 2, 0, 0]) / 0.2
    assert speed.min() == pytest.approx(0.8, abs=0.01) and speed.max() == pytest.approx(1.2, abs=0.01)


def test_an_epochs_windows_come_in_the_order_of_the_generator() -> None:
    data, clips = small(), torch.arange(3)
    first, same, other = (
        draw_windows(data, clips, PLAIN, torch.Generator().manual_seed(seed)).tolist() for seed in (0, 0, 1)
    )
    assert first == same != other and sorted(first) == sorted(other)
