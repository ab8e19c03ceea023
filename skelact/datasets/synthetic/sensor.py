"""Cameras and a depth sensor: viewpoints, jitter that grows with distance, occlusion, lost identities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.datasets.synthetic.body import LAYOUT, J
from skelact.errors import ConfigError


@dataclass(frozen=True)
class Camera:
    """A viewpoint: azimuth (degrees, to the performer's left), distance, height and aim height (m)."""

    azimuth: float
    distance: float
    height: float
    aim: float = 0.9

    def rotation(self) -> np.ndarray:
        """``[3, 3]``: rows are the camera's axes in the world; z looks forward, y up, x to the sensor's left.

        This is the right-handed frame of the Kinect: a person who faces the camera has the left hand at
        the smaller x. The Kinect's colour picture is mirrored, so x grows to the right in it.
        """
        z = np.array([0.0, self.aim, 0.0]) - self.position()
        z /= np.linalg.norm(z)
        x = np.cross([0.0, 1.0, 0.0], z)
        x /= np.linalg.norm(x)
        return np.stack([x, np.cross(z, x), z])

    def position(self) -> np.ndarray:
        """Place of the camera in the world, metres."""
        a = np.radians(self.azimuth)
        return np.array([self.distance * np.sin(a), self.height, self.distance * np.cos(a)])

    def view(self, world: np.ndarray) -> np.ndarray:
        """World points ``[..., 3]`` in this camera's coordinates."""
        return (world - self.position()) @ self.rotation().T


# Number -> viewpoint. 1 to 3 stand as in NTU RGB+D (45 degrees apart at one height); 4 looks down as a
# camera under the ceiling does, 5 stands low.
CAMERAS: dict[int, Camera] = {
    1: Camera(45, 3.4, 1.15),
    2: Camera(0, 3.4, 1.15),
    3: Camera(-45, 3.4, 1.15),
    4: Camera(20, 3.8, 2.35),
    5: Camera(-20, 3.6, 0.6),
}


def get_camera(number: int, setup: int = 1) -> Camera:
    """The camera of that number; other setups stand a little further and higher or lower.

    Raises:
        ConfigError: for an unknown number.
    """
    if number not in CAMERAS:
        raise ConfigError(f"there is no camera {number}; allowed: {', '.join(map(str, CAMERAS))}")
    base = CAMERAS[number]
    step = (setup - 1) % 6
    return Camera(
        base.azimuth, base.distance + 0.15 * step, base.height + 0.12 * (-1) ** step * (step > 0), base.aim
    )


@dataclass(frozen=True)
class SensorNoise:
    """What the sensor does to the truth; every factor 0 turns its part off.

    Args:
        jitter: factor on the frame-by-frame noise (hands some 8 mm, trunk under 1 mm at 2 m).
        drift: factor on the slow error of each joint (some 6 mm).
        occlusion: factor on the error of hidden joints, which get score 0.5; 0 sees through the body.
        missing: share of hidden stretches that the sensor loses altogether (score 0).
        swap: probability that two people exchange identities somewhere in the clip.
        id_change: probability that a person is lost for a moment and comes back under a new identity.
    """

    jitter: float = 1.0
    drift: float = 1.0
    occlusion: float = 1.0
    missing: float = 0.1
    swap: float = 0.15
    id_change: float = 0.05


# Noise of one joint at 2 m, in mm, read off the second differences of real Kinect v2 recordings.
_JITTER = np.array([
    {"hand_tip": 9.0, "thumb": 9.0, "hand": 4.0, "wrist": 2.0, "foot": 3.0, "ankle": 1.5, "elbow": 0.8}.get(
        j.removeprefix("left_").removeprefix("right_"), 0.5
    )
    for j in LAYOUT.joints
])  # fmt: skip
# What may hide a joint: bone, radius.
_OCCLUDERS = (
    ("mid_hip", "mid_shoulder", 0.12),
    ("mid_shoulder", "head", 0.07),
    ("left_hip", "left_knee", 0.06),
    ("right_hip", "right_knee", 0.06),
    ("left_knee", "left_ankle", 0.045),
    ("right_knee", "right_ankle", 0.045),
)
_TRUNK = np.array([J[j] for j in ("mid_hip", "spine", "mid_shoulder", "neck", "head")])


def hidden_joints(xyz: np.ndarray) -> np.ndarray:
    """Which joints a body hides from the camera at 0: ``xyz [M, T, V, 3]`` -> bool ``[M, T, V]``."""
    distance = np.linalg.norm(xyz, axis=-1)
    ray = xyz / np.maximum(distance, 1e-6)[..., None]
    starts = np.array([J[a] for a, _, _ in _OCCLUDERS])
    ends = np.array([J[b] for _, b, _ in _OCCLUDERS])
    radius = np.repeat([r for _, _, r in _OCCLUDERS], 4)
    share = np.array([0.1, 0.37, 0.63, 0.9])[:, None]
    hidden = np.zeros(xyz.shape[:3], bool)
    for blocker in xyz:
        points = blocker[:, starts, None] * (1 - share) + blocker[:, ends, None] * share  # [T, B, 4, 3]
        points = points.reshape(len(blocker), -1, 3)
        along = ray @ points.transpose(0, 2, 1)  # [M, T, V, points]
        off = (points**2).sum(-1)[None, :, None] - along**2
        # Nearer than the joint by more than its own flesh, and close to the line of sight.
        hidden |= ((along < distance[..., None] - radius - 0.07) & (off < radius**2)).any(-1)
    hidden[:, :, _TRUNK] = False
    return hidden


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], fps: float) -> np.ndarray:
    """Noise ``[M, T, V, 3]`` of unit size that wanders over about half a second."""
    m, n_frames, *rest = shape
    n_keys = max(4, int(n_frames / fps * 3) + 4)
    keys = rng.standard_normal((m, n_keys, *rest))
    at = np.linspace(0, n_keys - 1.001, n_frames)
    low = at.astype(int)
    part = (at - low)[:, None, None]
    part = part * part * (3 - 2 * part)
    return keys[:, low] * (1 - part) + keys[:, low + 1] * part


def sense(
    xyz: np.ndarray, noise: SensorNoise, rng: np.random.Generator, fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """What the sensor reports of the true joints.

    Args:
        xyz: ``[M, T, V, 3]`` metres in camera coordinates.
        noise: the kinds of error.
        rng: their randomness.
        fps: frames per second.

    Returns:
        Noisy ``xyz`` and ``score`` (1 seen, 0.5 guessed, 0 missing).
    """
    far = (xyz[..., 2:3] / 2.0) ** 2
    white = rng.standard_normal(xyz.shape) * (_JITTER[:, None] / 1000)
    slow = smooth_noise(rng, xyz.shape, fps)
    towards = np.array([1.0, 1.0, 1.8])  # depth is the weakest direction
    error = (
        (noise.jitter * white + noise.drift * 0.006 * slow * np.sqrt(_JITTER / 0.5)[:, None] * 0.5)
        * far
        * towards
    )
    score = np.ones(xyz.shape[:3], np.float32)
    if noise.occlusion > 0:
        hidden = hidden_joints(xyz)
        guess = 0.035 * slow[::-1, ::-1] + 3 * white
        error = np.where(hidden[..., None], error + noise.occlusion * guess, error)
        score[hidden] = 0.5
        lost = rng.random((len(xyz), 1, len(LAYOUT))) < noise.missing
        score[hidden & lost] = 0
    return xyz + error, score


def confuse_identities(
    xyz: np.ndarray, score: np.ndarray, noise: SensorNoise, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Exchange identities or break a track in two, as trackers do.

    A broken track gives one more person, each missing where the other is there.
    """
    m, n_frames = score.shape[:2]
    draw = rng.random(2)
    at = int(rng.uniform(0.3, 0.7) * n_frames)
    gap = int(rng.integers(1, 5))
    who = int(rng.integers(m))
    if m == 2 and draw[0] < noise.swap:
        xyz[:, at:], score[:, at:] = xyz[::-1, at:].copy(), score[::-1, at:].copy()
    if draw[1] < noise.id_change and n_frames > 12:
        xyz, score = np.concatenate([xyz, xyz[who : who + 1]]), np.concatenate([score, score[who : who + 1]])
        score[who, at:] = 0
        score[-1, : at + gap] = 0
    return xyz, score
