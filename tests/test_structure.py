"""The architecture: imports go downwards only, every table is complete, importing is light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "skelact"

# Lower rooms first; a room may import from rooms on lower levels and from itself.
LEVELS = [
    ["errors", "plain_yaml"],
    ["device", "layouts", "settings"],
    ["skeleton"],
    ["io", "transforms", "nn", "language"],
    ["pose", "datasets", "models"],
    ["evaluate", "recognition"],
    ["training", "monitor"],
    ["config"],
    ["recipes", "benchmark"],
    ["commands"],
    ["cli"],
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "skelact" and len(parts) > 1 else None


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module if node.module != "skelact" else f"skelact.{node.names[0].name}")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in LEVEL, f"the room '{room}' has no level"
    for module in imports(path):
        other = room_of(module)
        if other is None or other == room or other.startswith("_"):
            continue
        assert LEVEL[other] < LEVEL[room], f"{room} must not import {module}"


def test_every_room_is_listed() -> None:
    rooms = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in FILES}
    assert rooms <= set(LEVEL)


def test_library_does_not_print() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{path}:{node.lineno} prints; use logging or the ui"


def test_few_lines_are_hidden_from_the_type_checker() -> None:
    hidden = [path.name for path in FILES for line in path.read_text().splitlines() if "type: ignore" in line]
    assert len(hidden) < 25, hidden


def test_import_is_light() -> None:
    heavy = ("torch", "mediapipe", "cv2", "h5py", "matplotlib")
    code = f"import sys, skelact; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_help_and_lists_are_light() -> None:
    """Nobody waits for torch to read what a command does, but where settings of networks are options."""
    code = """
import contextlib, io, sys
from skelact.cli import COMMANDS, run
heavy = {"train", "import-weights", "learn-language"}
for words in [[name, "--help"] for name in COMMANDS if name not in heavy] + [["recipes"], ["formats"], ["layouts"]]:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as out:
        run(words)
    assert len(out.getvalue()) > 200, words
    assert "torch" not in sys.modules, words
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_command_has_a_module() -> None:
    from skelact.cli import COMMANDS

    for name in COMMANDS:
        assert (PACKAGE / "commands" / f"{name.replace('-', '_')}.py").is_file()


def test_requirements_are_what_is_imported() -> None:
    called = {"PyYAML": "yaml", "paho-mqtt": "paho"}
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def modules(requirements: list[str]) -> set[str]:
        names = [re.split(r"[<>=\[;]", line)[0] for line in requirements]
        return {called.get(name, name.replace("-", "_")) for name in names}

    comes_along = {"cv2", "flatbuffers", "triton"}  # with mediapipe, and with torch
    needed = modules(project["dependencies"])
    extras = modules([line for lines in project["optional-dependencies"].values() for line in lines])
    found = {module.partition(".")[0] for path in FILES for module in imports(path)}
    found -= set(sys.stdlib_module_names) | {"skelact"} | comes_along
    assert needed <= found <= needed | extras
