"""Annotation files of the public sign sets as plain records; `FORMATS` is the one table of them.

None of these sets is shipped or fetched: who has one names its files. The forms are those that public loaders read
(AI4Bharat/OpenHands for AUTSL, INCLUDE, LSA64, MS-ASL and WLASL; dxli94/WLASL's README; the headers of PHOENIX-2014T
and How2Sign as quoted by many loaders).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from skelact.datasets.signing.annotation_files import (
    number,
    read_json_list,
    read_rows,
    read_table,
    text_of,
    whole,
)
from skelact.errors import ConfigError, DataError, choices

WLASL_FPS = 25.0  # the frame numbers of WLASL count at this rate


@dataclass(frozen=True)
class SignRecord:
    """What an annotation says of one clip.

    Args:
        id: of the clip, as its video or folder is called.
        video: file or folder, as the annotation has it, or an address.
        start, end: seconds within the video; 0 and infinity: all of it.
        signer: who it is; empty if it is not said.
        split: train, val or test; empty if it is not said.
        glosses: what is signed, in order.
        text: the translation; empty if there is none.
    """

    id: str
    video: str
    start: float = 0.0
    end: float = math.inf
    signer: str = ""
    split: str = ""
    glosses: tuple[str, ...] = ()
    text: str = ""


def read_phoenix14t(path: Path) -> list[SignRecord]:
    """RWTH-PHOENIX-Weather 2014 T: ``name|video|start|end|speaker|orth|translation``.

    Start and end are -1 throughout (a folder of pictures is one clip); ``orth`` are glosses separated by blanks. The
    split is in the file's name, ``PHOENIX-2014-T.train.corpus.csv``.
    """
    split = _split_of(path.name)
    columns = ("name", "video", "start", "end", "speaker", "orth", "translation")
    found = []
    for where, row in read_table(path, "|", columns, quoted=False):
        glosses = tuple(row["orth"].split())
        if not row["name"]:
            raise DataError(f"{where}: the name is empty")
        if not glosses and not row["translation"].strip():
            raise DataError(f"{where}: neither glosses (orth) nor translation")
        start, end = (number(row[c], where, c) for c in ("start", "end"))
        times = (0.0, math.inf) if start < 0 and end < 0 else (start, end)
        found.append(
            SignRecord(row["name"], row["video"], *_times(*times, where), row["speaker"], split, glosses,
                       row["translation"].strip())
        )  # fmt: skip
    return found


def read_how2sign(path: Path) -> list[SignRecord]:
    """How2Sign, realigned: tab-separated ``VIDEO_ID VIDEO_NAME SENTENCE_ID SENTENCE_NAME START_REALIGNED END_REALIGNED
    SENTENCE``; the clip's video is called after ``SENTENCE_NAME``, which ends in the camera, after ``-`` the signer.
    """
    columns = ("VIDEO_NAME", "SENTENCE_NAME", "START_REALIGNED", "END_REALIGNED", "SENTENCE")
    found = []
    for where, row in read_table(path, "\t", columns, quoted=False):
        start, end = (number(row[c], where, c) for c in ("START_REALIGNED", "END_REALIGNED"))
        if not row["SENTENCE_NAME"] or not row["SENTENCE"].strip():
            raise DataError(f"{where}: SENTENCE_NAME or SENTENCE is empty")
        signer = re.search(r"-(\d+)-rgb_\w+$", row["SENTENCE_NAME"])
        found.append(
            SignRecord(row["SENTENCE_NAME"], row["VIDEO_NAME"], *_times(start, end, where),
                       signer.group(1) if signer else "", _split_of(path.name), (), row["SENTENCE"].strip())
        )  # fmt: skip
    return found


def read_wlasl(path: Path) -> list[SignRecord]:
    """WLASL, ``WLASL_v0.3.json``: a list of ``{gloss, instances: [{video_id, signer_id, split, frame_start, frame_end,
    fps, url, ...}]}``; frames count from 1 at 25 a second, an end of -1 is the video's.
    """
    found = []
    for where, entry in read_json_list(path):
        gloss = text_of(entry, "gloss", where)
        instances = entry.get("instances")
        if not isinstance(instances, list):
            raise DataError(f"{where}: 'instances' must be a list")
        for k, one in enumerate(instances):
            at = f"{where}, instance {k}"
            if not isinstance(one, dict):
                raise DataError(f"{at} is no object")
            first, last = (
                whole(one.get("frame_start", 1), at, "frame_start"),
                whole(one.get("frame_end", -1), at, "frame_end"),
            )
            end = math.inf if last == -1 else last / WLASL_FPS
            video = text_of(one, "video_id", at)
            found.append(
                SignRecord(video, f"{video}.mp4", *_times((max(first, 1) - 1) / WLASL_FPS, end, at),
                           str(one.get("signer_id", "")), _named_split(text_of(one, "split", at), at), (gloss,))
            )  # fmt: skip
    return found


def read_msasl(path: Path) -> list[SignRecord]:
    """MS-ASL, ``MSASL_train.json``: a list of ``{clean_text, signer_id, start_time, end_time, url, label, file, ...}``.

    Clips have no names of their own: the id is ``SPLIT_NUMBER`` by the place in the list, five digits from 0 on.
    """
    split, found = _split_of(path.name), []
    for k, (where, entry) in enumerate(read_json_list(path)):
        start, end = (number(entry.get(c), where, c) for c in ("start_time", "end_time"))
        name = f"{split or 'clip'}_{k:05d}"
        found.append(
            SignRecord(name, text_of(entry, "url", where), *_times(start, end, where),
                       str(whole(entry.get("signer_id"), where, "signer_id")), split,
                       (_one_word(text_of(entry, "clean_text", where)),))
        )  # fmt: skip
    return found


def read_autsl(path: Path) -> list[SignRecord]:
    """AUTSL, ``train_labels.csv``: ``signer0_sample1,41`` without a header; the video is ``..._color.mp4``.

    Names of the classes are taken from ``SignList_ClassId_TR_EN.csv`` (``ClassId,TR,EN``) beside it if it is there.
    """
    names: dict[int, str] = {}
    listed = path.parent / "SignList_ClassId_TR_EN.csv"
    if listed.is_file() and listed != path:
        for where, row in read_table(listed, ",", ("ClassId", "TR", "EN")):
            names[whole(row["ClassId"], where, "ClassId")] = _one_word(row["EN"])
    split, found = _split_of(path.name), []
    for where, row in read_rows(path, ","):
        match = re.fullmatch(r"signer(\d+)_sample\d+", row[0]) if row else None
        if len(row) != 2 or match is None:
            raise DataError(f"{where}: a line must be like signer0_sample1,41, got '{','.join(row)[:80]}'")
        label = whole(row[1], where, "label")
        if names and label not in names:
            raise DataError(f"{where}: class {label} is not in {listed.name}")
        gloss = names.get(label, f"class_{label}")
        found.append(
            SignRecord(
                f"{row[0]}_color", f"{row[0]}_color.mp4", 0.0, math.inf, match.group(1), split, (gloss,)
            )
        )
    return found


def read_include(path: Path) -> list[SignRecord]:
    """INCLUDE, ``include_train.csv``: columns ``FilePath`` and ``Word``, perhaps numbered (``48. Hello``)."""
    split, found = _split_of(path.name), []
    for where, row in read_table(path, ",", ("FilePath", "Word")):
        word = re.sub(r"^\s*\d+\s*[.)]\s*", "", row["Word"]).strip()
        if not row["FilePath"] or not word:
            raise DataError(f"{where}: FilePath or Word is empty")
        found.append(
            SignRecord(Path(row["FilePath"]).stem, row["FilePath"], split=split, glosses=(_one_word(word),))
        )
    return found


def read_lsa64(path: Path) -> list[SignRecord]:
    """LSA64: a folder of videos ``SIGN_SIGNER_REPETITION.mp4`` (001_002_003), or a text file that lists their names.

    Signers 1 to 8 train, 9 validates, 10 tests, as OpenHands has it.
    """
    if path.is_dir():
        names = sorted(p.name for p in path.iterdir() if p.suffix.lower() in (".mp4", ".avi", ".npz", ".pkl"))
    else:
        names = [row[0] for _, row in read_rows(path, "\t") if row and row[0].strip()]
    if not names:
        raise DataError(f"{path}: no file is called like 001_002_003.mp4")
    found = []
    for name in names:
        match = re.fullmatch(r"(\d{3})_(\d{3})_(\d{3})(\.\w+)?", Path(name).name.strip())
        if match is None or not 1 <= int(match.group(1)) <= 64:
            raise DataError(
                f"{path}: '{name}' is not called like 001_002_003.mp4 (sign 1 to 64, signer, repetition)"
            )
        signer = int(match.group(2))
        split = "train" if signer < 9 else "val" if signer == 9 else "test"
        stem = "_".join(match.groups()[:3])
        found.append(SignRecord(stem, name, 0.0, math.inf, str(signer), split, (f"sign_{match.group(1)}",)))
    return found


FORMATS: dict[str, Callable[[Path], list[SignRecord]]] = {
    "phoenix14t": read_phoenix14t,
    "how2sign": read_how2sign,
    "wlasl": read_wlasl,
    "msasl": read_msasl,
    "autsl": read_autsl,
    "include": read_include,
    "lsa64": read_lsa64,
}


def read_annotations(paths: Sequence[str | Path], name: str) -> list[SignRecord]:
    """The records of annotation files of one format.

    Raises:
        ConfigError: for an unknown format.
        DataError: if a file cannot be read, is of another form, or holds nothing; or if a clip is named twice.
    """
    if name not in FORMATS:
        raise ConfigError(choices(name, FORMATS, "format of annotations"))
    found: dict[str, SignRecord] = {}
    for path in paths:
        records = FORMATS[name](Path(path))
        if not records:
            raise DataError(f"{path} holds no clip of the format '{name}'")
        for record in records:
            if record.id in found:
                raise DataError(f"{path}: clip '{record.id}' is annotated twice")
            found[record.id] = record
    return list(found.values())


def _one_word(gloss: str) -> str:
    """A gloss without white space."""
    return "-".join(gloss.lower().split())


def _times(start: float, end: float, where: str) -> tuple[float, float]:
    if not 0 <= start < end:
        raise DataError(f"{where}: lasts from {start:g} to {end:g} s")
    return start, end


_SPLITS = {"train": "train", "val": "val", "dev": "val", "valid": "val", "validation": "val", "test": "test"}


def _split_of(name: str) -> str:
    """The split that a file's name says; empty if it says none."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((_SPLITS[w] for w in words if w in _SPLITS), "")


def _named_split(name: str, where: str) -> str:
    if name.lower() not in _SPLITS:
        raise DataError(f"{where}: {choices(name, _SPLITS, 'split')}")
    return _SPLITS[name.lower()]
