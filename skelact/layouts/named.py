"""The layouts in public use, each under its own name, in the joint order of its data."""

from __future__ import annotations

import itertools

from skelact.errors import LayoutError, choices
from skelact.layouts.layout import SkeletonLayout


def _layout(name: str, source: str, tree: str, extra: str = "") -> SkeletonLayout:
    """Build a layout from ``joint<parent`` words in data order (a word without ``<`` is a root)."""
    words = tree.split()
    joints = [w.partition("<")[0] for w in words]
    place = {j: i for i, j in enumerate(joints)}
    parents = [place[p] if (p := w.partition("<")[2]) else -1 for w in words]
    edges = [(place[a], place[b]) for a, b in (w.split("-") for w in extra.split())]
    return SkeletonLayout(name, tuple(joints), tuple(parents), tuple(edges), source)


_NTU_BODY = """
mid_hip<spine spine<mid_shoulder neck<mid_shoulder head<neck
left_shoulder<mid_shoulder left_elbow<left_shoulder left_wrist<left_elbow left_hand<left_wrist
right_shoulder<mid_shoulder right_elbow<right_shoulder right_wrist<right_elbow right_hand<right_wrist
left_hip<mid_hip left_knee<left_hip left_ankle<left_knee left_foot<left_ankle
right_hip<mid_hip right_knee<right_hip right_ankle<right_knee right_foot<right_ankle
mid_shoulder
"""

_KINECT_ARMS_LEGS = """
left_shoulder<mid_shoulder left_elbow<left_shoulder left_wrist<left_elbow left_hand<left_wrist
right_shoulder<mid_shoulder right_elbow<right_shoulder right_wrist<right_elbow right_hand<right_wrist
left_hip<mid_hip left_knee<left_hip left_ankle<left_knee left_foot<left_ankle
right_hip<mid_hip right_knee<right_hip right_ankle<right_knee right_foot<right_ankle
"""

_POSE33 = """
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
_POSE33_EXTRA = """
left_mouth-right_mouth left_shoulder-right_shoulder left_hip-right_hip left_pinky-left_index
right_pinky-right_index left_heel-left_foot_index right_heel-right_foot_index
"""


def _hand(side: str = "", root: str = "") -> str:
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


def _palm_edges(side: str = "") -> str:
    fingers = [f"{side}{f}_mcp" for f in ("index", "middle", "ring", "pinky")]
    return " ".join(f"{a}-{b}" for a, b in itertools.pairwise(fingers))


def _shrec_fingers() -> str:
    words = []
    for finger, parts in {
        "thumb": ("cmc", "mcp", "ip", "tip"),
        **{f: ("mcp", "pip", "dip", "tip") for f in ("index", "middle", "ring", "pinky")},
    }.items():
        parent = "wrist" if finger == "thumb" else "palm"
        for part in parts:
            words.append(f"{finger}_{part}<{parent}")
            parent = f"{finger}_{part}"
    return " ".join(words)


_ALL = (
    _layout(
        "ntu25",
        "NTU RGB+D (Kinect v2), edges of ST-GCN, 2s-AGCN and CTR-GCN: hand tip on thumb, thumb on hand",
        _NTU_BODY
        + "left_hand_tip<left_thumb left_thumb<left_hand right_hand_tip<right_thumb right_thumb<right_hand",
    ),
    _layout(
        "ntu25_tied",
        "NTU RGB+D (Kinect v2), edges of PYSKL: hand tip and thumb both tied to the hand",
        _NTU_BODY
        + "left_hand_tip<left_hand left_thumb<left_hand right_hand_tip<right_hand right_thumb<right_hand",
    ),
    _layout(
        "kinect20",
        "Kinect v1 in the SDK's order, as in NW-UCLA",
        "mid_hip<spine spine<mid_shoulder mid_shoulder head<mid_shoulder" + _KINECT_ARMS_LEGS,
    ),
    _layout(
        "kinect20_utd",
        "Kinect v1 in UTD-MHAD's order",
        "head<mid_shoulder mid_shoulder spine<mid_shoulder mid_hip<spine" + _KINECT_ARMS_LEGS,
    ),
    _layout(
        "sbu15",
        "SBU Kinect Interaction (OpenNI)",
        """head<neck neck spine<neck
        left_shoulder<neck left_elbow<left_shoulder left_hand<left_elbow
        right_shoulder<neck right_elbow<right_shoulder right_hand<right_elbow
        left_hip<spine left_knee<left_hip left_foot<left_knee
        right_hip<spine right_knee<right_hip right_foot<right_knee""",
    ),
    _layout(
        "coco17",
        "COCO keypoints",
        """nose left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye
        left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder right_elbow<right_shoulder
        left_wrist<left_elbow right_wrist<right_elbow left_hip<left_shoulder right_hip<right_shoulder
        left_knee<left_hip right_knee<right_hip left_ankle<left_knee right_ankle<right_knee""",
        "left_shoulder-right_shoulder left_hip-right_hip",
    ),
    _layout(
        "openpose18",
        "OpenPose COCO-18, as in Kinetics-Skeleton; edges of ST-GCN",
        """nose<neck neck right_shoulder<neck right_elbow<right_shoulder right_wrist<right_elbow
        left_shoulder<neck left_elbow<left_shoulder left_wrist<left_elbow
        right_hip<right_shoulder right_knee<right_hip right_ankle<right_knee
        left_hip<left_shoulder left_knee<left_hip left_ankle<left_knee
        right_eye<nose left_eye<nose right_ear<right_eye left_ear<left_eye""",
    ),
    _layout(
        "body25",
        "OpenPose BODY-25",
        """nose<neck neck right_shoulder<neck right_elbow<right_shoulder right_wrist<right_elbow
        left_shoulder<neck left_elbow<left_shoulder left_wrist<left_elbow mid_hip<neck
        right_hip<mid_hip right_knee<right_hip right_ankle<right_knee
        left_hip<mid_hip left_knee<left_hip left_ankle<left_knee
        right_eye<nose left_eye<nose right_ear<right_eye left_ear<left_eye
        left_big_toe<left_ankle left_small_toe<left_big_toe left_heel<left_ankle
        right_big_toe<right_ankle right_small_toe<right_big_toe right_heel<right_ankle""",
    ),
    _layout("pose33", "MediaPipe Pose (BlazePose)", _POSE33, _POSE33_EXTRA),
    _layout("hand21", "MediaPipe Hands, one hand", _hand(), _palm_edges()),
    _layout(
        "pose_hands75",
        "MediaPipe Pose and both hands: 33 + left 21 + right 21; each hand hangs on the pose's wrist",
        _POSE33 + _hand("left_", "left_wrist") + " " + _hand("right_", "right_wrist"),
        _POSE33_EXTRA + _palm_edges("left_") + " " + _palm_edges("right_"),
    ),
    _layout("shrec22", "SHREC'17 hand gestures", "wrist palm<wrist " + _shrec_fingers()),
    _layout(
        "natops8",
        "NATOPS in the UEA archive",
        """left_hand_tip<left_wrist right_hand_tip<right_wrist left_elbow right_elbow
        left_wrist<left_elbow right_wrist<right_elbow left_thumb<left_wrist right_thumb<right_wrist""",
        "left_elbow-right_elbow",
    ),
    _layout(
        "h36m17",
        "Human3.6M, the 17 joints of VideoPose3D; joint 9 (neck/nose) is called nose",
        """mid_hip right_hip<mid_hip right_knee<right_hip right_ankle<right_knee
        left_hip<mid_hip left_knee<left_hip left_ankle<left_knee
        spine<mid_hip mid_shoulder<spine nose<mid_shoulder head_top<nose
        left_shoulder<mid_shoulder left_elbow<left_shoulder left_wrist<left_elbow
        right_shoulder<mid_shoulder right_elbow<right_shoulder right_wrist<right_elbow""",
    ),
    _layout(
        "gesture6",
        "UCI Gesture Phase Segmentation (Kinect)",
        "left_hand<left_wrist right_hand<right_wrist head<spine spine left_wrist<spine right_wrist<spine",
    ),
    _layout(
        "urfd13",
        "UR Fall 2D poses: COCO without eyes and ears",
        """nose left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder right_elbow<right_shoulder
        left_wrist<left_elbow right_wrist<right_elbow left_hip<left_shoulder right_hip<right_shoulder
        left_knee<left_hip right_knee<right_hip left_ankle<left_knee right_ankle<right_knee""",
        "left_shoulder-right_shoulder left_hip-right_hip",
    ),
)

LAYOUTS: dict[str, SkeletonLayout] = {layout.name: layout for layout in _ALL}


def get_layout(layout: str | SkeletonLayout) -> SkeletonLayout:
    """Return the named layout (a layout itself is passed through).

    Raises:
        LayoutError: for an unknown name.
    """
    if isinstance(layout, SkeletonLayout):
        return layout
    try:
        return LAYOUTS[layout]
    except (KeyError, TypeError):
        raise LayoutError(
            choices(layout, LAYOUTS, "layout")
            + " A layout of your own: skelact.layouts.load_layout('FILE.yaml')."
        ) from None
