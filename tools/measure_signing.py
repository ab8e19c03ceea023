"""Measure continuous signing on streams made of real isolated signs of signers whom the networks never saw.

python tools/measure_signing.py SIGNS_FOLDER [--test 1,3] [--tasks glosses,signs] [--epochs 60] [--out F]

SIGNS_FOLDER holds ``.npz`` files of isolated signs (`skelact.io.mp_signs`), one signer a file. For every test signer
the networks are trained on streams of the others and tested once on streams of that one: word error rate of the CTC
network, F1 of frames and segments of the sign segmenter. Settings were chosen on the development signers (`DEVELOP`)
by networks trained without them; figures of the others are the ones to report, those of the development signers stand
apart. Unfinished trainings go on, finished ones are read again. Writes ``signing.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact import __version__
from skelact.datasets.signing.streams import StreamSettings, make_streams, signs_by_signer
from skelact.datasets.signing.utterance import Utterance
from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.io.mp_signs import iter_mp_signs
from skelact.language.scores import word_errors
from skelact.language.vocabulary import Vocabulary
from skelact.recognition.checkpoint import Card, load_checkpoint, load_weights
from skelact.settings import to_plain
from skelact.training.language.loop import fit_language
from skelact.training.language.settings import LanguageExperiment, usual_experiment
from skelact.training.language.tasks import GlossTask, SignTask, score_signs

GLOSSES = ("hello", "iloveyou", "thanks")  # that nearly all signers of the set show
DEVELOP = ("2", "6")
N_TEST = 40  # streams of a test signer


def experiment_of(task: str, epochs: int, seed: int) -> LanguageExperiment:
    """What the networks are, see, and are trained with."""
    e: Any = usual_experiment(task)
    e.streams = StreamSettings(signs=(2, 6))
    e.train.epochs, e.train.seed, e.train.keep, e.data.each = epochs, seed, "last", 16
    return e


def train(
    e: LanguageExperiment, signs: dict[str, Any], held: str, folder: Path, val: list[str]
) -> tuple[Any, Any]:
    """Train on all signers but ``held`` (and those in ``val``); returns the task and the network."""
    own = {s: v for s, v in signs.items() if s != held and s not in val}
    like = next(iter(own.values()))[0]
    task = GlossTask(e, Vocabulary(GLOSSES)) if e.task == "glosses" else SignTask(e)
    torch.manual_seed(e.train.seed)
    settings: Any = e.model
    model = settings.build(e.input.layout(like.layout), len(task.label_names), e.input.channels(3))
    card = Card(
        like.layout.to_dict(), 3, like.unit, task.label_names, e.input.fps, to_plain(settings), to_plain(e.input),
        to_plain(e), __version__, trained={"without": [held, *val]},
    )  # fmt: skip

    def show(record: dict[str, float]) -> None:
        words = ", ".join(f"{k} {v:.3f}" for k, v in record.items() if k.startswith("val"))
        if words or record["epoch"] % 10 == 0:
            sys.stderr.write(
                f"{folder.name} {e.task} epoch {record['epoch']:.0f}: {record['train_loss']:.3f} {words}\n"
            )

    looks = make_streams({s: signs[s] for s in val}, 16, StreamSettings(), [e.train.seed, 1]) if val else []
    fit_language(
        model, task, lambda k: make_streams(own, e.data.each, e.streams, [e.train.seed, 2, k]), looks, e,
        folder / e.task, card, on_epoch=show,
    )  # fmt: skip
    load_weights(model, load_checkpoint(folder / e.task)[0], str(folder))
    return task, model.eval()


def test(task: Any, model: Any, streams: list[Utterance]) -> dict[str, Any]:
    """Figures of one signer's streams."""
    if isinstance(task, GlossTask):
        errors = word_errors([u.glosses for u in streams], task.find(model, streams))
        return {"words": errors.words, "substitutions": errors.substitutions, "deletions": errors.deletions,
                "insertions": errors.insertions, "wer": round(100 * errors.rate, 1)}  # fmt: skip
    return {k: round(v, 3) for k, v in score_signs(streams, task.find(model, streams)).items()}


def main(arguments: list[str] | None = None) -> None:
    """Train, test, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="SIGNS_FOLDER")
    parser.add_argument(
        "--test", default="", help="signers to hold out one after the other; all if not given"
    )
    parser.add_argument("--tasks", default="glosses,signs")
    parser.add_argument(
        "--develop", action="store_true", help="only train without the development signers and look"
    )
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("signing"))
    options = parser.parse_args(arguments)
    files = sorted(options.folder.glob("*.npz"))
    if not files:
        raise DataError(f"{options.folder} holds no .npz file of isolated signs")
    recordings = [s for file in files for s in iter_mp_signs(file)]
    signs = signs_by_signer(recordings, GLOSSES)
    signs = {s: v for s, v in signs.items() if {x.label for x in v} == set(GLOSSES)}
    tests = [s for s in options.test.split(",") if s] or sorted(signs, key=int)
    report: dict[str, Any] = {
        "seed": options.seed,
        "epochs": options.epochs,
        "streams": N_TEST,
        "signers": {},
    }
    for held in [""] if options.develop else tests:
        row: dict[str, Any] = {}
        for name in options.tasks.split(","):
            e = experiment_of(name, options.epochs, options.seed)
            val: list[str] = list(DEVELOP) if options.develop else []
            folder = (
                options.out
                / (f"without_{held}" if held else "develop")
                / f"seed{options.seed}_{options.epochs}"
            )
            task, model = train(e, signs, held, folder, val)
            if held:
                row[name] = test(
                    task, model, make_streams({held: signs[held]}, N_TEST, StreamSettings(), [7, 3])
                )
        if held:
            report["signers"][held] = row
            sys.stderr.write(f"signer {held}: {row}\n")
            write_text(options.out / "signing.json", json.dumps(summarise(report), indent=1))
    sys.stdout.write(json.dumps(summarise(report), indent=1) + "\n")


def summarise(report: dict[str, Any]) -> dict[str, Any]:
    """The report with means over signers, those of the development apart."""
    for name, wanted in (("mean", False), ("development", True)):
        rows = [r for s, r in report["signers"].items() if (s in DEVELOP) == wanted]
        found: dict[str, float] = {}
        glosses = [r["glosses"] for r in rows if "glosses" in r]
        if glosses:
            wrong = sum(g["substitutions"] + g["deletions"] + g["insertions"] for g in glosses)
            found["wer"] = round(100 * wrong / sum(g["words"] for g in glosses), 1)
            found["worst_wer"] = max(g["wer"] for g in glosses)
        for key in ("f1", "f1_10", "f1_25", "f1_50"):
            values = [r["signs"][key] for r in rows if "signs" in r]
            if values:
                found[key] = round(float(np.mean(values)), 3)
        report[name] = found
    return report


if __name__ == "__main__":
    main()
