"""Every setting of training does what it says: the same weights as a plain loop written by hand, and others without."""

from __future__ import annotations

import copy
import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Augment, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_set
from skelact.errors import ConfigError
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.recognition.engine import predict_logits
from skelact.training import loop
from skelact.training.loop import FitResult, fit
from skelact.training.order import epoch_order
from skelact.training.overfit import check_overfit
from skelact.training.settings import TrainSettings

SAME_ALWAYS = Pipeline(Sampling(n_frames=4, crop=(1.0, 1.0)), augment=Augment(rotate=0, scale=0))
PLAIN = {
    "epochs": 3, "batch_size": 4, "lr": 0.2, "momentum": 0.0, "weight_decay": 0.0, "warmup_epochs": 0.0,
    "label_smoothing": 0.0, "clip_norm": 0.0, "ema": 0.0, "seed": 1,
}  # fmt: skip


class Tiny(nn.Module):
    """Two stages and a classifier on the clip's mean position; says how it was called."""

    def __init__(self, own_loss: bool = False) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.norm = nn.BatchNorm1d(3)
        self.hidden = nn.Linear(3, 5)
        self.head = nn.Linear(5, 3)
        self.own_loss = own_loss
        self.shares: list[float] = []
        self.dtypes: set[tuple[torch.dtype, torch.dtype]] = set()

    def forward(self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int) -> Tensor:
        pooled = x.new_zeros(n_clips, 3).index_add(0, owner, x[:, :, :12].mean((1, 2)))
        logits = self.head(torch.tanh(self.hidden(self.norm(pooled))))
        if self.training:
            self.dtypes.add((self.head.weight.dtype, logits.dtype))
        return logits

    def extra_loss(self, label: Tensor) -> Tensor | None:
        return 0.3 * self.hidden.weight.square().sum() + 0.1 * label.sum() if self.own_loss else None

    def set_progress(self, share: float) -> None:
        self.shares.append(share)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [("norm", [self.norm]), ("hidden", [self.hidden]), ("head", [self.head])]


@pytest.fixture(scope="module")
def data() -> SkeletonSet:
    made = list(
        make_set(actions=("wave", "kick", "sit_down"), subjects=(1, 2, 3), repetitions=(1,), cameras=(2,))
    )
    kicks = [clip for clip in made if clip.label == "kick"]
    return SkeletonSet.from_skeletons([*(clip for clip in made if clip.label != "kick"), *kicks[:2]])


def train(
    data: SkeletonSet,
    folder: Path,
    *,
    model: Tiny | None = None,
    validate: bool = False,
    on_step=None,
    on_epoch=None,
    **changes,
) -> tuple[FitResult, dict[str, Tensor], Tiny]:
    """Result, saved weights and network of one run."""
    model = model or Tiny()
    card = Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {})
    clips = torch.arange(len(data))
    settings = TrainSettings(**{**PLAIN, **changes})
    result = fit(
        model, data, clips, clips if validate else None, SAME_ALWAYS, settings, folder, card, on_step=on_step,
        on_epoch=on_epoch,
    )  # fmt: skip
    return result, load_checkpoint(folder)[0], model


def by_hand(data: SkeletonSet, own_loss: bool = False, **changes) -> dict[str, Tensor]:
    """The weights that the settings' own words lead to; plain SGD, formula by formula."""
    s = TrainSettings(**{**PLAIN, **changes})
    model, clips = Tiny(), torch.arange(len(data))
    model.train()
    counts = torch.bincount(data.labels, minlength=3).float()
    weight = 3 * (1 / counts) / (1 / counts).sum() if s.class_balance == "loss" else torch.ones(3)
    depth = {"norm": 2, "hidden": 1, "head": 0}
    speed = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    average = {k: v.clone() for k, v in model.state_dict().items()}
    updates = 0
    for epoch in range(s.epochs):
        parts = epoch_order(clips, data.labels, s, epoch, 0, 1).split(s.batch_size)
        for step, part in enumerate(parts):
            done = epoch + step / len(parts)
            if done < s.warmup_epochs:
                rate = s.lr * (done + 1e-3) / (s.warmup_epochs + 1e-3)
            elif s.schedule == "step":
                rate = s.lr * s.gamma ** len([m for m in s.milestones if m <= done])
            else:
                rate = (
                    s.lr
                    * (1 + math.cos(math.pi * (done - s.warmup_epochs) / (s.epochs - s.warmup_epochs)))
                    / 2
                )
            batch = SAME_ALWAYS(data, part)
            log = model(batch.x, batch.owner, batch.score, batch.n_clips).log_softmax(1)
            target = functional.one_hot(batch.label, 3) * (1 - s.label_smoothing) + s.label_smoothing / 3
            loss = -(target * log * weight).sum() / weight[batch.label].sum()
            if own_loss:
                loss = loss + 0.3 * model.hidden.weight.square().sum()
            model.zero_grad()
            loss.backward()
            slopes = {name: p.grad for name, p in model.named_parameters()}
            norm = math.sqrt(sum(float(g.square().sum()) for g in slopes.values()))
            shrink = min(1.0, s.clip_norm / norm) if s.clip_norm else 1.0
            with torch.no_grad():
                for name, p in model.named_parameters():
                    slope = slopes[name] * shrink + (s.weight_decay * p if p.ndim > 1 else 0)
                    speed[name] = s.momentum * speed[name] + slope
                    nesterov = slope + s.momentum * speed[name]
                    p -= rate * s.layer_decay ** depth[name.split(".")[0]] * nesterov
                updates += 1
                decay = min(s.ema, (1 + updates) / (10 + updates))
                for name, value in model.state_dict().items():
                    average[name] = decay * average[name] + (1 - decay) * value
    return average if s.ema else model.state_dict()


def floats(state: dict[str, Tensor]) -> Tensor:
    return torch.cat([v.flatten().double() for k, v in sorted(state.items()) if not k.endswith("tracked")])


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": 0.1}, {"momentum": 0.9}, {"weight_decay": 0.1}, {"warmup_epochs": 1.5}, {"label_smoothing": 0.4},
        {"schedule": "step", "milestones": (1, 2), "gamma": 0.2}, {"class_balance": "loss"},
        {"class_balance": "sampler"}, {"clip_norm": 0.1}, {"ema": 0.3}, {"layer_decay": 0.5}, {"repeat": 2},
        {"batch_size": 3}, {"epochs": 2}, {"seed": 2},
    ],
    ids=lambda changes: next(iter(changes)) + "=" + str(next(iter(changes.values()))),
)  # fmt: skip
def test_a_setting_leads_to_the_weights_of_its_formula(
    data: SkeletonSet, tmp_path: Path, changes: dict
) -> None:
    expected = floats(by_hand(data, **changes))
    assert (expected - floats(by_hand(data))).abs().max() > 1e-3  # else the test could not tell
    _, state, _ = train(data, tmp_path, **changes)
    assert torch.allclose(floats(state), expected, atol=1e-5)


def test_a_familys_own_loss_is_added(data: SkeletonSet, tmp_path: Path) -> None:
    _, state, _ = train(data, tmp_path / "own", model=Tiny(own_loss=True))
    expected = floats(by_hand(data, own_loss=True))
    assert torch.allclose(floats(state), expected, atol=1e-5)
    assert (expected - floats(by_hand(data))).abs().max() > 1e-3


def test_adamw_is_adamw(data: SkeletonSet, tmp_path: Path) -> None:
    changes = {"epochs": 1, "batch_size": 100, "lr": 0.01, "weight_decay": 0.5}
    _, state, _ = train(data, tmp_path, optimiser="adamw", **changes)
    model = Tiny()
    batch = SAME_ALWAYS(data, torch.arange(len(data)))
    functional.cross_entropy(model(batch.x, batch.owner, batch.score, batch.n_clips), batch.label).backward()
    for name, p in model.named_parameters():  # the first step of Adam is the sign of the slope
        decayed = p * (1 - 0.01 * 0.5) if p.ndim > 1 else p
        large = p.grad.abs() > 1e-4
        assert torch.allclose(state[name][large], (decayed - 0.01 * p.grad.sign())[large], atol=1e-5)


def test_progress_is_told_before_every_epoch(data: SkeletonSet, tmp_path: Path) -> None:
    _, _, model = train(data, tmp_path, epochs=4)
    assert model.shares == [0, 0.25, 0.5, 0.75]


def test_repeat_shows_every_clip_so_often(data: SkeletonSet, tmp_path: Path) -> None:
    steps = []
    train(data, tmp_path, repeat=3, epochs=1, on_step=lambda _epoch, step, n, _loss: steps.append((step, n)))
    n = math.ceil(3 * len(data) / 4)
    assert steps == [(i + 1, n) for i in range(n)]
    order = epoch_order(torch.arange(5, 10), torch.arange(5), TrainSettings(repeat=3), 0, 0, 1)
    rounds = order.view(3, 5)
    assert all(sorted(r) == [5, 6, 7, 8, 9] for r in rounds.tolist()) and len(rounds.unique(dim=0)) > 1


@pytest.mark.parametrize(
    ("precision", "weight", "logits"),
    [
        ("32-true", torch.float32, torch.float32),
        ("bf16-mixed", torch.float32, torch.bfloat16),
        ("64-true", torch.float64, torch.float64),
    ],
)
def test_precision_is_that_of_the_arithmetic(
    data: SkeletonSet, tmp_path: Path, precision, weight, logits
) -> None:
    _, _, model = train(data, tmp_path, epochs=1, precision=precision)
    assert model.dtypes == {(weight, logits)}


@pytest.mark.parametrize(("there", "logits"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_bfloat16_where_the_device_has_instructions_for_it(
    data: SkeletonSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, logits: torch.dtype
) -> None:
    monkeypatch.setattr("skelact.training.fabric.has_bfloat16", lambda device: there and device.type == "cpu")
    _, _, model = train(data, tmp_path, epochs=1, precision="auto", device="cpu")
    assert model.dtypes == {(torch.float32, logits)}
    used = load_checkpoint(tmp_path)[1].trained["precision"]
    assert used == ("bf16-mixed" if there else "32-true")


def test_bfloat16_that_is_emulated_is_done_with_a_word(
    data: SkeletonSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("skelact.training.fabric.has_bfloat16", lambda device: False)
    _, _, model = train(data, tmp_path, epochs=1, precision="bf16-mixed", device="cpu")
    assert model.dtypes == {(torch.float32, torch.bfloat16)}
    assert "--train.precision auto" in caplog.text


def test_continuing_in_another_precision_is_said(
    data: SkeletonSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(record: dict[str, float]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("skelact.training.fabric.has_bfloat16", lambda device: True)
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path, epochs=2, precision="auto", device="cpu", on_epoch=stop)
    monkeypatch.setattr("skelact.training.fabric.has_bfloat16", lambda device: False)
    train(data, tmp_path, epochs=2, precision="auto", device="cpu")
    assert "was trained in bf16-mixed and goes on in 32-true" in caplog.text


def test_small_maps_are_guarded_in_bfloat16(
    data: SkeletonSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(device: torch.device, precision: str) -> AbstractContextManager:
        asked.append((device.type, precision))
        return nullcontext()

    for place in ("passes", "overfit"):
        monkeypatch.setattr(f"skelact.training.{place}.float32_small_maps", ask)
    train(data, tmp_path, epochs=1, precision="bf16-mixed", device="cpu")
    assert asked and set(asked) == {("cpu", "bf16-mixed")}
    asked.clear()
    settings = TrainSettings(precision="bf16-mixed", device="cpu")
    check_overfit(Tiny(), data, torch.arange(len(data)), SAME_ALWAYS, settings, 3, steps=1)
    assert asked == [("cpu", "bf16-mixed")]


def test_frozen_stages_keep_weights_and_norm_statistics(data: SkeletonSet, tmp_path: Path) -> None:
    start = Tiny().state_dict()
    for freeze, moved in ((0, {"norm", "hidden", "head"}), (1, {"hidden", "head"}), (-1, {"head"})):
        _, state, _ = train(data, tmp_path / str(freeze), freeze=freeze)
        changed = {k.split(".")[0] for k, v in state.items() if not torch.equal(v, start[k])}
        assert changed == moved
        statistics = [
            torch.equal(state[f"norm.{k}"], start[f"norm.{k}"]) for k in ("running_mean", "running_var")
        ]
        assert statistics == [freeze != 0] * 2


def test_looking_at_the_average_does_not_disturb_training(data: SkeletonSet, tmp_path: Path) -> None:
    states = []
    for validate in (False, True):
        folder = tmp_path / str(validate)
        train(data, folder, validate=validate, ema=0.9)
        states.append(torch.load(folder / "last.pt", weights_only=True))
    for kind in ("model", "average"):
        assert torch.equal(floats(states[0][kind]), floats(states[1][kind]))
    assert (floats(states[0]["model"]) - floats(states[0]["average"])).abs().max() > 1e-3


def test_validation_is_of_the_averaged_weights(data: SkeletonSet, tmp_path: Path) -> None:
    result, state, _ = train(data, tmp_path, validate=True, ema=0.9, keep="last")
    model, clips = Tiny(), torch.arange(len(data))
    losses = []
    for weights in (state, torch.load(tmp_path / "last.pt", weights_only=True)["model"]):
        model.load_state_dict(weights)
        logits = predict_logits(model, data, clips, SAME_ALWAYS)[:, 0]
        losses.append(float(functional.cross_entropy(logits, data.labels)))
        right = float((logits.argmax(1) == data.labels).float().mean())
        if weights is state:
            assert result.history[-1]["val_top1"] == pytest.approx(right)
    assert result.history[-1]["val_loss"] == pytest.approx(losses[0], abs=1e-5)
    assert abs(losses[0] - losses[1]) > 1e-3


def test_training_figures_are_means_over_clips(data: SkeletonSet, tmp_path: Path) -> None:
    losses = []
    result, _, _ = train(
        data, tmp_path, epochs=1, lr=1e-9, batch_size=3, on_step=lambda e, s, n, loss: losses.append(loss)
    )
    sizes = [len(part) for part in torch.arange(len(data)).split(3)]
    mean = sum(size * loss for size, loss in zip(sizes, losses, strict=True)) / sum(sizes)
    record = result.history[0]
    assert record["train_loss"] == pytest.approx(mean, abs=1e-6) and record["lr"] == pytest.approx(1e-9)
    right = 0
    model = Tiny().train()
    order = epoch_order(torch.arange(len(data)), data.labels, TrainSettings(**PLAIN), 0, 0, 1)
    for part in order.split(3):
        batch = SAME_ALWAYS(data, part)
        logits = model(batch.x, batch.owner, batch.score, batch.n_clips)
        right += int((logits.argmax(1) == batch.label).sum())
    assert record["train_top1"] == pytest.approx(right / len(data))


def test_validation_clips_without_a_label_are_left_out(
    data: SkeletonSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    card = Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {})
    partly, clips = copy.copy(data), torch.arange(len(data))
    partly.labels = data.labels.clone()
    partly.labels[2] = -1
    settings, labelled = TrainSettings(**{**PLAIN, "epochs": 1}), clips[clips != 2]
    histories = [
        fit(Tiny(), partly, labelled, val, SAME_ALWAYS, settings, tmp_path / str(len(val)), card).history
        for val in (labelled, clips)
    ]
    one, other = ({k: v for k, v in history[0].items() if k != "seconds"} for history in histories)
    assert one == other and "val_loss" in one and "1 validation clips have no label" in caplog.text


@pytest.mark.parametrize(
    ("keep", "shares", "best"),
    [("best", [0.2, 0.8, 0.5], 2), ("best", [0.8, 0.8, 0.1], 2), ("last", [0.8, 0.2, 0.1], 3)],
)
def test_the_epoch_that_is_kept_is_the_best_or_the_last(
    data: SkeletonSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, shares: list, best: int
) -> None:
    told = iter(shares)
    monkeypatch.setattr(loop, "_validate", lambda *_: {"val_loss": 1.0, "val_top1": next(told)})
    result, state, model = train(data, tmp_path, validate=True, keep=keep)
    assert result.best_epoch == best and load_checkpoint(tmp_path)[1].trained["epoch"] == best
    assert torch.equal(state["head.weight"], model.head.weight) is (best == 3)


def test_validation_every_so_many_epochs_and_at_the_end(data: SkeletonSet, tmp_path: Path) -> None:
    result, _, _ = train(data, tmp_path, validate=True, epochs=5, eval_every=2)
    assert ["val_loss" in record for record in result.history] == [False, True, False, True, True]


def test_a_device_that_is_not_there_is_refused(data: SkeletonSet, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"device is 'cuda'.*use auto, cpu"):
        train(data, tmp_path, device="cuda")


def test_restart_begins_again(data: SkeletonSet, tmp_path: Path) -> None:
    card = Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {})
    clips = torch.arange(len(data))
    done = []
    for restart in (False, False, True):
        epochs: list[float] = []
        fit(
            Tiny(), data, clips, None, SAME_ALWAYS, TrainSettings(**PLAIN), tmp_path, card, restart=restart,
            on_epoch=lambda record, epochs=epochs: epochs.append(record["epoch"]),
        )  # fmt: skip
        done.append(epochs)
    assert done == [[1, 2, 3], [], [1, 2, 3]]


@pytest.mark.parametrize("kind", ["resize", "segments", "seconds"])
def test_views_are_samples_of_their_own(data: SkeletonSet, kind: str) -> None:
    pipeline = Pipeline(Sampling(kind, 4, crop=(0.3, 0.9), fps=10.0))
    model, clips = Tiny().eval(), torch.arange(len(data))
    logits = predict_logits(model, data, clips, pipeline, batch_size=3, views=3)
    assert logits.shape == (len(data), 3, 3)
    for v in range(3):
        batch = pipeline(data, clips, view=(v, 3))
        expected = model(batch.x, batch.owner, batch.score, batch.n_clips)
        assert torch.allclose(logits[:, v], expected, atol=1e-6)
        assert not torch.allclose(logits[:, v], logits[:, v - 1], atol=1e-4)


def test_prediction_leaves_the_network_in_its_mode_and_uses_kept_statistics(data: SkeletonSet) -> None:
    model, clips = Tiny(), torch.arange(len(data))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    seen = []
    for training in (True, False):
        model.train(training)
        all_at_once = predict_logits(
            model, data, clips, SAME_ALWAYS, progress=lambda *told: seen.append(told)
        )
        one_by_one = predict_logits(model, data, clips, SAME_ALWAYS, batch_size=1)
        assert model.training is training and torch.allclose(all_at_once, one_by_one, atol=1e-6)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert seen == [(len(data), len(data), "evaluating")] * 2
    assert predict_logits(model, data, clips[:0], SAME_ALWAYS, views=2).shape == (0, 2, 0)


class CutOff(Tiny):
    """A network with a broken tape: its output does not depend on the input, but its head learns."""

    def forward(self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int) -> Tensor:
        return super().forward(torch.zeros_like(x), owner, score, n_clips)


@pytest.mark.slow
def test_the_overfit_check_fails_what_does_not_see_its_input(data: SkeletonSet) -> None:
    clips = torch.arange(len(data))
    for kind in (Tiny, CutOff):
        told: list[tuple[int, int, float]] = []
        good, taken, loss = check_overfit(
            kind(), data, clips, SAME_ALWAYS, TrainSettings(), 4, steps=3000,
            on_step=lambda *step, told=told: told.append(step),
        )  # fmt: skip
        assert good is (kind is Tiny) and len(told) == taken and told[-1] == (taken, 3000, loss)
        assert (loss < 0.05) is (taken < 3000) is good


def test_the_overfit_check_trains_on_a_few_clips_of_all_classes(data: SkeletonSet) -> None:
    class Spy(Tiny):
        def forward(self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int) -> Tensor:
            seen.append((x, n_clips, self.training))
            return super().forward(x, owner, score, n_clips)

    seen: list[tuple[Tensor, int, bool]] = []
    random = Pipeline(Sampling(n_frames=4), augment=Augment(rotate=1.0))
    clips = torch.arange(len(data)).flip(0)
    check_overfit(Spy().eval(), data, clips, random, TrainSettings(), 5, steps=2)
    by_class = [[int(c) for c in clips if data.labels[c] == k] for k in range(3)]
    chosen = [group[i] for i in (0, 1) for group in by_class][:5]
    expected = random(data, torch.tensor(chosen))
    assert [(n, training) for _, n, training in seen] == [(5, True)] * 2
    assert all(torch.equal(x, expected.x) for x, _, _ in seen)


def test_steps_are_counted_through_a_stop(data: SkeletonSet, tmp_path: Path) -> None:
    """What is saved says how far a run is, whether it was stopped or not."""

    class Stopped(BaseException):
        pass

    def stop(epoch: int, step: int, n_steps: int, loss: float) -> None:
        if epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train(data, tmp_path, on_step=stop)
    told = [torch.load(tmp_path / "last.pt", weights_only=True)]
    train(data, tmp_path)
    told.append(torch.load(tmp_path / "last.pt", weights_only=True))
    assert [(state["epoch"], state["step"], len(state["history"])) for state in told] == [
        (1, 2, 1),
        (3, 6, 3),
    ]
    assert 0 < told[0]["seconds"] < told[1]["seconds"]


def test_a_restart_that_is_stopped_at_once_forgets_the_old_run(data: SkeletonSet, tmp_path: Path) -> None:
    card, clips = Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {}), torch.arange(len(data))
    train(data, tmp_path)

    class Stopped(BaseException):
        pass

    def stop(epoch: int, step: int, n_steps: int, loss: float) -> None:
        raise Stopped

    usual = (data, clips, None, SAME_ALWAYS, TrainSettings(**PLAIN), tmp_path, card)
    with pytest.raises(Stopped):
        fit(Tiny(), *usual, restart=True, on_step=stop)
    epochs: list[float] = []
    fit(Tiny(), *usual, on_epoch=lambda record: epochs.append(record["epoch"]))
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("repeat", 0), ("batch_size", 0), ("eval_every", 0), ("lr", 0), ("lr", math.inf),
        ("label_smoothing", 1), ("ema", 1), ("balance_beta", 1), ("layer_decay", 0), ("layer_decay", 1.1),
        ("freeze", -2), ("momentum", -0.1), ("weight_decay", -1), ("warmup_epochs", -1), ("clip_norm", math.inf),
        ("focal_gamma", -1),
    ],
)  # fmt: skip
def test_a_setting_beyond_its_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"train\.{name} must .*got {value}"):
        TrainSettings(**{name: value})


def test_the_overfit_check_gives_up_after_200_steps(data: SkeletonSet) -> None:
    learned, taken, _ = check_overfit(CutOff(), data, torch.arange(len(data)), SAME_ALWAYS, TrainSettings())
    assert (learned, taken) == (False, 200)
