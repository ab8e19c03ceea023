"""A long video in parts gives what one process sees, whatever the parts begin with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from onnx_models import spots, yolo

from skelact.errors import DataError
from skelact.io.store import read_store
from skelact.io.video import open_video, write_video
from skelact.layouts import get_layout
from skelact.pose import long_video, renewal
from skelact.pose.agreement import Agreement, match_names
from skelact.pose.estimator import Detection
from skelact.pose.estimators import available_estimator, find_estimator
from skelact.pose.extract import extract_video
from skelact.pose.extract_many import extract_many
from skelact.pose.long_video import Part, PartsLook, find_marks, join, look_at_part
from skelact.pose.look import Look, look_at
from skelact.pose.renewal import Marks
from skelact.pose.seen_files import SeenReader, SeenWriter

FPS = 10


def person(x: float, track: int | None = 0, score: float = 1.0) -> Detection:
    xyz = np.full((17, 3), x, np.float32)
    return Detection(xyz, np.full(17, score, np.float32), xyz[:, :2], track)


class Drift:
    """Sees everybody a little off, less and less from where it began; who came late gets the next name."""

    layout, unit, follows = get_layout("coco17"), "image", True

    def __init__(self, off: float, seconds: float) -> None:
        self.off, self.seconds = off, seconds
        self.began: float | None = None
        self.names: dict[str, int] = {}

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        self.began = time if self.began is None else self.began
        off = self.off * np.exp(-(time - self.began) / self.seconds) * (self.began > 0)
        here = {"a": (0.0, 6.0, 0.2), "b": (2.0, 99.0, 0.5), "c": (25.0, 99.0, 0.8)}
        seen = [(name, x) for name, (come, go, x) in here.items() if come <= time < go]
        for name, _ in seen:
            self.names.setdefault(name, len(self.names))
        return [person(x + 0.001 * time + off, self.names[name]) for name, x in seen]

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class DriftLook(Look):
    off: float = 0.01
    seconds: float = 1.0

    def make(self):
        return Drift(self.off, self.seconds)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 seconds."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    write_video(path, [np.full((48, 64, 3), i % 250, np.uint8) for i in range(40 * FPS)], FPS)
    return path


def in_parts(clip: Path, folder: Path, look: Look, marks: tuple[float, ...] = (10.0, 20.0)) -> list[Part]:
    cuts = (0.0, *marks)
    parts = [
        Part(i, str(clip), look, str(folder), max(0, cut - 2.5), cut, until, None, 0)
        for i, (cut, until) in enumerate(zip(cuts, (*marks, None), strict=True))
    ]
    for part in reversed(parts):  # as those that run side by side: what a part looks into is there
        assert look_at_part(part) == ""
    return parts


LOOK = DriftLook("drift", "many", "pose", "image")


@pytest.mark.parametrize(
    ("look", "joined"),
    [
        (LOOK, [10.5, 20.5]),  # within the overlap they have come together
        (replace(LOOK, seconds=2.0), [12.6, 22.6]),  # a little later: the part before goes on until then
        (replace(LOOK, seconds=1e6), [None]),  # never: the first goes on to the end
    ],
)
def test_parts_are_joined_where_they_agree(
    clip: Path, tmp_path: Path, look: DriftLook, joined: list[float | None]
) -> None:
    parts = in_parts(clip, tmp_path, look)
    where = [(SeenReader(part.path(part.number)).facts() or {})["joined"] for part in parts]
    assert where[2] is None
    for found, expected in zip(where, joined, strict=False):
        assert (found is None) if expected is None else found == pytest.approx(expected, abs=0.25)
    seen, whole = join(parts), look_at(clip, look)
    assert np.array_equal(seen.times, whole.times) and len(seen.times) == 400
    assert seen.facts == whole.facts
    for one, other in zip(seen.found, whole.found, strict=True):
        # "b" is the first whom the second part sees, "c" comes in the third: their names go on
        assert [d.track_id for d in one] == [d.track_id for d in other]
        assert all(np.abs(a.xyz - b.xyz).max() <= 1e-3 for a, b in zip(one, other, strict=True))


def test_a_part_that_is_there_is_not_done_again(clip: Path, tmp_path: Path) -> None:
    parts = in_parts(clip, tmp_path, LOOK, (20.0,))

    @dataclass(frozen=True)
    class Never(DriftLook):
        def make(self):
            raise AssertionError

    again = [replace(part, look=Never("drift", "many", "pose", "image")) for part in parts]
    assert [look_at_part(part) for part in again] == ["", ""]
    (tmp_path / "part0" / "done.json").unlink()  # it was interrupted
    assert "AssertionError" in look_at_part(again[0]) and look_at_part(again[1]) == ""
    look = PartsLook((20.0,), str(tmp_path / "kept"))
    look._prepare(parts)
    (tmp_path / "kept" / "part1").mkdir()
    look._prepare(parts)
    assert (tmp_path / "kept" / "part1").exists()
    look._prepare([replace(parts[0], cut=1.0), parts[1]])  # other parts, or another file: begin anew
    assert not (tmp_path / "kept" / "part1").exists()
    (tmp_path / "kept" / "part1").mkdir()
    replace(look, resume=False)._prepare(parts)
    assert not (tmp_path / "kept" / "part1").exists()


def test_agreement_needs_the_same_people_for_a_while() -> None:
    one = Agreement()
    assert not one.reached(0.0, [person(0.5)], [person(0.5, 3)])
    assert not one.reached(0.4, [person(0.5)], [person(0.5005, 3)])
    assert one.reached(0.5, [person(0.5)], [person(0.5, 3)])
    for ours, theirs in (
        ([person(0.5)], [person(0.502, 3)]),
        ([person(0.5)], [person(0.5, 3, 0.9)]),
        ([person(0.5)], [person(0.5, 3), person(0.9, 4)]),
        ([person(0.5)], [person(0.5, 2)]),  # somebody else by name
        ([], [person(0.5, 3)]),
    ):
        assert not one.reached(0.6, ours, theirs)
        assert not one.reached(0.7, [person(0.5)], [person(0.5, 3)])  # it begins anew
        assert one.reached(1.2, [person(0.5)], [person(0.5, 3)])
    frames = [([person(0.1, 0), person(0.5, 4)], [person(0.5, 0), person(0.1, 1)])] * 3
    assert match_names([*frames, ([person(0.1, 0)], [person(0.1, 0)])]) == {0: 4, 1: 0}


def test_what_was_seen_is_read_as_it_was_written(tmp_path: Path) -> None:
    writer, reader = SeenWriter(tmp_path / "p"), SeenReader(tmp_path / "p")
    for i in range(40):
        writer.add(i / 10, [person(0.1, 5), person(0.2, None)] if i % 2 else [])
    assert reader.more() and len(reader.frames) == 32 and not reader.more() and reader.facts() is None
    writer.finish(joined=3.0)
    assert len(reader.everything()) == 40 and reader.facts() == {"joined": 3.0}
    time, people = reader.frames[39]
    assert (
        time == 3.9
        and [one.track_id for one in people] == [5, None]
        and people[1].xyz[0, 0] == np.float32(0.2)
    )
    (tmp_path / "p" / "000000.npz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"000000\.npz.*delete the folder"):
        SeenReader(tmp_path / "p").more()


@pytest.fixture
def close_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks every ten seconds, for short videos."""
    for module in (renewal, long_video):
        monkeypatch.setattr(module, "EVERY_SECONDS", 10.0)


def test_marks_are_where_the_parts_take_alike(clip: Path, close_marks: None) -> None:
    assert find_marks(str(clip), 2) == (20.0,) and find_marks(str(clip), 1) == ()
    assert find_marks(str(clip), 8) == (20.0,)  # 20 seconds for each at least
    assert find_marks(str(clip), 2, seconds=30) == () and find_marks("0", 2) == ()
    marks = Marks()
    assert [marks.due(t) for t in (9.5, 9.9, 10.0, 10.5)] == [False, False, True, True]
    marks.done()
    assert [marks.due(t) for t in (10.6, 19.9, 20.1, 21.2)] == [False, False, True, False]


@pytest.mark.slow
def test_two_processes_see_what_one_sees(tmp_path: Path, close_marks: None) -> None:
    """Through `extract`: the same joints, names and times; the bar counts frames."""
    places = np.array([[[40, 40], [60, 30], [50, 60]], [[200, 50], [230, 60], [215, 90]]], float)
    frames = []
    for i in range(440):
        two = places + 15 * np.array([np.sin(i / 20), np.cos(i / 30)])
        frames.append(spots((128, 288), two[: 1 if i < 130 else 2], 5.0))
    write_video(tmp_path / "two.mp4", frames, FPS)
    choice = {
        "estimator": str(yolo(tmp_path / "own.onnx", (128, 288))), "pose_layout": "coco17", "coordinates": "image",
    }  # fmt: skip
    found, calls = [], []
    for workers in (1, 2):
        report = extract_many(
            [tmp_path / "two.mp4"], tmp_path / f"{workers}.h5", workers=workers,
            progress=lambda *told: calls.append(told), **choice,
        )  # fmt: skip
        assert report.n_frames == 440 and calls[-1][:2] == (440, 440)
        assert 0 < calls[len(calls) // 2][0] < 440 and calls[len(calls) // 2][1] == pytest.approx(440, abs=15)
        calls.clear()
        found += read_store(tmp_path / f"{workers}.h5")
    one, two = found
    # the made model puts its second person somewhere while there is one; who comes later is somebody else
    assert one.track_ids == two.track_ids == (0, 1, 2)
    assert [int((s > 0).any(1).sum()) for s in two.score] == [440, 130, 310]
    assert np.abs(one.xyz - two.xyz).max() < 1e-3 and np.abs(one.score - two.score).max() < 1e-3
    assert np.array_equal(one.time, two.time) and one.info == two.info
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.slow
def test_landmarkers_that_began_at_different_moments_agree_after_a_mark(
    models, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "EVERY_SECONDS", 2.0)
    for name in ("mediapipe", "auto"):
        if available_estimator(name) != name:
            continue
        seen = []
        for start in (0.0, 1.0):
            estimator = find_estimator(name).make("one", coordinates="world")
            with open_video(videos / "clean_and_jerk.mp4", start=start or None, end=2.6) as video:
                seen.append({round(f.time, 3): estimator.estimate(f.image, f.time) for f in video})
            estimator.close()
        after = [t for t in seen[1] if t >= 2.2]
        assert len(after) > 10
        for t in after:
            (a,), (b,) = seen[0][t], seen[1][t]
            assert np.array_equal(a.xyz, b.xyz) and np.array_equal(a.xy, b.xy)
            assert np.abs(a.score - b.score).max() < 0.05  # MediaPipe's memory of visibility fades
        before = [t for t in seen[1] if 1.5 < t < 1.9]
        assert max(np.abs(seen[0][t][0].xyz - seen[1][t][0].xyz).max() for t in before) > 1e-3  # or no need


@pytest.mark.slow
def test_a_real_video_in_two_parts(models, videos: Path, tmp_path: Path) -> None:
    path = videos / "walk_in_one_by_one.mp4"
    marks = find_marks(str(path), 2)
    assert marks == (60.0,)
    whole = extract_video(path, people="one")
    parts = extract_video(path, people="one", look=PartsLook(marks, str(tmp_path / "parts")))
    # the same people in the same order; numbers that a tracker gave to nobody in the end are not given
    assert parts.n_people == whole.n_people and np.array_equal(parts.time, whole.time)
    assert np.abs(parts.xyz - whole.xyz).max() < 1e-3 and np.abs(parts.score - whole.score).max() < 1e-3
