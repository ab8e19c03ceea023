"""Conversion into a skelact file: reports, several processes, kills, resuming."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.io import joints_csv, pyskl
from skelact.io.convert import convert
from skelact.io.inspect import inspect
from skelact.io.ntu import read_ntu, write_ntu
from skelact.io.ntu_names import ntu_missing
from skelact.io.store import Store, read_store
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton


def clip(seed: int, n_frames: int = 14) -> Skeleton:
    generator = np.random.default_rng(seed)
    body = generator.uniform(-0.2, 0.2, (25, 3)) + np.linspace(0, 1.7, 25)[:, None] * [0, 1, 0] + [0, 0, 3]
    walk = np.cumsum(generator.normal(0, 0.02, (n_frames, 1, 3)), 0)
    return Skeleton((body + walk)[None], None, "ntu25", 30, "m")


def folder_of(path: Path, n: int, n_frames: int = 14) -> Path:
    path.mkdir()
    for k in range(n):
        name = f"S{k % 17 + 1:03}C{k % 3 + 1:03}P{k // 60 + 1:03}R001A{k % 60 + 1:03}"
        write_ntu(clip(k, n_frames), path / f"{name}.skeleton")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "raw", 30)


def test_folder_becomes_a_store(source: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    report = convert(source, tmp_path / "x.h5", progress=lambda *a: steps.append(a))
    assert (report.clips, report.files, report.failed, report.format) == (30, 30, (), "ntu")
    assert steps[-1][:2] == (30, 30) and [s[0] for s in steps] == sorted(s[0] for s in steps)
    with Store(tmp_path / "x.h5") as store:
        assert len(store.label_names) == 60 and all(c.startswith("sha256:") for c in store.clips["checksum"])
        for k, path in enumerate(sorted(source.iterdir())):
            assert store.read(k).equals(read_ntu(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["raw", "x.h5"]


def test_workers_give_the_same_file(source: Path, tmp_path: Path) -> None:
    (source / "S001C001P009R001A001.skeleton").write_bytes(b"3\n")
    one = convert(source, tmp_path / "one.h5", workers=0)
    two = convert(source, tmp_path / "two.h5", workers=2)
    assert one.failed == two.failed and len(two.failed) == 1
    assert all(
        a.equals(b)
        for a, b in zip(read_store(tmp_path / "one.h5"), read_store(tmp_path / "two.h5"), strict=True)
    )


def test_bad_files_are_listed_and_do_not_stop_the_rest(source: Path, tmp_path: Path) -> None:
    files = sorted(source.iterdir())
    files[0].write_bytes(files[0].read_bytes()[:900])
    files[3].write_bytes(b"")
    files[7].write_bytes(b"5\n" + b"0\n" * 5)
    report = convert(source, tmp_path / "x.h5")
    assert report.clips == 27
    assert [Path(p).name for p, _ in report.failed] == [files[k].name for k in (0, 3, 7)]
    for (_, reason), word in zip(report.failed, ("truncated", "empty", "no body"), strict=True):
        assert word in reason
    assert report.to_dict()["files_per_second"] > 0


def test_nothing_usable_leaves_no_file(source: Path, tmp_path: Path) -> None:
    for path in source.iterdir():
        path.write_bytes(b"7\n")
    with pytest.raises(DataError, match="not one of 30 files"):
        convert(source, tmp_path / "x.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


def test_published_missing_samples_are_left_out(source: Path, tmp_path: Path) -> None:
    gone = sorted(ntu_missing(60))[0]
    write_ntu(clip(1), source / f"{gone}.skeleton")
    report = convert(source, tmp_path / "x.h5")
    assert report.excluded == (gone,) and report.clips == 30
    assert convert(source, tmp_path / "y.h5", missing_list=None).clips == 31
    (tmp_path / "list.txt").write_text("S001C001P001R001A001\n")
    assert convert(source, tmp_path / "z.h5", missing_list=tmp_path / "list.txt").clips == 30
    (source / "classes.txt").write_text("\n".join(f"own {k}" for k in range(60)))
    own = convert(source, tmp_path / "w.h5")
    assert own.clips == 31 and "own 0" in own.labels


def test_number_of_people_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    three = np.concatenate([clip(k).xyz + np.float32([2 * k, 0, 0]) for k in range(3)])
    write_ntu(Skeleton(three, None, "ntu25", 30, "m"), tmp_path / "raw" / "S001C001P001R001A001.skeleton")
    for most, n_people in ((2, 2), (1, 1), (None, 3)):
        report = convert(tmp_path / "raw", tmp_path / "x.h5", max_people=most, overwrite=True)
        assert read_store(tmp_path / "x.h5")[0].n_people == n_people
        assert len(report.notes) == 3 - n_people and all("others move more" in n for _, n in report.notes)


def test_existing_output_is_kept(source: Path, tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        convert(source, tmp_path / "x.h5")
    assert (tmp_path / "x.h5").read_text() == "mine"
    assert convert(source, tmp_path / "x.h5", overwrite=True).clips == 30


def test_two_formats_and_no_source(source: Path, tmp_path: Path) -> None:
    pyskl.write_pyskl(tmp_path / "x.pkl", [clip(1).with_(id="a", label="b")])
    with pytest.raises(DataError, match="'pyskl', the sources before it of 'ntu'"):
        convert([source, tmp_path / "x.pkl"], tmp_path / "x.h5")
    with pytest.raises(DataError, match="does not exist"):
        convert(tmp_path / "none", tmp_path / "x.h5")
    with pytest.raises(DataError, match="unknown format"):
        convert(source, tmp_path / "x.h5", format="bvh")


def test_splits_layouts_and_stores_as_source(source: Path, tmp_path: Path) -> None:
    def halves(clips: list) -> dict[str, list[str]]:
        ids = [i for i, info in clips if info["camera"] == 1]
        return {"own/train": ids, "own/test": [i for i, _ in clips if i not in ids]}

    report = convert(source, tmp_path / "x.h5", splits=halves, to_layout="coco17")
    assert report.splits == {"own/test": 20, "own/train": 10}
    again = convert(tmp_path / "x.h5", tmp_path / "y.h5")
    assert again.format == "skelact" and again.splits == report.splits
    with Store(tmp_path / "y.h5") as store:
        assert store.layout.name == "coco17" and len(store.splits["own/train"]) == 10


def test_file_of_many_clips_with_a_bad_one(tmp_path: Path) -> None:
    layout = SkeletonLayout("two", ("a", "b"), (-1, 0))
    rows = "".join(f"c{k},{t},l{k % 2},{k},1,2,{t}\n" for k in range(4) for t in range(3))
    (tmp_path / "x.csv").write_text(
        "clip,frame,label,a_x,a_y,b_x,b_y\n" + rows + "c9,0,l1,1,1,1,1\nc9,0,l1,1,1,1,1\n"
    )
    report = convert(tmp_path / "x.csv", tmp_path / "x.h5", layout=layout)
    assert report.clips == 4 and "c9" in report.failed[0][1] and report.labels == {"l0": 2, "l1": 2}
    with pytest.raises(DataError, match="needs a layout"):
        convert(tmp_path / "x.csv", tmp_path / "y.h5")
    assert read_store(tmp_path / "x.h5")[0].equals(next(joints_csv.iter_csv(tmp_path / "x.csv", layout)))


@pytest.mark.parametrize(
    ("how", "workers"),
    [
        (signal.SIGKILL, 2),
        (signal.SIGTERM, 0),
        pytest.param(signal.SIGKILL, 0, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 2, marks=pytest.mark.slow),
    ],
)
def test_kill_leaves_nothing_and_resume_completes(tmp_path: Path, how: signal.Signals, workers: int) -> None:
    source = folder_of(tmp_path / "raw", 120, 20)
    out = tmp_path / "x.h5"
    # The reader is slowed down, so that the kill comes in the middle.
    code = (
        "import sys, time\n"
        "from skelact.io.convert import convert\n"
        "if __name__ == '__main__':\n"
        f"    convert(sys.argv[1], sys.argv[2], resume=True, workers={workers},\n"
        "            progress=lambda d, t, w: (print(d, flush=True), time.sleep(0.02)))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script), str(source), str(out)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 30:
            break
    process.send_signal(how)
    process.wait(30)
    process.stdout.close()
    assert process.returncode == -how
    assert not out.exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("x.h5")] == ["x.h5.partial"]
    report = convert(source, out, resume=True, workers=0)
    assert report.clips == 120 and 30 <= report.resumed < 120
    assert len(read_store(out)) == 120
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("x.h5")] == ["x.h5"]


def test_workers_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "raw", 60)
    script = tmp_path / "run.py"
    script.write_text(
        "import multiprocessing, sys, time\n"
        "from skelact.io.convert import convert\n"
        "def show(done, total, what):\n"
        "    print(*[p.pid for p in multiprocessing.active_children()], flush=True)\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    convert(sys.argv[1], sys.argv[2], workers=2, progress=show)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(source), str(tmp_path / "x.h5")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    children = [int(p) for p in process.stdout.readline().split()]
    process.kill()
    process.wait(30)
    process.stdout.close()
    assert children

    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    deadline = time.monotonic() + 20
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, children))
    assert not (tmp_path / "x.h5").exists()


def test_error_while_converting_cleans_up(source: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "x.h5", progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]
    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "x.h5", progress=stop, resume=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["raw", "x.h5.partial"]
    assert convert(source, tmp_path / "x.h5", resume=True).clips == 30


def test_inspect_counts_and_names_problems(source: Path, tmp_path: Path) -> None:
    def overlapping(clips: list) -> dict[str, list[str]]:
        ids = [i for i, _ in clips]
        return {"xsub/train": ids[:20], "xsub/test": ids[10:]}

    twin = sorted(source.iterdir())[0]
    (source / "S001C001P099R001A002.skeleton").write_bytes(twin.read_bytes())
    write_ntu(clip(5, 1), source / "S001C001P098R001A002.skeleton")
    far = clip(6)
    write_ntu(far.with_(xyz=far.xyz + np.float32(500)), source / "S001C001P097R001A002.skeleton")
    convert(source, tmp_path / "x.h5", splits=overlapping)
    for path in (tmp_path / "x.h5", source):
        found = inspect(path)
        assert (found.clips, found.frames, found.layout, found.joints) == (33, 32 * 14 + 1, "ntu25", 25)
        assert found.labels["eat meal/snack"] == 4 and found.fps == (30, 30) and found.missing_share == 0
        assert found.ranges["x"][0] <= found.ranges["x"][2] <= found.ranges["x"][4] > 490
        text = "\n".join(found.problems)
        for words in ("single frame", "far outside", "equals another", "30 of 60 classes have no clip"):
            assert words in text
    assert "13 clips are in both" not in "\n".join(inspect(source).problems)
    leaks = "\n".join(inspect(tmp_path / "x.h5").problems)
    assert "10 clips are in both xsub/train and xsub/test" in leaks and "1 subject is in both" in leaks


@pytest.mark.slow
def test_inspect_real_sets(shared_data: Path, tmp_path: Path) -> None:
    found = inspect(shared_data / "nw-ucla")
    assert found.clips == 1484 and found.unit == "m" and sum(found.labels.values()) == 1484
    assert any("2 clips have a single frame" in p for p in found.problems)
    found = inspect(shared_data / "gesture-phase")
    assert sum(found.frame_labels.values()) == found.frames == 7342


def test_inspect_broken(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    with pytest.raises(DataError, match=r"x\.h5"):
        inspect(tmp_path / "x.h5")
    (tmp_path / "y.skeleton").write_bytes(b"4\n")
    with pytest.raises(DataError, match="can be read"):
        inspect(tmp_path / "y.skeleton")
