"""Adaptive graph convolution and attention: the papers' formulas, and training form against plain form."""

from __future__ import annotations

import pytest
import torch

from skelact.layouts import partition
from skelact.nn.fast import for_training, people
from skelact.nn.fast.table import fold
from skelact.nn.graph import SkeletonGraph
from skelact.nn.spatial.adaptive import AdaptiveGraphConv
from skelact.nn.stc_attention import JointFrameChannelAttention


def make_conv(gated: bool) -> AdaptiveGraphConv:
    torch.manual_seed(0)
    graph = SkeletonGraph(partition("natops8", "self_inward_outward"))
    conv = AdaptiveGraphConv(3, 8, graph, gated=gated).double()
    for value in conv.parameters():
        value.data += 0.3 * torch.randn_like(value)
    return conv


@pytest.mark.parametrize("gated", [False, True])
def test_adaptive_convolution_is_the_papers_sum(gated: bool) -> None:
    conv = make_conv(gated).eval()
    x = torch.randn(8, 3, 5, 3, dtype=torch.float64)
    theta, phi = (
        torch.einsum("vptc,ikce->ikvpte", x, conv.embed_weight) + conv.embed_bias[:, :, None, None, None]
    )
    seen = torch.einsum("kvpte,kwpte->pkvw", theta, phi) / (5 * theta.shape[-1])
    if conv.gate is None:
        fixed = torch.as_tensor(partition("natops8", "self_inward_outward"))
        adjacency = fixed + conv.learned + seen.softmax(-2)
    else:
        adjacency = conv.learned + conv.gate * seen.tanh()
    expected = torch.einsum("pkvw,vptc,kcd->wptd", adjacency, x, conv.weight) + conv.bias.sum(0)
    assert torch.allclose(conv(x), expected, atol=1e-10)
    assert torch.allclose(fold(conv, None, torch.float64)(x), expected, atol=1e-10)


@pytest.mark.parametrize("gated", [False, True])
def test_training_form_equals_the_plain_one(monkeypatch: pytest.MonkeyPatch, gated: bool) -> None:
    monkeypatch.setattr(people, "CACHE", 2 * 3 * 8 * 6 * 3 * 8)  # two people at a time
    conv = make_conv(gated)
    x = torch.randn(8, 5, 6, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(8, 5, 6, 8, dtype=torch.float64)
    results = []
    for training in (True, False):
        conv.train(training)
        if training:
            for_training(conv)
        conv.zero_grad()
        x.grad = None
        out = conv(x)
        (out * weight).sum().backward()
        results.append([out.detach(), x.grad, *(p.grad for p in conv.parameters())])
    for ours, plain in zip(*results, strict=True):
        assert torch.allclose(ours, plain, atol=1e-10)


def test_gated_graph_starts_as_the_skeleton() -> None:
    conv = AdaptiveGraphConv(3, 8, SkeletonGraph(partition("natops8")), gated=True)
    assert conv.gate is not None and conv.gate.item() == 0
    assert torch.allclose(conv.learned, torch.as_tensor(partition("natops8")).float())


@pytest.mark.parametrize("n_joints", [7, 8])
def test_attention_weighs_joints_then_frames_then_channels(n_joints: int) -> None:
    torch.manual_seed(0)
    module = JointFrameChannelAttention(6, n_joints).double()
    for value in module.parameters():
        value.data += 0.3 * torch.randn_like(value)
    x = torch.rand(n_joints, 2, 5, 6, dtype=torch.float64)
    y = x * (1 + module.joint(x.mean(2).permute(1, 2, 0)).sigmoid()).permute(2, 0, 1)[..., None]
    y = y * (1 + module.frame(y.mean(0).transpose(1, 2)).sigmoid()).transpose(1, 2)
    y = y * (1 + module.excite(module.squeeze(y.mean((0, 2))).relu()).sigmoid())[:, None]
    assert torch.allclose(module(x), y, atol=1e-12)
    assert torch.allclose(fold(module, None, torch.float64)(x.clone()), y, atol=1e-12)


def test_attention_starts_evenly() -> None:
    module = JointFrameChannelAttention(6, 8)
    assert not module.frame.weight.any() and not module.excite.weight.any() and module.joint.weight.any()
