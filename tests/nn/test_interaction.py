"""Messages between people, against the equation pair by pair."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from skelact.errors import ConfigError
from skelact.models import MODELS
from skelact.nn.interaction import EDGES, InteractionConv, people_pairs

V, T, C, D, H = 7, 5, 6, 8, 4
OWNER = torch.tensor([0, 0, 1, 2, 2, 2])
THERE = torch.tensor([True, True, True, True, True, True])


def layer(edges: str) -> InteractionConv:
    torch.manual_seed(0)
    conv = InteractionConv(C, D, V, 3, edges, H, rank=3).double()
    with torch.no_grad():
        for value in conv.parameters():
            value.add_(torch.randn_like(value), alpha=0.3)
    return conv


def inputs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(V, 6, T, C, generator=generator, dtype=torch.float64)
    position = torch.randn(V, 6, T, 3, generator=generator, dtype=torch.float64)
    return x, position, torch.rand(V, 6, T, generator=generator) > 0.2


def from_one(conv: InteractionConv, x: Tensor, position: Tensor, seen: Tensor, i: int, j: int) -> Tensor:
    """What person i receives from person j ``[V, T, D]``, written out."""
    values = x[:, j] @ conv.value.weight.T + conv.value.bias
    out = torch.zeros(V, T, D, dtype=torch.float64)
    if conv.edges != "nearest":
        query = conv.query(x[:, i].mean(1)).view(V, H, -1)
        key = conv.key(x[:, j].mean(1)).view(V, H, -1)
        for h in range(H):
            attention = (query[:, h] @ key[:, h].T / 3**0.5).softmax(1)
            part = slice(h * D // H, (h + 1) * D // H)
            matrix = conv.adjacency[h] + conv.gain[h] * attention
            out[:, :, part] += torch.einsum("vu,utd->vtd", matrix, values[:, :, part])
    if conv.edges != "learned":
        for t in range(T):
            for v in range(V):
                squared = (position[v, i, t] - position[:, j, t]).square().sum(1)
                weight = (-conv.log_sharpness.exp() * squared).where(
                    seen[:, j, t], torch.tensor(-1e4).double()
                )
                weight = weight.softmax(0)
                way = weight @ position[:, j, t] - position[v, i, t]
                length = (way.square().sum() + 1e-8).sqrt()
                out[v, t] += conv.way(torch.cat([way, length[None]])) + weight @ values[:, t]
    return out


@pytest.mark.parametrize("edges", EDGES)
def test_the_mean_over_the_other_people_of_the_clip(edges: str) -> None:
    conv, (x, position, seen) = layer(edges), inputs()
    with torch.no_grad():
        out = conv(x, position, seen, *people_pairs(OWNER, THERE))
        for i in range(6):
            others = [j for j in range(6) if j != i and OWNER[j] == OWNER[i]]
            expected = sum(from_one(conv, x, position, seen, i, j) for j in others) / max(1, len(others))
            assert torch.allclose(
                out[:, i], torch.as_tensor(expected, dtype=out.dtype).expand_as(out[:, i]), atol=1e-10
            ), i
    assert (out[:, 2] == 0).all() and out[:, 0].abs().max() > 0.1


def test_gradients() -> None:
    conv, (x, position, seen) = layer("both"), inputs()
    pairs = people_pairs(OWNER, THERE)
    few = [value[:, :, :2].requires_grad_() for value in (x, position)]
    assert torch.autograd.gradcheck(
        lambda a, b: conv(a, b, seen[:, :, :2], *pairs), few, atol=1e-5, fast_mode=True
    )


def test_pairs_are_of_different_people_of_a_clip_who_are_there() -> None:
    pairs, share = people_pairs(OWNER, torch.tensor([True, True, True, True, False, True]))
    found = {(int(a), int(b)): float(s) for (a, b), s in zip(pairs.T, share, strict=True) if s}
    assert found == {(0, 1): 1, (1, 0): 1, (3, 5): 1, (5, 3): 1}
    pairs, share = people_pairs(torch.arange(3), torch.ones(3, dtype=torch.bool))
    assert pairs.shape == (2, 1) and share.tolist() == [0]


def network(name: str, **more) -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS[name](channels=(8, 16, 16), stride_blocks=(1,), **more).build("sbu15", 4, 3).eval()


def test_who_is_alone_is_seen_as_skelactnet_sees_them() -> None:
    plain, ours = network("skelactnet"), network("interactionnet")
    missing = ours.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys and {k.split(".")[0] for k in missing.missing_keys} == {
        "between",
        "project",
    }
    x, score = torch.randn(4, 16, 15, 3), (torch.rand(4, 16, 15) > 0.1).float()
    alone = torch.arange(4)
    assert torch.allclose(ours(x, alone, score), plain(x, alone, score), atol=1e-6)
    pairs = torch.tensor([0, 0, 1, 1])
    assert (ours(x, pairs, score) - plain(x, pairs, score)).abs().max() > 1e-3


def test_order_and_number_of_people_are_free() -> None:
    model = network("interactionnet")
    x, owner = torch.randn(6, 16, 15, 3), torch.tensor([0, 0, 0, 1, 1, 2])
    order = torch.tensor([4, 1, 5, 0, 3, 2])
    assert torch.allclose(model(x[order], owner[order]), model(x, owner), atol=1e-5)


@pytest.mark.parametrize("interacting", [None, (0,), (1, 2), ()])
def test_only_the_interacting_blocks_send_messages(interacting: tuple[int, ...] | None) -> None:
    model = network("interactionnet", interacting=interacting)
    assert set(model.between) == {str(i) for i in (range(3) if interacting is None else interacting)}
    called = []
    for name, module in model.between.items():
        module.register_forward_hook(lambda *_, name=name: called.append(name))
    model(torch.randn(2, 16, 15, 3), torch.tensor([0, 0]))
    assert called == list(model.between)


def test_positions_start_as_the_first_channels() -> None:
    model = MODELS["interactionnet"](channels=(8,), stride_blocks=(), n_dims=2).build("sbu15", 4, 6)
    x = torch.randn(5, 6)
    assert torch.equal(model.project(x), x[:, :2])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"causal": True}, "cannot be causal"),
        ({"n_dims": 4}, r"1\.\.3"),
        ({"interacting": (3,)}, r"blocks 0\.\.2"),
    ],
)
def test_settings_that_make_no_network(changes: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        network("interactionnet", **changes)
    with pytest.raises(ConfigError, match="learned, nearest, both"):
        InteractionConv(4, 8, 5, edges="near")
