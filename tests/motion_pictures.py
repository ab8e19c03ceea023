"""Rendered videos whose motion is known."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scipy.ndimage import gaussian_filter


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random picture ``[H, W, 3]`` uint8 that motion can be seen in."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    smooth = gaussian_filter(noise, (2.5, 2.5, 0), mode="wrap")
    smooth = smooth / smooth.std()
    return np.clip(128 + 50 * smooth, 0, 255).astype(np.uint8)


def pan(n: int, step: tuple[int, int], height: int = 96, width: int = 128, seed: int = 0) -> list[np.ndarray]:
    """``n`` pictures of a texture that moves by ``step`` = (right, down) whole pixels a frame."""
    room = n * max(abs(step[0]), abs(step[1]))
    whole = texture(height + 2 * room, width + 2 * room, seed)
    return [
        np.ascontiguousarray(
            whole[
                room - k * step[1] : room - k * step[1] + height,
                room - k * step[0] : room - k * step[0] + width,
            ]
        )
        for k in range(n)
    ]


def encode(
    path: Path,
    pictures: list[np.ndarray],
    codec: str = "libx264",
    *,
    options: dict[str, str] | None = None,
    fps: int = 25,
    stamps: list[int] | None = None,
    rotation: int = 0,
    b_frames: int | None = None,
) -> Path:
    """Write pictures with the options of a codec; ``stamps`` are presentation times in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = {"mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        stream.options = options or {}
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        if rotation:
            stream.set_display_rotation(rotation)
        base = Fraction(1, fps) if stamps is None else Fraction(1, 1000)
        stream.codec_context.time_base = base
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = (k if stamps is None else stamps[k]), base
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
