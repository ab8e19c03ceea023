"""Outputs that commands must not write, numbers that they must not take, and what they advise."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from pathlib import Path

import pytest
from cli_helpers import refused, skelact, start, tree


@pytest.fixture
def video(tmp_path: Path) -> Path:
    import numpy as np

    from skelact.io.video import write_video

    write_video(tmp_path / "in.mp4", [np.zeros((64, 64, 3), np.uint8)] * 5, 10)
    return tmp_path / "in.mp4"


def test_predict_does_not_draw_over_its_input(trained: Path, video: Path, tmp_path: Path) -> None:
    before = video.read_bytes()
    (tmp_path / "link.mp4").symlink_to(video)
    for overlay, words in (
        (video, "is an input"), (tmp_path / "." / "in.mp4", "is an input"), (tmp_path / "link.mp4", "is a link"),
        ("/dev/null", "no kind of video"), (tmp_path, "no kind of video"), (tmp_path / "a.txt", "no kind of video"),
    ):  # fmt: skip
        said = refused(2, "predict", trained, video, "--overlay", overlay, "--out", tmp_path / "new")
        assert words in said
    assert video.read_bytes() == before and tree(tmp_path) == {"in.mp4", "link.mp4"}


def test_predict_does_not_write_over_a_skeleton_file(trained: Path, raw: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.predictions.json"
    shutil.copy(sorted(raw.glob("*.skeleton"))[0], source)
    before = source.read_bytes()
    assert "is an input" in refused(2, "predict", trained, source, "--format", "ntu")
    assert source.read_bytes() == before


def test_convert_and_extract_do_not_write_over_their_inputs(
    dataset: Path, video: Path, tmp_path: Path
) -> None:
    shutil.copy(dataset, tmp_path / "a.h5")
    before = (tmp_path / "a.h5").read_bytes()
    said = refused(2, "convert", tmp_path / "a.h5", "--out", tmp_path / "a.h5", "--overwrite")
    assert "is an input" in said and (tmp_path / "a.h5").read_bytes() == before
    before = video.read_bytes()
    assert "is an input" in refused(2, "extract", video, "--out", video, "--overwrite")
    assert video.read_bytes() == before
    for out in ("/dev/null", "/dev/stdout", "/dev/full"):
        refused(2, "convert", tmp_path / "a.h5", "--out", out, "--overwrite")
    (tmp_path / "link.h5").symlink_to(tmp_path / "a.h5")
    said = refused(2, "convert", dataset, "--out", tmp_path / "link.h5", "--overwrite")
    assert "is a link" in said and (tmp_path / "link.h5").is_symlink()


def test_fuse_import_and_train_keep_their_inputs(
    trained: Path, config: Path, dataset: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "runs" / "tiny")
    run = tmp_path / "runs" / "tiny"
    before = (run / "best.safetensors").read_bytes()
    assert "is an input" in refused(2, "fuse", run, trained, "--equal", "--out", run)
    words = (
        "train",
        config,
        "--data",
        dataset,
        "--out",
        tmp_path / "runs",
        "--train.init-from",
        run,
        "--restart",
    )
    assert "is an input" in refused(2, *words)
    weights = run / "best.safetensors"
    assert "is an input" in refused(2, "import-weights", "stgcn", weights, weights)
    assert "is an input" in refused(2, "inspect", weights, "--figure", weights)
    assert weights.read_bytes() == before


def test_the_demo_replaces_nothing_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "skeletons").mkdir()
    (tmp_path / "skeletons" / "mine.skeleton").write_text("mine")
    assert "did not make" in refused(2, "demo", "--out", tmp_path)
    assert tree(tmp_path) == {"skeletons", "skeletons/mine.skeleton"}


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("evaluate", "RUN", "DATA", "--views", -2), "--views"),
        (("evaluate", "RUN", "DATA", "--batch-size", 0), "--batch-size"),
        (("evaluate", "RUN", "DATA", "--batch-size", -4), "--batch-size"),
        (("fuse", "RUN", "RUN", "--batch-size", 0), "--batch-size"),
        (("predict", "RUN", "x.skeleton", "--window", 0), "--window"),
        (("predict", "RUN", "x.skeleton", "--stride", -1), "--stride"),
        (("predict", "RUN", "x.skeleton", "--fps", "nan"), "--fps"),
        (("convert", "DATA", "--out", "x.h5", "--fps", 0), "--fps"),
        (("extract", "VIDEO", "--out", "x.h5", "--seconds", -1), "seconds"),
        (("extract", "VIDEO", "--out", "x.h5", "--workers", 0), "workers"),
        (("extract", "VIDEO", "--out", "x.h5", "--split", 1, 0, 0), "--split-by clip"),
        (("demo", "--epochs", 0), "--epochs"),
        (("benchmark", "import", "--threads", 0), "--threads"),
        (("benchmark", "gather", "--seconds", 0), "--seconds"),
        (("train", "CONFIG", "--data", "DATA", "--train.batch-size", 0), "train.batch_size"),
        (("train", "CONFIG", "--data", "DATA", "--train.lr", "nan"), "train.lr"),
        (("train", "CONFIG", "--data", "DATA", "--views", -2), "views"),
    ],
)  # fmt: skip
def test_impossible_numbers(
    words: tuple, option: str, trained: Path, dataset: Path, config: Path, video: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    known = {"RUN": trained, "DATA": dataset, "CONFIG": config, "VIDEO": video}
    assert option in refused(2, *(known.get(w, w) for w in words))
    assert tree(tmp_path / "cwd") == set()


def test_shares_that_are_none(dataset: Path, video: Path, tmp_path: Path) -> None:
    for command, source in (("convert", dataset), ("extract", video)):
        for shares in ((0.5, 0.1, 0.1), (2, -1, 0), ("nan", 0, 0)):
            said = refused(3, command, source, "--out", tmp_path / "x.h5", "--split", *shares)
            assert "sum to 1" in said and tree(tmp_path) == {"in.mp4"}


def advice(out: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in out.partition("Next:")[2].splitlines() if line.strip()]


@pytest.mark.slow
def test_advised_commands_work_in_any_folder(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my data").mkdir()
    monkeypatch.chdir(tmp_path / "my data")
    done = skelact("convert", raw, "--out", "new set.h5", "--split", 0.5, 0.25, 0.25)
    look, train = advice(done.out)
    assert look[0] == "inspect" and skelact(*look).code == 0
    assert train[:2] == ["train", "--data"] and len(train) == 3
    done = skelact(
        *train, "--train.epochs", 1, "--train.repeat", 1, "--model.name", "stgcn", "--model.channels", 8
    )
    assert done.code == 0, done.err
    evaluate, predict = advice(done.out)
    assert skelact(*evaluate).code == 0 and predict[0] == "predict"


@pytest.mark.slow
def test_two_trainings_in_one_folder(config: Path, dataset: Path, tmp_path: Path) -> None:
    words = ("train", config, "--data", dataset, "--out", tmp_path, "--train.epochs", 400)
    process = start(*words, cwd=tmp_path)
    try:
        while process.poll() is None and not (tmp_path / "tiny" / "last.pt").exists():
            pass
        said = refused(1, *words, "--restart")
        assert f"is being written by process {process.pid}" in said
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert skelact(*words[:-1], 1, "--restart").code == 0
    assert not (tmp_path / "tiny" / ".lock").exists()


def test_processes_of_one_training_share_its_folder(
    config: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skelact.commands import train as command
    from skelact.io.outputs import holding

    monkeypatch.setattr(command, "_train", lambda *_: {"ran": os.environ["RANK"]})
    from skelact.config import load_config

    experiment = load_config(config)
    experiment.out = str(tmp_path)
    from concurrent.futures import ThreadPoolExecutor

    from skelact.commands.ui import UI
    from skelact.io.outputs import OutputBusyError

    with holding(tmp_path / "tiny", folder=True), ThreadPoolExecutor(1) as pool:
        for rank, error in (("1", None), ("0", OutputBusyError)):
            monkeypatch.setenv("RANK", rank)
            future = pool.submit(command.train, experiment, UI(silent=True))
            assert (future.exception() is None) if error is None else isinstance(future.exception(), error)


def test_passwords_reach_nothing(tmp_path: Path) -> None:
    address = "rtsp://admin:pa55w0rd@127.0.0.1:9/stream1?token=t0psecret&channel=2"
    done = skelact("extract", address, "--seconds", 1, "--out", tmp_path / "a.h5", "--json", "--workers", 1)
    assert done.code == 3 and "127.0.0.1:9/stream1" in done.err
    assert not any(word in done.out + done.err for word in ("pa55w0rd", "admin", "t0psecret"))
    assert tree(tmp_path) == set()
