"""Metres of bodies in a picture without depth, and recordings watched as if live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bodies import FPS, Way, scene

from skelact.benchmark.falls import camera_of, fall_begin, measure_falls, score_falls
from skelact.datasets.synthetic.everyday import falls, moves
from skelact.io.store import write_store
from skelact.layouts import get_layout
from skelact.monitor.flat import PictureMetres
from skelact.monitor.people import LivePeople
from skelact.monitor.replay import replay
from skelact.pose.estimator import Detection
from skelact.skeleton import Skeleton

SIZE, FOV = (640, 480), 60.0
COCO, LAYOUT = get_layout("coco17"), get_layout("ntu25")


def standing(distance: float, height: float = 0.0) -> np.ndarray:
    """COCO joints of a body of 1.7 m ``[17, 3]`` in a Kinect's axes, hips at the camera's height plus ``height``."""
    where = {
        "nose": (0, 0.72), "left_eye": (0.03, 0.75), "right_eye": (-0.03, 0.75), "left_ear": (0.07, 0.73),
        "right_ear": (-0.07, 0.73),
        "left_shoulder": (0.18, 0.5), "right_shoulder": (-0.18, 0.5),
        "left_elbow": (0.2, 0.21), "right_elbow": (-0.2, 0.21),
        "left_wrist": (0.2, -0.04), "right_wrist": (-0.2, -0.04),
        "left_hip": (0.13, 0), "right_hip": (-0.13, 0), "left_knee": (0.13, -0.42),
        "right_knee": (-0.13, -0.42),
        "left_ankle": (0.13, -0.83), "right_ankle": (-0.13, -0.83),
    }  # fmt: skip
    return np.array([(*where[name], 0) for name in COCO.joints]) + [0.3, height, distance]


def seen(xyz: np.ndarray) -> np.ndarray:
    """Shares of the picture of joints in camera coordinates."""
    focal = SIZE[0] / 2 / np.tan(np.radians(FOV) / 2)
    return 0.5 - focal * xyz[..., :2] / xyz[..., 2:] / np.array(SIZE)


@pytest.mark.parametrize("distance", [2.0, 4.0, 8.0])
def test_a_body_of_usual_size_is_where_it_is(distance: float) -> None:
    body = standing(distance, -0.2)
    found = PictureMetres(COCO, SIZE, FOV)(seen(body), np.ones(17), 0.0)
    assert found is not None
    assert np.allclose(found, body, atol=0.05 * distance)
    assert np.allclose(found[:, :2], body[:, :2], atol=0.06)


def test_the_scale_outlasts_a_body_that_is_turned_away_and_one_wrong_joint() -> None:
    metres = PictureMetres(COCO, SIZE, FOV, seconds=3.0)
    xy = seen(standing(4.0))
    before = metres(xy, np.ones(17), 0.0)
    short = 0.5 + (xy - 0.5) * 0.4  # much shorter than before: turned away, not further away
    after = metres(short, np.ones(17), 0.5)
    assert before is not None and after is not None and after[0, 2] == pytest.approx(before[0, 2], rel=0.5)
    assert metres(short, np.ones(17), 9.0)[0, 2] > 1.8 * before[0, 2]  # type: ignore[index]
    wrong = xy.copy()
    wrong[COCO.index["left_wrist"]] += 0.5
    one = PictureMetres(COCO, SIZE, FOV)(wrong, np.ones(17), 0.0)
    assert one is not None and one[0, 2] == pytest.approx(before[0, 2], rel=0.1)


def test_too_few_parts_say_nothing() -> None:
    score = np.zeros(17)
    score[[COCO.index["left_shoulder"], COCO.index["left_hip"], COCO.index["left_knee"]]] = 1
    assert PictureMetres(COCO, SIZE, FOV)(seen(standing(3.0)), score, 0.0) is None


def test_people_of_an_estimator_without_depth() -> None:
    people = LivePeople(COCO, SIZE, FOV, seconds=1.0, flat=True)
    for frame in range(60):
        xy = seen(standing(4.0))
        people.see([Detection(np.zeros((17, 3)), np.ones(17), xy, 7)], frame / 30)
    (person,) = people.here(59 / 30)
    assert person.xyz is not None and np.allclose(person.xyz[:, :2], standing(4.0)[:, :2], atol=0.06)
    recording = person.recording(COCO, 0.5, 30.0)
    assert recording is not None and recording.unit == "px" and recording.xyz.shape == (1, 15, 17, 2)
    assert np.allclose(recording.xyz[0, -1], seen(standing(4.0)) * SIZE, atol=1e-3)
    assert len(person.pictures) == len(person.past) <= 31


def recordings(kind: Way, label: str, n: int = 4) -> list[Skeleton]:
    made = []
    for number in range(n):
        xyz = scene(kind, number)[0].astype(np.float32)
        made.append(Skeleton(xyz[None], np.ones(xyz.shape[:2], np.float32)[None], LAYOUT, FPS, label=label,
                             id=f"{label} {number}", info={"subject": 1}))  # fmt: skip
    return made


@pytest.mark.slow
def test_falls_and_false_alarms_of_recordings() -> None:
    fell, walked = recordings(falls.fall_over, "fall"), recordings(moves.sit_down, "sit down")
    row = score_falls(replay(fell + walked, camera_of), ("fall",))
    assert row["clips"] == 8 and row["falls"] == 4 and row["found"] >= 3 and row["false"] == 0
    assert row["hours"] == pytest.approx(sum(s.xyz.shape[1] for s in walked) / FPS / 3600)
    assert row["judged %"] == 100
    blind = score_falls(replay(fell, camera_of), ("nothing",))
    assert blind["falls"] == 0 and blind["false"] >= 3 and blind["by activity"].startswith("fall ")
    assert blind["false/h"] == pytest.approx(blind["false"] / blind["hours"])


def test_a_fall_begins_where_the_frames_say() -> None:
    one = recordings(falls.fall_over, "x", 1)[0]
    names = tuple("fall" if 30 <= i < 40 else "" for i in range(one.xyz.shape[1]))
    assert fall_begin(one.with_(frame_labels=names), ("fall",)) == pytest.approx(30 / FPS)
    assert fall_begin(one, ("x",)) == 0.0 and fall_begin(one, ("fall",)) is None


def test_a_file_of_recordings_says_when_falls_were_over(tmp_path: Path) -> None:
    """Labels of frames come with the file, and missed falls are named."""
    fell, walked = recordings(falls.fall_over, "day", 1)[0], recordings(moves.walk, "walk", 1)[0]
    end = round(scene(falls.fall_over, 0)[2] * FPS)
    names = tuple("fallen" if t >= end else "up" for t in range(fell.xyz.shape[1]))
    still = walked.with_(id="missed", frame_labels=("fallen",) * walked.xyz.shape[1])
    write_store(tmp_path / "day.h5", [fell.with_(frame_labels=names), still])
    (row,) = measure_falls([tmp_path / "day.h5"], ("fallen",))
    assert (row["falls"], row["found"], row["missed"]) == (2, 1, "missed")
    assert row["delay s"] == row["longest"] and 0.5 < row["delay s"] < 2.0


def test_streams_are_those_of_a_subject_and_camera() -> None:
    one = recordings(falls.fall_over, "x", 1)[0]
    assert (
        camera_of(one) == "subject 1"
        and camera_of(one.with_(info={"camera": 2, "subject": 1})) == "subject 1/camera 2"
    )
    assert camera_of(one.with_(info={})) == one.id
