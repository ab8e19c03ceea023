"""Bad input through the command line: named, explained, the right exit code, nothing half-written left."""

from __future__ import annotations

import csv
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from cli_helpers import refused, skelact, start, tree

GIB = 1 << 30


def sparse(path: Path, size: int) -> None:
    """A file that claims to be huge and takes no room."""
    with path.open("wb") as file:
        file.truncate(size)


def make_bad(kind: str, good: bytes, path: Path) -> None:
    if kind == "truncated":
        path.write_bytes(good[: len(good) * 2 // 3])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 40)
    elif kind == "huge":
        sparse(path, 2 * GIB)
    elif kind == "nan":
        path.write_bytes(good)


def joints_table(path: Path, change: dict[tuple[int, str], str] | None = None, drop: str = "") -> None:
    """A CSV of two clips in layout natops8; some fields changed, or a column left out."""
    from skelact.layouts import get_layout

    joints = get_layout("natops8").joints
    header = ["clip", "frame", "label", "subject", *(f"{j}_{a}" for j in joints for a in "xyz")]
    rows = []
    for clip in range(2):
        for frame in range(10):
            row = {"clip": f"c{clip}", "frame": frame, "label": "ab"[clip], "subject": clip}
            row |= {c: round(0.1 * frame + 0.01 * k, 3) for k, c in enumerate(header[4:])}
            rows.append(row)
    for (line, column), value in (change or {}).items():
        rows[line][column] = value
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [c for c in header if c != drop], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def good(raw: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good file of each kind, as bytes."""
    from skelact.io.store import Store
    from skelact.io.ucla import write_ucla

    folder = tmp_path_factory.mktemp("good")
    joints_table(folder / "a.csv")
    with Store(dataset) as store:
        clip = store.read(0).converted("kinect20").with_(id="a05_s01_e00_v01", label="sit down")
        write_ucla(clip, folder / "a.json")
    return {
        ".skeleton": sorted(raw.glob("*.skeleton"))[0].read_bytes(),
        ".json": (folder / "a.json").read_bytes(),
        ".csv": (folder / "a.csv").read_bytes(),
        ".h5": dataset.read_bytes(),
    }


@pytest.mark.parametrize("kind", ["truncated", "empty", "binary", "huge"])
@pytest.mark.parametrize("suffix", [".skeleton", ".json", ".csv", ".h5"])
def test_damaged_files(suffix: str, kind: str, good: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / f"S001C001P001R001A001{suffix}"
    make_bad(kind, good[suffix], path)
    format_ = {".skeleton": "ntu", ".json": "nw_ucla", ".csv": "csv", ".h5": "skelact"}[suffix]
    layout = ("--layout", "natops8") if suffix == ".csv" else ()
    for command in ("convert", "inspect"):
        out = ("--out", tmp_path / "out.h5") if command == "convert" else ()
        said = refused(3, command, path, "--format", format_, *layout, *out)
        assert path.name in said and len(said) < 1500, said
        assert tree(tmp_path) == {path.name}
    # without a format it is refused as well, perhaps as unknown
    assert path.name in refused(3, "convert", path, *layout, "--out", tmp_path / "out.h5")
    assert tree(tmp_path) == {path.name}


@pytest.mark.parametrize("kind", ["truncated", "empty", "binary", "huge"])
def test_damaged_files_are_not_predicted_or_trained_on(
    kind: str, good: dict[str, bytes], trained: Path, config: Path, tmp_path: Path
) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    make_bad(kind, good[".skeleton"], path)
    assert path.name in refused(3, "predict", trained, path, "--out", tmp_path / "p")
    path.unlink()
    path = tmp_path / "set.h5"
    make_bad(kind, good[".h5"], path)
    assert "set.h5" in refused(3, "train", config, "--data", path, "--out", tmp_path / "runs")
    assert "set.h5" in refused(3, "evaluate", trained, path)
    assert tree(tmp_path) == {"set.h5"}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e99"])
def test_joints_that_are_no_place(value: str, good: dict[str, bytes], tmp_path: Path) -> None:
    """NaN is a missing joint and is said; infinity is refused."""
    table = tmp_path / "a.csv"
    joints_table(table, {(3, good[".csv"].decode().splitlines()[0].split(",")[4]): value})
    words = ("convert", table, "--layout", "natops8", "--out", tmp_path / "a.h5")
    if value == "nan":
        done = skelact(*words, "--json")
        assert done.code == 0 and any("missing" in note for _, note in done.json["notes"])
    else:
        said = refused(3, *words)
        assert "a.csv" in said and "infinite" in said and tree(tmp_path) == {"a.csv"}
    text = good[".skeleton"].decode().splitlines()
    place = next(k for k, line in enumerate(text) if len(line.split()) == 12)
    text[place] = " ".join([value, *text[place].split()[1:]])
    skeleton = tmp_path / "S001C001P001R001A001.skeleton"
    skeleton.write_text("\n".join(text))
    done = skelact("convert", skeleton, "--out", tmp_path / "b.h5", "--json")
    if value == "nan":
        assert done.code in (0, 3)
    if done.code:
        assert done.code == 3 and skeleton.name in done.err and not (tmp_path / "b.h5").exists()
    else:
        from skelact.io.store import Store

        with Store(tmp_path / "b.h5") as store:
            assert np.isfinite(store.read(0).xyz).all()
    assert value == "nan" or done.code == 3


def test_wrong_joint_counts(good: dict[str, bytes], tmp_path: Path) -> None:
    skeleton = tmp_path / "S001C001P001R001A001.skeleton"
    skeleton.write_text(
        "\n".join("24" if line == "25" else line for line in good[".skeleton"].decode().splitlines())
    )
    said = refused(3, "convert", skeleton, "--out", tmp_path / "a.h5")
    assert skeleton.name in said and "25" in said and "24" in said
    table = tmp_path / "a.csv"
    column = good[".csv"].decode().splitlines()[0].split(",")[4]
    joints_table(table, drop=column)
    assert column in refused(3, "convert", table, "--layout", "natops8", "--out", tmp_path / "a.h5")
    said = refused(3, "convert", table, "--layout", "ntu25", "--out", tmp_path / "a.h5")
    assert "a.csv" in said and "ntu25" in said and "missing" in said
    assert tree(tmp_path) == {skeleton.name, "a.csv"}


def test_hostile_pickle(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    path = tmp_path / "ntu60.pkl"
    path.write_bytes(pickle.dumps({"split": {}, "annotations": [Hostile()]}))
    for words in (("convert", path, "--out", tmp_path / "a.h5"), ("inspect", path)):
        said = refused(3, *words)
        assert "ntu60.pkl" in said and "system" in said
    assert tree(tmp_path) == {"ntu60.pkl"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing there", ("convert", "nothing", "--out", "a.h5")),
        ("nothing there", ("inspect", "nothing")),
        ("nothing there", ("predict", "RUN", "nothing.skeleton")),
        ("nothing there", ("predict", "RUN", "nothing.mp4")),
        ("nothing there", ("evaluate", "RUN", "nothing.h5")),
        ("nothing there", ("evaluate", "nothing")),
        ("nothing there", ("train", "CONFIG", "--data", "nothing.h5")),
    ],
)  # fmt: skip
def test_what_is_not_there(
    name: str,
    words: tuple[str, ...],
    trained: Path,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refused(3, *({"RUN": trained, "CONFIG": config}.get(w, w) for w in words))
    assert "nothing" in said and tree(tmp_path) == set()


def test_an_empty_folder(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words in (("convert", tmp_path / "empty", "--out", tmp_path / "a.h5"), ("inspect", tmp_path / "empty"),
                  ("predict", trained, tmp_path / "empty")):  # fmt: skip
        assert "empty" in refused(3, *words)


def test_existing_output(raw: Path, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "set.h5"
    shutil.copy(dataset, out)
    before = out.read_bytes()
    said = refused(3, "convert", raw, "--out", out)
    assert "set.h5 exists already" in said and "--overwrite" in said and out.read_bytes() == before
    (tmp_path / "a.mp4").write_bytes(b"x")
    said = refused(3, "extract", tmp_path / "a.mp4", "--out", out)
    assert "set.h5 exists already" in said and "--overwrite" in said and out.read_bytes() == before
    assert skelact("convert", raw, "--out", out, "--overwrite").code == 0
    assert tree(tmp_path) == {"set.h5", "a.mp4"}


def test_output_folder_that_is_not_there(raw: Path, tmp_path: Path) -> None:
    assert skelact("convert", raw, "--out", tmp_path / "no" / "such" / "a.h5").code == 0
    assert tree(tmp_path) == {"no", "no/such", "no/such/a.h5"}
    refused(3, "convert", tmp_path / "no" / "such", "--format", "ntu", "--out", tmp_path / "b" / "c" / "a.h5")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("words", "hints"),
    [
        (("trian", "x.yaml"), ("unknown command 'trian'", "Did you mean 'train'")),
        (("train",), ("configs/NAME.yaml",)),
        (("train", "CONFIG", "two.yaml"), ("one configuration file",)),
        (("train", "CONFIG", "--train.lrr", "1"), ("--train.lrr", "--train.lr")),
        (("train", "CONFIG", "--train.epochs", "many"), ("--train.epochs", "many")),
        (("train", "CONFIG", "--train.schedule", "cosinus"), ("cosinus", "cosine")),
        (("train", "CONFIG", "--overfit", "none"), ("--overfit", "none")),
        (("train", "CONFIG", "--overfit", "0"), ("--overfit", "above 0")),
        (("train", "CONFIG", "--data"), ("--data", "nothing")),
        (("train", "CONFIG"), ("data.path is empty", "--data FILE.h5")),
        (("train", "CONFIG", "--train.epochs", "0", "--data", "DATA"), ("train.epochs", "at least 1")),
        (("convert", "x"), ("--out",)),
        (("convert", "x", "--ouut", "a.h5"), ("--ouut", "--out")),
        (("evaluate",), ("name a checkpoint",)),
        (("predict",), ("name an input",)),
        (("predict", "RUN", "x.skeleton", "--overlay", "a.mp4"), ("--overlay", "x.skeleton")),
        (("predict", "RUN", "x.mp4", "--mode", "all"), ("--mode", "each")),
        (("extract", "x.mp4", "--out", "a.h5", "--parts", "face"), ("--parts", "pose+hands")),
        (("benchmark", "stgnc"), ("unknown part 'stgnc'", "Did you mean 'stgcn'")),
        (("inspect",), ("name a file or folder",)),
    ],
)  # fmt: skip
def test_wrong_options(
    words: tuple[str, ...], hints: tuple[str, ...], trained: Path, config: Path, dataset: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    said = refused(2, *({"RUN": trained, "CONFIG": config, "DATA": dataset}.get(w, w) for w in words))
    assert all(hint in said for hint in hints), said
    assert tree(tmp_path) == set()


@pytest.mark.parametrize(
    ("change", "hints"),
    [
        ({"trian": {}}, ("unknown key 'trian'", "allowed here: name, data, pipeline", "Did you mean 'train'")),
        ({"train": {"learning_rate": 1}}, ("unknown key 'train.learning_rate'", "lr", "momentum")),
        ({"train": {"epochs": "many"}}, ("train.epochs", "'many'")),
        ({"train": {"lr": -1}}, ("train.lr must be above 0",)),
        ({"model": {"channels": "wide"}}, ("model.channels", "'wide'")),
        ({"pipeline": {"sampling": {"kind": "random"}}}, ("unknown sampling 'random'", "resize")),
        ({"pipeline": {"streams": ["joints"]}}, ("unknown stream 'joints'", "Did you mean 'joint'")),
        (["a", "list"], ("expected settings as 'key: value' lines",)),
    ],
)  # fmt: skip
def test_wrong_configuration(change: object, hints: tuple[str, ...], dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(change))
    said = refused(2, "train", path, "--data", dataset, "--out", tmp_path / "runs")
    assert "mine.yaml" in said and all(hint in said for hint in hints), said
    assert tree(tmp_path) == {"mine.yaml"}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--model.n-dims", "2"), "--model.n-dims 3"),
        (("--pipeline.streams", "bone", "joint"), "--pipeline.streams joint bone"),
    ],
)
def test_positions_that_the_network_would_not_find(
    words: tuple[str, ...], hint: str, dataset: Path, tmp_path: Path
) -> None:
    plain = {"name": "x", "model": {"name": "interactionnet", "channels": [8], "stride_blocks": []}}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(plain))
    given = ("train", tmp_path / "x.yaml", "--data", dataset, "--out", tmp_path / "runs", *words)
    assert hint in refused(2, *given) and hint in refused(2, *given, "--overfit", "2")


def test_configuration_that_cannot_be_read(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("train: {epochs: 1")
    assert "mine.yaml is not valid YAML" in refused(2, "train", path, "--data", dataset)
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert "mine.yaml" in refused(2, "train", path, "--data", dataset)
    assert "nothing.yaml" in refused(2, "train", tmp_path / "nothing.yaml", "--data", dataset)


def test_splits_that_are_not_there(config: Path, trained: Path, dataset: Path, tmp_path: Path) -> None:
    words = ("train", config, "--data", dataset, "--out", tmp_path, "--data.train", "subjects/trian")
    said = refused(3, *words)
    assert "set.h5" in said and "subjects/train" in said and "Did you mean 'subjects/train'" in said
    assert "set.h5" in refused(3, *words[:-2], "--data.val", "xsub/val")
    said = refused(3, "evaluate", trained, dataset, "--split", "tset", "--out", tmp_path / "e")
    assert "set.h5" in said and "subjects/test" in said
    assert tree(tmp_path) == set()
    assert "data.val must be a split or a share" in refused(2, *words[:-2], "--data.val", 1.5)


def test_recordings_without_labels(raw: Path, config: Path, tmp_path: Path) -> None:
    joints_table(tmp_path / "a.csv", drop="label")
    assert skelact("convert", tmp_path / "a.csv", "--layout", "natops8", "--out", tmp_path / "a.h5").code == 0
    said = refused(3, "train", config, "--data", tmp_path / "a.h5", "--out", tmp_path / "runs")
    assert "a.h5 has no labels" in said and "'label'" in said


@pytest.mark.parametrize("kind", ["truncated", "empty", "binary", "huge"])
def test_damaged_checkpoint(kind: str, trained: Path, raw: Path, dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    make_bad(kind, (trained / "best.safetensors").read_bytes(), path)
    source = sorted(raw.glob("*.skeleton"))[0]
    for words in (("predict", path, source), ("evaluate", path, dataset), ("inspect", path)):
        assert "best.safetensors" in refused(3, *words)
    assert tree(tmp_path) == {"best.safetensors"}


def test_damaged_state_of_an_unfinished_run(
    trained: Path, config: Path, dataset: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "tiny")
    (tmp_path / "tiny/last.pt").write_bytes(b"garbage")
    before = (tmp_path / "tiny/config.yaml").read_text()
    words = ("train", config, "--data", dataset, "--out", tmp_path)
    assert "last.pt cannot be continued from" in refused_after_words(3, *words)
    assert "lr: 0.05 then, 0.01 now" not in before
    shutil.copy(trained / "last.pt", tmp_path / "tiny/last.pt")
    said = refused_after_words(3, *words, "--train.lr", 0.01)
    assert "train.lr: 0.05 then, 0.01 now" in said and "--restart" in said
    assert (tmp_path / "tiny/config.yaml").read_text() == before  # what belongs to the old run stays


def refused_after_words(code: int, *words: object) -> str:
    """As `refused`, for a command that has begun to say what it does."""
    done = skelact(*words)
    assert done.code == code, (done.code, done.out, done.err)
    return done.err


def test_checkpoint_of_another_layout(trained: Path, tmp_path: Path) -> None:
    joints_table(tmp_path / "a.csv")
    assert skelact("convert", tmp_path / "a.csv", "--layout", "natops8", "--out", tmp_path / "a.h5").code == 0
    said = refused(3, "predict", trained, tmp_path / "a.csv", "--layout", "natops8", "--out", tmp_path / "p")
    assert "a.csv" in said and "natops8" in said and "ntu25" in said and "missing" in said
    said = refused(3, "evaluate", trained, tmp_path / "a.h5")
    assert "a.h5" in said and "natops8" in said and "--to-layout ntu25" in said
    assert tree(tmp_path) == {"a.csv", "a.h5"}


def test_label_that_the_checkpoint_does_not_know(trained: Path, dataset: Path, tmp_path: Path) -> None:
    from skelact.io.store import read_store, write_store

    clips = [s.with_(label="juggle") for s in read_store(dataset)[:2]]
    write_store(tmp_path / "a.h5", clips)
    said = refused(3, "evaluate", trained, tmp_path / "a.h5", "--split", "all")
    assert "a.h5" in said and "juggle" in said and "wave" in said


def test_nobody_to_recognise(trained: Path, dataset: Path, tmp_path: Path) -> None:
    from skelact.io.ntu import write_ntu
    from skelact.io.store import read_store

    skeleton = read_store(dataset)[0]
    path = tmp_path / "S001C001P001R001A001.skeleton"
    write_ntu(skeleton.with_(score=skeleton.score * 0), path)
    said = refused(3, "predict", trained, path, "--out", tmp_path / "p")
    assert path.name in said and tree(tmp_path) == {path.name}


def test_full_disk_while_converting(raw: Path, tmp_path: Path, no_file_above) -> None:
    words = ("convert", raw, "--out", tmp_path / "a.h5", "--workers", 0)
    with no_file_above(60_000):
        said = refused(3, *words)
        assert "cannot write" in said and "a.h5" in said
        assert tree(tmp_path) == set()
        assert "a.h5" in refused(
            3, *words, "--resume"
        )  # what was read may stay, the result must not be there
        assert "a.h5" not in tree(tmp_path)
    assert skelact(*words, "--resume").code == 0
    assert tree(tmp_path) == {"a.h5"}


def test_disk_that_is_full_is_called_so(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from skelact.io.journal import Journal

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Journal, "append", full)
    said = refused(3, "convert", raw, "--out", tmp_path / "a.h5", "--workers", 0)
    assert "disk is full" in said and "free some space" in said and tree(tmp_path) == set()


@pytest.mark.parametrize("victim", ["best.safetensors", "last.pt"])
def test_full_disk_while_training(
    victim: str, config: Path, dataset: Path, trained: Path, tmp_path: Path, no_file_above
) -> None:
    words = ("train", config, "--data", dataset, "--out", tmp_path, "--train.epochs", 3)
    size = (trained / victim).stat().st_size
    with no_file_above(size // 2 if victim == "best.safetensors" else size * 9 // 10):
        said = refused_after_words(3, *words)
    assert "cannot write" in said and victim in said and "space" in said
    left = {"tiny/" + n for n in ("config.yaml", *(["best.safetensors"] if victim == "last.pt" else []))}
    assert tree(tmp_path) == {"tiny", *left}
    done = skelact(*words, "--json")
    assert done.code == 0 and len(done.json["history"]) == 3


def test_full_disk_while_predicting(trained: Path, raw: Path, tmp_path: Path, no_file_above) -> None:
    with no_file_above(100):
        said = refused_after_words(
            3, "predict", trained, sorted(raw.glob("*.skeleton"))[0], "--out", tmp_path
        )
    assert "cannot write" in said and tree(tmp_path) == set()


@pytest.mark.slow
def test_the_output_of_these_tests_may_be_a_file(tmp_path: Path) -> None:
    with (tmp_path / "out.txt").open("w") as out:
        test = f"{__file__}::test_full_disk_while_predicting"
        words = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", test]
        assert subprocess.run(words, stdout=out, stderr=subprocess.DEVNULL).returncode == 0
    assert "1 passed" in (tmp_path / "out.txt").read_text()


@pytest.mark.slow
def test_kill_while_converting(raw: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    source = sorted(raw.glob("*.skeleton"))[0]
    for k in range(600):
        (many / f"S001C001P{k // 60 + 1:03d}R001A{k % 60 + 1:03d}.skeleton").symlink_to(source)
    words = ("convert", many, "--out", tmp_path / "a.h5", "--workers", 0)
    partial = tmp_path / "a.h5.partial"
    process = start(*words, cwd=tmp_path)
    while process.poll() is None and not (partial.exists() and partial.stat().st_size > 200_000):
        pass
    process.kill()
    assert process.wait(60) == -9, "it was finished before it could be killed"
    assert tree(tmp_path) - {f"many/{p.name}" for p in many.iterdir()} == {
        "many",
        "a.h5.partial",
        ".a.h5.lock",
    }
    assert "--resume" in refused(3, "inspect", tmp_path / "a.h5")
    done = skelact(*words, "--resume", "--json")
    assert done.code == 0 and done.json["resumed"] > 0
    left_out = len(done.json["excluded"])
    assert done.json["clips"] == 600 - left_out and not partial.exists()
    assert json.loads(skelact("inspect", tmp_path / "a.h5", "--json").out)["clips"] == 600 - left_out
