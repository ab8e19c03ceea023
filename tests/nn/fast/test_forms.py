"""Inference and training forms of whole networks: equal, movable, savable, exportable; nothing is left out."""

from __future__ import annotations

import copy

import pytest
import torch
from small_models import SMALL, WIDE, build, clip_batch
from torch import Tensor, nn
from variants import slow_but

from skelact.models import MODELS
from skelact.models.base import GraphModel
from skelact.nn.block import Block
from skelact.nn.fast import InferenceForm, for_training, inference_form, plain_form
from skelact.nn.fast.form import PlainForm
from skelact.nn.fast.gate import TrainingForm, applies
from skelact.nn.fast.table import INFERENCE, MAJOR, TRAINING
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.temporal.conv import TemporalConv


class Doubled(nn.Module):
    """A block of a user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def step(model: nn.Module, low: bool = False) -> dict[str, Tensor]:
    """Logits, gradients and statistics of one training step."""
    x, owner, score = clip_batch(25)
    dtype = next(model.parameters()).dtype
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        logits = model(x.to(dtype), owner, score.to(dtype), 3)
        (logits.float() if low else logits).square().sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"logits": logits.detach(), **grads, **dict(model.named_buffers())}


@pytest.mark.parametrize(
    "name", slow_but(MODELS, "stgcn", "ctrgcn", "skelactnet", "shiftgcn", "stgcnpp", "agcn")
)
def test_training_forms_are_the_plain_network(name: str) -> None:
    plain = build(name, **(WIDE if "stride_blocks" in SMALL[name] else {})).double().train()
    fast = for_training(copy.deepcopy(plain))
    assert list(fast.state_dict()) == list(plain.state_dict())
    expected, ours = step(plain), step(fast)
    assert expected.keys() == ours.keys()
    for what, value in expected.items():
        assert torch.allclose(ours[what], value, atol=1e-8, rtol=1e-7), what


@pytest.mark.parametrize("name", ["stgcn", "ctrgcn", "msg3d"])
def test_the_gate_closes_under_autocast(name: str) -> None:
    plain = build(name).train()
    fast = for_training(copy.deepcopy(plain))
    expected, ours = step(plain, low=True), step(fast, low=True)
    assert all(torch.equal(ours[what], value) for what, value in expected.items())


def test_training_forms_come_off_again() -> None:
    model = for_training(build("msg3d"))
    assert any(isinstance(m, TrainingForm) for m in model.modules())
    assert not any(isinstance(m, TrainingForm) for m in plain_form(model).modules())


def test_the_gate() -> None:
    x = torch.zeros(2)
    assert applies(x) and applies(x.double()) and not applies(x.bfloat16())
    assert not applies(x.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not applies(x)


@pytest.mark.parametrize("name", MODELS)
def test_inference_forms_are_modules(name: str) -> None:
    """A form has a state, moves to another type and keeps its numbers whatever the network learns later."""
    model = build(name)
    x, owner, score = clip_batch(25)
    form = inference_form(model)
    expected = form(x, owner, score, 3)
    assert not expected.requires_grad
    with torch.no_grad():
        for value in model.parameters():
            value.add_(1.0)
    assert torch.equal(form(x, owner, score, 3), expected)
    other = inference_form(model)
    assert not torch.allclose(other(x, owner, score, 3), expected, atol=1e-3)
    other.load_state_dict(form.state_dict())
    rest = {k: v for k, v in vars(form).items() if isinstance(v, Tensor)}
    assert not rest, "constants are buffers"
    moved = copy.deepcopy(form).to("meta")
    assert all(value.device.type == "meta" for value in moved.state_dict().values())


@pytest.mark.parametrize(
    "name",
    slow_but(["stgcn", "skelactnet", "stgcnpp", "ctrgcn", "shiftgcn", "msg3d", "lstm"], "stgcn", "lstm"),
)
def test_inference_forms_export(name: str) -> None:
    form = inference_form(build(name))
    x, owner, score = clip_batch(25)
    exported = torch.export.export(form, (x, owner, score, 3)).module()
    assert torch.allclose(exported(x, owner, score, 3), form(x, owner, score, 3), atol=1e-5)


def test_a_form_that_changes_its_type_keeps_its_numbers() -> None:
    for name in ("stgcn", "skateformer"):
        form = inference_form(build(name, **(WIDE if name == "stgcn" else {})))
        x = torch.randn(3, 16, 25, 3)
        expected = form(x)  # kernels and biases are kept for this length
        assert torch.allclose(copy.deepcopy(form).double().float()(x), expected, atol=1e-6)


def test_blocks_of_ones_own_are_not_left_out() -> None:
    model = build("stgcn")
    assert isinstance(model, GraphModel)
    own = Block(Doubled(), TemporalConv(16, 16), 16, 16)
    model.blocks.append(own)
    model.blocks.append(Doubled())
    x = torch.randn(3, 16, 25, 3)
    own.spatial_norm(torch.randn(25, 3, 8, 16))  # type: ignore[misc]
    expected = model.eval()(x)
    form = inference_form(model)
    assert isinstance(form, InferenceForm)
    assert sum(isinstance(m, PlainForm) for m in form.modules()) == 2
    assert torch.allclose(form(x), expected, atol=1e-5)
    assert torch.allclose(inference_form(model, torch.bfloat16)(x), expected, rtol=0.1, atol=0.1)


def test_a_subclass_means_something_else() -> None:
    class Halved(FixedGraphConv):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) / 2

    model = build("stgcn")
    for block in model.blocks:  # type: ignore[union-attr]
        block.spatial.__class__ = Halved
    x = torch.randn(3, 16, 25, 3)
    assert torch.allclose(inference_form(model)(x), model(x), atol=1e-5)


def test_the_tables_hold_modules_and_subclasses_of_theirs() -> None:
    for kind, form in TRAINING.items():
        assert issubclass(form, kind) and issubclass(form, TrainingForm)
    for kind in (*INFERENCE, *MAJOR, *TRAINING):
        assert issubclass(kind, nn.Module) and kind.__module__.startswith("skelact.nn.")
        assert "fast" not in kind.__module__


def test_packs_of_people_do_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.nn.fast import blocks

    x = torch.randn(7, 16, 25, 3)
    for name in ("stgcn", "ctrgcn", "shiftgcn"):
        form = inference_form(build(name))
        sizes: list[int] = []
        form.model.blocks.blocks[0].register_forward_pre_hook(  # type: ignore[union-attr, index]
            lambda _, args, sizes=sizes: sizes.append(args[0].numel())
        )
        whole = form(x)
        assert len(sizes) == 1
        monkeypatch.setattr(blocks, "PACK_BYTES", 1)
        assert torch.allclose(form(x), whole, atol=1e-6)
        assert len(sizes) == 8 and sizes[1] * 7 == sizes[0]
        monkeypatch.undo()


def test_an_inference_form_cannot_be_put_into_training() -> None:
    """Whoever evaluates a network puts its mode back; a form has one mode only."""
    x, owner, score = clip_batch(25)
    form = inference_form(build("stgcn", dropout=0.5))
    expected = form(x, owner, score, 3)
    form.train(form.train().training)
    assert not any(module.training for module in form.modules())
    assert torch.equal(form(x, owner, score, 3), expected)


@pytest.mark.parametrize(  # these read the numbers of their edges back, which differ from batch to batch
    "name",
    slow_but(
        [name for name in MODELS if name not in ("interactionnet", "raggedgat")],
        "stgcn",
        "ctrgcn",
        "skelactnet",
        "protogcn",
        "skateformer",
        "gru",
    ),
)
def test_nothing_reads_a_value_back(name: str) -> None:
    """A step and an inference pass on a device without values: ``.item()`` and ``nonzero`` fail there.

    So on a GPU nothing waits for the device.
    """
    model = for_training(build(name).train()).to("meta")
    x, owner, score = (value.to("meta") for value in clip_batch(25))
    logits = model(x, owner, score, 3)
    extra = model.extra_loss(torch.zeros(3, dtype=torch.int64, device="meta"))  # type: ignore[operator]
    (logits.sum() if extra is None else logits.sum() + extra).backward()
    form = inference_form(build(name)).to("meta")
    with torch.inference_mode():
        assert form(x, owner, score, 3).shape == (3, 5)
    with pytest.raises(RuntimeError):
        bool(x.sum() > 0)
