"""The Shift-GCN authors' release."""

from __future__ import annotations

from itertools import count

from skelact.models.published.release import (
    Blueprint,
    Origin,
    Release,
    State,
    end_origin,
    layout_of,
    point_weight,
)
from skelact.models.shiftgcn import ShiftGCNSettings


def _blueprint(state: State, layout: str | None) -> Blueprint:
    mask = state["l1.gcn1.Feature_Mask"]
    chosen = layout_of(mask.shape[1], layout)
    channels, stride_blocks = [], []
    for i in count(1):
        if f"l{i}.gcn1.Linear_weight" not in state:
            break
        width = state[f"l{i}.gcn1.Linear_weight"].shape[1]
        if channels and width != channels[-1]:  # the release halves the frames where it widens
            stride_blocks.append(i - 1)
        channels.append(width)
    people = len(state["data_bn.weight"]) // mask[0].numel()
    settings = ShiftGCNSettings(
        channels=tuple(channels), stride_blocks=tuple(stride_blocks), padded_people=people, norm_people=people
    )
    return Blueprint(settings, chosen.name, len(state["fc.weight"]), mask.shape[2])


def _origin(key: str) -> Origin:
    words = key.split(".")
    last = words[-1]
    end = end_origin(words)
    if end is not None:
        return end
    prefix, part = f"l{int(words[1]) + 1}", words[2]
    if part == "spatial":
        return _spatial(f"{prefix}.gcn1", words[3], last)
    if part == "temporal":
        return _temporal(f"{prefix}.tcn1", words[3], last)
    if part == "temporal_norm":
        return f"{prefix}.tcn1.bn2.{last}", None
    inner = part == "inner_residual"
    place = f"{prefix}.gcn1.down" if inner else f"{prefix}.residual"
    if words[3] == "norm":
        return f"{place}.{'1' if inner else 'bn'}.{last}", None
    return f"{place}.{'0' if inner else 'conv'}.{last}", point_weight if last == "weight" else None


def _spatial(place: str, part: str, last: str) -> Origin:
    if part == "norm":
        return f"{place}.bn.{last}", None
    if part == "mask":
        return f"{place}.Feature_Mask", lambda m: m.squeeze(0)
    if part == "weight":
        return f"{place}.Linear_weight", lambda w: w.T
    return f"{place}.Linear_bias", lambda b: b.flatten()


def _temporal(place: str, part: str, last: str) -> Origin:
    if part == "norm":
        return f"{place}.bn.{last}", None
    if part.startswith("offset"):
        return f"{place}.shift_{part.removeprefix('offset_')}.ypos", None
    return f"{place}.temporal_linear.{last}", point_weight if last == "weight" else None


SHIFTGCN_RELEASE = Release(
    "Cheng et al., CVPR 2020, the authors' release, one stream",
    _blueprint,
    _origin,
    # offsets between joints that stay at 0, and tables of which row comes from where
    ignored=(r".*\.xpos", r".*\.gcn1\.shift_(in|out)"),
)
