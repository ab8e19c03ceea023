"""Folders of videos become one file, whatever happens on the way."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import ConfigError, DataError, DependencyError
from skelact.io.store import StoreWriter
from skelact.io.video import write_video
from skelact.layouts import get_layout
from skelact.pose.estimator import Detection
from skelact.pose.extract import extract_video
from skelact.pose.extract_many import FrameCount, extract_many
from skelact.pose.tasks import VideoResult, VideoTask, find_tasks
from skelact.pose.workers import run_in_workers


class Fake:
    """An estimator of one's own: a person who walks, and one who flickers by."""

    layout, unit, follows = get_layout("pose33"), "image", True

    def __init__(self) -> None:
        self.n = 0
        self.closed = False

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        self.n += 1
        xyz = np.random.default_rng(0).random((33, 3)).astype(np.float32) + 0.01 * self.n
        found = [Detection(xyz, np.full(33, 0.9, np.float32), xyz[:, :2], 7)] if self.n > 5 else []
        if self.n in (10, 11):
            found.append(Detection(xyz, np.ones(33, np.float32), xyz[:, :2], 9))
        return found

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, [np.full((48, 64, 3), 9 * i, np.uint8) for i in range(20)], 20)
    return path


def test_another_estimator_needs_only_the_protocol(clip: Path) -> None:
    fake = Fake()
    calls = []
    skeleton = extract_video(
        clip, estimator=fake, people="one", smooth=False, progress=lambda *a: calls.append(a)
    )
    assert skeleton.xyz.shape == (1, 20, 33, 3) and skeleton.track_ids == (7,)  # the flicker is gone
    assert (skeleton.score[0, :5] == 0).all() and (skeleton.score[0, 5:] > 0).all()
    assert skeleton.time == pytest.approx(np.arange(20) / 20)
    assert (skeleton.fps, skeleton.id, skeleton.unit) == (20.0, "clip", "image")
    assert (skeleton.info["width"], skeleton.info["height"], skeleton.info["mirrored"]) == (64, 48, False)
    assert calls[-1] == (20, 20, "clip.mp4") and not fake.closed


def test_nobody_is_an_empty_recording(clip: Path, models) -> None:
    skeleton = extract_video(clip, people="one")
    assert skeleton.xyz.shape == (0, 20, 33, 3)
    assert skeleton.n_frames == 20


def test_the_picture_is_kept_beside_metres(models, videos: Path) -> None:
    world = extract_video(videos / "sign_help.mkv", people="one", seconds=0.5)
    picture = world.in_picture()
    assert (world.unit, picture.unit) == ("m", "image")
    assert picture.xyz.shape == (1, 15, 33, 2) and world.xyz.shape == (1, 15, 33, 3)
    assert np.array_equal(world.score, picture.score)
    assert (world.score[0, :, world.layout.positions("left_ankle")] == 0).all()  # below the picture's border


def test_joints_that_are_hardly_visible_are_missing(clip: Path) -> None:
    class Unsure(Fake):
        def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
            xyz = np.random.default_rng(0).random((33, 3)).astype(np.float32)
            return [Detection(xyz, np.linspace(0.05, 1, 33, dtype=np.float32), xyz[:, :2], 7)]

    for least in (0.1, 0.5):
        found = extract_video(clip, estimator=Unsure(), people="one", min_visibility=least)
        assert ((found.score == 0) == (np.linspace(0.05, 1, 33, dtype=np.float32) < least)).all()
        assert (found.xyz[found.score == 0] == 0).all()
    with pytest.raises(ConfigError, match=r"0\.\.1"):
        extract_video(clip, min_visibility=2)


def test_another_estimators_metres_are_placed_unless_they_have_the_trajectory(clip: Path) -> None:
    body, place = np.random.default_rng(0).uniform(-0.5, 0.5, (33, 3)), np.array([0.2, 0.1, 3.0])

    class Metres(Fake):
        unit = "m"

        def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
            at = body + place
            xy = 0.5 - at[:, :2] / at[:, 2:] / np.tan(np.radians(30)) / 2 * [1, 64 / 48]
            return [Detection(body.astype(np.float32), np.ones(33, np.float32), xy.astype(np.float32), 7)]

    class Placed(Metres):
        origin = "camera"

    found = extract_video(clip, estimator=Metres(), people="one", smooth=False)
    assert found.origin == "camera" and found.info["fov"] == 60
    placed = extract_video(clip, estimator=Placed(), people="one", smooth=False)
    assert placed.origin == "camera" and "fov" not in placed.info
    assert np.abs((found.xyz - placed.xyz).mean((0, 1, 2)) - place).max() < 0.3
    assert np.array_equal(found.in_picture().xyz, placed.in_picture().xyz)
    about = extract_video(clip, estimator=Metres(), people="one", smooth=False, coordinates="world")
    assert about.origin == "hips" and np.array_equal(about.xyz, placed.xyz)


def test_wrong_options_are_refused_before_work(clip: Path, tmp_path: Path) -> None:
    for wrong in ({"people": "two"}, {"parts": "face"}, {"coordinates": "polar"}, {"fov": 200}):
        with pytest.raises(ConfigError):
            extract_video(clip, **wrong)
        with pytest.raises(ConfigError):
            extract_many([clip], tmp_path / "x.h5", **wrong)
    with pytest.raises(ConfigError, match="regular expression"):
        find_tasks([clip], subject_pattern="(")
    assert not (tmp_path / "x.h5").exists()


def test_tasks_have_labels_subjects_and_distinct_ids(tmp_path: Path) -> None:
    for name in ("wave/anna_1.mp4", "wave/ben_1.avi", "clap/anna_1.mp4", "clap/notes.txt", "loose.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "clap" / "anna_1.mkv").touch()
    tasks = find_tasks([tmp_path, tmp_path / "loose.mp4"], subject_pattern=r"([a-z]+)_\d")
    assert [(t.id, t.label, t.subject) for t in tasks] == [
        ("clap/anna_1.mkv", "clap", "anna"), ("clap/anna_1.mp4", "clap", "anna"), ("loose.mp4", None, None),
        ("wave/anna_1", "wave", "anna"), ("wave/ben_1", "wave", "ben"), ("loose.mp4-2", None, None),
    ]  # fmt: skip
    assert all(t.label is None for t in find_tasks([tmp_path], labels_from_folders=False))
    named = tmp_path / "loose" / "my_videos"  # the given folder's own name is looked at last
    (named / "wave").mkdir(parents=True)
    (named / "wave" / "anna_wave.mp4").touch()
    assert [t.subject for t in find_tasks([named], subject_pattern="([a-z]+)_")] == ["anna"]
    assert [t.subject for t in find_tasks([named], subject_pattern="(my)_")] == ["my"]
    assert [t.subject for t in find_tasks([named], subject_pattern="/([a-z]+)_")] == ["anna"]
    (tmp_path / "empty").mkdir()
    for wrong, words in ((tmp_path / "empty", "holds no video"), (tmp_path / "gone", "no file or folder")):
        with pytest.raises(DataError, match=words):
            find_tasks([wrong])


@pytest.fixture
def folder(tmp_path: Path, videos: Path) -> Path:
    """Two short real clips, one file that is no video and one without people."""
    from skelact.io.video import open_video

    root = tmp_path / "set"
    for name, label in (("sign_help.mkv", "help"), ("sign_eat.mkv", "eat")):
        (root / label).mkdir(parents=True)
        with open_video(videos / name, end=0.5) as video:
            write_video(root / label / f"{Path(name).stem}.mp4", list(video), 30)
    (root / "eat" / "bad.mp4").write_text("no video")
    write_video(root / "eat" / "nobody.mp4", [np.zeros((64, 64, 3), np.uint8)] * 12, 30)
    return root


def read_ids(path: Path) -> dict[str, str | None]:
    """Ids and labels that a file holds, read without the library."""
    import h5py

    with h5py.File(path) as file:
        names = json.loads(file.attrs["label_names"])
        ids = [i.decode() for i in file["clips/id"][:]]
        return dict(zip(ids, [names[k] for k in file["clips/label"][:]], strict=True))


def test_folder_to_file(models, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "set.h5"
    calls = []
    report = extract_many(
        [folder], out, workers=2, people="one", coordinates="image", subject_pattern=r"sign_(\w)",
        progress=lambda *a: calls.append(a),
    )  # fmt: skip
    assert sorted(report.stored) == ["eat/sign_eat", "help/sign_help"]
    assert [Path(p).name for p in report.failed] == ["bad.mp4"]
    assert "cannot be read as a video" in report.failed[str(folder / "eat" / "bad.mp4")]
    assert [Path(p).name for p in report.empty] == ["nobody.mp4"]
    assert report.found["eat/sign_eat"] > 0.9 and report.n_people["help/sign_help"] == 1
    done, total, what = calls[-1]
    assert done == total == report.n_frames == 42 and "(4 of 4 videos)" in what
    assert any(0 < done < 42 for done, _, _ in calls)
    assert read_ids(out) == {"eat/sign_eat": "eat", "help/sign_help": "help"}
    assert not list(tmp_path.glob("*.partial"))
    with pytest.raises(DataError, match="exists"):
        extract_many([folder], out, workers=1, people="one", coordinates="image")
    report.to_dict()


def test_frames_are_counted_over_videos_side_by_side() -> None:
    told: list[tuple[int, int, str]] = []
    count = FrameCount(lambda *a: told.append(a), 4)
    count.within(10, 100, "a")
    count.within(20, 60, "b")
    assert told == [(10, 400, "a (0 of 4 videos)"), (30, 320, "b (0 of 4 videos)")]
    count.finished("a", 100)
    count.finished("c", 0)  # could not be read
    assert told[-1] == (120, 240, "c (2 of 4 videos)")
    count.finished("b", 62)
    count.finished("d", 50)
    assert told[-1] == (212, 212, "d (4 of 4 videos)")


def test_pictures_too_small_are_refused_with_a_word(tmp_path: Path) -> None:
    write_video(tmp_path / "small.mp4", [np.zeros((16, 64, 3), np.uint8)] * 12, 30)
    words = r"small\.mp4 has pictures of 64x16 pixels, too small.*at least 32 pixels"
    with pytest.raises(DataError, match=words):
        extract_video(tmp_path / "small.mp4", estimator=Fake(), people="one")
    with pytest.raises(DataError, match=words):
        extract_many([tmp_path / "small.mp4"], tmp_path / "x.h5", workers=1, people="one")


def test_resume_does_only_what_is_left(models, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "set.h5"
    done = extract_video(folder / "eat" / "sign_eat.mp4", people="one", coordinates="image").with_(
        id="eat/sign_eat", label="eat"
    )
    with pytest.raises(KeyboardInterrupt), StoreWriter(out, layout="pose33", unit="image", resume=True) as w:
        w.append(done)
        raise KeyboardInterrupt
    assert out.with_name("set.h5.partial").exists()
    report = extract_many([folder], out, workers=1, people="one", coordinates="image")
    assert report.already_there == ["eat/sign_eat"] and report.stored == ["help/sign_help"]
    assert set(read_ids(out)) == {"eat/sign_eat", "help/sign_help"}


@pytest.mark.slow
def test_nothing_found_leaves_nothing(models, tmp_path: Path) -> None:
    write_video(tmp_path / "dark.mp4", [np.zeros((64, 64, 3), np.uint8)] * 12, 30)
    with pytest.raises(DataError, match=r"dark\.mp4: nobody is found"):
        extract_many([tmp_path / "dark.mp4"], tmp_path / "out.h5", workers=1, people="one")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dark.mp4"]


# --- workers ---


def slow_task(task: VideoTask, progress=None) -> VideoResult:
    """Waits, or dies, as its options say (runs in the worker process)."""
    if task.options.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if "pid_file" in task.options:
        Path(task.options["pid_file"]).write_text(str(os.getpid()))
    time.sleep(task.options.get("sleep", 0.0))
    return VideoResult(task.id, task.source, n_frames=1)


@pytest.mark.slow
def test_killed_worker_is_replaced_and_its_video_done(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    tasks = [VideoTask("v0", "0", options={"sleep": 1.5, "pid_file": str(pid_file)})]
    tasks += [VideoTask(f"v{i}", str(i)) for i in range(1, 5)]

    def kill() -> None:
        for _ in range(400):
            if pid_file.exists() and pid_file.read_text():
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    results = list(run_in_workers(tasks, 2, function=slow_task))
    killer.join()
    assert sorted(r.id for r in results) == list("01234")
    assert all(r.error is None for r in results)


def test_video_that_always_kills_is_listed() -> None:
    tasks = [VideoTask("bad", "0", options={"die": True}), VideoTask("good", "1"), VideoTask("fine", "2")]
    results = {r.source: r.error for r in run_in_workers(tasks, 1, function=slow_task)}
    assert results["good"] is None and results["fine"] is None
    assert "SIGKILL" in str(results["bad"])


def failing_task(task: VideoTask, progress=None) -> VideoResult:
    """What would go wrong with every video."""
    raise DependencyError("no model")


def test_what_concerns_all_stops_all() -> None:
    with pytest.raises(DependencyError, match="no model"):
        list(run_in_workers([VideoTask("a", "0"), VideoTask("b", "1")], 1, function=failing_task))


@pytest.mark.slow
def test_dask_cluster_of_two_processes(models, folder: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        report = extract_many(
            [folder], tmp_path / "set.h5", people="one", coordinates="image", dask=cluster.scheduler_address
        )
    assert sorted(report.stored) == ["eat/sign_eat", "help/sign_help"]
    assert len(report.failed) == 1 and len(report.empty) == 1
    assert set(read_ids(tmp_path / "set.h5")) == {"eat/sign_eat", "help/sign_help"}


def test_no_dask_scheduler_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def refuse(*_, **__):
        raise OSError("connection refused")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(DependencyError, match="dask scheduler"):
        extract_many([folder], tmp_path / "set.h5", dask="tcp://127.0.0.1:1")


@pytest.mark.slow
def test_who_comes_after_an_empty_room_is_somebody_else(models, videos: Path) -> None:
    clip = extract_video(videos / "walk_in_one_by_one.mp4", people="one")
    seen = [(np.flatnonzero(row.any(-1))[0], np.flatnonzero(row.any(-1))[-1]) for row in clip.score]
    assert clip.n_people == 6 and len(set(clip.track_ids)) == 6
    assert all(a[1] < b[0] for a, b in itertools.pairwise(seen))  # one after the other
