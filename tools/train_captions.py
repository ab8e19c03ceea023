"""Train the captions network that ships with the package, on the grammar's synthetic scenes alone.

python tools/train_captions.py OUT_FOLDER [--scenes 3000] [--held-out 400] [--epochs 22] [--stop-after N] [--seed 0]

Every epoch makes new scenes (`skelact.datasets.synthetic.captions`) without the held-out combinations; validation is on
other scenes of the same kind. Then the network is tested once on scenes that all have a held-out combination: another
person, performance, place and camera each. Writes ``captions.safetensors`` with 16-bit weights (copy it to
``skelact/recognition/weights/`` to ship it) and ``captions.json`` with the share of right slots and twenty sentences.
An unfinished training goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact import __version__
from skelact.datasets.signing.augment import SignAugment
from skelact.datasets.signing.motion_input import MotionInput
from skelact.datasets.signing.utterance import Utterance
from skelact.datasets.synthetic.captions import (
    Scene,
    draw_scene,
    held_out_combinations,
    is_held_out,
    make_caption_clip,
    say,
    slots_right,
    understand,
)
from skelact.datasets.synthetic.everyday.generate import BODY15, FPS
from skelact.io.files import write_text
from skelact.language.scores import bleu, rouge_l, word_error_rate
from skelact.language.vocabulary import Vocabulary, join_words, split_words
from skelact.models.language import MotionToTextSettings
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.settings import to_plain
from skelact.training.language.loop import fit_language
from skelact.training.language.settings import LanguageExperiment, LanguageTraining
from skelact.training.language.tasks import TextTask
from skelact.training.resume import load_resume

TRAIN, VALIDATE, TEST = 0, 50_000_000, 90_000_000  # the first numbers of the parts' clips


class Enough(Exception):
    """The epochs that were asked for are done."""


def experiment_of(epochs: int, seed: int) -> LanguageExperiment:
    """What the network is, sees, and is trained with."""
    return LanguageExperiment(
        name="captions",
        task="text",
        input=MotionInput(fps=FPS, joints="all", normalise="body", depth=True, size=True, gap=0.5),
        augment=SignAugment(rate=(1.0, 1.0), drop_frames=0.2, drop_hand=0.0, rotate=4.0, scale=0.0, jitter=0.004),
        model=MotionToTextSettings(
            width=96, stride=4, encoder_layers=6, recurrent_layers=0, decoder_layers=1, heads=4, dropout=0.1
        ),
        train=LanguageTraining(
            epochs=epochs, batch_size=32, lr=2e-3, ema=0.995, label_smoothing=0.05, eval_every=5, keep="last",
            beam=3, seed=seed,
        ),
    )  # fmt: skip


def scenes(rng: np.random.Generator, held: Any, wanted: bool) -> Iterator[Scene]:
    """Scenes with (``wanted``) or without a held-out combination."""
    while True:
        scene = draw_scene(rng)
        if is_held_out(scene, held) == wanted:
            yield scene


def utterances(n: int, first: int, seed: int, held: Any, wanted: bool) -> list[Utterance]:
    """Recordings of ``n`` scenes, numbered from ``first``."""
    rng = np.random.default_rng([seed, 93, first])
    found = []
    for number, scene in zip(range(first, first + n), scenes(rng, held, wanted), strict=False):
        clip = make_caption_clip(scene, number, seed=seed)
        if (clip.score > 0).any():
            found.append(Utterance(clip.id, clip, words=tuple(split_words(say(scene)))))
    return found


def all_words() -> Vocabulary:
    """The words of the grammar."""
    rng = np.random.default_rng(0)
    return Vocabulary.of((split_words(say(draw_scene(rng))) for _ in range(2000)), "text")


def score(found: list[list[str]], truth: list[Utterance]) -> dict[str, float]:
    """Share of right slots and of whole sentences, and word scores."""
    right = total = whole = 0
    for words, u in zip(found, truth, strict=True):
        wanted = understand(join_words(u.words))
        assert wanted is not None
        a, b = slots_right(wanted, understand(join_words(words)))
        right, total, whole = right + a, total + b, whole + (a == b)
    said = [u.words for u in truth]
    return {
        "slots": 100 * right / total, "sentences": 100 * whole / len(truth),
        "wer": 100 * word_error_rate(said, found), "bleu": bleu(said, found), "rouge_l": rouge_l(said, found),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Make, train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("--scenes", type=int, default=3000, help="of an epoch")
    parser.add_argument("--held-out", type=int, default=400, help="scenes to test on")
    parser.add_argument("--epochs", type=int, default=22, help="of the schedule")
    parser.add_argument("--stop-after", type=int, help="epochs that are trained, if not all of them")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    held = held_out_combinations(options.seed)
    experiment = experiment_of(options.epochs, options.seed)
    vocabulary = all_words()
    task = TextTask(experiment, vocabulary)
    torch.manual_seed(options.seed)
    settings: Any = experiment.model
    model = settings.build(BODY15, len(vocabulary), experiment.input.channels(3))
    card = Card(
        BODY15.to_dict(), 3, "m", task.label_names, FPS, to_plain(experiment.model), to_plain(experiment.input),
        to_plain(experiment), __version__, 5.0, {"on": "synthetic people", "people": 1},
    )  # fmt: skip
    val = utterances(128, VALIDATE, options.seed, held, False)
    begin = time.perf_counter()

    def show(record: dict[str, float]) -> None:
        words = f", word errors {record['val_wer']:.1%}" if "val_wer" in record else ""
        sys.stderr.write(
            f"epoch {record['epoch']:.0f}: loss {record['train_loss']:.3f}{words}, {record['seconds']:.0f} s\n"
        )

    last = options.stop_after or options.epochs

    def epoch(k: int) -> list[Utterance]:
        if k >= last:
            raise Enough
        return utterances(options.scenes, TRAIN + k * options.scenes, options.seed, held, False)

    folder = options.out / f"captions_{options.scenes}x{options.epochs}_seed{options.seed}"
    with suppress(Enough):
        fit_language(model, task, epoch, val, experiment, folder, card, on_epoch=show)
    state = load_resume(folder / "last.pt")
    model.load_state_dict(state["average"])
    card.trained |= {
        "epoch": state["epoch"],
        "epochs": options.epochs,
        "scenes": options.scenes,
        "seed": options.seed,
    }
    model.half().float().eval()  # the weights as they are shipped
    test = utterances(options.held_out, TEST, options.seed, held, True)
    found, seen = task.find(model, test), task.find(model, val)
    report = {
        "scenes": options.scenes, "epochs": options.epochs, "trained_epochs": state["epoch"], "seed": options.seed,
        "weights": sum(p.numel() for p in model.parameters()), "training_seconds": round(state["seconds"]),
        "seconds": round(time.perf_counter() - begin),
        "held_out": {"scenes": len(test), **{k: round(v, 1) for k, v in score(found, test).items()}},
        "others": {"scenes": len(val), **{k: round(v, 1) for k, v in score(seen, val).items()}},
        "twenty": [
            {"truth": join_words(u.words), "found": join_words(w)} for u, w in zip(test[:20], found, strict=False)
        ],
    }  # fmt: skip
    write_text(options.out / "captions.json", json.dumps(report, indent=1))
    weights = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_checkpoint(options.out / "captions.safetensors", weights, card)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
