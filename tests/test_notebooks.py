"""The notebooks of the documentation: they are whole, and run from an empty folder to the end that they tell of."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NAMES = ("train_on_own_videos", "few_labels", "fuse_with_rgb")


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def test_these_are_all_notebooks() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_kept_without_outputs(name: str) -> None:
    cells = read(name)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and cells[0]["cell_type"] == "markdown" and cells[0]["source"][0].startswith("# ")
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    text = "".join(line for cell in cells for line in cell["source"])
    for target in ("../tutorial.md", "few_labels.ipynb", "fuse_with_rgb.ipynb", "../howto/", "../results.md"):
        if f"]({target}" in text and not target.endswith("/"):
            assert (FOLDER / target).exists(), target


def execute(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a notebook in a folder, as a new user would; returns it with its outputs."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    shutil.copy(FOLDER / f"{name}.ipynb", folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # pictures are shown inline
    book = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return book


def outputs(book: Any) -> tuple[str, int]:
    """All words that the cells print, and how many pictures they show."""
    found = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    words = "\n".join(o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) for o in found)
    return words, sum("image/png" in output.get("data", {}) for output in found)


@pytest.mark.slow
def test_train_on_own_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, pictures = outputs(execute("train_on_own_videos", tmp_path, monkeypatch))
    metrics = json.loads(
        (tmp_path / "runs" / "mine" / "evaluation-subjects-test" / "metrics.json").read_text()
    )
    assert metrics["top1"] >= 0.8 and "the new video: kick" in words and pictures == 4
    assert (tmp_path / "out.mp4").is_file()


@pytest.mark.slow
def test_few_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, pictures = outputs(execute("few_labels", tmp_path, monkeypatch))
    accuracy = {
        run: json.loads((tmp_path / run / "metrics.json").read_text())["top1"] for run in ("scratch", "start")
    }
    assert accuracy["start"] >= 0.8 and accuracy["start"] > accuracy["scratch"] and pictures == 3
    assert "{'up': 'up', 'out': 'out', 'wave': 'wave', 'low': None}" in words


@pytest.mark.slow
def test_fuse_with_rgb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, pictures = outputs(execute("fuse_with_rgb", tmp_path, monkeypatch))
    accuracy = {
        run: json.loads((tmp_path / "reports" / run / "metrics.json").read_text())["top1"]
        for run in ("skeleton", "flow", "fused")
    }
    assert accuracy["fused"] >= max(0.8, accuracy["flow"]) and "wave" in words and pictures == 2
