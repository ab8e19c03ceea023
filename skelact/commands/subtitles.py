"""Words with times as subtitles and as ELAN tiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Words = Sequence[tuple[float, float, str]]  # start and end in seconds, text


def subtitles(words: Words) -> str:
    """SubRip text (``.srt``)."""
    blocks = [
        f"{k}\n{clock(start)} --> {clock(end)}\n{text}\n" for k, (start, end, text) in enumerate(words, 1)
    ]
    return "\n".join(blocks)


def clock(seconds: float) -> str:
    """``3723.5`` as ``01:02:03,500``."""
    milliseconds = round(1000 * seconds)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"


def write_tiers(out: Path, tiers: Mapping[str, Words], source: str) -> None:
    """Write an ELAN file; a tier's annotations that overlap, if only by rounding, are cut at the next one's start."""
    from skelact.commands.sources import is_video
    from skelact.io.eaf import Annotation, write_eaf

    made: dict[str, list[Annotation]] = {}
    for name, words in tiers.items():
        rows: list[Annotation] = []
        ordered = sorted((round(1000 * a), round(1000 * b), text) for a, b, text in words)
        for k, (start, end, text) in enumerate(ordered):
            if k + 1 < len(ordered):
                end = min(end, ordered[k + 1][0])
            if end > start:
                rows.append(Annotation(start / 1000, end / 1000, text))
        made[name] = rows
    write_eaf(out, made, source if is_video(source) else None)
