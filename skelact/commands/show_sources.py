"""What ``skelact show`` is given: the clips of files and sets that are wanted, and the people of videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from skelact.commands.convert import find_layout
from skelact.commands.sources import is_video, read_skeletons
from skelact.commands.ui import UI
from skelact.errors import ConfigError, DataError, choices, counted
from skelact.skeleton import Skeleton

if TYPE_CHECKING:
    from skelact.commands.show import Options


@dataclass
class Source:
    """One source and which of its clips are wanted, in the form that `read_skeletons` takes."""

    source: str
    clips: tuple[str, ...]
    format: str | None
    layout: str | None
    fps: float | None
    unit: str | None


def recordings(
    options: Options, source: Source, most: int, failed: list[tuple[str, str]], ui: UI
) -> list[Skeleton]:
    """The recordings of one source that are to be shown, cut.

    Raises:
        DataError: if there is none.
    """
    from skelact.datasets.signing.utterance import cut

    if not source.format and is_video(source.source):
        if source.clips or options.split is not None:
            raise ConfigError(
                f"{source.source} is a video; --clip and --split choose among the clips of a set"
            )
        return [of_video(options, source.source, ui)]
    before, left = len(failed), [0]
    chosen = chosen_clips(options, source, most, failed, left)
    out = []
    for skeleton in chosen:
        try:
            if options.start or options.seconds is not None:
                end = float("inf") if options.seconds is None else options.start + options.seconds
                skeleton = cut(skeleton, options.start, end)
            if not (skeleton.score > 0).any():
                raise DataError(f"'{skeleton.id}' shows nobody: every joint is missing")
            out.append(skeleton)
        except DataError as error:
            failed.append((skeleton.id, str(error)))
    if not out:
        reasons = [reason for _, reason in failed[before:]] or ["it holds no recording"]
        raise DataError(f"{source.source}: nothing can be shown: {reasons[0]}")
    if left[0]:
        ui.say(
            f"  {len(out)} of {counted(len(out) + left[0], 'clip')}; others with --clip, --split or --most"
        )
    return out


def chosen_clips(
    options: Options, source: Source, most: int, failed: list[tuple[str, str]], left: list[int]
) -> Iterator[Skeleton]:
    """The clips that are wanted, the first ``most`` if none is named; ``left`` is how many more there are, if known."""
    from skelact.io.formats import detect_format
    from skelact.io.store import Store

    if (source.format or detect_format(source.source)) == "skelact" and Path(source.source).is_file():
        with Store(source.source) as store:
            ids = [str(one) for one in store.clips["id"]]
            rows = list(range(len(store)))
            if options.split not in (None, "all"):
                if options.split not in store.splits:
                    raise DataError(f"{source.source}: {choices(options.split, list(store.splits), 'split')}")
                rows = [int(row) for row in store.splits[options.split]]
            if source.clips:
                rows = [find_clip(name, ids, source.source) for name in source.clips]
            left[0] = max(0, len(rows) - most)
            for row in rows[:most]:
                yield store.read(row)
        return
    if options.split is not None:
        raise ConfigError(f"--split names a part of a skelact file (.h5), and {source.source} is none")
    every = read_skeletons(source, failed)
    if not source.clips:
        yield from islice(every, most)
        return
    everything = list(every)
    ids = [one.id for one in everything]
    for name in source.clips:
        yield everything[find_clip(name, ids, source.source)]


def find_clip(name: str, ids: list[str], where: str) -> int:
    """The place of a clip by id or number.

    Raises:
        ConfigError: if there is none.
    """
    if name in ids:
        return ids.index(name)
    if name.isdecimal() and int(name) < len(ids):
        return int(name)
    numbers = f"numbers go from 0 to {len(ids) - 1}" if ids else "it holds none"
    raise ConfigError(f"{where}: {choices(name, ids[:200], 'clip')}; {numbers}")


def of_video(options: Options, source: str, ui: UI) -> Skeleton:
    """The people of a video.

    Raises:
        ConfigError: for a camera or stream without an end.
        DataError: if nobody is found.
    """
    from skelact.io.addresses import public_name
    from skelact.io.video import is_live
    from skelact.pose.estimators import sees_depth
    from skelact.pose.extract import extract_video

    if is_live(source) and options.seconds is None:
        raise ConfigError(f"{public_name(source)} has no end; say how long to look: --seconds 10")
    coordinates = options.coordinates or ("camera" if sees_depth(options.estimator) else "image")
    with ui.progress("finding people") as update:
        found = extract_video(
            source, people=options.people, parts=options.parts, coordinates=coordinates, fov=options.fov,
            seconds=options.seconds, start=options.start or None, estimator=options.estimator,
            quality=options.quality, min_score=options.min_score,
            pose_layout=find_layout(options.pose_layout), progress=update,
        )  # fmt: skip
    if not (found.score > 0).any():
        raise DataError(
            f"no person was found in {public_name(source)}; look at it, or try --people many or --quality heavy"
        )
    # Flat: MediaPipe's depth in the picture is about each person's own hips.
    return found.in_picture() if coordinates == "image" else found
