"""ELAN files: what is written is read back, references get their parents' times, hostile files are refused."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelact.errors import DataError
from skelact.io.eaf import Annotation, read_eaf, write_eaf

TIERS = {
    "gloss": [Annotation(0.25, 1.0, "HAUS"), Annotation(1.0, 1.5, 'ICH "<&>" ü\nzwei')],
    "text": [Annotation(0.25, 1.5, "Mein Haus.")],
    "empty": [],
}


def test_tiers_come_back(tmp_path: Path) -> None:
    path = write_eaf(tmp_path / "a.eaf", TIERS, tmp_path / "clips" / "a b.mp4")
    assert read_eaf(path) == TIERS
    root = ET.parse(path).getroot()
    assert [child.tag for child in root] == (
        ["HEADER", "TIME_ORDER", "TIER", "TIER", "TIER", "LINGUISTIC_TYPE"] + ["CONSTRAINT"] * 4
    )
    assert root.get("FORMAT") == "3.0" and root.get("DATE", "")[10] == "T" and root.get("DATE", "")[-3] == ":"
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None and media.get("MIME_TYPE") == "video/mp4"
    assert media.get("RELATIVE_MEDIA_URL") == "./clips/a b.mp4"
    assert media.get("MEDIA_URL", "").startswith("file:///") and "a%20b" in media.get("MEDIA_URL", "")
    values = [int(slot.get("TIME_VALUE", "")) for slot in root.iterfind("TIME_ORDER/TIME_SLOT")]
    assert values == [250, 1000, 1500]


def test_an_address_is_written_without_its_password(tmp_path: Path) -> None:
    path = write_eaf(tmp_path / "a.eaf", {}, "rtsp://me:secret@camera/stream")
    assert "secret" not in path.read_text() and "rtsp://" in path.read_text()


def test_times_are_rounded_and_never_empty(tmp_path: Path) -> None:
    tier = [Annotation(0.1, 0.1002, "a"), Annotation(0.1002, 0.1004, "b"), Annotation(0.1004, 0.3336, "c")]
    read = read_eaf(write_eaf(tmp_path / "a.eaf", {"t": list(reversed(tier))}))["t"]
    assert [(a.start, a.end) for a in read] == [(0.1, 0.101), (0.101, 0.102), (0.102, 0.334)]


@pytest.mark.parametrize(
    ("tier", "word"),
    [
        ([Annotation(1, 1, "a")], "start < end"),
        ([Annotation(-1, 1, "a")], "start < end"),
        ([Annotation(float("nan"), 1, "a")], "start < end"),
        ([Annotation(0, float("inf"), "a")], "start < end"),
        ([Annotation(0, 2, "a"), Annotation(1, 3, "b")], "overlaps 'a'"),
        ([Annotation(0, 2, "a\0")], "XML cannot hold"),
        ([Annotation(0, 2, "\ud800")], "XML cannot hold"),
    ],
)
def test_what_elan_cannot_hold_is_refused(tmp_path: Path, tier: list[Annotation], word: str) -> None:
    with pytest.raises(DataError, match=word):
        write_eaf(tmp_path / "a.eaf", {"t": tier})
    assert list(tmp_path.iterdir()) == []


def _document(order: str, tiers: str, units: str = "milliseconds") -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2020-01-01T00:00:00+00:00" FORMAT="2.8" VERSION="2.8">
<HEADER MEDIA_FILE="" TIME_UNITS="{units}"/><TIME_ORDER>{order}</TIME_ORDER>{tiers}</ANNOTATION_DOCUMENT>"""


def _slots(*values: int | None) -> str:
    return "".join(
        f'<TIME_SLOT TIME_SLOT_ID="ts{k}"' + ("/>" if value is None else f' TIME_VALUE="{value}"/>')
        for k, value in enumerate(values, 1)
    )


def _aligned(key: str, first: int, second: int, value: str) -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{key}" TIME_SLOT_REF1="ts{first}" '
        f'TIME_SLOT_REF2="ts{second}"><ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>'
        "</ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def _reference(key: str, parent: str, value: str, previous: str = "") -> str:
    before = f' PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{key}" ANNOTATION_REF="{parent}"{before}>'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def _tier(name: str, *annotations: str) -> str:
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="x">{"".join(annotations)}</TIER>'


def test_references_get_their_parents_times(tmp_path: Path) -> None:
    path = tmp_path / "a.eaf"
    # the grandchild stands before its parents; two words divide a sentence; a sign of two parts has open slots
    tiers = (
        _tier("part_of_speech", _reference("a5", "a3", "NOUN"))
        + _tier("sentence", _aligned("a1", 1, 3, "ab"), _aligned("a2", 4, 5, ""))
        + _tier("words", _reference("a4", "a1", "b", "a3"), _reference("a3", "a1", "a"))
        + _tier("parts", _aligned("a6", 1, 2, "x"), _aligned("a7", 2, 3, "y"))
    )
    path.write_text(_document(_slots(1000, None, 3000, 4000, 5000), tiers))
    read = read_eaf(path)
    assert list(read) == ["part_of_speech", "sentence", "words", "parts"]
    assert read["sentence"] == [Annotation(1, 3, "ab"), Annotation(4, 5, "")]
    assert read["words"] == [Annotation(1, 2, "a"), Annotation(2, 3, "b")]
    assert read["part_of_speech"] == [Annotation(1, 2, "NOUN")]
    assert read["parts"] == [Annotation(1, 2, "x"), Annotation(2, 3, "y")]


ENTITY = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("hello", "XML"),
        ("<a>", "XML"),
        ("<a/>", "no ELAN file"),
        (ENTITY, "document type"),
        (OUTSIDE, "document type"),
        ("<a>" * 100_000, "deep"),
        (_document("", "", "PAL-frames"), "PAL-frames"),
        (_document(_slots(1, 2), _tier("t", _aligned("a1", 1, 9, "x"))), "'ts9' does not exist"),
        (_document(_slots(2, 1), _tier("t", _aligned("a1", 1, 2, "x"))), "ends before"),
        (_document(_slots(1, None), _tier("t", _aligned("a1", 1, 2, "x"))), "no time"),
        (_document('<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="-4"/>', ""), "not milliseconds"),
        (_document(f'<TIME_SLOT TIME_SLOT_ID="t" TIME_VALUE="{"9" * 9000}"/>', ""), "not milliseconds"),
        (_document("<TIME_SLOT/>", ""), "lacks TIME_SLOT_ID"),
        (_document("", _tier("t", _reference("a1", "a2", "x"))), "does not exist"),
        (
            _document("", _tier("t", _reference("a1", "a2", "x")) + _tier("u", _reference("a2", "a1", "y"))),
            "does not exist",
        ),
        (_document("", _tier("t") + _tier("t")), "two tiers"),
        (_document("", _tier("t", "<ANNOTATION><X ANNOTATION_ID='a'/></ANNOTATION>")), "no annotation"),
        (
            _document(_slots(1, 2), _tier("t", _aligned("a1", 1, 2, "x"), _aligned("a1", 1, 2, "x"))),
            "two annotations",
        ),
    ],
)
def test_broken_and_hostile_files_are_refused(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "a.eaf"
    path.write_text(text)
    with pytest.raises(DataError, match=word):
        read_eaf(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_raise_nothing_but_data_errors(tmp_path_factory, data) -> None:
    path = write_eaf(tmp_path_factory.mktemp("eaf") / "a.eaf", TIERS)
    content = bytearray(path.read_bytes())
    content = content[: data.draw(st.integers(0, len(content)), label="length")]
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        read = read_eaf(path)
    except DataError:
        return
    assert all(0 <= a.start <= a.end for tier in read.values() for a in tier)


def test_pympi_reads_the_same(tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi", reason="pympi-ling is not installed")
    path = write_eaf(tmp_path / "a.eaf", TIERS)
    other = pympi.Elan.Eaf(str(path))
    got = [row[:3] for row in sorted(other.get_annotation_data_for_tier("gloss"))]
    assert got == [(250, 1000, "HAUS"), (1000, 1500, TIERS["gloss"][1].value)]


def test_what_pympi_writes_is_read(tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi", reason="pympi-ling is not installed")
    made = pympi.Elan.Eaf()
    made.add_linguistic_type("word", constraints="Symbolic_Association", timealignable=False)
    made.add_tier("gloss")
    made.add_tier("class", ling="word", parent="gloss")
    made.add_annotation("gloss", 100, 900, "HAUS")
    made.add_annotation("gloss", 900, 1500, "")
    made.add_ref_annotation("class", "gloss", 500, "NOUN")
    made.to_file(str(tmp_path / "a.eaf"))
    read = read_eaf(tmp_path / "a.eaf")
    assert read["gloss"] == [Annotation(0.1, 0.9, "HAUS"), Annotation(0.9, 1.5, "")]
    assert read["class"] == [Annotation(0.1, 0.9, "NOUN")]
