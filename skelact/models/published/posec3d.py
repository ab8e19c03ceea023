"""PYSKL's (and MMAction2's) PoseC3D with a SlowOnly network."""

from __future__ import annotations

from skelact.models.posec3d import PoseC3DSettings
from skelact.models.published.pyskl import PREFIXES, RENAMES
from skelact.models.published.release import Blueprint, Release, State, layout_of

TEST_SIZE = 64  # pixels along a side when the release is tested; it is trained with 56
_ROWS = {"reduce": "conv1", "spread": "conv2", "expand": "conv3", "shortcut": "downsample"}


def _blueprint(state: State, layout: str | None) -> Blueprint:
    """Sizes; the first convolution has one channel per joint, so files for limbs need limbs of that number."""
    n_joints = state["conv1.conv.weight"].shape[1]
    depths = []
    while f"layer{len(depths) + 1}.0.conv1.conv.weight" in state:
        depth = 0
        while f"layer{len(depths) + 1}.{depth}.conv1.conv.weight" in state:
            depth += 1
        depths.append(depth)
    if not depths:
        raise KeyError("layer1.0.conv1.conv.weight")
    settings = PoseC3DSettings(width=len(state["conv1.bn.weight"]), depths=tuple(depths), size=TEST_SIZE)
    return Blueprint(settings, layout_of(n_joints, layout).name, len(state["fc.weight"]), 2)


def _origin(key: str) -> tuple[str, None]:
    words = key.split(".")
    if words[0] == "head":
        return f"fc.{words[-1]}", None
    part = {"0": "conv", "1": "bn"}[words[-2]]
    if words[0] == "stem":
        return f"conv1.{part}.{words[-1]}", None
    _, stage, number, name = words[:4]
    return f"layer{int(stage) + 1}.{number}.{_ROWS[name]}.{part}.{words[-1]}", None


POSEC3D_RELEASE = Release(
    "Duan et al., CVPR 2022, PYSKL", _blueprint, _origin, prefixes=PREFIXES, renames=RENAMES,
    pipeline={
        "sampling": {"kind": "segments", "n_frames": 48},
        "normalise": {"centre": "none", "scale": "none"},
    },
)  # fmt: skip
