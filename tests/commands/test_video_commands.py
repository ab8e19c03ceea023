"""Videos through the command line: what cannot be used is refused, what can becomes skeletons and actions."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from cli_helpers import refused, skelact, tree

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("content", "hint"), [(b"", "0 bytes|empty|cannot be read"), (b"no video" * 99, "cannot be read")]
)
def test_what_is_no_video(content: bytes, hint: str, trained: Path, tmp_path: Path) -> None:
    import re

    video = tmp_path / "a.mp4"
    video.write_bytes(content)
    for words in (
        ("extract", video, "--out", tmp_path / "a.h5"),
        ("predict", trained, video, "--out", tmp_path),
    ):
        said = refused(3, *words)
        assert "a.mp4" in said and re.search(hint, said), said
    assert tree(tmp_path) == {"a.mp4"}


def test_folders_without_videos(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    said = refused(3, "extract", tmp_path / "clips", "--out", tmp_path / "a.h5")
    assert "clips holds no video" in said and ".mp4" in said and tree(tmp_path) == {"clips"}


@pytest.mark.slow
def test_from_folders_of_videos_to_actions(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skelact.errors import DependencyError
    from skelact.pose.model_files import find_model

    try:
        find_model("pose_landmarker_full")
    except DependencyError as error:
        pytest.skip(f"MediaPipe's models cannot be had here: {error}")
    monkeypatch.chdir(tmp_path)
    for sign in ("milk", "yes"):
        Path("clips", sign).mkdir(parents=True)
        shutil.copy(shared_data / "videos" / f"sign_{sign}.mkv", Path("clips", sign, f"{sign}.mkv"))
    Path("clips/yes/broken.mp4").write_bytes(b"no video")
    done = skelact("extract", "clips", "--out", "mine.h5", "--workers", 1, "--people", "one", "--json")
    assert done.code == 4 and "broken.mp4" in done.err  # done in part
    assert [Path(p).name for p in done.json["failed"]] == ["broken.mp4"]
    assert "skelact train --data mine.h5" in done.err
    found = skelact("inspect", "mine.h5", "--json").json
    assert found["labels"] == {"milk": 1, "yes": 1} and found["layout"] == "pose33"
    words = ("train", CONFIGS / "default_small.yaml", "--data", "mine.h5", "--train.epochs", 1)
    assert skelact(*words, "--model.channels", 8, 8, "--model.stride-blocks", 1).code == 0
    words = (
        "predict",
        "runs/default_small",
        "clips/yes/yes.mkv",
        "--people",
        "one",
        "--overlay",
        "seen.mp4",
        "--out",
        "out",
    )
    done = skelact(*words, "--json")
    assert done.code == 0 and done.json["seen"] > 0.9 and Path("seen.mp4").stat().st_size > 10_000
    assert tree(Path("out")) == {"yes.predictions.json", "yes.segments.csv", "yes.timeline.png"}
    rows = list(csv.DictReader(Path("out/yes.segments.csv").read_text().splitlines()))
    assert {r["label"] for r in rows} <= {"milk", "yes"} and rows
