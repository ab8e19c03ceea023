"""The MS-G3D authors' release."""

from __future__ import annotations

from itertools import count

import torch
from torch import Tensor

from skelact.models.msg3d import MSG3DSettings
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


def _blueprint(state: State, layout: str | None) -> Blueprint:
    n_joints = state["sgcn1.0.A_res"].shape[1]
    n_scales = len(state["sgcn1.0.A_res"]) // n_joints
    channels_in = state["sgcn1.0.mlp.layers.0.weight"].shape[1] // n_scales
    chosen = layout_of(n_joints, layout)
    channels = []
    for i in count(1):
        if f"gcn3d{i}.gcn3d.0.out_conv.weight" not in state:
            break
        channels.append(len(state[f"gcn3d{i}.gcn3d.0.out_conv.weight"]))
    windows, shape = [], (1, 1)
    for i in count():
        if f"gcn3d1.gcn3d.{i}.gcn3d.1.A_res" not in state:
            break
        shape = state[f"gcn3d1.gcn3d.{i}.gcn3d.1.A_res"].shape
        windows.append(shape[1] // n_joints)
    people = len(state["data_bn.weight"]) // (n_joints * channels_in)
    settings = MSG3DSettings(
        channels=tuple(channels),
        stride_blocks=tuple(
            range(1, len(channels))
        ),  # the release halves the frames in every block but the first
        n_scales=n_scales,
        n_window_scales=shape[0] // shape[1],
        windows=tuple(windows),
        window_dilations=(1,) * len(windows),
        padded_people=people,
        norm_people=people,
    )
    return Blueprint(settings, chosen.name, len(state["fc.weight"]), channels_in)


_N_CONVS = 4  # convolution branches; then max pooling and the 1×1 convolution
_N_BRANCHES = _N_CONVS + 2


def _origin(key: str) -> Origin:
    words = key.split(".")
    last = words[-1]
    end = end_origin(words)
    if end is not None:
        return end
    i, part = int(words[1]) + 1, words[2]
    if part == "spatial":
        return _scales(f"sgcn{i}.0", last)
    if part == "spatial_norm":
        return f"sgcn{i}.0.mlp.layers.1.{last}", None
    if part == "window_norms":
        return f"gcn3d{i}.gcn3d.{words[3]}.out_bn.{last}", None
    if part == "windows":
        return _window(f"gcn3d{i}.gcn3d.{words[3]}", words[4:])
    # the factorised path's two temporal units, and the one after the sum
    unit = f"tcn{i}" if words[3] == "2" else f"sgcn{i}.{int(words[3]) + 1}"
    return _unit(unit, words[4:])


def _scales(place: str, last: str) -> Origin:
    if last == "learned":
        return f"{place}.A_res", None
    if last == "bias":
        return f"{place}.mlp.layers.0.bias", None
    both = (f"{place}.mlp.layers.0.weight", f"{place}.A_res")
    return both, _split_scales


def _split_scales(weight: Tensor, learned: Tensor) -> Tensor:
    """``[D, K*C, 1, 1]`` as ``[K, C, D]``; K is read off the learned graphs ``[K*V, V]``."""
    n_scales = len(learned) // learned.shape[1]
    return weight.flatten(1).T.reshape(n_scales, -1, len(weight))


def _window(place: str, words: list[str]) -> Origin:
    if words[0] == "conv":
        return _scales(f"{place}.gcn3d.1", words[-1])
    if words[0] == "norm":
        return f"{place}.gcn3d.1.mlp.layers.1.{words[-1]}", None
    if words[0] == "collapse_weight":  # [D, E, 1, window, 1] as [window, E, D]
        return f"{place}.out_conv.weight", lambda w: w[:, :, 0, :, 0].permute(2, 1, 0)
    return f"{place}.out_conv.bias", None


def _unit(place: str, words: list[str]) -> Origin:
    last = words[-1]
    if words[0] == "residual":
        name = ("conv", "bn")[int(words[1])]
        return (
            f"{place}.residual.{name}.{last}",
            point_weight if name == "conv" and last == "weight" else None,
        )
    branches = [f"{place}.branches.{b}" for b in range(_N_BRANCHES)]
    if words[0] == "norm":  # final norm of each branch
        ends = [*(f"{b}.3.bn.{last}" for b in branches[:_N_CONVS]), f"{branches[-2]}.4.{last}"]
        return (*ends, f"{branches[-1]}.1.{last}"), _join
    if words[1] == "point":
        return tuple(f"{b}.0.{last}" for b in branches), _join_points if last == "weight" else _join
    if words[1] == "norm":
        return tuple(f"{b}.1.{last}" for b in branches[:-1]), _join
    return f"{branches[int(words[2])]}.3.conv.{last}", time_weight if last == "weight" else None


def _join(*values: Tensor) -> Tensor:
    return torch.cat(values)


def _join_points(*weights: Tensor) -> Tensor:
    return torch.cat([point_weight(w) for w in weights])


MSG3D_RELEASE = Release("Liu et al., CVPR 2020, the authors' release", _blueprint, _origin)
