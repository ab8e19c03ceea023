"""Batches of video: which moments, which part of the picture, and what becomes of files that cannot be read."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from motion_pictures import pan

from skelact.datasets.clip_reading import ClipSampling, Framing, follow_boxes
from skelact.datasets.clip_table import Clip, ClipTable
from skelact.datasets.clips import VideoClips
from skelact.errors import ConfigError, DataError
from skelact.io.video import write_video
from skelact.io.video_frames import frame_times, read_frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    for k, label in enumerate(["run", "run", "walk"]):
        write_video(root / label / f"{k}.mp4", pan(30 + 5 * k, (k, 1), 48, 64, seed=k), 25)
    return root


# --- which moments ---


def test_dense_moments() -> None:
    dense = ClipSampling(n_frames=5, stride=0.1)
    np.testing.assert_allclose(dense.moments(2.0, 3.0, np.array([0.0])), 2 + 0.1 * np.arange(5))
    np.testing.assert_allclose(dense.moments(2.0, 3.0, np.array([1.0])), 2.6 + 0.1 * np.arange(5))
    np.testing.assert_allclose(dense.moments(0.0, 0.25, np.array([0.7])), [0, 0.1, 0.2, 0.25, 0.25])
    views = ClipSampling(n_frames=5, stride=0.1, views=3)
    np.testing.assert_allclose(views.moments(2.0, 3.0, views.test_shares())[:, 0], [2.0, 2.3, 2.6])


def test_one_row_of_frames_from_each_segment() -> None:
    segments = ClipSampling(kind="segments", segments=3, n_frames=2, stride=0.1)
    assert segments.length == 6
    middle = segments.moments(1.0, 4.0, segments.test_shares())
    np.testing.assert_allclose(middle, [[1.45, 1.55, 2.45, 2.55, 3.45, 3.55]])
    for seed in range(20):
        shares = np.random.default_rng(seed).random(3)
        rows = segments.moments(1.0, 4.0, shares).reshape(3, 2)
        assert (np.floor(rows[:, 0]) == [1, 2, 3]).all() and (rows[:, 1] <= [2, 3, 4]).all()


@pytest.mark.parametrize("wrong", [{"kind": "sparse"}, {"n_frames": 0}, {"stride": 0.0}, {"views": 0}])
def test_sampling_that_cannot_be(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        ClipSampling(**wrong)


# --- which part of the picture ---


def test_squares_follow_a_person_smoothly() -> None:
    t = np.arange(0, 2, 0.1)
    jitter = np.random.default_rng(0).normal(0, 3, len(t))
    boxes = np.stack([t, 100 + 50 * t + jitter, 40 + 0 * t, 120 + 50 * t + jitter, 100 + 0 * t], 1)
    squares = follow_boxes(boxes, np.linspace(0.5, 1.5, 40), margin=0.25, smooth=0.2)
    np.testing.assert_allclose(squares[:, 2] - squares[:, 0], squares[:, 3] - squares[:, 1])
    np.testing.assert_allclose(squares[:, 2] - squares[:, 0], 60 * 1.5)
    centre = squares[:, [0, 2]].mean(1)
    assert np.abs(centre - (110 + 50 * np.linspace(0.5, 1.5, 40))).max() < 3
    assert np.diff(centre, 2).std() < 0.2 * np.diff(jitter, 2).std() / 16
    np.testing.assert_allclose(squares[:, [1, 3]].mean(1), 70)
    far = follow_boxes(boxes, np.array([-5.0, 9.0]), 0.0, 0.1)
    np.testing.assert_allclose(far[0, [0, 2]].mean(), boxes[0, [1, 3]].mean())


def test_person_crops_are_what_the_boxes_say(folder: Path) -> None:
    boxes = np.array([[0.0, 10, 8, 26, 24], [1.0, 10, 8, 26, 24]])
    table = ClipTable(folder, [Clip("run/0.mp4", boxes=boxes), Clip("run/1.mp4")])
    framing = Framing(size=(16, 16), region="person", margin=0.0)
    with VideoClips(table, ClipSampling(n_frames=3), framing, workers=0) as clips:
        (batch,) = clips.batches([0, 1], 2)
    whole = read_frames(folder / "run/0.mp4", indices=[14])[0]
    at = int(np.abs(frame_times(folder / "run/0.mp4") - 0.56).argmin())
    assert at == 14
    shown = batch.frames[0].numpy()
    assert any((frame == whole[8:24, 10:26]).all() for frame in shown)
    assert clips.failed == {1: f"{folder}/run/1.mp4: the clip has no boxes, and framing.region is 'person'"}


def test_the_middle_is_cut_in_the_sizes_shape(folder: Path) -> None:
    table = ClipTable(folder, [Clip("run/0.mp4")])
    with VideoClips(
        table, ClipSampling(n_frames=1), Framing(size=(48, 48), aspect="cut"), workers=0
    ) as clips:
        (batch,) = clips.batches([0], 1)
    frames = read_frames(folder / "run/0.mp4", indices=range(30))[:, :, 8:56]
    assert any((batch.frames[0, 0].numpy() == frame).all() for frame in frames)


# --- tables ---


def test_tables_from_folders_and_files(folder: Path, tmp_path: Path) -> None:
    table = ClipTable.from_folder(folder)
    assert [c.video for c in table] == ["run/0.mp4", "run/1.mp4", "walk/2.mp4"]
    assert table.label_names == ("run", "walk") and table.labels.tolist() == [0, 0, 1]
    boxes = np.array([[0.0, 1, 2, 3, 4], [0.5, 2, 3, 4, 5.25]])
    made = ClipTable(folder, [Clip("run/0.mp4", 0.1, 0.9, "run", "anna", boxes), Clip("walk/2.mp4")])
    made.to_csv(tmp_path / "a.csv", boxes=str(tmp_path / "b.csv"))
    back = ClipTable.from_csv(tmp_path / "a.csv", folder, boxes=str(tmp_path / "b.csv"))
    assert back.clips == made.clips and back.root == folder and back[1].boxes is None
    np.testing.assert_array_equal(back[0].boxes, boxes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video,start,end\na.mp4,2,1\n", "line 2: a.mp4: a clip from 2.0 s to 1.0 s has no length"),
        ("film\na.mp4\n", "no column 'video'"),
        ("video,start\na.mp4,x\n", "line 2"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        ClipTable.from_csv(tmp_path / "a.csv")


def test_rows_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rising times"):
        Clip("a.mp4", boxes=np.array([[1.0, 0, 0, 1, 1], [1.0, 0, 0, 1, 1]]))
    with pytest.raises(DataError, match=r"\[n, 5\]"):
        Clip("a.mp4", boxes=np.zeros((2, 4)))
    with pytest.raises(DataError, match="'walk' is not one of run"):
        ClipTable(tmp_path, [Clip("a.mp4", label="walk")], ["run"])
    with pytest.raises(DataError, match="no video"):
        ClipTable.from_folder(tmp_path)


# --- batches ---

SMALL = Framing(size=(24, 32))


def test_batches_and_views(folder: Path) -> None:
    table = ClipTable.from_folder(folder)
    with VideoClips(table, ClipSampling(n_frames=4, views=2), SMALL, workers=0) as clips:
        batches = list(clips.batches([2, 0, 1], 2))
    assert [tuple(b.frames.shape) for b in batches] == [(4, 4, 24, 32, 3), (2, 4, 24, 32, 3)]
    assert batches[0].frames.dtype == torch.uint8
    assert batches[0].row.tolist() == [2, 2, 0, 0] and batches[0].label.tolist() == [1, 1, 0, 0]
    first = read_frames(folder / "walk/2.mp4", 0.04 * np.arange(4), size=(24, 32))
    np.testing.assert_array_equal(batches[0].frames[0].numpy(), first)
    assert not torch.equal(batches[0].frames[0], batches[0].frames[1])


def test_parts_of_a_video_stay_within_it(folder: Path) -> None:
    table = ClipTable(folder, [Clip("run/0.mp4", 0.4, 0.6)])
    with VideoClips(table, ClipSampling(n_frames=9, stride=0.04), SMALL, workers=0) as clips:
        (batch,) = clips.batches([0], 1)
    wanted = read_frames(folder / "run/0.mp4", indices=[10, 11, 12, 13, 14, 14, 14, 14, 14], size=(24, 32))
    np.testing.assert_array_equal(batch.frames[0].numpy(), wanted)


def test_workers_give_what_this_process_gives_and_repeat(folder: Path) -> None:
    (folder / "walk" / "bad.mp4").write_bytes(b"no video")
    table = ClipTable.from_folder(folder)
    rows = [0, 3, 1, 2, 1, 0, 2, 2]
    assert table[3].video == "walk/bad.mp4"

    def read(workers: int, seed: int) -> list:
        with VideoClips(table, ClipSampling(n_frames=4), SMALL, workers=workers) as clips:
            draw = torch.Generator().manual_seed(seed)
            batches = list(clips.batches(rows, 3, training=True, generator=draw))
            assert list(clips.failed) == [3] and "bad.mp4 cannot be read" in clips.failed[3]
            again = [b.row.tolist() for b in clips.batches(rows, 3)]
        assert again == [[0, 1, 2], [1, 0, 2], [2]]  # left out from the start
        return batches

    here, there, other = read(0, 7), read(2, 7), read(0, 8)
    assert [b.row.tolist() for b in here] == [[0, 1], [2, 1, 0], [2, 2]]
    assert all(torch.equal(a.frames, b.frames) and torch.equal(a.row, b.row) for a, b in zip(here, there))  # noqa: B905
    assert not all(torch.equal(a.frames, b.frames) for a, b in zip(here, other, strict=True))


def test_a_killed_worker_is_replaced(folder: Path) -> None:
    table = ClipTable.from_folder(folder)
    with VideoClips(table, ClipSampling(n_frames=4), SMALL, workers=1, ahead=1) as clips:
        seen = []
        for k, batch in enumerate(clips.batches([0, 1, 2] * 4, 2)):
            seen += batch.row.tolist()
            if k == 1:
                assert clips._pool is not None
                os.kill(clips._pool._workers[0].process.pid or 0, signal.SIGKILL)
        assert seen == [0, 1, 2] * 4 and not clips.failed


def test_leaving_early_and_going_on(folder: Path) -> None:
    table = ClipTable.from_folder(folder)
    with VideoClips(table, ClipSampling(n_frames=4), SMALL, workers=1) as clips:
        for _ in clips.batches([0, 1, 2] * 5, 1):
            break
        assert [b.row.tolist() for b in clips.batches([2, 0], 1)] == [[2], [0]]
        workers = [w.process for w in clips._pool._workers] if clips._pool else []
    assert workers and not any(process.is_alive() for process in workers)


def test_nothing_that_can_be_read(folder: Path) -> None:
    table = ClipTable(folder, [Clip("none.mp4"), Clip("run/0.mp4", start=50.0)])
    with VideoClips(table, workers=0) as clips, pytest.raises(DataError, match=r"none of 2 clips.*none\.mp4"):
        list(clips.batches([0, 1], 2))
    assert "ends at 1.160 s, before its clip begins" in clips.failed[1]
    with pytest.raises(ConfigError, match="workers"):
        VideoClips(table, workers=-1)


def test_reading_needs_no_torch() -> None:
    """Worker processes are small and start soon."""
    import subprocess

    code = (
        "import sys, skelact.datasets.clip_reading; print([m for m in ('torch', 'cv2') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
