"""What releases in the manner of PYSKL share: names of rows, and where files differ from one another."""

from __future__ import annotations

from collections.abc import Callable

from skelact.models.published.branches import Origin, branch_origin, branches_of, shortcut_origin
from skelact.models.published.release import State, layout_of

PREFIXES = ("module.", "model.", "backbone.", "b.", "cls_head.")
RENAMES = (("fc_cls.", "fc."),)
N_CONVS = 4


def sizes_of(state: State, layout: str | None) -> tuple[dict, tuple[str, int, int]]:
    """Settings that all rows share, and (layout, classes, channels of the input)."""
    channels, strided, i = [], [], 0
    while f"gcn.{i}.gcn.bn.weight" in state:
        width = len(state[f"gcn.{i}.gcn.bn.weight"])
        # the releases halve the frames where they widen
        if channels and width != channels[-1]:
            strided.append(i)
        channels.append(width)
        i += 1
    n_joints = state["gcn.0.gcn.A"].shape[-1]
    settings = {
        "channels": tuple(channels),
        "strided": tuple(strided),
        "kernels": branches_of(state, "gcn.0.tcn"),
        "padded_people": 2,
    }
    channels_in = len(state["data_bn.weight"]) // n_joints
    return settings, (layout_of(n_joints, layout).name, len(state["fc.weight"]), channels_in)


def origin_with(spatial: Callable[[str, list[str]], Origin]) -> Callable[[str], Origin]:
    """The translation of keys, with that of the spatial module given as (row, key split at dots)."""

    def origin(key: str) -> Origin:
        words = key.split(".")
        last = words[-1]
        if words[0] == "norm":
            return f"data_bn.{last}", None
        if words[0] == "head":
            return f"fc.{last}", None
        row, part, rest = f"gcn.{words[1]}", words[2], words[3:]
        if part == "spatial":
            return spatial(f"{row}.gcn", rest)
        if part == "spatial_norm":
            return f"{row}.gcn.bn.{last}", None
        if part == "residual":
            return shortcut_origin(f"{row}.residual", "conv", "bn", rest)
        if part == "inner_residual":
            return shortcut_origin(f"{row}.gcn.down", "0", "1", rest)
        if part == "temporal_norm":
            return f"{row}.tcn.bn.{last}", None
        if rest[0] == "joint_mean":
            # the release's vector may be longer than there are joints
            return (f"{row}.tcn.add_coeff", f"{row}.gcn.A"), lambda c, a: c[: a.shape[-1]]
        return branch_origin(f"{row}.tcn", N_CONVS, rest)

    return origin
