"""Sentences that only the pictures can tell: the motion is the same, the colour is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_helpers import refused, skelact
from motion_pictures import encode, texture
from signing_sets import make_sign

from skelact.errors import DependencyError
from skelact.io.store import write_store

COLOURS = {"red": (255, 40, 40), "blue": (40, 60, 255)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of signers in front of red and of blue, with their videos."""
    from skelact.models.video.picture_weights import read_weights

    try:
        read_weights("mobilenet_v2")
    except DependencyError:
        pytest.skip("no package with weights of MobileNetV2")
    folder, made = tmp_path_factory.mktemp("looks"), []
    for k in range(16):
        name, shade = list(COLOURS.items())[k % 2]
        pictures = [(0.3 * texture(96, 128, k) + 0.7 * np.array(shade)).astype(np.uint8)] * 16
        encode(folder / f"c{k}.mp4", pictures, fps=30)
        sign = make_sign("high", k // 2, 0)
        made.append(sign.with_(id=f"c{k}", label=f"a person in {name} .", info={"video": f"c{k}.mp4"}))
    write_store(folder / "clips.h5", made)
    return folder


@pytest.mark.slow
def test_the_pictures_say_what_the_motion_cannot(clips: Path, tmp_path: Path) -> None:
    learn = (
        "learn-language", "text", clips / "clips.h5", "--data.val", "0.25", "--out", tmp_path, "--device", "cpu",
        "--train.epochs", "12", "--train.batch-size", "4", "--train.beam", "2", "--train.eval-every", "12",
        "--model.width", "16", "--model.heads", "2", "--model.encoder-layers", "2", "--model.recurrent-layers", "0",
        "--model.dropout", "0", "--train.lr", "0.005", "--train.ema", "0", "--json",
    )  # fmt: skip
    done = skelact(*learn, "--name", "seen", "--input.pictures", "mobilenet_v2", "--input.picture-fps", "8")
    assert done.code == 0, done.err
    blind = skelact(*learn, "--name", "blind")
    assert done.json["history"][-1]["val_wer"] == 0 < blind.json["history"][-1]["val_wer"]
    described = skelact(
        "describe", tmp_path / "seen" / "text", clips / "clips.h5", "--shortest", "0.3", "--json"
    )
    said = {c["recording"]: c["text"] for c in described.json["captions"]}
    assert all(list(COLOURS)[k % 2] in said[f"c{k}"] for k in range(16)), said
    translated = skelact("translate", tmp_path / "seen", clips / "clips.h5", "--json").json["recordings"]
    assert all(list(COLOURS)[k % 2] in r["text"] for k, r in enumerate(translated))
    (clips / "c3.mp4").rename(clips / "gone.mp4")
    try:
        assert "1 of 16 recordings have no video" in refused(
            3, *learn, "--name", "x", "--input.pictures", "mobilenet_v2"
        )
        lone = skelact(
            "describe", tmp_path / "seen" / "text", clips / "clips.h5", "--shortest", "0.3", "--json"
        )
        assert (
            "recording 'c3' does not" in lone.json["failed"][0]["error"] and len(lone.json["captions"]) == 15
        )
    finally:
        (clips / "gone.mp4").rename(clips / "c3.mp4")


def test_pictures_are_for_sentences(clips: Path, tmp_path: Path) -> None:
    words = (
        "learn-language",
        "glosses",
        clips / "clips.h5",
        "--streams",
        "--out",
        tmp_path,
        "--input.pictures",
    )
    assert "task text alone" in refused(2, *words, "mobilenet_v2")
    assert "unknown input.pictures 'resnet'" in refused(2, *words, "resnet")
    assert "picture_fps must be above 0" in refused(2, *words, "mobilenet_v2", "--input.picture-fps", "0")
