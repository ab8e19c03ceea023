"""Recordings as they are looked at: upright, seen from the front."""

from __future__ import annotations

import numpy as np

from skelact.skeleton import Skeleton

PICTURE_UNITS = ("px", "image")


_FINGERS = ("_mcp", "_pip", "_dip", "_cmc", "_ip", "_tip")
_FACE = ("eye", "ear", "mouth", "nose")


def is_fine(joint: str) -> bool:
    """Whether a joint is one of many close together, of a hand or the face, which pictures draw smaller."""
    return joint.startswith("face_") or joint.endswith(_FINGERS) or any(p in joint.split("_") for p in _FACE)


def has_y_down(skeleton: Skeleton) -> bool:
    """Whether y grows downwards: MediaPipe's metres do, Kinect's do not. Heads are above feet (or spines), mostly."""
    heights = []
    for words in (("head", "nose", "neck", "shoulder"), ("hip", "knee", "ankle", "foot"), ("spine", "torso")):
        joints = [v for v, j in enumerate(skeleton.layout.joints) if any(w in j for w in words)]
        there = skeleton.score[:, :, joints] > 0
        heights.append(skeleton.xyz[:, :, joints, 1][there].mean() if there.any() else np.nan)
    top, low, middle = heights
    return bool(top < (middle if np.isnan(low) else low))


def view_axes(skeleton: Skeleton) -> np.ndarray:
    """Factors ``[C]`` that make a recording's own axes right, up, and towards a camera in front of the people.

    Pictures have y down; other units, see `has_y_down`. Fractions of a picture get the picture's proportions, where
    the recording's info has its width and height, and are then in picture widths.
    """
    n = skeleton.xyz.shape[-1]
    if skeleton.unit in PICTURE_UNITS:
        info, aspect = skeleton.info, 1.0
        if skeleton.unit == "image" and info.get("width") and info.get("height"):
            aspect = float(info["height"]) / float(info["width"])
        return np.array([1, -aspect, -1][:n])
    if has_y_down(skeleton):
        return np.array([1, -1, -1][:n])
    # Right-handed with y up and z away from the camera: x grows to the left of the picture.
    return np.array([-1, 1, -1] if n == 3 else [1, 1])


def upright(skeleton: Skeleton) -> np.ndarray:
    """Positions ``[M, T, V, C]`` by the axes of `view_axes`."""
    return skeleton.xyz * view_axes(skeleton)
