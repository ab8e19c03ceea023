"""Words ⇄ indices, for networks with a blank (CTC) and for networks that write one word after the other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from skelact.errors import ConfigError, DataError, choices
from skelact.plain_yaml import load_plain

BLANK, PAD, BEGIN, END, UNKNOWN = "<blank>", "<pad>", "<begin>", "<end>", "<unknown>"
SPECIAL: dict[str, tuple[str, ...]] = {"ctc": (BLANK,), "text": (PAD, BEGIN, END, UNKNOWN)}
_TOKEN = re.compile(r"[^\W_]+(?:[-'’_.][^\W_]+)*|[^\w\s]|_", re.UNICODE)


@dataclass(frozen=True)
class Vocabulary:
    """Words in a fixed order; the special tokens of the kind come first.

    Args:
        words: without the special tokens.
        kind: ``ctc``: index 0 is the blank; ``text``: padding 0, begin 1, end 2, unknown word 3.

    Raises:
        ConfigError: for an unknown kind, no words, a word twice, a blank or special token among the words.
    """

    words: tuple[str, ...]
    kind: str = "ctc"

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(map(str, self.words)))
        if self.kind not in SPECIAL:
            raise ConfigError(choices(self.kind, SPECIAL, "kind of vocabulary"))
        if not self.words:
            raise ConfigError(
                "the vocabulary is empty; give recordings with glosses or text, or lower least (how often a word "
                "must occur)"
            )
        special = {token for tokens in SPECIAL.values() for token in tokens}
        bad = [
            w for w in self.words if not w.strip() or w != w.strip() or w in special or re.search(r"\s", w)
        ]
        if bad:
            raise ConfigError(
                f"words hold no white space and are no special tokens, got {', '.join(map(repr, bad[:5]))}"
            )
        twice = [w for w, n in Counter(self.words).items() if n > 1]
        if twice:
            raise ConfigError(f"words stand in the vocabulary twice: {', '.join(twice[:5])}")

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], kind: str = "ctc", least: int = 1) -> Vocabulary:
        """The words that occur at least ``least`` times, in alphabetical order."""
        counts = Counter(word for words in sentences for word in words)
        return cls(tuple(sorted(w for w, n in counts.items() if n >= least)), kind)

    @classmethod
    def from_tokens(cls, tokens: Sequence[str]) -> Vocabulary:
        """The inverse of `tokens`.

        Raises:
            DataError: if the special tokens of no kind come first.
        """
        for kind, special in SPECIAL.items():
            if tuple(tokens[: len(special)]) == special:
                return cls(tuple(tokens[len(special) :]), kind)
        raise DataError(
            f"no vocabulary begins with {', '.join(map(repr, tokens[:4]))}; was it made by skelact?"
        )

    @property
    def tokens(self) -> list[str]:
        """Special tokens and words, by index."""
        return [*SPECIAL[self.kind], *self.words]

    @cached_property
    def index(self) -> dict[str, int]:
        """Index of every token."""
        return {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(SPECIAL[self.kind]) + len(self.words)

    def unknown(self, words: Iterable[str]) -> list[str]:
        """Words that the vocabulary lacks, each once, in order."""
        return [w for w in dict.fromkeys(words) if w not in self.index or w in SPECIAL[self.kind]]

    def encode(self, words: Sequence[str], where: str = "the sentence", mark: bool = False) -> list[int]:
        """Indices of words.

        Args:
            words: of a sentence.
            where: it comes from, for messages.
            mark: unknown words become `UNKNOWN` (kind ``text`` only) instead of an error.

        Raises:
            DataError: naming the words that the vocabulary lacks.
        """
        lacking = self.unknown(words)
        if lacking and not (mark and self.kind == "text"):
            raise DataError(
                f"{where} has words that the vocabulary of {len(self.words)} lacks: {', '.join(lacking[:10])}"
                f"{' ...' if len(lacking) > 10 else ''}; train with them, or leave such recordings out"
            )
        other = self.index.get(UNKNOWN, 0)
        return [other if w in lacking else self.index[w] for w in words]

    def decode(self, indices: Iterable[int]) -> list[str]:
        """Words of indices; special tokens are left out, but for `UNKNOWN`."""
        tokens, special = self.tokens, set(SPECIAL[self.kind]) - {UNKNOWN}
        return [tokens[int(i)] for i in indices if tokens[int(i)] not in special]

    def to_text(self) -> str:
        """The vocabulary as YAML."""
        return yaml.safe_dump(
            {"kind": self.kind, "words": list(self.words)}, sort_keys=False, allow_unicode=True
        )

    @classmethod
    def from_text(cls, text: str, where: str = "the vocabulary") -> Vocabulary:
        """Read what `to_text` wrote.

        Raises:
            DataError: if it is something else.
        """
        try:
            values = load_plain(text)
            if not isinstance(values, dict) or set(values) != {"kind", "words"}:
                raise ConfigError("it needs the keys kind and words")
            if not isinstance(values["words"], list) or not all(isinstance(w, str) for w in values["words"]):
                raise ConfigError("words must be a list of texts; put numbers and yes/no into quotes")
            return cls(tuple(values["words"]), values["kind"] if isinstance(values["kind"], str) else "")
        except (yaml.YAMLError, ConfigError) as error:
            raise DataError(
                f"{where} is no vocabulary ({error}); write 'kind: ctc' and a list 'words:'"
            ) from None

    @classmethod
    def read(cls, path: str | Path) -> Vocabulary:
        """Read a YAML file; raises `DataError` if it cannot be read or is something else."""
        try:
            return cls.from_text(Path(path).read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the vocabulary {path} cannot be read: {error}") from None


def split_words(text: str) -> list[str]:
    """Words and marks of punctuation of a text, lower case."""
    return _TOKEN.findall(text.lower())


def join_words(words: Sequence[str]) -> str:
    """A text of words; marks of punctuation follow the word before them."""
    return re.sub(r"\s+([.,;:!?…)])", r"\1", " ".join(words))
