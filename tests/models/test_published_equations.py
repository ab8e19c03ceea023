"""Releases without recorded logits, each written out as an equation on its authors' keys: equal to 1e-9.

AAGCN (Shi et al., TIP 2020), Shift-GCN (Cheng et al., CVPR 2020) and DG-STGCN (Duan et al., 2022). Nothing of skelact's
networks is used here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from equations import (
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
    strides_of,
    widths_of,
)
from test_published import load_reference
from torch import Tensor
from torch.nn import functional as F

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


EQUATIONS = {
    "aagcn": (aagcn, aagcn_state),
    "shiftgcn": (shiftgcn, shiftgcn_state),
    "dgstgcn_pyskl": (dgstgcn, dgstgcn_state),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_small_networks(name: str) -> None:
    equation, state = EQUATIONS[name]
    check(name, equation, state(), clips())


def test_dgstgcn_of_the_released_size(shared_reference: Path) -> None:
    """With the release's own keys and shapes, of which no logits are recorded."""
    _, state = load_reference(shared_reference, "dgstgcn_pyskl")
    check("dgstgcn_pyskl", dgstgcn, state, clips())
