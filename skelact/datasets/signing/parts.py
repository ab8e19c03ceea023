"""Which utterances train and which validate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from skelact.datasets.signing.annotations import SignRecord
from skelact.datasets.signing.utterance import Utterance, main_person
from skelact.errors import ConfigError, DataError, choices
from skelact.language.vocabulary import split_words
from skelact.skeleton import Skeleton

Pairs = Sequence[tuple[SignRecord, Utterance]]


def listed(names: str) -> list[str]:
    """Names separated by commas."""
    return [n.strip() for n in names.split(",") if n.strip()]


def part_signers(
    signs: Mapping[str, Sequence[Skeleton]], train: str, val: str, test: str
) -> tuple[dict, dict]:
    """Isolated signs of the signers to train on and to validate on, by signer.

    Args:
        signs: by signer.
        train, val, test: signers separated by commas; ``all`` to train on: those that neither validate nor test.

    Raises:
        ConfigError: for a signer that there is not, one with two purposes, or none to train on.
    """
    chosen = {"val": listed(val), "test": listed(test)}
    taken = [s for names in chosen.values() for s in names]
    chosen["train"] = [s for s in signs if s not in taken] if train == "all" else listed(train)
    for part, names in chosen.items():
        for name in names:
            if name not in signs:
                raise ConfigError(f"data.{part}: {choices(name, sorted(signs), 'signer')}")
    every = [s for names in chosen.values() for s in names]
    twice = sorted({s for s in every if every.count(s) > 1})
    if twice:
        raise ConfigError(f"signers have two purposes among data.train, val and test: {', '.join(twice)}")
    if not chosen["train"]:
        raise ConfigError("no signer is left to train on; name fewer in data.val and data.test")
    return {s: signs[s] for s in chosen["train"]}, {s: signs[s] for s in chosen["val"]}


def part_records(
    pairs: Pairs, train: str, val: str, test: str, seed: int
) -> tuple[list[Utterance], list[Utterance]]:
    """Annotated utterances to train on and to validate on.

    Args:
        pairs: records with their utterances.
        train, val, test: splits or signers, separated by commas; ``val`` may be a share such as 0.1 of what would be
            trained on. ``all`` to train on: the split train if there is one, else all that is not taken.
        seed: of a share.

    Raises:
        ConfigError: for a name that is neither a split nor a signer, or nothing to train on.
    """
    known = sorted({r.split for r, _ in pairs} | {r.signer for r, _ in pairs} - {""})
    share = _share(val)
    names = {"val": [] if share is not None else listed(val), "test": listed(test)}
    names["train"] = listed(train) if train != "all" else (["train"] if "train" in known else [])
    for part, own in names.items():
        for name in own:
            if name not in known:
                raise ConfigError(f"data.{part}: {choices(name, [k for k in known if k], 'split or signer')}")

    def chosen(part: str) -> list[Utterance]:
        return [u for r, u in pairs if r.split in names[part] or r.signer in names[part]]

    if train != "all" or names["train"]:
        learned = chosen("train")
    else:
        learned = [u for _, u in pairs]
    taken = {u.id for part in ("val", "test") for u in chosen(part)}
    learned = [u for u in learned if u.id not in taken]
    held = chosen("val")
    if share is not None:
        order = np.random.default_rng([seed, 44]).permutation(len(learned))
        n = max(1, round(share * len(learned))) if share else 0
        held = [learned[int(i)] for i in sorted(order[:n])]
        learned = [learned[int(i)] for i in sorted(order[n:])]
    if not learned:
        raise ConfigError("no recording is left to train on; look at data.train, data.val and data.test")
    return learned, held


def _share(val: str) -> float | None:
    try:
        share = float(val or "0")
    except ValueError:
        return None
    return share if 0 <= share < 1 else None


def labelled_utterances(recordings: Sequence[Skeleton]) -> list[tuple[SignRecord, Utterance]]:
    """Recordings whose own label is the gloss, or the sentence; those without a label or a person are left out.

    Raises:
        DataError: if none is left.
    """
    found = []
    for s in recordings:
        if not s.label or not (s.score > 0).any():
            continue
        signer = str(s.info.get("subject", ""))
        glosses = (s.label,) if not s.label.split()[1:] else ()
        record = SignRecord(s.id, s.id, signer=signer, glosses=glosses, text=s.label)
        found.append(
            (record, Utterance(s.id, main_person(s), glosses, tuple(split_words(s.label)), (), signer))
        )
    if not found:
        raise DataError(
            "no recording has a label and a person; name an annotation file with --data.annotations"
        )
    return found


def text_only(records: Sequence[SignRecord]) -> list[tuple[SignRecord, Utterance]]:
    """Glosses and text of annotations without recordings: each with one frame in which nothing is seen.

    Raises:
        DataError: if no record has both.
    """
    frame = Skeleton(np.zeros((1, 1, 21, 2)), np.zeros((1, 1, 21)), "hand21", 1.0, "unknown")
    found = [
        (r, Utterance(r.id, frame, r.glosses, tuple(split_words(r.text)), (), r.signer))
        for r in records
        if r.glosses and r.text
    ]
    if not found:
        raise DataError("no annotation has both glosses and text; of the known formats phoenix14t has")
    return found


def repeat(utterances: list[Utterance]) -> Callable[[int], list[Utterance]]:
    """The same utterances in every epoch."""
    return lambda epoch: utterances
