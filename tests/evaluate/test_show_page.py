"""What a page holds of recordings: their positions to the stated bound, and nothing that could run or load."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.synthetic import make_clip
from skelact.errors import DataError
from skelact.evaluate.show import record
from skelact.evaluate.show.page import write_show_page
from skelact.evaluate.show.record import check_size, packed_recording
from skelact.skeleton import Skeleton


def unpack(packed: dict) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the recording's own axes, and scores, as the page's script reads them."""
    shape = packed["shape"]
    whole = np.frombuffer(base64.b64decode(packed["positions"]), "<i2").reshape(shape)
    score = np.frombuffer(base64.b64decode(packed["scores"]), "u1").reshape(shape[:3])
    return (whole * packed["step"] + packed["centre"]) / packed["axes"], score / 255


def flat(unit: str = "image", **info: float) -> Skeleton:
    rng = np.random.default_rng(0)
    score = rng.choice([0, 0.001, 0.5, 1], (2, 20, 17)).astype(np.float32)
    time = np.cumsum(rng.uniform(0.02, 0.08, 20))
    return Skeleton(
        rng.uniform(0, 1, (2, 20, 17, 2)), score, "coco17", 20, unit, id="flat", info=info, time=time
    )


@pytest.mark.parametrize("recording", [make_clip("wave", subject=1), flat()], ids=["3D", "2D"])
def test_positions_and_scores_come_back(recording: Skeleton) -> None:
    packed = packed_recording(recording)
    xyz, score = unpack(packed)
    there = recording.score > 0
    assert np.abs(xyz - recording.xyz)[there].max() <= packed["step"] / 2 * 1.001
    span = np.ptp(recording.xyz[there], axis=0).max()
    assert packed["step"] / 2 <= span / 131_000
    assert ((score > 0) == there).all() and np.abs(score - recording.score).max() <= 1 / 255
    times = packed["times"]
    if recording.time is not None:
        seconds = np.frombuffer(base64.b64decode(times), "<f4")
        assert seconds == pytest.approx(recording.time - recording.time[0], abs=1e-5)
    assert (times is None) == (recording.time is None)


def test_people_stand_upright_whichever_way_y_points() -> None:
    clip = make_clip("wave", subject=1, noise=None)
    for turned in (clip, clip.with_(xyz=clip.xyz * [-1, -1, 1])):
        packed = packed_recording(turned)
        xyz = (unpack(packed)[0] * packed["axes"])[0, 0]
        head, foot, left, right = clip.layout.positions(
            "head", "left_foot", "left_shoulder", "right_shoulder"
        )
        assert xyz[head, 1] > xyz[foot, 1] + 1 and xyz[left, 0] > xyz[right, 0]  # facing us
        assert packed["floor"] == pytest.approx(xyz[:, 1].min(), abs=0.1)


def test_pictures_keep_their_proportions() -> None:
    assert packed_recording(flat(width=200, height=100))["axes"] == [1, -0.5]
    assert packed_recording(flat("px", width=200, height=100))["axes"] == [1, -1]


def test_names_and_colours_of_people() -> None:
    long = flat().with_(track_ids=(72057594037944740, 72057594037944741))
    assert packed_recording(long)["people"] == ["1", "2"]
    assert packed_recording(flat().with_(track_ids=(4, 6)))["people"] == ["4", "6"]
    for tracks in ((4, 6), (1, 9), (72057594037944740, 72057594037944748)):
        assert len(set(packed_recording(flat().with_(track_ids=tracks))["colours"])) == 2


def test_frame_labels_are_runs() -> None:
    labelled = flat().with_(frame_labels=["b"] * 5 + ["a"] * 14 + ["b"])
    labels = packed_recording(labelled)["labels"]
    assert labels["names"] == ["a", "b"] and labels["runs"] == [[0, 5, 1], [5, 14, 0], [19, 1, 1]]
    assert packed_recording(flat())["labels"] is None


def test_nobody_and_too_much_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = flat().with_(score=np.zeros((2, 20, 17), np.float32))
    with pytest.raises(DataError, match="nobody to show in 'flat'"):
        write_show_page(tmp_path / "a.html", [nobody])
    with pytest.raises(DataError, match="no recording"):
        write_show_page(tmp_path / "a.html", [])
    check_size([flat()] * 50)
    monkeypatch.setattr(record, "MAX_BYTES", 40_000)
    with pytest.raises(DataError, match=r"--start SECONDS --seconds SECONDS"):
        write_show_page(tmp_path / "a.html", [flat()] * 50)
    assert not list(tmp_path.iterdir())


def test_the_page_loads_and_runs_nothing_from_names(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>{{DATA}}<!--"
    page = write_show_page(tmp_path / "a.html", [flat().with_(id=hostile, label=hostile)], title=hostile)
    html = page.read_text(encoding="utf-8")
    assert html.count("<script") == 2 and html.count("</script>") == 2
    data = json.loads(
        re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[0]
    )
    assert data["recordings"][0]["label"] == hostile == data["title"]
    assert not re.search(r"https?://|@import|url\(|\ssrc\s*=", html)
    assert "default-src 'none'" in html
    assert not list(tmp_path.rglob("*.part"))


def test_the_estimate_of_the_size_is_right() -> None:
    for recording in (flat(), make_clip("wave", subject=1)):
        packed = packed_recording(recording)
        held = sum(len(packed[name] or "") for name in ("positions", "scores", "times"))
        assert record.page_bytes(recording) == pytest.approx(held, rel=0.01)
