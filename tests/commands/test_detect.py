"""``skelact detect``: who does what, where and when, from pose tracks and by region networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cli_helpers import refused, skelact, tree

from skelact.io.ava import read_ava, read_label_map
from skelact.io.video import open_video, write_video
from skelact.models.video.region import RegionSettings
from skelact.recognition.checkpoint import load_checkpoint
from skelact.recognition.region_detector import RegionCard, save_region_checkpoint
from skelact.settings import from_plain
from skelact.skeleton import Skeleton

WIDTH, HEIGHT, FPS = 96, 64, 10


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds in which a bright square lies to the left, and one to the right for the last two."""
    path = tmp_path_factory.mktemp("video") / "two.mp4"
    pictures = np.full((30, HEIGHT, WIDTH, 3), 40, np.uint8)
    pictures[:, 16:48, 8:32] = 220
    pictures[10:, 16:48, 64:88] = 220
    write_video(path, iter(pictures), FPS)
    return path


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A region network that says 'left' wherever it looks, and 'right' nowhere."""
    torch.manual_seed(0)
    model = {"backbone": {"name": "resnet3d", "width": 1 / 16}, "bins": 3, "dropout": 0.0}
    card = RegionCard(["left", "right"], model, n_frames=4, fps=10, size=(32, 48))
    network = from_plain(RegionSettings, model, "a card").build(2, 3)
    torch.nn.init.zeros_(network.head.weight)
    network.head.bias.data = torch.tensor([2.0, -2.0])
    path = tmp_path_factory.mktemp("regions") / "regions.safetensors"
    return save_region_checkpoint(path, network, card)


def test_boxes_of_a_table_by_a_region_network(video: Path, regions: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "people.csv"
    rows = [f"two,{t},0.083,0.25,0.333,0.75,1,4\n" for t in (0, 1, 2, 3)]
    rows += [f"two,{t},0.667,0.25,0.917,0.75,1,6\n" for t in (1, 2, 3)]
    boxes.write_text("".join(rows))
    words = ("detect", video, "--checkpoint", regions, "--boxes", boxes, "--out", tmp_path / "out")
    done = skelact(*words, "--overlay", tmp_path / "seen.mp4", "--device", "cpu", "--rate", 2, "--json")
    assert done.code == 0, done.err
    assert tree(tmp_path / "out") == {"two.detections.json", "two.ava.csv", "two.labels.pbtxt"}
    told = [(t["person"], t["label"], t["start"], t["end"]) for t in done.json["tubes"]]
    assert told == [(4, "left", 0.0, 3.0), (6, "left", 0.5, 3.0)]
    table = read_ava(tmp_path / "out" / "two.ava.csv", predictions=True)
    assert np.allclose(table.score, 1 / (1 + np.exp(-2)), atol=1e-4) and set(table.action) == {1}
    assert sorted(set(table.time)) == [0, 0.5, 1, 1.5, 2, 2.5]
    assert read_label_map(tmp_path / "out" / "two.labels.pbtxt") == {1: "left", 2: "right"}
    with open_video(tmp_path / "seen.mp4") as drawn, open_video(video) as plain:
        pairs = [(a.image.astype(int), b.image.astype(int)) for a, b in zip(drawn, plain, strict=True)]
    changed = [(np.abs(a - b).max(2) > 60) for a, b in pairs]
    assert len(changed) == 30
    # the left square's box from the beginning, the right one's only when that person is there
    assert changed[2][:, 4:12].any() and changed[25][:, 84:92].any() and not changed[2][:, 84:92].any()


def test_a_region_network_finds_boxes_itself(video: Path, regions: Path, tmp_path: Path) -> None:
    from skelact.recognition.region_detector import load_region_checkpoint

    network, card = load_region_checkpoint(regions)
    torch.nn.init.constant_(network.proposal.objectness.bias, 1.0)
    sure = save_region_checkpoint(tmp_path / "sure.safetensors", network, card)
    done = skelact("detect", video, "--checkpoint", sure, "--out", tmp_path, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    people = {t["person"] for t in done.json["tubes"]}
    assert people and all(t["label"] == "left" and t["score"] > 0.5 for t in done.json["tubes"])
    # the network sees no difference between moments: a person's boxes are linked over all of them
    assert max(len(t["times"]) for t in done.json["tubes"]) == 6
    unsure = skelact("detect", video, "--checkpoint", regions, "--out", tmp_path / "none", "--device", "cpu")
    assert unsure.code == 3 and "no person was found in two" in unsure.err


def test_pose_tracks_by_a_skeleton_network(
    video: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people, seen by the pose front-end to the left and to the right."""
    card = load_checkpoint(trained)[1]
    n_joints = len(card.skeleton_layout)
    rng = np.random.default_rng(0)
    xyz = rng.normal(size=(2, 30, n_joints, card.dims))
    picture = rng.uniform(0, 1, (2, 30, n_joints, 2)) * [0.25, 0.5] + [0.083, 0.25]
    picture[1, ..., 0] += 0.583
    score = np.ones((2, 30, n_joints))
    score[1, :10] = 0
    found = Skeleton(
        xyz, score, card.skeleton_layout, FPS, card.unit, picture=picture, origin=card.origin, track_ids=[2, 5],
        info={"width": WIDTH, "height": HEIGHT},
    )  # fmt: skip
    monkeypatch.setattr("skelact.commands.detect.pose_of_video", lambda *_: (found, found.in_picture()))
    words = ("detect", video, "--checkpoint", trained, "--out", tmp_path, "--device", "cpu", "--window", 1)
    done = skelact(*words, "--overlay", tmp_path / "seen.mp4", "--json")
    assert done.code == 0, done.err
    tubes = done.json["tubes"]
    assert {t["person"] for t in tubes} == {2, 5} and {t["label"] for t in tubes} <= set(card.label_names)
    left = [t for t in tubes if t["person"] == 2]
    right = [t for t in tubes if t["person"] == 5]
    assert left[0]["start"] == 0 and left[-1]["end"] == pytest.approx(3.0)
    assert right[0]["start"] == pytest.approx(1.0) and right[-1]["end"] == pytest.approx(3.0)
    for tube in left:
        assert max(box[2] for box in tube["boxes"]) < 0.5
    for tube in right:
        assert min(box[0] for box in tube["boxes"]) > 0.5
    table = read_ava(tmp_path / "two.ava.csv", predictions=True)
    assert len(table) == 3 + 2 and table.video.tolist() == ["two"] * 5  # at 0, 1, 2 s and at 1, 2 s
    assert (tmp_path / "seen.mp4").stat().st_size > 1000


def test_what_does_not_go_together(video: Path, regions: Path, trained: Path, tmp_path: Path) -> None:
    said = refused(2, "detect", video, "--checkpoint", trained, "--boxes", "a.csv", "--out", tmp_path)
    assert "--boxes is for region networks" in said
    assert "predict" in refused(2, "detect", "0", "--checkpoint", regions)
    assert "predict" in refused(2, "detect", "a.h5", "--checkpoint", regions)
    assert "--threshold" in refused(2, "detect", video, "--checkpoint", regions, "--threshold", 2)
    assert "no kind of video" in refused(2, "detect", video, "--checkpoint", regions, "--overlay", "a.txt")
    assert "name a video" in refused(2, "detect")
    table = tmp_path / "people.csv"
    table.write_text("other,0,0,0,1,1,1,1\n")
    said = refused(3, "detect", video, "--checkpoint", regions, "--boxes", table, "--out", tmp_path)
    assert "no row for video 'two'; it has other" in said
    table.write_text("two,0,0,0,64,48,1,1\n")
    said = refused(3, "detect", video, "--checkpoint", regions, "--boxes", table, "--out", tmp_path)
    assert "people.csv line 1" in said and "divide pixels" in said
    assert tree(tmp_path) == {"people.csv"}
