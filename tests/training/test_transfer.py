"""Weights move between layouts, classes and channels; frozen stages stay; rates fall towards the input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from skelact.errors import CheckpointError, ConfigError
from skelact.layouts import get_layout
from skelact.models import MODELS, AGCNSettings, STGCNSettings
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.training.optimise import make_optimiser
from skelact.training.settings import TrainSettings
from skelact.training.transfer import Transfer, freeze_stages, frozen_stages, load_pretrained

SMALL = STGCNSettings(channels=(4, 8), stride_blocks=(1,))


def saved(path: Path, layout: str, labels: list[str], channels_in: int = 3, settings=SMALL):
    torch.manual_seed(1)
    model = settings.build(layout, len(labels), channels_in)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 if name.endswith("var") else torch.randn_like(value))
    card = Card(get_layout(layout).to_dict(), 3, "m", labels, 30.0, {"name": settings.name}, {})
    save_checkpoint(path, model.state_dict(), card)
    return model


def pretrained(model: Any, path: Path, family: str, labels: list[str], settings: Any = SMALL) -> Transfer:
    return load_pretrained(model, settings.build, model.layout, model.channels_in, path, family, labels)


def test_the_same_network_is_taken_over_whole(tmp_path: Path) -> None:
    old = saved(tmp_path / "a.safetensors", "ntu25", ["a", "b"])
    new = SMALL.build("ntu25", 2, 3)
    report = pretrained(new, tmp_path / "a.safetensors", "stgcn", ["a", "b"])
    assert not report.new and not report.adapted and report.joints == 25
    x = torch.randn(2, 16, 25, 3)
    assert torch.equal(old.eval()(x), new.eval()(x))


def test_other_classes_get_a_new_classifier(tmp_path: Path) -> None:
    old = saved(tmp_path / "a.safetensors", "ntu25", ["a", "b"])
    for labels in (["a", "b", "c"], ["b", "a"]):
        new = SMALL.build("ntu25", len(labels), 3)
        report = pretrained(new, tmp_path / "a.safetensors", "stgcn", labels)
        assert report.new == ["head.weight", "head.bias"] and not report.adapted
        assert torch.equal(new.blocks[1].temporal.weight, old.blocks[1].temporal.weight)  # type: ignore[union-attr]


def test_joints_are_matched_by_name(tmp_path: Path) -> None:
    old = saved(tmp_path / "a.safetensors", "ntu25", ["a"])
    new = SMALL.build("kinect20", 1, 3)
    fresh = {k: v.clone() for k, v in new.state_dict().items()}
    report = pretrained(new, tmp_path / "a.safetensors", "stgcn", ["a"])
    theirs, ours = get_layout("ntu25"), get_layout("kinect20")
    common = [name for name in ours.joints if name in theirs.index]
    assert report.joints == len(common) >= 15 and "norm.weight" in report.adapted
    for name in ours.joints:
        v = ours.index[name]
        mine = new.norm.weight.view(20, 3)[v]  # type: ignore[union-attr]
        if name in theirs.index:
            assert torch.equal(mine, old.norm.weight.view(25, 3)[theirs.index[name]])
        else:
            assert torch.equal(mine, fresh["norm.weight"].view(20, 3)[v])
    v, w = ours.index["left_elbow"], ours.index["left_wrist"]
    a, b = theirs.index["left_elbow"], theirs.index["left_wrist"]
    importance = new.blocks[0].spatial.importance  # type: ignore[union-attr]
    assert torch.equal(importance[:, v, w], old.blocks[0].spatial.importance[:, a, b])  # type: ignore[union-attr]


def test_as_many_joints_in_another_order_are_reordered(tmp_path: Path) -> None:
    layout = get_layout("natops8")
    turned = layout.subset(list(reversed(layout.joints)), "turned8")
    torch.manual_seed(1)
    old = SMALL.build(turned, 1, 3)
    torch.nn.init.normal_(old.norm.weight)
    card = Card(turned.to_dict(), 3, "m", ["a"], 30.0, {"name": "stgcn"}, {})
    save_checkpoint(tmp_path / "a.safetensors", old.state_dict(), card)
    new = SMALL.build(layout, 1, 3)
    pretrained(new, tmp_path / "a.safetensors", "stgcn", ["a"])
    assert torch.equal(new.norm.weight.view(8, 3), old.norm.weight.view(8, 3).flip(0))


def test_other_input_channels_keep_the_response(tmp_path: Path) -> None:
    old = saved(tmp_path / "a.safetensors", "ntu25", ["a"])
    new = SMALL.build("ntu25", 1, 9)
    report = pretrained(new, tmp_path / "a.safetensors", "stgcn", ["a"])
    assert "blocks.0.spatial.weight" in report.adapted and not report.new
    x = torch.randn(2, 16, 25, 3)
    assert torch.allclose(new.eval()(x.repeat(1, 1, 1, 3)), old.eval()(x), atol=1e-4)


class Linear(torch.nn.Module):
    """A network whose weights on the input have two axes."""

    def __init__(self, _layout: object, n_classes: int, channels: int) -> None:
        super().__init__()
        self.embed, self.head = torch.nn.Linear(channels, 4), torch.nn.Linear(4, n_classes)


def test_a_linear_layer_keeps_its_response_too(tmp_path: Path) -> None:
    layout, path = get_layout("coco17"), tmp_path / "a.safetensors"
    old, new = Linear(layout, 2, 3), Linear(layout, 2, 6)
    card = Card(layout.to_dict(), 3, "m", ["a", "b"], 30.0, {"name": "linear"}, {})
    save_checkpoint(path, old.state_dict(), card)
    report = load_pretrained(new, Linear, layout, 6, path, "linear", ["a", "b"])
    assert report.adapted == ["embed.weight"] and torch.equal(new.head.weight, old.head.weight)
    x = torch.randn(5, 3)
    assert torch.allclose(new.embed(torch.cat([x, x], 1)), old.embed(x), atol=1e-6)


@pytest.mark.parametrize(("layout", "channels"), [("ntu25", 3), ("coco17", 3), ("ntu25", 6), ("coco17", 6)])
def test_a_norm_of_several_people_is_matched_person_by_person(
    layout: str, channels: int, tmp_path: Path
) -> None:
    settings = AGCNSettings(channels=(4,), stride_blocks=(), padded_people=2, norm_people=2)
    old = saved(tmp_path / "a.safetensors", "ntu25", ["a"], settings=settings)
    new = settings.build(layout, 1, channels)
    fresh = new.norm.running_mean.clone()
    report = load_pretrained(
        new, settings.build, new.layout, new.channels_in, tmp_path / "a.safetensors", "agcn", ["a"]
    )
    assert not any(key.startswith("norm.") for key in report.new)
    theirs, ours = get_layout("ntu25"), get_layout(layout)
    taken = new.norm.running_mean.view(2, len(ours), channels)
    fresh = fresh.view(taken.shape)
    given = old.norm.running_mean.view(2, 25, 3).repeat(1, 1, channels // 3)
    for name, v in ours.index.items():
        known = name in theirs.index
        assert torch.equal(taken[:, v], given[:, theirs.index[name]] if known else fresh[:, v])


@pytest.mark.parametrize("name", MODELS)
def test_every_family_moves_between_layouts(name: str, tmp_path: Path) -> None:
    from models.test_models import SMALL as TABLE

    settings = MODELS[name](**TABLE[name])
    saved(tmp_path / "a.safetensors", "ntu25", ["a", "b"], settings=settings)
    new = settings.build("coco17", 3, 3)
    report = pretrained(new, tmp_path / "a.safetensors", name, ["x", "y", "z"], settings)
    taken = len(report.same) + len(report.adapted)
    assert taken > 0.5 * len(new.state_dict()), report
    assert torch.isfinite(new.eval()(torch.randn(1, 16, 17, 3))).all()


def test_a_checkpoint_of_another_family_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "a.safetensors", "ntu25", ["a"])
    with pytest.raises(CheckpointError, match=r"model\.name: stgcn"):
        pretrained(
            SMALL.build("ntu25", 1, 3),
            tmp_path / "a.safetensors",
            "agcn",
            ["a"],
        )


def test_frozen_stages_stay_as_they_are() -> None:
    model = SMALL.build("ntu25", 3, 3)
    modules = frozen_stages(model, -1)
    model.train()
    freeze_stages(modules)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimiser = make_optimiser(model, TrainSettings(lr=0.1))
    model(torch.randn(4, 16, 25, 3)).square().sum().backward()
    optimiser.step()
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"head.weight", "head.bias"}
    assert len(frozen_stages(model, 2)) == 2
    with pytest.raises(ConfigError, match=r"norm, blocks\.0, blocks\.1, head"):
        frozen_stages(model, 4)


def test_rates_fall_towards_the_input() -> None:
    model = SMALL.build("ntu25", 3, 3)
    groups = make_optimiser(model, TrainSettings(layer_decay=0.5)).param_groups
    rates = {id(p): g["scale"] for g in groups for p in g["params"]}
    assert len(rates) == len(list(model.parameters()))
    assert rates[id(model.head.weight)] == 1 and rates[id(model.norm.weight)] == 0.125
    assert rates[id(model.blocks[1].temporal.weight)] == 0.5  # type: ignore[union-attr]


def test_a_transfer_is_described() -> None:
    report = Transfer("a.safetensors", ["a", "b"], ["c"], [], 17)
    assert report.describe() == (
        "weights of a.safetensors: 2 taken over, 1 adapted to other joints or channels (17 joints known by name)"
    )
    assert Transfer("x", ["a"]).describe() == "weights of x: 1 taken over"
    few, many = (Transfer("x", [], [], list("abcdef")[:n]).describe() for n in (4, 5))
    assert few.endswith("4 new (a, b, c, d)") and many.endswith("5 new (a, b, c, d, ...)")
