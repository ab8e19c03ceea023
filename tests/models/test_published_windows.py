"""Releases without recorded logits, each written out as an equation on its authors' keys: equal to 1e-9.

MS-G3D (Liu et al., CVPR 2020) and PoseC3D (Duan et al., CVPR 2022). Nothing of skelact's
networks is used here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from equations import (
    CLASSES,
    JOINTS,
    PEOPLE,
    State,
    Weights,
    branch_state,
    check,
    classify,
    clips,
    conv,
    first_norm,
    norm,
    residual,
)
from test_published import load_reference
from torch import Tensor
from torch.nn import functional as F

# MS-G3D

SCALES, WINDOW_SCALES, WINDOWS = 4, 3, (3, 5)
EDGES = ((1, 2), (2, 21), (3, 21), (4, 3), (5, 21), (6, 5), (7, 6), (8, 7), (9, 21), (10, 9), (11, 10), (12, 11),
         (13, 1), (14, 13), (15, 14), (16, 15), (17, 1), (18, 17), (19, 18), (20, 19), (22, 23), (23, 8), (24, 25),
         (25, 12))  # fmt: skip


def msg3d_state() -> State:
    w, c = Weights(4), 3
    for i, d in enumerate((12, 24, 36), 1):
        own = d if i == 1 else c
        w.add(f"sgcn{i}.0.A_res", SCALES * JOINTS, JOINTS, scale=0.05)
        w.conv(f"sgcn{i}.0.mlp.layers.0", own, SCALES * c, 1, 1)
        w.norm(f"sgcn{i}.0.mlp.layers.1", own)
        units = ((f"sgcn{i}.1", own, d), (f"sgcn{i}.2", d, d), (f"tcn{i}", d, d))
        for place, a, b in units:
            branch_state(w, place, a, b, last_norms=True)
            w.norm(f"{place}.branches.5.1", b // 6)
            if a != b:
                w.shortcut(f"{place}.residual.conv", f"{place}.residual.bn", a, b)
        for k, window in enumerate(WINDOWS):
            place, inner = f"gcn3d{i}.gcn3d.{k}", d if i == 1 else c
            w.add(f"{place}.gcn3d.1.A_res", WINDOW_SCALES * window * JOINTS, window * JOINTS, scale=0.05)
            w.conv(f"{place}.gcn3d.1.mlp.layers.0", inner, WINDOW_SCALES * c, 1, 1)
            w.norm(f"{place}.gcn3d.1.mlp.layers.1", inner)
            w.conv(f"{place}.out_conv", d, inner, 1, window, 1)
            w.norm(f"{place}.out_bn", d)
        c = d
    return w.ends(PEOPLE * JOINTS * 3, c)


def k_hop_graphs(n_scales: int, window: int) -> Tensor:
    """``[K*W*V, W*V]``: who is exactly k hops away, and oneself, normalised on both sides."""
    one = np.zeros((JOINTS, JOINTS))
    for a, b in EDGES:
        one[a - 1, b - 1] = one[b - 1, a - 1] = 1
    if window > 1:
        one = np.tile(one + np.eye(JOINTS), (window, window))
    here = np.eye(len(one))
    graphs = []
    for k in range(n_scales):
        exactly = here
        if k:
            near, nearer = (np.minimum(np.linalg.matrix_power(one + here, j), 1) for j in (k, k - 1))
            exactly = near - nearer + here
        # single precision, as the release keeps them
        root = np.float32(exactly.sum(1)) ** np.float32(-0.5)
        graphs.append(np.float32(np.diag(np.float64(root)) @ exactly @ np.diag(np.float64(root))))
    return torch.from_numpy(np.concatenate(graphs)).double()


def scales(x: Tensor, s: State, place: str, graph: Tensor) -> Tensor:
    n, _, t, v = x.shape
    graph = (graph + s[f"{place}.A_res"]).view(-1, v, v)
    y = torch.einsum("kvu,nctu->nkctv", graph, x).reshape(n, -1, t, v)
    return norm(conv(y, s, f"{place}.mlp.layers.0"), s, f"{place}.mlp.layers.1").relu()


def temporal_unit(x: Tensor, s: State, place: str, stride: int = 1, activate: bool = True) -> Tensor:
    parts = []
    for b in range(6):
        at = f"{place}.branches.{b}"
        part = norm(conv(x, s, f"{at}.0", stride if b == 5 else 1), s, f"{at}.1")
        if b < 4:
            part = norm(conv(part.relu(), s, f"{at}.3.conv", stride, b + 1), s, f"{at}.3.bn")
        elif b == 4:
            part = norm(F.max_pool2d(part.relu(), (3, 1), (stride, 1), (1, 0)), s, f"{at}.4")
        parts.append(part)
    y = torch.cat(parts, 1) + residual(x, s, f"{place}.residual", stride)
    return y.relu() if activate else y


def windows(x: Tensor, s: State, place: str, stride: int) -> Tensor:
    _, _, t, v = x.shape
    out_weight = s[f"{place}.out_conv.weight"]
    window = out_weight.shape[3]
    padded = F.pad(x, (0, 0, window // 2, window // 2))
    cut = torch.stack([padded[:, :, k : k + window] for k in range(0, t, stride)], 2)  # [N, C, T', W, V]
    key = f"{place}.gcn3d.1"
    n_scales = len(s[f"{key}.A_res"]) // (window * v)
    y = scales(cut.flatten(3), s, key, k_hop_graphs(n_scales, window)).unflatten(3, (window, v))
    y = torch.einsum("nctwv,dcw->ndtv", y, out_weight[:, :, 0, :, 0])
    return norm(y + s[f"{place}.out_conv.bias"][:, None, None], s, f"{place}.out_bn")


def msg3d(s: State, x: Tensor) -> Tensor:
    x = first_norm(x, s, together=True)
    for i in (1, 2, 3):
        stride = 1 if i == 1 else 2
        n_scales = len(s[f"sgcn{i}.0.A_res"]) // JOINTS
        y = scales(x, s, f"sgcn{i}.0", k_hop_graphs(n_scales, 1))
        y = temporal_unit(temporal_unit(y, s, f"sgcn{i}.1", stride), s, f"sgcn{i}.2", activate=False)
        for k in range(len(WINDOWS)):
            y = y + windows(x, s, f"gcn3d{i}.gcn3d.{k}", stride)
        x = temporal_unit(y.relu(), s, f"tcn{i}")
    return classify(x, s)


# PoseC3D


def posec3d_state() -> State:
    w, c, base = Weights(5), 17, 4
    names = [("conv1", c, base, (1, 7, 7))]
    c = base
    for stage, depth in enumerate((2, 1, 2)):
        width = base * 2**stage
        for j in range(depth):
            at = f"layer{stage + 1}.{j}"
            names.append((f"{at}.conv1", c, width, (3 if stage else 1, 1, 1)))
            names.append((f"{at}.conv2", width, width, (1, 3, 3)))
            names.append((f"{at}.conv3", width, 4 * width, (1, 1, 1)))
            if j == 0:
                names.append((f"{at}.downsample", c, 4 * width, (1, 1, 1)))
            c = 4 * width
    for key, a, b, kernel in names:
        w.conv(f"backbone.{key}.conv", b, a, *kernel, bias=False)
        w.norm(f"backbone.{key}.bn", b)
    w.conv("cls_head.fc_cls", CLASSES, c)
    return w.state


def posec3d(s: State, volume: Tensor) -> Tensor:
    """SlowOnly on ``[N, V, T, H, W]``: pictures halve at every stage, frames at the last."""

    def unit(x: Tensor, key: str, stride: tuple[int, int, int] = (1, 1, 1)) -> Tensor:
        weight = s[f"backbone.{key}.conv.weight"]
        pad = [k // 2 for k in weight.shape[2:]]
        return norm(F.conv3d(x, weight, None, stride, pad), s, f"backbone.{key}.bn")

    x = F.max_pool3d(unit(volume, "conv1").relu(), (1, 3, 3), 1, (0, 1, 1))
    for stage in (1, 2, 3):
        j = 0
        while f"backbone.layer{stage}.{j}.conv1.conv.weight" in s:
            at = f"layer{stage}.{j}"
            stride = (1, 1, 1) if j else (2 if stage == 3 else 1, 2, 2)
            y = unit(unit(unit(x, f"{at}.conv1").relu(), f"{at}.conv2", stride).relu(), f"{at}.conv3")
            x = (y + (x if j else unit(x, f"{at}.downsample", stride))).relu()
            j += 1
    return x.mean((2, 3, 4)) @ s["cls_head.fc_cls.weight"].T + s["cls_head.fc_cls.bias"]


def test_small_msg3d() -> None:
    check("msg3d", msg3d, msg3d_state(), clips())


def test_posec3d_on_volumes() -> None:
    volume = torch.rand(2, 17, 6, 24, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    check("posec3d_pyskl", posec3d, posec3d_state(), volume)


def test_msg3d_of_the_released_size(shared_reference: Path) -> None:
    """With the release's own keys and shapes, of which no logits are recorded."""
    _, state = load_reference(shared_reference, "msg3d")
    check("msg3d", msg3d, state, clips())
