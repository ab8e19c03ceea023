"""From recordings to examples of gestures: one person, the part in which something is done, in the encoder's form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from skelact.errors import DataError
from skelact.skeleton import Skeleton
from skelact.transforms.gesture_form import (
    LEFT_HAND,
    N_STEPS,
    RIGHT_HAND,
    J,
    mirrored_form,
    resample,
    to_gesture_form,
)

MOST_SECONDS = 8.0  # of a gesture
_LEAST_FRAMES = 4
_LEAST_SHARE = 0.15  # of the frames in which an arm or hand must be seen
_LEAVES = 0.12  # share of the largest displacement from which on a hand has left its place
_STILL = 0.2  # shoulder widths, or palms / 4, below which nothing moves
_BEFORE, _AFTER = 0.2, 0.1  # seconds kept before and after
_ENDS = [J["left_wrist"], J["right_wrist"], LEFT_HAND, RIGHT_HAND]
_ARMS = [J[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist")]
_MOVING = [*_ENDS, *(h + tip for h in (LEFT_HAND, RIGHT_HAND) for tip in (4, 8, 12, 20))]


@dataclass(frozen=True)
class Example:
    """A gesture that was made once.

    Args:
        xyz: ``[N_STEPS, V, 3]`` joints of `GESTURE_LAYOUT` about their middle, of size 1 or so.
        present: ``[N_STEPS, V]`` of 0 and 1.
        seconds: how long it took.
        layout: that it was recorded in.
    """

    xyz: np.ndarray
    present: np.ndarray
    seconds: float
    layout: str

    @property
    def flat(self) -> bool:
        """Whether there is no depth."""
        return not self.xyz[..., 2].any()

    @property
    def arms(self) -> bool:
        """Whether shoulders, elbows or wrists of the body are seen."""
        return bool(self.present[:, _ARMS].any())

    @property
    def fingers(self) -> bool:
        """Whether whole hands are seen in some of it."""
        return bool(_whole_hands(self.present).mean() >= 0.1)


def _whole_hands(present: np.ndarray) -> np.ndarray:
    """Whether at least one whole hand is seen in each frame ``[T]``."""
    hands = [present[:, h : h + 21].min(1) for h in (LEFT_HAND, RIGHT_HAND)]
    return np.maximum(*hands) > 0


def make_example(skeleton: Skeleton, person: int | None = None, *, whole: bool = False) -> Example:
    """An example out of a recording that shows a gesture once.

    Args:
        skeleton: the recording.
        person: which of its people; None: who moves most.
        whole: all of it; else the part from when a hand leaves its place until it has come to its last.

    Raises:
        LayoutError: if its layout has neither arm nor hand.
        DataError: if no hand or wrist is seen in it, or it is too short or too long; it is named.
    """
    where = f"recording '{skeleton.id}'"
    if not skeleton.n_people or skeleton.n_frames < _LEAST_FRAMES:
        raise DataError(
            f"{where} has {skeleton.n_frames} frames of {skeleton.n_people} people; an example needs one person on at "
            f"least {_LEAST_FRAMES} frames"
        )
    xyz, present, times = to_gesture_form(skeleton, busiest(skeleton) if person is None else person)
    seen = present[:, _ENDS].max(1)
    if seen.sum() < _LEAST_FRAMES or seen.mean() < _LEAST_SHARE:
        raise DataError(
            f"{where}: a wrist or hand is seen on {int(seen.sum())} of {len(seen)} frames, so there is no gesture to "
            "learn from; record it with the hands in the picture"
        )
    start, end = (float(times[0]), float(times[-1])) if whole else active_part(xyz, present, times)
    if end - start > MOST_SECONDS:
        raise DataError(
            f"{where}: the movement takes {end - start:.1f} s, and a gesture at most {MOST_SECONDS:g}; cut the "
            "recording so that it shows the gesture once"
        )
    return cut_example(xyz, present, times, start, end, skeleton.layout.name)


def cut_example(
    xyz: np.ndarray, present: np.ndarray, times: np.ndarray, start: float, end: float, layout: str = ""
) -> Example:
    """The part of frames ``[T, V, 3]`` between two times as an example."""
    x, p, t = (torch.from_numpy(np.ascontiguousarray(a)).float()[None] for a in (xyz, present, times))
    x, p = resample(x, p, t, torch.tensor([start]).float(), torch.tensor([end]).float(), N_STEPS)
    joints, there = x[0].numpy(), p[0].numpy()
    if there.any():  # pixels or metres: only places relative to each other count
        middle = (joints * there[..., None]).sum((0, 1)) / there.sum()
        joints = (joints - middle) * there[..., None]
        joints = joints / max(float(np.sqrt((joints**2).sum() / there.sum())), 1e-9)
        if not np.any(xyz[..., 2]):
            joints[..., 2] = 0
    return Example(joints.astype(np.float32), there.astype(np.float32), max(end - start, 1e-3), layout)


def busiest(skeleton: Skeleton) -> int:
    """Number of the person whose hands move most."""
    if skeleton.n_people == 1:
        return 0
    moved = []
    for m in range(skeleton.n_people):
        xyz, present, _ = to_gesture_form(skeleton, m)
        both = present[1:, _ENDS] * present[:-1, _ENDS]
        steps = np.linalg.norm(np.diff(xyz[:, _ENDS], axis=0), axis=2) * both
        moved.append(float(steps.sum() / body_size(xyz, present)) + 1e-3 * float(both.sum()))
    return int(np.argmax(moved))


def body_size(xyz: np.ndarray, present: np.ndarray) -> float:
    """Width of the shoulders, or what comes near it for arms or a hand alone; 1 if nothing is known."""
    for a, b, factor in (
        ("left_shoulder", "right_shoulder", 1.0),
        ("left_elbow", "left_wrist", 1.4),
        ("right_elbow", "right_wrist", 1.4),
        ("right_hand_wrist", "right_middle_mcp", 4.0),
        ("left_hand_wrist", "left_middle_mcp", 4.0),
    ):
        both = (present[:, J[a]] * present[:, J[b]]) > 0
        if both.any():
            size = float(np.linalg.norm(xyz[both, J[a]] - xyz[both, J[b]], axis=1).mean()) * factor
            if size > 0:
                return size
    return 1.0


def active_part(xyz: np.ndarray, present: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """From when hands leave their first place until they have reached their last, seconds.

    The whole where nothing moves: a hand that is held still can be a gesture.
    """
    x, p, t = (torch.from_numpy(np.ascontiguousarray(a)).float()[None] for a in (xyz, present, times))
    n = max(8, min(400, len(times)))
    x, p = resample(x, p, t, t[:, 0], t[:, -1], n)
    joints, there = x[0, :, _MOVING].numpy(), p[0, :, _MOVING].numpy()
    size = body_size(xyz, present)
    known = np.flatnonzero(there.max(1))
    if len(known) < 2:
        return float(times[0]), float(times[-1])

    def away(order: np.ndarray) -> np.ndarray:
        """Displacement from where each joint was first, in this order of frames; appearing counts as moving."""
        far = np.zeros(n)
        for v in range(len(_MOVING)):
            seen = order[there[order, v] > 0]
            if len(seen) < 2:
                continue
            distance = np.zeros(n)
            distance[seen] = np.linalg.norm(joints[seen, v] - joints[seen[0], v], axis=1) / size
            far = np.maximum(far, distance)
        return far

    steps = np.linspace(float(times[0]), float(times[-1]), n)
    forwards, backwards = away(np.arange(n)), away(np.arange(n)[::-1])
    largest = max(forwards.max(), backwards.max())
    if largest < _STILL:
        return float(steps[known[0]]), float(steps[known[-1]])
    first = int(np.argmax(forwards > _LEAVES * largest))
    last = n - 1 - int(np.argmax(backwards[::-1] > _LEAVES * largest))
    if last - first < 2:
        return float(times[0]), float(times[-1])
    return max(float(times[0]), float(steps[first]) - _BEFORE), min(
        float(times[-1]), float(steps[last]) + _AFTER
    )


def by_dominant_hand(xyz: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirrored where the left hand does more, so that either hand can make a gesture.

    Args:
        xyz: ``[N, T, V, 3]``.
        present: ``[N, T, V]``.
    """
    work = []
    for wrist, hand in ((J["left_wrist"], LEFT_HAND), (J["right_wrist"], RIGHT_HAND)):
        joint = np.where(present[:, :, hand, None] > 0, xyz[:, :, hand], xyz[:, :, wrist])
        there = np.maximum(present[:, :, hand], present[:, :, wrist])
        both = there[:, 1:] * there[:, :-1]
        moved = (np.linalg.norm(np.diff(joint, axis=1), axis=2) * both).sum(1)
        work.append(moved + 0.05 * present[:, :, hand].sum(1))
    left = work[0] > work[1]
    other = mirrored_form(xyz, present)
    return np.where(left[:, None, None, None], other[0], xyz), np.where(
        left[:, None, None], other[1], present
    )


def frame_times(skeleton: Skeleton) -> np.ndarray:
    """The time of every frame in seconds, ``[T]``."""
    return np.arange(skeleton.n_frames) / skeleton.fps if skeleton.time is None else np.asarray(skeleton.time)
