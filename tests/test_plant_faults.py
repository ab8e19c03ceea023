"""The tool that plants faults: it finds them, notices what is tested and only that, leaves the source, continues."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = '''"""A room."""


def add(a: int, b: int = 2) -> int:
    """The sum: a + b."""
    return a + b


def large(ä: int) -> bool:
    "é"; return ä > 3
'''
TEST = """from skelact.room import add


def test_the_sum() -> None:
    assert add(3) == 5 and add(3, 4) == 7
"""
LINES = {"add": (4, 6), "large": (9, 10)}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
    module = importlib.import_module("plant_faults")
    module.preload = lambda: None  # this small project's tests need nothing
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in (
        ("skelact/__init__.py", ""),
        ("skelact/room.py", SOURCE),
        ("tests/test_room.py", TEST),
    ):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "project"


def test_every_kind_is_found_and_planted_where_it_is(tool: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "def f(a, b, *, k=1):\n    'é'; print('ö', end='')\n    if a < b:\n        a += 1\n"
        "    x = g(a * b, k=True)\n    log.info(3)\n    if a > 9: raise ValueError(1 + 1)\n    return x\n",
        encoding="utf-8",
    )
    faults = tool.find_faults(path, tmp_path, 0)
    assert {f.kind for f in faults} == {
        "comparison", "arithmetic", "condition", "call", "constant", "return", "keyword"
    }  # fmt: skip
    source = path.read_text(encoding="utf-8")
    for fault in faults:
        planted = fault.plant(source)
        ast.parse(planted)
        assert planted != source and fault.after in planted
        assert "log.info(3)" in planted or fault.kind == "return"  # messages are no behaviour
        assert "raise ValueError(1 + 1)" in planted
    texts = {(f.kind, f.before, f.after) for f in faults}
    assert ("arithmetic", "a * b", "(a / b)") in texts and ("condition", "a < b", "(not (a < b))") in texts
    assert ("call", "print('ö', end='')", "pass") in texts and (
        "keyword",
        "g(a * b, k=True)",
        "g(a * b)",
    ) in texts
    assert ("constant", "True", "False") in texts and ("constant", "1", "2") in texts
    assert ("arithmetic", "a += 1", "a -= 1") in texts


@pytest.mark.slow
def test_what_is_tested_is_noticed_and_what_is_not_is_not(
    tool: ModuleType, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    log = tmp_path / "log.jsonl"
    options = ["--rooms", "room", "--count", "8", "--log", str(log)]
    tool.main(options, root=project)
    lines = log.read_text(encoding="utf-8").splitlines()
    entries = list(tool.read_log(log).values())
    for name, (first, last) in LINES.items():
        results = {e["result"] for e in entries if first <= e["begin"][0] <= last}
        assert results == ({"failed"} if name == "add" else {"passed"})
    told = capsys.readouterr().out
    assert {e["test"] for e in entries} == {"tests/test_room.py::test_the_sum", ""}
    noticed = sum(e["result"] == "failed" for e in entries)
    assert f"{noticed} of {len(entries)} faults noticed" in told and "NOT noticed: skelact/room.py:10" in told
    assert (project / "skelact/room.py").read_text(encoding="utf-8") == SOURCE

    log.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")  # the run was stopped before one of them
    tool.main(options, root=project)
    assert log.read_text(encoding="utf-8").splitlines() == [*lines[1:], lines[0]]
    assert capsys.readouterr().out.count("oticed: ") == 1 + sum(e["result"] == "passed" for e in entries)


def test_the_same_seed_chooses_the_same_faults(tool: ModuleType) -> None:
    one, same, other = (tool.choose_faults(tool.ROOT, ["training", "transforms"], 30, s) for s in (0, 0, 1))
    assert one == same != other and len({f.key for _, f in one}) == 30
    assert {room for room, _ in one} == {"training", "transforms"} and len({f.kind for _, f in one}) == 7


@pytest.mark.slow
def test_tests_that_fail_already_are_said(tool: ModuleType, project: Path, tmp_path: Path) -> None:
    (project / "tests/test_room.py").write_text("def test_no(): assert False\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"fail without any fault \(tests/test_room.py::test_no\)"):
        tool.main(["--rooms", "room", "--log", str(tmp_path / "log")], root=project)
    with pytest.raises(SystemExit, match="'cellar' has no tests at tests/cellar or"):
        tool.tests_of(project, "cellar", "skelact.cellar.a", False)


@pytest.mark.slow
def test_a_fault_that_never_ends_is_noticed(tool: ModuleType, project: Path) -> None:
    text = SOURCE.replace("return a + b", "\n    while b > 9: pass\n    return a + b")
    (project / "skelact/room.py").write_text(text, encoding="utf-8")
    faults = tool.find_faults(project / "skelact/room.py", project, 0)
    loop = next(f for f in faults if f.kind == "comparison" and "9" in f.before)
    endless = tool.Fault(**{**vars(loop), "after": "b > 1"})
    reach: dict = {}
    tool.measure_reach(project, ["room"], [("room", endless)], reach, False)
    assert tool.try_fault(project, "room", endless, reach, False, limit=4) == ("time", "")


def test_tests_that_import_the_faulted_module_come_first(tool: ModuleType, project: Path) -> None:
    for name, text in (
        ("a/test_a.py", ""),
        ("a/test_b.py", "from skelact.a import one, two\n"),
        ("a/test_c.py", "import skelact.a.two_more\n"),
        ("other/test_d.py", "from skelact.a.two import f\n"),
    ):
        (project / "tests" / name).parent.mkdir(exist_ok=True)
        (project / "tests" / name).write_text(text, encoding="utf-8")
    own, others = (tool.tests_of(project, "a", "skelact.a.two", others) for others in (False, True))
    assert own == [f"tests/a/test_{name}.py" for name in "bac"] and others == ["tests/other/test_d.py"]


@pytest.mark.slow
def test_what_other_rooms_notice_counts_after_what_the_own_room_does(
    tool: ModuleType, project: Path, tmp_path: Path
) -> None:
    (project / "tests/test_other.py").write_text(
        "from skelact.room import large\ndef test_large(): assert large(4) and not large(3)\n",
        encoding="utf-8",
    )
    options = ["--rooms", "room", "--count", "8", "--log", str(tmp_path / "log.jsonl")]
    results = []
    for more in (["--own"], []):
        tool.main([*options, *more], root=project)
        entries = tool.read_log(tmp_path / "log.jsonl").values()
        results.append({e["test"] for e in entries if e["begin"][0] == LINES["large"][1]})
    assert results == [{""}, {"tests/test_other.py::test_large"}]


READERS = """import pytest
from skelact.room import add, large


@pytest.fixture(scope="module")
def four(): return add(2)


def test_one(four): assert four == 4


def test_two(four): assert four < 5


def test_three(): assert large(4)
"""


@pytest.mark.slow
def test_only_tests_that_call_the_faulted_function_are_run(tool: ModuleType, project: Path) -> None:
    (project / "tests/test_room.py").write_text(READERS, encoding="utf-8")
    faults = [("room", fault) for fault in tool.find_faults(project / "skelact/room.py", project, 0)]
    reach: dict = {}
    tool.measure_reach(project, ["room"], faults, reach, False)
    assert (project / "skelact/room.py").read_text(encoding="utf-8") == SOURCE
    name = "tests/test_room.py"
    callers = {k: set(v) for k, v in reach[name].tests.items()}
    assert callers["skelact/room.py:large"] == {f"{name}::test_three"}
    # the fixture's maker counts for every test of the file, since any may use what it made
    assert callers["skelact/room.py:add"] == {f"{name}::test_{n}" for n in ("one", "two", "three")}

    before = dict(reach)
    tool.measure_reach(project, ["room"], faults, reach, False)
    assert reach[name] is before[name]  # measured once
    (project / name).write_text(TEST, encoding="utf-8")
    tool.measure_reach(project, ["room"], faults, reach, False)
    assert set(reach[name].tests) == {"skelact/room.py:add"}
