"""A classifier on frozen features in closed form: ridge regression instead of gradient steps."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.datasets.batch import SkeletonBatch
from skelact.errors import ConfigError
from skelact.recognition.engine import call_model

PENALTIES = tuple(10.0**k for k in range(-1, 7))  # tried in turn, of features of variance 1
FOLDS = 5
_STEPS = 100  # for the one number that makes answers probabilities


def last_linear(model: nn.Module) -> nn.Linear:
    """The linear layer that gives a network's logits.

    Raises:
        ConfigError: if its classifier is anything else.
    """
    stages: Any = getattr(model, "stages", None)
    head = stages()[-1][1][-1] if stages is not None else getattr(model, "head", None)
    if not isinstance(head, nn.Linear):
        raise ConfigError(
            f"train.optimiser ridge solves a single linear classifier, which {type(model).__name__} does not end in; "
            "use sgd, or train each stream alone and fuse them (skelact fuse)"
        )
    return head


@torch.no_grad()
def fit_ridge(
    model: nn.Module,
    batches: Iterable[SkeletonBatch],
    groups: Sequence[Hashable],
    on_step: Callable[[int], None],
) -> tuple[float, float]:
    """Solve the last linear layer on the features in front of it; nothing else of the network changes.

    One-against-all targets; features have mean 0 and variance 1 for the penalty, which is folded into the weights.
    The penalty is the one with most right answers out of five folds of the groups, and the scale of the answers the
    one with the least cross-entropy there.

    Args:
        model: the network; it runs in evaluation mode.
        batches: of the training part, each clip as often as it is to be seen.
        groups: of each clip of the batches, such as its subject; a group is never divided among folds.
        on_step: called with the batches that are done.

    Returns:
        cross-entropy and share of right answers, both out of fold.

    Raises:
        ConfigError: if there are fewer than 2 groups, or the classifier is not a single linear layer.
    """
    head, seen = last_linear(model), []
    hook = head.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    features, labels = [], []
    was_training = model.training
    model.eval()
    try:
        for step, batch in enumerate(batches):
            seen.clear()
            call_model(model, batch)
            if len(seen) != 1 or len(seen[0]) != batch.n_clips:
                raise ConfigError(
                    "train.optimiser ridge needs one row of features for each clip before the classifier; use sgd"
                )
            rows = seen[0].double()
            features.append(rows.flatten(1, -2).mean(1) if rows.ndim > 2 else rows)
            labels.append(batch.label)
            on_step(step + 1)
    finally:
        hook.remove()
        model.train(was_training)
    x, label = torch.cat(features), torch.cat(labels)
    fold = _folds(groups).to(x.device)
    target = functional.one_hot(label, head.out_features).double() * 2 - 1
    tried = [_out_of_fold(x, target, fold, penalty) for penalty in PENALTIES]
    right = [int((found.argmax(1) == label).sum()) for found in tried]
    best = max(range(len(tried)), key=lambda k: (right[k], k))
    scale = _scale(tried[best], label)
    weight, bias = solve_ridge(x, target, PENALTIES[best])
    head.weight.copy_((scale * weight).to(head.weight))
    head.bias.copy_((scale * bias).to(head.bias))
    loss = functional.cross_entropy(scale * tried[best], label)
    return float(loss), right[best] / len(label)


def solve_ridge(x: Tensor, target: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights ``[K, D]`` and bias ``[K]`` with the least squared error, for features of mean 0 and variance 1.

    Args:
        x: ``[N, D]`` features.
        target: ``[N, K]``.
        penalty: times the squared weights; the bias has none.
    """
    mean, deviation = x.mean(0), x.std(0, unbiased=False)
    deviation = torch.where(deviation > 1e-8 * (1 + mean.abs()), deviation, torch.inf)
    z, middle = (x - mean) / deviation, target.mean(0)
    if len(z) <= z.shape[1]:  # the dual has fewer unknowns
        gram = z @ z.mT + penalty * torch.eye(len(z), dtype=z.dtype, device=z.device)
        weight = z.mT @ torch.linalg.solve(gram, target - middle)
    else:
        gram = z.mT @ z + penalty * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
        weight = torch.linalg.solve(gram, z.mT @ (target - middle))
    weight = (weight / deviation[:, None]).mT
    return weight, middle - weight @ mean


def _folds(groups: Sequence[Hashable]) -> Tensor:
    """A fold for each clip; groups go round in the order of their names."""
    names = sorted(set(groups), key=str)
    if len(names) < 2:
        raise ConfigError(
            "train.optimiser ridge chooses its penalty out of fold, which needs at least 2 subjects (or, where these "
            f"are not known, clips) in the training part, got {len(names)}"
        )
    at = {name: k % FOLDS for k, name in enumerate(names)}
    return torch.tensor([at[name] for name in groups])


def _out_of_fold(x: Tensor, target: Tensor, fold: Tensor, penalty: float) -> Tensor:
    found = torch.zeros_like(target)
    for k in fold.unique():
        held = fold == k
        weight, bias = solve_ridge(x[~held], target[~held], penalty)
        found[held] = x[held] @ weight.mT + bias
    return found


def _scale(answers: Tensor, label: Tensor) -> float:
    """What answers are multiplied by so that their softmax has the least cross-entropy; found by bisection."""
    low, high = -3.0, 5.0  # logarithms
    own = functional.one_hot(label, answers.shape[1]).double()
    for _ in range(_STEPS):
        scale = torch.tensor((low + high) / 2).exp()
        slope = (((scale * answers).softmax(1) - own) * answers).sum()  # rises with the scale
        low, high = (low, float(scale.log())) if slope > 0 else (float(scale.log()), high)
    return float(torch.tensor((low + high) / 2).exp())
