"""Attention on the joints that are there, against the equation and torch-geometric; layers over frames."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.self_attention import SelfAttention, frame_positions
from skelact.nn.spatial.ragged import RaggedAttention, joint_union
from skelact.nn.temporal.depthwise import DepthwiseBlock, DropPath, EfficientChannelAttention

EDGES = torch.tensor([[0, 1, 2, 0, 1, 2], [0, 1, 2, 1, 2, 1]])


def test_union_leaves_out_what_is_missing() -> None:
    there = torch.tensor(
        [[[True, True, True], [True, False, True]], [[False, False, False], [False, True, True]]]
    )
    union = joint_union(there, EDGES)
    assert union.place.tolist() == [0, 1, 2, 3, 5, 10, 11]
    edges = {
        (*pair, kind) for *pair, kind in zip(*union.edge_index.tolist(), union.kind.tolist(), strict=True)
    }
    assert edges == {
        (0, 0, 0), (1, 1, 1), (2, 2, 2), (0, 1, 3), (1, 2, 4), (2, 1, 5),
        (3, 3, 0), (4, 4, 2), (5, 5, 1), (6, 6, 2), (5, 6, 4), (6, 5, 5),
    }  # fmt: skip


def test_ragged_attention_is_the_papers_equation() -> None:
    torch.manual_seed(0)
    layer = RaggedAttention(4, 6, EDGES.shape[1], heads=2).double()
    torch.nn.init.normal_(layer.edge)
    union = joint_union(torch.tensor([[[True, True, True], [True, False, True]]]), EDGES)
    x = torch.randn(len(union.place), 4, dtype=torch.float64)
    expected = torch.zeros(len(x), 6, dtype=torch.float64)
    for v in range(len(x)):
        incoming = [(int(w), int(k)) for w, u, k in zip(*union.edge_index, union.kind, strict=True) if u == v]
        for h in range(2):
            part = slice(3 * h, 3 * h + 3)
            scores = torch.stack(
                [
                    layer.score[h] @ functional.leaky_relu(layer.source(x[w]) + layer.target(x[v]), 0.2)[part]
                    + layer.edge[k, h]
                    for w, k in incoming
                ]
            ).softmax(0)
            expected[v, part] = sum(
                s * layer.value(x[w])[part] for s, (w, _) in zip(scores, incoming, strict=True)
            )
    assert torch.allclose(layer(x, union), expected, atol=1e-12)
    # without weights of edges, torch-geometric's own convolution
    from torch_geometric.nn import GATv2Conv

    other = GATv2Conv(4, 3, heads=2, add_self_loops=False, share_weights=False).double()
    torch.nn.init.zeros_(layer.edge)
    with torch.no_grad():  # its values are what its sources are asked by
        for a, b in ((other.lin_l, layer.source), (other.lin_r, layer.target), (other.lin_l, layer.value)):
            b.weight.copy_(a.weight)
            b.bias.copy_(a.bias)
        other.att.copy_(layer.score[None])
        other.bias.zero_()
    assert torch.allclose(layer(x, union), other(x, union.edge_index), atol=1e-12)


def test_ragged_attention_refuses_odd_heads() -> None:
    with pytest.raises(ConfigError, match="3 heads do not divide 8 channels"):
        RaggedAttention(4, 8, 6, heads=3)


def test_depthwise_convolution_is_causal_and_by_channel() -> None:
    torch.manual_seed(0)
    block = DepthwiseBlock(4, kernel=3, expansion=2, drop_path=0.0).eval()
    x = torch.randn(1, 10, 4)
    block.attention = Identity()  # channel attention sees the whole clip
    later = x.clone()
    later[:, 6:] += 1
    assert torch.allclose(block(x)[:, :6], block(later)[:, :6], atol=1e-6)
    inner = functional.silu(block.expand(x))
    weight = block.depthwise.weight[:, 0]
    padded = functional.pad(inner, (0, 0, 2, 0))
    expected = sum(padded[:, k : k + 10] * weight[:, k] for k in range(3))
    scale, shift = block.norm.scale_shift()
    assert torch.allclose(block(x), x + block.project(expected * scale + shift), atol=1e-5)
    assert block.depthwise.weight.shape == (8, 1, 3)


class Identity(torch.nn.Module):
    def forward(self, x: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        return x


def test_channel_attention_counts_present_frames_alone() -> None:
    layer = EfficientChannelAttention(5)
    x = torch.randn(2, 6, 8)
    present = torch.ones(2, 6, dtype=torch.bool)
    present[0, 4:] = False
    filled = x.clone()
    filled[0, 4:] = 50.0
    assert torch.allclose(layer(filled, present)[0, :4], layer(x[:1, :4])[0], atol=1e-6)
    weight = functional.conv1d(x.mean(1)[:, None], layer.across.weight, padding=2)[:, 0].sigmoid()
    assert torch.allclose(layer(x), x * weight[:, None], atol=1e-6)


def test_drop_path_leaves_out_whole_people_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer, x = DropPath(0.25), torch.ones(4000, 3, 2)
    found = layer(x)
    kept = found[:, 0, 0] > 0
    assert torch.equal(found, kept[:, None, None] * torch.full_like(x, 1 / 0.75))
    assert abs(float(kept.float().mean()) - 0.75) < 0.03
    assert torch.equal(layer.eval()(x), x)
    with pytest.raises(ConfigError, match="drop_path"):
        DropPath(1.0)


def test_attention_ignores_absent_frames_and_survives_nobody() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(6, 2).eval()
    frames, query = torch.randn(2, 5, 6), torch.randn(2, 1, 6)
    present = torch.tensor([[True, True, True, False, False], [False] * 5])
    found = layer(query, frames, present)
    assert torch.allclose(found[:1], layer(query[:1], frames[:1, :3]), atol=1e-6)
    assert torch.isfinite(found).all()
    q, (k, v) = layer.query(query[:1]), layer.key_value(frames[:1]).chunk(2, -1)
    heads = []
    for h in range(2):
        part = slice(3 * h, 3 * h + 3)
        heads.append((q[..., part] @ k[..., part].transpose(1, 2) / 3**0.5).softmax(-1) @ v[..., part])
    assert torch.allclose(layer(query[:1], frames[:1]), layer.out(torch.cat(heads, -1)), atol=1e-6)


def test_positions_of_frames() -> None:
    found = frame_positions(7, 6, torch.zeros((), dtype=torch.float64))
    for t in range(7):
        for i in range(3):
            angle = torch.tensor(t / 10000 ** (2 * i / 6), dtype=torch.float64)
            assert torch.allclose(
                found[t, 2 * i : 2 * i + 2], torch.stack([angle.sin(), angle.cos()]), atol=1e-5
            )
