"""The whole path through the command line: outputs exist, JSON parses, words and exit codes are right."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from cli_helpers import refused, skelact, start, tree

from skelact.cli import COMMANDS
from skelact.io.store import Store


def test_usage_names_every_command_and_exit_code() -> None:
    for words in ((), ("--help",), ("help",)):
        done = skelact(*words)
        assert done.code == 0 and all(name in done.out for name in COMMANDS)
        assert all(f"{code} " in done.out for code in (0, 1, 2, 3, 4, 5, 130))
    assert skelact("--version").out.startswith("skelact 0")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command: str) -> None:
    done = skelact(command, "--help")
    assert done.code == 0 and f"skelact {command}" in done.out
    assert "{None}|" not in done.out and "[STR]" not in done.out  # options are named for people


def test_help_of_train_is_short_and_names_every_setting() -> None:
    text, whole = skelact("train", "--help").out, skelact("train", "--help-all").out
    assert all(word in text for word in ("--data FILE.h5", "--overfit N", "--restart", "--help-all"))
    settings = set(re.findall(r"^[│ ]+--([a-z-]+(?:\.[a-z-]+)*)\.([a-z-]+)", whole, re.MULTILINE))
    listed = re.split(r"^  --([a-z.-]+)\. +", text.partition("settings, such")[2], flags=re.MULTILINE)[1:]
    short = {
        (group, name)
        for group, names in zip(listed[::2], listed[1::2], strict=True)
        for name in names.split()
    }
    assert settings == short and len(settings) > 60 and ("pipeline.sampling", "n-frames") in settings
    assert text.count("\n") < 60 < whole.count("\n") and "peak learning rate" in whole


@pytest.mark.parametrize("words", [("segment", "train"), ("learn-language",), ("segment",), ("extract",)])
def test_every_command_has_the_long_help(words: tuple[str, ...]) -> None:
    text, whole = (skelact(*words, flag) for flag in ("--help", "--help-all"))
    assert text.code == whole.code == 0 and len(text.out) <= len(whole.out)
    assert ("settings, such as" in text.out) == (len(text.out) < len(whole.out))


def test_convert(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "set.h5"
    done = skelact("convert", raw, "--out", out, "--split", 0.5, 0.25, 0.25, "--json")
    assert done.code == 0
    assert done.json["clips"] == 12 and done.json["splits"] == {f"subjects/{p}": n for p, n in
                                                               (("test", 3), ("train", 6), ("val", 3))}  # fmt: skip
    assert "12 clips" in done.err and "skelact inspect" in done.err
    assert tree(tmp_path) == {"set.h5"}
    with Store(out) as store:
        assert len(store) == 12


def test_convert_lists_formats() -> None:
    done = skelact("convert", "--formats", "--json")
    assert done.code == 0 and {"ntu", "csv", "pyskl"} <= set(done.json["formats"])
    assert "csv" in skelact("convert", "--formats").out


def test_convert_to_another_layout(raw: Path, tmp_path: Path) -> None:
    done = skelact("convert", raw, "--out", tmp_path / "a.h5", "--to-layout", "coco17")
    assert done.code == 0
    with Store(tmp_path / "a.h5") as store:
        assert store.layout.name == "coco17"


def test_inspect(dataset: Path, raw: Path, trained: Path, tmp_path: Path) -> None:
    done = skelact("inspect", dataset, "--json", "--figure", tmp_path / "a.png")
    assert done.code == 0 and done.json["clips"] == 12 and done.json["layout"] == "ntu25"
    assert "ntu25" in done.err and (tmp_path / "a.png").stat().st_size > 1000
    assert "12 with 1 person" in skelact("inspect", raw).out
    done = skelact("inspect", trained / "best.safetensors", "--json")
    assert done.code == 0 and "wave" in done.json["label_names"] and "stgcn" in done.err
    assert skelact("inspect", trained, "--json").json == done.json  # the folder of a run is good enough


def test_train(trained: Path, dataset: Path) -> None:
    assert {"best.safetensors", "last.pt", "config.yaml", "metrics.csv", "curves.png"} <= tree(trained)
    assert not [n for n in tree(trained) if ".tmp" in n or ".part" in n]
    assert len(list(csv.DictReader((trained / "metrics.csv").open()))) == 2
    # the parts that the file names were found, and the run's configuration says which
    assert "train: subjects/train" in (trained / "config.yaml").read_text()
    assert f"path: {dataset}" in (trained / "config.yaml").read_text()
    assert (trained / "best.safetensors").stat().st_mode & 0o044 == (
        trained / "config.yaml"
    ).stat().st_mode & 0o044


def test_train_says_what_it_does(config: Path, dataset: Path, tmp_path: Path) -> None:
    done = skelact("train", "--train.epochs", 1, config, f"--data={dataset}", "--out", tmp_path, "--json")
    assert done.code == 0 and len(done.json["history"]) == 1
    assert Path(done.json["checkpoint"]).is_file()
    assert (
        "training on 6 clips (subjects/train), validation on 3 (subjects/val); test part: subjects/test"
        in done.err
    )
    assert f"skelact evaluate {tmp_path / 'tiny'} {dataset} --split subjects/test" in done.err
    again = skelact("train", config, "--data", dataset, "--out", tmp_path, "--train.epochs", 1)
    assert again.code == 0 and "finished already" in again.out
    once_more = skelact(
        "train", config, "--data", dataset, "--out", tmp_path, "--train.epochs", 1, "--restart"
    )
    assert once_more.code == 0 and "finished already" not in once_more.out


def test_evaluate(trained: Path, dataset: Path, tmp_path: Path) -> None:
    done = skelact("evaluate", trained, dataset, "--out", tmp_path / "report", "--json")
    assert done.code == 0 and done.json["split"] == "subjects/test"  # the run's own test part
    assert 0 <= done.json["top1"] <= 1 and Path(done.json["report"]).read_text().startswith("<!doctype html")
    assert "top-1" in done.err
    done = skelact(
        "evaluate", trained / "best.safetensors", "--split", "all", "--out", tmp_path / "all", "--views", 2
    )
    assert done.code == 0 and "12 clips" in done.out and "were trained on" in done.out
    assert "each sample (clip)" in done.out and "hit@1" in done.out
    written = json.loads((tmp_path / "all" / "metrics.json").read_text())
    n_classes = len(written["per_class"])
    assert ("top-5" in done.out) == (n_classes > 5) and f"; {n_classes} classes" in done.out
    assert written["video_hit1"] == written["top1"] and 0 <= written["clip_hit1"] <= 1
    assert ("clip_hit5" in written) == (len(written["per_class"]) > 5) and "hit@1" in (
        tmp_path / "all" / "report.html"
    ).read_text()


def test_report_shows_further_sections(trained: Path, dataset: Path, tmp_path: Path) -> None:
    from skelact.commands.evaluate import Options, evaluate
    from skelact.commands.ui import UI
    from skelact.evaluate.report import Section, Text

    settings = Options(str(trained), str(dataset), out=str(tmp_path / "report"))
    found = evaluate(
        settings, UI(silent=True), sections=[Section("A section of its own", [Text("its words")])]
    )
    page = Path(found["report"]).read_text()
    assert "A section of its own" in page and "its words" in page


@pytest.mark.slow
def test_copies_of_training_clips_are_named(trained: Path, dataset: Path, tmp_path: Path) -> None:
    from skelact.io.store import Store, write_store

    with Store(dataset) as store:
        clips, splits = list(store), {n: [store.clips["id"][i] for i in s] for n, s in store.splits.items()}
        names = store.label_names
    copied = next(c for c in clips if c.id in splits["subjects/train"])
    splits["subjects/test"] = [*splits["subjects/test"], "a copy"]
    path = tmp_path / "copies.h5"
    write_store(path, [*clips, copied.with_(id="a copy")], splits, names)
    done = skelact("evaluate", trained, path, "--split", "subjects/test", "--out", tmp_path / "r", "--json")
    assert done.code == 0 and done.json["copies_of_training_clips"] == 1
    assert "1 of these clips is an exact copy" in done.err
    without = skelact(
        "evaluate", trained, dataset, "--split", "subjects/test", "--out", tmp_path / "s", "--json"
    )
    assert without.json["copies_of_training_clips"] == 0
    assert done.json["top1_without_copies"] == without.json["top1"]


def test_predict_a_skeleton_file(trained: Path, raw: Path, tmp_path: Path) -> None:
    source = sorted(raw.glob("*.skeleton"))[0]
    done = skelact("predict", trained, source, "--out", tmp_path / "new" / "place", "--json")
    assert done.code == 0 and done.json["failed"] == []
    folder, name = tmp_path / "new" / "place", source.stem
    assert tree(folder) == {f"{name}.predictions.json", f"{name}.segments.csv", f"{name}.timeline.png"}
    written = json.loads((folder / f"{name}.predictions.json").read_text())
    assert written["recordings"][0]["recording"] == name and "wave" in written["label_names"]
    rows = list(csv.DictReader((folder / f"{name}.segments.csv").open()))
    assert [r["label"] for r in rows] == [s["label"] for s in done.json["segments"]]
    assert rows[0]["label"] in done.err and "confidence" in done.err


def test_predict_a_set_and_a_folder(trained: Path, dataset: Path, raw: Path, tmp_path: Path) -> None:
    for source in (dataset, raw):
        done = skelact(
            "predict", trained, source, "--out", tmp_path, "--json", "--window", 1, "--stride", 0.5
        )
        assert done.code == 0 and len({s["recording"] for s in done.json["segments"]}) == 12


def test_benchmark(tmp_path: Path) -> None:
    done = skelact("benchmark", "gather", "--seconds", 0.2, "--json")
    assert done.code == 0 and done.json["gather"] and "processor" in done.json["machine"]


def test_done_in_part_is_exit_code_4(raw: Path, trained: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(raw, mixed)
    victim = sorted(mixed.glob("*.skeleton"))[3]
    victim.write_bytes(victim.read_bytes()[:5000])
    done = skelact("convert", mixed, "--out", tmp_path / "set.h5", "--json")
    assert done.code == 4 and done.json["clips"] == 11 and done.json["failed"][0][0] == str(victim)
    assert victim.name in done.err and "1 could not be used" in done.err
    done = skelact("predict", trained, mixed, "--out", tmp_path, "--json")
    assert done.code == 4 and done.json["failed"][0][0] == str(victim) and victim.name in done.err


def test_failed_is_exit_code_1(config: Path, dataset: Path, tmp_path: Path) -> None:
    done = skelact(
        "train",
        config,
        "--data",
        dataset,
        "--out",
        tmp_path,
        "--train.lr",
        1e30,
        "--train.clip-norm",
        0,
        "--json",
    )
    assert done.code == 1 and "lower train.lr" in done.err and done.json["exit_code"] == 1


def test_something_to_install_is_exit_code_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    (tmp_path / "a.mp4").write_bytes(b"x")
    words = ("extract", tmp_path / "a.mp4", "--out", tmp_path / "a.h5", "--dask", "tcp://127.0.0.1:1")
    assert "install" in refused(5, *words)
    assert tree(tmp_path) == {"a.mp4"}


def test_interrupt_is_exit_code_130(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import skelact.io.inspect

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(skelact.io.inspect, "inspect", interrupted)
    assert "interrupted" in refused(130, "inspect", dataset)


def test_a_fault_of_ours_is_said_without_a_traceback(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import skelact.io.inspect
    from skelact.cli import run

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(skelact.io.inspect, "inspect", broken)
    from cli_helpers import io, redirect_stderr

    err = io.StringIO()
    with redirect_stderr(err):
        assert run(["inspect", str(dataset)]) == 1
    assert "unexpected ZeroDivisionError: by zero" in err.getvalue() and "--debug" in err.getvalue()
    with pytest.raises(ZeroDivisionError):
        run(["inspect", str(dataset), "--debug"])


def test_as_a_real_process(dataset: Path, tmp_path: Path) -> None:
    process = start("inspect", dataset, "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and json.loads(out)["clips"] == 12 and "ntu25" in err
    process = start("inspect", "nothing.h5", cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert (
        process.returncode == 3 and out == "" and err.startswith("skelact inspect: nothing.h5 does not exist")
    )


def test_a_reader_that_goes_away(dataset: Path, tmp_path: Path) -> None:
    """``skelact convert --formats --json | head -1`` ends without complaint."""
    process = start("convert", "--formats", cwd=tmp_path)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(120) in (0, 1) and "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    process = start("demo", "--epochs", 2, "--no-video", "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-2000:]
    result = json.loads(out)
    assert (tmp_path / result["report"]).is_file() and (
        tmp_path / "skelact-demo/fused/best.safetensors"
    ).is_file()
    page = (tmp_path / result["report"]).read_text()
    assert "An unseen sequence of an unseen person" in page and page.count("<img") > 8
    assert "What" not in result and "skelact extract" in err.splitlines()[-3]


@pytest.mark.slow
def test_training_in_two_processes(config: Path, dataset: Path, tmp_path: Path) -> None:
    process = start(
        "--standalone", "--nproc-per-node", 2, "-m", "skelact.cli", "train", config, "--data", dataset, "--json",
        cwd=tmp_path, module=("-m", "torch.distributed.run"),
    )  # fmt: skip
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-2000:]
    assert len(json.loads(out)["history"]) == 2  # one process speaks
    done = skelact("inspect", tmp_path / "runs/tiny/best.safetensors", "--json")
    assert done.code == 0 and done.json["trained"]["epoch"] >= 1
