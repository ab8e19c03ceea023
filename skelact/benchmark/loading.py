"""Loading of pictures and motion: decoding against PyAV, flow that is kept against DIS, and waiting in training."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.picture_reading import DecodedPictures, PictureTask, load_pictures
from skelact.datasets.pictures import PictureInput
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.io.flow import FLOWS, read_flow
from skelact.io.flow_cache import read_cached_flow, write_flow
from skelact.io.motion_vectors import MOTION_CODECS, read_motion
from skelact.io.video import Video
from skelact.io.video_frames import frame_times, read_frames, scaled_size
from skelact.io.video_open import videos_in
from skelact.io.video_write import write_video
from skelact.models.fusion import FusionSettings
from skelact.models.video import video_settings
from skelact.recognition.checkpoint import Card
from skelact.skeleton import Skeleton
from skelact.training.loop import FitResult, fit
from skelact.training.settings import TrainSettings

WINDOW = 32  # frames that are read
MOST_VIDEOS = 3  # of a folder
FLOW_SIDES = (128, 256)  # pixels
_ANY_SIZE = 1 << 16  # no video is larger
SEEN_FPS, SEEN_FRAMES, CLIPS, BATCH = 15.0, 16, 16, 8
TARGET = {"decoding": ">= 0.9", "flow": ">= 50", "motion": ">= 50", "training": "< 5 %"}

Run = Callable[[], object]


def measure_loading(
    videos: str | Path = "",
    seconds: float = 6.0,
    widths: Sequence[float] = (0.25, 1.0),
    crop: int = 112,
    workers: int = 1,
) -> Iterator[dict[str, Any]]:
    """Measure what stands between video files and a network, one row after the other.

    Args:
        videos: folder of videos, of which the first few are taken; empty: small ones are made.
        seconds: for each measurement.
        widths: of the 3D ResNet-18 that is trained.
        crop: side of the pictures that it sees, pixels.
        workers: processes that decode while it trains.

    Yields:
        rows with ``what``, ``against``, microseconds per frame of ``ours`` and of the ``other`` way, ``ratio`` (how
        many times faster ours is) and ``target``; of training ``clips/s`` and ``waiting %``, the share of the time in
        which no batch was ready, that before the first batch included.

    Raises:
        DataError: if the folder holds no video, or none with two windows of frames.
        ConfigError: for numbers that are not positive.
    """
    if not widths or min(widths) <= 0 or crop < 1 or workers < 0:
        raise ConfigError(
            f"loading needs widths and a crop above 0 and workers of at least 0, got {list(widths)}, {crop} and "
            f"{workers}"
        )
    with tempfile.TemporaryDirectory(prefix="skelact-loading-") as name, one_opencv_thread():
        folder = Path(name)
        files = choose_videos(Path(videos)) if str(videos) else make_videos(folder)
        yield from measure_decoding(files, seconds)
        for side in FLOW_SIDES:
            yield from measure_flow(files[0], side, folder, seconds)
        yield measure_full_flow(files[0], folder, seconds)
        for path in files:
            yield measure_motion(path, seconds)
        for width in widths:
            for resident in (True, False):
                yield measure_waiting(files, width, crop, resident, workers, seconds, folder)


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """DIS on one thread, as everything else here."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def make_videos(
    folder: Path, lengths: Sequence[int] = (100, 1500), shape: tuple[int, int] = (240, 320)
) -> list[Path]:
    """H.264 videos of a texture that sways, the longest last.

    Args:
        folder: where they are written.
        lengths: frames of each.
        shape: (height, width).
    """
    import cv2

    height, width = shape
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    texture = cv2.resize(coarse, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    files = []
    for n in lengths:
        phases = 2 * np.pi * np.arange(n) / 75
        lefts = np.rint((1 + np.sin(phases)) * width / 2).astype(int)
        tops = np.rint((1 + np.cos(phases)) * height / 2).astype(int)
        pictures = (texture[y : y + height, x : x + width] for y, x in zip(tops, lefts, strict=True))
        files.append(folder / f"sway{n}.mp4")
        write_video(files[-1], pictures, 25)
    return files


def choose_videos(folder: Path) -> list[Path]:
    """The first videos of a folder that have two windows of frames, the longest last.

    Raises:
        DataError: if there is none.
    """
    found: list[tuple[int, Path]] = []
    for path in videos_in(folder):
        n = len(frame_times(path))
        found += [(n, path)] if n >= 2 * WINDOW else []
        if len(found) == MOST_VIDEOS:
            break
    if not found:
        raise DataError(f"no video of {folder} has {2 * WINDOW} frames; give longer ones with --videos")
    return [path for _, path in sorted(found)]


def measure_decoding(files: Sequence[Path], seconds: float) -> Iterator[dict[str, Any]]:
    """Reading a window of frames against PyAV's loop that decodes and converts the same frames."""
    firsts = {path: frame_times(path)[:WINDOW] for path in files}
    runs: dict[str, Run] = {
        "ours": lambda: [read_frames(path, times) for path, times in firsts.items()],
        "other": lambda: [plain_frames(path, times) for path, times in firsts.items()],
    }
    n_frames = sum(len(times) for times in firsts.values())
    yield _compare(
        f"{WINDOW} frames from the start of {len(files)} videos", "PyAV", runs, n_frames, seconds, "decoding"
    )
    times = frame_times(files[-1])
    late = times[int(0.8 * (len(times) - WINDOW)) :][:WINDOW]
    runs = {"ours": lambda: read_frames(files[-1], late), "other": lambda: plain_frames(files[-1], late)}
    what = f"{len(late)} frames from {late[0]:.1f} s of {times[-1]:.1f} s"
    yield _compare(what, "PyAV, seeking", runs, len(late), seconds, "decoding")


def plain_frames(path: Path, times: np.ndarray, convert: bool = True) -> list[np.ndarray]:
    """Frames at successive ``times [T]`` by PyAV alone: seek to the first, decode, convert to RGB."""
    found: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        base = stream.time_base or 1
        if times[0] > 0:
            container.seek(int((stream.start_time or 0) + times[0] / base), stream=stream, backward=True)
        n = 0
        for frame in container.decode(stream):
            if (frame.time or 0.0) - float((stream.start_time or 0) * base) < times[0] - 1e-3:
                continue
            if convert:
                found.append(frame.to_ndarray(format="rgb24"))
            n += 1
            if n == len(times):
                break
    return found


def measure_flow(path: Path, side: int, folder: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """Reading flow that is kept, against finding it by DIS: between pictures that are there, and from the video."""
    kept = folder / f"{path.stem}{side}.flow"
    info = write_flow(path, kept, size=side)
    times = frame_times(path)[:WINDOW]
    shape = (info.height, info.width)
    pictures = list(read_frames(path, frame_times(path)[: WINDOW + 1], size=shape))
    between = _dis()
    what = f"flow from its file, {info.width} x {info.height}"
    runs: dict[str, Run] = {
        "ours": lambda: read_cached_flow(kept, times),
        "other": lambda: [between(a, b) for a, b in pairwise(pictures)],
        "video": lambda: read_flow(path, times, size=shape),
    }
    measured = time_in_turn(runs, seconds)
    share = kept.stat().st_size / path.stat().st_size
    for against, name in (("DIS alone", "other"), ("decoding and DIS", "video")):
        found = {"ours": measured["ours"], "other": measured[name]}
        yield _row(what, against, found, len(times), "flow") | {"file / video": share}


def measure_full_flow(path: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Flow of whole pictures, as large as a network takes it: from its file, against DIS at the video's own size."""
    kept = folder / f"{path.stem}-full.flow"
    info = write_flow(path, kept, size=_ANY_SIZE)
    times = frame_times(path)[:WINDOW]
    pictures = list(read_frames(path, frame_times(path)[: WINDOW + 1]))
    between, seen = _dis(), scaled_size(info.height, info.width, min(*FLOW_SIDES, info.height, info.width))
    runs: dict[str, Run] = {
        "ours": lambda: read_cached_flow(kept, times, size=seen),
        "other": lambda: [between(a, b) for a, b in pairwise(pictures)],
    }
    what = f"flow of {info.width} x {info.height} from its file, read at {seen[1]} x {seen[0]}"
    row = _compare(what, "DIS alone, of the whole picture", runs, len(times), seconds, "flow")
    return row | {"file / video": kept.stat().st_size / path.stat().st_size}


def measure_motion(path: Path, seconds: float) -> dict[str, Any]:
    """The codec's motion vectors, beyond decoding, against DIS at the video's own size."""
    what = "motion vectors, beyond decoding"
    with Video(path, threads=1) as video:
        if video.codec not in MOTION_CODECS:
            return {"what": what, "error": f"{video.codec} has none"}
    times = frame_times(path)[:WINDOW]
    pictures = list(read_frames(path, frame_times(path)[: WINDOW + 1]))
    between = _dis()
    runs: dict[str, Run] = {
        "motion": lambda: read_motion(path, times),
        "decoding": lambda: plain_frames(path, times, convert=False),
        "other": lambda: [between(a, b) for a, b in pairwise(pictures)],
    }
    measured = time_in_turn(runs, seconds)
    extra = median([a - b for a, b in zip(measured["motion"], measured["decoding"], strict=True)])
    found = {"ours": [max(extra, 1e-9)], "other": [median(measured["other"])]}
    height, width = pictures[0].shape[:2]
    row = _row(f"{what}, {width} x {height}", "DIS alone", found, len(times), "motion")
    return row | {"decoding": 1e6 * median(measured["decoding"]) / len(times)}


def measure_waiting(
    files: Sequence[Path], width: float, crop: int, resident: bool, workers: int, seconds: float, folder: Path
) -> dict[str, Any]:
    """Training a 3D ResNet-18 on clips of videos: the share of time in which no batch was ready."""
    seen = PictureInput(
        ClipSampling("segments", 1, segments=SEEN_FRAMES),
        Framing((crop + crop // 8, crop + crop // 8)),
        fps=SEEN_FPS,
        crop=crop,
    )
    data = _clips_of(files, seen, None if resident else 0, workers)
    settings = FusionSettings(streams={"rgb": video_settings("resnet3d_18", width=width)})
    pipeline = Pipeline(pictures={"rgb": seen})
    how = TrainSettings(epochs=1, batch_size=BATCH, lr=0.01, ema=0.0, warmup_epochs=0.0, device="cpu")

    def run(steps: int) -> FitResult:
        torch.manual_seed(0)
        network = settings.build(data.layout, len(data.label_names), 3)
        card = Card(data.layout.to_dict(), data.dims, data.unit, data.label_names, 25.0, {}, {})
        clips = torch.arange(steps * BATCH) % len(data)
        return fit(network, data, clips, None, pipeline, how, folder / "run", card, restart=True)

    steps = max(6, round(2 * seconds / run(2).seconds))
    result = run(steps)
    decoded = isinstance(data.pictures[seen.kept_as("rgb")], DecodedPictures)
    kept = (
        "in memory" if not decoded else f"decoded for every batch, {workers} process{'es' * (workers != 1)}"
    )
    return {
        "what": f"training 3D ResNet-18, width {width:g}, {crop} x {crop}, pictures {kept}",
        "clips/s": steps * BATCH / result.seconds,
        "waiting %": 100 * result.waited / result.seconds,
        "target": TARGET["training"],
    }


def _clips_of(files: Sequence[Path], seen: PictureInput, limit: int | None, workers: int) -> SkeletonSet:
    """Clips of as many seconds as a network sees, spread over the videos, with one still person in each."""
    length = SEEN_FRAMES / SEEN_FPS
    tasks, clips = [], []
    for k in range(CLIPS):
        path = files[k % len(files)]
        start = (float(frame_times(path)[-1]) - length) * (k // len(files)) / max(1, CLIPS // len(files))
        start = max(0.0, start)
        tasks.append(
            PictureTask(k, "rgb", str(path), None, start, start + length, None, seen.framing, seen.fps)
        )
        still = np.zeros((1, round(25 * length), 25, 3))
        clips.append(Skeleton(still, None, "ntu25", 25, label=f"a{k % 2}", id=f"c{k}"))
    data = SkeletonSet.from_skeletons(clips)
    data.pictures[seen.kept_as("rgb")] = load_pictures(
        tasks, "rgb", len(data), workers=0 if limit is None else workers, limit=limit
    )
    return data


def _dis() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    make = FLOWS["dis"].make
    assert make is not None
    return make()


def _compare(
    what: str, against: str, runs: dict[str, Run], n_frames: int, seconds: float, target: str
) -> dict[str, Any]:
    return _row(what, against, time_in_turn(runs, seconds), n_frames, target)


def _row(
    what: str, against: str, times: dict[str, list[float]], n_frames: int, target: str
) -> dict[str, Any]:
    return {
        "what": what,
        "against": against,
        "ours": 1e6 * median(times["ours"]) / n_frames,
        "other": 1e6 * median(times["other"]) / n_frames,
        "ratio": ratio(times, "other", "ours"),
        "target": TARGET[target],
    }
