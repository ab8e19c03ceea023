"""The scripts behind the shipped network: training it again in small, and measuring it on recordings."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from skelact.datasets.synthetic.everyday import EVERYDAY_CLASSES, make_everyday_clip
from skelact.recognition.checkpoint import load_checkpoint
from skelact.skeleton import Skeleton

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("train_everyday"), importlib.import_module("measure_everyday")


def test_it_trains_in_small_and_writes_a_checkpoint(tools: tuple, tmp_path: Path) -> None:
    train = tools[0]
    words = [str(tmp_path), "--form", "2d", "--clips", "2", "--held-out", "2", "--epochs", "1"]
    train.main(words)
    state, card = load_checkpoint(tmp_path / "everyday_2d.safetensors")
    assert card.dims == 2 and card.label_names == list(EVERYDAY_CLASSES) and card.clip_seconds == 2.4
    report = json.loads((tmp_path / "everyday_2d.json").read_text())
    assert report["clips"] == [46, 23] and set(report["classes"]) == set(EVERYDAY_CLASSES)
    assert report["by camera tilt [degrees down]"] and report["by distance [m]"]
    # the temperature is in the classifier
    last = torch.load(next(tmp_path.glob("everyday_2d_2x1*")) / "last.pt", weights_only=True)["average"]
    assert state["head.weight"].float() * report["temperature"] == pytest.approx(
        last["head.weight"], abs=2e-3
    )


def test_settings_reach_the_network(tools: tuple) -> None:
    one, two = (tools[0].experiment_of(form, 3, 5) for form in ("3d", "2d"))
    assert one.model.causal and one.train.epochs == 3 and one.train.seed == 5
    assert one.pipeline.augment.turn > 0 and two.pipeline.augment.turn == two.pipeline.augment.tilt == 0


def test_a_temperature_is_found(tools: tuple) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert tools[0].fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.15)


def test_shares_between_edges(tools: tuple) -> None:
    right, values = np.array([True, False, True, True]), np.array([0.5, 0.6, 1.5, 9.0])
    assert tools[0].share_right(right, values, [0, 1, 2, 3]) == {"0 to 1": 50.0, "1 to 2": 100.0}


def test_maps_name_classes_of_the_network(tools: tuple) -> None:
    for name, classes in tools[1].MAPS.items():
        assert set(classes.values()) <= set(EVERYDAY_CLASSES), name


def test_measuring_counts_right_answers(tools: tuple, tmp_path: Path) -> None:
    measure = tools[1]
    measure.MAPS["made"] = {"steht auf": "stand_up", "klatscht": "clap", "hockt": "squatting"}
    names = {"stand_up": "steht auf", "clap": "klatscht", "squatting": "hockt"}
    clips = [
        make_everyday_clip(label, 7_000_000 + i).with_(label=names[label])
        for label in names
        for i in range(4)
    ]
    row = measure.measure("made", clips, "everyday", tmp_path)
    assert row["clips"] == 12 and set(row["classes"]) == set(names.values())
    assert row["closed"] >= row["open"] and row["closed"] >= 70
    share = sum(c["closed"] * c["clips"] for c in row["classes"].values()) / 12
    assert row["closed"] == pytest.approx(share, abs=0.1)
    assert (tmp_path / "made_everyday_confusion.png").is_file()
    swapped = [
        c.with_(label="klatscht" if c.label == "hockt" else "hockt") for c in clips if c.label != "steht auf"
    ]
    assert measure.measure("made", swapped, "everyday", tmp_path)["closed"] < 40
    del measure.MAPS["made"]


def test_development_is_apart(tools: tuple) -> None:
    clip = make_everyday_clip("walk", 0)
    inside = tools[1].in_development
    assert inside("nw-ucla", clip.with_(info={"view": 2})) and not inside(
        "nw-ucla", clip.with_(info={"view": 3})
    )
    assert inside("utd-mhad", clip.with_(info={"subject": 1})) and not inside(
        "utd-mhad", clip.with_(info={"subject": 2})
    )
    assert not inside("weizmann", clip)


def test_parts_of_a_recording(tools: tuple) -> None:
    whole = Skeleton(np.arange(30.0).reshape(1, 10, 1, 3), None, one_joint(), 10.0)
    part = tools[1].between(whole, -3, 4, "fall")
    assert part.n_frames == 4 and part.label == "fall" and part.xyz[0, 0, 0, 0] == 0


def one_joint():
    from skelact.layouts import SkeletonLayout

    return SkeletonLayout("one", ("head",), (-1,))
