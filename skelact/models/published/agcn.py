"""The 2s-AGCN authors' release: 2s-AGCN (one stream) and AAGCN."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.models.agcn import AAGCNSettings, AGCNSettings
from skelact.models.published.release import (
    Blueprint,
    Origin,
    Release,
    State,
    end_origin,
    layout_of,
    point_weight,
    time_weight,
)

_PARTITION = "self_inward_outward"


def _sizes(state: State) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Channels of the blocks, blocks of stride 2, and kernel size of the temporal convolutions."""
    channels, stride_blocks, i = [], [], 1
    while f"l{i}.tcn1.conv.weight" in state:
        width = len(state[f"l{i}.tcn1.conv.weight"])
        # the release halves the frames where it widens
        if channels and width != channels[-1]:
            stride_blocks.append(i - 1)
        channels.append(width)
        i += 1
    return tuple(channels), tuple(stride_blocks), state["l1.tcn1.conv.weight"].shape[2]


def _blueprint_with(settings: type[AGCNSettings] | type[AAGCNSettings]):
    def blueprint(state: State, layout: str | None) -> Blueprint:
        channels, stride_blocks, kernel = _sizes(state)
        learned, channels_in = state["l1.gcn1.PA"], state["l1.gcn1.conv_d.0.weight"].shape[1]
        chosen = layout_of(learned.shape[-1], layout)
        people = len(state["data_bn.weight"]) // (learned.shape[-1] * channels_in)
        made = settings(
            channels=channels,
            stride_blocks=stride_blocks,
            partition=_PARTITION,
            kernel=kernel,
            padded_people=people,
            norm_people=people,
        )
        return Blueprint(made, chosen.name, len(state["fc.weight"]), channels_in)

    return blueprint


def _columns(*weights: Tensor) -> Tensor:
    """1×1 convolutions' weights ``[D, C, 1, 1]`` as matrices ``[K, C, D]``."""
    return torch.stack([w.flatten(1).T for w in weights])


def _two_by_three(*parts: Tensor) -> Tensor:
    columns = [w.flatten(1).T if w.ndim > 1 else w for w in parts]
    half = len(columns) // 2
    return torch.stack([torch.stack(columns[:half]), torch.stack(columns[half:])])


def _spatial(prefix: str, last: str) -> Origin:
    if last == "learned":
        return f"{prefix}.gcn1.PA", None
    if last == "gate":
        return f"{prefix}.gcn1.alpha", None
    if last.startswith("embed"):
        kind = last.removeprefix("embed_")
        return tuple(f"{prefix}.gcn1.conv_{a}.{k}.{kind}" for a in "ab" for k in range(3)), _two_by_three
    keys = tuple(f"{prefix}.gcn1.conv_d.{k}.{last}" for k in range(3))
    return keys, _columns if last == "weight" else lambda *b: torch.stack(b)


def _origin(key: str) -> Origin:
    words = key.split(".")
    last = words[-1]
    end = end_origin(words)
    if end is not None:
        return end
    prefix, part = f"l{int(words[1]) + 1}", words[2]
    if part == "spatial":
        return _spatial(prefix, last)
    if part == "attention":
        name = {"joint": "conv_sa", "frame": "conv_ta", "squeeze": "fc1c", "excite": "fc2c"}[words[3]]
        return f"{prefix}.gcn1.{name}.{last}", None
    if part in ("residual", "inner_residual"):
        place = "residual" if part == "residual" else "gcn1.down"
        conv, norm = ("conv", "bn") if part == "residual" else ("0", "1")
        if words[3] == "0":
            return f"{prefix}.{place}.{conv}.{last}", point_weight if last == "weight" else None
        return f"{prefix}.{place}.{norm}.{last}", None
    place = {"spatial_norm": "gcn1.bn", "temporal": "tcn1.conv", "temporal_norm": "tcn1.bn"}[part]
    return f"{prefix}.{place}.{last}", time_weight if part == "temporal" and last == "weight" else None


AGCN_RELEASE = Release(
    "Shi et al., CVPR 2019, the authors' release, one stream", _blueprint_with(AGCNSettings), _origin
)
AAGCN_RELEASE = Release(
    "Shi et al., TIP 2020, the authors' release, one stream", _blueprint_with(AAGCNSettings), _origin
)
