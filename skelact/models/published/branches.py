"""Keys of the multi-branch temporal convolution in several releases."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch

from skelact.models.published.release import Origin, State, end_origin, point_weight, time_weight

PartOrigin = Callable[[str, list[str]], Origin]  # of (module's place, key in it, split at the dots)
ROW_PARTS = ("residual", "inner_residual", "spatial_norm")


def branches_of(state: State, prefix: str) -> tuple[tuple[int, int], ...]:
    """Kernels of the convolution branches of ``prefix``, by number of taps, with dilations 1, 2, 3, ..."""
    taps = []
    for i in count():
        key = f"{prefix}.branches.{i}.3.conv.weight"
        if key not in state:
            break
        taps.append(state[key].shape[2])
    if not taps:
        raise KeyError(f"{prefix}.branches.0.3.conv.weight")
    return tuple((n, i + 1) for i, n in enumerate(taps))


def stacked(*values: torch.Tensor) -> torch.Tensor:
    """Weights ``[D, C, 1, 1]`` as one matrix, biases and statistics as one vector, concatenated."""
    return torch.cat([point_weight(v) if v.ndim == 4 else v for v in values])


def branch_origin(prefix: str, n_convs: int, words: list[str]) -> Origin:
    """Where a value of a `MultiBranchConv` comes from: ``words`` are its key, split at the dots."""
    part, last = words[0], words[-1]
    narrow = range(n_convs + 1)
    if part == "point":
        final = f"{prefix}.branches.{n_convs + 1}"
        return (*(f"{prefix}.branches.{i}.0.{last}" for i in narrow), f"{final}.{last}"), stacked
    if part == "norm":
        return tuple(f"{prefix}.branches.{i}.1.{last}" for i in narrow), stacked
    if part == "convs":
        return f"{prefix}.branches.{words[1]}.3.conv.{last}", time_weight if last == "weight" else None
    if part == "transform":
        return f"{prefix}.transform.2.{last}", point_weight if last == "weight" else None
    assert part == "transform_norm"
    return f"{prefix}.transform.0.{last}", None


def shortcut_origin(place: str, conv: str, norm: str, words: list[str]) -> Origin:
    """Where a value of a block's shortcut (1×1 convolution and norm) comes from."""
    if words[0] == "0":
        return f"{place}.{conv}.{words[-1]}", point_weight if words[-1] == "weight" else None
    return f"{place}.{norm}.{words[-1]}", None


def origin_in_blocks(
    place: Callable[[int], tuple[str, str, str]], spatial: PartOrigin, temporal: dict[str, PartOrigin]
) -> Callable[[str], Origin]:
    """The translation of a network's keys.

    Args:
        place: from a row's number to the prefixes of (prefix, spatial module, temporal module).
        spatial: translates what is in the spatial module.
        temporal: translates the keys ``temporal`` and ``temporal_norm``.
    """

    def origin(key: str) -> Origin:
        words = key.split(".")
        last = words[-1]
        end = end_origin(words)
        if end is not None:
            return end
        part, rest = words[2], words[3:]
        prefix, gcn, tcn = place(int(words[1]))
        if part == "spatial":
            return spatial(gcn, rest)
        if part == "spatial_norm":
            return f"{gcn}.bn.{last}", None
        if part == "residual":
            return shortcut_origin(f"{prefix}.residual", "conv", "bn", rest)
        if part == "inner_residual":
            return shortcut_origin(f"{gcn}.down", "0", "1", rest)
        return temporal[part](tcn, rest)

    return origin
