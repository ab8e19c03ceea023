"""Parts of a skeleton: limbs of a few joints each, found from the tree of bones."""

from __future__ import annotations

import numpy as np

from skelact.errors import LayoutError
from skelact.layouts.layout import SkeletonLayout
from skelact.layouts.named import get_layout


def joint_parts(layout: str | SkeletonLayout, largest: int = 6) -> list[list[int]]:
    """Cut the tree of bones into limbs of at most ``largest`` joints.

    From the tips inwards, joints gather until they are too many; then the branches that make up at least
    half a part are cut off, all of them at once, so that left and right are treated alike. NTU's 25 joints
    become two arms, two legs and a torso with head.

    Args:
        layout: the layout or its name.
        largest: joints of a part.

    Returns:
        lists of joint numbers, each from the joint nearest the root outwards; every joint is in one.

    Raises:
        LayoutError: if ``largest`` is less than 1.
    """
    if largest < 1:
        raise LayoutError(f"a part needs at least 1 joint, got largest={largest}")
    layout = get_layout(layout)
    children: list[list[int]] = [[] for _ in range(len(layout))]
    for joint, parent in layout.bones:
        children[parent].append(joint)
    parts: list[list[int]] = []

    def gather(joint: int) -> list[int]:
        branches = [gather(child) for child in children[joint]]
        branches = [branch for branch in branches if branch]
        if 1 + sum(map(len, branches)) > largest:
            limbs = [branch for branch in branches if 2 * len(branch) >= largest]
            parts.extend(limbs)
            branches = [branch for branch in branches if 2 * len(branch) < largest]
        while 1 + sum(map(len, branches)) > largest:  # many small branches: cut bundles of them
            bundle = branches.pop(0)
            while branches and len(bundle) + len(branches[0]) <= largest:
                bundle = bundle + branches.pop(0)
            parts.append(bundle)
        return [joint, *(v for branch in branches for v in branch)]

    for root in (v for v, parent in enumerate(layout.parents) if parent < 0):
        parts.append(gather(root))
    depth = _depths(layout)
    return [sorted(part, key=lambda v: (depth[v], v)) for part in sorted(parts, key=min)]


def _depths(layout: SkeletonLayout) -> list[int]:
    """Bones between each joint and its root."""
    depths = []
    for v in range(len(layout)):
        depth = 0
        while layout.parents[v] >= 0:
            v, depth = layout.parents[v], depth + 1
        depths.append(depth)
    return depths


def part_table(layout: str | SkeletonLayout, largest: int = 6) -> np.ndarray:
    """`joint_parts` as one table ``[parts, joints]`` of joint numbers, filled up with -1."""
    parts = joint_parts(layout, largest)
    table = np.full((len(parts), max(map(len, parts))), -1, dtype=np.int64)
    for k, part in enumerate(parts):
        table[k, : len(part)] = part
    return table


_FINGERS = ("thumb_", "index_", "middle_", "ring_", "pinky_")


def regions(layout: str | SkeletonLayout) -> dict[str, list[int]]:
    """The joints of ``body``, ``face``, ``left_hand``, ``right_hand`` and ``hand`` (of no side), by their names.

    A hand is its wrist as the hand's own network sees it and its fingers; the pose's wrist, and the one thumb, index or
    hand tip that body layouts have, belong to the body. Regions without a joint are left out; every joint is in one.
    """
    found: dict[str, list[int]] = {}
    for v, joint in enumerate(get_layout(layout).joints):
        side, _, rest = joint.partition("_")
        if side not in ("left", "right"):
            side, rest = "", joint
        if rest.startswith(_FINGERS) or rest in ("hand_wrist", "palm") or (rest == "wrist" and not side):
            region = f"{side}_hand" if side else "hand"
        else:
            region = "face" if joint.startswith("face_") else "body"
        found.setdefault(region, []).append(v)
    return found
