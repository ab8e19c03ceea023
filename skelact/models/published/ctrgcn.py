"""The CTR-GCN authors' release."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.models.ctrgcn import CTRGCNSettings
from skelact.models.published.branches import Origin, branch_origin, branches_of, origin_in_blocks, stacked
from skelact.models.published.release import Blueprint, Release, State, layout_of

_SUBSETS = range(3)
_N_CONVS = 2


def _blueprint(state: State, layout: str | None) -> Blueprint:
    channels, stride_blocks, i = [], [], 1
    while f"l{i}.gcn1.convs.0.conv3.weight" in state:
        width = len(state[f"l{i}.gcn1.convs.0.conv3.weight"])
        # the release halves the frames where it widens
        if channels and width != channels[-1]:
            stride_blocks.append(i - 1)
        channels.append(width)
        i += 1
    topology, channels_in = state["l1.gcn1.PA"], state["l1.gcn1.convs.0.conv3.weight"].shape[1]
    chosen = layout_of(topology.shape[-1], layout)
    people = len(state["data_bn.weight"]) // (topology.shape[-1] * channels_in)
    settings = CTRGCNSettings(
        channels=tuple(channels),
        stride_blocks=tuple(stride_blocks),
        kernels=branches_of(state, "l1.tcn1"),
        padded_people=people,
        norm_people=people,
    )
    return Blueprint(settings, chosen.name, len(state["fc.weight"]), channels_in)


def _by_channel(*values: Tensor) -> Tensor:
    """The subsets' ``[D, C, 1, 1]`` or ``[D]`` in order of channels, then subsets."""
    return torch.stack([v.flatten(2).squeeze(2) if v.ndim == 4 else v for v in values], 1).flatten(0, 1)


def _by_subset(*values: Tensor) -> Tensor:
    return torch.stack([v.flatten(2).squeeze(2) if v.ndim == 4 else v for v in values])


def _spatial(prefix: str, words: list[str]) -> Origin:
    part, last = words[0], words[-1]
    if part == "adjacency":
        return f"{prefix}.PA", None
    if part == "alpha":
        return f"{prefix}.alpha", None
    if part == "pair":
        return tuple(f"{prefix}.convs.{k}.conv{q}.{last}" for q in (1, 2) for k in _SUBSETS), stacked
    if part == "value":
        return tuple(f"{prefix}.convs.{k}.conv3.{last}" for k in _SUBSETS), _by_channel
    kind = "bias" if part == "relation_bias" else "weight"
    return tuple(f"{prefix}.convs.{k}.conv4.{kind}" for k in _SUBSETS), _by_subset


def _temporal(prefix: str, words: list[str]) -> Origin:
    if words[0] == "point":
        return tuple(f"{prefix}.branches.{i}.0.{words[-1]}" for i in range(_N_CONVS + 2)), stacked
    return branch_origin(prefix, _N_CONVS, words)


def _temporal_norm(prefix: str, words: list[str]) -> Origin:
    # the branches' final norms, one norm of all channels here
    branches, last = f"{prefix}.branches", words[-1]
    convs = tuple(f"{branches}.{i}.3.bn.{last}" for i in range(_N_CONVS))
    return (*convs, f"{branches}.{_N_CONVS}.4.{last}", f"{branches}.{_N_CONVS + 1}.1.{last}"), stacked


CTRGCN_RELEASE = Release(
    "Chen et al., ICCV 2021, the authors' release",
    _blueprint,
    origin_in_blocks(
        lambda i: (f"l{i + 1}", f"l{i + 1}.gcn1", f"l{i + 1}.tcn1"),
        _spatial,
        {"temporal": _temporal, "temporal_norm": _temporal_norm},
    ),
)
