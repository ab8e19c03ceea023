"""``skelact learn-language``: every task from files, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from cli_helpers import refused, skelact
from signing_sets import GLOSSES, make_signs, streams

from skelact.io.store import write_store
from skelact.recognition.checkpoint import load_checkpoint

FAST = (
    "--device",
    "cpu",
    "--train.epochs",
    "2",
    "--train.batch-size",
    "4",
    "--data.each",
    "2",
    "--train.beam",
    "2",
)
SMALL = ("--model.width", "16", "--model.layers", "2", "--model.recurrent-layers", "0")
PHOENIX = "name|video|start|end|speaker|orth|translation\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Isolated signs of three people, and clips with annotations in PHOENIX's form."""
    folder = tmp_path_factory.mktemp("signs")
    write_store(folder / "signs.h5", make_signs((1, 2, 3), 2))
    clips = [u for s in (1, 2) for u in streams(s, n=3, seed=s)]
    write_store(folder / "clips.h5", [u.skeleton.with_(id=f"clip{k}") for k, u in enumerate(clips)])
    rows = [
        f"clip{k}|clip{k}/1/*.png|-1|-1|Signer0{u.signer}|{' '.join(u.glosses)}|say {' and '.join(u.glosses)} .\n"
        for k, u in enumerate(clips)
    ]
    (folder / "P.train.corpus.csv").write_text(PHOENIX + "".join(rows[:4]), encoding="utf-8")
    (folder / "P.dev.corpus.csv").write_text(PHOENIX + "".join(rows[4:]), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_glosses_and_signs_from_isolated_signs(folder: Path, tmp_path: Path) -> None:
    common = (folder / "signs.h5", "--streams", "--data.val", "3", "--out", tmp_path, "--name", "s", *FAST)
    done = skelact("learn-language", "glosses", *common, *SMALL, "--json")
    assert done.code == 0, done.err
    assert done.json["folder"] == str(tmp_path / "s" / "glosses") and "val_wer" in done.json["history"][-1]
    assert "4 utterances an epoch, 2 to validate on, 4 tokens" in done.err
    _, card = load_checkpoint(tmp_path / "s" / "glosses")
    assert (
        card.label_names == ["<blank>", *GLOSSES]
        and card.config["task"] == "glosses"
        and card.unit == "image"
    )
    done = skelact("learn-language", "signs", *common, "--model.hidden", "12")
    assert done.code == 0 and "segments F1@50" in done.out, done.err
    assert load_checkpoint(tmp_path / "s" / "signs")[1].label_names == ["no_sign", "sign"]
    again = skelact("learn-language", "signs", *common, "--model.hidden", "12")
    assert "is finished already" in again.out
    mstcn = (
        "--model",
        "mstcn",
        "--model.channels",
        "8",
        "--model.stages",
        "1",
        "--model.layers",
        "2",
        "--restart",
    )
    assert skelact("learn-language", "signs", *common, *mstcn).code == 0
    assert load_checkpoint(tmp_path / "s" / "signs")[1].model["name"] == "mstcn"


def test_annotated_clips(folder: Path, tmp_path: Path) -> None:
    notes = (
        "--annotations",
        f"{folder}/P.train.corpus.csv,{folder}/P.dev.corpus.csv",
        "--format",
        "phoenix14t",
    )
    common = (*notes, "--data.val", "val", "--out", tmp_path, "--name", "p", *FAST)
    done = skelact("learn-language", "glosses", folder / "clips.h5", *common, *SMALL)
    assert done.code == 0 and "4 utterances an epoch, 2 to validate on" in done.out, done.err
    text = ("--model.width", "16", "--model.encoder-layers", "2", "--model.recurrent-layers", "0")
    done = skelact("learn-language", "text", folder / "clips.h5", *common, *text)
    assert done.code == 0 and "BLEU" in done.out and "ROUGE-L" in done.out, done.err
    assert "say" in load_checkpoint(tmp_path / "p" / "text")[1].label_names
    done = skelact("learn-language", "gloss2text", *common, "--model.width", "16", "--model.layers", "1")
    assert done.code == 0, done.err
    assert load_checkpoint(tmp_path / "p" / "gloss2text")[1].trained["glosses"] == list(GLOSSES)
    config = tmp_path / "p" / "glosses" / "config.yaml"
    assert yaml.safe_load(config.read_text())["data"]["format"] == "phoenix14t"
    done = skelact("learn-language", config, "--name", "again")
    assert done.code == 0 and (tmp_path / "again" / "glosses" / "best.safetensors").is_file()


def test_labels_alone(folder: Path, tmp_path: Path) -> None:
    done = skelact(
        "learn-language",
        "glosses",
        folder / "signs.h5",
        "--data.val",
        "0.2",
        "--out",
        tmp_path,
        *FAST,
        *SMALL,
    )
    assert done.code == 0 and "14 utterances an epoch, 4 to validate on" in done.out, done.err


def test_rare_glosses_are_left_out_with_a_word(folder: Path, tmp_path: Path) -> None:
    rare = PHOENIX + "".join(f"clip{k}|v|-1|-1|S|{'rare' if k == 0 else 'far high'}|x .\n" for k in range(4))
    (tmp_path / "r.train.csv").write_text(rare, encoding="utf-8")
    notes = ("--annotations", tmp_path / "r.train.csv", "--format", "phoenix14t", "--data.least", "2")
    done = skelact("learn-language", "glosses", folder / "clips.h5", *notes, "--out", tmp_path, *FAST, *SMALL)
    assert done.code == 0 and "1 of 4 utterances have glosses that occur fewer than 2" in done.out, done.err


def test_glosses_that_training_lacks_are_named(folder: Path, tmp_path: Path) -> None:
    for name, gloss in (("a.train.csv", "far"), ("b.dev.csv", "unheard")):
        number = 0 if gloss == "far" else 1
        (tmp_path / name).write_text(PHOENIX + f"clip{number}|v|-1|-1|S|{gloss}|x .\n", encoding="utf-8")
    notes = (
        "--annotations",
        f"{tmp_path}/a.train.csv,{tmp_path}/b.dev.csv",
        "--format",
        "phoenix14t",
        "--data.val",
        "val",
    )
    done = skelact("learn-language", "glosses", folder / "clips.h5", *notes, "--out", tmp_path, *FAST, *SMALL)
    assert done.code == 0 and "training lacks; they count as errors: unheard" in done.out, done.err


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    signs = folder / "signs.h5"
    out = ("--out", tmp_path / "runs")
    for words, code, said in (
        ((), 2, "name one task"),
        (("gloss", signs), 2, "unknown task 'gloss'"),
        (("glosses",), 2, "name the recordings"),
        (("glosses", "none.h5"), 3, "there is no file"),
        (("glosses", signs, "--model", "gru"), 2, "learned by ctc"),
        (("text", signs, "--streams"), 2, "for the tasks glosses and signs"),
        (("glosses", signs, "--format", "wlasl"), 2, "both of them"),
        (("glosses", signs, "--annotations", "x.csv", "--format", "wlas"), 2, "Did you mean 'wlasl'"),
        (("glosses", signs, "--annotations", "x.csv", "--format", "wlasl"), 3, "x.csv"),
        (
            ("glosses", signs, "--annotations", folder / "P.dev.corpus.csv", "--format", "phoenix14t"),
            3,
            "none of the 2",
        ),
        (("glosses", signs, "--streams", "--data.val", "9"), 2, "unknown signer '9'"),
        (("glosses", signs, "--streams", "--data.glosses", "x"), 3, "of x"),
        (("glosses", signs, "--streams", "--data.least", "1000"), 2, "vocabulary is empty"),
        (("signs", signs), 3, "no signs with times"),
        (("glosses", signs, "--input.normalise", "x"), 2, "input.normalise"),
    ):
        err = refused(code, "learn-language", *words, *out)
        assert re.search(said, err), (words, err)
    assert not list((tmp_path / "runs").rglob("best.safetensors")) if (tmp_path / "runs").exists() else True
