"""ELAN annotation files (``.eaf``, ELAN Annotation Format 3.0): annotations with times, in named tiers.

Times are whole milliseconds in the file and seconds here: writing rounds to the nearest millisecond. ELAN
keeps the annotations of one tier apart, so overlapping ones are refused; put them into tiers of their own.
"""

from __future__ import annotations

import mimetypes
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

import numpy as np

from skelact.errors import DataError
from skelact.io.addresses import is_address, public_name
from skelact.io.files import write_file
from skelact.io.reading import read_bytes

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_LONGEST = 2**31 - 1  # milliseconds; ELAN keeps times as 32 bit integers in places
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DEPTH = 20  # the deepest element of the format is the sixth


@dataclass(frozen=True)
class Annotation:
    """What happens between two moments.

    Args:
        start, end: seconds from the beginning of the recording.
        value: the text, such as a gloss.
    """

    start: float
    end: float
    value: str


def write_eaf(
    path: str | Path, tiers: Mapping[str, Sequence[Annotation]], media: str | Path | None = None
) -> Path:
    """Write an ELAN file, whole or not at all; every tier is time-aligned and without a parent.

    Args:
        path: the file, ``.eaf`` by custom.
        tiers: annotations of each tier by its name, in any order; a tier may be empty.
        media: the video that is annotated (a path or an address), or None.

    Returns:
        the path.

    Raises:
        DataError: for times that are negative, not finite, reversed or too long, annotations of a tier that
            overlap, texts that XML cannot hold, or a file that cannot be written.
    """
    path = Path(path)
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "skelact",
            "DATE": _iso_time(),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if media is not None:
        ET.SubElement(header, "MEDIA_DESCRIPTOR", _media(str(media), path))
    rows = {name: _milliseconds(annotations, name, path) for name, annotations in tiers.items()}
    count = sum(map(len, rows.values()))
    last = ET.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    last.text = str(count)
    moments = sorted({moment for tier in rows.values() for start, end, _ in tier for moment in (start, end)})
    slot = {moment: f"ts{k}" for k, moment in enumerate(moments, 1)}
    order = ET.SubElement(root, "TIME_ORDER")
    for moment in moments:
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot[moment], "TIME_VALUE": str(moment)})
    number = 0
    for name, tier in rows.items():
        element = ET.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "default-lt", "TIER_ID": name})
        for start, end, value in tier:
            number += 1
            names = {
                "ANNOTATION_ID": f"a{number}",
                "TIME_SLOT_REF1": slot[start],
                "TIME_SLOT_REF2": slot[end],
            }
            one = ET.SubElement(ET.SubElement(element, "ANNOTATION"), "ALIGNABLE_ANNOTATION", names)
            ET.SubElement(one, "ANNOTATION_VALUE").text = value
    ET.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true"},
    )
    for stereotype, description in _CONSTRAINTS.items():
        ET.SubElement(root, "CONSTRAINT", {"DESCRIPTION": description, "STEREOTYPE": stereotype})
    ET.indent(root, "    ")
    return write_file(path, b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "utf-8") + b"\n")


_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same parent "
    "are ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}


def _iso_time() -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    return f"{text[:-2]}:{text[-2:]}"


def _media(media: str, path: Path) -> dict[str, str]:
    _check_text(media, f"{path}: the name of the media")
    kind = mimetypes.guess_type(media)[0] or "unknown"
    if is_address(media):
        return {"MEDIA_URL": public_name(media), "MIME_TYPE": kind}
    relative = Path(os.path.relpath(Path(media).absolute(), path.absolute().parent)).as_posix()
    return {
        "MEDIA_URL": Path(media).absolute().as_uri(),
        "MIME_TYPE": kind,
        "RELATIVE_MEDIA_URL": relative if relative.startswith("../") else f"./{relative}",
    }


def _check_text(text: str, where: str) -> str:
    bad = _NO_XML.search(text)
    if bad:
        raise DataError(f"{where} holds the character {bad.group()!r}, which XML cannot hold; remove it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _milliseconds(annotations: Iterable[Annotation], tier: str, path: Path) -> list[tuple[int, int, str]]:
    """(start, end, value) of a tier in order of time; none is empty and none overlap."""
    _check_text(tier, f"{path}: the name of tier {tier!r}")
    rows: list[tuple[int, int, str]] = []
    before = None
    for one in sorted(annotations, key=lambda a: (a.start, a.end)):
        where = f"{path}: tier '{tier}', annotation {one.value!r} from {one.start} to {one.end} s"
        if not (0 <= one.start < one.end <= _LONGEST / 1000):  # also refuses NaN
            raise DataError(f"{where}: needs 0 <= start < end <= {_LONGEST // 1000} seconds")
        if before is not None and one.start < before.end - 1e-6:
            raise DataError(
                f"{where} overlaps {before.value!r}, which ends at {before.end} s; a tier of ELAN holds one "
                "annotation at a time: use another tier"
            )
        start = max(round(one.start * 1000), rows[-1][1] if rows else 0)
        rows.append((start, max(round(one.end * 1000), start + 1), _check_text(one.value, where)))
        before = one
    return rows


def read_eaf(path: str | Path) -> dict[str, list[Annotation]]:
    """Read the tiers of an ELAN file.

    Annotations that refer to a parent (``REF_ANNOTATION``) get its times; where several refer to the same
    parent, they share its time evenly, in their order. Time slots without a value lie evenly between the
    nearest slots of the tier that have one.

    Args:
        path: an ``.eaf`` file of any version whose times are in milliseconds.

    Returns:
        annotations by tier name, tiers in the order of the file, annotations in order of time.

    Raises:
        DataError: if it cannot be read, is damaged, is no ELAN file, has a document type or entities (which
            ELAN never writes), other units, or references that lead nowhere.
    """
    root = _parse(read_bytes(path, 1 << 28), path)
    if root.tag != "ANNOTATION_DOCUMENT":
        raise DataError(f"{path} is no ELAN file: it begins with <{root.tag}>, not <ANNOTATION_DOCUMENT>")
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise DataError(f"{path}: times in '{units}' are not read; save it with a present version of ELAN")
    slots: dict[str, int | None] = {}
    for element in root.iterfind("TIME_ORDER/TIME_SLOT"):
        name, value = _need(element, "TIME_SLOT_ID", path), element.get("TIME_VALUE")
        if value is not None and not (value.isdecimal() and len(value) < 15 and int(value) <= _LONGEST):
            raise DataError(f"{path}: time slot {name} has the value {value[:20]!r}, not milliseconds")
        slots[name] = None if value is None else int(value)
    times: dict[str, tuple[float, float]] = {}
    texts: dict[str, dict[str, str]] = {}
    references: dict[str, list[tuple[str, str, str | None]]] = {}
    for tier in root.iterfind("TIER"):
        name = _need(tier, "TIER_ID", path)
        if name in texts:
            raise DataError(f"{path}: two tiers are called '{name}'")
        texts[name], aligned = {}, []
        for one in (child for annotation in tier.iterfind("ANNOTATION") for child in annotation):
            key = _need(one, "ANNOTATION_ID", path)
            if one.tag not in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
                raise DataError(f"{path}: tier '{name}' holds <{one.tag}>, which is no annotation")
            if key in texts[name] or key in times:
                raise DataError(f"{path}: two annotations are called '{key}'")
            texts[name][key] = one.findtext("ANNOTATION_VALUE") or ""
            if one.tag == "ALIGNABLE_ANNOTATION":
                aligned.append((key, *(_need(one, f"TIME_SLOT_REF{k}", path) for k in (1, 2))))
            else:
                parent = _need(one, "ANNOTATION_REF", path)
                references.setdefault(name, []).append((key, parent, one.get("PREVIOUS_ANNOTATION")))
        times.update(_times_of(aligned, slots, f"{path}: tier '{name}'"))
    _resolve(references, times, path)
    return {
        name: sorted((Annotation(*times[key], value) for key, value in tier.items()), key=lambda a: a.start)
        for name, tier in texts.items()
    }


def _parse(data: bytes, path: str | Path) -> ET.Element:
    """The tree of an XML file without document type, entities or depth."""
    builder, parser, depth = ET.TreeBuilder(), expat.ParserCreate(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise DataError(f"{path}: elements lie {depth} deep, which no ELAN file has")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise DataError(f"{path} has a document type or entities, which ELAN never writes; it is refused")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as error:
        raise DataError(f"{path} is not a whole XML file ({error}); is it cut off?") from None


def _need(element: ET.Element, key: str, path: str | Path) -> str:
    value = element.get(key)
    if not value:
        raise DataError(f"{path}: a <{element.tag}> lacks {key}")
    return value


def _times_of(
    rows: list[tuple[str, str, str]], slots: Mapping[str, int | None], where: str
) -> dict[str, tuple[float, float]]:
    """Seconds of the annotations (id, first slot, second slot) of one tier."""
    chain = list(dict.fromkeys(slot for row in rows for slot in row[1:]))
    for slot in chain:
        if slot not in slots:
            raise DataError(f"{where}: time slot '{slot}' does not exist")
    known = [k for k, slot in enumerate(chain) if slots[slot] is not None]
    if chain and (known[:1] != [0] or known[-1] != len(chain) - 1):
        raise DataError(f"{where}: its first and last time slots have no time")
    values = [slots[chain[k]] or 0 for k in known]
    moments = np.interp(np.arange(len(chain)), known, values) if chain else []
    at = dict(zip(chain, (float(moment) / 1000 for moment in moments), strict=True))
    result = {}
    for key, first, second in rows:
        if at[first] > at[second]:
            raise DataError(f"{where}: annotation {key} ends before it starts")
        result[key] = (at[first], at[second])
    return result


def _resolve(
    references: Mapping[str, list[tuple[str, str, str | None]]],
    times: dict[str, tuple[float, float]],
    path: str | Path,
) -> None:
    """Add the times of annotations (id, parent, previous) by tier, parents before children."""
    waiting = dict(references)
    while waiting:
        ready = [name for name, rows in waiting.items() if all(row[1] in times for row in rows)]
        if not ready:
            name, rows = next(iter(waiting.items()))
            lost = next(row for row in rows if row[1] not in times)
            raise DataError(f"{path}: tier '{name}': {lost[0]} refers to '{lost[1]}', which does not exist")
        for name in ready:
            children: dict[str, dict[str, str | None]] = {}
            for key, parent, previous in waiting.pop(name):
                children.setdefault(parent, {})[key] = previous
            for parent, siblings in children.items():
                edges = np.linspace(*times[parent], len(siblings) + 1)
                for k, key in enumerate(_chained(siblings)):
                    times[key] = (float(edges[k]), float(edges[k + 1]))


def _chained(siblings: Mapping[str, str | None]) -> list[str]:
    """Keys, each after the one that it names as its predecessor; those without a place in it at the end."""
    after = {previous: key for key, previous in siblings.items() if previous in siblings}
    order: dict[str, None] = {}
    for key, previous in siblings.items():
        at = None if previous in siblings else key
        while at is not None and at not in order:
            order[at] = None
            at = after.get(at)
    return [*order, *(key for key in siblings if key not in order)]
