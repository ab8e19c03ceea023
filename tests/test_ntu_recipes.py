"""The recipes for NTU RGB+D: official splits, every stream, one step of each with its own loss."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from small_sets import random_set
from test_config import leaves, written
from torch.nn import functional
from variants import slow_but

from skelact.config import Experiment, dump_config, load_config
from skelact.layouts import get_layout
from skelact.models import MODELS
from skelact.recognition.engine import call_model
from skelact.settings import from_plain
from skelact.training.optimise import make_optimiser

FOLDER = Path(__file__).parents[1] / "configs" / "ntu"
RECIPES = sorted(FOLDER.glob("*.yaml"))
SPLITS = ("ntu60_xsub", "ntu60_xview", "ntu120_xsub", "ntu120_xset")
STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
WITH_PUBLISHED_RECIPES = (
    "agcn", "aagcn", "shiftgcn", "msg3d", "ctrgcn", "stgcnpp", "dgstgcn", "protogcn", "skateformer", "posec3d",
)  # fmt: skip


def step(experiment: Experiment, n_frames: int = 16) -> tuple[torch.nn.Module, int]:
    """One training step on short clips; the network and how many of its parameters moved."""
    pipeline = experiment.pipeline
    pipeline.sampling.n_frames = n_frames  # for time; networks take any number
    data = random_set("ntu25", n=3)
    torch.manual_seed(0)
    model = experiment.model.build("ntu25", 3, pipeline.channels(3))
    optimiser = make_optimiser(model, experiment.train)
    batch = pipeline(data, torch.arange(3), training=True, generator=torch.Generator().manual_seed(0))
    before = [p.detach().clone() for p in model.parameters()]
    loss = functional.cross_entropy(call_model(model, batch), batch.label)
    own = model.extra_loss(batch.label)
    loss = loss if own is None else loss + own
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    optimiser.step()
    return model, sum(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_every_model_has_a_recipe_for_every_split() -> None:
    names = {path.stem for path in RECIPES}
    assert {f"{split}_{model}" for split in SPLITS for model in WITH_PUBLISHED_RECIPES} <= names
    assert {name.partition("_")[2].partition("_")[2] for name in names} <= set(MODELS)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipes_state_what_their_papers_decide(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    values, experiment = yaml.safe_load(text), load_config(path)
    stated = {
        "data.path",
        "data.train",
        "data.val",
        "data.test",
        "train.lr",
        "train.epochs",
        "train.schedule",
    }
    assert stated < written(values) < leaves(experiment)
    complete = yaml.safe_load(dump_config(experiment))
    assert from_plain(Experiment, complete, "the complete file") == experiment
    data, protocol, model = path.stem.split("_", 2)
    assert experiment.name == path.stem and experiment.model.name == model
    assert experiment.data.path == f"{data}.h5" and experiment.data.val == 0.0
    assert (experiment.data.train, experiment.data.test) == (f"{protocol}/train", f"{protocol}/test")
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert any("torchrun" in line for line in head) and any("skelact train" in line for line in head)


def test_recipes_of_a_network_differ_in_data_and_length_alone() -> None:
    for path in RECIPES:
        experiment, first = (
            load_config(path),
            load_config(FOLDER / f"ntu60_xsub_{path.stem.split('_', 2)[2]}.yaml"),
        )
        experiment.train.epochs, experiment.train.milestones = first.train.epochs, first.train.milestones
        for part in ("model", "pipeline", "train", "views"):
            assert getattr(experiment, part) == getattr(first, part), (path.stem, part)


STEPPED = sorted(FOLDER.glob("ntu60_xsub_*.yaml"))
SLOW = ("posec3d", "msg3d", "protogcn", "skateformer", "stgat")


@pytest.mark.parametrize(
    "path", slow_but(STEPPED, *(p for p in STEPPED if not p.stem.endswith(SLOW))), ids=lambda p: p.stem
)
def test_recipes_take_a_training_step(path: Path) -> None:
    """One of each network; the others take the same, as the test above says."""
    model, moved = step(load_config(path))
    assert moved > 0.9 * len(list(model.parameters()))


@pytest.mark.parametrize("split", SPLITS)
def test_stgcnpp_starts_from_self_inward_outward(split: str) -> None:
    """PYSKL's "spatial": the joint itself, what lies further out, what lies nearer the middle."""
    model = load_config(FOLDER / f"{split}_stgcnpp.yaml").model.build("ntu25", 3, 3)
    layout = get_layout("ntu25")
    expected = torch.zeros(3, 25, 25)
    for joint, parent in enumerate(layout.parents):
        expected[0, joint, joint] = 1
        if parent >= 0:
            expected[1, parent, joint] = 1
            expected[2, joint, parent] = 1 / layout.parents.count(parent)
    for block in model.blocks:
        assert torch.allclose(block.spatial.adjacency, expected)


@pytest.mark.parametrize("stream", STREAMS)
def test_streams_are_one_setting_away(stream: str) -> None:
    experiment = load_config(FOLDER / "ntu60_xsub_lstm.yaml")
    experiment.pipeline.streams = [stream]
    step(experiment)
