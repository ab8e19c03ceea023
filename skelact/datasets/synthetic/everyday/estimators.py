"""What pose estimators make of the truth: errors as MediaPipe and MoveNet make them, and faces for COCO's joints.

The sizes follow a comparison of MediaPipe with Kinect on NTU RGB+D's S001C001P001R001A001 (23 joints, 103 frames): a
lasting error of some 3 cm at the trunk, 8 at the knees and 12 at wrists and ankles, about half as much again in depth;
wandering of 1 to 2 cm at the trunk, 3 at elbows, 6 at wrists; 1 to 5 mm from frame to frame, 10 to 20 at the hands.
"""

from __future__ import annotations

import numpy as np

from skelact.datasets.synthetic.body import LAYOUT, J
from skelact.datasets.synthetic.sensor import hidden_joints, smooth_noise

# Per joint in metres: lasting, wandering, frame to frame.
_SIZES = {
    "mid_hip": (0.02, 0.006, 0.001), "hip": (0.03, 0.006, 0.001), "spine": (0.02, 0.008, 0.001),
    "shoulder": (0.035, 0.015, 0.002), "elbow": (0.03, 0.025, 0.004), "wrist": (0.06, 0.045, 0.008),
    "hand": (0.07, 0.055, 0.015), "knee": (0.05, 0.018, 0.003), "ankle": (0.06, 0.02, 0.005),
    "foot": (0.08, 0.03, 0.012),
}  # fmt: skip


def _size(joint: str) -> tuple[float, float, float]:
    plain = joint.removeprefix("left_").removeprefix("right_")
    return _SIZES.get(plain, _SIZES["hand"] if plain in ("hand_tip", "thumb") else (0.03, 0.012, 0.002))


LASTING, WANDERING, JITTER = (np.array(column) for column in zip(*map(_size, LAYOUT.joints), strict=True))
PAIRS = [(J[j], J["right_" + j[5:]]) for j in LAYOUT.joints if j.startswith("left_")]
LEGS = [J[f"{side}_{j}"] for side in ("left", "right") for j in ("knee", "ankle", "foot")]


# What is put elsewhere by other sensors: the joint, towards which, the least and the largest share of the way.
_PLACED = (
    ("left_hip", "mid_shoulder", -0.03, 0.22),
    ("right_hip", "mid_shoulder", -0.03, 0.22),
    ("mid_hip", "mid_shoulder", -0.03, 0.22),
    ("left_shoulder", "left_hip", -0.04, 0.08),
    ("right_shoulder", "right_hip", -0.04, 0.08),
    ("mid_shoulder", "mid_hip", -0.06, 0.1),
    ("left_knee", "left_hip", -0.06, 0.12),
    ("right_knee", "right_hip", -0.06, 0.12),
    ("left_ankle", "left_knee", -0.06, 0.15),
    ("right_ankle", "right_knee", -0.06, 0.15),
    ("left_wrist", "left_elbow", -0.2, 0.08),
    ("right_wrist", "right_elbow", -0.2, 0.08),
    ("head", "mid_shoulder", -0.2, 0.25),
)


def place_joints(xyz: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The joints ``[T, 25, 3]`` where some other sensor has them: the first Kinect's hips are far higher."""
    out = xyz.copy()
    shares: dict[str, float] = {}
    for joint, towards, low, high in _PLACED:
        plain = joint.removeprefix("left_").removeprefix("right_").replace("mid_hip", "hip")
        share = shares.setdefault(plain, float(rng.uniform(low, high)))
        out[:, J[joint]] += share * (xyz[:, J[towards]] - xyz[:, J[joint]])
    for pair in ("hip", "shoulder"):
        left, right = J[f"left_{pair}"], J[f"right_{pair}"]
        apart = 0.5 * rng.uniform(-0.2, 0.3) * (out[:, left] - out[:, right])
        out[:, left] += apart
        out[:, right] -= apart
    return out


def lose_arm(xyz: np.ndarray, rng: np.random.Generator, fps: float) -> None:
    """Let one arm of ``xyz [T, 25, 3]`` be guessed for some time, as behind the trunk or behind what is carried."""
    side = "left" if rng.random() < 0.5 else "right"
    n_frames = len(xyz)
    start = int(rng.integers(n_frames))
    at = slice(start, start + int(rng.uniform(0.3, 2.0) * fps))
    error = smooth_noise(rng, (1, n_frames, 1, 3), fps)[0, at]
    for joint, size in (
        ("elbow", 0.05),
        ("wrist", 0.11),
        ("hand", 0.13),
        ("hand_tip", 0.14),
        ("thumb", 0.14),
    ):
        xyz[at, J[f"{side}_{joint}"]] += (size * error)[:, 0]


def swap_sides(xyz: np.ndarray, at: slice, joints: list[tuple[int, int]] = PAIRS) -> None:
    """Exchange left and right joints of ``xyz [T, V, C]`` in some frames."""
    for left, right in joints:
        xyz[at, [left, right]] = xyz[at, [right, left]]


def estimate(
    xyz: np.ndarray, rng: np.random.Generator, fps: float, depth: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Joints as an estimator gives them from a picture.

    Args:
        xyz: one person's true joints ``[T, 25, 3]``, camera coordinates in metres.
        rng: the errors.
        fps: frames per second.
        depth: how much larger errors are along the line of sight; 0 for estimators in the picture.

    Returns:
        noisy ``xyz`` and ``score [T, 25]``, 0 where a joint is lost.
    """
    n_frames = len(xyz)
    quality = float(np.exp(rng.normal(0, 0.4)))
    towards = np.array([1.0, 1.0, depth])
    lasting = rng.standard_normal((1, len(LAYOUT), 3)) * LASTING[:, None] * quality * 0.7
    slow = smooth_noise(rng, (1, *xyz.shape), fps)[0] * WANDERING[:, None] * quality
    fast = rng.standard_normal(xyz.shape) * JITTER[:, None] * quality
    hidden = hidden_joints(xyz[None])[0]
    error = lasting + slow * np.where(hidden, 2.0, 1.0)[..., None] + fast
    out = xyz + error * towards
    if (
        depth
    ):  # what is near the camera and what is far is told apart less or more than it is, and the whole wanders
        middle = xyz[:, J["mid_hip"], None, 2:]
        out[..., 2:] = middle + (out[..., 2:] - middle) * rng.uniform(0.6, 1.15)
        path = smooth_noise(rng, (1, n_frames, 1, 3), fps)[0] * np.array([0.004, 0.008, 0.02]) * quality
        scale = 1 + rng.normal(0, 0.08)
        place = out[:, J["mid_hip"], None]
        out = out - place + place * scale + path
    score = np.ones(xyz.shape[:2], np.float32)
    if rng.random() < 0.15:  # left and right are confused for a moment
        start = int(rng.integers(n_frames))
        swap_sides(out, slice(start, start + int(rng.integers(2, max(3, round(0.4 * fps))))))
    lost = rng.random(len(LAYOUT)) < 0.04
    score[hidden & (rng.random(len(LAYOUT)) < 0.3)] = 0
    score[:, lost & (LASTING > 0.025)] = 0
    if rng.random() < 0.1:  # the legs are out of the picture, or behind furniture
        score[:, LEGS] = 0
    if rng.random() < 0.15:  # nobody was found for a moment
        start = int(rng.integers(n_frames))
        score[start : start + int(rng.integers(1, max(2, round(0.5 * fps))))] = 0
    return out, score


def with_face(xyz: np.ndarray) -> dict[str, np.ndarray]:
    """Where nose, eyes and ears of ``xyz [T, 25, 3]`` are, by name, ``[T, 3]``."""
    up = xyz[:, J["head"]] - xyz[:, J["mid_shoulder"]]
    left = xyz[:, J["left_shoulder"]] - xyz[:, J["right_shoulder"]]
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-6)
    left -= (left * up).sum(1, keepdims=True) * up
    left /= np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-6)
    # in the sensor's right-handed frame a person who faces the camera has the left hand at the smaller x
    ahead = np.cross(left, up)
    places = {"nose": (0, -0.02, 0.105), "left_eye": (0.032, 0.015, 0.085), "right_eye": (-0.032, 0.015, 0.085),
              "left_ear": (0.078, 0, -0.005), "right_ear": (-0.078, 0, -0.005)}  # fmt: skip
    return {n: xyz[:, J["head"]] + a * left + b * up + c * ahead for n, (a, b, c) in places.items()}
