"""Boxes of people drawn on pictures and videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.overlay import track_colour
from skelact.evaluate.overlay_boxes import OverlayBox, draw_boxes, overlay_boxes
from skelact.io.video import Frame, open_video

GREY = np.full((120, 200, 3), 128, np.uint8)


def test_a_box_is_drawn_where_it_is() -> None:
    drawn = draw_boxes(GREY, [OverlayBox(np.array([0.5, 0.25, 0.9, 0.95]), 3)])
    assert (GREY == 128).all()
    assert (drawn[60, 100] == track_colour(3)).all() and (drawn[60, 180] == track_colour(3)).all()
    assert (drawn[114, 140] == track_colour(3)).all() and (drawn[30, 150] == track_colour(3)).all()
    assert (drawn[:, :95] == 128).all() and (drawn[80:110, 105:175] == 128).all()  # nothing beside or inside


def test_what_somebody_does_is_written() -> None:
    box = np.array([0.1, 0.0, 0.9, 1.0])
    silent = draw_boxes(GREY, [OverlayBox(box, 1)])
    said = draw_boxes(GREY, [OverlayBox(box, 1, ["waving 97 %"])])
    other = draw_boxes(GREY, [OverlayBox(box, 1, ["walking 97 %"])])
    assert (silent != said).any() and (said != other).any()
    draw_boxes(GREY, [OverlayBox(np.array([-5.0, -5.0, 9.0, 9.0]), 0, ["far out"])])
    with pytest.raises(DataError, match="uint8"):
        draw_boxes(GREY.astype(float), [])


def test_a_video_with_boxes(tmp_path: Path) -> None:
    frames = [Frame(i, i / 10, GREY) for i in range(6)]

    def boxes_at(time: float) -> list[OverlayBox]:
        return [OverlayBox(np.array([0.5, 0.25, 0.9, 0.95]), 4)] if time >= 0.3 else []

    assert overlay_boxes(frames, boxes_at, tmp_path / "a.mp4", fps=10) == 6
    with open_video(tmp_path / "a.mp4") as video:
        there = [bool((np.abs(f.image[60, 98:103].astype(int) - 128) > 40).any()) for f in video]
    assert there == [False] * 3 + [True] * 3
    with pytest.raises(DataError, match="pass the frame rate"):
        overlay_boxes(frames, boxes_at, tmp_path / "b.mp4")


def test_a_box_is_itself_and_can_be_looked_up() -> None:
    box, same = (OverlayBox(np.array([0.1, 0.0, 0.9, 1.0])) for _ in range(2))
    assert box == box and box != same and box in {box}
