"""Fusion heads: what is missing takes part in nothing, what is there is weighed, and the modes learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from skelact.errors import ConfigError
from skelact.nn.fusion import HEADS, ScoreFusion, drop_streams

SIZES = {"skeleton": 6, "rgb": 10, "flow": 4}
K = 5


def streams(n: int = 8, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    made = torch.Generator().manual_seed(seed)
    features = {name: torch.randn(n, d, generator=made) for name, d in SIZES.items()}
    logits = {name: torch.randn(n, K, generator=made) for name in SIZES}
    return features, logits, torch.ones(n, 3, dtype=torch.bool)


def head(mode: str, drop: float = 0.0) -> ScoreFusion:
    torch.manual_seed(0)
    made = HEADS[mode](SIZES, K, width=16, drop=drop)
    with torch.no_grad():  # as after training: nothing is left at its start
        for value in made.parameters():
            value.add_(torch.randn_like(value), alpha=0.3)
    return made


@pytest.mark.parametrize("mode", HEADS)
def test_begins_as_the_mean_of_log_probabilities(mode: str) -> None:
    features, logits, there = streams()
    fused, weight = HEADS[mode](SIZES, K, width=16, drop=0.0)(features, logits, there)
    assert torch.allclose(fused, torch.stack([z.log_softmax(-1) for z in logits.values()]).mean(0), atol=1e-6)
    assert torch.allclose(weight.sum(1), torch.ones(8)) and (weight >= 0).all()


@pytest.mark.parametrize("mode", HEADS)
def test_what_is_missing_takes_part_in_nothing(mode: str) -> None:
    features, logits, there = streams()
    fuse = head(mode)
    there[:4, 1] = False
    fused, weight = fuse(features, logits, there)
    assert (weight[:4, 1] == 0).all() and (weight[4:, 1] > 0).all()
    assert torch.allclose(weight.sum(1), torch.ones(8), atol=1e-6)
    features["rgb"][:4], logits["rgb"][:4] = 1e6, -1e6
    again, _ = fuse(features, logits, there)
    assert torch.equal(fused, again)
    full, _ = fuse(features, logits, torch.ones_like(there))
    assert not torch.allclose(fused[:4], full[:4])


@pytest.mark.parametrize("mode", HEADS)
@pytest.mark.parametrize("of", ["features", "logits"])
def test_a_broken_stream_is_a_missing_one(mode: str, of: str) -> None:
    features, logits, there = streams()
    fuse = head(mode)
    missing = there.clone()
    missing[2, 0] = False
    expected = fuse(features, logits, missing)
    (features if of == "features" else logits)["skeleton"][2, 0] = torch.nan
    found = fuse(features, logits, there)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
    loss = found[0].square().sum()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in fuse.parameters())


@pytest.mark.parametrize("mode", HEADS)
def test_a_clip_without_any_stream_says_nothing(mode: str) -> None:
    features, logits, there = streams()
    there[3] = False
    fuse = head(mode)
    fused, weight = fuse(features, logits, there)
    assert (fused[3] == 0).all() and (weight[3] == 0).all() and (fused[2] != 0).any()
    fused.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in fuse.parameters())


def test_scores_are_weighed() -> None:
    features, logits, there = streams()
    fuse = HEADS["score"](SIZES, K, drop=0.0)
    with torch.no_grad():
        fuse.score_weight.copy_(torch.tensor([3.0, 1.0, 6.0]).log())
    fused, weight = fuse(features, logits, there)
    p = [z.log_softmax(-1) for z in logits.values()]
    assert torch.allclose(fused, 0.3 * p[0] + 0.1 * p[1] + 0.6 * p[2], atol=1e-6)
    assert torch.allclose(weight[0], torch.tensor([0.3, 0.1, 0.6]))


def test_gates_are_a_softmax_of_all_streams() -> None:
    features, logits, there = streams()
    there[0, 2] = False
    fuse = head("gated")
    fused, weight = fuse(features, logits, there)
    tokens = [fuse.project[name](features[name]) for name in SIZES]  # type: ignore[index]
    tokens[2] = tokens[2] * there[:, 2:].float()
    gate = fuse.gate(torch.cat(tokens, 1))  # type: ignore[operator]
    gate[0, 2] = -torch.inf
    gate = gate.softmax(1)
    assert torch.allclose(weight, gate, atol=1e-6)
    mixed = sum(gate[:, i : i + 1] * tokens[i].tanh() for i in range(3))
    score = fuse.score_weight.expand(8, 3).masked_fill(~there, -torch.inf).softmax(1)
    base = sum(score[:, i : i + 1] * z.log_softmax(-1) for i, z in enumerate(logits.values()))
    assert torch.allclose(fused, base + fuse.out(mixed), atol=1e-5)  # type: ignore[operator]


@pytest.mark.parametrize("mode", ["concat", "gated", "attention"])
def test_learns_what_no_stream_knows_alone(mode: str) -> None:
    """The class is whether two streams agree in sign: no weighing of scores can say it."""
    made = torch.Generator().manual_seed(1)
    a, b = (torch.randn(256, 4, generator=made) for _ in range(2))
    label = ((a[:, 0] > 0) == (b[:, 0] > 0)).long()
    logits = {name: torch.zeros(256, 2) for name in "ab"}
    torch.manual_seed(0)
    fuse = HEADS[mode]({"a": 4, "b": 4}, 2, width=32, drop=0.0)
    optimiser = torch.optim.Adam(fuse.parameters(), 1e-2)
    for _ in range(200):
        fused, _ = fuse({"a": a, "b": b}, logits, torch.ones(256, 2, dtype=torch.bool))
        loss = torch.nn.functional.cross_entropy(fused, label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (fused.argmax(1) == label).float().mean() > 0.9


def test_modality_dropout_leaves_one() -> None:
    torch.manual_seed(0)
    there = torch.tensor([[True, True, True], [False, True, False]]).repeat(5000, 1)
    kept = drop_streams(there, 0.5)
    assert (kept <= there).all() and kept.any(1).all()
    # three of three stay with 1/8, and with 1/8 none would
    assert abs(float(kept[::2].all(1).float().mean()) - 0.25) < 0.02
    assert kept[1::2].equal(there[1::2])


def test_modality_dropout_is_of_training_alone() -> None:
    features, logits, there = streams(200)
    fuse = head("score", drop=0.5)
    assert (fuse(features, logits, there)[1] == 0).any()
    assert (fuse.eval()(features, logits, there)[1] > 0).all()
    assert (head("score", drop=0.0).train()(features, logits, there)[1] > 0).all()


@pytest.mark.parametrize(
    ("mode", "settings", "hint"),
    [
        ("score", {"n_features": {}}, "streams"),
        ("gated", {"drop": 1.0}, "drop"),
        ("concat", {"width": 0}, "width"),
        ("attention", {"width": 6}, "4 divides"),
    ],
)
def test_settings_that_make_no_head(mode: str, settings: dict, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        HEADS[mode](**{"n_features": SIZES, "n_classes": K, **settings})
