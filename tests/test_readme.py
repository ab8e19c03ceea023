"""The commands, examples and links of README and docs are right."""

from __future__ import annotations

import functools
import importlib
import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml

from skelact.cli import COMMANDS, USAGE, run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {str(p.relative_to(ROOT)): p for p in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
README = TEXTS["README.md"]

# Options whose help stands with a configuration, a task or a network that the line names.
NOT_IN_HELP = {"train": {"--overfit", "--restart"}}


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _commands(text: str) -> set[str]:
    """Every command line: of blocks, and of inline code."""
    blocks = {line.strip() for block in _blocks(text, "sh") for line in block.splitlines()}
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = {re.sub(r"\s+", " ", code) for code in re.findall(r"`(skelact [^`]*)`", rest)}
    lines = {part.strip() for line in blocks | inline for part in line.split("&&")}
    return {line for line in lines if line.startswith("skelact ")}


LINES = sorted({(name, line) for name, text in TEXTS.items() for line in _commands(text)})


@functools.cache
def _help(command: str) -> str:
    shown = io.StringIO()
    with redirect_stdout(shown):
        assert run([command, "--help-all"]) == 0
    return re.sub(r"[\s│]+", " ", shown.getvalue())


def test_the_two_commands_are_there() -> None:
    assert "pip install -e . && skelact demo" in README
    assert 'pip install -e ".[test]" && pytest' in README


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 230


@pytest.mark.parametrize("page", TEXTS)
def test_every_command_and_option_exists(page: str) -> None:
    for line in (line for name, line in LINES if name == page):
        words = shlex.split(line, comments=True)
        command = words[1]
        if command in ("COMMAND", "--help"):
            continue
        assert command in COMMANDS, line
        for word in words[2:]:
            if word == "--":  # what follows is for the trainings of cross-validate
                command = "train"
            elif word.startswith("--") and word not in ("--json", "--quiet", "--debug"):
                option = re.escape(word.split("=")[0])
                assert re.search(rf"(?<![\w.-]){option}(?![\w-])", _help(command)), f"{word}: {line}"
            elif word.startswith("configs/"):
                assert (ROOT / word).is_file(), line


def test_every_command_and_option_is_run_by_a_test() -> None:
    """Whether a test writes the option down; what it does is the test's own matter."""
    here = Path(__file__)
    tests = "".join(p.read_text(encoding="utf-8") for p in here.parent.rglob("*.py") if p != here)
    tests += "".join(p.read_text(encoding="utf-8") for p in (DOCS / "notebooks").glob("*.ipynb"))
    written, missing = set(re.findall(r"[\w.-]+", tests)), set()
    for _, line in LINES:
        words = shlex.split(line, comments=True)
        options = {word.split("=")[0] for word in words[2:] if re.match(r"--\w", word)}
        missing |= {(words[1], word) for word in {words[1], *options} - {"COMMAND", *written}}
    assert not missing


def test_every_recipe_that_is_trained_exists() -> None:
    from skelact.recipes import list_recipes

    known = {*list_recipes()}
    trained = [shlex.split(line, comments=True) for _, line in LINES if line.startswith("skelact train ")]
    recipes = {
        words[2] for words in trained if re.fullmatch(r"[a-z]\w*", words[2]) and not words[2].startswith("-")
    }
    assert len(recipes) >= 5 and recipes <= known, recipes - known


@pytest.mark.parametrize("page", [name for name, text in TEXTS.items() if _blocks(text, "python")])
def test_python_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in _blocks(TEXTS[page], "python"):
        exec(compile(block, page, "exec"), {})


def test_there_are_python_examples_and_none_is_left_out() -> None:
    assert _blocks(README, "python")
    for name, text in TEXTS.items():
        kinds = set(re.findall(r"^```(\S[^\n]*)$", text, re.MULTILINE))
        assert kinds <= {"sh", "python", "yaml", "text", 'py title="sketch"'}, name


def _anchors(text: str) -> set[str]:
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles]
    return {re.sub(r"[-\s]+", "-", title) for title in plain}


@pytest.mark.parametrize("page", TEXTS)
def test_links_and_pictures_exist(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        path = (PAGES[page].parent / name).resolve() if name else PAGES[page]
        assert path.exists(), target
        if anchor:
            assert anchor in _anchors(path.read_text(encoding="utf-8")), target


def test_yaml_examples_load(tmp_path: Path) -> None:
    from skelact.config import load_config
    from skelact.layouts import load_layout
    from skelact.monitor.home import load_home

    homes = 0
    for block in (b for text in TEXTS.values() for b in _blocks(text, "yaml")):
        path = tmp_path / "example.yaml"
        path.write_text(block)
        if "cameras:" in block:
            home = load_home(path)
            assert set(home.cameras) == {"bedroom", "hall"}
            assert home.alarms.mqtt is not None and home.alarms.webhooks and home.alarms.mail is not None
            homes += 1
        elif "joints:" in block:
            assert len(load_layout(path)) == 3
        else:
            assert load_config(path).pipeline.streams
    assert homes == 1


def test_the_command_reference_is_complete() -> None:
    rows = dict(re.findall(r"^\| `skelact ([a-z-]+)` \| ([^|]+) \|", TEXTS["docs/cli.md"], re.MULTILINE))
    assert rows == {name: text for name, text in COMMANDS.items()}
    codes = re.findall(r"^\| (\d+) \| ([^|]+) \|", TEXTS["docs/cli.md"], re.MULTILINE)
    said = re.sub(r"\s+", " ", USAGE.partition("exit codes:")[2]).strip()
    assert ", ".join(f"{code} {text}" for code, text in codes) == said


def test_every_short_option_of_train_is_one() -> None:
    shorts = re.findall(r"^\| `(--[a-z-]+)` \| `(--[a-z.-]+)` \|$", TEXTS["docs/cli.md"], re.MULTILINE)
    assert {"--epochs", "--lr", "--batch-size", "--seed"} <= {short for short, _ in shorts}
    for pair in shorts:
        for option in pair:
            assert re.search(rf"(?<![\w.-]){option}(?![\w-])", _help("train")), option


def test_every_page_is_in_the_navigation() -> None:
    def paths(node: object) -> list[str]:
        if isinstance(node, str):
            return [node]
        children = node.values() if isinstance(node, dict) else node
        return [path for child in children for path in paths(child)]  # type: ignore[union-attr]

    nav = paths(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    pages = [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]
    assert sorted(nav) == sorted(str(p.relative_to(DOCS)) for p in pages)


def test_what_the_api_pages_show_exists() -> None:
    names = [n for page, text in TEXTS.items() for n in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    assert len(names) > 50
    for name in names:
        parent, _, last = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(parent), last), name


def test_the_api_shows_the_whole_top_level() -> None:
    import skelact

    shown = set(re.findall(r'heading: "skelact\.(\w+)"', TEXTS["docs/api/skelact.md"]))
    assert shown == set(skelact.__all__) - {"__version__", "layouts"}
