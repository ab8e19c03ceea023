"""Boxes of people with what they do, drawn on videos."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from skelact.errors import DataError
from skelact.evaluate.overlay import track_colour
from skelact.evaluate.overlay_text import Box, draw_text, text_size
from skelact.io.video import Frame, Video, VideoWriter


@dataclass(frozen=True, eq=False)
class OverlayBox:
    """A box to draw on one picture.

    Args:
        box: ``[4]`` as x1, y1, x2, y2 in fractions 0..1 of the picture.
        track_id: chooses the colour and is written above the box.
        lines: what is written below the identity, such as ``waving 97 %``.
    """

    box: np.ndarray
    track_id: int = 0
    lines: Sequence[str] = ()


def draw_boxes(image: np.ndarray, boxes: Iterable[OverlayBox]) -> np.ndarray:
    """Draw boxes with their texts; returns a new picture.

    Args:
        image: ``[H, W, 3]`` uint8 RGB; it is not changed.
        boxes: what to draw.

    Raises:
        DataError: if the image is not ``[H, W, 3]`` uint8.
    """
    import cv2

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"a picture must be [H, W, 3] uint8, got {list(image.shape)} {image.dtype}")
    image = np.ascontiguousarray(image).copy()
    height, width = image.shape[:2]
    thick = max(2, round(min(height, width) / 240))
    line_height = round(1.75 * text_size(height, width))
    taken: list[Box] = []
    people = list(boxes)
    places = []
    for one in people:
        corners = np.round(np.asarray(one.box, float).clip(-1, 2) * [width, height, width, height])
        x1, y1, x2, y2 = corners.astype(int).tolist()
        colour = track_colour(one.track_id)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, thick, cv2.LINE_AA)
        places.append((x1 + thick, max(y1, 0)))
    for one, (left, top) in zip(people, places, strict=True):  # words are over all boxes
        colour = track_colour(one.track_id)
        texts = [f"#{one.track_id}", *one.lines]
        for k, text in enumerate(texts):
            draw_text(image, text, (left, top + (k + 1) * line_height), colour, taken)
    return image


def overlay_boxes(
    frames: Video | Iterable[Frame],
    boxes_at: Callable[[float], Iterable[OverlayBox]],
    out: str | PathLike[str],
    *,
    fps: float | None = None,
) -> int:
    """Draw boxes on the frames of a video and write the result, atomically.

    Args:
        frames: an open video, or its frames.
        boxes_at: what to draw at a time in seconds.
        out: the video to write.
        fps: frames per second of ``out``; None: those of the video.

    Returns:
        How many frames were written.

    Raises:
        DataError: if there is nothing to write or it cannot be written.
    """
    rate = fps if fps is not None else getattr(frames, "fps", None)
    if rate is None:
        raise DataError(f"{os.fspath(out)}: pass the frame rate (fps=…), the frames do not carry one")
    n = 0
    with VideoWriter(out, rate) as writer:
        for frame in frames:
            writer.write(draw_boxes(frame.image, boxes_at(frame.time)), frame.time)
            n += 1
    return n
