"""The layouts in public use, each under its own name, in the joint order of its data."""

from __future__ import annotations

from skelact.errors import LayoutError, choices
from skelact.layouts.build import POSE33, POSE33_EXTRA, build_layout, hand_joints, palm_edges
from skelact.layouts.layout import SkeletonLayout
from skelact.layouts.signs import SIGN_LAYOUTS

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
    build_layout(
        "ntu25",
        "NTU RGB+D (Kinect v2), edges of ST-GCN, 2s-AGCN and CTR-GCN: hand tip on thumb, thumb on hand",
        _NTU_BODY
        + "left_hand_tip<left_thumb left_thumb<left_hand right_hand_tip<right_thumb right_thumb<right_hand",
    ),
    build_layout(
        "ntu25_tied",
        "NTU RGB+D (Kinect v2), edges of PYSKL: hand tip and thumb both tied to the hand",
        _NTU_BODY
        + "left_hand_tip<left_hand left_thumb<left_hand right_hand_tip<right_hand right_thumb<right_hand",
    ),
    build_layout(
        "kinect20",
        "Kinect v1 in the SDK's order, as in NW-UCLA",
        "mid_hip<spine spine<mid_shoulder mid_shoulder head<mid_shoulder" + _KINECT_ARMS_LEGS,
    ),
    build_layout(
        "kinect20_utd",
        "Kinect v1 in UTD-MHAD's order",
        "head<mid_shoulder mid_shoulder spine<mid_shoulder mid_hip<spine" + _KINECT_ARMS_LEGS,
    ),
    build_layout(
        "sbu15",
        "SBU Kinect Interaction (OpenNI)",
        """head<neck neck spine<neck
        left_shoulder<neck left_elbow<left_shoulder left_hand<left_elbow
        right_shoulder<neck right_elbow<right_shoulder right_hand<right_elbow
        left_hip<spine left_knee<left_hip left_foot<left_knee
        right_hip<spine right_knee<right_hip right_foot<right_knee""",
    ),
    build_layout(
        "coco17",
        "COCO keypoints",
        """nose left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye
        left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder right_elbow<right_shoulder
        left_wrist<left_elbow right_wrist<right_elbow left_hip<left_shoulder right_hip<right_shoulder
        left_knee<left_hip right_knee<right_hip left_ankle<left_knee right_ankle<right_knee""",
        "left_shoulder-right_shoulder left_hip-right_hip",
    ),
    build_layout(
        "openpose18",
        "OpenPose COCO-18, as in Kinetics-Skeleton; edges of ST-GCN",
        """nose<neck neck right_shoulder<neck right_elbow<right_shoulder right_wrist<right_elbow
        left_shoulder<neck left_elbow<left_shoulder left_wrist<left_elbow
        right_hip<right_shoulder right_knee<right_hip right_ankle<right_knee
        left_hip<left_shoulder left_knee<left_hip left_ankle<left_knee
        right_eye<nose left_eye<nose right_ear<right_eye left_ear<left_eye""",
    ),
    build_layout(
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
    build_layout("pose33", "MediaPipe Pose (BlazePose)", POSE33, POSE33_EXTRA),
    build_layout("hand21", "MediaPipe Hands, one hand", hand_joints(), palm_edges()),
    build_layout(
        "pose_hands75",
        "MediaPipe Pose and both hands: 33 + left 21 + right 21; each hand hangs on the pose's wrist",
        POSE33 + hand_joints("left_", "left_wrist") + " " + hand_joints("right_", "right_wrist"),
        POSE33_EXTRA + palm_edges("left_") + " " + palm_edges("right_"),
    ),
    build_layout("shrec22", "SHREC'17 hand gestures", "wrist palm<wrist " + _shrec_fingers()),
    build_layout(
        "natops8",
        "NATOPS in the UEA archive",
        """left_hand_tip<left_wrist right_hand_tip<right_wrist left_elbow right_elbow
        left_wrist<left_elbow right_wrist<right_elbow left_thumb<left_wrist right_thumb<right_wrist""",
        "left_elbow-right_elbow",
    ),
    build_layout(
        "h36m17",
        "Human3.6M, the 17 joints of VideoPose3D; joint 9 (neck/nose) is called nose",
        """mid_hip right_hip<mid_hip right_knee<right_hip right_ankle<right_knee
        left_hip<mid_hip left_knee<left_hip left_ankle<left_knee
        spine<mid_hip mid_shoulder<spine nose<mid_shoulder head_top<nose
        left_shoulder<mid_shoulder left_elbow<left_shoulder left_wrist<left_elbow
        right_shoulder<mid_shoulder right_elbow<right_shoulder right_wrist<right_elbow""",
    ),
    build_layout(
        "gesture6",
        "UCI Gesture Phase Segmentation (Kinect)",
        "left_hand<left_wrist right_hand<right_wrist head<spine spine left_wrist<spine right_wrist<spine",
    ),
    build_layout(
        "urfd13",
        "UR Fall 2D poses: COCO without eyes and ears",
        """nose left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder right_elbow<right_shoulder
        left_wrist<left_elbow right_wrist<right_elbow left_hip<left_shoulder right_hip<right_shoulder
        left_knee<left_hip right_knee<right_hip left_ankle<left_knee right_ankle<right_knee""",
        "left_shoulder-right_shoulder left_hip-right_hip",
    ),
)

LAYOUTS: dict[str, SkeletonLayout] = {layout.name: layout for layout in (*_ALL, *SIGN_LAYOUTS)}


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
