"""MSRC-12 sequences: joints, times, moments, and files that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.io.formats import FORMATS, detect_format
from skelact.io.msrc12 import MSRC12_NAMES, NO_GESTURE, read_msrc12

TICKS = 49.875  # a microsecond


def write(
    folder: Path, n: int = 40, moments: tuple[float, ...] = (0.5, 1.0), name: str = "P1_1_2_p06"
) -> Path:
    """A sequence at 30 frames a second that begins with two rows of zeros."""
    rng = np.random.default_rng(0)
    xyz = np.concatenate([rng.normal(size=(n, 20, 3)) + [0, 0, 3], np.ones((n, 20, 1))], -1)
    xyz[:2] = 0
    xyz[5, 7, 3] = 0
    begin = 1_000_000
    rows = [
        f"{begin + round(t * 1e6 / 30)} " + " ".join(f"{v:.6f}" for v in xyz[t].ravel()) for t in range(n)
    ]
    path = folder / f"{name}.csv"
    path.write_text("\n".join(rows) + "\n")
    tags = [f"{round((begin + m * 1e6) * TICKS - 24.9375)};G2  Duck" for m in moments]
    path.with_suffix(".tagstream").write_text("\n".join(["XQPCTick;Tag", *tags]))
    return path


def test_joints_times_and_moments(tmp_path: Path) -> None:
    path = write(tmp_path)
    clip = read_msrc12(path)
    assert clip.layout.name == "kinect20" and clip.unit == "m" and clip.xyz.shape == (1, 40, 20, 3)
    assert clip.label == "duck" and clip.id == "P1_1_2_p06"
    assert dict(clip.info) == {"subject": 6, "gesture": 2, "instruction": "P1_1"}
    assert not clip.score[0, :2].any() and clip.score[0, 2].all()
    assert clip.score[0, 5, 7] == 0 and clip.score[0, 5].sum() == 19
    assert clip.fps == pytest.approx(30, rel=1e-4) and clip.time is not None and clip.time[0] == 0
    assert clip.frame_labels is not None
    assert [t for t, name in enumerate(clip.frame_labels) if name == "duck"] == [15, 30]
    assert set(clip.frame_labels) == {"duck", NO_GESTURE}


def test_the_format_is_told_and_moments_outside_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, moments=(0.5, 60.0))
    assert detect_format(tmp_path) == "msrc12"
    notes: list[str] = []
    clip = read_msrc12(path, notes)
    assert clip.frame_labels is not None and clip.frame_labels.count("duck") == 1
    assert len(notes) == 1 and "line 3" in notes[0]
    assert FORMATS["msrc12"].clip_id is not None and FORMATS["msrc12"].clip_id(path) == "P1_1_2_p06"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda rows: [*rows[:3], rows[3][:100], *rows[4:]], "line 4: "),
        (lambda rows: [*rows[:3], rows[2], *rows[4:]], "line 4: the time does not come after"),
        (lambda rows: [rows[0].replace("0.000000", "zero", 1), *rows[1:]], "line 1"),
        (lambda rows: rows[:2], "nobody was seen"),
        (lambda rows: [rows[0], "nan" + rows[1][7:], *rows[2:]], "does not come after"),
    ],
)
def test_damaged_rows_are_named(tmp_path: Path, change, word: str) -> None:
    path = write(tmp_path)
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(DataError, match=word):
        read_msrc12(path)


@pytest.mark.parametrize("tag", ["x;G2  Duck", "12", "12;H2 Duck", "12;G13 More", "inf;G2 Duck"])
def test_damaged_tags_are_named(tmp_path: Path, tag: str) -> None:
    path = write(tmp_path)
    path.with_suffix(".tagstream").write_text(f"XQPCTick;Tag\n{tag}\n")
    with pytest.raises(DataError, match="line 2"):
        read_msrc12(path)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, moments=(0.5, 0.501))
    with pytest.raises(DataError, match="two gestures at the same moment"):
        read_msrc12(path)
    path.with_suffix(".tagstream").unlink()
    with pytest.raises(DataError, match="holds the gestures' moments"):
        read_msrc12(path)
    with pytest.raises(DataError, match=r"P1_1_G_p06\.csv"):
        read_msrc12(write(tmp_path, name="P1_1_13_p06"))


def test_the_real_sequences(shared_data: Path) -> None:
    files = FORMATS["msrc12"].find(shared_data / "msrc12")
    assert len(files) == 48
    clip = read_msrc12(shared_data / "msrc12" / "P1_1_1_p06.csv")
    assert clip.frame_labels is not None and clip.frame_labels.count(MSRC12_NAMES[0]) == 9
    head, foot = (clip.layout.index[n] for n in ("head", "left_foot"))
    assert float((clip.xyz[0, 100:, head, 1] - clip.xyz[0, 100:, foot, 1]).min()) > 1.0
