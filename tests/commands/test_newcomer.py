"""What somebody types in the first minutes, and what they are told when it was not quite right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_helpers import refused, skelact

from skelact.cli import COMMANDS, GROUPS
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.splits import subject_splits
from skelact.errors import ConfigError, DataError, counted, matching
from skelact.models import MODELS


@pytest.fixture
def videos_folder(tmp_path: Path) -> Path:
    """A folder of what looks like videos."""
    for name in ("wave/anna.mp4", "sit/ben.avi"):
        (tmp_path / "my_videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my_videos" / name).touch()
    return tmp_path / "my_videos"


def test_a_folder_of_videos_is_told_from_one_of_skeletons(videos_folder: Path, tmp_path: Path) -> None:
    go_on = f"skelact extract {videos_folder} --out my_videos.h5"
    for words in (("convert", videos_folder, "--out", tmp_path / "a.h5"), ("inspect", videos_folder)):
        said = refused(3, *words)
        assert "is a folder of videos" in said and go_on in said, said
    assert go_on in refused(3, "predict", "everyday", videos_folder)
    assert "is a video" in refused(3, "inspect", videos_folder / "wave" / "anna.mp4")
    for command in (("train", "--data"), ("evaluate", "everyday")):
        said = refused(3, *command, videos_folder)
        assert "is a folder" in said and "skelact extract" in said and "does not exist" not in said, said


def test_the_subjects_that_were_found_are_said_where_they_are_too_few() -> None:
    clips = [(f"c{k}", {"subject": "my"}) for k in range(4)]
    with pytest.raises(
        DataError, match=r"1 subject \(my\) cannot fill 3 parts \(train, val, test\); check how"
    ):
        subject_splits(clips, {"train": 0.6, "val": 0.2, "test": 0.2})


def test_every_command_is_in_one_group_of_the_help() -> None:
    assert sum(len(group) for group in GROUPS.values()) == len(COMMANDS)
    said = skelact("--help").out
    assert all(f"\n{title}:\n" in said for title in GROUPS)
    assert all(said.count(f"\n  {name} ") == 1 for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_no_defaults_that_say_nothing(command: str) -> None:
    said = " ".join(skelact(command, "--help").out.replace("│", " ").split())
    if command not in ("train", "learn-language"):  # their settings are those of the configuration
        assert not [empty for empty in ("(default: '')", "(default: )", "(default: None)") if empty in said]
    assert "examples: skelact" in said or command in ("demo", "formats"), said[:300]


def test_a_mistyped_short_option_of_train_is_told(dataset: Path) -> None:
    assert "Did you mean '--epochs'" in refused(2, "train", "--data", dataset, "--epcohs", 3)
    assert "Did you mean '--batch-size'" in refused(2, "train", "--data", dataset, "--batch_size=3")
    said = skelact("train", "--data", dataset, "--num-workers", 3, "--json")
    assert said.code == 2 and "'--num-workers'; allowed: --model" in said.json["error"]


def test_options_that_the_parser_refuses_are_told_in_plain_words(dataset: Path) -> None:
    for words, says in (
        (
            ("train", "--data", dataset, "--train.lrr", 3),
            ("Unrecognized options: --train.lrr", "--train.lr FLOAT"),
        ),
        (("train", "--data", dataset, "--lr", "abc"), ("could not convert string to float: 'abc'",)),
        (("models", "--clases", 3), ("Unrecognized options: --clases", "--classes INT")),
    ):
        done = skelact(*words, "--json")
        assert done.code == done.json["exit_code"] == 2
        assert done.err.rstrip().endswith(done.json["error"])
        assert all(text in done.json["error"] for text in says) and not set("│╭╰") & set(done.err), done.err


def test_lists_can_be_narrowed() -> None:
    one = json.loads(skelact("models", "ctrgcn", "--json").out)["models"]
    assert [row["name"] for row in one] == ["ctrgcn"] and one[0]["settings"]["stride_blocks"] == [4, 7]
    assert "--model.stride-blocks" in skelact("models", "ctrgcn").out
    several = [row["name"] for row in json.loads(skelact("models", "*gcn", "--json").out)["models"]]
    assert several == [name for name in MODELS if name.endswith("gcn")]
    assert [r["name"] for r in json.loads(skelact("models", "gru", "--json").out)["models"]] == ["gru"]
    recipes = [r["name"] for r in json.loads(skelact("recipes", "ntu60_xsub_ctr", "--json").out)["recipes"]]
    assert recipes == ["ntu60_xsub_ctrgcn"]
    assert "unknown recipe 'nothing'" in refused(2, "recipes", "nothing")
    with pytest.raises(ConfigError, match="Did you mean 'abc'"):
        matching("abd", ["abc", "xyz"])


def test_one_is_said_in_the_singular(tmp_path: Path) -> None:
    from skelact.datasets.synthetic import make_set
    from skelact.io.store import write_store

    one = list(make_set(1, actions=("wave",)))
    write_store(tmp_path / "one.h5", one)
    said = [
        skelact("inspect", tmp_path / "one.h5"), skelact("show", tmp_path / "one.h5", "--out", tmp_path / "a.html"),
        skelact("convert", tmp_path / "one.h5", "--out", tmp_path / "b.h5"),
        skelact("predict", "everyday", tmp_path / "one.h5", "--out", tmp_path),
    ]  # fmt: skip
    assert all(done.code == 0 for done in said)
    text = " ".join(done.out + done.err for done in said) + repr(SkeletonSet.open(tmp_path / "one.h5"))
    assert not re.findall(
        r"(?<![\d.,])1 (?:clips|people|classes|frames|recordings|files|labels|have)\b", text
    )
    assert "1 clip" in text and counted(1, "class", "classes") == "1 class"
    assert [counted(n, "clip") for n in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]


def test_subjects_are_counted_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    from skelact.datasets.synthetic import make_set
    from skelact.io.inspect import inspect
    from skelact.io.store import write_store

    write_store(tmp_path / "a.h5", list(make_set(actions=("wave",), subjects=(10, 2, 1), repetitions=(1,))))
    assert list(inspect(tmp_path / "a.h5").subjects) == ["1", "2", "10"]
