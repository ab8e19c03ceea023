"""Training of segmentation networks: exactly resumable, and every setting matters."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from untrimmed import write_set

from skelact.commands.segment import make_card
from skelact.datasets.augment import Augment
from skelact.datasets.frame_input import FrameInput, FrameLabels, FrameTarget
from skelact.datasets.frame_parts import choose_recordings
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import CheckpointError, ConfigError, SkelactError
from skelact.models.segmentation import GRUSegmenterSettings, MSTCNSettings
from skelact.recognition.checkpoint import load_checkpoint
from skelact.recognition.segmentation import Segmenter
from skelact.training.segmentation.loop import fit_segmentation
from skelact.training.segmentation.settings import (
    FrameParts,
    FrameTraining,
    SegmentExperiment,
    dump_segment_config,
    load_segment_config,
)

SMALL = SegmentExperiment(
    data=FrameParts(val="a3"),
    input=FrameInput(fps=10, window=4, augment=Augment(rotate=0, turn=0.1, scale=0.1)),
    model=MSTCNSettings(channels=(8,), stages=2, layers=3, width=8, causal=True),
    train=FrameTraining(
        epochs=3, batch_size=3, lr=0.01, warmup_epochs=1, ema=0.5, eval_every=2, device="cpu"
    ),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SkeletonSet:
    return SkeletonSet.open(write_set(tmp_path_factory.mktemp("set") / "a.h5"))


def fit(data: SkeletonSet, experiment: SegmentExperiment, folder: Path, **more: Any) -> Any:
    torch.manual_seed(experiment.train.seed)
    labels = FrameLabels(data, experiment.target)
    part, val = choose_recordings(data, "user/train", experiment.data.val)
    model = experiment.model.build(data.layout, len(labels.names), experiment.input.channels(data.dims))
    return fit_segmentation(
        model, data, part, val, labels, experiment, folder, make_card(experiment, data), **more
    )


def test_a_stopped_run_goes_on_exactly(data: SkeletonSet, tmp_path: Path) -> None:
    whole = fit(data, SMALL, tmp_path / "whole")

    def stop(record: dict[str, float]) -> None:
        if record["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(data, SMALL, tmp_path / "parts", on_epoch=stop)
    done: list[int] = []
    parts = fit(data, SMALL, tmp_path / "parts", on_continue=done.append)
    assert done == [2]
    one, other = (load_checkpoint(tmp_path / name)[0] for name in ("whole", "parts"))
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert [{**r, "seconds": 0} for r in whole.history] == [{**r, "seconds": 0} for r in parts.history]
    assert "val_f1" in whole.history[1] and "val_f1" not in whole.history[0] and "val_f1" in whole.history[2]
    with pytest.raises(CheckpointError, match=re.escape("train.lr: 0.01 then, 0.02 now")):
        fit(data, replace(SMALL, train=replace(SMALL.train, lr=0.02)), tmp_path / "parts")
    again = fit(data, replace(SMALL, train=replace(SMALL.train, lr=0.02)), tmp_path / "parts", restart=True)
    assert again.history[0]["epoch"] == 1


@pytest.mark.slow
def test_every_training_setting_matters(data: SkeletonSet, tmp_path: Path) -> None:
    short = replace(SMALL, train=replace(SMALL.train, epochs=2, keep="last"))
    fit(data, short, tmp_path / "plain")
    before, card = load_checkpoint(tmp_path / "plain")
    changes: dict[str, Any] = {
        "epochs": 1, "batch_size": 2, "lr": 0.02, "weight_decay": 0.5, "warmup_epochs": 0.0, "clip_norm": 0.01,
        "ema": 0.0, "smoothing": 2.0, "limit": 0.05, "balance": 1.0, "seed": 1,
    }  # fmt: skip
    others = {"eval_every", "keep", "device"}
    assert set(changes) | others == {f.name for f in fields(FrameTraining)}
    for name, value in changes.items():
        fit(data, replace(short, train=replace(short.train, **{name: value})), tmp_path / name)
        after = load_checkpoint(tmp_path / name)[0]
        assert any(not torch.equal(before[k], after[k]) for k in before), name
    assert card.trained["epoch"] == 2 and set(card.label_names) == {"down", "left", "right"}
    best = replace(SMALL, train=replace(SMALL.train, keep="best", eval_every=1, epochs=4, lr=0.05))
    outcome = fit(data, best, tmp_path / "best")
    values = [r["val_f1"] for r in outcome.history]
    assert values[outcome.best_epoch - 1] == max(values)
    for wrong in (
        {"epochs": 0}, {"lr": 0}, {"ema": 1.0}, {"balance": 2}, {"keep": "all"}, {"clip_norm": -1}, {"device": "tpu"},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            replace(SMALL.train, **wrong)


def test_a_loss_that_is_no_number_stops(data: SkeletonSet, tmp_path: Path) -> None:
    with pytest.raises(SkelactError, match=r"lower train\.lr"):
        fit(
            data,
            replace(SMALL, train=replace(SMALL.train, lr=1e30, clip_norm=0, warmup_epochs=0)),
            tmp_path / "x",
        )


def test_the_checkpoint_says_what_it_needs(data: SkeletonSet, tmp_path: Path) -> None:
    late = replace(
        SMALL, target=FrameTarget(background="down", delay=0.2), model=GRUSegmenterSettings(hidden=8)
    )
    fit(data, late, tmp_path / "run")
    segmenter = Segmenter.load(tmp_path / "run", "cpu")
    assert segmenter.target == late.target and segmenter.shown == late.input and segmenter.model.causal
    scores = segmenter.scores(data, 0)
    assert scores.probability.shape == (240, 3) and scores.at_samples.shape == (120, 3)
    at = int((scores.times[100] + 0.2) * 10 + 1e-6)  # what is known 0.2 s later
    assert (scores.probability[100] == scores.at_samples[at]).all()
    assert ((scores.known >= scores.sampled - 1e-9) & (scores.known < scores.sampled + 0.051)).all()
    segmenter.check(data, "a.h5")
    with pytest.raises(CheckpointError, match="unit 'unknown'"):
        segmenter.card.unit = "m"
        segmenter.check(data, "a.h5")


def test_configuration_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(dump_segment_config(SMALL))
    assert load_segment_config(path) == SMALL
    values = yaml.safe_load(path.read_text())
    values["input"]["windw"] = 3
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match="Did you mean 'window'"):
        load_segment_config(path)
