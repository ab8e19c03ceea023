"""Skeletons, track ids and recognised actions drawn on pictures and videos."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike

import numpy as np

from skelact.errors import DataError, LayoutError
from skelact.evaluate.overlay_text import Box, Colour, draw_text, text_size
from skelact.evaluate.palette import LEFT, RIGHT, brighter, person_colour
from skelact.evaluate.view import is_fine
from skelact.io.video import Frame, Video, VideoWriter, open_video
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton

__all__ = [
    "OverlayPerson",
    "draw_frame",
    "draw_skeleton",
    "draw_text",
    "overlay_recording",
    "overlay_video",
    "skeleton_people",
    "track_colour",
]

# Left, right and middle of the body (RGB), brighter than on paper: photographs are dark.
SIDE_COLOURS: tuple[Colour, Colour, Colour] = (brighter(LEFT), brighter(RIGHT), (245, 245, 245))
RIM: Colour = (16, 16, 16)
_SHIFT = 4  # cv2 draws in sixteenths of a pixel


@dataclass(frozen=True)
class OverlayPerson:
    """One person to draw on one picture.

    Args:
        xy: ``[V, 2]`` joints in pixels.
        score: ``[V]`` in 0..1, 0 where a joint is missing.
        track_id: chooses the colour and is written beside the person; None: coloured by side.
        text: what is written above the person (an action and its confidence), or None.
        box: whether a box is drawn around the person.
    """

    xy: np.ndarray
    score: np.ndarray
    track_id: int | None = None
    text: str | None = None
    box: bool = False


def track_colour(track_id: int) -> Colour:
    """The colour of a person on a photograph, RGB."""
    return brighter(person_colour(track_id))


def draw_skeleton(
    image: np.ndarray,
    xy: np.ndarray,
    score: np.ndarray,
    layout: SkeletonLayout | str,
    *,
    color: Colour | None = None,
    text: str | None = None,
    box: np.ndarray | bool | None = None,
    min_score: float = 0.2,
    taken: list[Box] | None = None,
) -> np.ndarray:
    """Draw one person with smooth lines.

    Args:
        image: ``[H, W, 3]`` uint8 RGB; it is not changed.
        xy: ``[V, 2]`` joints in pixels.
        score: ``[V]`` in 0..1; joints below ``min_score`` and joints that are not finite are left out.
        layout: the joints' layout or its name.
        color: RGB; None: left, right and middle have colours of their own.
        text: written above the person on a dark ground.
        box: ``[x0, y0, x1, y1]`` in pixels, or True: around the joints.
        min_score: below it a joint is not drawn.
        taken: where other texts are, see `draw_text`.

    Returns:
        A new picture.

    Raises:
        LayoutError: if the joints do not match the layout.
        DataError: if the image is not ``[H, W, 3]`` uint8.
    """
    import cv2

    layout = get_layout(layout)
    xy, score = np.asarray(xy, float), np.asarray(score, float)
    if xy.shape != (len(layout), 2) or score.shape != (len(layout),):
        raise LayoutError(
            f"layout '{layout.name}' needs xy [{len(layout)}, 2] and score [{len(layout)}], "
            f"got {list(xy.shape)} and {list(score.shape)}"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"a picture must be [H, W, 3] uint8, got {list(image.shape)} {image.dtype}")
    image = np.ascontiguousarray(image).copy()
    height, width = image.shape[:2]
    # Joints far outside would overflow cv2's integers; they are not on the picture anyway.
    near = (np.abs(xy) < 8 * max(height, width)).all(1) & np.isfinite(xy).all(1)
    there = near & (score >= max(min_score, 1e-6))
    if not there.any():
        return image
    thick = max(2, round(min(height, width) / 240))
    points = np.round(np.where(there[:, None], xy, 0) * (1 << _SHIFT)).astype(int)
    place = [tuple(point) for point in points.tolist()]
    fine = _fine_joints(layout)
    bones = [(v, p) for v, p in layout.edges if there[v] and there[p]]
    # All dark rims before all colours, so that no bone is cut by its neighbour's rim.
    for v, p in bones:
        cv2.line(image, place[v], place[p], RIM, thick + (1 if fine[v] else 2), cv2.LINE_AA, _SHIFT)
    radius = [round((0.5 if small else 1.1) * thick * (1 << _SHIFT)) for small in fine]
    for v in np.flatnonzero(there).tolist():
        cv2.circle(image, place[v], radius[v] + (1 << _SHIFT), RIM, -1, cv2.LINE_AA, _SHIFT)
    for v, p in bones:
        width_of = max(1, thick // 2) if fine[v] else thick
        cv2.line(
            image, place[v], place[p], color or _side_colour(layout, v, p), width_of, cv2.LINE_AA, _SHIFT
        )
    for v in np.flatnonzero(there).tolist():
        cv2.circle(image, place[v], radius[v], color or _side_colour(layout, v, v), -1, cv2.LINE_AA, _SHIFT)
    if box is not None and box is not False:
        x0, y0, x1, y1 = _corners(xy[there], box)
        cv2.rectangle(image, (x0, y0), (x1, y1), color or SIDE_COLOURS[2], thick, cv2.LINE_AA)
    if text:
        x0, y0, _, _ = _corners(xy[there], box)
        draw_text(
            image, text, (x0, y0 - thick - text_size(height, width) // 2), color or SIDE_COLOURS[2], taken
        )
    return image


def _corners(xy: np.ndarray, box: np.ndarray | bool | None) -> list[int]:
    """A box ``[x0, y0, x1, y1]`` in pixels; around the joints with some room (the head ends above the eyes), if none
    is given."""
    if box is None or isinstance(box, bool):
        low, high = xy.min(0), xy.max(0)
        room = 0.05 * float((high - low).max())
        corners = np.concatenate([low - [room, 2 * room], high + room])
    else:
        corners = np.asarray(box, float)
    return np.clip(np.round(corners), -(1 << 14), 1 << 14).astype(int).tolist()


def draw_frame(
    image: np.ndarray,
    people: Sequence[OverlayPerson],
    layout: SkeletonLayout | str,
    *,
    caption: str | None = None,
    min_score: float = 0.2,
) -> np.ndarray:
    """Draw everyone in one picture; returns a new picture.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        people: who is there.
        layout: the joints' layout or its name.
        caption: written in the upper left corner.
        min_score: below it a joint is not drawn.
    """
    taken: list[Box] = []  # texts of people who stand together do not cover each other
    for person in people:
        colour = None if person.track_id is None else track_colour(person.track_id)
        name = "" if person.track_id is None else f"#{person.track_id}"
        text = " ".join(part for part in (name, person.text) if part) or None
        image = draw_skeleton(
            image,
            person.xy,
            person.score,
            layout,
            color=colour,
            text=text,
            box=person.box,
            min_score=min_score,
            taken=taken,
        )
    if caption:
        image = image.copy()
        draw_text(image, caption, (0, 0), taken=taken)
    return image


def skeleton_people(
    skeleton: Skeleton,
    size: tuple[int, int],
    texts: Mapping[int, Sequence[str | None]] | None = None,
    box: bool = False,
) -> Iterator[list[OverlayPerson]]:
    """The people of each frame of a recording, ready to be drawn.

    Args:
        skeleton: a recording in unit ``image`` or ``px``.
        size: width and height of the pictures.
        texts: per track id one text (or None) per frame, such as ``waving 97 %``.
        box: whether boxes are drawn.

    Raises:
        DataError: if the recording is not in picture coordinates.
    """
    if skeleton.unit not in ("image", "px"):
        raise DataError(
            f"recording '{skeleton.id}' is in '{skeleton.unit}' and cannot be drawn on pictures; "
            "extract it in image coordinates"
        )
    scale = np.array(size if skeleton.unit == "image" else (1, 1), float)
    several = skeleton.n_people > 1
    for t in range(skeleton.n_frames):
        people = []
        for m, track in enumerate(skeleton.track_ids):
            score = skeleton.score[m, t]
            if not score.any():
                continue
            said = texts.get(track) if texts else None
            text = said[t] if said is not None and t < len(said) else None
            track_id = track if several else None
            people.append(OverlayPerson(skeleton.xyz[m, t, :, :2] * scale, score, track_id, text, box))
        yield people


def overlay_video(
    frames: Video | Iterable[Frame],
    people: Iterable[Sequence[OverlayPerson]],
    layout: SkeletonLayout | str,
    out: str | PathLike[str],
    *,
    fps: float | None = None,
    captions: Iterable[str | None] | None = None,
    min_score: float = 0.2,
    max_height: int | None = 720,
) -> int:
    """Draw people on the frames of a video and write the result, atomically.

    Args:
        frames: an open video, or its frames.
        people: who is there, frame by frame (`skeleton_people`).
        layout: the joints' layout or its name.
        out: the video to write.
        fps: frames per second of ``out``; None: those of the video.
        captions: a line for the upper left corner of each frame.
        min_score: below it a joint is not drawn.
        max_height: larger pictures are made smaller to this height; None: kept.

    Returns:
        How many frames were written.

    Raises:
        DataError: if there is nothing to write or it cannot be written.
    """
    import cv2

    rate = fps if fps is not None else getattr(frames, "fps", None)
    if rate is None:
        raise DataError(f"{os.fspath(out)}: pass the frame rate (fps=…), the frames do not carry one")
    lines = iter(captions) if captions is not None else None
    crowd = iter(people)
    n = 0
    with VideoWriter(out, rate) as writer:
        for frame in frames:
            image, who = frame.image, list(next(crowd, ()))
            if max_height and image.shape[0] > max_height:
                scale = max_height / image.shape[0]
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                who = [OverlayPerson(p.xy * scale, p.score, p.track_id, p.text, p.box) for p in who]
            caption = next(lines, None) if lines is not None else None
            writer.write(draw_frame(image, who, layout, caption=caption, min_score=min_score), frame.time)
            n += 1
    return n


def overlay_recording(
    source: str | PathLike[str],
    skeleton: Skeleton,
    out: str | PathLike[str],
    texts: Mapping[int, Sequence[str | None]] | None = None,
    *,
    box: bool = False,
    start: float | None = None,
) -> int:
    """Draw the people of a recording on the frames of the video that it was extracted from.

    Args:
        source: the video; its frames are those of the recording, one by one, from the first on.
        skeleton: a recording that says where its joints are in the picture.
        out: the video to write.
        texts, box: as for `skeleton_people`.
        start: seconds at which the recording begins.

    Returns:
        How many frames were written.

    Raises:
        DataError: if the recording does not say it, or a video cannot be read or written.
    """
    picture = skeleton.in_picture()
    with open_video(source, start=start) as video:
        people = skeleton_people(picture, (video.width, video.height), texts, box)
        frames = islice(video, picture.n_frames)
        return overlay_video(frames, people, picture.layout, out, fps=video.fps)


def _side_colour(layout: SkeletonLayout, v: int, p: int) -> Colour:
    names = (layout.joints[v], layout.joints[p])
    for side, colour in zip(("left_", "right_"), SIDE_COLOURS, strict=False):
        if names[0].startswith(side) and (names[1].startswith(side) or layout.parents[v] == p):
            return colour
    return SIDE_COLOURS[2]


def _fine_joints(layout: SkeletonLayout) -> list[bool]:
    """Which joints lie so close together (fingers, the face) that they are drawn smaller."""
    return [is_fine(joint) for joint in layout.joints]
