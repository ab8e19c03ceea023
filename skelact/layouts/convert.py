"""Conversion between any two layouts, derived from joint names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.errors import LayoutError
from skelact.layouts.layout import SkeletonLayout
from skelact.layouts.named import get_layout

# A joint that a layout lacks may be defined as the mean of others; the first definition whose joints
# all exist is used. Only anatomical definitions stand here, no guesses: a wrist is not a hand.
VIRTUAL_JOINTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "mid_hip": (("left_hip", "right_hip"),),
    "mid_shoulder": (("left_shoulder", "right_shoulder"),),
    "neck": (("left_shoulder", "right_shoulder"),),
    "spine": (("left_shoulder", "right_shoulder", "left_hip", "right_hip"), ("mid_shoulder", "mid_hip")),
    "head": (("left_ear", "right_ear"),),
    "palm": (("wrist", "middle_mcp"),),
    **{
        f"{side}_{joint}": tuple(tuple(f"{side}_{s}" for s in one) for one in ways)
        for side in ("left", "right")
        for joint, ways in {
            "hand": (("hand_wrist", "middle_mcp"), ("pinky", "index")),
            "hand_tip": (("middle_tip",),),
            "thumb": (("thumb_tip",),),
            "hand_wrist": (("wrist",),),
            "wrist": (("hand_wrist",),),
            "foot": (("foot_index",), ("big_toe",)),
            "foot_index": (("big_toe",),),
            "big_toe": (("foot_index",),),
            "index": (("index_mcp",),),
            "pinky": (("pinky_mcp",),),
        }.items()
    },
}


@dataclass(frozen=True)
class Conversion:
    """How each joint of ``target`` is made from joints of ``source``.

    ``weight [V_target, V_source]`` holds one row per target joint: a single 1 for a copy, equal parts for
    a mean, all zero for a joint that cannot be made (`missing`).
    """

    source: SkeletonLayout
    target: SkeletonLayout
    weight: np.ndarray

    @property
    def missing(self) -> tuple[str, ...]:
        """Target joints that the source does not have."""
        return tuple(j for j, row in zip(self.target.joints, self.weight, strict=True) if not row.any())

    def apply(self, xyz: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert ``xyz [..., V, C]`` and ``score [..., V]``.

        A mean takes the lowest score of its joints, so it is missing when one of them is.
        """
        new_xyz = np.zeros((*xyz.shape[:-2], len(self.target), xyz.shape[-1]), xyz.dtype)
        new_score = np.zeros((*score.shape[:-1], len(self.target)), score.dtype)
        for v, row in enumerate(self.weight):
            parts = np.flatnonzero(row)
            if len(parts) == 1:
                new_xyz[..., v, :] = xyz[..., parts[0], :]
                new_score[..., v] = score[..., parts[0]]
            elif len(parts):
                new_score[..., v] = score[..., parts].min(-1)
                new_xyz[..., v, :] = xyz[..., parts, :].mean(-2) * (new_score[..., v, None] > 0)
        return new_xyz, new_score


def conversion(source: str | SkeletonLayout, target: str | SkeletonLayout) -> Conversion:
    """Derive the conversion between two layouts: same name, then defined virtual joint, else missing.

    Raises:
        LayoutError: if the layouts share no joint at all.
    """
    source, target = get_layout(source), get_layout(target)
    weight = np.zeros((len(target), len(source)), dtype=np.float32)
    for v, joint in enumerate(target.joints):
        for parts in ((joint,), *VIRTUAL_JOINTS.get(joint, ())):
            if all(p in source.index for p in parts):
                weight[v, [source.index[p] for p in parts]] = 1 / len(parts)
                break
    if not weight.any():
        raise LayoutError(
            f"layout '{source.name}' cannot become '{target.name}': they share no joint. "
            f"'{source.name}' has {', '.join(source.joints)}; '{target.name}' needs {', '.join(target.joints)}"
        )
    return Conversion(source, target, weight)
