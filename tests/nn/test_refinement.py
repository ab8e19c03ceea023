"""Learned, channel-wise and dynamic topologies against plain einsums; prototypes and contrast."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.fast import for_training, people
from skelact.nn.fast.channel_major import JointsFirst
from skelact.nn.fast.refinement import WORKING_MAPS
from skelact.nn.fast.table import MAJOR, fold
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.channelwise import ChannelwiseGraphConv
from skelact.nn.spatial.dynamic import DynamicGraphConv
from skelact.nn.spatial.learned import LearnedGraphConv
from skelact.nn.spatial.prototype import ClassContrast, PrototypeReconstruction

DTYPE = torch.float64
MAKERS: dict[str, Callable[[], nn.Module]] = {
    "learned": lambda: LearnedGraphConv(7, 12, torch.rand(3, 5, 5)),
    "channelwise": lambda: ChannelwiseGraphConv(7, 12, torch.rand(3, 5, 5), 4),
    "dynamic": lambda: DynamicGraphConv(7, 12, 5, 3, 0.25),
    "subset-wise": lambda: DynamicGraphConv(7, 12, 5, 3, 0.25, subset_wise=True),
}


def make(name: str) -> nn.Module:
    torch.manual_seed(0)
    module = MAKERS[name]().to(DTYPE)
    for value in module.parameters():
        nn.init.normal_(value, std=0.5)
    if isinstance(module, DynamicGraphConv):
        nn.init.normal_(module.pre_norm.running_mean)
        nn.init.uniform_(module.pre_norm.running_var, 0.5, 2)
    return module


def usual(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The papers' equations on ``[V, P, T, C]``, in evaluation mode."""
    if isinstance(module, LearnedGraphConv):
        mixed = torch.einsum("vptc,kcd->kvptd", x, module.weight) + module.bias[:, None, None, None]
        return torch.einsum("kvw,kvptd->wptd", module.adjacency, mixed)
    mean = x.mean(2)
    if isinstance(module, ChannelwiseGraphConv):
        k, d, r = module.relation.shape
        pair = module.pair(mean).unflatten(-1, (2, k, r))  # [V, P, 2, K, R]
        refined_map = torch.tanh(pair[:, None, :, 0] - pair[None, :, :, 1])  # [V, V, P, K, R]
        refined = torch.einsum("uvpkr,kdr->uvpkd", refined_map, module.relation) + module.relation_bias
        topology = module.adjacency.permute(1, 2, 0)[:, :, None, :, None] + module.alpha * refined
        return torch.einsum("uvpkd,vptdk->uptd", topology, module.value(x).unflatten(-1, (d, k)))
    assert isinstance(module, DynamicGraphConv)
    k = module.n_partitions
    pair = module.pair(mean).unflatten(-1, (2, k, -1))
    q, r = pair.unbind(2)  # [V, P, K, C']
    alpha, beta = (a if module.subset_wise else a[:1].expand(k) for a in (module.alpha, module.beta))
    channelwise = torch.tanh(q[:, None] - r[None]) * alpha[:, None]  # [V, W, P, K, C']
    shared = torch.softmax(torch.einsum("vpkc,wpkc->vwpk", q, r), 0) * beta
    topology = module.adjacency.permute(1, 2, 0)[:, :, None, :, None] + channelwise + shared[..., None]
    features = torch.relu(module.pre_norm(module.pre(x))).unflatten(-1, (k, -1))
    return module.post(torch.einsum("vwpkc,vptkc->wptkc", topology, features).flatten(3))


@pytest.mark.parametrize("n_frames", [1, 6])
@pytest.mark.parametrize("name", MAKERS)
def test_equals_the_equations(name: str, n_frames: int) -> None:
    module = make(name).eval()
    norm = ChannelNorm(12).to(DTYPE).eval()
    nn.init.normal_(norm.running_mean)
    nn.init.normal_(norm.weight)
    x = torch.randn(5, 3, n_frames, 7, dtype=DTYPE)
    expected = usual(module, x)
    assert torch.allclose(module(x), expected, atol=1e-10)
    assert torch.allclose(fold(module, norm, DTYPE)(x), norm(expected), atol=1e-10)
    major = JointsFirst(MAJOR[type(module)](module, norm, DTYPE))
    assert torch.allclose(major(x), norm(expected), atol=1e-10)


@pytest.mark.parametrize(("n_frames", "n_people"), [(1, 3), (6, 3), (6, 2), (6, 1)])
@pytest.mark.parametrize("name", ["channelwise", "dynamic", "subset-wise"])
def test_steps_of_training_are_the_plain_form(
    name: str, n_frames: int, n_people: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "CACHE", n_people * WORKING_MAPS * 12 * 5 * n_frames * 8)
    steps = make(name).train()
    plain = copy.deepcopy(steps)
    x = torch.randn(5, 3, n_frames, 7, dtype=DTYPE, requires_grad=True)
    results = []
    assert type(for_training(steps)) is not type(plain)
    for module in (steps, plain):
        x.grad = None
        out = module(x)
        torch.manual_seed(1)
        (out * torch.randn_like(out)).sum().backward()
        assert x.grad is not None
        results.append(
            [out.detach(), x.grad.clone(), *(p.grad for p in module.parameters()), *module.buffers()]
        )
    names = ["out", "x", *(n for n, _ in steps.named_parameters()), *(n for n, _ in steps.named_buffers())]
    for what, ours, expected in zip(names, *results, strict=True):
        assert torch.allclose(ours, expected, atol=1e-9, rtol=1e-8), what


def test_kept_topologies_are_what_the_input_refined() -> None:
    module = make("dynamic").train()
    assert isinstance(module, DynamicGraphConv)
    module.keep_topology = True
    x = torch.randn(5, 3, 6, 7, dtype=DTYPE)
    module(x)
    refined_map = module.topology(x) - module.adjacency.transpose(1, 2)[:, None, None].expand(
        3, 3, 3, 5, 5
    ).flatten(0, 1)
    assert module.kept is not None and torch.allclose(module.kept, refined_map.permute(1, 0, 3, 2))
    module.eval()
    module.kept = None
    module(x)
    assert module.kept is None


def test_too_few_channels_for_the_groups() -> None:
    with pytest.raises(ConfigError, match=r"8 groups of 0.125 of 4 channels leave none"):
        DynamicGraphConv(3, 4, 5)


def test_prototypes_give_convex_mixtures() -> None:
    torch.manual_seed(0)
    network = PrototypeReconstruction(6, 4, dropout=0.0)
    topology = torch.randn(2, 6, 5, 5)
    out = network(topology)
    assert out.shape == (2, 25) and (out >= 0).all()
    shuffled = torch.randperm(5)
    moved = network(topology[:, :, shuffled])  # pairs are rebuilt one by one
    assert torch.allclose(moved.view(2, 5, 5), out.view(2, 5, 5)[:, shuffled], atol=1e-5)


def test_contrast_learns_from_clips_that_are_right() -> None:
    torch.manual_seed(0)
    contrast = ClassContrast(6, 3, n_hidden=8)
    before = contrast.memory.clone()
    features, label = torch.randn(4, 6), torch.tensor([0, 0, 1, 2])
    logits = functional.one_hot(torch.tensor([0, 1, 1, 0]), 3).float()  # the 2nd and 4th are wrong
    loss = contrast(features, label, logits)
    assert loss.ndim == 0 and torch.isfinite(loss)
    with torch.no_grad():
        projected = contrast.project(features)
    assert torch.allclose(contrast.memory[0], 0.9 * before[0] + 0.1 * projected[0], atol=1e-6)
    assert torch.allclose(contrast.memory[1], 0.9 * before[1] + 0.1 * projected[2], atol=1e-6)
    assert torch.equal(contrast.memory[2], before[2])
    loss.backward()
    assert contrast.project.weight.grad is not None and not contrast.memory.requires_grad
