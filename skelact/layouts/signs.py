"""Layouts of sign recognition: both hands, MediaPipe Holistic, and the pruned sets in use."""

from __future__ import annotations

from skelact.layouts.build import POSE33, POSE33_EXTRA, build_layout, hand_joints, palm_edges
from skelact.layouts.face import LEFT_EYE, LIPS, NOSE, RIGHT_EYE, face_point, face_tree
from skelact.layouts.layout import SkeletonLayout

SIDES = ("left", "right")
_WRISTS = "left_hand_wrist-right_hand_wrist"
_PALMS = palm_edges("left_") + " " + palm_edges("right_")


def _tips_and_knuckles(side: str, root: str) -> str:
    """Ten joints of a hand: wrist, tip of the thumb, knuckle and tip of each finger."""
    words = [f"{side}_hand_wrist<{root}", f"{side}_thumb_tip<{side}_hand_wrist"]
    for finger in ("index", "middle", "ring", "pinky"):
        words.append(f"{side}_{finger}_mcp<{side}_hand_wrist {side}_{finger}_tip<{side}_{finger}_mcp")
    return " ".join(words)


_ARMS = "left_elbow<left_shoulder right_elbow<right_shoulder "
_FACE, _FACE_EXTRA = face_tree("nose")

_HOLISTIC = build_layout(
    "holistic543",
    "MediaPipe Holistic: pose 33, face mesh 468, left hand 21, right hand 21, in this order",
    f"{POSE33} {_FACE} {hand_joints('left_', 'left_wrist')} {hand_joints('right_', 'right_wrist')}",
    f"{POSE33_EXTRA} {_FACE_EXTRA} {_PALMS}",
)


def _of_holistic(name: str, source: str, joints: list[str], hung: tuple[str, ...]) -> SkeletonLayout:
    """Some joints of Holistic; those that ``hung`` names hang on the nose's tip, as what tied them is left out."""
    kept = _HOLISTIC.subset(joints, name)
    parents, root = list(kept.parents), kept.index[face_point(1)]
    for joint in kept.positions(*hung):
        parents[joint] = root
    return SkeletonLayout(name, kept.joints, tuple(parents), kept.extra_edges, source)


def _hand_names(side: str) -> list[str]:
    return [word.partition("<")[0] for word in hand_joints(f"{side}_").split()]


_SIGN118 = [
    *map(face_point, LIPS), *_hand_names("left"), *_hand_names("right"),
    *map(face_point, NOSE), *map(face_point, RIGHT_EYE), *map(face_point, LEFT_EYE),
]  # fmt: skip
_ARM_JOINTS = [
    f"{side}_{j}" for j in ("shoulder", "elbow", "wrist", "pinky", "index", "thumb") for side in SIDES
]

SIGN_LAYOUTS = (
    build_layout(
        "hands42",
        "MediaPipe Hands, left 21 then right 21; an edge joins the wrists",
        hand_joints("left_") + " " + hand_joints("right_"),
        f"{_PALMS} {_WRISTS}",
    ),
    _HOLISTIC,
    build_layout(
        "sign27",
        "27 joints of SAM-SLR (Jiang et al., CVPRW 2021): nose, arms, ten joints of each hand; its edges",
        "nose left_shoulder<nose right_shoulder<nose "
        f"{_ARMS} left_wrist<left_elbow right_wrist<right_elbow "
        + " ".join(_tips_and_knuckles(side, f"{side}_wrist") for side in SIDES),
    ),
    build_layout(
        "sign27_openhands",
        "27 joints of OpenHands (Selvaraj et al., ACL 2022): eyes instead of the pose's wrists; its edges",
        "nose left_eye<nose right_eye<nose left_shoulder<nose right_shoulder<nose "
        + _ARMS
        + " ".join(_tips_and_knuckles(side, f"{side}_elbow") for side in SIDES),
    ),
    _of_holistic(
        "sign118",
        "118 points of the winner of Google's isolated-sign competition (2023): lips 40, hands 42, nose 4, eyes 32; "
        "edges by skelact: the wrists hang on the nose's tip",
        _SIGN118,
        ("left_hand_wrist", "right_hand_wrist"),
    ),
    _of_holistic(
        "sign130",
        "130 points as in the winner of Google's fingerspelling competition (2023): those of sign118 and six of each "
        "arm (shoulder to thumb); order and edges by skelact",
        [*_SIGN118, *_ARM_JOINTS],
        ("left_shoulder", "right_shoulder"),
    ),
)
