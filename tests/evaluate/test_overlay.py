"""Drawing people on pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DataError, LayoutError
from skelact.evaluate.overlay import (
    SIDE_COLOURS,
    OverlayPerson,
    draw_frame,
    draw_skeleton,
    draw_text,
    overlay_recording,
    overlay_video,
    skeleton_people,
    track_colour,
)
from skelact.io.video import Frame, open_video, write_video
from skelact.layouts import LAYOUTS
from skelact.skeleton import Skeleton

BLACK = np.zeros((240, 320, 3), np.uint8)


def joints(n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform([20, 20], [300, 220], (n, 2))


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_can_be_drawn(name: str) -> None:
    n = len(LAYOUTS[name])
    drawn = draw_skeleton(BLACK, joints(n), np.ones(n), name)
    assert drawn.any() and not BLACK.any()
    for x, y in joints(n).astype(int):
        assert drawn[y - 2 : y + 3, x - 2 : x + 3].any()


def test_missing_and_mad_joints_are_left_out() -> None:
    xy, score = joints(17), np.ones(17)
    assert not draw_skeleton(BLACK, xy, np.zeros(17), "coco17", text="nobody", box=True).any()
    score[3] = 0
    hidden = xy.copy()
    hidden[3] = np.nan
    assert np.array_equal(
        draw_skeleton(BLACK, hidden, score, "coco17"), draw_skeleton(BLACK, xy, score, "coco17")
    )
    hidden[4], hidden[5] = (np.inf, 0), (1e12, -1e12)
    draw_skeleton(BLACK, hidden, np.ones(17), "coco17", box=True, text="mad")


def test_sides_have_their_colours() -> None:
    layout = LAYOUTS["coco17"]
    xy = np.tile([160.0, 120.0], (17, 1))
    score = np.zeros(17)
    for joint, place in (("left_elbow", (60, 60)), ("left_wrist", (60, 160))):
        v = layout.index[joint]
        xy[v], score[v] = place, 1
    drawn = draw_skeleton(BLACK, xy, score, layout)
    assert drawn[110, 60].tolist() == list(SIDE_COLOURS[0])
    drawn = draw_skeleton(BLACK, xy, score, layout, color=(1, 2, 250))
    assert drawn[110, 60].tolist() == [1, 2, 250]


def test_text_stays_in_the_picture_and_can_be_read() -> None:
    for at in ((-50, -50), (1000, 1000), (100, 100)):
        image = np.full((120, 160, 3), 255, np.uint8)
        draw_text(image, "#3 waving 97 %", at, (255, 255, 255))
        assert (image < 100).any() and (image == 255).any()
        corners = (image[0, 0] < 100).all(), (image[-1, -1] < 100).all()
        assert corners == (at[0] < 0, at[0] > 160)  # at the border the ground reaches it
    small = np.full((40, 60, 3), 200, np.uint8)
    draw_text(small, "a very long line that would not fit", (0, 20))
    draw_text(small, "заметка", (0, 20))  # signs that the font lacks


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(LayoutError, match="coco17"):
        draw_skeleton(BLACK, joints(18), np.ones(18), "coco17")
    with pytest.raises(DataError, match="uint8"):
        draw_skeleton(BLACK.astype(float), joints(17), np.ones(17), "coco17")


def recording(unit: str = "image") -> Skeleton:
    xyz = np.tile(joints(17) / [320, 240], (2, 5, 1, 1)).astype(np.float32)
    xyz[1, :, :, 0] *= 0.5
    score = np.ones((2, 5, 17), np.float32)
    score[1, :2] = 0
    return Skeleton(xyz, score, "coco17", 10, unit, track_ids=[4, 6])


def test_people_of_a_recording() -> None:
    frames = list(skeleton_people(recording(), (320, 240), {4: ["wave 90 %"] * 5}))
    assert [len(people) for people in frames] == [1, 1, 2, 2, 2]
    assert frames[0][0].text == "wave 90 %" and frames[3][1].track_id == 6
    assert frames[0][0].xy == pytest.approx(joints(17), abs=1e-3)
    with pytest.raises(DataError, match="image coordinates"):
        list(skeleton_people(recording("m"), (320, 240)))


def test_frame_shows_tracks_in_their_colours() -> None:
    people = [OverlayPerson(joints(17), np.ones(17), track_id=4, text="wave 90 %", box=True)]
    drawn = draw_frame(BLACK, people, "coco17", caption="0.5 s")
    assert (drawn == track_colour(4)).all(-1).sum() > 100
    assert drawn[:20, :40].any()
    assert track_colour(0) != track_colour(1)


def test_overlay_video(tmp_path: Path) -> None:
    frames = [Frame(i, 0.1 * i, np.full((240, 320, 3), 30, np.uint8)) for i in range(5)]
    out = tmp_path / "over.mp4"
    n = overlay_video(frames, skeleton_people(recording(), (320, 240)), "coco17", out, fps=10, max_height=120)
    assert n == 5
    with open_video(out) as video:
        seen = list(video)
        assert (video.width, video.height) == (160, 120)
    assert len(seen) == 5 and seen[4].image.max() > 120
    with pytest.raises(DataError, match="frame rate"):
        overlay_video(frames, [], "coco17", tmp_path / "b.mp4")
    with pytest.raises(DataError, match="no picture"):
        overlay_video([], [], "coco17", tmp_path / "c.mp4", fps=10)
    assert list(tmp_path.iterdir()) == [out]


def test_text_at_the_border_is_as_whole_as_in_the_middle() -> None:
    def written(at: tuple[float, float]) -> int:
        image = np.zeros((480, 640, 3), np.uint8)
        draw_text(image, "HHHH", at)
        bright = (image > 128).any(-1)
        edges = bright[:4], bright[-4:], bright[:, :4], bright[:, -4:]
        assert not any(edge.any() for edge in edges)  # there is some ground around the letters
        return int(bright.sum())

    middle = written((300.0, 240.0))
    for at in ((-9.0, -9.0), (0.0, 999.0), (999.0, 0.0), (999.0, 999.0)):
        assert written(at) == middle


def test_names_and_texts_of_people_are_written() -> None:
    def drawn(track: int | None, text: str | None) -> np.ndarray:
        xy, score = np.full((17, 2), 150.0), np.eye(17)[0]
        person = OverlayPerson(xy, score, track, text, np.array([60, 80, 200, 200]))
        return draw_frame(BLACK, [person], "coco17")

    nothing, name, text, both = drawn(None, None), drawn(4, None), drawn(None, "wave"), drawn(4, "wave")
    above = [int((image[60:78] > 0).sum()) for image in (nothing, name, text, both)]
    assert above[0] == 0 < above[1] < above[3] and 0 < above[2] < above[3]


def test_captions_of_frames(tmp_path: Path) -> None:
    def corner(captions: list[str | None] | None) -> list[bool]:
        frames = [Frame(i, 0.1 * i, np.full((240, 320, 3), 30, np.uint8)) for i in range(3)]
        overlay_video(frames, [], "coco17", tmp_path / "a.mp4", fps=10, captions=captions)
        with open_video(tmp_path / "a.mp4") as video:
            return [bool(frame.image[:30, :80].max() > 120) for frame in video]

    assert corner(["one", None, "three"]) == [True, False, True] and corner(None) == [False] * 3


def test_words_of_people_who_stand_together_do_not_cover_each_other() -> None:
    taken: list[tuple[int, int, int, int]] = []
    image = np.zeros((480, 640, 3), np.uint8)
    for k in range(6):
        draw_text(image, f"#{k} waving", (100 + 5 * k, 200), (255, 255, 255), taken)
    assert len(taken) == 6
    for k, (left, top, right, bottom) in enumerate(taken):
        for x0, y0, x1, y1 in taken[:k]:
            assert right <= x0 or x1 <= left or bottom <= y0 or y1 <= top
    above, nowhere = np.tile([100.0, -20.0], (17, 1)), np.eye(17)[0]  # only words are in the picture
    people = [OverlayPerson(above, nowhere, k, "HHHH") for k in range(2)]
    letters = [(draw_frame(BLACK, [p], "coco17") > 100).any(-1).sum() for p in people]
    together = (draw_frame(BLACK, people, "coco17") > 100).any(-1).sum()
    assert together == pytest.approx(sum(letters), rel=0.05)


def test_words_in_other_scripts_are_written() -> None:
    def written(text: str) -> np.ndarray:
        image = np.zeros((240, 640, 3), np.uint8)
        draw_text(image, text, (100, 100))
        return image

    assert not np.array_equal(written("встаёт"), written("??????"))
    assert not np.array_equal(written("встаёт"), written("падает"))
    written("\n\t日本")  # signs that the font lacks


def test_left_is_blue_and_right_orange_as_on_paper() -> None:
    left, right, _ = SIDE_COLOURS
    assert left[2] > left[0] and right[0] > right[2]


def test_a_recording_on_its_video(tmp_path: Path) -> None:
    write_video(tmp_path / "film.mp4", [np.full((240, 320, 3), 30, np.uint8)] * 12, 10)
    n = overlay_recording(tmp_path / "film.mp4", recording(), tmp_path / "drawn.mp4", start=0.3)
    assert n == 5  # as long as the recording
    with pytest.raises(DataError, match="where its joints are"):
        overlay_recording(tmp_path / "film.mp4", recording("m"), tmp_path / "no.mp4")
    assert not (tmp_path / "no.mp4").exists()
