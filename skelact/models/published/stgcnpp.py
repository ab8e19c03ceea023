"""PYSKL's ST-GCN++."""

from __future__ import annotations

from skelact.models.published.branches import Origin
from skelact.models.published.pyskl import PREFIXES, RENAMES, origin_with, sizes_of
from skelact.models.published.release import Blueprint, Release, State
from skelact.models.stgcnpp import STGCNPlusPlusSettings


def _blueprint(state: State, layout: str | None) -> Blueprint:
    settings, rest = sizes_of(state, layout)
    return Blueprint(STGCNPlusPlusSettings(**settings), *rest)


def _spatial(prefix: str, words: list[str]) -> Origin:
    if words[0] == "adjacency":
        return f"{prefix}.A", None
    keys = (f"{prefix}.conv.{words[0]}", f"{prefix}.A")
    if words[0] == "weight":
        return keys, lambda w, a: w.view(len(a), -1, w.shape[1]).transpose(1, 2)
    return keys, lambda b, a: b.view(len(a), -1)


STGCNPP_RELEASE = Release(
    "Duan et al., ACM MM 2022, PYSKL", _blueprint, origin_with(_spatial), prefixes=PREFIXES, renames=RENAMES
)
