"""Words and indices."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelact.errors import ConfigError, DataError
from skelact.language.vocabulary import BEGIN, BLANK, END, PAD, UNKNOWN, Vocabulary, join_words, split_words


def test_special_tokens_come_first() -> None:
    ctc = Vocabulary(("YES", "NO"))
    assert ctc.tokens == [BLANK, "YES", "NO"] and len(ctc) == 3
    text = Vocabulary(("a", "b"), "text")
    assert text.tokens == [PAD, BEGIN, END, UNKNOWN, "a", "b"]


def test_encode_and_decode_are_inverse() -> None:
    words = Vocabulary(("a", "b"), "text")
    assert words.encode(["b", "a", "b"]) == [5, 4, 5]
    assert words.decode([1, 5, 4, 2, 0]) == ["b", "a"]
    assert words.decode([4, 3]) == ["a", UNKNOWN]


def test_unknown_words_are_named() -> None:
    words = Vocabulary(("a", "b"), "text")
    with pytest.raises(DataError, match=r"clip 7 has words .* lacks: cat, dog"):
        words.encode(["a", "cat", "dog", "cat"], "clip 7")
    assert words.encode(["a", "cat"], mark=True) == [4, 3]
    with pytest.raises(DataError, match="cat"):
        Vocabulary(("a",)).encode(["cat"], mark=True)  # a blank stands for no word
    assert Vocabulary(("a",)).unknown([BLANK]) == [BLANK]


def test_least_leaves_rare_words_out() -> None:
    sentences = [["b", "a"], ["a"], ["c"]]
    assert Vocabulary.of(sentences).words == ("a", "b", "c")
    assert Vocabulary.of(sentences, least=2).words == ("a",)
    with pytest.raises(ConfigError, match="vocabulary is empty"):
        Vocabulary.of(sentences, least=3)


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ((), "ctc", "empty"),
        (("a", "a"), "ctc", "twice: a"),
        (("a b",), "ctc", "white space"),
        ((BLANK,), "text", "special"),
        (("a",), "cct", "unknown kind"),
    ],
)
def test_impossible_vocabularies_are_refused(words: tuple[str, ...], kind: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Vocabulary(words, kind)


def test_text_round_trip(tmp_path: Path) -> None:
    words = Vocabulary(("no", "12", "ü", "a: b".replace(" ", "")), "text")
    path = tmp_path / "words.yaml"
    path.write_text(words.to_text(), encoding="utf-8")
    assert Vocabulary.read(path) == words
    assert Vocabulary.from_tokens(words.tokens) == words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[a, b]",
        "kind: ctc",
        "{kind: ctc, words: [1, 2]}",
        "{kind: x, words: [a]}",
        "a: [",
        "{kind: ctc, words: []}",
    ],
)
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="is no vocabulary"):
        Vocabulary.from_text(text)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Vocabulary.read(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        Vocabulary.read(tmp_path / "b.yaml")


def test_tokens_without_special_ones_are_refused() -> None:
    with pytest.raises(DataError, match="no vocabulary begins with 'walk'"):
        Vocabulary.from_tokens(["walk", "run"])


def test_text_is_split_into_words_and_marks_and_joined_again() -> None:
    text = "A child doesn't wave, then it's 3.5 °C."
    words = split_words(text)
    assert words[:5] == ["a", "child", "doesn't", "wave", ","] and words[-1] == "."
    assert (
        join_words(["a", "child", "waves", ",", "then", "sits", "down", "."])
        == "a child waves, then sits down."
    )
