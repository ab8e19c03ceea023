"""Files of small models in NumPy: arrays and what is known of them in one safetensors file; nothing in it is run."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import CheckpointError
from skelact.io.files import atomic_path

_VERSION = 1


def write_arrays(
    path: str | PathLike[str], kind: str, card: dict[str, Any], arrays: dict[str, np.ndarray]
) -> Path:
    """Write a model, whole or not at all.

    Args:
        path: the file.
        kind: of the model, asked for when it is read.
        card: what is known of it, as plain containers.
        arrays: by name.

    Raises:
        DataError: if it cannot be written.
    """
    from safetensors.numpy import save_file

    text = json.dumps({"version": _VERSION, "kind": kind, **card})
    with atomic_path(Path(path)) as part:
        save_file({n: np.ascontiguousarray(a) for n, a in arrays.items()}, part, {"skelact_arrays": text})
    return Path(path)


def read_arrays(
    path: str | PathLike[str], kind: str, made_by: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a model that `write_arrays` has written.

    Args:
        path: the file.
        kind: it must be of.
        made_by: the command that makes such files, for messages.

    Returns:
        its card and its arrays.

    Raises:
        CheckpointError: if it is not there, damaged, or something else.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no {path}; {made_by} makes one")
    try:
        with safe_open(path, "np") as file:
            card = json.loads((file.metadata() or {}).get("skelact_arrays", "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is damaged or no model ({error}); make it again with {made_by}"
        ) from None
    if not isinstance(card, dict) or card.get("kind") != kind:
        what = f"holds '{card.get('kind')}'" if isinstance(card, dict) else "is another kind of file"
        raise CheckpointError(f"{path} {what}, not '{kind}'; {made_by} makes such files")
    if card.get("version") != _VERSION:
        raise CheckpointError(
            f"{path} has version {card.get('version')}, this skelact reads {_VERSION}; make it again with {made_by}"
        )
    bad = [n for n, a in arrays.items() if a.dtype.kind not in "fiu" or np.isnan(a.astype(np.float64)).any()]
    if bad:
        raise CheckpointError(
            f"{path} is damaged: {', '.join(bad)} holds no numbers; make it again with {made_by}"
        )
    return card, arrays
