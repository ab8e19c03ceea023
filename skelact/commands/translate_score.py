"""What annotations say of translated recordings, and how the translations compare with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, DataError, choices, counted


def annotated(recordings: Sequence[Any], truth: str, kind: str, part: str) -> list[tuple[Any, Any]]:
    """(record, recording) of annotated clips, the recording cut and called as the annotation has it.

    Args:
        recordings: `skelact.skeleton.Skeleton`.
        truth, kind: annotation files, separated by commas, and their format.
        part: split or signer; empty: all.

    Raises:
        ConfigError: for an unknown format or part.
        DataError: if no annotated clip of the part is among the recordings.
    """
    from skelact.datasets.signing.annotations import read_annotations
    from skelact.datasets.signing.load import join_annotations
    from skelact.datasets.signing.parts import listed

    if not kind:
        raise ConfigError("--truth needs --truth-format, such as phoenix14t")
    pairs = join_annotations(recordings, read_annotations(listed(truth), kind))
    known = sorted({r.split for r, _ in pairs} | {r.signer for r, _ in pairs} - {""})
    if part and part not in known:
        raise ConfigError(choices(part, [k for k in known if k], "split or signer"))
    return [(r, u.skeleton.with_(id=r.id)) for r, u in pairs if not part or part in (r.split, r.signer)]


def gloss_sentences(files: str, kind: str) -> list[tuple[str, ...]]:
    """The glosses of utterances: of annotation files, or of text files (.txt) with an utterance a line.

    Raises:
        ConfigError: for an unknown format, or none.
        DataError: if a file cannot be read, or holds no glosses.
    """
    from skelact.datasets.signing.annotations import read_annotations
    from skelact.datasets.signing.parts import listed

    found: list[tuple[str, ...]] = []
    for file in listed(files):
        if file.lower().endswith(".txt"):
            try:
                lines = Path(file).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"{file} cannot be read as text in UTF-8: {error}") from None
            found += [tuple(line.split()) for line in lines]
        elif not kind:
            raise ConfigError(
                f"--bigrams {file} is an annotation file; name its format with --truth-format, such as phoenix14t "
                "(or give a .txt with the glosses of an utterance a line)"
            )
        else:
            found += [r.glosses for r in read_annotations([file], kind)]
    found = [glosses for glosses in found if glosses]
    if not found:
        raise DataError(f"--bigrams {files} holds no glosses")
    return found


def score(records: Sequence[Any], results: Sequence[tuple[Any, Any]], ui: UI) -> dict[str, float]:
    """Word error rate of glosses, and of text its word error rate, BLEU and ROUGE-L; nothing for a failed recording.

    Args:
        records: `skelact.datasets.signing.annotations.SignRecord`, of every recording that was to be translated.
        results: recordings and their translations.
        ui: says the figures.

    Raises:
        DataError: if the annotations have neither glosses nor text.
    """
    from skelact.language.scores import bleu, rouge_l, word_error_rate
    from skelact.language.vocabulary import split_words

    found = {recording.id: translation for recording, translation in results}
    out: dict[str, float] = {}
    with_glosses = [r for r in records if r.glosses]
    if with_glosses and any(t.glosses or not t.has_text for t in found.values()):
        said = [[g.word for g in found[r.id].glosses] if r.id in found else [] for r in with_glosses]
        out["gloss_wer"] = word_error_rate([r.glosses for r in with_glosses], said)
        ui.say(
            f"glosses: word error rate {percent(out['gloss_wer'])} over {counted(len(with_glosses), 'clip')}"
        )
    with_text = [r for r in records if r.text]
    if with_text and any(t.has_text for t in found.values()):
        wanted = [split_words(r.text) for r in with_text]
        said = [split_words(found[r.id].text) if r.id in found else [] for r in with_text]
        out |= {
            "text_wer": word_error_rate(wanted, said), "bleu": bleu(wanted, said), "rouge_l": rouge_l(wanted, said),
        }  # fmt: skip
        ui.say(
            f"text: BLEU {out['bleu']:.1f}, ROUGE-L {out['rouge_l']:.1f}, word error rate "
            f"{percent(out['text_wer'])} over {counted(len(with_text), 'clip')}"
        )
    if not out:
        raise DataError("the annotations have neither glosses nor text of what the checkpoint gives")
    return out
