"""The ST-GCN authors' release."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from skelact.errors import CheckpointError
from skelact.layouts import PARTITIONS, SkeletonLayout, partition
from skelact.models.published.release import (
    Blueprint,
    Change,
    Release,
    State,
    layout_of,
    point_weight,
    time_weight,
)
from skelact.models.stgcn import STGCNSettings


def _blueprint(state: State, layout: str | None) -> Blueprint:
    adjacency = state["A"]
    chosen = layout_of(adjacency.shape[-1], layout)
    channels, stride_blocks, i = [], [], 0
    while f"st_gcn_networks.{i}.tcn.2.weight" in state:
        width = len(state[f"st_gcn_networks.{i}.tcn.2.weight"])
        # the release halves the frames where it widens
        if channels and width != channels[-1]:
            stride_blocks.append(i)
        channels.append(width)
        i += 1
    if not channels:
        raise KeyError("st_gcn_networks.0.tcn.2.weight")
    settings = STGCNSettings(
        channels=tuple(channels),
        stride_blocks=tuple(stride_blocks),
        partition=_find_partition(adjacency, chosen),
        kernel=state["st_gcn_networks.0.tcn.2.weight"].shape[2],
        importance="edge_importance.0" in state,
        padded_people=2,
    )
    classes, channels_in = len(state["fcn.weight"]), state["st_gcn_networks.0.gcn.conv.weight"].shape[1]
    return Blueprint(settings, chosen.name, classes, channels_in)


def _find_partition(adjacency: Tensor, layout: SkeletonLayout) -> str:
    for name in ("spatial_released", *PARTITIONS):
        known = partition(layout, name)
        if known.shape == tuple(adjacency.shape) and np.allclose(known, adjacency.cpu().numpy(), atol=1e-6):
            return name
    raise CheckpointError(
        f"the graph 'A' of the weights is none of the partitions of layout '{layout.name}' "
        f"({', '.join(PARTITIONS)}); name the layout that the weights were trained on"
    )


def _origin(key: str) -> tuple[str, Change | None]:
    words = key.split(".")
    last = words[-1]
    if words[0] == "norm":
        return f"data_bn.{last}", None
    if words[0] == "head":
        return f"fcn.{last}", (lambda w: w.flatten(1)) if last == "weight" else None
    prefix, part = f"st_gcn_networks.{words[1]}", words[2]
    if part == "spatial":
        if last == "importance":
            return f"edge_importance.{words[1]}", None
        if last == "weight":
            return f"{prefix}.gcn.conv.weight", lambda w: w.view(3, -1, w.shape[1]).transpose(1, 2)
        return f"{prefix}.gcn.conv.bias", lambda b: b.view(3, -1)
    if part == "residual":
        return f"{prefix}.residual.{words[3]}.{last}", point_weight if words[
            3
        ] == "0" and last == "weight" else None
    place = {"spatial_norm": "tcn.0", "temporal": "tcn.2", "temporal_norm": "tcn.3"}[part]
    return f"{prefix}.{place}.{last}", time_weight if part == "temporal" and last == "weight" else None


STGCN_RELEASE = Release(
    "Yan et al., AAAI 2018, the authors' release",
    _blueprint,
    _origin,
    ignored=("A",),
    prefixes=("module.", "model."),
    pipeline={
        "sampling": {"kind": "seconds", "n_frames": 300, "fps": 30.0},
        "normalise": {"centre": "first_frame", "scale": "none"},
    },
)
