"""Which tests call which functions, so that a planted fault is tried with those tests alone, the shortest first.

Every function of the faulted files gets a first statement that notes the running test, in a copy of the project; the
tests are run once with it. What a test is known to call is kept in a file and measured anew when the test's file
changes. A test that only uses what an earlier test left in a cache is not seen to call it: a fault may then be said
not to be noticed although it is, never the other way round.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

PROBE = """import os
from pathlib import Path

NOTED = set()


def note(place):
    test, _, phase = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")
    if (place, test, phase) not in NOTED:
        NOTED.add((place, test, phase))
        with Path(__file__).with_suffix(".log").open("a") as log:
            log.write(f"{place}\\t{test}\\t{phase}\\n")
"""


IMPORT = ""  # the key of what is called when files are imported


@dataclass
class Reach:
    """What the tests of one file call.

    Args:
        sha: of the test file's text.
        seconds: by test.
        tests: the tests that call a function, by its place (``file:name``).
    """

    sha: str
    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[str, list[str]] = field(default_factory=dict)


Functions = Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]


def outer_functions(node: ast.AST, before: str = "") -> Functions:
    """The functions of a module and the methods of its classes, with their names; not what is defined inside them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child, before + child.name
        elif isinstance(child, ast.ClassDef):
            yield from outer_functions(child, f"{before}{child.name}.")
        elif isinstance(child, ast.If | ast.Try):
            yield from outer_functions(child, before)


def place_of(source: str, file: str, line: int) -> str | None:
    """The function around a line, as ``file:name``; None for a line that is run when the file is imported."""
    for function, name in outer_functions(ast.parse(source)):
        if function.lineno <= line <= (function.end_lineno or line):
            return f"{file}:{name}"
    return None


def with_probes(source: str, file: str) -> str:
    """A file's text whose functions note the test that calls them."""
    tree = ast.parse(source)
    for function, name in outer_functions(tree):
        probe = ast.parse(f"__import__('reach_probe').note({f'{file}:{name}'!r})").body
        first = isinstance(function.body[0], ast.Expr) and isinstance(function.body[0].value, ast.Constant)
        function.body[first:first] = probe
    return ast.unparse(ast.fix_missing_locations(tree))


Run = Callable[[Path, list[str]], dict[str, tuple[bool, float]]]


def measure(tree: Path, files: list[str], tests: list[str], known: dict[str, Reach], run: Run) -> list[str]:
    """Add to ``known`` what the tests of files that were not measured yet call.

    Args:
        tree: a copy of the project, changed meanwhile.
        files: of the package, whose functions are of interest.
        tests: test files.
        known: by test file.
        run: (copy, tests) → (whether it failed, seconds) by test.

    Returns:
        The tests that failed; they are not among the callers of any function.
    """
    shas = {
        test: hashlib.sha256(f"{files}\n{(tree / test).read_text()}".encode()).hexdigest() for test in tests
    }
    new = [test for test in tests if test not in known or known[test].sha != shas[test]]
    if not new:
        return []
    sources = {file: (tree / file).read_text(encoding="utf-8") for file in files}
    probe = tree / "reach_probe.py"
    probe.write_text(PROBE, encoding="utf-8")
    probe.with_suffix(".log").write_text("", encoding="utf-8")
    for file, source in sources.items():
        (tree / file).write_text(with_probes(source, file), encoding="utf-8")
    try:
        results = run(tree, new)
    finally:
        for file, source in sources.items():
            (tree / file).write_text(source, encoding="utf-8")
    known |= {test: Reach(shas[test]) for test in new}
    for test, (failed, seconds) in results.items():
        if not failed:
            known[test.split("::")[0]].seconds[test] = seconds
    for line in probe.with_suffix(".log").read_text(encoding="utf-8").splitlines():
        place, test, phase = line.split("\t")
        if not test:
            known.setdefault(IMPORT, Reach("")).tests[place] = []
            continue
        reach = known[test.split("::")[0]]
        # a fixture may be made for the file: every test of it may use what it calls
        callers = [test] if phase == "(call)" else list(reach.seconds)
        callers = [test for test in callers if test in reach.seconds]
        reach.tests[place] = list(dict.fromkeys([*reach.tests.get(place, ()), *callers]))
    return [test for test, (failed, _) in results.items() if failed]


def callers_of(place: str | None, tests: list[str], known: dict[str, Reach]) -> tuple[list[str], float]:
    """The tests that call a function, the files that are through soonest first, and their seconds.

    Of what is run when files are imported (``place`` None, or a function that is called then) these are all.
    """
    if place is None or place in known.get(IMPORT, Reach("")).tests:
        return tests, sum(sum(known[test].seconds.values()) for test in tests)
    found = []
    for file in tests:
        reach = known[file]
        callers = sorted(reach.tests.get(place, ()), key=lambda test: reach.seconds[test])
        if callers:
            found.append((sum(reach.seconds[test] for test in callers), callers))
    found.sort(key=lambda pair: pair[0])
    return [test for _, callers in found for test in callers], sum(duration for duration, _ in found)


def read_reach(path: Path) -> dict[str, Reach]:
    """What was measured before."""
    if not path.exists():
        return {}
    return {test: Reach(**entry) for test, entry in json.loads(path.read_text(encoding="utf-8")).items()}


def write_reach(path: Path, known: dict[str, Reach]) -> None:
    """Keep what was measured."""
    path.write_text(json.dumps({test: asdict(reach) for test, reach in known.items()}), encoding="utf-8")
