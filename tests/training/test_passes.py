"""What CUDA graphs of training steps stand on; tests/gpu shows that captured steps are equal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from small_models import build, clip_batch
from torch import Tensor, nn
from torch.nn import functional

from skelact.datasets.batch import SkeletonBatch
from skelact.layouts import get_layout
from skelact.models import MODELS
from skelact.nn.fast import for_training
from skelact.training import passes as room
from skelact.training.passes import AFTER, Passes, may_capture

FABRIC = SimpleNamespace(
    backward=lambda loss: loss.backward(), device=torch.device("cpu"),
    strategy=SimpleNamespace(precision=SimpleNamespace(precision="32-true")),
)  # fmt: skip


def batch_of(seed: int = 0, n_people: int = 6) -> SkeletonBatch:
    x, owner, score = clip_batch(25, seed)
    label = torch.tensor([1, 0, 4])
    return SkeletonBatch(x[:n_people], score[:n_people], owner[:n_people], label, get_layout("ntu25"))


def passes_of(model: nn.Module, graphs: bool = True) -> Passes:
    return Passes(FABRIC, model, model, functional.cross_entropy, graphs)


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
@pytest.mark.parametrize("name", MODELS)
def test_a_step_writes_into_the_buffers_that_there_are(name: str, fast: bool) -> None:
    model = build(name).train()
    model = for_training(model) if fast else model
    places = {what: value.data_ptr() for what, value in model.named_buffers()}
    for seed in range(2):
        passes_of(model, graphs=False)(batch_of(seed))
    assert {what: value.data_ptr() for what, value in model.named_buffers()} == places


def test_loss_logits_and_gradients_are_those_of_the_batch() -> None:
    model, batch = build("stgcn").train(), batch_of()
    loss, logits = passes_of(model)(batch_of(1))
    loss, logits = passes_of(model)(batch)  # gradients do not add up
    assert not loss.requires_grad and not logits.requires_grad
    ours = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    expected = functional.cross_entropy(model(batch.x, batch.owner, batch.score, 3), batch.label)
    expected.backward()
    assert torch.equal(loss, expected)
    for one, other in zip(ours, (p.grad for p in model.parameters() if p.grad is not None), strict=True):
        assert torch.equal(one, other)


class Captures:
    """Stands for `_Captured` where there is no GPU: counts, and runs."""

    made: list[tuple[int, ...]]

    def __init__(self, run, batch, model, pool) -> None:  # type: ignore[no-untyped-def]
        Captures.made.append(tuple(batch.x.shape))
        self.replay = run


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> type[Captures]:
    Captures.made = []
    monkeypatch.setattr(room, "_Captured", Captures)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    return Captures


def test_every_shape_is_captured_once_when_it_has_come_often_enough(captures: type[Captures]) -> None:
    passes = passes_of(build("tcn").train())
    for i in range(AFTER + 2):
        passes(batch_of())
        assert len(captures.made) == (i >= AFTER)
    for _ in range(AFTER + 2):
        passes(batch_of(n_people=5))
    assert [shape[0] for shape in captures.made] == [6, 5]
    passes = passes_of(build("tcn").train(), graphs=False)
    for _ in range(AFTER + 2):
        passes(batch_of())
    assert len(captures.made) == 2


def test_no_more_shapes_than_there_is_room_for(
    captures: type[Captures], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST", 1)
    passes = passes_of(build("tcn").train())
    for n_people in (6, 5):
        for _ in range(AFTER + 2):
            passes(batch_of(n_people=n_people))
    assert len(captures.made) == 1


def test_batches_with_pictures_run_as_they_are(captures: type[Captures]) -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int, *more: object) -> Tensor:
            return x.new_zeros(n_clips, 5, requires_grad=True)

    passes = passes_of(Net())
    for _ in range(AFTER + 2):
        passes(batch_of().replace(pictures={"rgb": torch.zeros(3, 3, 2, 4, 4)}))
    assert captures.made == []


def test_a_network_whose_buffers_are_replaced_is_not_captured(captures: type[Captures]) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 5)
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int) -> Tensor:
            self.count = self.count + 1
            return self.linear(x.mean((1, 2)))[:n_clips]

    passes = passes_of(Net())
    kept = []
    for _ in range(AFTER + 2):
        passes(batch_of())
        kept.append(passes.plain.count)  # so that no place is used again
    assert captures.made == [] and not passes.graphs


def test_what_cannot_be_captured_runs_as_it_is(
    captures: type[Captures], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried, streams = [], []

    def refuse(*_: object) -> None:
        tried.append(1)
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(room, "_Captured", refuse)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: "before")
    monkeypatch.setattr(torch.cuda, "set_stream", streams.append)
    model = build("tcn").train()
    passes = passes_of(model)
    for _ in range(AFTER + 3):
        loss, _ = passes(batch_of())
    assert len(tried) == 1 and bool(torch.isfinite(loss))
    assert streams == ["before"]  # a capture that was broken off leaves its own stream current
    assert "no CUDA graph of a step" in caplog.text and "not permitted" in caplog.text


def test_networks_that_change_with_progress_are_captured_anew(captures: type[Captures]) -> None:
    for name, expected in (("tcn", 1), ("stalstm", 2)):
        captures.made.clear()
        passes = passes_of(build(name).train())
        for _ in range(2):
            passes.start_epoch()
            for _ in range(AFTER + 1):
                passes(batch_of())
        assert len(captures.made) == expected, name


@pytest.mark.parametrize(
    ("device", "precision", "world", "expected"),
    [
        ("cuda", "bf16-mixed", 1, True),
        ("cuda", "32-true", 1, True),
        ("cuda", "16-mixed", 1, False),
        ("cuda", "64-true", 1, False),
        ("cuda", "32-true", 2, False),
        ("cpu", "32-true", 1, False),
    ],
)
def test_where_steps_may_be_captured(device: str, precision: str, world: int, expected: bool) -> None:
    assert may_capture(torch.device(device), precision, world) is expected
