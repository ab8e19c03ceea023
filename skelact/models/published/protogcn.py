"""The ProtoGCN authors' release."""

from __future__ import annotations

from skelact.models.protogcn import ProtoGCNSettings
from skelact.models.published.branches import Origin
from skelact.models.published.dgstgcn import dynamic_origin, dynamic_sizes
from skelact.models.published.pyskl import PREFIXES, RENAMES, origin_with, sizes_of
from skelact.models.published.release import Blueprint, Release, State, point_weight

_PROJECTION = "csc_loss.cl_fc"
_of_blocks = origin_with(dynamic_origin)


def _blueprint(state: State, layout: str | None) -> Blueprint:
    settings, rest = sizes_of(state, layout)
    settings |= dynamic_sizes(state)
    settings["n_prototypes"] = len(state["prn.query_matrix.weight"])
    # files of the backbone and classifier alone do not hold the head's other half
    settings["contrast"] = 0.2 if f"{_PROJECTION}.weight" in state else 0.0
    return Blueprint(ProtoGCNSettings(**settings), *rest)


def _origin(key: str) -> Origin:
    words = key.split(".")
    last = words[-1]
    if words[0] == "contrast":
        return (f"{_PROJECTION}.{last}", None) if words[1] == "project" else ((), None)
    if words[0] == "prototypes":
        place = {"query": "prn.query_matrix", "memory": "prn.memory_matrix", "post": "post", "norm": "bn"}[
            words[1]
        ]
        return f"{place}.{last}", point_weight if words[1] == "post" and last == "weight" else None
    return _of_blocks(key)


PROTOGCN_RELEASE = Release(
    "Liu et al., CVPR 2025, the authors' release", _blueprint, _origin, prefixes=PREFIXES, renames=RENAMES
)
