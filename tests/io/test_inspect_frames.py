"""``inspect`` on frames: nobody, jumping times, wrong frame rates, frames that two clips share."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from skelact.cli import run
from skelact.io.convert import convert
from skelact.io.inspect import inspect
from skelact.io.store import write_store
from skelact.skeleton import Skeleton


def clip(name: str, n: int = 20, seed: int = 0, **more: object) -> Skeleton:
    """A person of random joints; clips of other seeds share no frame."""
    xyz = np.random.default_rng([seed, *name.encode()]).normal(size=(1, n, 17, 3))
    info = more.pop("info", {"subject": name})
    return Skeleton(xyz, None, "coco17", 30.0, "m", f"label {seed % 2}", name, info, **more)  # type: ignore[arg-type]


def problems(path: Path, clips: list[Skeleton], splits: dict[str, list[str]] | None = None) -> str:
    write_store(path, clips, splits)
    return "\n".join(inspect(path).problems)


@pytest.fixture
def sound() -> list[Skeleton]:
    return [clip(f"c{i}", seed=i) for i in range(12)]


def test_nothing_is_said_of_sound_clips(sound: list[Skeleton], tmp_path: Path) -> None:
    assert problems(tmp_path / "a.h5", sound, {"x/train": ["c0", "c1"], "x/test": ["c2"]}) == ""


def test_frames_and_clips_that_show_nobody(sound: list[Skeleton], tmp_path: Path) -> None:
    score = np.ones((1, 20, 17), np.float32)
    score[:, 5:10] = 0
    gone = sound[0].with_(score=score)
    score[:, 5:10], score[:, 7] = 1, 0
    said = problems(tmp_path / "a.h5", [gone, sound[1].with_(score=score), *sound[2:]])
    assert "6 frames show nobody; in 1 clip they are more than 10%: c0 (25%)" in said  # 1 of 20 is not told
    table = "\n".join(f"q,{i},,,,,,," for i in range(4))
    layout = "name: two\nroot: a\njoints: [a, b]\nbones: [[b, a]]\n"
    (tmp_path / "two.yaml").write_text(layout)
    rows = "\n".join(f"p,{i},{i},1,2,3,4,5,w" for i in range(9))
    (tmp_path / "j.csv").write_text(f"clip,frame,a_x,a_y,a_z,b_x,b_y,b_z,label\n{rows}\n{table}\n")
    from skelact.io.formats import ReadOptions
    from skelact.layouts import load_layout

    found = inspect(
        tmp_path / "j.csv", options=ReadOptions(layout=load_layout(tmp_path / "two.yaml"), fps=30)
    )
    assert "1 clip shows nobody in any frame: q" in found.problems


def test_times_that_jump_and_rates_that_are_not_those_of_the_times(
    sound: list[Skeleton], tmp_path: Path
) -> None:
    times = np.arange(20) / 30
    late = sound[0].with_(time=times + 2 * (np.arange(20) > 9))
    slow = sound[1].with_(time=2 * times)
    fine = sound[2].with_(time=times + 0.1 * (np.arange(20) > 9))  # a dropped frame or two is none
    said = problems(tmp_path / "a.h5", [late, slow, fine, *sound[3:]])
    assert "the times of 1 clip jump: c0 by 2.03 s" in said
    assert (
        "the frame rate of 1 clip disagrees with the frames' times: c1 (30 stated, 15 by its times)" in said
    )


def test_coordinates_and_times_that_no_file_should_hold(sound: list[Skeleton], tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_store(path, [s.with_(time=np.arange(20) / 30) for s in sound])
    with h5py.File(path, "r+") as file:
        xyz, times = file["frames/xyz"], file["timeline/time"]
        assert isinstance(xyz, h5py.Dataset) and isinstance(times, h5py.Dataset)
        xyz[25, 3, 0] = np.nan
        times[45] = 0.0
    found = inspect(path)
    assert found.clips == 10
    assert "2 items cannot be read: c1 (recording 'c1': joint 'left_ear'" in found.problems[0]
    assert "c2 (recording 'c2': time must be 20 increasing seconds)" in found.problems[0]


def test_copies_of_another_length_are_found(sound: list[Skeleton], tmp_path: Path) -> None:
    cut = sound[0].with_(xyz=sound[0].xyz[:, 4:16], score=None, id="cut", info={"subject": "z"})
    splits = {"x/train": ["c0", "c1"], "x/test": ["cut", "c2"], "y/train": ["c1"], "y/test": ["cut"]}
    said = problems(tmp_path / "a.h5", [*sound, cut], splits)
    assert "1 clip of x/test shares at least 50% of the frames with clips of x/train: cut (100%)" in said
    assert "1 clip shares at least 50% of the frames with another clip: cut with c0 (100%)" in said
    assert "y/test" not in said
    few = sound[0].with_(xyz=sound[0].xyz[:, 4:9], score=None, id="few")  # too few to tell
    assert "share" not in problems(tmp_path / "b.h5", [*sound, few], {"x/train": ["c0"], "x/test": ["few"]})


@pytest.mark.slow
def test_copies_in_nw_ucla(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from skelact.datasets.named import benchmark_splits

    out = tmp_path / "ucla.h5"
    convert(shared_data / "nw-ucla", out, splits=lambda clips: benchmark_splits("nw_ucla", clips))
    assert run(["inspect", str(out), "--json"]) == 0
    said = "\n".join(json.loads(capsys.readouterr().out)["problems"])
    assert "95 clips of xview/test are recordings of xview/train under another name" in said
    assert "10 clips share at least 50% of the frames" in said
    assert "a08_s01_e01_v02 with a08_s01_e01_v01 (88%)" in said
