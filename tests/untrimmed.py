"""Small untrimmed recordings for tests: a hand that is up, goes and is down; and moments at which it is highest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skelact.io.store import write_store
from skelact.skeleton import Skeleton


def recording(name: str, seed: int, moments: bool = False, n: int = 240) -> Skeleton:
    """One person of six joints at 20 frames a second, labelled frame by frame."""
    rng = np.random.default_rng(seed)
    xyz = np.tile(
        np.array([[-1, 0, 0], [1, 0, 0], [0, 3, 0], [0, 1, 0], [-1, 0.3, 0], [1, 0.3, 0]], float), (n, 1, 1)
    )
    xyz += rng.normal(0, 0.02, xyz.shape) + rng.normal(0, 1, 3)
    labels = ["none" if moments else "down"] * n
    at = 25
    while at + 20 < n:
        left = bool(rng.integers(2))
        rise = (
            np.clip(1 - np.abs(np.arange(n) - at) / 8, 0, None)
            if moments
            else (np.abs(np.arange(n) - at) < 10) * 1.0
        )
        xyz[:, [0, 4] if left else [1, 5], 1] += 2 * rise[:, None]
        for t in [at] if moments else range(at - 9, at + 10):
            labels[t] = "left" if left else "right"
        at += int(rng.integers(40, 60))
    return Skeleton(
        xyz[None], None, "gesture6", 20.0, "unknown", id=name, info={"subject": name[0]}, frame_labels=labels
    )


def write_set(path: Path, moments: bool = False) -> Path:
    """Four recordings to train on and two to test with."""
    clips = [
        recording(f"{p}{k}", 10 * k + ord(p), moments) for p, ks in (("a", 4), ("b", 2)) for k in range(ks)
    ]
    splits = {"user/train": ["a0", "a1", "a2", "a3"], "user/test": ["b0", "b1"]}
    write_store(path, clips, splits)
    return path
