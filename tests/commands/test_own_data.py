"""A newcomer's way: a CSV of joints and a layout of one's own, to a trained network that names actions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_helpers import refused, skelact, tree

from skelact.commands.experiment import choose_recipe
from skelact.commands.ui import UI
from skelact.errors import SkelactError

CONFIGS = Path(__file__).parents[2] / "configs"
LAYOUT = """\
name: arm4
joints: [shoulder, elbow, wrist, finger]
bones: [[elbow, shoulder], [wrist, elbow], [finger, wrist]]
"""
SMALL = (
    "--train.epochs",
    1,
    "--model.channels",
    8,
    8,
    "--model.stride-blocks",
    1,
    "--pipeline.sampling.n-frames",
    16,
)


def write_table(path: Path, people: int = 10, subject: bool = True) -> None:
    """Arms that circle or wave, in the picture's pixels."""
    rng = np.random.default_rng(0)
    lines = ["clip,frame,label," + ("subject," if subject else "") + "shoulder_x,shoulder_y,elbow_x,elbow_y,wrist_x,"
             "wrist_y,finger_x,finger_y"]  # fmt: skip
    for person in range(people):
        for label in ("circle", "wave"):
            for frame in range(30):
                turn = frame / 5 if label == "circle" else np.sin(frame / 2)
                reach = np.arange(4) * 40.0
                x, y = 300 + reach * np.cos(turn) + rng.normal(0, 1, 4), 200 + reach * np.sin(turn)
                joints = ",".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True))
                lines.append(
                    f"{label}{person},{frame},{label}," + (f"p{person}," if subject else "") + joints
                )
    path.write_text("\n".join(lines))


def test_from_table_to_actions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(Path("x.csv"))
    Path("my.yaml").write_text(LAYOUT)
    done = skelact(
        "convert",
        "x.csv",
        "--layout",
        "my.yaml",
        "--unit",
        "px",
        "--split",
        0.6,
        0.2,
        0.2,
        "--out",
        "mine.h5",
        "--json",
    )
    assert done.code == 0 and done.json["labels"] == {"circle": 10, "wave": 10}
    assert done.json["splits"] == {"subjects/train": 12, "subjects/val": 4, "subjects/test": 4}
    assert "skelact train --data mine.h5" in done.err  # the next step is told as it is
    done = skelact("train", CONFIGS / "default_small.yaml", "--data", "mine.h5", *SMALL, "--json")
    assert done.code == 0
    assert (
        "training on 12 clips (subjects/train), validation on 4 (subjects/val); test part: subjects/test"
        in done.err
    )
    done = skelact("evaluate", "runs/default_small", "--json")
    assert done.code == 0 and done.json["split"] == "subjects/test"
    write_table(Path("new.csv"), people=1)
    words = (
        "predict",
        "runs/default_small",
        "new.csv",
        "--layout",
        "my.yaml",
        "--unit",
        "px",
        "--out",
        "found",
    )
    done = skelact(*words, "--json")
    assert done.code == 0 and {s["recording"] for s in done.json["segments"]} == {"circle0", "wave0"}
    assert tree(Path("found")) == {"new.predictions.json", "new.segments.csv"}
    assert "--layout" in refused(3, "predict", "runs/default_small", "new.csv")


def test_without_parts_a_share_is_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(LAYOUT)
    for subject, by in ((True, "subject"), (False, "clip")):
        write_table(Path("x.csv"), subject=subject)
        assert skelact("convert", "x.csv", "--layout", "my.yaml", "--out", "mine.h5", "--overwrite").code == 0
        done = skelact("train", CONFIGS / "default_small.yaml", "--data", "mine.h5", "--name", by, *SMALL)
        assert done.code == 0 and f"held out by {by}" in done.out
        assert ("people are in training too" in done.out) == (by == "clip") and "no test part" in done.out
        assert "training on 1" in done.out and "(all others)" in done.out


def test_parts_by_subject_need_subjects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(LAYOUT)
    write_table(Path("x.csv"), subject=False)
    words = ("convert", "x.csv", "--layout", "my.yaml", "--out", "mine.h5", "--split", 0.6, 0.2, 0.2)
    said = refused(3, *words)
    assert "does not say its subject" in said and "--split-by clip" in said and not Path("mine.h5").exists()
    assert skelact(*words, "--split-by", "clip").code == 0
    assert "subjects" not in skelact("inspect", "mine.h5").out
    said = refused(3, *words, "--overwrite", "--split-by", "clip", "--split", 0.6, 0.6, 0.2)
    assert "sum to 1" in said


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "expected the keys"),
        ("name: [", "cannot read"),
        (LAYOUT.replace("finger, wrist]]", "thumb, wrist]]"), "thumb"),
        (LAYOUT.replace("shoulder, elbow", "shoulder, shoulder"), "shoulder"),
    ],
)
def test_layouts_that_are_none(text: str, hint: str, tmp_path: Path) -> None:
    write_table(tmp_path / "x.csv", people=1)
    (tmp_path / "my.yaml").write_text(text)
    said = refused(
        3, "convert", tmp_path / "x.csv", "--layout", tmp_path / "my.yaml", "--out", tmp_path / "mine.h5"
    )
    assert "my.yaml" in said and hint in said
    assert tree(tmp_path) == {"x.csv", "my.yaml"}


def test_layout_names_are_suggested(tmp_path: Path) -> None:
    write_table(tmp_path / "x.csv", people=1)
    said = refused(3, "convert", tmp_path / "x.csv", "--layout", "ntu26", "--out", tmp_path / "mine.h5")
    assert "ntu26" in said and "Did you mean 'ntu25" in said


def test_default_recipe_counts_the_part_that_is_named(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, n_clips in (([], 6), (["--data.train=subjects/train"], 6), (["--data.train", "all"], 12)):
        choose_recipe(str(dataset), words, UI())
        assert f"{n_clips} clips to train on" in "".join(capsys.readouterr())
    with pytest.raises(SkelactError, match="subjects/train"):
        choose_recipe(str(dataset), ["--data.train", "nobody/train"], UI())
