"""The hands of a person whose pose is known: followed, detected, and looked for where the arms end.

MediaPipe's palm detector sees the whole picture in 192 pixels and misses hands that are small, blurred or seen from
the side. The pose knows where the wrists are. A hand that is known is followed from frame to frame by its own joints;
where one is missing, the palm detector looks; where that finds none and the pose is sure of the wrist, the hand network
looks at squares about the hand that follow from forearm and shoulders, again at the square that its own answer gives,
and is believed if it is sure of a hand whose wrist is the pose's, of a size that fits the body.

Source: the squares are those of MediaPipe Hands and Holistic (from a hand's own joints; from the pose's wrist, index
and little finger).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from skelact.pose.hand_network import HandNetwork, HandReading, Square, square_of_hand

SURE = 0.5  # presence with which a reading is taken at once, as MediaPipe does
PRESENCE = 0.15  # of the best of several readings; where no hand was in the picture they stayed below 0.1
_PLAIN = 0.8  # of a first look, which needs no second
_HINT = 0.03  # presence from which on a first look's joints say where to look again
_WRIST = 0.3  # score of the pose's wrist below which no hand is looked for
_SHOULDERS = 0.9  # score of one of the shoulders, below which the pose may be no person's
_TINY = 24.0  # arm length in pixels below which the network takes sleeves and elbows for hands
_FOLLOW_FRAMES = 5  # how long a hand that is not seen is looked for where it was, about the wrist
_DETECT_EVERY = 3  # frames from one look of the palm detector to the next, while a hand is missing
_OFF = 0.55  # largest distance of the hand's wrist from the pose's, in arm lengths (see `_arm`)
_SMALL, _LARGE = 0.2, 1.3  # of a palm, in arm lengths
_SAME = 0.3  # mean distance below which two hands are one, in palms
_NEAR = 1.2  # distance from which on another hand is left in the picture, in sides of the square
# The squares that are looked at: turned by so many degrees, and their side in the usual one. All of them in the first
# frame in which a hand is missing, then some by turns: so many while it was seen lately, and afterwards.
_SQUARES = ((0, 0.8), (30, 0.8), (-30, 0.8), (60, 0.8), (0, 1.0), (-60, 0.8))
_LATELY, _LATER = 3, 2
# pose33: shoulder, elbow, wrist, little finger, index of the left and of the right arm.
_ARMS = ((11, 13, 15, 17, 19), (12, 14, 16, 18, 20))

Pair = list[HandReading | None]


@dataclass
class _Followed:
    """A hand that was seen: its joints ``[21, 2]`` about the pose's wrist in pixels, and how many frames ago."""

    about_wrist: np.ndarray
    age: int = 0


class HandCrops:
    """The two hands of one person.

    Args:
        bundle: ``hand_landmarker_full.task``.
        follow: whether the pictures are of one video, and hands are followed; otherwise each is looked at anew.
        threads: of the network.

    Raises:
        DependencyError: if the network cannot be run.
    """

    def __init__(self, bundle: str | PathLike[str], follow: bool = True, threads: int = 1) -> None:
        self._bundle = bundle
        self._network = HandNetwork(bundle, threads)
        self._follow = follow
        self._known: list[_Followed | None] = [None, None]
        self._turn = -1

    def use_threads(self, threads: int) -> None:
        """Run the network on so many threads from now on; what is followed stays."""
        self._network = HandNetwork(self._bundle, threads)

    def forget(self) -> None:
        """Let go of the hands that are followed; from then on it is as if it were new."""
        self._known = [None, None]
        self._turn = -1

    def look(
        self,
        image: np.ndarray,
        pose: np.ndarray,
        score: np.ndarray,
        detect: Callable[[], Sequence[HandReading | None]],
    ) -> Pair:
        """The left and the right hand.

        Args:
            image: ``[H, W, 3]`` uint8 RGB.
            pose: ``[33, 2]`` pixels (``pose33``).
            score: ``[33]``.
            detect: the left and the right hand as the palm detector finds them; called if it is needed.
        """
        if max(score[11], score[12]) < _SHOULDERS or _arm(pose, score) < _TINY:
            self.forget()
            return list(detect())
        self._turn += 1
        found: Pair = [None, None]
        if self._network.fast:  # to follow costs less than the palm detector, which then looks now and then
            self._follow_both(image, pose, score, found)
        if any(_unsure(one) for one in found) and (
            not (self._follow and self._network.fast) or self._turn % _DETECT_EVERY == 0
        ):
            for side, one in enumerate(detect()):
                if _unsure(found[side]) and one is not None and not _known_already(one, _others(found, side)):
                    found[side] = one
        if not self._network.fast:
            self._follow_both(image, pose, score, found)
        for side in (0, 1):
            best = found[side]
            if _unsure(best):
                one = self._where_arm_ends(image, pose, score, side, found)
                found[side] = max(
                    (x for x in (best, one) if x is not None), key=lambda x: x.presence, default=None
                )
        for side in (0, 1):
            self._remember(side, found[side], pose[_ARMS[side][2]])
        return found

    def _follow_both(self, image: np.ndarray, pose: np.ndarray, score: np.ndarray, found: Pair) -> None:
        """Complete a pair by the hands that are followed."""
        for side in (0, 1):
            if self._follow and found[side] is None:
                found[side] = self._where_it_was(image, pose, score, side, found)

    def _remember(self, side: int, one: HandReading | None, wrist: np.ndarray) -> None:
        known = self._known[side]
        if not self._follow:
            return
        if one is not None:
            self._known[side] = _Followed(one.points[:, :2].astype(np.float64) - wrist)
        elif known is not None:
            known.age += 1
            if known.age >= _FOLLOW_FRAMES:
                self._known[side] = None

    def _where_it_was(
        self, image: np.ndarray, pose: np.ndarray, score: np.ndarray, side: int, found: Pair
    ) -> HandReading | None:
        """A hand that is followed, moved with the wrist."""
        known, wrist = self._known[side], pose[_ARMS[side][2]]
        if known is None:
            return None
        taken = _others(found, side)
        square = square_of_hand(known.about_wrist + wrist)
        one = self._network.read(_without(image, taken, wrist, square.side), square)
        return one if _believed(one, pose, score, side, taken) else None

    def _where_arm_ends(
        self, image: np.ndarray, pose: np.ndarray, score: np.ndarray, side: int, found: Pair
    ) -> HandReading | None:
        """The best of several looks about a wrist of which the pose is sure."""
        wrist = pose[_ARMS[side][2]]
        inside = (wrist >= 0).all() and wrist[0] < image.shape[1] and wrist[1] < image.shape[0]
        if score[_ARMS[side][2]] < _WRIST or not inside:
            return None
        arm, taken = _arm(pose, score), _others(found, side)
        usual = square_of_arm(pose, side, arm)
        if not _shows(image, usual.centre, 0.15 * usual.side):
            return None
        image = _without(image, taken, wrist, usual.side)
        best = None
        for k in self._tries(side):
            angle, size = _SQUARES[k]
            square = Square(usual.centre, usual.side * size, usual.angle + float(np.radians(angle)))
            one = self._network.read(image, square)
            if one.presence < _HINT:
                continue
            if one.presence < _PLAIN or not _believed(one, pose, score, side, taken):
                one = self._network.read(image, square_of_hand(one.points))
            if _believed(one, pose, score, side, taken) and (best is None or one.presence > best.presence):
                best = one
                if one.presence >= SURE:
                    break
        return best

    def _tries(self, side: int) -> list[int]:
        """Which of the squares are looked at in this frame: all of a single picture, else some by turns."""
        n = len(_SQUARES)
        if not self._follow:
            return list(range(n))
        known = self._known[side]
        if known is not None and known.age == 0 and self._network.fast:
            return list(range(n))
        many = 1 if not self._network.fast else _LATER if known is None else _LATELY
        return [(self._turn * many + k) % n for k in range(many)]


def _unsure(one: HandReading | None) -> bool:
    return one is None or one.presence < SURE


def _others(found: Pair, side: int) -> list[np.ndarray]:
    """Joints ``[21, 2]`` of the other hand, if it was found."""
    other = found[1 - side]
    return [] if other is None else [other.points[:, :2]]


def _shows(image: np.ndarray, centre: np.ndarray, reach: float) -> bool:
    """Whether there is any picture within reach of a place: windows about people are black beyond its border."""
    low, high = np.maximum(centre - reach, 0).astype(int), np.ceil(centre + reach).astype(int)
    return bool(image[low[1] : max(high[1], 0), low[0] : max(high[0], 0)].any())


def _without(image: np.ndarray, hands: Sequence[np.ndarray], wrist: np.ndarray, reach: float) -> np.ndarray:
    """The picture with a hand blurred that is known already: of two that touch, the network would read one twice."""
    hands = [hand for hand in hands if np.linalg.norm(hand.mean(0) - wrist) < _NEAR * reach]
    if not hands:
        return image
    import cv2

    result = image.copy()
    for hand in hands:
        hull = cv2.convexHull(hand.astype(np.int32))
        x, y, w, h = cv2.boundingRect(hull)
        x0, y0 = max(x, 0), max(y, 0)
        part = result[y0 : y + h, x0 : x + w]
        if not part.size:
            continue
        inside = np.zeros(part.shape[:2], np.uint8)
        cv2.fillConvexPoly(inside, hull - np.array([x0, y0], np.int32), 1)
        blurred = cv2.GaussianBlur(part, (0, 0), max(0.2 * max(w, h), 1.0))
        part[inside > 0] = blurred[inside > 0]
    return result


def _arm(pose: np.ndarray, score: np.ndarray) -> float:
    """A length that a hand is measured by, in pixels: about that of a hand held flat to the camera.

    The longest of what is seen of forearms and shoulders, because each may point at the camera.
    """
    lengths = [
        0.75 * float(np.linalg.norm(pose[elbow] - pose[wrist]))
        for _, elbow, wrist, _, _ in _ARMS
        if min(score[elbow], score[wrist]) > _WRIST
    ]
    return max(*lengths, 0.55 * float(np.linalg.norm(pose[11] - pose[12])), 4.0)


def square_of_arm(pose: np.ndarray, side: int, arm: float) -> Square:
    """Where a hand is by the pose alone.

    Args:
        pose: ``[33, 2]`` pixels.
        side: 0 left, 1 right.
        arm: length of a hand in pixels.
    """
    _, elbow, wrist, little, index = pose[list(_ARMS[side])].astype(np.float64)
    middle = (2 * index + little) / 3
    forward = middle - wrist
    # The pose's finger joints are rough, and useless where the hand points at the camera: the forearm helps.
    forearm = wrist - elbow
    direction = forward / max(np.linalg.norm(forward), 1e-6) + forearm / max(np.linalg.norm(forearm), 1e-6)
    if np.linalg.norm(direction) < 0.2:  # opposite: the hand is bent back
        direction = forward
    direction = direction / max(np.linalg.norm(direction), 1e-6)
    centre = (middle + wrist + direction * 0.45 * arm) / 2 + direction * 0.1 * arm
    return Square(centre, 2.0 * arm, float(np.arctan2(direction[0], -direction[1])))


def _believed(
    one: HandReading, pose: np.ndarray, score: np.ndarray, side: int, taken: Sequence[np.ndarray]
) -> bool:
    """Whether a reading is a hand, of this arm, and not one that is known already."""
    xy, arm = one.points[:, :2], _arm(pose, score)
    if one.presence < PRESENCE or not _SMALL * arm < _palm(xy) < _LARGE * arm:
        return False
    wrist, other = _ARMS[side][2], _ARMS[1 - side][2]
    off = float(np.linalg.norm(xy[0] - pose[wrist]))
    if off > _OFF * arm or (score[other] > _WRIST and off > float(np.linalg.norm(xy[0] - pose[other]))):
        return False
    return not _known_already(one, taken)


def _palm(xy: np.ndarray) -> float:
    return max(float(np.linalg.norm(xy[9] - xy[0])), float(np.linalg.norm(xy[5] - xy[17])))


def _known_already(one: HandReading, taken: Sequence[np.ndarray]) -> bool:
    xy = one.points[:, :2]
    return any(np.linalg.norm(xy - other, axis=1).mean() <= _SAME * _palm(xy) for other in taken)
