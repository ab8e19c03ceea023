"""What pose models in ONNX files give: which of the usual forms it is, and the joints in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skelact.pose.estimator import Detection
from skelact.pose.tracking import box_overlap

MOST_PEOPLE = 30  # in a picture
_OVERLAP = 0.65  # of boxes, from which on two finds of YOLO are one person
_MOST_JOINTS = 400
_MARGIN = 1.35  # side of a crop in sides of the box around the joints, which head and feet stand out of
ALLOWED = (
    "allowed are a YOLO-pose model (one output [1, 5+3V, A], [1, A, 5+3V] or, end to end, [1, n, 6+3V]) and an "
    "RTMPose-like one (SimCC: [n, V, W*k] and [n, V, H*k]; or heatmaps [n, V, H', W']), V being the number of joints"
)


@dataclass(frozen=True)
class Output:
    """What a model gives.

    Args:
        kind: ``anchors``, ``people`` (end to end), ``simcc`` or ``heatmap``.
        n_joints: V.
        turned: the axes of ``anchors``, or the two outputs of ``simcc``, are the other way round.
    """

    kind: str
    n_joints: int
    turned: bool = False

    @property
    def whole(self) -> bool:
        """Whether the model looks at the whole picture and finds everybody."""
        return self.kind in ("anchors", "people")


def tell_output(
    shapes: Sequence[tuple[int, ...]], size: tuple[int, int], n_joints: int | None = None
) -> Output | None:
    """What outputs of these shapes are for an input of ``size`` (height, width); None: nothing known.

    Args:
        shapes: of the outputs for one picture.
        size: height and width of the input in pixels.
        n_joints: number of joints that is expected, which decides between forms that would both do.
    """
    found: list[Output] = []
    if len(shapes) == 1 and len(shapes[0]) == 3:
        a, b = shapes[0][1:]
        for kind, length, first, turned in (
            ("people", b, 6, False),
            ("anchors", a, 5, False),
            ("anchors", b, 5, True),
        ):
            if first < length <= first + 3 * _MOST_JOINTS and (length - first) % 3 == 0:
                found.append(Output(kind, (length - first) // 3, turned))
        # There are more places in a picture than numbers about each of them.
        found.sort(key=lambda one: one.n_joints)
    elif len(shapes) == 1 and len(shapes[0]) == 4:
        down = [side / cells for side, cells in zip(size, shapes[0][2:], strict=True)]
        if down[0] == down[1] and down[0] >= 1:
            found.append(Output("heatmap", shapes[0][1]))
    elif len(shapes) == 2 and all(len(shape) == 3 for shape in shapes) and shapes[0][1] == shapes[1][1]:
        for turned in (False, True):
            y, x = (shapes[i][2] for i in ((1, 0), (0, 1))[turned])
            if y / size[0] == x / size[1] >= 1:
                found.append(Output("simcc", shapes[0][1], turned))
    return next((one for one in found if one.n_joints == n_joints), found[0] if found else None)


def keep_distinct(rows: np.ndarray, min_score: float) -> np.ndarray:
    """Non-maximum suppression: the surest of boxes that overlap.

    Args:
        rows: ``[A, 5 or more]``: middle, width and height of a box, score, and more.
        min_score: least score.

    Returns:
        those rows that remain, surest first.
    """
    rows = rows[rows[:, 4] >= min_score]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    kept: list[int] = []
    for i in range(len(rows)):
        if all(box_overlap(boxes[i], boxes[k]) < _OVERLAP for k in kept):
            kept.append(i)
        if len(kept) == MOST_PEOPLE:
            break
    return rows[kept]


def read_simcc(x: np.ndarray, y: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Joints from one classification for each axis (Li et al., ECCV 2022).

    Args:
        x, y: ``[n, V, W*k]`` and ``[n, V, H*k]``.
        size: H and W.

    Returns:
        ``[n, V, 2]`` pixels of the input, counted by their centres, and ``[n, V]`` scores.
    """
    places = [one.argmax(-1) * (side / one.shape[-1]) for one, side in ((x, size[1]), (y, size[0]))]
    return np.stack(places, -1), np.minimum(x.max(-1), y.max(-1))


def read_heatmaps(maps: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Joints from heatmaps ``[n, V, H', W']``: the highest cell, moved by a quarter towards its higher neighbour.

    Args:
        maps: the heatmaps.
        size: H and W.

    Returns:
        ``[n, V, 2]`` pixels of the input, counted by their centres, and ``[n, V]`` scores.
    """
    n, n_joints, height, width = maps.shape
    flat = maps.reshape(n, n_joints, -1)
    best = flat.argmax(-1)
    at = np.stack([best % width, best // width], -1)
    around = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    i, j = np.ogrid[:n, :n_joints]
    x, y = at[..., 0] + 1, at[..., 1] + 1
    slope = np.stack(
        [around[i, j, y, x + 1] - around[i, j, y, x - 1], around[i, j, y + 1, x] - around[i, j, y - 1, x]], -1
    )
    return (at + 0.25 * np.sign(slope)) * (size[0] / height), flat.max(-1)


def crop_box(box: np.ndarray, image: np.ndarray) -> np.ndarray:
    """What a crop must hold for joints within a box: ``[x0, y0, x1, y1]``, fractions of the picture to pixels."""
    corners = box.reshape(2, 2) * [image.shape[1], image.shape[0]]
    half = np.maximum(np.ptp(corners, axis=0), 16) / 2 * _MARGIN
    return np.concatenate([corners.mean(0) - half, corners.mean(0) + half])


def as_people(xy: np.ndarray, score: np.ndarray, keep_all: bool = False) -> list[Detection]:
    """Fractions of the picture ``[n, V, 2]`` and scores ``[n, V]`` as people; what lies outside is missing."""
    inside = ((xy >= -0.02) & (xy <= 1.02)).all(-1)
    score = (np.clip(np.nan_to_num(score), 0, 1) * inside).astype(np.float32)
    xyz = np.concatenate([xy, np.zeros_like(xy[..., :1])], -1).astype(np.float32)
    return [
        Detection(p, s, p[:, :2].copy()) for p, s in zip(xyz, score, strict=True) if keep_all or (s > 0).any()
    ]
