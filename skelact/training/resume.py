"""The state that exact continuation needs; read with ``weights_only=True``, so that no pickled code is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from skelact.errors import CheckpointError
from skelact.recognition.checkpoint import write_atomically

# What a saved state must hold at least, by type.
_RESUME = {
    "epoch": int, "step": int, "model": dict, "optimiser": dict, "average": dict, "average_updates": int,
    "history": list, "best_score": (int, float), "best_epoch": int, "seconds": (int, float), "config": dict,
}  # fmt: skip


def save_resume(path: Path, state: dict) -> None:
    """Save what exact continuation needs (tensors and plain values only), atomically."""

    def write(temporary: Path) -> None:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # torch wraps a failed write
            raise OSError(str(error)) from error

    write_atomically(path, write)


def load_resume(path: Path, device: torch.device | str = "cpu") -> dict:
    """Read what `save_resume` wrote; no pickled code is run.

    Raises:
        CheckpointError: if the file is damaged.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        wrong = [key for key, kind in _RESUME.items() if not isinstance(state[key], kind)]
        if wrong:
            raise TypeError(f"{', '.join(wrong)} of another type")
        return state
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be continued from ({error}); remove it to start again"
        ) from error


def done_epochs(folder: Path) -> int:
    """Epochs that the run of a folder has done; 0 without one.

    Raises:
        CheckpointError: if its state is damaged.
    """
    path = folder / "last.pt"
    return load_resume(path)["epoch"] if path.exists() else 0


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """What differs between two configurations, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(k for k in new if k not in old)]
        return [
            d for k in keys for d in differences(old.get(k), new.get(k), f"{path}.{k}" if path else str(k))
        ]
    return [] if old == new else [f"{path}: {old} then, {new} now"]
