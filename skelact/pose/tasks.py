"""Extraction tasks: one video each, and what became of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from skelact.errors import ConfigError, DataError, DependencyError, SkelactError
from skelact.io.addresses import is_address, public_name, short_name, without_secrets
from skelact.io.video import is_live
from skelact.io.video_open import videos_in
from skelact.pose.extract import extract_video
from skelact.pose.look import Looker, look_at
from skelact.skeleton import Skeleton

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class VideoTask:
    """One video to extract: where it is, what it will be called, and what is known of it."""

    source: str
    id: str
    label: str | None = None
    subject: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VideoResult:
    """What became of a task: a recording, or the reason why there is none."""

    id: str
    source: str
    skeleton: Skeleton | None = None
    checksum: str | None = None
    error: str | None = None
    n_frames: int = 0

    def __post_init__(self) -> None:
        """Whatever happened, no password of an address is told."""
        if self.error is not None:
            told = self.error.replace(self.source, public_name(self.source))
            object.__setattr__(self, "error", without_secrets(told))
        object.__setattr__(self, "source", public_name(self.source))


def find_tasks(
    sources: Iterable[str | PathLike[str] | int],
    *,
    labels_from_folders: bool = True,
    subject_pattern: str | None = None,
    label_pattern: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[VideoTask]:
    """List the videos that sources stand for, in a fixed order.

    Args:
        sources: files, folders (searched through), camera numbers, stream addresses.
        labels_from_folders: a file in a subfolder of a given folder is labelled with the name of the folder
            that it lies in.
        subject_pattern: regular expression, searched in the path below the given folder, and where it is not found
            there in the whole path; its first group (or the whole match) is the subject.
        label_pattern: the same for the label, instead of the folder's name.
        options: for `skelact.pose.extract.extract_video`.

    Raises:
        DataError: if a source is not there, or no video is found.
        ConfigError: if a pattern is not a regular expression, or the one for labels is found in no path.
    """
    subjects, labels = _compile(subject_pattern, "subject"), _compile(label_pattern, "label")
    found: list[tuple[str, str, str | None]] = []  # source, id, label
    below: dict[str, str] = {}  # paths within the folder that was given
    for source in sources:
        text = str(source)
        if is_live(source):
            found.append(
                (text, short_name(text) if is_address(text) else re.sub(r"\W+", "_", text).strip("_"), None)
            )
            continue
        path = Path(text)
        if not path.exists():
            raise DataError(f"there is no file or folder {path}")
        if not path.is_dir():
            found.append((text, path.stem, None))
            continue
        for file in videos_in(path):
            inner = file.relative_to(path)
            label = file.parent.name if labels_from_folders and len(inner.parts) > 1 else None
            found.append((str(file), inner.with_suffix("").as_posix(), label))
            below[str(file)] = inner.as_posix()
    if not found:
        raise DataError("no video was given; name files, folders, a camera number or a stream address")
    ids = _distinct(found)
    tasks = []
    for (source, _, label), name in zip(found, ids, strict=True):
        places = [f"/{below[source]}", source] if source in below else [source]
        label = _search(labels, places) if labels else label
        tasks.append(VideoTask(source, name, label, _search(subjects, places), dict(options or {})))
    if labels and not any(task.label for task in tasks):
        raise ConfigError(f"the label pattern '{label_pattern}' is found in no path, such as {tasks[0].id}")
    return tasks


def _compile(pattern: str | None, what: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise ConfigError(f"the {what} pattern '{pattern}' is no regular expression: {error}") from error


def _search(pattern: re.Pattern[str] | None, places: Sequence[str]) -> str | None:
    """The first group of the pattern (or the whole match) in the first path that has it, None if none has."""
    found = (pattern.search(Path(public_name(place)).as_posix()) for place in places if pattern)
    match = next((m for m in found if m), None)
    return None if match is None else (match.group(1) if match.groups() else match.group(0))


def _distinct(found: Sequence[tuple[str, str, str | None]]) -> list[str]:
    """Ids, made distinct by the suffix of the file and then by a number."""
    names = [name for _, name, _ in found]
    names = [
        n + Path(source).suffix if names.count(n) > 1 else n
        for (source, _, _), n in zip(found, names, strict=True)
    ]
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return result


def extract_task(task: VideoTask, progress: Progress | None = None, look: Looker = look_at) -> VideoResult:
    """Extract one video; whatever goes wrong with it becomes part of the result.

    Args:
        task: the video.
        progress: told of its frames.
        look: lets the estimator look at them.

    Raises:
        DependencyError, ConfigError: what would go wrong with every other video too.
    """
    try:
        checksum = None if is_live(task.source) else _checksum(Path(task.source))
        skeleton = extract_video(task.source, progress=progress, look=look, **task.options)
        info = dict(skeleton.info)
        if task.subject is not None:
            info["subject"] = task.subject
        n_frames = skeleton.n_frames
        return VideoResult(
            task.id,
            task.source,
            skeleton.with_(id=task.id, label=task.label, info=info),
            checksum,
            None,
            n_frames,
        )
    except (DependencyError, ConfigError):
        raise
    except SkelactError as error:
        return VideoResult(task.id, task.source, error=str(error))
    except Exception as error:  # one bad video never stops the rest
        return VideoResult(task.id, task.source, error=f"{type(error).__name__}: {error}")


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}") from error
