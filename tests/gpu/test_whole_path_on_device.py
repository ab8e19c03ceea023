"""Sets, batches, training, continuation and commands on a device."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch

from skelact.cli import run
from skelact.datasets.gather import SAMPLINGS, Sampling
from skelact.datasets.pipeline import Augment, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_set, write_ntu_folder
from skelact.models import STGCNSettings
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.training.loop import fit
from skelact.training.settings import TrainSettings

PIPELINE = Pipeline(Sampling(n_frames=16), augment=Augment(rotate=0.2))
EPOCHS = 3


@pytest.fixture(scope="module")
def data() -> SkeletonSet:
    actions = ("wave", "kick", "shake_hands")
    made = make_set(actions=actions, subjects=(1, 2), repetitions=(1, 2), cameras=(2,))
    return SkeletonSet.from_skeletons(list(made))


@pytest.mark.parametrize("kind", SAMPLINGS)
def test_gather(device: torch.device, data: SkeletonSet, kind: str) -> None:
    pipeline, clips = Pipeline(Sampling(kind, n_frames=16)), torch.arange(len(data))
    expected, ours = pipeline(data, clips), pipeline(data.to(device), clips)
    assert ours.x.device == ours.owner.device == ours.label.device == device
    there = (ours.score > 0).flatten(1).any(1).cpu()  # on a GPU, people who are never there stay in
    here = (expected.score > 0).flatten(1).any(1)
    assert torch.equal(ours.owner.cpu()[there], expected.owner[here])
    assert torch.allclose(ours.x.cpu()[there], expected.x[here], atol=1e-5)
    assert torch.allclose(ours.score.cpu()[there], expected.score[here], atol=1e-5)


def test_gather_waits_for_nothing(
    device: torch.device, data: SkeletonSet, no_waiting: Callable[[], AbstractContextManager[None]]
) -> None:
    data, generator = data.to(device), torch.Generator(device).manual_seed(0)
    clips = torch.arange(len(data))
    first = PIPELINE(data, clips, training=True, generator=generator)  # constants are made once
    with no_waiting():
        second = PIPELINE(data, clips, training=True, generator=generator)
    assert second.n_clips == first.n_clips and not torch.equal(second.x, first.x)


def train(
    data: SkeletonSet, folder: Path, device: torch.device, stop_after: int = 0
) -> dict[str, torch.Tensor]:
    settings = TrainSettings(
        epochs=EPOCHS, batch_size=4, lr=0.02, warmup_epochs=1, ema=0.9, device=str(device),
        precision="bf16-mixed" if device.type == "cuda" else "32-true",
    )  # fmt: skip
    torch.manual_seed(0)
    model = STGCNSettings(channels=(16, 16), stride_blocks=(1,), dropout=0.1).build(data.layout, 3, 3)
    card = Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {})

    def on_epoch(record: dict[str, float]) -> None:
        if record["epoch"] == stop_after:
            raise KeyboardInterrupt

    order = torch.arange(len(data))
    fit(model, data, order[3:], order[:3], PIPELINE, settings, folder, card, on_epoch=on_epoch)
    return load_checkpoint(folder)[0]


def test_a_training_that_was_stopped_continues(
    device: torch.device, data: SkeletonSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device.type == "cuda":
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        whole = train(data, tmp_path / "whole", device)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "stopped", device, stop_after=1)
        continued = train(data, tmp_path / "stopped", device)
    finally:
        torch.use_deterministic_algorithms(False)
    tolerance = 0.0 if device.type == "cpu" else 1e-4  # some sums on a GPU have no order
    for name, value in whole.items():
        if value.is_floating_point():
            assert float((continued[name] - value).abs().max()) <= tolerance * float(value.abs().max()), name
    records = [
        [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in _records(tmp_path / name)]
        for name in ("whole", "stopped")
    ]
    assert len(records[0]) == EPOCHS and [r["lr"] for r in records[0]] == [r["lr"] for r in records[1]]


def _records(folder: Path) -> list[str]:
    state = torch.load(folder / "last.pt", weights_only=True)
    return [json.dumps(record) for record in state["history"]]


@pytest.mark.slow
def test_commands(device: torch.device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """train, evaluate and predict on the device; evaluate gives the CPU's figures."""
    raw, dataset = tmp_path / "raw", tmp_path / "set.h5"
    write_ntu_folder(raw, actions=("wave", "kick"), subjects=(1, 2, 3, 4), repetitions=(1,), cameras=(2,))
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "name: tiny\nmodel: {channels: [16, 16], stride_blocks: [1]}\npipeline: {sampling: {n_frames: 16}}\n"
        "train: {epochs: 2, batch_size: 4, device: cpu}\n"
    )

    def skelact(*words: object) -> dict:
        capsys.readouterr()
        assert run([*map(str, words), "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    skelact("convert", raw, "--out", dataset, "--split", 0.5, 0.25, 0.25)
    skelact("train", config, "--data", dataset, "--out", tmp_path / "runs", "--device", device)
    checkpoint, figures = tmp_path / "runs" / "tiny", []
    for where in ("cpu", device):
        out = tmp_path / f"report-{where}".replace(":", "")
        skelact("evaluate", checkpoint, dataset, "--out", out, "--device", where)
        figures.append(json.loads((out / "metrics.json").read_text()))
    assert figures[0]["top1"] == figures[1]["top1"]
    source = next(raw.glob("*.skeleton"))
    done = skelact("predict", checkpoint, source, "--out", tmp_path / "predicted", "--device", device)
    assert done["failed"] in (0, [], {})
