"""Options of teach, gestures and monitor --gestures that reach another room: each arrives where it is meant to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cli_helpers import refused, skelact
from gesture_recordings import recordings

from skelact.io import formats
from skelact.monitor import sources
from skelact.pose import extract, recording
from skelact.recognition.browser import server
from skelact.recognition.taught import Vocabulary
from skelact.recognition.taught_examples import make_example

CLIPS = recordings(1, 5)["up"]


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    one = Vocabulary()
    one.add("up", [make_example(clip) for clip in CLIPS[:3]], strict=False)
    return one.save(tmp_path / "v.safetensors")


def test_videos_are_looked_at_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def look(source: str, **options: Any) -> Any:
        asked.append({"source": source, **options})
        return CLIPS[len(asked) % 3]

    monkeypatch.setattr(extract, "extract_video", look)
    words = (
        "a.mp4",
        "b.mp4",
        "c.mp4",
        "--fov",
        77,
        "--estimator",
        "mediapipe",
        "--quality",
        "lite",
        "--accept",
    )
    path = tmp_path / "v.safetensors"
    assert skelact("teach", "up", *words, "--vocabulary", path).code == 0
    assert [one["source"] for one in asked] == ["a.mp4", "b.mp4", "c.mp4"]
    for one in asked:
        assert (one["fov"], one["estimator"], one["quality"]) == (77, "mediapipe", "lite")
        assert (one["people"], one["parts"], one["coordinates"]) == ("one", "pose+hands", "camera")
    monkeypatch.chdir(tmp_path)
    asked.clear()
    done = skelact(
        "predict",
        "x.mp4",
        "--vocabulary",
        path,
        "--fov",
        50,
        "--quality",
        "heavy",
        "--people",
        "one",
        "--out",
        tmp_path / "o",
    )
    assert done.code == 0, done.err
    assert (asked[0]["fov"], asked[0]["quality"], asked[0]["people"]) == (50, "heavy", "one")
    assert (tmp_path / "o" / "x.gestures.json").is_file()


def test_skeleton_files_are_read_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def get_format(name: str) -> Any:
        def read(item: Any, options: Any) -> Any:
            seen.update(name=name, layout=str(options.layout), fps=options.fps, unit=options.unit)
            return CLIPS[:3]

        return SimpleNamespace(find=lambda source: [source], read=read)

    monkeypatch.setattr(formats, "get_format", get_format)
    (tmp_path / "x.csv").write_text("1")
    words = ("--format", "joints_csv", "--layout", "pose33", "--fps", 12, "--unit", "px")
    done = skelact("teach", "up", tmp_path / "x.csv", *words, "--vocabulary", tmp_path / "v")
    assert done.code == 0, done.err
    assert (seen["name"], seen["fps"], seen["unit"]) == ("joints_csv", 12, "px") and "pose33" in seen[
        "layout"
    ]


def test_a_camera_counts_down_and_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[float, float, str, str, float | None]] = []
    opened: list[str | int] = []

    def read_source(source: str | int) -> Any:
        opened.append(source)
        yield sources.Notice(0.0, "source_lost", "the cable is loose")
        for t in range(300):
            yield sources.Picture(t / 10, np.zeros((4, 4, 3), np.uint8))

    def record(frames: list, name: str, estimator: str, quality: str, fov: float | None) -> Any:
        made.append((frames[0][0], frames[-1][0], estimator, quality, fov))
        return CLIPS[len(made)]

    monkeypatch.setattr(sources, "read_source", read_source)
    monkeypatch.setattr(recording, "record", record)
    words = (
        "--camera",
        0,
        "--examples",
        3,
        "--seconds",
        2,
        "--countdown",
        1,
        "--quality",
        "lite",
        "--fov",
        70,
    )
    done = skelact("teach", "up", *words, "--accept", "--vocabulary", tmp_path / "v")
    assert done.code == 0, done.err
    assert opened == [0] and "the cable is loose" in done.out
    begins = [begin for begin, *_ in made]
    assert begins == pytest.approx([1.0, 4.15, 7.25], abs=0.1) and all(
        end - begin == pytest.approx(2.0) for begin, end, *_ in made
    )
    assert all(rest == ("auto", "lite", 70) for *_, rest in [(m[0], m[1], m[2:]) for m in made])
    assert "example 2 of 3 in 1" in done.out
    assert "must not be below 0" in refused(2, "teach", "x", "--camera", 0, "--countdown", -1)
    assert "--seconds" in refused(2, "teach", "x", "--camera", 0, "--seconds", 0)


@pytest.mark.slow
def test_serve_takes_its_options(vocabulary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    asked: list[Any] = []

    def page_files(folder: Path, packages: str | None) -> dict[str, Path]:
        asked.append((sorted(p.name for p in Path(folder).iterdir()), packages))
        return {"/": vocabulary}

    monkeypatch.setattr(server, "page_files", page_files)
    done = skelact(
        "gestures", "serve", vocabulary, "--port", 0, "--packages", tmp_path, "--seconds", 0.1, "--json"
    )
    assert done.code == 0 and done.json["address"].startswith("http://127.0.0.1:"), done.err
    assert asked == [(["gestures.json", "gestures.onnx"], str(tmp_path))]
    with server.GestureServer({}, 0) as taken:
        port = int(taken.address.rsplit(":", 1)[1])
        assert f"port {port} cannot be used" in refused_after_words(vocabulary, port)
    assert "--port must be" in refused(2, "gestures", "serve", vocabulary, "--port", 99999)


def refused_after_words(vocabulary: Path, port: int) -> str:
    done = skelact("gestures", "serve", vocabulary, "--port", port, "--seconds", 0.1)
    assert done.code == 2
    return done.err


@pytest.mark.slow
def test_monitor_refuses_gestures_that_it_cannot_see(vocabulary: Path, tmp_path: Path) -> None:
    words = ("monitor", "x.mp4", "--gestures")
    assert "movenet sees neither" in refused(2, *words, vocabulary, "--estimator", "movenet", "--no-actions")
    flat = Vocabulary()
    examples = [make_example(clip.with_(xyz=clip.xyz[..., :2])) for clip in CLIPS[:3]]
    flat.add("up", examples, strict=False)
    flat.save(tmp_path / "flat")
    assert "without depth" in refused(2, *words, tmp_path / "flat", "--no-actions")
    vocabulary.write_bytes(b"broken")
    assert "damaged" in refused(3, *words, vocabulary, "--no-actions")
