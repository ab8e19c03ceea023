"""Parts that are written down: tables and lists, names of clips and of files, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelact.datasets.split_files import read_listed_splits
from skelact.errors import ConfigError, DataError

CLIPS = [(name, {}) for name in ("a", "b", "day1/c", "day2/c", "d.e")]


@pytest.fixture
def write(tmp_path: Path):
    def one(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return one


def test_a_table_names_clips_and_parts(write) -> None:
    path = write("s.csv", "label,clip,split,fold\nx,b,train,1\nx,a.mp4,train,2\ny,day1/c,test,1\ny,d.e,,2\n")
    listed = read_listed_splits([path])
    assert listed(CLIPS) == {"split/train": ["a", "b"], "split/test": ["day1/c"]}  # in the order of the clips
    assert listed.notes == ["2 clips are in no part of 'split': day2/c, d.e"]
    both = read_listed_splits([path, f"{path}:fold"])(CLIPS)
    assert both["fold/1"] == ["b", "day1/c"] and both["fold/2"] == ["a", "d.e"] and "split/test" in both


def test_the_first_column_names_clips_where_none_is_called_so(write) -> None:
    path = write("s.csv", "which,split\na,train\nb,test\n")
    assert read_listed_splits([path])(CLIPS) == {"split/train": ["a"], "split/test": ["b"]}


def test_lists_of_files(write) -> None:
    train = write("train.txt", "# whom we trust\nvideos/a.mp4\n\nb.skeleton\nz.mp4\n")
    test = write("test.txt", "folder/day2/c\nd.e\n")
    listed = read_listed_splits([f"train={train}", f"test={test}"])
    with pytest.raises(DataError, match=r"'folder/day2/c' of --split-from may be any of day1/c, day2/c"):
        listed(CLIPS)
    listed = read_listed_splits([f"train={train}", f"test={write('test.txt', 'day2/c.avi')}"])
    assert listed(CLIPS) == {"lists/train": ["a", "b"], "lists/test": ["day2/c"]}
    assert listed.notes == [
        "1 name of --split-from is no clip: z.mp4",
        "2 clips are in no part of 'lists': day1/c, d.e",
    ]
    assert listed(CLIPS[:3]) == {"lists/train": ["a", "b"], "lists/test": ["day1/c"]}  # the only c
    assert "no clip is in lists/test" in (listed(CLIPS[:2]), listed.notes)[1]


def test_a_name_is_in_one_part_of_a_protocol(write) -> None:
    one, other = write("one.txt", "a\nb\n"), write("other.txt", "b\nday1/c\n")
    with pytest.raises(DataError, match="1 name is in both lists/train and lists/test \\('b' is\\)"):
        read_listed_splits([f"train={one}", f"test={other}"])
    listed = read_listed_splits([f"xsub/train={one}", f"xview/test={other}"])
    assert listed(CLIPS) == {"xsub/train": ["a", "b"], "xview/test": ["b", "day1/c"]}
    spelt = read_listed_splits([f"train={one}", f"test={write('more.txt', 'x/b.mp4')}"])
    with pytest.raises(DataError, match="1 clip is in both"):  # one clip under two names
        spelt(CLIPS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.csv"], "does not exist"),
        (["s.csv:fold"], "no column 'fold' that says the part; it has clip, split"),
        (["train.txt"], "takes FILE.csv"),
        (["train=empty.txt"], "names no clip"),
        (["train=a.txt", "train=a.txt"], "twice"),
        (["s.csv", "s.csv"], "twice"),
        (["blank.csv"], "names no part"),
        (["only.csv"], "no column that names the clips"),
    ],
)
def test_what_cannot_be_used(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("s.csv", "clip,split\na,train\n"), ("empty.txt", "# nothing\n"), ("a.txt", "a\n"),
        ("blank.csv", "clip,split\na,\n"), ("only.csv", "split\ntrain\n"),
    ):  # fmt: skip
        write(name, text)
    with pytest.raises((DataError, ConfigError), match=said):
        read_listed_splits(words)


def test_names_that_are_no_clips_at_all(write) -> None:
    with pytest.raises(DataError, match=r"none of the 2 names .* 'q', the clips are called 'a'"):
        read_listed_splits([f"train={write('t.txt', 'q' + chr(10) + 'r')}"])(CLIPS)
