"""Who is in a picture, by MediaPipe alone, and what people look like to the tracker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Protocol

import numpy as np

from skelact.layouts import SkeletonLayout, get_layout
from skelact.pose.estimator import Detection
from skelact.pose.mediapipe_pose import MediaPipePose
from skelact.pose.tracking import TWIN, PoseTracker, Sighting, drop_duplicates
from skelact.pose.verify import square_around

_COCO = get_layout("coco17").joints
COMMON = np.array(get_layout("pose33").positions(*_COCO))  # COCO's joints among BlazePose's
_TRUNK = ([5, 6, 12, 11], [11, 12, 14, 13])  # corners of trunk and thighs in coco17
_CHANNEL = np.array([0, 8, 16], np.uint8)
_LOOK_PIXELS = 24  # about so many along a side tell what somebody looks like
_SURE = 0.55  # mean visibility below which MediaPipe's finds are not looked at


class Finder(Protocol):
    """Finds everybody in single pictures.

    Members:
        exact: whether whom it does not find is probably not there, so that its finds place people who are known.
        pause: seconds between looks while everybody who is known is followed well.
        pause_empty: the same while nobody is known.
    """

    exact: bool
    pause: float
    pause_empty: float

    def find(self, image: np.ndarray) -> list[Detection]:
        """People in ``image [H, W, 3]`` uint8 RGB, surest first, in ``coco17`` or what begins as ``pose33``."""
        ...

    def close(self) -> None:
        """Release models; harmless when called twice."""
        ...


class MediaPipeSearch:
    """A `Finder` without a network for several people: MediaPipe on the whole picture, on overlapping tiles, and
    where a pedestrian detector finds somebody.

    Args:
        max_people: how many people to return from one part of the picture at most.
        min_score: MediaPipe's confidence thresholds, 0..1.
        quality: ``lite``, ``full`` or ``heavy``: which of MediaPipe's networks.
        pose_model: a pose ``.task`` file of one's own, instead.
    """

    exact, pause, pause_empty = False, 0.5, 0.25

    def __init__(
        self,
        max_people: int = 8,
        min_score: float = 0.5,
        quality: str = "full",
        pose_model: str | PathLike[str] | None = None,
    ) -> None:
        self._wide = MediaPipePose(
            n_people=max(2, max_people),
            min_score=min_score,
            quality=quality,
            pose_model=pose_model,
            video=False,
        )
        self._pedestrians = PedestrianBoxes()
        self._n_searches = 0

    def find(self, image: np.ndarray) -> list[Detection]:
        """People in ``image [H, W, 3]`` uint8 RGB, surest first (``pose33``)."""
        self._n_searches += 1
        size = (image.shape[1], image.shape[0])
        places = [(0, 0, *size)]
        places += [square_around(box, size, 1.1) for box in self._pedestrians.find(image)]
        places += [square_around(box, size, 1.0) for box in tiles(image, self._n_searches)]
        found: list[Sighting] = []
        for x0, y0, x1, y1 in places:
            for one in self._wide.estimate(image[y0:y1, x0:x1], 0.0):
                if float(one.score.mean()) > _SURE:
                    points = one.xy * [x1 - x0, y1 - y0] + [x0, y0]
                    whole = Detection(one.xyz, one.score, (points / size).astype(np.float32))
                    found.append(Sighting(points, one.score, payload=whole))
        return [one.payload for one in drop_duplicates(found) if isinstance(one.payload, Detection)]

    def close(self) -> None:
        """Release the landmarker."""
        self._wide.close()


def sighting(one: Detection, image: np.ndarray) -> Sighting:
    """A person as the tracker sees them: COCO's 17 joints in pixels.

    Joints that are missing lie in the middle of the others.

    Args:
        one: in ``coco17``, or in a layout that begins as ``pose33``.
        image: ``[H, W, 3]`` uint8 RGB, in which the person was found.
    """
    pick = np.arange(17) if len(one.score) == 17 else COMMON
    points, score = one.xy[pick] * [image.shape[1], image.shape[0]], one.score[pick]
    there = score > 0
    if there.any():
        points = np.where(there[:, None], points, points[there].mean(0))
    return Sighting(points, score, look_of(image, points), one, one.sure)


def name_people(
    tracker: PoseTracker, people: Sequence[Detection], image: np.ndarray, time: float, layout: SkeletonLayout
) -> list[Detection]:
    """Give those whom an exact network finds in one picture the identities that a tracker keeps.

    In a layout without COCO's 17 joints all joints are compared, and nobody's colours.

    Args:
        tracker: of the video; it is brought up to date.
        people: who was found.
        image: ``[H, W, 3]`` uint8 RGB.
        time: seconds, increasing.
        layout: of the joints.

    Returns:
        the people with track ids, in the order of these, each once.
    """
    if set(_COCO) <= set(layout.joints):
        pick = layout.positions(*_COCO)
        seen = []
        for one in people:
            coco = Detection(one.xyz[pick], one.score[pick], one.xy[pick], sure=one.sure)
            seen.append(replace(sighting(coco, image), payload=one))
        seen = drop_duplicates(seen, TWIN)
    else:
        size = [image.shape[1], image.shape[0]]
        seen = [
            Sighting(
                np.where(one.score[:, None] > 0, one.xy, one.box.reshape(2, 2).mean(0)) * size,
                one.score,
                None,
                one,
            )
            for one in people
        ]
    pairs = tracker.update(seen, time)
    known = {id(one) for _, one in pairs}
    for one in seen:
        if one.sure and id(one) not in known:
            pairs.append((tracker.resume(one, time) or tracker.add(one, time), one))
    found = [replace(one.payload, track_id=t.id) for t, one in pairs if isinstance(one.payload, Detection)]
    return sorted(found, key=lambda d: d.track_id or 0)


def most_prominent(
    people: Sequence[Detection], image: np.ndarray, last: int | None = None
) -> list[Detection]:
    """The one of the people whose box is the largest, as a list; nobody of nobody.

    Who was chosen last (a track id) stays so, unless somebody is twice as large.
    """
    size = np.array([image.shape[1], image.shape[0]], np.float32)
    area = [float(np.prod((d.box[2:] - d.box[:2]) * size)) * (1 + (d.track_id == last)) for d in people]
    return [people[int(np.argmax(area))]] if people else []


def tiles(image: np.ndarray, turn: int) -> list[np.ndarray]:
    """Overlapping squares; small and large ones take turns, so that a search stays cheap."""
    height, width = image.shape[:2]
    side = min(height, width) * (0.6 if turn % 2 else 1.0)
    if side >= max(height, width):
        return []

    def starts(length: int) -> np.ndarray:
        return np.linspace(0, length - side, max(1, int(np.ceil((length - side) / (0.5 * side)))) + 1)

    rows = starts(height) if side < height else np.zeros(1)
    return [np.array([x, y, x + side, y + side]) for y in rows for x in starts(width)]


class PedestrianBoxes:
    """OpenCV's people detector (Dalal & Triggs, CVPR 2005) as a source of places to look at."""

    _height = 480

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._detector = None
        if hasattr(cv2, "HOGDescriptor"):
            self._detector = cv2.HOGDescriptor()
            people = getattr(cv2, "HOGDescriptor_getDefaultPeopleDetector")  # noqa: B009 - not in cv2's types
            self._detector.setSVMDetector(people())

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Boxes ``[x0, y0, x1, y1]`` in pixels that may hold a standing person."""
        if self._detector is None:
            return []
        scale = self._height / image.shape[0]
        grey = self._cv2.resize(self._cv2.cvtColor(image, self._cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale)
        if grey.shape[1] < 64 or grey.shape[0] < 128:
            return []
        boxes, weights = self._detector.detectMultiScale(grey, winStride=(8, 8), scale=1.08)
        return [
            np.array([x, y, x + w, y + h]) / scale
            for (x, y, w, h), weight in zip(boxes, weights, strict=True)
            if float(weight) > 0.2
        ]


def look_of(image: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Colours of a person's trunk and thighs as a histogram ``[48]`` that sums to 1.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        points: ``[17, 2]`` joints in pixels (``coco17``).
    """
    colours = []
    for corners in _TRUNK:
        middle = points[corners].mean(0)
        inner = middle + (points[corners] - middle) * 0.7
        low = np.clip(inner.min(0), 0, [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
        high = np.clip(inner.max(0) + 1, 1, [image.shape[1], image.shape[0]]).astype(int)
        step = 1 + int(np.sqrt(np.prod(high - low)) / _LOOK_PIXELS)
        patch = image[low[1] : high[1] : step, low[0] : high[0] : step].reshape(-1, 3)
        if len(patch) < 4:
            return None
        # 8 steps of brightness for each of red, green and blue
        colours.append(np.bincount(((patch >> 5) + _CHANNEL).ravel(), minlength=24) / len(patch))
    return np.concatenate(colours) / 6


def in_layout(
    place: Sighting, layout: SkeletonLayout, unit: str, last: Detection | None, image: np.ndarray
) -> Detection | None:
    """COCO's joints of a sighting in a layout that begins as ``pose33``; None if that cannot be had.

    Args:
        place: whose payload is in ``coco17``.
        layout: what is wanted.
        unit: ``image`` or ``m``, for which the last reading is needed.
        last: in metres, in this layout.
        image: ``[H, W, 3]`` uint8 RGB.
    """
    one = place.payload
    if not isinstance(one, Detection) or len(one.score) != len(COMMON) or (unit == "m" and last is None):
        return None
    there = one.score > 0
    xyz = np.concatenate([one.xy, np.zeros((len(there), 1))], 1)
    if unit == "m" and last is not None:
        xyz = in_metres(one.xy, there, last, np.array([image.shape[1], image.shape[0]]))
    joints, xy = np.zeros((len(layout), 3), np.float32), np.zeros((len(layout), 2), np.float32)
    score = np.zeros(len(layout), np.float32)
    joints[COMMON], xy[COMMON], score[COMMON] = xyz * there[:, None], one.xy * there[:, None], one.score
    return Detection(joints, score, xy)


def in_metres(xy: np.ndarray, there: np.ndarray, last: Detection, size: np.ndarray) -> np.ndarray:
    """Joints in the picture as metres about the hips, with the size and the depths of an earlier reading.

    Args:
        xy: ``[17, 2]`` fractions of the picture (``coco17``).
        there: ``[17]`` which of them are known, at least one.
        last: the earlier reading, in metres.
        size: width and height of the picture in pixels.

    Returns:
        ``[17, 3]``; where the hips are is known as well as the joints that are there stand about them.
    """
    before, metres = last.xy[COMMON] * size, last.xyz[COMMON].astype(np.float64)
    spread = [np.square(p[:, :2] - p[:, :2].mean(0)).sum() for p in (metres, before)]
    scale = np.sqrt(spread[0] / max(spread[1], 1e-12))
    moved = xy * size * -scale  # a Kinect's axes: x to the left, y up
    moved += (metres[there, :2] - moved[there]).mean(0)
    return np.concatenate([moved, metres[:, 2:]], 1)
