"""MediaPipe's model bundles: which parts each holds, with their checksums, and how it is packed.

A model bundle (``.task``) is a stored zip of two TFLite parts.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ASSETS_URL = "https://storage.googleapis.com/mediapipe-assets"


@dataclass(frozen=True)
class ModelPart:
    """One TFLite file: ``name`` inside a package, ``member`` inside the bundle, its checksum."""

    name: str
    member: str
    sha256: str
    generation: str

    @property
    def url(self) -> str:
        """Public address of exactly this version."""
        return f"{ASSETS_URL}/{self.name}?generation={self.generation}"

    @property
    def without_metadata(self) -> bool:
        """Whether it lacks the metadata that the Tasks API wants, so that the bundle holds another file."""
        return self.name.startswith("pose_landmark_")


_DETECTOR = ModelPart(
    "pose_detection.tflite",
    "pose_detector.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "1678737489600422",
)


def _pose(quality: str, sha256: str, generation: str) -> tuple[ModelPart, ...]:
    name = f"pose_landmark_{quality}.tflite"
    return (_DETECTOR, ModelPart(name, "pose_landmarks_detector.tflite", sha256, generation))


MODELS: dict[str, tuple[ModelPart, ...]] = {
    "pose_landmarker_lite": _pose(
        "lite", "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61", "1661875901231143"
    ),
    "pose_landmarker_full": _pose(
        "full", "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f", "1661875894245786"
    ),
    "pose_landmarker_heavy": _pose(
        "heavy", "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe", "1661875897944151"
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
                if pinned and not part.without_metadata and _sha256(data) != part.sha256:
                    return f"{part.member} in it has another checksum"
    except KeyError:
        return f"it is not a {name} bundle: it lacks {part.member}"
    except (OSError, zipfile.BadZipFile, EOFError, ValueError) as error:
        return str(error)
    return ""


def verify_part(part: ModelPart, data: bytes, where: str) -> None:
    """Raise `ValueError` unless ``data``, which came from ``where``, is the part."""
    if _sha256(data) != part.sha256:
        raise ValueError(
            f"{part.name} from {where} has the checksum {_sha256(data)[:12]}…, not {part.sha256[:12]}…"
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def build_bundle(parts: tuple[ModelPart, ...], data: dict[str, bytes]) -> bytes:
    """Pack TFLite parts into a ``.task`` bundle (a zip without compression, as the Tasks API maps it)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for part in parts:
            content = data[part.name]
            if part.without_metadata:
                content = add_pose_metadata(content)
            bundle.writestr(zipfile.ZipInfo(part.member, (1980, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


def add_pose_metadata(model: bytes) -> bytes:
    """Add the TFLite metadata that the Tasks API wants and the legacy pose model lacks.

    Args:
        model: the bytes of a ``pose_landmark_….tflite``.

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
