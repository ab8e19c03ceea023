"""Names of points in ``.pose`` files, and the joints that they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from skelact.errors import DataError
from skelact.layouts import LAYOUTS, SkeletonLayout, get_layout

_POSE, _FACE, _HAND, _WORLD = "POSE_LANDMARKS", "FACE_LANDMARKS", "{}_HAND_LANDMARKS", "POSE_WORLD_LANDMARKS"
_HAND21 = get_layout("hand21").joints
# MediaPipe's names of a hand's points: INDEX_FINGER_MCP, but PINKY_MCP and THUMB_CMC.
_MEDIAPIPE_HAND = tuple(
    "_FINGER_".join(j.upper().split("_")) if j.startswith(("index", "middle", "ring")) else j.upper()
    for j in _HAND21
)
_OPENPOSE_HAND = (
    "BASE", "T_STT", "T_BCMC", "T_MCP", "T_IP", "I_CMC", "I_MCP", "I_PIP", "I_DIP", "M_CMC", "M_MCP", "M_PIP",
    "M_DIP", "R_CMC", "R_MCP", "R_PIP", "R_DIP", "P_CMC", "P_MCP", "P_PIP", "P_DIP",
)  # fmt: skip
_NUMBERED_HAND = tuple(f"HAND_{k}" for k in range(21))
_HANDS = [
    {point: joint for point, joint in zip(points, _HAND21, strict=True)}
    for points in (_MEDIAPIPE_HAND, _OPENPOSE_HAND, _NUMBERED_HAND)
]
_OPENPOSE_BODY = {
    name: joint
    for side, word in (("L", "left"), ("R", "right"))
    for name, joint in {
        f"{side}Shoulder": f"{word}_shoulder", f"{side}Elbow": f"{word}_elbow", f"{side}Wrist": f"{word}_wrist",
        f"{side}Hip": f"{word}_hip", f"{side}Knee": f"{word}_knee", f"{side}Ankle": f"{word}_ankle",
        f"{side}Eye": f"{word}_eye", f"{side}Ear": f"{word}_ear", f"{side}BigToe": f"{word}_big_toe",
        f"{side}SmallToe": f"{word}_small_toe", f"{side}Heel": f"{word}_heel",
    }.items()
}  # fmt: skip
_OPENPOSE_BODY |= {"Nose": "nose", "Neck": "neck", "MidHip": "mid_hip"}
_KNOWN = frozenset(joint for layout in LAYOUTS.values() for joint in layout.joints)
_MEDIAPIPE = ("pose_hands75", "pose33", "hands42")
_OTHERS = ("body25", "openpose18", "coco17")


class _Component(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def points(self) -> Sequence[str]: ...


def joint_name(component: str, point: str) -> str | None:
    """The joint that a point of a component is.

    Returns:
        its name; "" for points that are left out on purpose (metres beside pixels, irises); None: not known.
    """
    upper = component.upper()
    if upper == _WORLD:
        return ""
    if upper == _FACE:
        if point.isascii() and point.isdecimal() and len(point) < 4:
            return f"face_{int(point):03d}" if int(point) < 468 else ""
        return None
    if component in LAYOUTS:
        return point if point in LAYOUTS[component].index else None
    side = next((s for s in ("left", "right") if s.upper() in upper), None)
    if "HAND" in upper and side is not None:
        joint = next((names[point.upper()] for names in _HANDS if point.upper() in names), None)
        if joint is not None:
            joint = "hand_wrist" if joint == "wrist" else joint
            return f"{side}_{joint}"
    name = point.lower().replace(" ", "_")
    name = {"mouth_left": "left_mouth", "mouth_right": "right_mouth"}.get(name, name)
    name = _OPENPOSE_BODY.get(point, name)
    # A body's "LEFT_INDEX" is a joint of the pose; other parts (a face of 68 points) have names of their own.
    return name if name in _KNOWN and not name.startswith("face_") else None


def choose_layout(joints: Iterable[str], where: str, components: Sequence[_Component]) -> SkeletonLayout:
    """The layout for a file's joints: a component's own if it has one, else that which takes most of them.

    Among equals it is the smaller one. The face is left out of the count, as it is of all of these layouts.

    Raises:
        DataError: if no layout has any of them.
    """
    joints = set(joints)
    own = [c for c in components if c.name in LAYOUTS]
    if len(own) == 1 and len(components) == 1:
        return get_layout(own[0].name)
    # Few points of Holistic's pose are joints of COCO too, and are no COCO skeleton for that.
    mediapipe = any(c.name.upper().endswith("_LANDMARKS") for c in components)
    names = _MEDIAPIPE if mediapipe else (*_MEDIAPIPE, *_OTHERS)
    best = max((LAYOUTS[name] for name in names), key=lambda x: (len(joints & set(x.joints)), -len(x)))
    if not joints & set(best.joints):
        listed = ", ".join(f"{c.name[:40]} ({len(c.points)} points)" for c in components[:8])
        raise DataError(
            f"{where}: none of its components is known: {listed}; known are MediaPipe Holistic's, OpenPose's and "
            "those of COCO-WholeBody. Name a layout that has these points"
        )
    return best


def component_names(layout: SkeletonLayout) -> list[tuple[str, list[str]]]:
    """Components of a layout, with the names of their points: Holistic's for MediaPipe's layouts, else its own."""
    if layout.name not in ("pose33", "hands42", "pose_hands75", "holistic543"):
        return [(layout.name, list(layout.joints))]
    result: dict[str, list[str]] = {}
    for joint in layout.joints:
        side, _, rest = joint.partition("_")
        rest = "wrist" if rest == "hand_wrist" else rest
        if joint.startswith("face_"):
            component, point = _FACE, str(int(rest))
        elif joint in get_layout("pose33").index:
            component = _POSE
            point = f"MOUTH_{side.upper()}" if rest == "mouth" else joint.upper()
        else:
            component, point = _HAND.format(side.upper()), _MEDIAPIPE_HAND[_HAND21.index(rest)]
        result.setdefault(component, []).append(point)
    return list(result.items())
