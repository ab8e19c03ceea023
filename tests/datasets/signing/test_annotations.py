"""Annotation files of the public sign sets, in miniature and in exactly their forms."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from skelact.datasets.signing.annotations import FORMATS, read_annotations
from skelact.errors import ConfigError, DataError

PHOENIX = (
    "name|video|start|end|speaker|orth|translation\n"
    "11August_2010_Wednesday_tagesschau-2|11August_2010_Wednesday_tagesschau-2/1/*.png|-1|-1|Signer08|"
    "DRUCK TIEF KOMMEN|tiefer luftdruck bestimmt unser wetter\n"
    "11August_2010_Wednesday_tagesschau-3|11August_2010_Wednesday_tagesschau-3/1/*.png|-1|-1|Signer01|"
    'ES-BEDEUTET VIEL WOLKE|das bedeutet "viele" wolken\n'
)
HOW2SIGN = (
    "VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE\n"
    "-d5dN54tH2E\t-d5dN54tH2E-1-rgb_front\t-d5dN54tH2E_0\t-d5dN54tH2E_0-1-rgb_front\t12.97\t19.52\t"
    'We\'re going to work, "ok"?\n'
)
WLASL = [
    {
        "gloss": "book",
        "instances": [
            {
                "bbox": [385, 37, 885, 720],
                "fps": 25,
                "frame_end": -1,
                "frame_start": 1,
                "instance_id": 0,
                "signer_id": 118,
                "source": "aldean",
                "split": "train",
                "url": "http://x",
                "variation_id": 0,
                "video_id": "69241",
            },
            {
                "bbox": [1, 2, 3, 4],
                "fps": 25,
                "frame_end": 150,
                "frame_start": 51,
                "instance_id": 1,
                "signer_id": 12,
                "source": "y",
                "split": "val",
                "url": "http://y",
                "variation_id": 0,
                "video_id": "07069",
            },
        ],
    },
]
MSASL = [
    {
        "org_text": "match [light-a-MATCH]",
        "clean_text": "light match",
        "start_time": 0.0,
        "signer_id": 0,
        "signer": 0,
        "start": 0,
        "end": 83,
        "file": "match light-a-MATCH",
        "label": 830,
        "height": 360.0,
        "fps": 30.0,
        "end_time": 2.767,
        "url": "https://www.youtube.com/watch?v=C37R_Ix8-qs",
        "text": "match",
        "box": [0.05, 0.21, 1.0, 0.73],
        "width": 640.0,
    },
]


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_phoenix14t(tmp_path: Path) -> None:
    path = write(tmp_path, "PHOENIX-2014-T.dev.corpus.csv", PHOENIX)
    one, two = read_annotations([path], "phoenix14t")
    assert one.id == "11August_2010_Wednesday_tagesschau-2" and one.video.endswith("/1/*.png")
    assert one.glosses == ("DRUCK", "TIEF", "KOMMEN") and one.text == "tiefer luftdruck bestimmt unser wetter"
    assert (one.signer, one.split, one.start, one.end) == ("Signer08", "val", 0.0, math.inf)
    assert two.text == 'das bedeutet "viele" wolken'


def test_how2sign(tmp_path: Path) -> None:
    (one,) = read_annotations([write(tmp_path, "how2sign_realigned_train.csv", HOW2SIGN)], "how2sign")
    assert (one.id, one.video) == ("-d5dN54tH2E_0-1-rgb_front", "-d5dN54tH2E-1-rgb_front")
    assert (one.start, one.end, one.signer, one.split) == (12.97, 19.52, "1", "train")
    assert one.text == 'We\'re going to work, "ok"?' and one.glosses == ()


def test_wlasl(tmp_path: Path) -> None:
    one, two = read_annotations([write(tmp_path, "WLASL_v0.3.json", WLASL)], "wlasl")
    assert (one.id, one.video, one.glosses) == ("69241", "69241.mp4", ("book",))
    assert (one.start, one.end, one.signer, one.split) == (0.0, math.inf, "118", "train")
    assert (two.start, two.end, two.split) == (2.0, 6.0, "val")


def test_msasl(tmp_path: Path) -> None:
    (one,) = read_annotations([write(tmp_path, "MSASL_train.json", MSASL)], "msasl")
    assert one.id == "train_00000" and one.glosses == ("light-match",) and one.video.startswith("https://")
    assert (one.start, one.end, one.signer, one.split) == (0.0, 2.767, "0", "train")


def test_autsl(tmp_path: Path) -> None:
    path = write(tmp_path, "train_labels.csv", "signer0_sample1,41\nsigner12_sample1301,0\n")
    one, two = read_annotations([path], "autsl")
    assert (one.id, one.video, one.signer) == ("signer0_sample1_color", "signer0_sample1_color.mp4", "0")
    assert one.glosses == ("class_41",) and two.signer == "12" and one.split == "train"
    write(tmp_path, "SignList_ClassId_TR_EN.csv", "ClassId,TR,EN\n0,abla,sister\n41,akıllı,very smart\n")
    assert [r.glosses[0] for r in read_annotations([path], "autsl")] == ["very-smart", "sister"]


def test_include(tmp_path: Path) -> None:
    content = "FilePath,Word\nGreetings/48. Hello/MVI_0029.MOV,48. Hello\nColours/54. Red/MVI_1.MOV,Red\n"
    one, two = read_annotations([write(tmp_path, "include_train.csv", content)], "include")
    assert (one.id, one.video, one.glosses) == ("MVI_0029", "Greetings/48. Hello/MVI_0029.MOV", ("hello",))
    assert two.glosses == ("red",) and two.split == "train"


def test_lsa64(tmp_path: Path) -> None:
    for name in ("001_002_003.mp4", "064_010_005.mp4", "010_009_001.mp4"):
        (tmp_path / name).touch()
    one, two, three = read_annotations([tmp_path], "lsa64")
    assert (one.id, one.signer, one.split, one.glosses) == ("001_002_003", "2", "train", ("sign_001",))
    assert (two.split, three.split) == ("val", "test")
    path = write(tmp_path, "names.txt", "001_002_003.mp4\n002_002_003\n")
    assert [r.id for r in read_annotations([path], "lsa64")] == ["001_002_003", "002_002_003"]


BROKEN = [
    ("phoenix14t", "a.csv", "name|video|start\n", "missing: end, speaker, orth, translation"),
    ("phoenix14t", "a.csv", PHOENIX + "a|b|-1\n", "line 4: 3 cells, the first line has 7"),
    ("phoenix14t", "a.csv", PHOENIX + "a|b|x|-1|s|G|t\n", "start must be a number, got 'x'"),
    ("phoenix14t", "a.csv", PHOENIX + "a|b|-1|-1|s||\n", "neither glosses"),
    ("phoenix14t", "a.csv", PHOENIX + "|b|-1|-1|s|G|\n", "the name is empty"),
    ("phoenix14t", "a.csv", PHOENIX + PHOENIX.splitlines()[1], "annotated twice"),
    ("phoenix14t", "a.csv", "", "is empty"),
    ("phoenix14t", "a.csv", PHOENIX.splitlines()[0], "holds no clip"),
    ("how2sign", "a.csv", HOW2SIGN.replace("\t", ","), "must name the columns"),
    ("how2sign", "a.csv", HOW2SIGN.replace("19.52", "12.0"), "lasts from 12.97 to 12 s"),
    ("wlasl", "a.json", "{", "not readable JSON"),
    ("wlasl", "a.json", {}, "must be a JSON list"),
    ("wlasl", "a.json", [1], "entry 0 is no object"),
    ("wlasl", "a.json", [{"gloss": "", "instances": []}], "'gloss' must be a text"),
    ("wlasl", "a.json", [{"gloss": "a", "instances": 1}], "'instances' must be a list"),
    (
        "wlasl",
        "a.json",
        [{"gloss": "a", "instances": [{"video_id": "1", "split": "all"}]}],
        "unknown split 'all'",
    ),
    (
        "wlasl",
        "a.json",
        [{"gloss": "a", "instances": [{"video_id": "1", "split": "test", "frame_end": 1.5}]}],
        "whole number",
    ),
    ("msasl", "a.json", [{**MSASL[0], "end_time": None}], "end_time must be a number"),
    ("msasl", "a.json", [{**MSASL[0], "clean_text": None}], "'clean_text' must be a text"),
    ("autsl", "a.csv", "sample1,4\n", "like signer0_sample1,41"),
    ("autsl", "a.csv", "signer0_sample1\n", "like signer0_sample1,41"),
    ("include", "a.csv", "FilePath,Word\na/b.MOV,\n", "is empty"),
    ("include", "a.csv", 'FilePath,Word\n"a/b.MOV,x\n', "line"),
    ("lsa64", "a.txt", "1_2_3.mp4\n", "not called like"),
    ("lsa64", "a.txt", "065_001_001.mp4\n", "sign 1 to 64"),
]


@pytest.mark.parametrize(("kind", "name", "content", "said"), BROKEN)
def test_broken_files_are_refused_with_their_place(
    tmp_path: Path, kind: str, name: str, content: object, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_annotations([write(tmp_path, name, content)], kind)


@pytest.mark.parametrize("kind", list(FORMATS))
def test_files_that_are_not_there_or_no_text_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError):
        read_annotations([tmp_path / "none.csv"], kind)
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)))
    with pytest.raises(DataError):
        read_annotations([tmp_path / "bytes.csv"], kind)


def test_an_unknown_class_of_autsl_is_named(tmp_path: Path) -> None:
    write(tmp_path, "SignList_ClassId_TR_EN.csv", "ClassId,TR,EN\n0,abla,sister\n")
    with pytest.raises(DataError, match="class 7 is not in SignList"):
        read_annotations([write(tmp_path, "train_labels.csv", "signer0_sample1,7\n")], "autsl")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'how2sign'"):
        read_annotations([], "how2sing")
