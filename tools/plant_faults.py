"""Plant small faults in a room of the package, one at a time, and tell which of them its tests notice.

    python tools/plant_faults.py --rooms training transforms --count 100 --seed 0

Every fault is planted in a copy of the project in a temporary folder, and tried with the tests of its room that call
the function it is in (fault_reach.py), then with those of the other rooms that import its module. A fault is noticed
when a test that passes without it fails with it, or does not end. The log (JSON lines) is continued when the same
command is run again.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import contextlib
import importlib
import json
import os
import queue
import random
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fault_reach import Reach, callers_of, measure, place_of, read_reach, write_reach

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "runs", "build", "dist", "shared")
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip

UNSEEN = ("device", "non_blocking", "encoding")  # keywords whose absence one machine's tests cannot see


@dataclass(frozen=True)
class Fault:
    """One replacement in one file.

    Args:
        file: relative to the project.
        kind: comparison, arithmetic, condition, call, constant, return or keyword.
        begin, end: (line, column in bytes) of what is replaced, lines from 1.
        before, after: the texts.
    """

    file: str
    kind: str
    begin: tuple[int, int]
    end: tuple[int, int]
    before: str
    after: str

    @property
    def key(self) -> str:
        """What the log knows it by."""
        return f"{self.file}:{self.begin[0]}:{self.begin[1]}:{self.kind}:{self.before}:{self.after}"

    def plant(self, source: str) -> str:
        """The file's text with the fault."""
        head, _, tail = _split(source.encode().splitlines(keepends=True), self.begin, self.end)
        return head + self.after + tail


def _split(lines: list[bytes], begin: tuple[int, int], end: tuple[int, int]) -> tuple[str, str, str]:
    """What lies before, between and after two places of a text."""
    start, stop = (sum(map(len, lines[: line - 1])) + column for line, column in (begin, end))
    whole = b"".join(lines)
    return whole[:start].decode(), whole[start:stop].decode(), whole[stop:].decode()


def _skipped(node: ast.AST) -> bool:
    """Words for people (messages, logs), types and checks of the author's own: no behaviour to test."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        root = node.value.func
        while isinstance(root, ast.Attribute):
            root = root.value
        return isinstance(root, ast.Name) and root.id in ("log", "logger", "logging", "warnings")
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return False


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _skipped(child):
                yield child
                yield from _walk(child)


def _replacements(node: ast.AST, random_: random.Random) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    """(kind, the node to replace, its new text) of the faults that a node allows."""
    if isinstance(node, ast.Compare):
        new = random_.choice(COMPARISONS[type(node.ops[0])])()
        yield "comparison", node, ast.unparse(ast.Compare(node.left, [new, *node.ops[1:]], node.comparators))
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "comparison", node, ast.unparse(ast.BoolOp(other, node.values))
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        new = ARITHMETIC[type(node.op)]()
        yield "arithmetic", node, f"({ast.unparse(ast.BinOp(node.left, new, node.right))})"
    elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
        new = ARITHMETIC[type(node.op)]()
        yield "arithmetic", node, ast.unparse(ast.AugAssign(node.target, new, node.value))
    elif isinstance(node, ast.If | ast.IfExp):
        yield "condition", node.test, f"(not ({ast.unparse(node.test)}))"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call", node, "pass"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        yield "constant", node, str(not node.value if isinstance(node.value, bool) else node.value + 1)
    elif isinstance(node, ast.FunctionDef):
        for statement in node.body[1:]:
            if isinstance(statement, ast.Assign | ast.AugAssign | ast.Return | ast.Expr):
                yield "return", statement, "return None"
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in UNSEEN:
                rest = [k for k in node.keywords if k is not keyword]
                yield "keyword", node, ast.unparse(ast.Call(node.func, node.args, rest))


def find_faults(path: Path, root: Path, seed: int) -> list[Fault]:
    """Every fault that could be planted in a file."""
    source = path.read_text(encoding="utf-8")
    random_ = random.Random(f"{seed} {path.name}")
    lines, found = source.encode().splitlines(keepends=True), []
    for node in _walk(ast.parse(source)):
        for kind, old, after in _replacements(node, random_):
            begin = old.lineno, old.col_offset
            end = old.end_lineno or old.lineno, old.end_col_offset or old.col_offset
            before = _split(lines, begin, end)[1]
            found.append(Fault(str(path.relative_to(root)), kind, begin, end, before, after))
    return found


def files_of(root: Path, room: str) -> list[Path]:
    """The files of a room: a folder's, without the folders inside it, or one."""
    place = root / "skelact" / room
    return sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def choose_faults(root: Path, rooms: list[str], count: int, seed: int) -> list[tuple[str, Fault]]:
    """``count`` faults (with their rooms), the rooms and kinds in turn; a folder inside a room is one of its own."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for room in rooms:
        for path in files_of(root, room):
            for fault in find_faults(path, root, seed):
                groups.setdefault((room, fault.kind), []).append(fault)
    kinds = sorted({kind for _, kind in groups})
    in_turn = [(room, kind) for kind in kinds for room in rooms if (room, kind) in groups]
    for group in in_turn:
        random.Random(f"{seed} {group}").shuffle(groups[group])
    chosen: list[tuple[str, Fault]] = []
    while len(chosen) < count and any(groups.values()):
        taken = [(room, groups[room, kind].pop()) for room, kind in in_turn if groups[room, kind]]
        chosen += [(room, fault) for room, fault in taken if _is_python(root, fault)]
    return chosen[:count]


def _is_python(root: Path, fault: Fault) -> bool:
    """Whether the file can be read with the fault; a text that ran over several lines in brackets may not."""
    try:
        ast.parse(fault.plant((root / fault.file).read_text(encoding="utf-8")))
    except SyntaxError:
        return False
    return True


def tests_of(root: Path, room: str, module: str, others: bool) -> list[str]:
    """The test files that mirror a room (``training``, ``config``, ``datasets/synthetic``), those that import a module
    of it first (they are the likeliest to fail, and the first failure ends a run); or the others that import it."""
    tests = root / "tests"
    mirrored = [
        *sorted((tests / room).rglob("test_*.py")),
        (tests / room).with_name(f"test_{Path(room).name}.py"),
    ]
    mirrored = [path for path in mirrored if path.exists()]
    if not mirrored:
        names = [str(Path("tests") / room), str(Path("tests", room).with_name(f"test_{Path(room).name}.py"))]
        sys.exit(f"the room '{room}' has no tests at {' or '.join(names)}; name one that has")
    imports = {path: _imports(path, module) for path in (tests.rglob("test_*.py") if others else mirrored)}
    if others:
        found = sorted(path for path, does in imports.items() if does and path not in mirrored)
    else:
        found = sorted(mirrored, key=lambda path: not imports[path])
    return [str(path.relative_to(root)) for path in found]


def _imports(path: Path, module: str) -> bool:
    """Whether a file's text names a module, as ``a.b.c`` or as ``from a.b import ..., c``."""
    package, _, name = module.rpartition(".")
    text = path.read_text(encoding="utf-8")
    return (
        re.search(rf"{re.escape(module)}\b|from {re.escape(package)} import [^\n]*\b{name}\b", text)
        is not None
    )


def run_tests(
    tree: Path, tests: list[str], limit: float | None, options: tuple[str, ...] = ("-x",)
) -> tuple[str, dict[str, tuple[bool, float]]]:
    """``passed``, ``failed`` or ``time`` (the limit ran out), and of every test whether it failed and its seconds.

    Forked rather than started anew: the libraries are imported already (`preload`), the package is not.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = _run_in_child(tree, [*options, *tests], writing)
        finally:
            os._exit(code)
    os.close(writing)
    begin, told = time.perf_counter(), bytearray()
    with os.fdopen(reading, "rb", buffering=0) as stream:
        while True:
            if select.select([stream], [], [], 0.02)[0]:
                told += stream.read(1 << 16)
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                told += stream.read()
                break
            if limit is not None and time.perf_counter() - begin > limit:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "time", {}
    results: dict[str, tuple[bool, float]] = {}
    for test, failed, seconds in map(json.loads, told.decode().splitlines()):
        before = results.get(test, (False, 0.0))
        results[test] = before[0] or failed, before[1] + seconds
    return "failed" if status else "passed", results


class _Reports:
    """Write every test's (name, whether it failed, seconds), and the file that could not be collected."""

    def __init__(self, stream: int) -> None:
        self.stream = stream

    def _tell(self, name: str, wrong: bool, seconds: float) -> None:
        os.write(self.stream, f"{json.dumps([name, wrong, seconds])}\n".encode())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tell(report.nodeid, report.failed, report.duration)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell(report.nodeid, True, 0.0)


def _run_in_child(tree: Path, arguments: list[str], told: int) -> int:
    """Run pytest on a copy in a process group of its own, silently."""
    os.setsid()
    os.chdir(tree)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.environ.update(PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1", MPLBACKEND="Agg")
    sys.dont_write_bytecode = True
    kept = [path for path in sys.path if Path(path).resolve() not in (ROOT, ROOT / "tools")]
    sys.path[:] = [
        str(tree),
        *kept,
        str(tree / "tools"),
    ]  # processes that a test starts import this file again
    for name in [name for name in sys.modules if name.split(".")[0] == "skelact"]:
        del sys.modules[name]
    import pytest

    return int(pytest.main(["-q", "-n0", "-p", "no:cacheprovider", *arguments], plugins=[_Reports(told)]))


def preload() -> None:
    """Import what all tests need, except the package itself."""
    for name in ("pytest", "numpy", "torch", "lightning_fabric", "torchmetrics", "hypothesis", "pydantic"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def module_of(fault: Fault) -> str:
    """The name by which a fault's file is imported."""
    return ".".join(Path(fault.file).with_suffix("").parts)


def try_fault(
    tree: Path, room: str, fault: Fault, known: dict[str, Reach], others: bool, limit: float = 60
) -> tuple[str, str]:
    """Plant a fault in a copy, run the tests that concern it, and mend it again.

    Args:
        known: what the tests call.
        others: run the tests of other rooms, not those of its own.
        limit: seconds that the tests may take beside ten times what they took without the fault.

    Returns:
        ``passed``, ``failed`` or ``time``, and the test that failed.
    """
    path = tree / fault.file
    source = path.read_text(encoding="utf-8")
    tests = tests_of(tree, room, module_of(fault), others)
    tests, seconds = callers_of(place_of(source, fault.file, fault.begin[0]), tests, known)
    if not tests:
        return "passed", ""
    path.write_text(fault.plant(source), encoding="utf-8")
    try:
        result, results = run_tests(tree, tests, limit + 10 * seconds)
    finally:
        path.write_text(source, encoding="utf-8")
    return result, next((test for test, (failed, _) in results.items() if failed), "")


def measure_reach(
    tree: Path, rooms: list[str], chosen: list[tuple[str, Fault]], known: dict[str, Reach], others: bool
) -> None:
    """Find out which functions the tests of some faults call; exit where a test fails without any fault."""
    files = sorted(str(path.relative_to(tree)) for room in rooms for path in files_of(tree, room))
    tests = sorted({t for room, fault in chosen for t in tests_of(tree, room, module_of(fault), others)})
    failed = measure(tree, files, tests, known, lambda tree, tests: run_tests(tree, tests, None, ())[1])
    if failed:  # because of what was added to note the calls?
        again = [test for test, (wrong, _) in run_tests(tree, failed, None, ())[1].items() if wrong]
        for test in again:
            known.pop(test.split("::")[0], None)
        if again:
            sys.exit(f"tests fail without any fault ({', '.join(again)}); mend them first")
        print(f"left out, for they fail while calls are noted: {', '.join(failed)}")


def read_log(log: Path) -> dict[str, dict]:
    """The faults that were tried, by key."""
    if not log.exists():
        return {}
    return {entry["key"]: entry for entry in map(json.loads, log.read_text(encoding="utf-8").splitlines())}


def is_left(entry: dict | None, others: bool) -> bool:
    """Whether a fault has to be tried with the tests of its room, or with those of others."""
    return entry is None or (entry["result"] == "passed" and others and not entry["others"])


def one_line(text: str) -> str:
    """A text without its line breaks, at most 90 characters of it."""
    text = " ".join(text.split())
    return text if len(text) <= 90 else text[:87] + "..."


def described(entry: dict) -> str:
    """One tried fault, as a difference."""
    word = "NOT noticed" if entry["result"] == "passed" else "noticed"
    place = f"{entry['file']}:{entry['begin'][0]} ({entry['kind']})"
    return f"{word}: {place}\n  - {one_line(entry['before'])}\n  + {one_line(entry['after'])}"


def report(entries: list[dict]) -> str:
    """What was not noticed, and the share of what was."""
    lines = [described(e) for e in entries if e["result"] == "passed"]
    for name in ("room", "kind"):
        total = Counter(e[name] for e in entries)
        noticed = Counter(e[name] for e in entries if e["result"] != "passed")
        lines.append(f"by {name}: " + ", ".join(f"{k} {noticed[k]} of {n}" for k, n in sorted(total.items())))
    n = sum(e["result"] != "passed" for e in entries)
    return "\n".join([*lines, f"{n} of {len(entries)} faults noticed ({n / max(1, len(entries)):.0%})"])


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", nargs="+", default=["training", "transforms", "datasets", "evaluate"])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--own", action="store_true", help="try the tests of the fault's own room only")
    parser.add_argument("--log", type=Path, default=Path("faults.jsonl"))
    options = parser.parse_args(arguments)
    chosen = choose_faults(root, options.rooms, options.count, options.seed)
    known = read_log(options.log)
    reach_file = options.log.with_suffix(".reach.json")
    reach = read_reach(reach_file)
    preload()
    with tempfile.TemporaryDirectory() as folder:
        trees: queue.Queue[Path] = queue.Queue()
        for i in range(options.workers):
            trees.put(Path(shutil.copytree(root, Path(folder) / str(i) / "project", ignore=LEFT_OUT)))
        for others in (False,) if options.own else (False, True):
            left = [(room, fault) for room, fault in chosen if is_left(known.get(fault.key), others)]
            try:
                measure_reach(trees.queue[0], options.rooms, left, reach, others)
            finally:
                write_reach(reach_file, reach)

            def attempt(room: str, fault: Fault, others: bool = others) -> dict:
                tree = trees.get()
                try:
                    result, test = try_fault(tree, room, fault, reach, others)
                finally:
                    trees.put(tree)
                entry = {"key": fault.key, "room": room, **asdict(fault)}
                return {**entry, "others": others, "result": result, "test": test}

            with concurrent.futures.ThreadPoolExecutor(options.workers) as pool, options.log.open("a") as log:
                futures = [pool.submit(attempt, room, fault) for room, fault in left]
                for future in concurrent.futures.as_completed(futures):
                    entry = future.result()
                    known[entry["key"]] = entry
                    log.write(json.dumps(entry) + "\n")
                    log.flush()
                    print(described(entry), flush=True)
    print(report([known[fault.key] for _, fault in chosen]))


if __name__ == "__main__":
    main()
