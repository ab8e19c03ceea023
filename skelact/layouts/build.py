"""What the named layouts are built from: a notation for trees of joints, MediaPipe's body and its hands."""

from __future__ import annotations

import itertools

from skelact.layouts.layout import SkeletonLayout


def build_layout(name: str, source: str, tree: str, extra: str = "") -> SkeletonLayout:
    """Build a layout from ``joint<parent`` words in data order (a word without ``<`` is a root)."""
    words = tree.split()
    joints = [w.partition("<")[0] for w in words]
    place = {j: i for i, j in enumerate(joints)}
    parents = [place[p] if (p := w.partition("<")[2]) else -1 for w in words]
    edges = [(place[a], place[b]) for a, b in (w.split("-") for w in extra.split())]
    return SkeletonLayout(name, tuple(joints), tuple(parents), tuple(edges), source)


POSE33 = """
nose left_eye_inner<nose left_eye<left_eye_inner left_eye_outer<left_eye
right_eye_inner<nose right_eye<right_eye_inner right_eye_outer<right_eye
left_ear<left_eye_outer right_ear<right_eye_outer left_mouth<nose right_mouth<nose
left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder right_elbow<right_shoulder
left_wrist<left_elbow right_wrist<right_elbow left_pinky<left_wrist right_pinky<right_wrist
left_index<left_wrist right_index<right_wrist left_thumb<left_wrist right_thumb<right_wrist
left_hip<left_shoulder right_hip<right_shoulder left_knee<left_hip right_knee<right_hip
left_ankle<left_knee right_ankle<right_knee left_heel<left_ankle right_heel<right_ankle
left_foot_index<left_ankle right_foot_index<right_ankle
"""
POSE33_EXTRA = """
left_mouth-right_mouth left_shoulder-right_shoulder left_hip-right_hip left_pinky-left_index
right_pinky-right_index left_heel-left_foot_index right_heel-right_foot_index
"""


def hand_joints(side: str = "", root: str = "") -> str:
    """The 21 hand joints in MediaPipe's order, with ``side`` before every name."""
    wrist = f"{side}hand_wrist" if side else "wrist"
    words = [f"{wrist}<{root}" if root else wrist]
    for finger, parts in {
        "thumb": ("cmc", "mcp", "ip", "tip"),
        **{f: ("mcp", "pip", "dip", "tip") for f in ("index", "middle", "ring", "pinky")},
    }.items():
        parent = wrist
        for part in parts:
            words.append(f"{side}{finger}_{part}<{parent}")
            parent = f"{side}{finger}_{part}"
    return " ".join(words)


def palm_edges(side: str = "") -> str:
    fingers = [f"{side}{f}_mcp" for f in ("index", "middle", "ring", "pinky")]
    return " ".join(f"{a}-{b}" for a, b in itertools.pairwise(fingers))
