"""The threshold below which a checkpoint's answers are ``unknown``, in a small file beside the checkpoint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from skelact.errors import CheckpointError
from skelact.io.files import write_text

UNKNOWN = "unknown"  # the answer below the threshold


@dataclass(frozen=True)
class UnknownThreshold:
    """A threshold and what it was fitted on.

    Args:
        threshold: answers of a lower confidence (highest probability) are `UNKNOWN`.
        rate: share of clips of known classes that may be refused.
        clips: how many it was fitted on.
        data, split: which they were.
        checkpoint: SHA-256 of the checkpoint that it belongs to.
    """

    threshold: float
    rate: float
    clips: int
    data: str
    split: str
    checkpoint: str


def threshold_path(checkpoint: Path) -> Path:
    """The file of a checkpoint's threshold: ``best.unknown.json`` beside ``best.safetensors``."""
    return checkpoint.with_suffix(".unknown.json")


def checksum(checkpoint: Path) -> str:
    """SHA-256 of a checkpoint file."""
    with checkpoint.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_threshold(checkpoint: Path, found: UnknownThreshold) -> Path:
    """Write the threshold beside its checkpoint, whole or not at all; the weights are not touched.

    Raises:
        DataError: if it cannot be written.
    """
    return write_text(threshold_path(checkpoint), json.dumps(asdict(found), indent=1) + "\n")


def load_threshold(checkpoint: Path) -> UnknownThreshold | None:
    """The threshold of a checkpoint file; None if none was fitted.

    Raises:
        CheckpointError: if the file is damaged, or was fitted for other weights.
    """
    path = threshold_path(checkpoint)
    if not path.is_file():
        return None
    again = (
        f"fit it again: skelact evaluate {checkpoint} --fit-unknown 0.05, or answer without it: "
        "skelact predict --no-unknown"
    )
    try:
        found = TypeAdapter(UnknownThreshold).validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is damaged ({str(error).splitlines()[0]}); {again}") from None
    if not 0 <= found.threshold <= 1:
        raise CheckpointError(f"{path} is damaged (its threshold is {found.threshold}); {again}")
    if found.checkpoint != checksum(checkpoint):
        raise CheckpointError(f"{path} was fitted for other weights than those of {checkpoint}; {again}")
    return found
