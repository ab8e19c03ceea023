"""The README's commands exist and its examples run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from skelact.cli import COMMANDS, run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip().startswith("skelact ")
]


def test_the_two_commands_are_there() -> None:
    assert "pip install -e . && skelact demo" in README
    assert 'pip install -e ".[test]" && pytest' in README


@pytest.mark.parametrize("line", SHELL, ids=lambda text: text[:60])
def test_every_command_and_option_exists(line: str, capsys: pytest.CaptureFixture) -> None:
    words = shlex.split(line.split("#")[0])
    assert words[1] in COMMANDS
    assert run([words[1], "--help"]) == 0
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    for word in words[2:]:
        if word.startswith("--") and word not in (
            "--json",
            "--quiet",
            "--debug",
            "--data",
            "--overfit",
            "--restart",
        ):
            assert word.split("=")[0] in shown, f"{words[1]} has no option {word}"
        if word.startswith("configs/"):
            assert (ROOT / word).is_file()


def test_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_python_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_the_home_of_the_readme_is_one(tmp_path: Path) -> None:
    from skelact.monitor.home import load_home

    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "cameras:" in b]
    (tmp_path / "home.yaml").write_text(block)
    home = load_home(tmp_path / "home.yaml")
    assert set(home.cameras) == {"bedroom", "hall"} and home.alarms.mqtt is not None and home.alarms.webhooks
