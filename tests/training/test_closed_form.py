"""A classifier in closed form: the least squares that it says, and a network that keeps all else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Augment, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_set
from skelact.errors import ConfigError
from skelact.models.create import create_model
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.training.closed_form import FOLDS, PENALTIES, fit_ridge, last_linear, solve_ridge
from skelact.training.loop import fit
from skelact.training.settings import TrainSettings

SAME = Pipeline(Sampling(n_frames=8, crop=(1.0, 1.0)), augment=Augment(rotate=0, scale=0))


class Plain(nn.Module):
    """Features of two steps that are given beforehand, and a linear layer on each."""

    def __init__(self, features: Tensor, n_classes: int) -> None:
        super().__init__()
        self.features, self.at = features, 0
        self.head = nn.Linear(features.shape[-1], n_classes)

    def forward(self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int) -> Tensor:
        rows = self.features[self.at : self.at + n_clips]
        self.at += n_clips
        return self.head(rows).mean(1)


def test_the_solution_has_the_least_penalised_error() -> None:
    torch.manual_seed(0)
    for n, d in ((30, 4), (6, 11)):  # by the primal and by the dual equations
        x = torch.randn(n, d, dtype=torch.float64) * torch.arange(1, d + 1) + 5
        x[:, 1] = 3.0  # says nothing
        target = torch.randn(n, 2, dtype=torch.float64)
        weight, bias = solve_ridge(x, target, 2.5)

        def loss(w: Tensor, b: Tensor, x: Tensor = x, target: Tensor = target) -> Tensor:
            penalty = 2.5 * (w * x.std(0, unbiased=False)).square().sum()
            return (x @ w.mT + b - target).square().sum() + penalty

        assert weight.shape == (2, d) and not weight[:, 1].any()
        w, b = weight.clone().requires_grad_(), bias.clone().requires_grad_()
        slopes = torch.autograd.grad(loss(w, b), (w, b))
        assert max(s.abs().max() for s in slopes) < 1e-7


def test_penalty_and_scale_are_chosen_out_of_fold_by_group() -> None:
    torch.manual_seed(1)
    n, d = 40, 12
    label = torch.arange(n) % 3
    groups = [f"person {i % 8}" for i in range(n)]
    features = torch.randn(n, 2, d, dtype=torch.float64)
    features[:, :, 0] += label[:, None]
    data = SkeletonSet.from_skeletons(
        list(make_set(actions=("wave",), subjects=(1,), repetitions=(1,), cameras=(2,)))
    )
    batch = SAME(data, torch.zeros(10, dtype=torch.int64))
    batches = [batch.replace(label=label[i : i + 10]) for i in range(0, n, 10)]
    model = Plain(features, 3).double()
    steps: list[int] = []
    loss, right = fit_ridge(model, batches, groups, steps.append)

    x = features.mean(1)
    target = functional.one_hot(label, 3).double() * 2 - 1
    at = {name: k % FOLDS for k, name in enumerate(sorted(set(groups)))}
    fold = torch.tensor([at[name] for name in groups])
    found = []
    for penalty in PENALTIES:
        answers = torch.zeros(n, 3, dtype=torch.float64)
        for k in range(FOLDS):
            w, b = solve_ridge(x[fold != k], target[fold != k], penalty)
            answers[fold == k] = x[fold == k] @ w.mT + b
        found.append(answers)
    shares = [float((a.argmax(1) == label).double().mean()) for a in found]
    assert right == max(shares) and steps == [1, 2, 3, 4] and len(set(shares)) > 1
    best = max(k for k, share in enumerate(shares) if share == right)
    weight, bias = solve_ridge(x, target, PENALTIES[best])
    scale = model.head.weight / weight
    assert torch.allclose(scale, scale.mean().expand_as(scale)) and torch.allclose(
        model.head.bias, scale.mean() * bias
    )
    least = min(
        float(functional.cross_entropy(s * found[best], label)) for s in torch.linspace(0.05, 20, 2000)
    )
    assert loss == pytest.approx(least, abs=1e-4)


@pytest.fixture(scope="module")
def data() -> SkeletonSet:
    made = make_set(actions=("wave", "kick", "sit_down"), subjects=(1, 2, 3), repetitions=(1,), cameras=(2,))
    return SkeletonSet.from_skeletons(list(made))


def test_only_the_classifier_changes_and_one_epoch_does_it(data: SkeletonSet, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = create_model("stgcn", layout=data.layout, n_classes=3)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    card = Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {})
    settings = TrainSettings(optimiser="ridge", epochs=1, repeat=2, batch_size=4, keep="last")
    found = fit(model, data, torch.arange(len(data)), None, SAME, settings, tmp_path, card)
    state, _ = load_checkpoint(tmp_path / "best.safetensors")
    changed = {k for k in before if not torch.equal(before[k], state[k])}
    assert changed == {"head.weight", "head.bias"}
    assert 0 <= found.history[0]["train_top1"] <= 1 and found.history[0]["train_loss"] < 5
    again = fit(model, data, torch.arange(len(data)), None, SAME, settings, tmp_path, card)
    assert again.history == found.history  # the run is done


def test_what_cannot_be_solved_is_said(data: SkeletonSet) -> None:
    with pytest.raises(ConfigError, match=r"set train\.epochs to 1 \(now 60\)"):
        TrainSettings(optimiser="ridge")
    for changes in ({"class_balance": "loss"}, {"loss": "focal"}, {"precision": "64-true"}):
        with pytest.raises(
            ConfigError, match="minimises squared errors.* got .*" + next(iter(changes.values()))
        ):
            TrainSettings(optimiser="ridge", epochs=1, **changes)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="single linear classifier"):
        last_linear(nn.Conv2d(1, 1, 1))
    batch = SAME(data, torch.arange(3))
    model = Plain(torch.randn(3, 1, 4), 3)
    with pytest.raises(ConfigError, match="at least 2 subjects"):
        fit_ridge(model, [batch], ["one"] * 3, lambda _: None)

    class Twice(Plain):
        def forward(self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int) -> Tensor:
            return super().forward(x, owner, score, n_clips) + self.head(self.features[0])

    with pytest.raises(ConfigError, match="one row of features"):
        fit_ridge(Twice(torch.randn(3, 1, 4), 3), [batch], [1, 2, 3], lambda _: None)
