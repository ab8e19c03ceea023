"""UEA time series archive ``.ts`` files (Bagnall et al., 2018) whose channels are joint coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.reading import Notes, mark_missing, numbers, read_text
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton

# Recorded at 20 frames a second and resampled to 51 frames each, so this is an average.
NATOPS_FPS = 20.0
NATOPS_NAMES: tuple[str, ...] = (
    "I have command", "all clear", "not clear", "spread wings", "fold wings", "lock wings",
)  # fmt: skip
_NATOPS_LABELS = {f"{k}.0": name for k, name in enumerate(NATOPS_NAMES, 1)} | {
    str(k): name for k, name in enumerate(NATOPS_NAMES, 1)
}


def iter_uea(
    path: str | Path,
    layout: SkeletonLayout | str | None = None,
    *,
    fps: float | None = None,
    unit: str = "unknown",
    labels: Mapping[str, str] | None = None,
    notes: Notes | None = None,
) -> Iterator[Skeleton]:
    """Read every case of a ``.ts`` file; channels are joints in the layout's order, x y z (or x y) each.

    Args:
        path: the file.
        layout: the layout of the channels; None: natops8 if the problem is called NATOPS.
        fps: None: 20 for NATOPS, else 30.
        unit: as for `Skeleton`.
        labels: class value in the file → name; None: the six signals for NATOPS, else as written.
        notes: a line is added for what was mended.

    Raises:
        DataError: if the file is not of this format; the line is named.
    """
    where, path = str(path), Path(path)
    lines = read_text(path).splitlines()
    header: dict[str, str] = {}
    start = None
    for n, line in enumerate(lines, 1):
        text = line.strip()
        if text.lower() == "@data":
            start = n
            break
        if text.startswith("@"):
            key, _, value = text[1:].partition(" ")
            header[key.lower()] = value.strip()
        elif text and not text.startswith("#"):
            raise DataError(f"{where} line {n}: expected a header line '@...' or '@data', got {text[:40]!r}")
    if start is None:
        raise DataError(f"{where}: no line '@data'; this is no .ts file or it is cut off")
    if header.get("timestamps", "false").lower() == "true":
        raise DataError(f"{where}: .ts files with time stamps are not supported; export it without them")
    natops = header.get("problemname", "").lower().startswith("natops")
    if layout is None:
        if not natops:
            raise DataError(
                f"{where}: the layout of problem '{header.get('problemname', '?')}' is not known; "
                "name one (layout=...)"
            )
        layout = "natops8"
    layout = get_layout(layout)
    names = labels if labels is not None else (_NATOPS_LABELS if natops else {})
    fps = fps or (NATOPS_FPS if natops else 30.0)
    part = path.stem.rsplit("_", 1)[-1].lower()
    labelled = header.get("classlabel", "false").split()[0].lower() == "true"
    case = 0
    for n, line in enumerate(lines[start:], start + 1):
        if not line.strip():
            continue
        *channels, value = line.strip().split(":")
        if not labelled:
            channels, value = [*channels, value], ""
        label = names.get(value.strip(), value.strip()) if labelled else None
        info: dict[str, str | int | float] = {"case": case}
        if part in ("train", "test"):
            info["part"] = part
        name = f"{path.stem}_{case:04d}"
        yield _case(channels, label, layout, fps, unit, f"{where} line {n}", name, info, notes)
        case += 1
    if not case:
        raise DataError(f"{where}: no case after '@data'; is it cut off?")


def _case(
    channels: list[str],
    label: str | None,
    layout: SkeletonLayout,
    fps: float,
    unit: str,
    where: str,
    name: str,
    info: dict[str, str | int | float],
    notes: Notes | None,
) -> Skeleton:
    n_joints = len(layout)
    if len(channels) not in (2 * n_joints, 3 * n_joints):
        raise DataError(
            f"{where}: {len(channels)} channels; layout '{layout.name}' needs {3 * n_joints} "
            f"(or {2 * n_joints} in 2D)"
        )
    rows = []
    for c, channel in enumerate(channels):
        values = ["nan" if v.strip() == "?" else v for v in channel.split(",")]
        rows.append(numbers(values, f"{where} channel {c + 1}"))
    if len({len(r) for r in rows}) != 1:
        raise DataError(
            f"{where}: channels differ in length ({sorted({len(r) for r in rows})}); is it cut off?"
        )
    xyz = np.array(rows).reshape(n_joints, -1, len(rows[0])).transpose(2, 0, 1)
    # Values are normalised, so that 0 is an ordinary value: only NaN means missing.
    xyz, score = mark_missing(xyz[None], None, where, notes, zeros=False)
    return Skeleton(xyz, score, layout, fps, unit, label, name, info)
