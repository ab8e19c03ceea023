"""Releases without recorded logits, each written out as an equation on its authors' keys: equal to 1e-9.

AAGCN (Shi et al., TIP 2020), Shift-GCN (Cheng et al., CVPR 2020), DG-STGCN (Duan et al., 2022), MS-G3D (Liu et
al., CVPR 2020) and PoseC3D (Duan et al., CVPR 2022). Nothing of skelact's networks is used here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from test_published import load_reference
from torch import Tensor
from torch.nn import functional as F

from skelact.models.published import from_published

State = dict[str, Tensor]
CLASSES, JOINTS, PEOPLE = 5, 25, 2


class Weights:
    """A state dict that is filled key by key with random values in double precision."""

    def __init__(self, seed: int = 0) -> None:
        self.state: State = {}
        self.random = torch.Generator().manual_seed(seed)

    def add(self, key: str, *shape: int, scale: float = 1.0) -> None:
        self.state[key] = torch.randn(shape, generator=self.random, dtype=torch.float64) * scale

    def conv(self, key: str, *shape: int, bias: bool = True) -> None:
        self.add(f"{key}.weight", *shape, scale=float(np.prod(shape[1:])) ** -0.5)
        if bias:
            self.add(f"{key}.bias", shape[0], scale=0.1)

    def norm(self, key: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean"):
            self.add(f"{key}.{part}", width, scale=0.3)
        self.state[f"{key}.weight"] += 1
        self.state[f"{key}.running_var"] = 0.5 + torch.rand(width, generator=self.random, dtype=torch.float64)
        self.state[f"{key}.num_batches_tracked"] = torch.tensor(7)

    def shortcut(self, conv: str, norm: str, c: int, d: int) -> None:
        self.conv(conv, d, c, 1, 1)
        self.norm(norm, d)

    def ends(self, channels: int, features: int) -> State:
        self.norm("data_bn", channels)
        self.conv("fc", CLASSES, features)
        return self.state


def norm(x: Tensor, s: State, key: str) -> Tensor:
    """Batch norm in testing, channels second."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, var, weight, bias = (s[f"{key}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
    return (x - mean.view(shape)) / (var + 1e-5).sqrt().view(shape) * weight.view(shape) + bias.view(shape)


def conv(x: Tensor, s: State, key: str, stride: int = 1, dilation: int = 1) -> Tensor:
    """Convolution along time of ``[N, C, T, V]``, padded so that frames stay where they are."""
    weight = s[f"{key}.weight"]
    pad = (weight.shape[2] - 1) * dilation // 2
    return F.conv2d(x, weight, s[f"{key}.bias"], (stride, 1), (pad, 0), (dilation, 1))


def first_norm(x: Tensor, s: State, together: bool) -> Tensor:
    """``[N, C, T, V, M]`` through ``data_bn`` to ``[N*M, C, T, V]``; of both people together or one by one."""
    n, c, t, v, m = x.shape
    rows = x.permute(0, 4, 3, 1, 2).reshape((n, m * v * c, t) if together else (n * m, v * c, t))
    return norm(rows, s, "data_bn").reshape(n * m, v, c, t).permute(0, 2, 3, 1)


def classify(x: Tensor, s: State) -> Tensor:
    """Mean over frames and joints, then over both people, then the last layer."""
    pooled = x.mean((2, 3)).view(-1, PEOPLE, x.shape[1]).mean(1)
    return pooled @ s["fc.weight"].T + s["fc.bias"]


def residual(x: Tensor, s: State, place: str, stride: int, first: bool = False) -> Tensor | float:
    if f"{place}.conv.weight" in s:
        return norm(conv(x, s, f"{place}.conv", stride), s, f"{place}.bn")
    return 0.0 if first else x


def widths_of(s: State, key: str) -> list[int]:
    """Output channels of rows 1, 2, ...; ``key`` names a vector of that length."""
    found = []
    while key.format(len(found) + 1) in s:
        found.append(len(s[key.format(len(found) + 1)]))
    return found


def strides_of(widths: list[int]) -> list[int]:
    """Every release halves the frames where it widens."""
    return [1, *(1 + (d > c) for c, d in pairwise(widths))]


# AAGCN


def aagcn_state() -> State:
    w, c = Weights(1), 3
    for i, d in enumerate((8, 8, 16), 1):
        g, t = f"l{i}.gcn1", f"l{i}.tcn1"
        w.add(f"{g}.PA", 3, JOINTS, JOINTS, scale=0.1)
        w.add(f"{g}.alpha", 1)
        for k in range(3):
            w.conv(f"{g}.conv_a.{k}", d // 4, c, 1, 1)
            w.conv(f"{g}.conv_b.{k}", d // 4, c, 1, 1)
            w.conv(f"{g}.conv_d.{k}", d, c, 1, 1)
        w.conv(f"{g}.conv_ta", 1, d, 9)
        w.conv(f"{g}.conv_sa", 1, d, JOINTS)
        w.conv(f"{g}.fc1c", d // 2, d)
        w.conv(f"{g}.fc2c", d, d // 2)
        w.norm(f"{g}.bn", d)
        w.conv(f"{t}.conv", d, d, 9, 1)
        w.norm(f"{t}.bn", d)
        if c != d:
            w.shortcut(f"{g}.down.0", f"{g}.down.1", c, d)
            if i > 1:
                w.shortcut(f"l{i}.residual.conv", f"l{i}.residual.bn", c, d)
        c = d
    return w.ends(PEOPLE * JOINTS * 3, c)


def aagcn(s: State, x: Tensor) -> Tensor:
    x = first_norm(x, s, together=True)
    widths = widths_of(s, "l{}.tcn1.bn.weight")
    for i, stride in enumerate(strides_of(widths), 1):
        g, t = f"l{i}.gcn1", f"l{i}.tcn1"
        y = torch.zeros(())
        for k in range(3):
            a, b = conv(x, s, f"{g}.conv_a.{k}"), conv(x, s, f"{g}.conv_b.{k}")
            alike = torch.einsum("nctv,nctw->nvw", a, b) / (a.shape[1] * a.shape[2])
            graph = s[f"{g}.PA"][k] + s[f"{g}.alpha"] * alike.tanh()
            y = y + conv(torch.einsum("nctv,nvw->nctw", x, graph), s, f"{g}.conv_d.{k}")
        down = x
        if f"{g}.down.0.weight" in s:
            down = norm(conv(x, s, f"{g}.down.0"), s, f"{g}.down.1")
        y = (norm(y, s, f"{g}.bn") + down).relu()
        along = lambda key, mean, s=s, g=g: F.conv1d(  # noqa: E731
            mean, s[f"{g}.{key}.weight"], s[f"{g}.{key}.bias"], padding=s[f"{g}.{key}.weight"].shape[2] // 2
        ).sigmoid()
        y = y * (1 + along("conv_sa", y.mean(2)).unsqueeze(2))
        y = y * (1 + along("conv_ta", y.mean(3)).unsqueeze(3))
        small = (y.mean((2, 3)) @ s[f"{g}.fc1c.weight"].T + s[f"{g}.fc1c.bias"]).relu()
        y = y * (1 + (small @ s[f"{g}.fc2c.weight"].T + s[f"{g}.fc2c.bias"]).sigmoid()[:, :, None, None])
        y = norm(conv(y, s, f"{t}.conv", stride), s, f"{t}.bn")
        x = (y + residual(x, s, f"l{i}.residual", stride, i == 1)).relu()
    return classify(x, s)


# Shift-GCN


def shiftgcn_state() -> State:
    w, c = Weights(2), 3
    for i, d in enumerate((8, 8, 12), 1):
        g, t = f"l{i}.gcn1", f"l{i}.tcn1"
        w.add(f"{g}.Linear_weight", c, d, scale=c**-0.5)
        w.add(f"{g}.Linear_bias", 1, 1, d, scale=0.1)
        w.add(f"{g}.Feature_Mask", 1, JOINTS, c)
        w.norm(f"{g}.bn", JOINTS * d)
        for name in ("bn", "bn2"):
            w.norm(f"{t}.{name}", d)
        for name in ("shift_in", "shift_out"):
            w.add(f"{t}.{name}.xpos", d, scale=0.0)
            w.add(f"{t}.{name}.ypos", d, scale=1.5)
            w.state[f"{g}.{name}"] = torch.zeros(JOINTS * (c if name == "shift_in" else d), dtype=torch.int64)
        w.conv(f"{t}.temporal_linear", d, d, 1, 1)
        if c != d:
            w.shortcut(f"{g}.down.0", f"{g}.down.1", c, d)
            if i > 1:
                w.shortcut(f"l{i}.residual.conv", f"l{i}.residual.bn", c, d)
        c = d
    return w.ends(PEOPLE * JOINTS * 3, c)


def roll_joints(x: Tensor, sign: int) -> Tensor:
    """``[..., V, C]``: channel c of joint v comes from c joints further on (or back)."""
    return torch.stack([x[..., c].roll(-sign * c, -1) for c in range(x.shape[-1])], -1)


def shift_time(x: Tensor, offset: Tensor, stride: int) -> Tensor:
    """Channel c of frame t is read at t·stride + its offset, between two frames; 0 outside."""
    n, c, t, v = x.shape
    out = torch.zeros(n, c, t // stride, v, dtype=x.dtype)
    for channel in range(c):
        at = float(offset[channel]) + (0.5 if stride > 1 else 0)
        low = int(np.floor(at))
        for frame in range(t // stride):
            for place, share in (
                (frame * stride + low, 1 - (at - low)),
                (frame * stride + low + 1, at - low),
            ):
                if 0 <= place < t:
                    out[:, channel, frame] += share * x[:, channel, place]
    return out


def shiftgcn(s: State, x: Tensor) -> Tensor:
    x = first_norm(x, s, together=True)
    widths = widths_of(s, "l{}.tcn1.bn.weight")
    for i, stride in enumerate(strides_of(widths), 1):
        g, t = f"l{i}.gcn1", f"l{i}.tcn1"
        rows = roll_joints(x.permute(0, 2, 3, 1), 1) * (s[f"{g}.Feature_Mask"].tanh() + 1)
        rows = roll_joints(rows @ s[f"{g}.Linear_weight"] + s[f"{g}.Linear_bias"], -1)
        n, frames, v, d = rows.shape
        rows = norm(rows.reshape(n * frames, v * d), s, f"{g}.bn").view(n, frames, v, d)
        down = x
        if f"{g}.down.0.weight" in s:
            down = norm(conv(x, s, f"{g}.down.0"), s, f"{g}.down.1")
        y = (rows.permute(0, 3, 1, 2) + down).relu()
        y = shift_time(norm(y, s, f"{t}.bn"), s[f"{t}.shift_in.ypos"], 1)
        y = conv(y, s, f"{t}.temporal_linear").relu()
        y = norm(shift_time(y, s[f"{t}.shift_out.ypos"], stride), s, f"{t}.bn2")
        x = (y + residual(x, s, f"l{i}.residual", stride, i == 1)).relu()
    return classify(x, s)


# DG-STGCN


def branch_state(w: Weights, place: str, c: int, d: int, last_norms: bool) -> None:
    """Six branches: kernels of 3 with dilations 1 to 4, a maximum, a 1×1 convolution."""
    width = d // 6
    for b in range(6):
        own = d - 5 * width if b == 0 and not last_norms else width
        at = f"{place}.branches.{b}"
        if b == 5 and not last_norms:
            w.conv(at, own, c, 1, 1)
            continue
        w.conv(f"{at}.0", own, c, 1, 1)
        w.norm(f"{at}.1", own)
        if b < 4:
            w.conv(f"{at}.3.conv", own, own, 3, 1)
        if last_norms and b < 5:
            w.norm(f"{at}.3.bn" if b < 4 else f"{at}.4", own)


def dgstgcn_state() -> State:
    w, c = Weights(3), 3
    for i, d in enumerate((16, 16, 24)):
        g, t = f"gcn.{i}.gcn", f"gcn.{i}.tcn"
        middle = 8 * (d // 8)
        w.add(f"{g}.A", 8, JOINTS, JOINTS, scale=0.1)
        w.add(f"{g}.alpha", 8)
        w.add(f"{g}.beta", 8)
        w.conv(f"{g}.pre.0", middle, c, 1, 1)
        w.norm(f"{g}.pre.1", middle)
        w.conv(f"{g}.conv1", middle, c, 1, 1)
        w.conv(f"{g}.conv2", middle, c, 1, 1)
        w.conv(f"{g}.post", d, middle, 1, 1)
        w.norm(f"{g}.bn", d)
        w.add(f"{t}.add_coeff", JOINTS, scale=0.2)
        branch_state(w, t, d, d, last_norms=False)
        w.norm(f"{t}.transform.0", d)
        w.conv(f"{t}.transform.2", d, d, 1, 1)
        w.norm(f"{t}.bn", d)
        if c != d:
            w.shortcut(f"{g}.down.0", f"{g}.down.1", c, d)
            if i:
                w.shortcut(f"gcn.{i}.residual.conv", f"gcn.{i}.residual.bn", c, d)
        c = d
    return w.ends(JOINTS * 3, c)


def dgstgcn(s: State, x: Tensor) -> Tensor:
    s = {k.removeprefix("b."): v for k, v in s.items()}
    x = first_norm(x, s, together=False)
    widths = widths_of({k.replace("gcn.0.", "gcn.none."): v for k, v in s.items()}, "gcn.{}.gcn.bn.weight")
    widths.insert(0, len(s["gcn.0.gcn.bn.weight"]))
    for i, stride in enumerate(strides_of(widths)):
        g, t = f"gcn.{i}.gcn", f"gcn.{i}.tcn"
        groups = len(s[f"{g}.A"])
        grouped = lambda y, k=groups: y.reshape(len(y), k, -1, *y.shape[2:])  # noqa: E731
        features = grouped(norm(conv(x, s, f"{g}.pre.0"), s, f"{g}.pre.1").relu())
        still = x.mean(2, keepdim=True)
        q, r = (grouped(conv(still, s, f"{g}.conv{k}"))[:, :, :, 0] for k in (1, 2))  # [N, K, C, V]
        # the first of the eight factors holds for all groups
        graph = s[f"{g}.A"][None, :, None] + s[f"{g}.alpha"][0] * (q[..., :, None] - r[..., None, :]).tanh()
        alike = torch.einsum("nkcv,nkcw->nkvw", q, r)
        graph = graph + s[f"{g}.beta"][0] * alike.softmax(2).unsqueeze(2)
        y = torch.einsum("nkctv,nkcvw->nkctw", features, graph).flatten(1, 2)
        down = x
        if f"{g}.down.0.weight" in s:
            down = norm(conv(x, s, f"{g}.down.0"), s, f"{g}.down.1")
        y = (norm(conv(y, s, f"{g}.post"), s, f"{g}.bn") + down).relu()
        y = torch.cat([y, y.mean(3, keepdim=True)], 3)  # the mean of the joints as one more
        parts = []
        for b in range(6):
            at = f"{t}.branches.{b}"
            if b == 5:
                parts.append(conv(y, s, at, stride))
                continue
            part = norm(conv(y, s, f"{at}.0"), s, f"{at}.1").relu()
            pooled = b == 4
            part = (
                F.max_pool2d(part, (3, 1), (stride, 1), (1, 0))
                if pooled
                else conv(part, s, f"{at}.3.conv", stride, b + 1)
            )
            parts.append(part)
        joined = torch.cat(parts, 1)
        joined = joined[..., :-1] + joined[..., -1:] * s[f"{t}.add_coeff"]
        y = norm(conv(norm(joined, s, f"{t}.transform.0").relu(), s, f"{t}.transform.2"), s, f"{t}.bn")
        x = (y + residual(x, s, f"gcn.{i}.residual", stride, i == 0)).relu()
    return classify(x, s)


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


def temporal_unit(x: Tensor, s: State, place: str, stride: int = 1, bent: bool = True) -> Tensor:
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
    return y.relu() if bent else y


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
        y = temporal_unit(temporal_unit(y, s, f"sgcn{i}.1", stride), s, f"sgcn{i}.2", bent=False)
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


def clips(n: int = 2, frames: int = 8) -> Tensor:
    """``[N, 3, T, V, 2]``; the second person of the last clip is absent."""
    x = torch.randn(
        n, 3, frames, JOINTS, PEOPLE, generator=torch.Generator().manual_seed(9), dtype=torch.float64
    )
    x[-1, ..., 1] = 0
    return x


def check(name: str, equation: Callable[[State, Tensor], Tensor], s: State, x: Tensor) -> None:
    model = from_published(name, s)
    expected = equation(s, x)
    graph = x.shape[-1] == PEOPLE
    people = x.permute(0, 4, 2, 3, 1).flatten(0, 1) if graph else x
    owner = torch.arange(len(x)).repeat_interleave(PEOPLE) if graph else None
    with torch.no_grad():
        assert expected.std() > 1e-3 and (expected[0] - expected[1]).abs().max() > 1e-6
        for network in (model, model.folded(torch.float64)):
            got = network(people, owner)
            assert (got - expected).abs().max() < 1e-9 * expected.abs().max().clamp_min(1)


EQUATIONS = {
    "aagcn": (aagcn, aagcn_state),
    "shiftgcn": (shiftgcn, shiftgcn_state),
    "dgstgcn_pyskl": (dgstgcn, dgstgcn_state),
    "msg3d": (msg3d, msg3d_state),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_small_networks(name: str) -> None:
    equation, state = EQUATIONS[name]
    check(name, equation, state(), clips())


def test_posec3d_on_volumes() -> None:
    volume = torch.rand(2, 17, 6, 24, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    check("posec3d_pyskl", posec3d, posec3d_state(), volume)


@pytest.mark.parametrize("name", ["dgstgcn_pyskl", "msg3d"])
def test_networks_of_the_released_size(shared_reference: Path, name: str) -> None:
    """With the releases' own keys and shapes, of which no logits are recorded."""
    _, state = load_reference(shared_reference, name)
    check(name, EQUATIONS[name][0], state, clips())
