"""PYSKL's DG-STGCN."""

from __future__ import annotations

from skelact.models.dgstgcn import DGSTGCNSettings
from skelact.models.published.branches import Origin, stacked
from skelact.models.published.pyskl import PREFIXES, RENAMES, origin_with, sizes_of
from skelact.models.published.release import Blueprint, Release, State, point_weight


def dynamic_sizes(state: State) -> dict:
    """Settings of the spatial modules."""
    n_partitions, _, _ = state["gcn.0.gcn.A"].shape
    middle, width = len(state["gcn.0.gcn.pre.0.weight"]), len(state["gcn.0.gcn.bn.weight"])
    return {"n_partitions": n_partitions, "ratio": middle / n_partitions / width}


def dynamic_origin(prefix: str, words: list[str]) -> Origin:
    """Where a value of a `DynamicGraphConv` comes from."""
    part, last = words[0], words[-1]
    if part in ("adjacency", "alpha", "beta"):
        return f"{prefix}.{'A' if part == 'adjacency' else part}", None
    if part == "pair":
        return (f"{prefix}.conv1.{last}", f"{prefix}.conv2.{last}"), stacked
    if part == "pre_norm":
        return f"{prefix}.pre.1.{last}", None
    place = "pre.0" if part == "pre" else "post"
    return f"{prefix}.{place}.{last}", point_weight if last == "weight" else None


def _blueprint(state: State, layout: str | None) -> Blueprint:
    settings, rest = sizes_of(state, layout)
    return Blueprint(DGSTGCNSettings(**settings, **dynamic_sizes(state)), *rest)


DGSTGCN_RELEASE = Release(
    "Duan et al., arXiv 2210.05895, PYSKL",
    _blueprint,
    origin_with(dynamic_origin),
    prefixes=PREFIXES,
    renames=RENAMES,
)
