"""Networks on a device: logits, inference forms, gradients of a step as on the CPU; nothing waits for the device."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from small_models import build, clip_batch
from torch import Tensor, nn
from torch.nn import functional
from variants import slow_but

from skelact.benchmark import gpu_models
from skelact.benchmark.gpu_models import measure_network
from skelact.datasets.batch import SkeletonBatch
from skelact.layouts import get_layout
from skelact.models import MODELS
from skelact.nn.fast import for_training, inference_form
from skelact.nn.fast.cuda_graph import AFTER
from skelact.training.passes import Passes

UNWAITING = [name for name in MODELS if name != "interactionnet"]  # which reads its pairs of people back


def on(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    x, owner, score = clip_batch(25)
    return x.to(device), owner.to(device), score.to(device)


def without_dropout(name: str) -> nn.Module:
    rates = [f.name for f in fields(MODELS[name]) if f.name.endswith(("dropout", "drop_path"))]
    model = build(name, **dict.fromkeys(rates, 0.0))
    for module in model.modules():
        if isinstance(module, nn.Dropout):  # of a rate that is no setting
            module.p = 0.0
    return model


def difference(ours: Tensor, expected: Tensor) -> float:
    scale = float(expected.abs().max()) or 1.0
    return float((ours.double().cpu() - expected.double()).abs().max()) / scale


@pytest.mark.parametrize("name", MODELS)
def test_logits(device: torch.device, name: str) -> None:
    model = build(name)
    with torch.inference_mode():
        expected = model(*clip_batch(25), 3)
        form, low = inference_form(model).to(device), inference_form(model, torch.bfloat16).to(device)
        assert difference(copy.deepcopy(model).to(device)(*on(device), 3), expected) < 1e-4
        for _ in range(AFTER + 1):  # the last calls may replay a graph
            assert difference(form(*on(device), 3), expected) < 1e-4
        assert difference(low(*on(device), 3), expected) < 0.15


def loss_of(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], label: Tensor) -> Tensor:
    logits = model(*batch, 3)
    extra = model.extra_loss(label)  # type: ignore[operator]
    loss = functional.cross_entropy(logits if logits.dtype == torch.float64 else logits.float(), label)
    return loss if extra is None else loss + extra


@pytest.mark.parametrize(
    ("dtype", "error"),
    [(torch.float64, 1e-6), pytest.param(torch.float32, 2e-2, marks=pytest.mark.slow)],
    ids=str,
)
@pytest.mark.parametrize("name", MODELS)
def test_a_training_step(device: torch.device, name: str, dtype: torch.dtype, error: float) -> None:
    """Loss, gradients and running statistics; few people make gradients in float32 uncertain."""
    plain = without_dropout(name).train().to(dtype)
    fast = for_training(copy.deepcopy(plain)).to(device)
    losses, grads = [], []
    for model, where in ((plain, torch.device("cpu")), (fast, device)):
        x, owner, score = on(where)
        loss = loss_of(model, (x.to(dtype), owner, score.to(dtype)), torch.tensor([1, 0, 4], device=where))
        loss.backward()
        losses.append(loss.detach())
        grads.append(
            {what: p.grad.double().cpu() for what, p in model.named_parameters() if p.grad is not None}
        )
    assert difference(losses[1], losses[0]) < error
    assert grads[0].keys() == grads[1].keys()
    expected, ours = (torch.cat([grad.flatten() for grad in one.values()]) for one in grads)
    assert float((ours - expected).norm() / expected.norm()) < error
    if dtype == torch.float64:
        scale = float(expected.abs().max())
        for what, grad in grads[0].items():
            assert float((grads[1][what] - grad).abs().max()) < error * scale, what
    for (what, buffer), value in zip(fast.named_buffers(), plain.buffers(), strict=True):
        if value.is_floating_point():
            assert difference(buffer, value) < error, what


@pytest.mark.parametrize("name", slow_but(MODELS, "stgcn", "skelactnet", "lstm"))
def test_captured_steps_train_as_others_do(device: torch.device, name: str) -> None:
    """Five steps, of which the last three may be a CUDA graph, against five that are not."""
    fabric = SimpleNamespace(
        backward=lambda loss: loss.backward(), device=torch.device("cuda"),
        strategy=SimpleNamespace(precision=SimpleNamespace(precision="32-true")),
    )  # fmt: skip
    batches = [
        SkeletonBatch(x.to(device), score.to(device), owner.to(device), torch.tensor([1, 0, 4], device=device),
                      get_layout("ntu25"))
        for x, owner, score in (clip_batch(25, seed) for seed in range(5))
    ]  # fmt: skip
    outcomes = []
    for graphs in (False, True):
        model = for_training(without_dropout(name).train().double()).to(device)
        optimiser = torch.optim.SGD(model.parameters(), 1e-2, momentum=0.9)
        passes = Passes(fabric, model, model, functional.cross_entropy, graphs and device.type == "cuda")
        losses = []
        for batch in batches:
            batch = batch.replace(x=batch.x.double(), score=batch.score.double())
            losses.append(passes(batch)[0])
            optimiser.step()
        if passes.graphs and name in UNWAITING:
            assert [captured is not None for captured in passes._captured.values()] == [True]
        outcomes.append((torch.stack(losses).cpu(), {k: v.cpu() for k, v in model.state_dict().items()}))
    (losses, state), (ours, mine) = outcomes
    assert difference(ours, losses) < 1e-6
    for what, value in state.items():
        if value.is_floating_point():
            assert difference(mine[what], value) < 1e-5, what
        else:
            assert torch.equal(mine[what], value), what


@pytest.mark.parametrize(
    "low", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["float32", "bfloat16"]
)
@pytest.mark.parametrize("name", UNWAITING)
def test_no_step_waits_for_the_device(
    device: torch.device, name: str, low: bool, no_waiting: Callable[[], AbstractContextManager[None]]
) -> None:
    model = for_training(build(name).train()).to(device)
    optimiser = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    label = torch.tensor([1, 0, 4], device=device)
    batch = on(device)

    def step() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            loss = loss_of(model, batch, label)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return loss.detach()

    step()  # what is measured or compiled on first use waits
    with no_waiting():
        loss = step()
    assert bool(torch.isfinite(loss))


@pytest.mark.parametrize("name", UNWAITING)
def test_no_inference_waits_for_the_device(
    device: torch.device, name: str, no_waiting: Callable[[], AbstractContextManager[None]]
) -> None:
    form, batch = inference_form(build(name)).to(device), on(device)
    with torch.inference_mode():
        form(*batch, 3)
        with no_waiting():
            logits = form(*batch, 3)
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize("name", ["stgcn", "ctrgcn", "msg3d"])
def test_a_network_and_its_yardstick_are_measured(
    device: torch.device, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device.type == "cpu" and name != "stgcn":
        pytest.skip("on a processor, where bfloat16 may be emulated, ST-GCN stands for all")
    if device.type == "cpu":
        monkeypatch.setattr(gpu_models, "make_network", partial(build, n_classes=60))
    n_frames = 16 if device.type == "cuda" else 4
    rows = list(measure_network(name, device, 0.0, n_clips=2, n_frames=n_frames))
    assert len(rows) == 6 and all(row["ours"] > 0 and row["usual"] > 0 for row in rows)
    assert rows[0]["difference"] < 1e-3
    if device.type == "cuda":
        assert all("graph" in row for row in rows), [row.get("no graph") for row in rows]
