"""Raw files made by hand, for tests of what releases read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

NAME = "S001C001P001R001A001.skeleton"


def walker(
    n_frames: int, seed: int = 0, at: float = 0.0, speed: float = 0.02, wide: bool = False
) -> np.ndarray:
    """``[T, 25, 3]`` somebody who is taller than wide (or not) and moves at random."""
    random = np.random.default_rng(seed)
    body = random.uniform(-0.2, 0.2, (25, 3)) * [1, 0, 1] + np.linspace(0, 1.6, 25)[:, None] * [0, 1, 0]
    path = np.cumsum(random.normal(0, speed, (n_frames, 1, 3)), 0)
    x = body + path + random.normal(0, speed / 4, (n_frames, 25, 3)) + [at, 0, 3]
    return (x[..., [1, 0, 2]] if wide else x).round(6).astype(np.float32)


def bodies_of(
    spans: Mapping[int, tuple[int, np.ndarray]], n_frames: int
) -> list[list[tuple[int, np.ndarray]]]:
    """For every frame the bodies (id, pose) whose span (start, poses) holds it, in the mapping's order."""
    return [
        [(i, x[t - start]) for i, (start, x) in spans.items() if start <= t < start + len(x)]
        for t in range(n_frames)
    ]


def write_raw(path: Path, frames: Sequence[Sequence[tuple[int, np.ndarray]]], states: str = "2") -> Path:
    """A ``.skeleton`` file of bodies (id, ``[25, 3]``) frame by frame; ``states`` are used in turn."""
    lines, n = [str(len(frames))], 0
    for bodies in frames:
        lines.append(str(len(bodies)))
        for body_id, pose in bodies:
            lines += [f"{body_id} 0 1 1 1 1 0 0 0 2", "25"]
            for joint in pose:
                lines.append(" ".join(map(str, joint)) + f" 1 1 1 1 0 0 0 0 {states[n % len(states)]}")
                n += 1
    path.write_text("\r\n".join(lines) + "\r\n")
    return path


def write_kinetics_raw(path: Path, frames: Mapping[int, Sequence[np.ndarray]]) -> Path:
    """A Kinetics-Skeleton JSON of people ``[18, 3]`` (x, y, score) by frame number."""
    data = [
        {
            "frame_index": number,
            "skeleton": [{"pose": p[:, :2].ravel().tolist(), "score": p[:, 2].tolist()} for p in people],
        }
        for number, people in frames.items()
    ]
    path.write_text(json.dumps({"data": data, "label": "waving", "label_index": 3}))
    return path
