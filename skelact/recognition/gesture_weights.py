"""The gesture encoder that ships with the package, and files of others like it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact.errors import CheckpointError
from skelact.models.gesture_encoder import GestureEncoder
from skelact.recognition.array_file import read_arrays, write_arrays

KIND = "gesture encoder"
_MADE_BY = "tools/train_gestures.py"
SHIPPED_ENCODER = Path(__file__).parent / "weights" / "gestures.safetensors"


def save_encoder(path: str | PathLike[str], model: GestureEncoder, report: dict[str, Any]) -> Path:
    """Write an encoder with 16-bit weights, and what is known of its training."""
    arrays = {n: v.detach().half().numpy() for n, v in model.state_dict().items()}
    return write_arrays(path, KIND, {"settings": model.settings, "trained": report}, arrays)


def load_encoder(path: str | PathLike[str] | None = None) -> GestureEncoder:
    """Read an encoder; None: the one that ships with the package.

    Raises:
        CheckpointError: if the file is not there, damaged, or something else.
    """
    path = SHIPPED_ENCODER if path is None else Path(path)
    return _load(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(4)
def _load(path: Path, _: int) -> GestureEncoder:
    card, arrays = read_arrays(path, KIND, _MADE_BY)
    try:
        model = GestureEncoder(**card["settings"])
        model.load_state_dict({n: torch.from_numpy(a.astype(np.float32)) for n, a in arrays.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is no encoder of this skelact ({error}); make it again with {_MADE_BY}"
        ) from None
    return model.eval().requires_grad_(False)


def encoder_id(model: GestureEncoder) -> str:
    """A short hash of the weights: vectors of two encoders are compared only if they are the same."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().to(torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
