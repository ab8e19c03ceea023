"""STA-LSTM: its formulas, its loss and its stages; and what is special about the other families here."""

from __future__ import annotations

import copy

import pytest
import torch

from skelact.errors import ConfigError
from skelact.models.gat import STGAT
from skelact.models.posec3d import PoseC3D
from skelact.models.sequence import TCN
from skelact.models.skateformer import SkateFormer
from skelact.models.stalstm import STALSTM


def make(**changes) -> STALSTM:
    torch.manual_seed(0)
    return STALSTM("ntu25", 5, hidden=8, dropout=0.0, **changes)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    score = torch.ones(3, 10, 25)
    score[1, 6:] = 0
    return torch.randn(3, 10, 25, 3), torch.tensor([0, 0, 1]), score


def test_attention_is_the_papers_formula() -> None:
    model = make().eval()
    x = torch.randn(2, 6, 75)
    joints, frames = model.attend(x)
    spatial, temporal = model.spatial, model.temporal
    state = cell = torch.zeros(2, 1, 8)
    memory = cell
    for t in range(6):
        hidden = torch.tanh(spatial.frame(x[:, t]) + spatial.past(state[:, 0]))
        assert torch.allclose(joints[:, t], spatial.score(hidden).softmax(-1), atol=1e-6)
        one, (_, c) = spatial.recurrent.cell(x[:, t : t + 1], (state.transpose(0, 1), memory.transpose(0, 1)))
        state, memory = one, c.transpose(0, 1)
    before = torch.cat([torch.zeros(2, 1, 8), temporal.recurrent(x)[:, :-1]], 1)
    assert torch.allclose(frames, (temporal.frame(x) + temporal.past(before)).relu()[..., 0], atol=1e-6)
    assert torch.allclose(joints.sum(-1), torch.ones(2, 6)) and (frames >= 0).all()


def test_output_sums_the_weighted_scores_of_frames() -> None:
    model = make().eval()
    x, owner, score = batch()
    seen = x * score[..., None]
    normal = model.normalise(seen, score.any(-1))
    joints, frames = model.attend(normal.flatten(2))
    states = model.main((normal * joints[..., None]).flatten(2))
    scores = states @ model.head.weight.T
    people = (scores * (frames * score.any(-1))[..., None]).sum(1) + model.head.bias
    expected = torch.stack([people[:2].mean(0), people[2]])
    assert torch.allclose(model(x, owner, score), expected, atol=1e-5)


def test_loss_terms() -> None:
    x, owner, score = batch()
    model = make(joint_weight=0.3, frame_weight=0.2, sparsity=0.0).train()
    model.norm.eval()
    assert model.extra_loss(owner) is None  # nothing has been seen
    model(x, owner, score)
    loss = model.extra_loss(owner)
    joints, frames = model.attend(model.normalise(x * score[..., None], score.any(-1)).flatten(2))
    expected = 0.0
    for person, length in enumerate((10, 6, 10)):
        share = joints[person, :length].mean(0)
        expected = expected + 0.3 * (1 - share).square().sum() / 3
        expected = expected + 0.2 * frames[person, :length].sum() / length / 3
    assert loss is not None and torch.allclose(loss, torch.as_tensor(expected), atol=1e-6)
    loss.backward()
    assert model.temporal.frame.weight.grad is not None and model.temporal.frame.weight.grad.any()
    assert model.extra_loss(owner) is None  # told once

    sparse = make(joint_weight=0.0, frame_weight=0.0, sparsity=0.1).train()
    sparse(x, owner, score)
    total = sum(p.abs().sum() for p in sparse.parameters() if p.ndim > 1)
    loss = sparse.extra_loss(owner)
    assert loss is not None and torch.allclose(loss, 0.1 * torch.as_tensor(total))
    sparse.eval()(x, owner, score)
    assert sparse.extra_loss(owner) is None


def test_stages() -> None:
    model = make(stage_shares=(0.2, 0.4)).train()
    x, owner, score = batch()
    weights = {"spatial": model.spatial.score.weight, "temporal": model.temporal.frame.weight}

    def learns() -> set[str]:
        model.zero_grad()
        model(x, owner, score).square().sum().backward()
        assert all(p.grad is not None for p in model.parameters())
        return {name for name, weight in weights.items() if weight.grad.abs().sum() > 0}

    assert learns() == {"spatial", "temporal"}  # as long as nobody says otherwise
    model.set_progress(0.0)
    assert learns() == {"temporal"}
    joints, _ = model.attend(torch.randn(1, 4, 75))
    assert torch.allclose(joints, torch.tensor(1 / 25))
    model.set_progress(0.2)
    assert learns() == {"spatial"}
    assert torch.equal(model.attend(torch.randn(1, 4, 75))[1], torch.ones(1, 4))
    other = make()
    other.load_state_dict(model.state_dict())  # the stage is part of what was trained
    assert torch.equal(other.eval()(x, owner, score), model.eval()(x, owner, score))
    model.train().set_progress(0.4)
    assert learns() == {"spatial", "temporal"}


def test_copies_leave_the_tape() -> None:
    model = make().train()
    x, owner, score = batch()
    model(x, owner, score)
    assert copy.deepcopy(model).extra_loss(owner) is None
    assert model.extra_loss(owner) is not None


def test_causal_convolutions_do_not_look_ahead() -> None:
    x = torch.randn(1, 20, 25, 3)
    changed = x.clone()
    changed[:, 12:] += 1
    for causal in (True, False):
        model = TCN("ntu25", 5, channels=(8, 8), causal=causal).eval()
        same = torch.allclose(model.feature_map(x)[:, :, :12], model.feature_map(changed)[:, :, :12])
        assert same == causal


@pytest.mark.parametrize(
    ("make_it", "hint"),
    [
        (
            lambda: make(stage_shares=(0.5, 0.2)),
            r"two rising shares of training in 0\.\.1, got \[0\.5, 0\.2\]",
        ),
        (lambda: STGAT("ntu25", 5, hops=0), "hops must be at least 1"),
        (lambda: STGAT("ntu25", 5, kernel=4), "kernel must be odd"),
        (lambda: STGAT("ntu25", 5, heads=3), "3 heads do not divide 64 channels"),
        (lambda: TCN("ntu25", 5, channels=()), "channels of at least 1"),
        (lambda: SkateFormer("ntu25", 5, window=0), "window must be at least 1 frame"),
        (lambda: SkateFormer("ntu25", 5, channels=(100,)), "divides the channels, got 32 heads and 100"),
        (lambda: PoseC3D("ntu25", 5, 1), "draws joints in two coordinates, got channels_in=1"),
        (lambda: PoseC3D("ntu25", 5, size=4), "size of at least 8 pixels"),
    ],
)
def test_bad_settings(make_it, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        make_it()
