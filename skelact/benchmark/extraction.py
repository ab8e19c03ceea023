"""How fast videos become skeletons, against MediaPipe's own rate on the same video."""

from __future__ import annotations

import shutil
import tempfile
import time
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelact.io.video import open_video
from skelact.pose.extract import extract_video
from skelact.pose.model_files import find_model
from skelact.pose.quiet import quiet_stderr
from skelact.pose.tasks import find_tasks
from skelact.pose.workers import run_in_workers


def measure_extraction(video: str | PathLike[str], repeats: int = 3) -> dict[str, Any]:
    """Measure extraction of one person, in turns with a bare loop of decoding and MediaPipe.

    Args:
        video: a file with one person in it.
        repeats: how often each is measured; the best of each counts, as others may use the machine.

    Returns:
        Frames a second of the bare loop (``mediapipe_fps``) and of `extract_video` (``skelact_fps``), their
        ``ratio``, and videos a second of two worker processes against one (``two_workers_ratio``), with
        processes already started.

    Raises:
        DataError: if the video cannot be read.
        DependencyError: if MediaPipe or its model is missing.
    """
    bare, ours = [], []
    n_frames = 0
    for _ in range(repeats):
        began = time.perf_counter()
        n_frames = _bare_loop(video)
        bare.append(n_frames / (time.perf_counter() - began))
        began = time.perf_counter()
        extract_video(video, people="one", threads=1)
        ours.append(n_frames / (time.perf_counter() - began))
    one, two = _workers(video, 1, repeats), _workers(video, 2, repeats)
    return {
        "n_frames": n_frames,
        "mediapipe_fps": round(max(bare), 1),
        "skelact_fps": round(max(ours), 1),
        "ratio": round(max(ours) / max(bare), 3),
        "one_worker_fps": round(one * n_frames, 1),
        "two_workers_fps": round(two * n_frames, 1),
        "two_workers_ratio": round(two / one, 3),
    }


def _bare_loop(video: str | PathLike[str]) -> int:
    """Decode and detect, and nothing else."""
    import mediapipe as mp
    from mediapipe.tasks.python import vision
    from mediapipe.tasks.python.core.base_options import BaseOptions

    model = find_model("pose_landmarker_full")
    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)), running_mode=vision.RunningMode.VIDEO
    )
    n = 0
    with (
        open_video(video, threads=1) as frames,
        quiet_stderr(),
        vision.PoseLandmarker.create_from_options(options) as landmarker,
    ):
        for frame in frames:
            image = mp.Image(mp.ImageFormat.SRGB, np.ascontiguousarray(frame.image))
            landmarker.detect_for_video(image, round(frame.time * 1000))
            n += 1
    return n


def _workers(video: str | PathLike[str], n_workers: int, repeats: int) -> float:
    """Videos a second, between the first and the last result of each worker."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(video)
        n_videos = n_workers * (repeats + 1)
        for i in range(n_videos):
            shutil.copy(path, Path(folder) / f"{i:03d}{path.suffix}")
        tasks = find_tasks([folder], options={"people": "one", "threads": 1})
        done = [time.perf_counter() for _ in run_in_workers(tasks, n_workers)]
        # The first round pays for starting the processes and for importing MediaPipe.
        first = done[n_workers - 1]
        return (n_videos - n_workers) / (done[-1] - first)
