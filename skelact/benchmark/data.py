"""Measurements of reading: NTU conversion, `gather`, and what importing costs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact.benchmark.timing import median, time_in_turn
from skelact.datasets.gather import Sampling, gather
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import DataError
from skelact.skeleton import Skeleton
from skelact.transforms.geometry import rotate


def ntu_like_set(n_clips: int = 2000, seed: int = 0) -> SkeletonSet:
    """A set with NTU's lengths and share of two-person clips, of random joints."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.normal(84, 30, n_clips), 32, 300).astype(int)
    clips = [
        Skeleton(
            rng.normal(size=(2 if rng.random() < 0.18 else 1, t, 25, 3)), None, "ntu25", 30, label=str(i % 60)
        )
        for i, t in enumerate(lengths)
    ]
    return SkeletonSet.from_skeletons(clips)


def measure_gather(seconds: float = 4.0, batch_size: int = 64) -> list[dict[str, Any]]:
    """`gather` with rotation and resampling to 64 frames, on this process's threads."""
    data = ntu_like_set()
    generator = torch.Generator().manual_seed(0)
    sampling = Sampling("resize", 64)

    def plain() -> None:
        clips = torch.randint(len(data), (batch_size,), generator=generator)
        gather(data, clips, sampling, training=True, generator=generator)

    def rotated() -> None:
        clips = torch.randint(len(data), (batch_size,), generator=generator)
        batch = gather(data, clips, sampling, training=True, generator=generator)
        rotate(batch.x, batch.owner, batch.n_clips, 0.3, generator)

    times = time_in_turn({"plain": plain, "rotated": rotated}, seconds)
    return [
        {"what": "gather, resampling to 64 frames", "clips/s": batch_size / median(times["plain"])},
        {"what": "gather, resampling and rotation", "clips/s": batch_size / median(times["rotated"])},
    ]


def measure_conversion(folder: Path, copies: int = 4800, workers: int | None = None) -> list[dict[str, Any]]:
    """Convert copies of real NTU files, each time in a fresh process.

    Args:
        folder: holds ``.skeleton`` files.
        copies: files in all.
        workers: processes; None: one per core.
    """
    sources = sorted(folder.glob("*.skeleton"))
    if not sources:
        raise DataError(f"{folder} holds no .skeleton files; pass a folder of NTU RGB+D files with --files")
    workers = workers or os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        many = Path(name) / "skeletons"
        many.mkdir()
        for i in range(copies):
            setup, repetition, action = 1 + i // 3000, 1 + i // 60 % 50, 1 + i % 60
            target = many / f"S{setup:03d}C001P001R{repetition:03d}A{action:03d}.skeleton"
            shutil.copy(sources[i % len(sources)], target)
        (many / "classes.txt").write_text("\n".join(f"action {k}" for k in range(1, 61)))
        size = sum(f.stat().st_size for f in many.glob("*.skeleton"))
        rows = []
        for n in dict.fromkeys((0, workers)):
            command = [sys.executable, "-m", "skelact.cli", "convert", str(many), "--format", "ntu", "--json"]
            command += ["--workers", str(n), "--out", str(Path(name) / f"{n}.h5")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            report = json.loads(done.stdout)
            rows.append(
                {
                    "what": f"NTU conversion, {'one process' if n == 0 else f'{n} processes'}",
                    "files": report["clips"],
                    "files/s": report["files_per_second"],
                    "MB/s": size / report["seconds"] / 1e6,
                }
            )
    return rows


def measure_import(rounds: int = 5) -> list[dict[str, Any]]:
    """Wall time of ``import skelact`` and of ``skelact --help`` in fresh processes, less bare Python's."""
    commands = {
        "import skelact": [sys.executable, "-c", "import skelact"],
        "skelact --help": [sys.executable, "-m", "skelact.cli", "--help"],
        "python alone": [sys.executable, "-c", "pass"],
    }
    runs = {
        name: lambda c=command: subprocess.run(c, check=True, capture_output=True)
        for name, command in commands.items()
    }
    times = time_in_turn(runs, rounds=rounds)
    return [{"what": name, "seconds": median(values)} for name, values in times.items()]
