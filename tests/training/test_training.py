"""Training: learns, repeats exactly, continues exactly, saves whole files, says what is wrong."""

from __future__ import annotations

import copy
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Augment, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_set
from skelact.errors import CheckpointError, ConfigError, SkelactError
from skelact.models import STGCNSettings
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.training.loop import fit
from skelact.training.losses import class_weights
from skelact.training.optimise import WeightAverage, learning_rate, make_optimiser
from skelact.training.order import epoch_order
from skelact.training.overfit import check_overfit
from skelact.training.settings import TrainSettings

PIPELINE = Pipeline(Sampling(n_frames=16), augment=Augment(rotate=0.2))
SETTINGS = STGCNSettings(channels=(16, 16), stride_blocks=(1,), dropout=0.1)


@pytest.fixture(scope="module")
def data() -> SkeletonSet:
    actions = ("wave", "kick", "sit_down", "shake_hands")
    made = make_set(actions=actions, subjects=(1, 2, 3), repetitions=(1, 2), cameras=(2,))
    return SkeletonSet.from_skeletons(list(made))


def card(data: SkeletonSet, **config) -> Card:
    return Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {}, config=config)


def run(data: SkeletonSet, folder: Path, epochs: int, ahead: int = 2, on_step=None, **changes):
    usual = {"epochs": epochs, "batch_size": 8, "lr": 0.05, "warmup_epochs": 1, "ema": 0.9}
    settings = TrainSettings(**{**usual, **changes})
    torch.manual_seed(0)
    model = SETTINGS.build(data.layout, 4, 3)
    order = torch.arange(len(data))
    return fit(
        model, data, order[6:], order[:6], PIPELINE, settings, folder, card(data, epochs=4), ahead=ahead,
        on_step=on_step,
    )  # fmt: skip


def same_weights(a: Path, b: Path) -> bool:
    one, two = load_checkpoint(a)[0], load_checkpoint(b)[0]
    return all(torch.equal(one[k], two[k]) for k in one) and set(one) == set(two)


def test_learns_and_repeats(data: SkeletonSet, tmp_path: Path) -> None:
    first, second = (run(data, tmp_path / name, 4) for name in "ab")
    assert first.history[-1]["train_loss"] < first.history[0]["train_loss"]
    strip = [{k: v for k, v in r.items() if k != "seconds"} for r in first.history]
    assert strip == [{k: v for k, v in r.items() if k != "seconds"} for r in second.history]
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "metrics.csv").read_text().count("\n") == 5
    assert not [p for p in (tmp_path / "a").iterdir() if p.name.endswith(".tmp")]


def test_the_last_weights_or_the_best_are_kept(data: SkeletonSet, tmp_path: Path) -> None:
    last = run(data, tmp_path / "last", 6, keep="last", lr=0.5)  # so fast that it gets worse again
    best = run(data, tmp_path / "best", 6, keep="best", lr=0.5)
    assert [r["train_loss"] for r in last.history] == [r["train_loss"] for r in best.history]
    scores = [r["val_top1"] for r in best.history]
    assert last.best_epoch == 6 and scores[best.best_epoch - 1] == max(scores)
    average = torch.load(tmp_path / "last" / "last.pt", weights_only=True)["average"]
    state, _ = load_checkpoint(tmp_path / "last")
    assert all(torch.equal(state[k], v) for k, v in average.items())


def test_batches_made_ahead_change_nothing(data: SkeletonSet, tmp_path: Path) -> None:
    for ahead in (0, 1, 4):
        result = run(data, tmp_path / str(ahead), 2, ahead=ahead)
        assert 0 < result.waited < result.seconds
    assert same_weights(tmp_path / "0", tmp_path / "1") and same_weights(tmp_path / "0", tmp_path / "4")


def test_interrupted_run_continues_exactly(data: SkeletonSet, tmp_path: Path) -> None:
    run(data, tmp_path / "whole", 4)

    class Killed(BaseException):
        pass

    def stop(epoch: int, step: int, steps: int, loss: float) -> None:
        if epoch == 3 and step == 2:
            raise Killed

    settings = TrainSettings(epochs=4, batch_size=8, lr=0.05, warmup_epochs=1, ema=0.9)
    torch.manual_seed(0)
    order = torch.arange(len(data))
    with pytest.raises(Killed):
        fit(
            SETTINGS.build(data.layout, 4, 3), data, order[6:], order[:6], PIPELINE, settings, tmp_path / "cut",
            card(data, epochs=4), on_step=stop,
        )  # fmt: skip
    torch.manual_seed(99)  # the continuing process starts elsewhere
    model = SETTINGS.build(data.layout, 4, 3)
    fit(model, data, order[6:], order[:6], PIPELINE, settings, tmp_path / "cut", card(data, epochs=4))
    assert same_weights(tmp_path / "whole", tmp_path / "cut")


def test_an_interrupt_ends_the_training_after_the_step_in_hand(data: SkeletonSet, tmp_path: Path) -> None:
    before, steps = signal.signal(signal.SIGINT, signal.default_int_handler), []

    def press(epoch: int, step: int, n_steps: int, loss: float) -> None:
        steps.append((epoch, step))
        if (epoch, step) == (2, 1):
            signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path, 3, on_step=press)
    finally:
        signal.signal(signal.SIGINT, before)
    assert steps[-1] == (2, 1) and steps[-2][1] > 1
    assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == 1


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_precisions_learn_too(data: SkeletonSet, tmp_path: Path, precision: str) -> None:
    result = run(data, tmp_path, 3, precision=precision)
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert all(math.isfinite(v) for v in result.history[-1].values())


def test_other_configuration_is_not_continued(data: SkeletonSet, tmp_path: Path) -> None:
    run(data, tmp_path, 1)
    order = torch.arange(len(data))
    with pytest.raises(CheckpointError, match=r"epochs: 4 then, 9 now"):
        model = SETTINGS.build(data.layout, 4, 3)
        fit(model, data, order, None, PIPELINE, TrainSettings(), tmp_path, card(data, epochs=9))


def test_loss_that_explodes_is_said(data: SkeletonSet, tmp_path: Path) -> None:
    with pytest.raises(SkelactError, match=r"the loss became .* lower train\.lr"):
        run(data, tmp_path, 4, lr=1e30, clip_norm=0.0)


def test_nothing_to_train_on(data: SkeletonSet, tmp_path: Path) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ConfigError, match="no clips"):
        fit(
            SETTINGS.build(data.layout, 4, 3),
            data,
            none,
            None,
            PIPELINE,
            TrainSettings(),
            tmp_path,
            card(data),
        )


def test_overfit_check_passes_a_sound_network(data: SkeletonSet) -> None:
    model = STGCNSettings(channels=(16, 16), stride_blocks=(1,)).build(data.layout, 4, 3)
    assert check_overfit(model, data, torch.arange(len(data)), PIPELINE, TrainSettings(), 8)[0]


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_learning_rate(schedule: str) -> None:
    settings = TrainSettings(epochs=10, lr=1.0, warmup_epochs=2, schedule=schedule, milestones=(5, 8))  # type: ignore[arg-type]
    rates = [learning_rate(settings, e / 10) for e in range(100)]
    assert max(rates) <= 1 and rates[0] < 0.01 and math.isclose(rates[20], 1.0, abs_tol=1e-2)
    assert rates[:21] == sorted(rates[:21]) and rates[20:] == sorted(rates[20:], reverse=True)
    if schedule == "step":
        assert math.isclose(rates[60], 0.1) and math.isclose(rates[90], 0.01)


def test_order_covers_everything_once_and_shares_it_out() -> None:
    clips, labels = torch.arange(10, 31), torch.arange(21) % 3
    settings = TrainSettings(seed=3)
    assert sorted(epoch_order(clips, labels, settings, 0, 0, 1).tolist()) == list(range(10, 31))
    parts = [epoch_order(clips, labels, settings, 0, r, 2) for r in range(2)]
    assert len(parts[0]) == len(parts[1]) == 11 and set(torch.cat(parts).tolist()) == set(range(10, 31))
    assert not torch.equal(
        epoch_order(clips, labels, settings, 0, 0, 1), epoch_order(clips, labels, settings, 1, 0, 1)
    )
    rare = torch.tensor([0] * 90 + [1] * 10)
    drawn = epoch_order(torch.arange(100), rare, TrainSettings(class_balance="sampler", repeat=20), 0, 0, 1)
    assert 0.4 < (drawn >= 90).float().mean() < 0.6
    assert class_weights(rare, 3).tolist() == pytest.approx([0.2, 1.8, 0.0])


def test_moving_average_and_decay_groups() -> None:
    model = torch.nn.Linear(2, 2)
    average = WeightAverage(model, 0.5)
    start = average.state["weight"].clone()
    with torch.no_grad():
        model.weight += 1
    average.update(model)
    assert torch.allclose(average.state["weight"], start + 1 - min(0.5, 2 / 11))
    groups = make_optimiser(model, TrainSettings(weight_decay=0.1)).param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.1), (1, 0.0)]


SCRIPT = """
import os, sys, torch
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_training as t
made = t.make_set(actions=("wave", "kick"), subjects=(1, 2), repetitions=(1,), cameras=(2,))
data = t.SkeletonSet.from_skeletons(list(made))
torch.manual_seed(0)
order = torch.arange(len(data))
result = t.fit(t.SETTINGS.build(data.layout, 2, 3), data, order, order, t.PIPELINE,
               t.TrainSettings(epochs=2, batch_size=2, device="cpu"), Path({out!r}), t.card(data))
Path({out!r}, "rank" + os.environ["RANK"]).write_text(str([row["val_top1"] for row in result.history]))
"""


@pytest.mark.slow
def test_two_processes_through_torchrun(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), out=str(tmp_path / "run")))
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = [json.loads((tmp_path / "run" / f"rank{rank}").read_text()) for rank in range(2)]
    assert len(told[0]) == 2 and told[0] == told[1]  # both processes agree on the validation figures
    state, _ = load_checkpoint(tmp_path / "run")
    assert all(torch.isfinite(v.float()).all() for v in state.values())


def test_a_run_that_begins_again_forgets_the_old_state_at_once(data: SkeletonSet, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"  # folders are made as needed
    run(data, folder, 1)
    assert (folder / "last.pt").exists()

    def stop(*_: object) -> None:
        raise ValueError("stopped in the first step")

    model = SETTINGS.build(data.layout, 4, 3)
    order = torch.arange(len(data))
    with pytest.raises(ValueError, match="first step"):
        fit(
            model, data, order[6:], order[:6], PIPELINE, TrainSettings(epochs=1, batch_size=8), folder,
            card(data, epochs=4), restart=True, on_step=stop,
        )  # fmt: skip
    assert not (folder / "last.pt").exists()


def test_the_overfit_check_takes_plain_steps(data: SkeletonSet) -> None:
    torch.manual_seed(3)
    model = STGCNSettings(channels=(8,), stride_blocks=()).build(data.layout, 4, 3)
    other = copy.deepcopy(model)
    told: list[float] = []
    check_overfit(
        model,
        data,
        torch.arange(len(data)),
        PIPELINE,
        TrainSettings(),
        4,
        4,
        lambda *words: told.append(words[2]),
    )
    first = [int((data.labels == k).nonzero()[0, 0]) for k in range(4)]  # one clip of every class
    batch = PIPELINE(data, torch.tensor(first))
    optimiser = torch.optim.AdamW(other.train().parameters(), lr=2e-3)
    losses = []
    for _ in range(4):
        logits = other(batch.x, batch.owner, batch.score, batch.n_clips)
        value = torch.nn.functional.cross_entropy(logits, batch.label)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(float(value.detach()))
    assert told == pytest.approx(losses, rel=1e-4)


def test_defaults_are_those_that_are_described() -> None:
    settings = TrainSettings()
    assert (settings.epochs, settings.batch_size, settings.lr, settings.momentum) == (60, 32, 0.05, 0.9)
    assert (settings.weight_decay, settings.gamma, settings.milestones) == (5e-4, 0.1, (35, 55))
    assert (settings.warmup_epochs, settings.label_smoothing, settings.clip_norm) == (3.0, 0.1, 1.0)
    assert (settings.ema, settings.balance_beta, settings.focal_gamma) == (0.99, 0.999, 2.0)
    assert (settings.seed, settings.sync_norm, settings.freeze, settings.layer_decay) == (0, False, 0, 1.0)
    augment = Augment()
    assert (augment.rotate, augment.scale) == (0.3, 0.1)
    assert {v for k, v in vars(augment).items() if k not in ("rotate", "scale")} == {0.0}


def test_the_warm_up_is_linear() -> None:
    settings = TrainSettings(epochs=10, lr=1.0, warmup_epochs=2)
    rates = [learning_rate(settings, e / 10) for e in range(20)]
    assert rates[0] == pytest.approx(1e-3 / 2.001) and rates[10] == pytest.approx(1.001 / 2.001)
    assert max(rates) < 1
