"""The script that trains on rendered people: it trains and tests, keeps its rows, and knows every network."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from skelact.models.video import VIDEO_MODELS
from skelact.recognition.engine import call_model
from skelact.settings import from_plain, to_plain

SMALL = ["--subjects", "2", "--repetitions", "1", "--epochs", "1", "--workers", "1"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "tools"))
        people = importlib.import_module("rendered_people")
        patch.setattr(people, "ACTIONS", ("pick_up", "wave", "push"))
        yield importlib.import_module("train_rendered")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the script's rendered clips are."""
    return tmp_path_factory.mktemp("rendered")


@pytest.mark.slow
def test_one_network_is_trained_and_tested_once(
    script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.main([str(folder), "single_frame", *SMALL])
    (row,) = json.loads((folder / "rendered.json").read_text())
    assert row["network"] == "single_frame" and row["clips"] == [3, 3] and row["epochs"] == 1
    assert "| `single_frame` | rgb |" in (folder / "rendered.md").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(script, "train_one", lambda *_: pytest.fail("what has a row was trained again"))
        patch.setattr(
            script.load_rendered.__globals__["np"], "savez", lambda *_, **__: pytest.fail("rendered again")
        )
        script.main([str(folder), "single_frame", *SMALL])
    script.main([str(folder), "single_frame", *SMALL, "--seed", "1"])
    assert [r["seed"] for r in json.loads((folder / "rendered.json").read_text())] == [0, 1]


def test_pictures_follow_the_person_and_test_bodies_are_never_seen(script: ModuleType, folder: Path) -> None:
    data = script.load_rendered(folder, script.Size(2, 1))
    train, test = script.divide(data)
    of = lambda part: {data.infos[i]["subject"] for i in part.tolist()}  # noqa: E731
    assert of(train) == {1} and of(test) == {2} and len(train) + len(test) == len(data.labels)
    for name in ("rgb", "grey", "flow"):
        kept = data.pictures[script.picture_input(stream=name).kept_as(name)]
        assert kept.length.tolist() == data.n_frames.tolist() and len(kept.frames) == int(kept.length.sum())
    batch = script.experiment_of("patch_as_node").pipeline(data, torch.arange(len(data.labels)))
    places = batch.places["rgb"]
    assert places.there.float().mean() > 0.9
    xy = places.xy[places.there]
    assert ((xy > -0.05) & (xy < 1.05)).float().mean() > 0.98  # the joints are in the picture that is seen


def test_rendering_goes_on_where_it_stopped(script: ModuleType, folder: Path, tmp_path: Path) -> None:
    size = script.Size(2, 1)
    script.load_rendered(folder, size)
    people = script.load_rendered.__globals__
    first, second = people["render_all"](folder, size, 1)
    (tmp_path / size.name).mkdir()
    (tmp_path / size.name / first.name).write_bytes(first.read_bytes())
    kept = (tmp_path / size.name / first.name).stat()
    again = people["render_all"](tmp_path, size, 1)
    assert [file.name for file in again] == [first.name, second.name]
    assert again[0].stat() == kept  # not rendered again
    with np.load(second) as one, np.load(again[1]) as other:
        assert len(one["length"]) == 3
        for key in ("length", "frames", "regions", "flow"):  # nor does a body depend on those before it
            assert np.array_equal(one[key], other[key])


def test_every_family_has_a_network_and_every_network_its_plain_settings(script: ModuleType) -> None:
    assert len(script.SMALLEST) == len(VIDEO_MODELS) - 1  # torchvision's own are left out
    for name in script.NETWORKS:
        experiment = script.experiment_of(name)
        assert from_plain(type(experiment), to_plain(experiment), name) == experiment


def test_networks_may_stand_behind_options(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(script, "load_rendered", lambda *_: None)
    monkeypatch.setattr(script, "divide", lambda *_: ([], []))
    monkeypatch.setattr(script, "train_one", lambda experiment, *_: asked.append(experiment.name) or {})
    monkeypatch.setattr(script, "table_of", lambda rows: "row")
    script.main([str(tmp_path), "--workers", "1", "tsn", "c3d", "--epochs", "1"])
    assert asked == ["tsn", "c3d"]


def test_unknown_networks_are_refused(script: ModuleType, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        script.main(["nowhere", "resnet3d_19"])
    assert "there is no network 'resnet3d_19'" in capsys.readouterr().err


@pytest.mark.slow
def test_every_network_takes_a_step(script: ModuleType, folder: Path) -> None:
    data = script.load_rendered(folder, script.Size(2, 1))
    for name in script.NETWORKS:
        experiment = script.experiment_of(name)
        pipeline = experiment.pipeline
        model = experiment.model.build(
            data.layout, len(data.label_names), pipeline.channels(3), pipeline.picture_channels()
        )
        before = {key: value.clone() for key, value in model.named_parameters()}
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):  # of the first, weights that begin at 0 keep others' gradients at 0
            batch = pipeline(data, torch.arange(4), training=True, generator=torch.Generator().manual_seed(0))
            loss = torch.nn.functional.cross_entropy(call_model(model.train(), batch), batch.label)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert loss.isfinite(), name
        moved = [key for key, value in model.named_parameters() if not torch.equal(value, before[key])]
        assert len(moved) > 0.8 * len(before), (name, set(before) - set(moved))
