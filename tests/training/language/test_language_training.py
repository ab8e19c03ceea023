"""Training of language networks: every task learns, goes on exactly after a stop, and heeds its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from signing_sets import GLOSSES, LAYOUT, make_sign, small_experiment, streams
from variants import slow_but

from skelact.datasets.signing.augment import SignAugment
from skelact.datasets.signing.utterance import Utterance
from skelact.errors import CheckpointError, ConfigError, DataError, SkelactError
from skelact.language.vocabulary import Vocabulary
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.settings import to_plain
from skelact.training.language.loop import fit_language
from skelact.training.language.settings import (
    TASKS,
    LanguageData,
    LanguageExperiment,
    LanguageTraining,
    dump_language_config,
    load_language_config,
    usual_experiment,
)
from skelact.training.language.tasks import GlossTask, make_task, score_signs

SENTENCES = {"far": "go far away .", "high": "reach up high !", "wide": "open them wide ."}


def sentences(n: int = 3) -> list[Utterance]:
    return [
        Utterance(f"{g}{k}", make_sign(g, 1, k), (g,), tuple(SENTENCES[g].split()))
        for g in GLOSSES
        for k in range(n)
    ]


def data(task: str) -> list[Utterance]:
    return streams(n=4) if task in ("glosses", "signs") else sentences()


def train(
    task: str, folder: Path, utterances: list[Utterance] | None = None, val: list[Utterance] | None = None,
    e: LanguageExperiment | None = None, **settings: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Train a task; returns result, task and network."""
    e = e or small_experiment(task, **settings)
    own = data(task) if utterances is None else utterances
    glosses = Vocabulary(GLOSSES)
    words = Vocabulary.of([s.split() for s in SENTENCES.values()], "text")
    job = make_task(e, glosses, words)
    torch.manual_seed(e.train.seed)
    build: Any = e.model
    if task == "gloss2text":
        model = build.build(len(glosses), len(words))
    else:
        model = build.build(e.input.layout(LAYOUT), len(job.label_names), e.input.channels(3))
    card = Card(
        LAYOUT.to_dict(),
        3,
        "image",
        job.label_names,
        e.input.fps,
        to_plain(build),
        to_plain(e.input),
        to_plain(e),
    )
    result = fit_language(model, job, lambda k: own, val or [], e, folder, card)
    return result, job, model


@pytest.mark.parametrize("task", slow_but(["glosses", "text", "gloss2text", "signs"]))
def test_every_task_learns(task: str, tmp_path: Path) -> None:
    e = small_experiment(task, epochs=60, eval_every=1000, keep="last")
    if task == "glosses":  # by heart
        e.train.batch_size, e.augment = 2, SignAugment((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    result, job, model = train(task, tmp_path, e=e)
    scores = job.validate(model.eval(), data(task))
    assert result.history[-1]["train_loss"] < 0.6 * result.history[0]["train_loss"]
    if task == "signs":
        assert scores["val_f1"] > 0.85 and scores["val_f1_50"] > 0.7
    else:
        assert scores["val_wer"] < 0.25
    if task in ("text", "gloss2text"):
        assert scores["val_bleu"] > 50 and scores["val_rouge_l"] > 75


def test_a_stopped_training_goes_on_exactly(tmp_path: Path) -> None:
    train("glosses", tmp_path / "whole", epochs=4, ema=0.9)

    class Stop(Exception):
        pass

    own = data("glosses")
    e = small_experiment("glosses", epochs=4, ema=0.9)

    def stopping(k: int) -> list[Utterance]:
        if k == 2:
            raise Stop
        return own

    job = GlossTask(e, Vocabulary(GLOSSES))
    for source in (stopping, lambda k: own):
        torch.manual_seed(e.train.seed)
        build: Any = e.model
        model = build.build(e.input.layout(LAYOUT), len(job.label_names), e.input.channels(3))
        card = Card(
            LAYOUT.to_dict(),
            3,
            "image",
            job.label_names,
            15.0,
            to_plain(build),
            to_plain(e.input),
            to_plain(e),
        )
        seen: list[int] = []
        try:
            fit_language(model, job, source, [], e, tmp_path / "parts", card, on_continue=seen.append)
        except Stop:
            assert not seen
    assert seen == [2]
    a, b = (load_checkpoint(tmp_path / name)[0] for name in ("whole", "parts"))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    with pytest.raises(CheckpointError, match="another configuration"):
        train("glosses", tmp_path / "parts", epochs=4, ema=0.9, lr=1e-4)


def losses(task: str, folder: Path, e: LanguageExperiment) -> list[float]:
    return [r["train_loss"] for r in train(task, folder, e=e)[0].history]


@pytest.mark.parametrize(
    ("task", "part", "name", "value"),
    [
        ("glosses", "train", "frames", 0.0),
        ("glosses", "train", "lr", 1e-4),
        ("glosses", "train", "seed", 7),
        ("glosses", "train", "weight_decay", 5.0),
        ("glosses", "train", "clip_norm", 1e-4),
        ("glosses", "train", "warmup_epochs", 2.0),
        ("glosses", "train", "batch_size", 2),
        ("signs", "train", "dice", 2.0),
        ("text", "train", "label_smoothing", 0.4),
        ("glosses", "augment", "rate", (1.0, 1.0)),
        ("glosses", "augment", "drop_frames", 1.0),
        ("glosses", "augment", "drop_hand", 1.0),
        ("glosses", "augment", "rotate", 40.0),
        ("glosses", "augment", "scale", 0.6),
        ("glosses", "augment", "jitter", 0.2),
        ("glosses", "augment", "mirror", 1.0),
        ("glosses", "input", "fps", 10.0),
    ],
)
def test_settings_matter(task: str, part: str, name: str, value: Any, tmp_path: Path) -> None:
    usual, other = small_experiment(task, batch_size=3), small_experiment(task, batch_size=3)
    setattr(getattr(other, part), name, value)
    a, b = losses(task, tmp_path / "a", usual), losses(task, tmp_path / "b", other)
    assert abs(a[-1] - b[-1]) > 1e-6


def test_the_average_of_weights_is_saved(tmp_path: Path) -> None:
    for ema in (0.0, 0.9):
        _, _, model = train("glosses", tmp_path / str(ema), ema=ema)
        saved, own = load_checkpoint(tmp_path / str(ema))[0], model.state_dict()
        assert all(torch.equal(saved[k], own[k]) for k in own) == (ema == 0)


def test_the_best_look_is_kept_and_the_last_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([0.5, 0.2, 0.9, 0.5, 0.2, 0.9])
    monkeypatch.setattr(GlossTask, "validate", lambda *_: {"val_wer": (r := next(rates)), "val_score": -r})
    val = data("glosses")[:1]
    for keep, epoch in (("best", 2), ("last", 3)):
        result, _, _ = train("glosses", tmp_path / keep, val=val, epochs=3, eval_every=1, keep=keep)
        assert result.best_epoch == epoch
        assert load_checkpoint(tmp_path / keep)[1].trained["epoch"] == epoch


def test_looks_come_every_so_often(tmp_path: Path) -> None:
    result, _, _ = train("glosses", tmp_path, val=data("glosses")[:1], epochs=5, eval_every=2)
    assert [("val_wer" in r) for r in result.history] == [False, True, False, True, True]


def test_what_cannot_be_learned_from_is_named(tmp_path: Path) -> None:
    (one,) = sentences(1)[:1]
    with pytest.raises(DataError, match="'far0' has no signs with times"):
        train("signs", tmp_path / "a", [one])
    with pytest.raises(DataError, match=r"has words .* lacks: other"):
        train("glosses", tmp_path / "b", [Utterance("x", one.skeleton, ("other",))])
    with pytest.raises(DataError, match="'x' has no text"):
        train("text", tmp_path / "c", [Utterance("x", one.skeleton, ("far",))])
    with pytest.raises(DataError, match="'x' has no glosses"):
        train("gloss2text", tmp_path / "d", [Utterance("x", one.skeleton, (), ("go",))])


def test_a_loss_that_is_no_number_stops_and_keeps_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SkelactError, match=r"loss became .* lower train.lr"):
        train("glosses", tmp_path, lr=1e18, clip_norm=0.0, epochs=6)


def test_rare_words_become_unknown() -> None:
    e = small_experiment("text")
    words = Vocabulary(("go",), "text")
    both = make_task(e, None, words).sentences([Utterance("x", make_sign("far", 1, 0), (), ("go", "off"))])  # type: ignore[attr-defined]
    assert both.words.tolist() == [[1, 4, 3]] and both.target.tolist() == [[4, 3, 2]]


def test_segments_are_scored() -> None:
    u = streams(n=1)
    at = u[0].times
    right = u[0].signing(at).astype(float)
    assert score_signs(u, [(right, at)])["score"] > 0.98
    assert score_signs(u, [(1 - right, at)])["f1"] < 0.1


def test_configurations_round_trip(tmp_path: Path) -> None:
    for task in TASKS:
        e = usual_experiment(task)
        e.check()
        (tmp_path / "c.yaml").write_text(dump_language_config(e), encoding="utf-8")
        assert load_language_config(tmp_path / "c.yaml") == e


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LanguageTraining(epochs=0), "epochs"),
        (lambda: LanguageTraining(lr=0), "lr"),
        (lambda: LanguageTraining(dice=-1), "dice"),
        (lambda: LanguageTraining(ema=1), "ema"),
        (lambda: LanguageTraining(keep="first"), "keep"),
        (lambda: LanguageData(each=0), "each"),
        (lambda: LanguageExperiment(task="gloss"), "Did you mean 'gloss"),
        (lambda: usual_experiment("x"), "unknown task"),
        (lambda: LanguageExperiment(task="text").check(), "learned by motion2text"),
        (lambda: LanguageExperiment(data=LanguageData(annotations="a")).check(), "both of them"),
        (
            lambda: LanguageExperiment(
                data=LanguageData(annotations="a", format="wlasl", streams=True)
            ).check(),
            "without annotations",
        ),
    ],
)
def test_impossible_settings_are_refused(make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
