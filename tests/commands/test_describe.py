"""``skelact describe``: sentences of files and videos, and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from cli_helpers import refused, skelact
from signing_sets import untrained

from skelact.datasets.synthetic.captions import Act, Scene, make_caption_clip, understand
from skelact.io.store import write_store
from skelact.recognition.captions_beyond import BEYOND

SCENE = Scene("adult", (Act("squat", "", "slowly"),))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("describe")
    clips = [make_caption_clip(SCENE, 500 + k, exact=True) for k in range(2)]
    write_store(folder / "one.h5", clips[:1])
    write_store(
        folder / "two.h5", [clips[0], clips[1].with_(xyz=clips[1].xyz[:, :4], score=clips[1].score[:, :4])]
    )
    return folder


def test_a_sentence_by_the_network_that_ships(folder: Path) -> None:
    done = skelact("describe", folder / "one.h5", "--longest", "20", "--json")
    assert done.code == 0, done.err
    (caption,) = done.json["captions"]
    assert understand(caption["text"]) is not None and "squats" in caption["text"]


def test_every_ending_is_written(folder: Path, tmp_path: Path) -> None:
    from skelact.io.eaf import read_eaf

    for ending in ("eaf", "json", "csv", "srt"):
        done = skelact("describe", folder / "one.h5", "--longest", "20", "--out", tmp_path / f"x.{ending}")
        assert done.code == 0, done.err
    (row,) = json.loads((tmp_path / "x.json").read_text())["captions"]
    assert read_eaf(tmp_path / "x.eaf")["person 0"][0].value == row["text"]
    with (tmp_path / "x.csv").open(newline="") as file:
        assert [r["text"] for r in csv.DictReader(file)] == [row["text"]]
    assert row["text"] in (tmp_path / "x.srt").read_text()


def test_stretches_and_recordings(folder: Path, tmp_path: Path) -> None:
    done = skelact("describe", folder / "two.h5", "--shortest", "0.5", "--longest", "1.5", "--json")
    assert done.code == 0 and len(done.json["captions"]) >= 2 and len(done.json["failed"]) == 1, done.err
    assert all(c["end"] - c["start"] <= 1.5 + 0.06 for c in done.json["captions"])
    assert "is of one" in refused(3, "describe", folder / "two.h5", "--out", tmp_path / "x.srt")


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    one = folder / "one.h5"
    glosses = untrained("glosses", tmp_path / "g.safetensors")
    for words, code, said in (
        ((), 2, "name an input"), ((one, "--out", "x.mp4"), 2, "unknown ending"), ((one, "--longest", "2"), 2, "twice"),
        ((one, "--shortest", "0"), 2, "--shortest"), ((one, "--beam", "0"), 2, "--beam"),
        ((one, "--shortest", "60", "--longest", "130"), 3, "for 60 s"), (("none.mp4",), 3, "none.mp4"),
        (("everyday", one), 3, "for recognition"), ((glosses, one), 3, "not for text"),
    ):  # fmt: skip
        err = refused(code, "describe", *words)
        assert re.search(said, err), (words, err)


def test_a_network_of_ones_own(folder: Path, tmp_path: Path) -> None:
    scenes = [
        Scene(who, (Act("bow", "", manner),))
        for who in ("child", "adult")
        for manner in ("slowly", "quickly")
    ]
    write_store(tmp_path / "scenes.h5", [make_caption_clip(s, k) for k, s in enumerate(scenes)])
    shown = (
        "--input.joints",
        "all",
        "--input.normalise",
        "body",
        "--input.depth",
        "--input.size",
        "--input.gap",
        "0.5",
    )
    small = (
        "--model.width",
        "16",
        "--model.encoder-layers",
        "2",
        "--model.heads",
        "2",
        "--train.epochs",
        "1",
    )
    words = ("--out", tmp_path / "runs", "--augment.rate", "1", "1", "--device", "cpu")
    done = skelact("learn-language", "text", tmp_path / "scenes.h5", *shown, *small, *words)
    assert done.code == 0 and "12 tokens" in done.out, done.err
    run = tmp_path / "runs" / "signing" / "text"
    done = skelact("describe", run, folder / "one.h5", "--longest", "20", "--json")
    assert done.code == 0 and len(done.json["captions"]) == 1, done.err


@pytest.mark.slow
def test_a_real_video(shared_data: Path) -> None:
    done = skelact(
        "describe",
        shared_data / "videos" / "walk_in_one_by_one.mp4",
        "--seconds",
        "8",
        "--people",
        "one",
        "--json",
    )
    assert done.code == 0, done.err
    beyond = {f"a person {words}." for words in BEYOND.values()}
    texts = [c["text"] for c in done.json["captions"]]
    assert texts and all(text in beyond or understand(text) is not None for text in texts)
    fall = skelact("describe", shared_data / "videos" / "fall_trip.mp4", "--json")
    assert "a person falls." in [c["text"] for c in fall.json["captions"]]
    assert "no person was found" in refused(
        3, "describe", shared_data / "videos" / "no_whole_person.mp4", "--seconds", "2", "--people", "one"
    )
