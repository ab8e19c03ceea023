"""``predictions.csv`` and the section of the worst mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.synthetic import make_clip
from skelact.errors import DataError
from skelact.evaluate.mistakes import mistakes_section, plot_frames
from skelact.evaluate.page import Picture, Text
from skelact.evaluate.predictions import (
    COLUMNS,
    Predictions,
    predictions_of,
    read_predictions,
    write_predictions,
)

NAMES = ["wave", 'a "b", c', "日本語", "kick", "x", "y"]
P = np.array([
    [0.60, 0.10, 0.10, 0.10, 0.05, 0.05],  # wave, right
    [0.05, 0.80, 0.05, 0.05, 0.03, 0.02],  # wrong and sure
    [0.30, 0.10, 0.25, 0.20, 0.10, 0.05],  # wrong and unsure
    [0.00, 0.05, 0.90, 0.05, 0.00, 0.00],  # wrong and surest
])  # fmt: skip


@pytest.fixture
def found() -> Predictions:
    return predictions_of(["c0", "c,1", "c2", "c3"], ["p1", "", "p2", "p2"], P, np.array([0, 3, 2, 0]), NAMES)


def test_answers_of_probabilities(found: Predictions) -> None:
    assert found.predicted == ["wave", 'a "b", c', "wave", "日本語"]
    assert found.correct.tolist() == [True, False, False, False]
    assert found.confidence.tolist() == [0.6, 0.8, 0.3, 0.9] and found.label_probability.tolist() == [
        0.6,
        0.05,
        0.25,
        0,
    ]
    assert found.top5[2] == [("wave", 0.3), ("日本語", 0.25), ("kick", 0.2), ('a "b", c', 0.1), ("x", 0.1)]
    assert found.worst(2) == [3, 1] and found.worst(9) == [3, 1, 2]
    assert repr(found) == "Predictions(4 clips, 25.0 % right)"


def test_the_file_gives_back_what_was_written(found: Predictions, tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "predictions.csv", found)
    assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)
    again = read_predictions(path)
    for name in ("clips", "subjects", "labels", "predicted", "top5"):
        assert getattr(again, name) == getattr(found, name)
    assert again.confidence == pytest.approx(found.confidence, abs=1e-6)
    assert again.label_probability == pytest.approx(found.label_probability, abs=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.csv"]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda t: t.replace("confidence", "sureness", 1), "lacks the column confidence"),
        (lambda t: t + t.splitlines()[1] + "\n", "names clip 'c0' twice"),
        (lambda t: t[:-30], "cut off|damaged"),
        (lambda t: t.replace("0.800000", "sure"), "line 3 column 'confidence'"),
    ],
)
def test_a_damaged_file_is_refused(found: Predictions, tmp_path: Path, harm, said: str) -> None:
    path = write_predictions(tmp_path / "predictions.csv", found)
    path.write_text(harm(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_predictions(path)


def test_the_worst_mistakes_are_shown_surest_first(found: Predictions, tmp_path: Path) -> None:
    clip = make_clip("wave", subject=1, noise=None)
    scenes = {3: clip, 1: np.zeros((6, 40, 60, 3), np.uint8), 2: "it shows nobody"}
    (tmp_path / "mistake_9.png").write_bytes(b"of an earlier report")
    section = mistakes_section(found, 3, scenes.__getitem__, tmp_path)
    assert section is not None
    said, first, second, third = section.blocks
    assert isinstance(said, Text) and said.text.startswith("3 of 4 answers are wrong")
    assert (
        isinstance(first, Picture)
        and first.caption == "c3: is wave, answered 日本語 (90.0 %; the truth 0.0 %)"
    )
    assert isinstance(second, Picture) and second.caption.startswith("c,1: is kick, answered a")
    assert isinstance(third, Text) and third.text.endswith("(it shows nobody)")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mistake_1.png", "mistake_2.png"]
    assert (first.photo, second.photo) == (False, True) and first.small and second.small
    for picture in (first, second):
        data = Path(picture.path).read_bytes()
        width, height = (int.from_bytes(data[k : k + 4], "big") for k in (16, 20))
        assert height < 260 and 200 < width < 1400  # small
    fewer = mistakes_section(found, 1, scenes.__getitem__, tmp_path)
    assert fewer is not None and len(fewer.blocks) == 2 and "the 1 given most surely" in fewer.blocks[0].text  # type: ignore[union-attr]


def test_no_mistakes_and_none_wanted(found: Predictions, tmp_path: Path) -> None:
    section = mistakes_section(found.take([0]), 3, {}.__getitem__, tmp_path)
    assert section is not None and section.blocks == [Text("Every answer is right.")]
    assert mistakes_section(found, 0, {}.__getitem__, tmp_path) is None
    with pytest.raises(DataError, match="frames must be"):
        plot_frames(np.zeros((3, 4, 5)), tmp_path / "a.png")


def test_frames_stand_side_by_side_with_a_gap(tmp_path: Path) -> None:
    from matplotlib.image import imread

    frames = np.zeros((3, 40, 60, 3), np.uint8)
    frames[0, ..., 0] = frames[1, ..., 1] = frames[2, ..., 2] = 255
    shown = imread(plot_frames(frames, tmp_path / "a.png"))[..., :3]
    row = shown[len(shown) // 2]
    red, green, blue = ((row == colour).all(-1).nonzero()[0] for colour in np.eye(3))
    assert red.max() < green.min() <= green.max() < blue.min()
    assert len(red) == pytest.approx(len(blue), abs=2) and len(red) > 150
    between = row[red.max() + 1 : green.min()]
    assert len(between) > 3 and between[len(between) // 2].tolist() == [1, 1, 1]
