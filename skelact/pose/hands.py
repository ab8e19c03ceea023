"""Which hand belongs to whom, and on which side: by distance to the pose's wrists, never by label.

MediaPipe's handedness labels have changed meaning between releases and swap with mirrored pictures; the
pose already knows left from right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_WRISTS = (15, 16)  # left, right in pose33
_SHOULDERS_HIPS = (11, 12, 23, 24)
N_POSE, N_HAND = 33, 21
# A hand further from the pose's wrist than this share of the body's size is somebody else's.
_REACH = 0.6


def assign_hands(
    poses: Sequence[np.ndarray], hands: Sequence[np.ndarray], size: np.ndarray
) -> list[tuple[int | None, int | None]]:
    """Give each hand to at most one wrist, and each wrist at most one hand, at the least total distance.

    Args:
        poses: per person ``[33, 2 or 3]``, fractions of the picture.
        hands: per hand ``[21, 2 or 3]``, fractions of the picture.
        size: width and height of the picture in pixels, ``[2]``.

    Returns:
        For each person the indices of the left and the right hand, None where there is none.
    """
    result: list[list[int | None]] = [[None, None] for _ in poses]
    if not poses or not hands:
        return [(None, None) for _ in poses]
    from scipy.optimize import linear_sum_assignment

    far = 1e6
    cost = np.full((len(hands), 2 * len(poses)), far)
    for m, pose in enumerate(poses):
        pixels = pose[:, :2] * size
        shoulder_left, shoulder_right, hip_left, hip_right = pixels[list(_SHOULDERS_HIPS)]
        body = max(
            np.linalg.norm(shoulder_left - shoulder_right),
            np.linalg.norm((shoulder_left + shoulder_right - hip_left - hip_right) / 2),
        )
        for side, wrist in enumerate(_WRISTS):
            for h, hand in enumerate(hands):
                distance = np.linalg.norm(hand[0, :2] * size - pixels[wrist])
                if distance <= _REACH * body:
                    cost[h, 2 * m + side] = distance
    for h, place in zip(*linear_sum_assignment(cost), strict=True):
        if cost[h, place] < far:
            result[place // 2][place % 2] = int(h)
    return [(left, right) for left, right in result]


def join_hands(
    pose: np.ndarray,
    score: np.ndarray,
    hands: Sequence[np.ndarray],
    sureness: Sequence[float],
    pair: tuple[int | None, int | None],
    metric: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Put a pose and its hands into one ``pose_hands75`` skeleton.

    A hand's depth counts from its own wrist, and in metres the whole hand counts from its own middle: it
    is moved onto the pose's wrist in the coordinates that have another origin.

    Args:
        pose: ``[33, 3]``.
        score: ``[33]``.
        hands: per hand ``[21, 3]``.
        sureness: per hand, 0..1.
        pair: indices of the left and the right hand.
        metric: whether the coordinates are metres rather than fractions of the picture.

    Returns:
        ``xyz [75, 3]`` and ``score [75]``.
    """
    xyz = np.zeros((N_POSE + 2 * N_HAND, 3), np.float32)
    all_score = np.zeros(len(xyz), np.float32)
    xyz[:N_POSE], all_score[:N_POSE] = pose, score
    for side, h in enumerate(pair):
        if h is None:
            continue
        rows = slice(N_POSE + side * N_HAND, N_POSE + (side + 1) * N_HAND)
        hand, wrist = np.array(hands[h], np.float32), pose[_WRISTS[side]]
        # Image coordinates share the picture's origin in x and y; metric hands do not.
        hand[:, 2] += wrist[2] - hand[0, 2]
        if metric:
            hand[:, :2] += wrist[:2] - hand[0, :2]
        xyz[rows] = hand
        all_score[rows] = np.clip(sureness[h], 1e-4, 1)
    return xyz, all_score
