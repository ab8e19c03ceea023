"""Recordings and annotations together: the utterances that a language network learns from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from skelact.datasets.signing.annotations import SignRecord
from skelact.datasets.signing.utterance import Utterance, cut, main_person
from skelact.errors import DataError, counted
from skelact.io.store import Store
from skelact.language.vocabulary import split_words
from skelact.skeleton import Skeleton

log = logging.getLogger(__name__)
_EXAMPLES = 5


def read_recordings(paths: Sequence[str | Path]) -> list[Skeleton]:
    """All recordings of skelact files, which must agree in layout, unit and coordinates.

    Raises:
        DataError: if one is missing, is no skelact file, or differs from the first.
    """
    found: list[Skeleton] = []
    for path in paths:
        if not Path(path).exists():
            raise DataError(
                f"there is no file {path}; make it with skelact extract (videos) or skelact convert"
            )
        with Store(path) as store:
            found += [store.read(k) for k in range(len(store))]
    if not found:
        raise DataError(f"{', '.join(map(str, paths)) or 'no file'} holds no recording")
    first = found[0]
    for s in found:
        if (s.layout, s.unit, s.xyz.shape[3]) != (first.layout, first.unit, first.xyz.shape[3]):
            raise DataError(
                f"recordings '{first.id}' and '{s.id}' differ in layout, unit or coordinates; convert them to one kind"
            )
    return found


def clip_name(name: str) -> str:
    """What an id and a file's name have in common: no folder, no ending, lower case."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    known = {"mp4", "avi", "mov", "mkv", "webm", "npz", "pose", "pkl", "h5"}
    return (stem if dot and ending.lower() in known else last).lower()


def join_annotations(
    recordings: Sequence[Skeleton], records: Sequence[SignRecord]
) -> list[tuple[SignRecord, Utterance]]:
    """Recordings with what the annotations say of them, by name.

    A recording is a clip of its own, called like the record, or the whole video that the record is a part of, called
    like its video: then it is cut. Records without a recording, and recordings in which nobody is seen, are left out
    with a warning.

    Raises:
        DataError: if no record has a recording; it names examples of both.
    """
    by_name = {clip_name(s.id): s for s in recordings}
    found, absent, empty = [], [], []
    for record in records:
        own = by_name.get(clip_name(record.id))
        source = by_name.get(clip_name(record.video)) if own is None else own
        if source is None:
            absent.append(record.id)
            continue
        try:
            person = main_person(source)
            if own is None and (record.start > 0 or record.end != float("inf")):
                person = cut(person, record.start, record.end)
        except DataError:
            empty.append(record.id)
            continue
        words = tuple(split_words(record.text))
        found.append((record, Utterance(record.id, person, record.glosses, words, (), record.signer)))
    if not found:
        raise DataError(
            f"none of the {counted(len(records), 'annotated clip')} (such as "
            f"{', '.join(r.id for r in records[:_EXAMPLES])}) is "
            f"among the {counted(len(recordings), 'recording')} (such as "
            f"{', '.join(s.id for s in recordings[:_EXAMPLES])})"
        )
    for names, why in ((absent, "have no recording"), (empty, "show nobody")):
        if names:
            log.warning("%d annotated clips %s, such as %s", len(names), why, ", ".join(names[:_EXAMPLES]))
    return found
