"""AVA's tables: what is written is read again, and what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.io.ava import (
    NO_PERSON,
    ActionBoxes,
    read_ava,
    read_excluded_frames,
    read_label_map,
    write_ava,
    write_label_map,
)

TRUTH = """video_id,timestamp_s,x1,y1,x2,y2,action_id,person_id
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,9,1

-5KQ66BBWC4,0903
x,902.5,0,0,1,1,11
"""


def test_ground_truth_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(TRUTH)
    found = read_ava(path)
    assert found.video.tolist() == ["-5KQ66BBWC4", "-5KQ66BBWC4", "x"]
    assert found.time.tolist() == [902, 902, 902.5] and found.action.tolist() == [80, 9, 11]
    assert found.person.tolist() == [1, 1, NO_PERSON] and found.score.tolist() == [1, 1, 1]
    assert found.box[0].tolist() == [0.077, 0.151, 0.283, 0.811]
    assert found.frames() == [("-5KQ66BBWC4", 902000)] * 2 + [("x", 902500)]


@pytest.mark.parametrize("predictions", [False, True])
def test_what_is_written_is_read(tmp_path: Path, predictions: bool) -> None:
    rng = np.random.default_rng(0)
    box = np.sort(rng.random((20, 2, 2)), 1).reshape(20, 4)
    table = ActionBoxes(
        [f"v, {i % 3}" for i in range(20)],
        np.arange(20) / 8,
        box,
        np.arange(20),
        rng.random(20) if predictions else None,
        None if predictions else np.arange(20)[::-1],
    )
    again = read_ava(write_ava(tmp_path / "a.csv", table, predictions), predictions)
    for name in ("video", "time", "action", "person"):
        assert np.array_equal(getattr(again, name), getattr(table, name)), name
    assert np.allclose(again.box, table.box, atol=1e-6) and np.allclose(again.score, table.score, atol=1e-6)
    assert "video_id" not in (tmp_path / "a.csv").read_text()  # AVA's own scripts take no header
    empty = read_ava(write_ava(tmp_path / "a.csv", table.take(table.time > 0.2), predictions), predictions)
    assert len(empty) == 18


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("v,1,0,0,1", "line 2: 5 columns; allowed: video_id,timestamp_s,x1"),
        ("v,one,0,0,1,1,2,3", "line 2: timestamp_s is 'one', not a number"),
        ("v,1,0,0,1,nan,2,3", "line 2: y2 is 'nan', not a finite number"),
        ("v,1,0,0,1,1,2.5,3", "line 2: action_id is '2.5', not a whole number"),
        (
            "v,1,0,0,1,1,2,0.5",
            "line 2: person_id is '0.5', not a whole number; if it is a score, read the file as",
        ),
        ("v,1,0,0,320,240,2,3", "line 2: box 0, 0, 320, 240 leaves 0..1; divide pixels by the picture"),
        ("v,1,0.5,0,0.5,1,2,3", "line 2: box 0.5, 0, 0.5, 1 is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"v,1,0,0,1,1,2,3\n{line}\n")
    with pytest.raises(DataError) as error:
        read_ava(path)
    assert str(path) in str(error.value) and said in str(error.value)


def test_tables_are_checked() -> None:
    box = [[0, 0, 0.5, 0.5]]
    with pytest.raises(DataError, match=r"'video': 1, 'time': 2"):
        ActionBoxes(["a"], [1, 2], box, [1])
    with pytest.raises(DataError, match=r"row 2 .*must be finite"):
        ActionBoxes(["a", "a"], [1, np.inf], box * 2, [1, 1])
    assert len(ActionBoxes([], [], [], [])) == 0


def test_excluded_frames(tmp_path: Path) -> None:
    path = tmp_path / "excluded.csv"
    path.write_text("a,0902\nb,1798\n")
    assert read_excluded_frames(path) == {("a", 902000), ("b", 1798000)}
    path.write_text("a,0902,1\n")
    with pytest.raises(DataError, match=r"line 1: 3 columns; allowed: video_id,timestamp_s"):
        read_excluded_frames(path)


def test_label_maps(tmp_path: Path) -> None:
    path = tmp_path / "actions.pbtxt"
    path.write_text(
        'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\nlabel { name: "run"\n label_id: 10 }\n'
    )
    assert read_label_map(path) == {1: "bend/bow (at the waist)", 10: "run"}
    names = {3: 'say "yes"', 4: "it's"}
    assert read_label_map(write_label_map(path, names)) == names
    for text, said in (
        ("1,run\n", "holds no label"),
        ('item { name: "a" id: 1 }\nitem { id: 2 }', "line 2: an item needs"),
        ('item { name: "a" id: 1 }\nitem { name: "b" id: 1 }', "line 2: id 1 stands there twice"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_label_map(path)
