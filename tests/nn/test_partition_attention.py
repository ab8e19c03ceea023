"""Partitioned attention against attention token by token; masks; dropout."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import ConfigError
from skelact.layouts import LAYOUTS
from skelact.layouts.parts import part_table
from skelact.nn.partition_attention import (
    DropPath,
    JointMix,
    PartitionAttention,
    PartitionBlock,
    SkateEmbedding,
    drop_out,
)

KINDS = [(True, True), (False, True), (True, False), (False, False)]


def token_by_token(layer: PartitionAttention, x: torch.Tensor, table) -> torch.Tensor:
    """The same, written for one token at a time."""
    n_joints, n_people, n_frames, _ = x.shape
    q, k, v = x.unflatten(-1, (3, layer.heads, -1)).unbind(3)  # [V, P, T, H, c]
    limb = {int(j): (a, b) for a, row in enumerate(table) for b, j in enumerate(row) if j >= 0}
    windows = -(-n_frames // layer.window)

    def group(j: int, t: int) -> tuple[int, int]:
        a, b = limb[j]
        return (a if layer.same_limb else b), (t // layer.window if layer.near_frames else t % windows)

    def slot(t: int) -> int:
        return t % layer.window if layer.near_frames else t // windows

    out = torch.zeros(n_joints, n_people, n_frames, layer.heads, q.shape[-1], dtype=x.dtype)
    tokens = [(j, t) for j in range(n_joints) for t in range(n_frames)]
    for j, t in tokens:
        mates = [(i, s) for i, s in tokens if group(i, s) == group(j, t)]
        keys = torch.stack([k[i, :, s] for i, s in mates])  # [n, P, H, c]
        scores = torch.einsum("phc,nphc->nph", q[j, :, t], keys) * q.shape[-1] ** -0.5
        for row, (i, s) in enumerate(mates):
            lag = slot(t) - slot(s) + layer.window - 1
            pair = (0, 0) if layer.same_limb else (limb[j][0], limb[i][0])
            scores[row] += layer.position[lag, pair[0], pair[1]]
        values = torch.stack([v[i, :, s] for i, s in mates])
        out[j, :, t] = torch.einsum("nph,nphc->phc", scores.softmax(0), values)
    return out.flatten(3)


@pytest.mark.parametrize("layout", ["ntu25", "natops8"])
@pytest.mark.parametrize("n_frames", [1, 3, 8, 11])
@pytest.mark.parametrize(("same_limb", "near_frames"), KINDS)
def test_it_is_attention_within_groups(
    layout: str, n_frames: int, same_limb: bool, near_frames: bool
) -> None:
    torch.manual_seed(0)
    table = part_table(layout)
    layer = PartitionAttention(4, 2, table, 4, same_limb, near_frames).double().eval()
    torch.nn.init.normal_(layer.position)
    x = torch.randn(len(LAYOUTS[layout]), 2, n_frames, 12, dtype=torch.float64)
    assert torch.allclose(layer(x), token_by_token(layer, x, table), atol=1e-10)


def test_training_form_is_the_same_and_drops_weights() -> None:
    table = part_table("ntu25")
    layer = PartitionAttention(4, 2, table, 4, True, True, dropout=1e-9).double()
    x = torch.randn(25, 2, 11, 12, dtype=torch.float64)
    assert torch.allclose(layer.train()(x), layer.eval()(x), atol=1e-10)
    layer.dropout = 0.5
    assert not torch.allclose(layer.train()(x), layer.eval()(x), atol=1e-3)


def test_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    out = drop_out(torch.ones(200_003), 0.25)
    kept = out > 0
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.01)
    assert torch.allclose(out[kept], torch.tensor(1 / 0.75))
    assert not torch.equal(out, drop_out(torch.ones(200_003), 0.25))


def test_drop_path_leaves_out_whole_people() -> None:
    torch.manual_seed(0)
    path, x = DropPath(0.5), torch.ones(3, 400, 2, 4)
    people = path(x).permute(1, 0, 2, 3).flatten(1)
    assert ((people == 0).all(1) | (people == 2).all(1)).all()
    assert people.mean().item() == pytest.approx(1, abs=0.2)
    assert path.eval()(x) is x


def test_joint_mix_is_the_einsum() -> None:
    mix, x = JointMix(6, 3, 7), torch.randn(7, 2, 5, 6)
    expected = torch.einsum("gwv,vptgc->wptgc", mix.weight, x.unflatten(-1, (3, 2))).flatten(3)
    assert torch.allclose(mix(x), expected, atol=1e-6)


def test_padded_frames_have_no_say_in_a_block() -> None:
    """Frames that only fill a window are as good as absent: their content cannot be seen."""
    block = PartitionBlock(16, part_table("ntu25"), window=8, heads=8).double().eval()
    torch.manual_seed(0)
    x = torch.randn(25, 2, 5, 16, dtype=torch.float64)
    attention = block.attentions[3]
    assert attention.bias(8).shape[0] == 1 and attention.bias(9).shape[0] == 2  # type: ignore[operator]
    biased = [a.bias(5) for a in block.attentions]  # type: ignore[operator]
    assert torch.equal(block(x), block(x, biased)) and torch.isfinite(block(x)).all()


def test_embedding_tells_joints_and_frames_apart() -> None:
    out = SkateEmbedding(3, 8, 5)(torch.zeros(5, 1, 6, 3))[:, 0]
    flat = out.reshape(30, 8)
    assert (torch.cdist(flat, flat) + torch.eye(30) > 1e-4).all()


def test_bad_settings() -> None:
    table = part_table("ntu25")
    with pytest.raises(ConfigError, match="multiple of 8 that divides the channels, got 12 heads"):
        PartitionBlock(48, table, heads=12)
    with pytest.raises(ConfigError, match="3 heads do not divide 4 channels"):
        PartitionAttention(4, 3, table, 4, True, True)
    with pytest.raises(ConfigError, match="even number of channels, got 7"):
        SkateEmbedding(3, 7, 25)
