"""``skelact translate``: formats of output, and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import refused, skelact
from signing_sets import GLOSSES, streams, untrained

from skelact.commands.subtitles import clock, subtitles
from skelact.io.store import write_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all parts with random weights, one recording, three recordings."""
    folder = tmp_path_factory.mktemp("translate")
    for task in ("glosses", "gloss2text", "signs"):
        untrained(task, folder / "run" / task / "best.safetensors", seed=3)
    made = [u.skeleton for u in streams(n=3)]
    write_store(folder / "one.h5", made[:1])
    no_hands = made[0].with_(score=made[0].score * (np.arange(75) < 33), id="no hands")
    write_store(folder / "three.h5", [*made[1:], no_hands])
    return folder


def test_glosses_with_times_and_text(folder: Path) -> None:
    done = skelact(
        "translate", folder / "one.h5", "--checkpoint", folder / "run", "--device", "cpu", "--json"
    )
    assert done.code == 0, done.err
    (one,) = done.json["recordings"]
    assert one["text_from_network"] is True and set(one) >= {"glosses", "signs", "text", "seconds"}
    starts = [g["start"] for g in one["glosses"]]
    assert starts == sorted(starts) and all(g["end"] > g["start"] for g in one["glosses"])
    other = skelact("translate", folder / "run" / "glosses", folder / "one.h5", "--json")
    assert other.json["recordings"][0]["text_from_network"] is False


def test_every_ending_is_written(folder: Path, tmp_path: Path) -> None:
    from skelact.io.eaf import read_eaf

    glosses = skelact("translate", folder / "run", folder / "one.h5", "--json").json["recordings"][0][
        "glosses"
    ]
    assert glosses
    for ending in ("eaf", "json", "csv", "srt"):
        out = tmp_path / "new" / f"x.{ending}"
        done = skelact("translate", folder / "run", folder / "one.h5", "--out", out)
        assert done.code == 0 and out.is_file(), done.err
    tiers = read_eaf(tmp_path / "new" / "x.eaf")
    assert [a.value for a in tiers["glosses"]] == [g["word"] for g in glosses]
    assert tiers["glosses"][0].start == pytest.approx(glosses[0]["start"], abs=0.002) and "text" in tiers
    assert json.loads((tmp_path / "new" / "x.json").read_text())["recordings"][0]["glosses"] == glosses
    with (tmp_path / "new" / "x.csv").open(newline="") as file:
        assert [row["gloss"] for row in csv.DictReader(file)] == [g["word"] for g in glosses]
    assert (tmp_path / "new" / "x.srt").read_text().startswith("1\n00:00:00,000 --> ")


def test_several_recordings(folder: Path, tmp_path: Path) -> None:
    done = skelact("translate", folder / "run", folder / "three.h5", "--out", tmp_path / "x.json", "--json")
    assert done.code == 0 and len(done.json["recordings"]) == 2, done.err
    assert "no hand is seen" in done.json["failed"][0]["error"]
    assert len(json.loads((tmp_path / "x.json").read_text())["recordings"]) == 2
    assert "is of one" in refused(
        3, "translate", folder / "run", folder / "three.h5", "--out", tmp_path / "x.eaf"
    )
    assert not (tmp_path / "x.eaf").exists()


def test_translations_are_compared_with_annotations(folder: Path, tmp_path: Path) -> None:
    done = skelact("translate", folder / "run", folder / "three.h5", "--json")
    found = {r["recording"]: r for r in done.json["recordings"]}
    head, rows = "name|video|start|end|speaker|orth|translation\n", []
    for k, (name, r) in enumerate(found.items()):
        rows.append(
            f"{name}|v|-1|-1|S{k}|{' '.join(g['word'] for g in r['glosses'])}|{r['text'] or 'a sign'}\n"
        )
    rows.append("no hands|v|-1|-1|S9|far high|a sign\n")
    (tmp_path / "x.test.csv").write_text(head + "".join(rows), encoding="utf-8")
    truth = ("--truth", tmp_path / "x.test.csv", "--truth-format", "phoenix14t")
    words = ("translate", folder / "run", folder / "three.h5", *truth)
    assert skelact(*words, "--part", "S0", "--json").json["scores"]["gloss_wer"] == 0
    scores = skelact(*words, "--part", "test", "--json").json["scores"]
    n = sum(len(r["glosses"]) for r in found.values())
    assert scores["gloss_wer"] == pytest.approx(2 / (n + 2)) and {"bleu", "rouge_l", "text_wer"} <= set(
        scores
    )
    alone = skelact("translate", folder / "run" / "glosses", folder / "three.h5", *truth, "--json").json[
        "scores"
    ]
    assert set(alone) == {"gloss_wer"}
    for more, code, said in (
        (("--part", "dev"), 2, "unknown split or signer 'dev'"),
        (("--truth-format", "wlasl"), 3, "not readable JSON"),
        (("--truth-format", ""), 2, "needs --truth-format"),
    ):
        assert said in refused(code, *words, *more)
    assert "name them with --truth" in refused(
        2, "translate", folder / "run", folder / "one.h5", "--part", "x"
    )


def test_the_beam_is_used(folder: Path) -> None:
    found = [
        skelact("translate", folder / "run" / "glosses", folder / "one.h5", "--beam", beam, "--json").json[
            "recordings"
        ][0]
        for beam in (1, 16)
    ]
    assert found[0]["glosses"] != found[1]["glosses"]


def test_bigrams_turn_the_answer(folder: Path, tmp_path: Path) -> None:
    words = ("translate", folder / "run" / "glosses", folder / "one.h5", "--json")
    plain = [g["word"] for g in skelact(*words).json["recordings"][0]["glosses"]]
    other = next(w for w in GLOSSES if plain[0] != w)
    head = "name|video|start|end|speaker|orth|translation\n"
    (tmp_path / "x.train.csv").write_text(head + f"a|v|-1|-1|S|{' '.join([other] * 400)} nowhere|t\n")
    (tmp_path / "x.txt").write_text("\n".join([other] * 400) + "\n\nnowhere\n")
    for more in (("x.txt",), ("x.train.csv", "--truth-format", "phoenix14t")):
        done = skelact(*words, "--bigrams", tmp_path / more[0], *more[1:], "--bigram-weight", "30")
        assert done.code == 0 and "outside the vocabulary: nowhere" in done.err, done.err
        found = [g["word"] for g in done.json["recordings"][0]["glosses"]]
        assert found != plain and set(found) <= {other}
        light = skelact(*words, "--bigrams", tmp_path / more[0], *more[1:], "--bigram-weight", "1e-9")
        assert [g["word"] for g in light.json["recordings"][0]["glosses"]] == plain
    (tmp_path / "none.txt").write_text("nowhere\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    for file, code, said in (
        ("none.txt", 3, "none of the glosses (nowhere) is in the vocabulary"),
        ("empty.txt", 3, "holds no glosses"),
        ("bytes.txt", 3, "cannot be read as text"),
        ("x.train.csv", 2, "name its format with --truth-format"),
        ("missing.txt", 3, "cannot be read"),
    ):
        assert said in refused(code, *words[:-1], "--bigrams", tmp_path / file)


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    one, run = folder / "one.h5", folder / "run"
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    for words, code, said in (
        ((), 2, "name an input"),
        ((one,), 2, "name a checkpoint: skelact translate RUN INPUT"),
        ((run, one, "--checkpoint", run), 2, "two checkpoints"),
        ((run, one, "--out", "x.txt"), 2, "unknown ending '.txt'"),
        ((run, one, "--out", "x"), 2, "no ending"),
        ((run, one, "--beam", "0"), 2, "--beam must be at least 1"),
        ((run, "none.h5"), 3, "none.h5"),
        ((run, "none.mp4"), 3, "none.mp4"),
        ((run, tmp_path / "broken.h5"), 3, "broken.h5"),
        (("everyday", one), 3, "checkpoint for recognition .*learn-language"),
        ((tmp_path / "no", one), 3, "no checkpoint"),
        ((tmp_path, one), 3, "holds neither"),
        ((run / "signs", one), 3, "glosses or text, got signs"),
        ((run, one, "--signs", run / "glosses"), 3, "not for signs"),
        ((run, one, "--out", one), 2, "unknown ending '.h5'"),
    ):
        err = refused(code, "translate", *words)
        assert re.search(said, err), (words, err)


def test_subtitles() -> None:
    assert clock(3723.5) == "01:02:03,500" and clock(0.9996) == "00:00:01,000"
    assert subtitles([(0, 1.25, "a"), (2, 3, "b")]) == (
        "1\n00:00:00,000 --> 00:00:01,250\na\n\n2\n00:00:02,000 --> 00:00:03,000\nb\n"
    )
