"""Key names that PYSKL and releases based on it share, and variants of them."""

from __future__ import annotations

from collections.abc import Callable

from skelact.models.published.branches import Origin, PartOrigin, branch_origin, branches_of, origin_in_blocks
from skelact.models.published.release import State, layout_of

PREFIXES = ("module.", "model.", "backbone.", "b.", "cls_head.")
RENAMES = (("fc_cls.", "fc."),)
N_CONVS = 4


def sizes_of(state: State, layout: str | None) -> tuple[dict, tuple[str, int, int]]:
    """Settings that all blocks share, and (layout, classes, channels of the input)."""
    channels, stride_blocks, i = [], [], 0
    while f"gcn.{i}.gcn.bn.weight" in state:
        width = len(state[f"gcn.{i}.gcn.bn.weight"])
        # the releases halve the frames where they widen
        if channels and width != channels[-1]:
            stride_blocks.append(i)
        channels.append(width)
        i += 1
    n_joints = state["gcn.0.gcn.A"].shape[-1]
    settings = {
        "channels": tuple(channels),
        "stride_blocks": tuple(stride_blocks),
        "kernels": branches_of(state, "gcn.0.tcn"),
        "padded_people": 2,
    }
    channels_in = len(state["data_bn.weight"]) // n_joints
    return settings, (layout_of(n_joints, layout).name, len(state["fc.weight"]), channels_in)


def _temporal(prefix: str, words: list[str]) -> Origin:
    if words[0] == "joint_mean":
        # the release's vector may be longer than there are joints
        return (f"{prefix}.add_coeff", f"{prefix.removesuffix('tcn')}gcn.A"), lambda c, a: c[: a.shape[-1]]
    return branch_origin(prefix, N_CONVS, words)


def _temporal_norm(prefix: str, words: list[str]) -> Origin:
    return f"{prefix}.bn.{words[-1]}", None


def origin_with(spatial: PartOrigin) -> Callable[[str], Origin]:
    """The translation of keys, with that of the spatial module."""
    return origin_in_blocks(
        lambda i: (f"gcn.{i}", f"gcn.{i}.gcn", f"gcn.{i}.tcn"),
        spatial,
        {"temporal": _temporal, "temporal_norm": _temporal_norm},
    )
