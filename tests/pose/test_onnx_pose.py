"""Pose models of one's own as ONNX files: joints come back to where they are in the picture."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx_models import constant, crops, spots, yolo

from skelact.cli import run
from skelact.errors import ConfigError, DependencyError
from skelact.io.store import read_store
from skelact.io.video import open_video, write_video
from skelact.layouts import get_layout
from skelact.pose.extract import extract_video
from skelact.pose.extract_many import extract_many
from skelact.pose.movenet import MoveNetPose
from skelact.pose.onnx_outputs import read_heatmaps, read_simcc, tell_output
from skelact.pose.onnx_pose import OnnxModel, OnnxPose

COCO = get_layout("coco17")
LEFT = np.array([[40.3, 60.8], [63.0, 30.4], [81.6, 90.2]])
RIGHT = LEFT + [150.4, 20.6]
SIZE = (150, 290)  # of the pictures


def pixels(one, size: tuple[int, int] = SIZE) -> np.ndarray:
    """The red, the green and the blue spot where they were found."""
    return one.xy[:3] * [size[1], size[0]]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without MoveNet."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)


@pytest.mark.parametrize("form", ["anchors", "turned", "people"])
@pytest.mark.parametrize("kind", ["float32", "float16", "uint8"])
def test_yolo_finds_two_people_where_they_are(tmp_path: Path, form: str, kind: str) -> None:
    model = OnnxModel(yolo(tmp_path / "yolo.onnx", form=form, kind=kind), COCO)
    assert model.size == (160, 192)
    for size in (SIZE, (400, 290)):  # wider, and higher, than what the network sees
        found = model.find(spots(size, np.array([LEFT, RIGHT]), 6.0))
        assert [one.score[0] for one in found] == pytest.approx([0.8, 0.8])
        for one, place in zip(found, (LEFT, RIGHT), strict=True):
            assert np.abs(pixels(one, size) - place).max() < 0.15
            assert (one.xyz[:, :2] == one.xy).all() and np.array_equal(one.xy[:3], one.xy[3:6])
    assert len(model.find(spots(SIZE, np.array([LEFT, RIGHT])), min_score=0.7)) == 1
    # YOLO's boxes in the same place are one person; what is found end to end has no more of them
    assert len(model.find(spots(SIZE, np.array([LEFT, RIGHT])), min_score=0.01)) == (
        4 if form == "people" else 2
    )


def test_boxes_that_overlap_are_one_person_and_others_two() -> None:
    from skelact.pose.onnx_outputs import keep_distinct

    rows = np.array(
        [[10, 10, 20, 20, 0.5], [11, 10, 20, 20, 0.9], [17, 10, 20, 20, 0.4], [90, 90, 20, 20, 0.2]]
    )
    assert keep_distinct(rows, 0.3).tolist() == rows[[1, 2]].tolist()
    assert keep_distinct(rows, 0.1).tolist() == rows[[1, 2, 3]].tolist()


@pytest.mark.parametrize("form", ["simcc", "heatmap"])
@pytest.mark.parametrize("swapped", [False, True])
def test_crops_are_read_where_they_are(tmp_path: Path, form: str, swapped: bool) -> None:
    for batch in (1, "n"):
        model = OnnxModel(crops(tmp_path / "crop.onnx", (256, 192), form, batch=batch, swapped=swapped), COCO)
        picture = spots(SIZE, np.array([LEFT, RIGHT]), 6.0)
        boxes = [np.array([20, 10, 100, 110.0]), np.array([171.5, 33.25, 259, 130.0])]
        found = model.read(picture, boxes)
        # a crop shows a pixel of the picture as about two; a cell of the heatmap is four, of which a quarter is told
        least = 0.6 if form == "heatmap" else 0.4
        for one, place in zip(found, (LEFT, RIGHT), strict=True):
            assert np.abs(pixels(one) - place).max() < least + 0.3
            assert np.abs(pixels(one) - place).mean() < least
            assert one.score == pytest.approx(np.ones(17), abs=0.05)  # so the brightness is ImageNet's


def test_places_in_a_crop_have_no_bias(tmp_path: Path) -> None:
    """Shown larger, a crop tells in which pixel of the picture a joint is, without a bias to any side."""
    model = OnnxModel(crops(tmp_path / "crop.onnx", (512, 512)), COCO)
    errors = []
    for shift in np.linspace(0.05, 0.95, 10):
        place = np.array([[30, 30], [34, 40], [42, 36]]) + [shift, 1 - shift]
        (one,) = model.read(spots((64, 64), place[None], 3.0), [np.array([16, 16, 52, 52.0])])
        errors.append(pixels(one, (64, 64)) - place)
    assert np.abs(np.mean(errors)) < 0.1 and np.abs(errors).max() < 0.5


def test_one_person_is_followed_without_movenet(tmp_path: Path, alone: None) -> None:
    path = crops(tmp_path / "crop.onnx", (128, 128))
    with OnnxPose(path, "coco17", people="one", min_score=0.5) as estimator:
        assert estimator.follows and estimator.unit == "image" and estimator.layout is COCO
        for i in range(10):
            place = LEFT + [6 * i, 2 * i]
            (one,) = estimator.estimate(spots(SIZE, place[None], 5.0), i / 10)
            assert one.track_id == 0 and np.abs(pixels(one) - place).max() < (2.5 if i == 0 else 1.0)
        assert estimator.estimate(np.zeros((*SIZE, 3), np.uint8), 1.1) == []
        (one,) = estimator.estimate(spots(SIZE, RIGHT[None], 5.0), 1.2)
        assert np.abs(pixels(one) - RIGHT).max() < 2.5
    with pytest.raises(ConfigError, match="closed"):
        estimator.estimate(np.zeros((*SIZE, 3), np.uint8), 2.0)
    with pytest.raises(DependencyError, match=r"crop\.onnx.*skelact\[movenet\].*--people one"):
        OnnxPose(path, "coco17", people="many")


def test_everybody_whom_movenet_sees_is_read_in_a_crop(tmp_path: Path, videos: Path) -> None:
    """A model that always points at the middle of its crop says where the crops were."""
    maps = np.zeros((1, 17, 64, 48))
    maps[:, :, 32, 24] = 0.7
    path = constant(tmp_path / "middle.onnx", maps, (1, 3, 256, 192))
    try:
        finder = MoveNetPose()
    except DependencyError as error:
        pytest.skip(f"MoveNet cannot be had: {error}")
    with OnnxPose(path, "coco17") as estimator, open_video(videos / "exercise_three_people.avi") as video:
        for frame, _ in zip(video, range(5), strict=False):
            there = finder.estimate(frame.image, frame.time)
            read = estimator.estimate(frame.image, frame.time)
            assert [one.track_id for one in read] == [one.track_id for one in there] == [0, 1, 2]
            for one, other in zip(read, there, strict=True):
                off = (one.xy[0] - other.box.reshape(2, 2).mean(0)) * [video.width, video.height]
                assert np.abs(off).max() < 4 and (one.score == np.float32(0.7)).all()


def film(path: Path, n: int = 20) -> np.ndarray:
    """A video of two who move apart; returns where they are, ``[n, 2, 3, 2]`` pixels."""
    places = np.array([[LEFT + [0, 0.8 * i], RIGHT + [1.2 * i, -0.5 * i]] for i in range(n)])
    write_video(path, [spots((152, 320), one, 5.0) for one in places], 20, crf=1)
    return places


def test_extract_finds_joints_of_ones_own_model(tmp_path: Path) -> None:
    places = film(tmp_path / "two.mp4")
    path = yolo(tmp_path / "own.onnx", (192, 352))
    words = (
        "extract",
        str(tmp_path / "two.mp4"),
        "--estimator",
        str(path),
        "--coordinates",
        "image",
        "--no-smooth",
    )
    assert run([*words, "--pose-layout", "coco17", "--out", str(tmp_path / "two.h5")]) == 0
    (found,) = read_store(tmp_path / "two.h5")
    assert found.layout.name == "coco17" and found.unit == "image" and found.track_ids == (0, 1)
    assert found.info["estimator"] == "own.onnx"
    got = found.xyz[:, :, :3, :2].transpose(1, 0, 2, 3) * [320, 152]
    assert np.abs(got - places).max() < 0.6 and np.abs(got - places).mean() < 0.2
    assert run([*words, "--out", "x.h5"]) == 2
    one = extract_video(
        tmp_path / "two.mp4", estimator=str(path), pose_layout="coco17", coordinates="image", people="one"
    )
    assert one.n_people == 1 and (one.score > 0).all()  # the same one to the end
    sure = extract_video(
        tmp_path / "two.mp4", estimator=str(path), pose_layout="coco17", coordinates="image", min_score=0.75
    )
    assert sure.n_people == 1


def test_other_joints_than_cocos(tmp_path: Path) -> None:
    film(tmp_path / "two.mp4")
    path = yolo(tmp_path / "hand.onnx", (192, 352), n_joints=21)
    found = extract_video(
        tmp_path / "two.mp4", estimator=str(path), pose_layout="hand21", coordinates="image"
    )
    assert found.layout.name == "hand21" and found.track_ids == (0, 1)


def test_a_free_size_follows_the_quality(tmp_path: Path) -> None:
    free = constant(tmp_path / "free.onnx", np.zeros((1, 56, 80)))
    assert [OnnxModel(free, COCO, q).size[0] for q in ("lite", "full", "heavy")] == [480, 640, 960]
    assert OnnxModel(free, COCO).find(np.zeros((20, 30, 3), np.uint8)) == []
    fixed = yolo(tmp_path / "fixed.onnx")
    with pytest.raises(ConfigError, match=r"192x160 pixels whatever the quality"):
        OnnxModel(fixed, COCO, "heavy")
    assert OnnxModel(constant(tmp_path / "c.onnx", np.zeros((1, 17, 64, 48))), COCO).size == (256, 192)


def test_outputs_are_told_apart_by_their_shapes() -> None:
    for shape, kind, n_joints, turned in (
        ((1, 56, 8400), "anchors", 17, False),
        ((1, 8400, 56), "anchors", 17, True),
        ((1, 300, 57), "people", 17, False),
        ((1, 83, 8400), "anchors", 26, False),
    ):
        told = tell_output([shape], (640, 640), n_joints)
        assert told is not None and (told.kind, told.n_joints, told.turned) == (kind, n_joints, turned)
    for shapes in (
        [(1, 84, 8400)],
        [(1, 300, 6)],
        [(1, 1000)],
        [(1, 17, 64, 64)],
        [(1, 17, 384), (1, 18, 512)],
        [],
    ):
        assert tell_output(shapes, (256, 192), 17) is None
    square = tell_output([(1, 17, 512), (1, 17, 512)], (256, 256))
    assert square is not None and square.kind == "simcc" and not square.turned


def test_joints_of_heatmaps_and_lines_by_hand() -> None:
    maps = np.zeros((1, 2, 4, 5))
    maps[0, 0, 2, 3], maps[0, 0, 2, 4], maps[0, 0, 1, 3] = 0.9, 0.2, 0.1
    maps[0, 1, 0, 0] = 0.4
    points, score = read_heatmaps(maps, (16, 20))
    assert points.tolist() == [[[13.0, 7.0], [0.0, 0.0]]] and score.tolist() == [[0.9, 0.4]]
    points, score = read_simcc(np.eye(8)[None, 5:6] * 0.5, np.eye(6)[None, 2:3] * 0.7, (3, 4))
    assert points.tolist() == [[[2.5, 1.0]]] and score.tolist() == [[0.5]]


def test_what_is_wrong_with_a_model_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = yolo(tmp_path / "good.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "cut.onnx").write_bytes(good.read_bytes()[:200])
    for name in ("text.onnx", "cut.onnx"):
        with pytest.raises(DependencyError, match=rf"{name} cannot be used as an ONNX model.*export it anew"):
            OnnxModel(tmp_path / name, COCO)
    with pytest.raises(DependencyError, match=r"no model file .*gone\.onnx; name the \.onnx file"):
        OnnxModel(tmp_path / "gone.onnx", COCO)
    with pytest.raises(
        ConfigError, match=r"good\.onnx has 17 joints, but the layout 'pose33' has 33.*--pose-layout"
    ):
        OnnxModel(good, get_layout("pose33"))
    with pytest.raises(ConfigError, match=r"\[1, 84, 100\]; allowed are a YOLO-pose.*RTMPose"):
        OnnxModel(constant(tmp_path / "detector.onnx", np.zeros((1, 84, 100))), COCO)
    nhwc = constant(tmp_path / "nhwc.onnx", np.zeros((1, 56, 100)), (1, 640, 640, 3))
    with pytest.raises(ConfigError, match=r"\[1, 640, 640, 3\].*takes one picture \[n, 3, height, width\]"):
        OnnxModel(nhwc, COCO)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DependencyError, match=r"skelact\[onnx\]"):
        OnnxModel(good, COCO)


def test_the_layout_is_named_before_any_work(tmp_path: Path) -> None:
    path = yolo(tmp_path / "own.onnx")
    write_video(tmp_path / "a.mp4", [np.zeros((48, 64, 3), np.uint8)] * 6, 20)
    choice = {"estimator": str(path), "coordinates": "image"}
    for wrong, words in (
        (choice, r"own\.onnx.*--pose-layout coco17"),
        ({"estimator": str(path), "pose_layout": "coco17"}, r"sees no depth.*--coordinates image"),
        ({"pose_layout": "coco17"}, r"'auto' has its own joints.*FILE\.onnx"),
        ({"estimator": "onnx", "coordinates": "image"}, r"allowed: auto, mediapipe, movenet, FILE\.onnx"),
        ({**choice, "pose_layout": "ntu25"}, r"17 joints, but the layout 'ntu25' has 25"),
    ):
        with pytest.raises(ConfigError, match=words):
            extract_many([tmp_path / "a.mp4"], tmp_path / "a.h5", workers=1, **wrong)
    assert not (tmp_path / "a.h5").exists()
