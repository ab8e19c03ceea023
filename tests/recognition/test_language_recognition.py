"""Language checkpoints applied to recordings, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from signing_sets import GLOSSES, LAYOUT, streams, untrained

from skelact.errors import CheckpointError, DataError, LayoutError
from skelact.language.vocabulary import Vocabulary
from skelact.recognition.checkpoint import load_checkpoint, save_checkpoint
from skelact.recognition.language import Translator
from skelact.recognition.language_checkpoint import find_parts, fit_recording, load_language
from skelact.recognition.language_decoding import Gloss, find_glosses, sign_segments, widen
from skelact.skeleton import Skeleton

AT = np.arange(12) / 10
WORDS = Vocabulary(("A", "B"))


def grid(path: str, sure: float = 0.9) -> np.ndarray:
    """Log-probabilities of a path of ``_``, A and B."""
    p = np.full((len(path), 3), (1 - sure) / 2)
    p[np.arange(len(path)), ["_AB".index(c) for c in path]] = sure
    return np.log(p)


def test_glosses_have_the_times_of_the_answers() -> None:
    one, two = find_glosses(grid("__AA____BB__"), AT, WORDS)
    assert (one.word, one.start, one.end) == ("A", pytest.approx(0.2), pytest.approx(0.4))
    assert (two.word, two.start, two.end) == ("B", pytest.approx(0.8), pytest.approx(1.0))
    assert one.score == pytest.approx(0.9)
    assert find_glosses(grid("____"), AT[:4], WORDS) == []


def test_a_penalty_of_the_blank_finds_weaker_signs() -> None:
    log_p = grid("____________", 0.9999)
    log_p[5] = np.log([0.6, 0.38, 0.02])
    assert find_glosses(log_p, AT, WORDS) == []
    assert [g.word for g in find_glosses(log_p, AT, WORDS, blank_penalty=1.0)] == ["A"]


def test_the_beam_and_bigrams_are_used() -> None:
    log_p = np.log(np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3]]))
    bigrams = np.log(np.array([[1e-9, 0.1, 0.9]] * 3))
    assert [g.word for g in find_glosses(log_p, AT[:2], WORDS, bigrams=bigrams)][:1] == ["B"]
    assert find_glosses(log_p, AT[:2], WORDS, beam=1) == [] != find_glosses(log_p, AT[:2], WORDS, beam=8)


def test_segments_close_short_gaps_and_leave_short_ones_out() -> None:
    p = np.array([0, 0.9, 0.9, 0.1, 0.9, 0.9, 0, 0, 0, 0.9, 0, 0])
    assert sign_segments(p, AT, least=0.15) == [(pytest.approx(0.1), pytest.approx(0.6))]
    assert len(sign_segments(p, AT, least=0.05)) == 3
    assert sign_segments(p, AT, threshold=0.95) == []


def test_glosses_get_the_times_of_their_signs() -> None:
    glosses = [
        Gloss("A", 0.4, 0.5, 1),
        Gloss("B", 1.1, 1.2, 1),
        Gloss("C", 1.7, 1.8, 1),
        Gloss("D", 5.0, 5.1, 1),
    ]
    out = widen(glosses, [(0.1, 0.6), (1.0, 2.0)])
    assert [(g.start, g.end) for g in out] == [
        (0.1, 0.6),
        (1.0, pytest.approx(1.45)),
        (pytest.approx(1.45), 2.0),
        (5.0, 5.1),
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "signing"
    for task in ("glosses", "gloss2text", "text", "signs"):
        untrained(task, folder / task / "best.safetensors")
    return folder


def test_a_folder_holds_all_parts(runs: Path) -> None:
    assert set(find_parts(runs)) == {"glosses", "gloss2text", "text", "signs"}
    assert set(find_parts(runs / "glosses")) == {"glosses"}
    found = Translator.load(runs, "cpu").translate(streams()[0].skeleton)
    assert all(g.word in GLOSSES and g.end > g.start for g in found.glosses)
    assert found.has_text and set(found.text.split()) <= {"a", "sign", "a.", "sign.", "."}


def test_without_a_text_network_the_glosses_are_the_text(runs: Path) -> None:
    found = Translator.load(runs / "glosses", "cpu").translate(streams()[0].skeleton)
    assert not found.has_text and found.text == " ".join(g.word for g in found.glosses) and found.signs == []
    with_signs = Translator.load(runs / "glosses", "cpu", signs=runs / "signs")
    assert set(with_signs.parts) == {"glosses", "signs"}


def test_motion_to_text_alone(runs: Path) -> None:
    found = Translator.load(runs / "text", "cpu").translate(streams()[0].skeleton)
    assert found.has_text and found.glosses == [] and found.score < 0


def test_the_blank_penalty_of_the_training_is_used(runs: Path, tmp_path: Path) -> None:
    state, card = load_checkpoint(runs / "glosses")
    counts = []
    for penalty in (0.0, 6.0):
        card.config["train"]["blank_penalty"] = penalty
        save_checkpoint(tmp_path / f"{penalty}.safetensors", state, card)
        checkpoint = load_language(tmp_path / f"{penalty}.safetensors", "cpu")
        assert checkpoint.blank_penalty == penalty
        counts.append(len(Translator({"glosses": checkpoint}).translate(streams()[0].skeleton).glosses))
    assert counts[1] > counts[0]


def test_checkpoints_of_another_kind_are_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"for recognition .*learn-language"):
        load_language("everyday")
    with pytest.raises(CheckpointError, match="for recognition"):
        Translator.load("everyday")
    state, card = load_checkpoint(runs / "signs")
    card.config = {"target": {}}
    save_checkpoint(tmp_path / "seg.safetensors", state, card)
    with pytest.raises(CheckpointError, match="for segmentation"):
        load_language(tmp_path / "seg.safetensors")
    with pytest.raises(CheckpointError, match="task glosses or text, got signs"):
        Translator.load(runs / "signs")
    with pytest.raises(CheckpointError, match="trained for 'glosses', not for signs"):
        Translator.load(runs / "glosses", signs=runs / "glosses")
    with pytest.raises(CheckpointError, match="holds neither"):
        find_parts(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        find_parts(tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label_names": ["far", "high", "wide", "x"]}, "no vocabulary begins"),
        ({"model": {"name": "ctcc"}}, "network for language"),
        ({"model": {"name": "ctc", "wide": 3}}, "unknown key"),
        ({"pipeline": {"fps": 0}}, "input.fps"),
        ({"model": {"name": "ctc", "width": 64}}, "do not fit the network"),
    ],
)  # fmt: skip
def test_damaged_cards_are_refused(runs: Path, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    state, card = load_checkpoint(runs / "glosses")
    for name, value in changes.items():
        setattr(card, name, value)
    save_checkpoint(tmp_path / "bad.safetensors", state, card)
    with pytest.raises(CheckpointError, match=said):
        load_language(tmp_path / "bad.safetensors")


def test_a_text_network_without_its_glosses_is_refused(runs: Path, tmp_path: Path) -> None:
    state, card = load_checkpoint(runs / "gloss2text")
    card.trained = {}
    save_checkpoint(tmp_path / "bad.safetensors", state, card)
    with pytest.raises(CheckpointError, match="damaged"):
        load_language(tmp_path / "bad.safetensors")


def test_other_glosses_are_refused(runs: Path, tmp_path: Path) -> None:
    other = untrained("gloss2text", tmp_path / "g.safetensors", ("x", "y", "z"))
    parts = {"glosses": load_language(runs / "glosses"), "gloss2text": load_language(other)}
    with pytest.raises(CheckpointError, match=r"other glosses .x, y, z"):
        Translator(parts)


def test_recordings_that_do_not_fit_are_refused(runs: Path) -> None:
    translator = Translator.load(runs / "glosses", "cpu")
    one = streams()[0].skeleton
    for skeleton, kind, said in (
        (one.with_(score=np.zeros_like(one.score)), DataError, "nobody is seen"),
        (one.with_(score=one.score * (np.arange(75) < 33)), DataError, "no hand is seen"),
        (one.with_(unit="m"), DataError, "trained in 'image'.*--coordinates image"),
        (one.with_(unit="px"), DataError, "width and height"),
        (one.converted("coco17"), LayoutError, "only 9 of the 49 joints.*pose\\+hands"),
    ):
        with pytest.raises(kind, match=said):
            translator.translate(skeleton)


def test_pixels_and_metres_with_pictures_are_made_to_fit(runs: Path) -> None:
    checkpoint = load_language(runs / "glosses", "cpu")
    one = streams()[0].skeleton.with_(info={"width": 640, "height": 480})
    pixels = one.with_(xyz=one.xyz[..., :2] * np.array([640, 480]), unit="px")
    fitted, _ = fit_recording(pixels, checkpoint)
    assert np.allclose(fitted.xyz, one.xyz[..., :2], atol=1e-5) and fitted.unit == "image"
    metres = Skeleton(one.xyz, one.score, LAYOUT, 30.0, "m", picture=one.xyz[..., :2])
    fitted, notes = fit_recording(metres, checkpoint)
    assert fitted.unit == "image" and "in the picture" in notes[0]


def test_the_signer_among_several_is_who_is_seen_most(runs: Path) -> None:
    one = streams()[0].skeleton
    score = np.concatenate([one.score * (np.arange(75) < 5), one.score])
    two = one.with_(xyz=np.concatenate([0 * one.xyz + 0.5, one.xyz]), score=score, track_ids=(0, 1))
    translator = Translator.load(runs / "glosses", "cpu")
    assert translator.translate(two).glosses == translator.translate(one).glosses
