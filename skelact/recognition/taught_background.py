"""What gestures are told apart from: idle movement, and the threshold that it passes only so often."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from skelact.datasets.synthetic.gestures.idle import make_idle
from skelact.models.gesture_encoder import GestureEncoder
from skelact.recognition.taught_examples import by_dominant_hand

WINDOWS = 1500
WINDOWS_PER_HOUR = 3600.0  # decisions that do not depend on each other
_TAIL = 0.05  # share of the largest scores that the tail is fitted to
_SEED = 20_011


@lru_cache(4)
def background(model: GestureEncoder, present: tuple[bool, ...], flat: bool, either_hand: bool) -> np.ndarray:
    """Vectors of synthetic idle movement ``[WINDOWS, D]``, seen through an estimator's joints.

    Args:
        model: the encoder.
        present: ``V`` joints that the estimator gives.
        flat: whether it gives no depth.
        either_hand: whether gestures are mirrored to the right hand.
    """
    mask = torch.tensor(present, dtype=torch.float32)
    body = any(present[:7])
    profile = (
        "holistic"
        if body and mask[13:].mean() > 0.5
        else "hand"
        if not body
        else "points"
        if mask[1:3].sum() < 1
        else "body"
    )
    rng = torch.Generator().manual_seed(_SEED)
    xyz, seen = make_idle(WINDOWS, profile, rng, flat=flat)
    seen = seen * mask
    xyz = xyz * seen[..., None]
    return encode(model, xyz.numpy(), seen.numpy(), either_hand)


def encode(
    model: GestureEncoder, xyz: np.ndarray, present: np.ndarray, either_hand: bool = False
) -> np.ndarray:
    """Vectors ``[N, D]`` of ``xyz [N, T, V, 3]``."""
    if either_hand:
        xyz, present = by_dominant_hand(xyz, present)
    with torch.inference_mode():
        parts = [
            model(
                torch.from_numpy(np.ascontiguousarray(xyz[i : i + 128])).float(),
                torch.from_numpy(np.ascontiguousarray(present[i : i + 128])).float(),
            )
            for i in range(0, len(xyz), 128)
        ]
    return torch.cat(parts).numpy() if parts else np.zeros((0, model.dims), np.float32)


def threshold_of(scores: np.ndarray, per_hour: float) -> float:
    """The score that background passes ``per_hour`` times an hour: its tail is taken to fall exponentially.

    Args:
        scores: ``[N]`` of background windows.
        per_hour: how often it may be passed.
    """
    chance = per_hour / WINDOWS_PER_HOUR
    ordered = np.sort(scores)[::-1]
    n_tail = max(5, round(_TAIL * len(ordered)))
    n_tail = min(n_tail, len(ordered) - 1)
    if n_tail < 1:
        return float(ordered[0]) if len(ordered) else 0.0
    begin = float(ordered[n_tail])
    scale = max(float((ordered[:n_tail] - begin).mean()), 1e-4)
    share = n_tail / len(ordered)
    if chance >= share:
        return float(np.quantile(scores, 1 - chance))
    return begin + scale * float(np.log(share / chance))
