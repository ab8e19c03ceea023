"""A clothed body around 25 joints: what surfaces it has, and what each subject looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.datasets.synthetic.body import J
from skelact.datasets.synthetic.raster import Raster

_SKIN = np.array(
    [[0.96, 0.80, 0.69], [0.90, 0.71, 0.57], [0.78, 0.57, 0.43], [0.60, 0.42, 0.30], [0.42, 0.28, 0.20]]
)
_HAIR = np.array(
    [[0.10, 0.08, 0.07], [0.24, 0.15, 0.09], [0.42, 0.28, 0.15], [0.66, 0.52, 0.30], [0.45, 0.44, 0.43]]
)
_SHIRTS = np.array([
    [0.75, 0.14, 0.16], [0.13, 0.30, 0.62], [0.10, 0.45, 0.30], [0.92, 0.92, 0.90], [0.88, 0.62, 0.12],
    [0.45, 0.20, 0.50], [0.16, 0.55, 0.60], [0.20, 0.20, 0.22],
])  # fmt: skip
_TROUSERS = np.array([[0.13, 0.17, 0.30], [0.10, 0.10, 0.12], [0.30, 0.27, 0.24], [0.22, 0.30, 0.42]])
_SHOES = np.array([[0.08, 0.08, 0.09], [0.85, 0.85, 0.85], [0.35, 0.20, 0.12]])


@dataclass(frozen=True)
class Look:
    """Colours and cut of one person's appearance."""

    skin: np.ndarray
    hair: np.ndarray
    shirt: np.ndarray
    trousers: np.ndarray
    shoes: np.ndarray
    sleeve: float
    long_hair: bool
    stripes: float
    girth: float


def make_look(rng: np.random.Generator) -> Look:
    """Draw an appearance; the trousers are always darker than or unlike the shirt."""
    shirt = _SHIRTS[rng.integers(len(_SHIRTS))]
    trousers = _TROUSERS[rng.integers(len(_TROUSERS))]
    if np.abs(shirt - trousers).sum() < 0.5:
        trousers = np.array([0.50, 0.46, 0.38])
    return Look(
        skin=_SKIN[rng.integers(len(_SKIN))],
        hair=_HAIR[rng.integers(len(_HAIR))],
        shirt=shirt,
        trousers=trousers,
        shoes=_SHOES[rng.integers(len(_SHOES))],
        sleeve=float(rng.choice([0.62, 1.0, 1.9])),
        long_hair=bool(rng.random() < 0.35),
        stripes=float(rng.choice([0.0, 0.0, 0.18])),
        girth=float(rng.uniform(0.94, 1.12)),
    )


def _unit(v: np.ndarray) -> np.ndarray:
    return v / (np.linalg.norm(v) + 1e-9)


def _frame(up: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Rows: left, up, forward of a body part, orthonormal."""
    up = _unit(up)
    left = _unit(left - (left @ up) * up)
    return np.stack([left, up, np.cross(left, up)])


def _head(raster: Raster, joints: np.ndarray, look: Look, size: float) -> None:
    neck, head = joints[J["neck"]], joints[J["head"]]
    axes = _frame(head - joints[J["mid_shoulder"]], joints[J["left_shoulder"]] - joints[J["right_shoulder"]])
    skin, dark = look.skin, look.hair

    def at(left: float, up: float, forward: float) -> np.ndarray:
        return head + size * (np.array([left, up, forward]) @ axes)

    def half(left: float, up: float, forward: float) -> np.ndarray:
        return axes * size * np.array([[left], [up], [forward]])

    def scalp(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        hairline = (b > 0.48 + 0.25 * np.abs(a) * (c > 0)) | (c < 0.05 - 0.35 * (b > 0)) & (b > -0.55)
        return np.where(hairline[..., None], dark, skin)

    raster.limb(
        joints[J["mid_shoulder"]], neck + 0.5 * (head - neck), (0.062 * size, 0.054 * size), skin * 0.93
    )
    raster.ellipsoid(at(0, 0.025, -0.008), half(0.077, 0.105, 0.097), scalp)
    raster.ellipsoid(at(0, -0.055, 0.022), half(0.056, 0.066, 0.068), skin)  # jaw
    raster.ellipsoid(at(0, 0.062, -0.022), half(0.083, 0.083, 0.098),
                     lambda a, b, c: np.where(((b > 0.15) | (c < -0.1))[..., None], dark, skin))  # fmt: skip
    if look.long_hair:
        raster.ellipsoid(at(0, -0.05, -0.062), half(0.085, 0.14, 0.055), dark)
    raster.ellipsoid(at(0, -0.018, 0.096), half(0.014, 0.026, 0.020), skin * 1.04)  # nose
    raster.ellipsoid(at(0, -0.066, 0.086), half(0.026, 0.008, 0.012), skin * [0.80, 0.48, 0.48])  # mouth
    for side in (-1, 1):
        raster.ellipsoid(
            at(side * 0.031, 0.012, 0.081), half(0.0165, 0.0095, 0.012), np.array([0.95, 0.95, 0.95])
        )
        raster.ellipsoid(
            at(side * 0.031, 0.012, 0.088), half(0.0085, 0.0085, 0.008), np.array([0.08, 0.05, 0.04])
        )
        raster.ellipsoid(at(side * 0.031, 0.033, 0.086), half(0.021, 0.005, 0.009), dark * 0.8)  # brow
        raster.ellipsoid(at(side * 0.078, 0.0, -0.005), half(0.010, 0.030, 0.018), skin * 0.92)  # ear


def _torso(raster: Raster, joints: np.ndarray, look: Look, size: float) -> None:
    hips = joints[J["left_hip"]] - joints[J["right_hip"]]
    shoulders = joints[J["left_shoulder"]] - joints[J["right_shoulder"]]
    pelvis, spine, chest = (joints[J[j]] for j in ("mid_hip", "spine", "mid_shoulder"))
    lower = _frame(spine - pelvis, hips)
    upper = _frame(chest - spine, shoulders)
    wide = np.linalg.norm(shoulders) / 2
    g = size * look.girth

    def cloth(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        shade = 1 - look.stripes * (np.sin(18 * b) > 0.2)
        return look.shirt * shade[..., None]

    def put(origin: np.ndarray, axes: np.ndarray, up: float, forward: float, half: tuple, paint) -> None:
        raster.ellipsoid(origin + up * axes[1] + forward * axes[2], axes * np.array(half)[:, None], paint)

    length = float(np.linalg.norm(spine - pelvis))
    chest_length = float(np.linalg.norm(chest - spine))
    put(pelvis, lower, -0.045 * size, -0.012 * size, (0.158 * g, 0.115 * size, 0.118 * g), look.trousers)
    put(pelvis, lower, 0.35 * length, 0.0, (0.152 * g, 0.55 * length, 0.112 * g), cloth)
    put(pelvis, lower, 0.85 * length, 0.0, (0.143 * g, 0.55 * length, 0.106 * g), cloth)
    put(spine, upper, 0.30 * chest_length, 0.006 * size, (0.152 * g, 0.60 * chest_length, 0.112 * g), cloth)
    put(spine, upper, 0.62 * chest_length, 0.006 * size, (0.160 * g, 0.44 * chest_length, 0.110 * g), cloth)
    put(spine, upper, 0.84 * chest_length, -0.008 * size, (wide * 1.0, 0.075 * size, 0.082 * g), cloth)
    for side in ("left", "right"):
        shoulder = joints[J[f"{side}_shoulder"]]
        raster.limb(chest + 0.01 * upper[1], shoulder, (0.058 * g, 0.060 * g), look.shirt)


def _arm(raster: Raster, joints: np.ndarray, look: Look, size: float, side: str) -> None:
    shoulder, elbow, wrist, hand, tip, thumb = (
        joints[J[f"{side}_{j}"]] for j in ("shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb")
    )
    g = size * look.girth

    def cloth(start: float):
        def paint(t: np.ndarray, across: np.ndarray) -> np.ndarray:
            return np.where((t + start < look.sleeve)[..., None], look.shirt, look.skin)

        return paint

    loose = 1.12 if look.sleeve > 1.5 else 1.0
    raster.limb(shoulder, elbow, (0.054 * g, 0.041 * g * loose), cloth(0.0), 0.006 * g)
    raster.limb(elbow, wrist, (0.040 * g * loose, 0.027 * g), cloth(1.0), 0.008 * g)
    palm = _frame(wrist - tip, thumb - wrist)
    raster.ellipsoid(0.8 * hand + 0.2 * wrist, palm * np.array([[0.040], [0.052], [0.020]]) * size, look.skin)
    raster.limb(hand, hand + 1.15 * (tip - hand), (0.026 * size, 0.014 * size), look.skin * 0.97)
    raster.limb(
        wrist + 0.3 * (hand - wrist), thumb + 0.35 * (thumb - wrist), (0.016 * size, 0.010 * size), look.skin
    )


def _leg(raster: Raster, joints: np.ndarray, look: Look, size: float, side: str) -> None:
    hip, knee, ankle, foot = (joints[J[f"{side}_{j}"]] for j in ("hip", "knee", "ankle", "foot"))
    g = size * look.girth
    raster.limb(hip, knee, (0.082 * g, 0.053 * g), look.trousers, 0.008 * g)
    raster.limb(knee, ankle, (0.053 * g, 0.040 * g), look.trousers, 0.012 * g)
    shin = _unit(knee - ankle)
    forward = foot - ankle
    sole = _unit(forward - (forward @ shin) * shin * 0.4)
    heel = ankle - 0.045 * size * sole - 0.035 * size * shin
    raster.limb(heel, foot + 0.012 * sole, (0.040 * size, 0.034 * size), look.shoes)
    raster.limb(ankle, ankle + 0.55 * forward, (0.042 * size, 0.036 * size), look.shoes)


def draw_person(raster: Raster, joints: np.ndarray, look: Look) -> None:
    """Add one body to a raster.

    Args:
        raster: where to.
        joints: ``[25, 3]`` in picture coordinates, metres, all there.
        look: colours and cut.
    """
    trunk = np.linalg.norm(joints[J["mid_shoulder"]] - joints[J["spine"]]) + np.linalg.norm(
        joints[J["spine"]] - joints[J["mid_hip"]]
    )
    size = float(np.clip(trunk / 0.485, 0.7, 1.35))
    _torso(raster, joints, look, size)
    _head(raster, joints, look, size)
    for side in ("left", "right"):
        _arm(raster, joints, look, size, side)
        _leg(raster, joints, look, size, side)
