"""What written-out equations of releases share: random state dicts, norms, convolutions, the comparison."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.models.published import from_published
from skelact.nn.fast import inference_form

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
        for network in (model, inference_form(model, torch.float64)):
            got = network(people, owner)
            assert (got - expected).abs().max() < 1e-9 * expected.abs().max().clamp_min(1)
