"""skelact teach, predict --vocabulary and gestures export, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import refused, skelact
from gesture_recordings import recordings, stream

from skelact.io.store import write_store
from skelact.recognition.taught import Vocabulary

CLIPS = recordings(3, 6)


def write(path: Path, clips: list) -> Path:
    write_store(path, clips)
    return path


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write(folder / "all.h5", [clip for some in CLIPS.values() for clip in some])
    for name, some in CLIPS.items():
        for k, clip in enumerate(some):
            write(folder / f"{name}{k}.h5", [clip])
    return folder


@pytest.fixture
def vocabulary(sets: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    for name in CLIPS:
        clips = [sets / f"{name}{k}.h5" for k in range(3)]
        assert skelact("teach", name, *clips, "--vocabulary", path, "--false-per-hour", 120).code == 0
    return path


def test_teach_list_remove_export(vocabulary: Path, tmp_path: Path) -> None:
    listed = skelact("teach", "--list", "--vocabulary", vocabulary, "--json")
    assert listed.code == 0 and [g["name"] for g in listed.json["taught"]] == list(CLIPS)
    assert all(g["examples"] == 3 and g["layouts"] == ["pose_hands75"] for g in listed.json["taught"])
    assert listed.json["false_per_hour"] == 120 and listed.json["either_hand"] is False
    out = tmp_path / "given.safetensors"
    done = skelact("teach", "--remove", "up", "--export", out, "--vocabulary", vocabulary)
    assert done.code == 0 and "removed" in done.out
    assert Vocabulary.load(vocabulary).names == Vocabulary.load(out).names == ["out", "wave"]


def test_the_users_own_vocabulary_is_used_if_none_is_named(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKELACT_DATA", str(tmp_path / "mine"))
    assert skelact("teach", "up", *(sets / f"up{k}.h5" for k in range(3))).code == 0
    assert Vocabulary.load(tmp_path / "mine" / "gestures.safetensors").names == ["up"]


def test_from_a_set(sets: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    taught = {}
    for seed in (0, 0, 1):
        path.unlink(missing_ok=True)
        done = skelact(
            "teach",
            "out",
            "--from-set",
            sets / "all.h5",
            "--examples",
            4,
            "--seed",
            seed,
            "--vocabulary",
            path,
        )
        assert done.code == 0, done.err
        seen = sorted(
            line.split(":")[0].strip() for line in done.out.splitlines() if line.startswith("  out")
        )
        taught.setdefault(seed, []).append(seen)
    assert len(taught[0][0]) == 4 and taught[0][0] == taught[0][1] != taught[1][0]
    assert "'none'" in refused(3, "teach", "none", "--from-set", sets / "all.h5", "--vocabulary", path)


@pytest.mark.slow
def test_options_are_kept(sets: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    clips = [sets / f"out{k}.h5" for k in range(3)]
    assert skelact("teach", "out", *clips, "--vocabulary", path, "--either-hand", "--whole").code == 0
    whole = Vocabulary.load(path)
    assert whole.either_hand and whole.gestures["out"].seconds == pytest.approx(31 / 16, abs=0.01)
    plain = tmp_path / "plain.safetensors"
    assert skelact("teach", "out", *clips, "--vocabulary", plain).code == 0
    assert Vocabulary.load(plain).either_hand is False
    assert "either hand" in refused(2, "teach", "up", *clips, "--vocabulary", plain, "--either-hand")
    before = whole.gestures["out"].threshold
    assert skelact("teach", "--false-per-hour", 3600, "--vocabulary", path).code == 0
    assert (
        Vocabulary.load(path).false_per_hour == 3600
        and Vocabulary.load(path).gestures["out"].threshold <= before
    )
    done = skelact("teach", "--idle", sets / "wave0.h5", "--vocabulary", path)
    assert done.code == 0 and Vocabulary.load(path).idle
    assert "is there already" in refused(2, "teach", "out", *clips, "--vocabulary", path)
    assert skelact("teach", "out", sets / "out3.h5", "--more", "--vocabulary", path).code == 0
    assert len(Vocabulary.load(path).gestures["out"].examples) == 4


def test_what_is_refused_leaves_the_file_as_it_was(vocabulary: Path, sets: Path, tmp_path: Path) -> None:
    before = vocabulary.read_bytes()
    like = [sets / f"out{k}.h5" for k in range(3, 6)]
    assert "too like 'out'" in refused(3, "teach", "reach", *like, "--vocabulary", vocabulary)
    assert "1 example;" in refused(2, "teach", "x", like[0], "--vocabulary", vocabulary)
    assert "does not exist" in refused(3, "teach", "x", tmp_path / "no.h5", *like, "--vocabulary", vocabulary)
    legs = np.isin(CLIPS["up"][0].layout.joints, ["left_knee", "right_knee", "left_ankle", "right_ankle"])
    empty = CLIPS["up"][0].with_(score=CLIPS["up"][0].score * legs)
    write(tmp_path / "empty.h5", [empty])
    said = refused(3, "teach", "x", tmp_path / "empty.h5", *like, "--vocabulary", vocabulary)
    assert "a wrist or hand is seen on 0 of" in said
    assert vocabulary.read_bytes() == before
    assert skelact("teach", "reach", *like, "--accept", "--vocabulary", vocabulary).code == 0
    assert "reach" in Vocabulary.load(vocabulary).names


def test_wrong_calls_are_explained(vocabulary: Path, sets: Path, tmp_path: Path) -> None:
    clip = sets / "up0.h5"
    assert "in one way" in refused(2, "teach", "x")
    assert "in one way" in refused(2, "teach", "x", clip, "--camera", 0)
    assert "name a gesture" in refused(2, "teach")
    assert "there is no" in refused(3, "teach", "--list", "--vocabulary", tmp_path / "none")
    assert "no gesture 'x'" in refused(2, "teach", "--remove", "x", "--vocabulary", vocabulary)
    assert "--examples" in refused(2, "teach", "x", "--camera", 0, "--examples", 0)
    assert "is an input" in refused(2, "teach", "--list", "--export", vocabulary, "--vocabulary", vocabulary)
    assert "unknown action 'fly'" in refused(2, "gestures", "fly")
    assert "name the folder" in refused(2, "gestures", "export", vocabulary)
    (tmp_path / "broken").write_bytes(vocabulary.read_bytes()[:300])
    for words in (
        ("teach", "--list", "--vocabulary"),
        ("predict", clip, "--vocabulary"),
        ("gestures", "export", "--out", tmp_path / "o"),
    ):
        said = refused(3, *words, tmp_path / "broken")
        assert "damaged" in said
    assert not (tmp_path / "o").exists()


def test_short_recordings_are_answered_as_a_whole(vocabulary: Path, sets: Path, tmp_path: Path) -> None:
    done = skelact("predict", sets / "all.h5", "--vocabulary", vocabulary, "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "all.gestures.json").read_text())["gestures"]
    assert rows == done.json["gestures"] and len(rows) == 18
    assert [r["nearest"] for r in rows] == [r["label"] for r in rows]


@pytest.mark.slow
def test_gestures_of_a_long_recording_are_spotted(vocabulary: Path, tmp_path: Path) -> None:
    whole, spans = stream([CLIPS["out"][3], CLIPS["wave"][4]], pause=3.0)
    write(tmp_path / "long.h5", [whole])
    taught = Vocabulary.load(vocabulary)
    for gesture in taught.gestures.values():
        gesture.threshold = min(gesture.threshold, 0.8)
    taught.save(vocabulary)
    done = skelact("predict", tmp_path / "long.h5", "--vocabulary", vocabulary, "--out", tmp_path, "--json")
    rows = done.json["gestures"]
    assert [r["gesture"] for r in rows] == ["out", "wave"]
    for row, (begin, end) in zip(rows, spans, strict=True):
        assert begin < row["end"] < end + 0.35


def test_predict_refuses_what_does_not_go_together(vocabulary: Path, sets: Path) -> None:
    said = refused(2, "predict", "ckpt", sets / "up0.h5", "--vocabulary", vocabulary)
    assert "takes the place of a checkpoint" in said
    assert "--overlay goes with a checkpoint" in refused(
        2, "predict", sets / "up0.h5", "--vocabulary", vocabulary, "--overlay", "x.mp4"
    )


def test_recordings_without_hands_are_said_to_be_so(vocabulary: Path, tmp_path: Path) -> None:
    write(tmp_path / "body.h5", [CLIPS["up"][0].converted("pose33")])
    said = refused(3, "predict", tmp_path / "body.h5", "--vocabulary", vocabulary)
    assert "no whole hand" in said and "pose+hands" in said


@pytest.mark.slow
def test_export(vocabulary: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    done = skelact("gestures", "export", vocabulary, "--out", tmp_path / "web", "--json")
    assert done.code == 0 and done.json["gestures"] == list(CLIPS)
    assert sorted(p.name for p in (tmp_path / "web").iterdir() if not p.name.startswith(".")) == [
        "gestures.json",
        "gestures.onnx",
    ]
    done = skelact("gestures", "export", vocabulary, "--out", tmp_path / "arms", "--layout", "pose33")
    assert json.loads((tmp_path / "arms" / "gestures.json").read_text())["layout"] == "pose33"


@pytest.mark.slow
def test_from_a_camera(shared_data: Path, tmp_path: Path) -> None:
    """A video stands for the camera: three stretches of it are three examples."""
    path = tmp_path / "v.safetensors"
    words = (
        "--camera",
        shared_data / "videos" / "sign_book.mkv",
        "--examples",
        3,
        "--seconds",
        0.6,
        "--countdown",
        0.1,
    )
    done = skelact("teach", "book", *words, "--accept", "--vocabulary", path)
    assert done.code == 0, done.err
    assert "example 3: make the gesture now" in done.out and "in 1" in done.out
    assert len(Vocabulary.load(path).gestures["book"].examples) == 3
    done = skelact("teach", "more", *words[:2], "--examples", 30, "--seconds", 1, "--vocabulary", path)
    assert done.code == 3 and "ended after" in done.err
    assert Vocabulary.load(path).names == ["book"]
