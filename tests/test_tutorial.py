"""The tutorial: every command works from an empty folder, says what the page shows, and makes the files it names."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest
from commands.cli_helpers import skelact

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCKS = re.findall(
    r"^```(sh|text|python)\n(.*?)^```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


def shape(line: str) -> str:
    """A line without its numbers, rules and alignment, which differ from machine to machine."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.,]+", "0", re.sub(r"[┃│━╇┼]", " ", line))).strip()


def test_output_is_shown_for_most_commands() -> None:
    kinds = [kind for kind, _ in BLOCKS]
    assert kinds.count("sh") >= 10 and kinds.count("text") >= 8
    assert kinds[0] == "sh" and all(a != "text" or b != "text" for a, b in itertools.pairwise(kinds))


@pytest.mark.slow
def test_every_step_does_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    for before, (kind, block) in zip(["", *(kind for kind, _ in BLOCKS)], BLOCKS, strict=False):
        if kind == "sh":
            said = []
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] == "skelact" and "--webcam" not in words:
                    done = skelact(*words[1:], "--quiet")
                    assert done.code == 0, (line, done.err)
                    said += [shape(one) for one in (done.out + done.err).splitlines()]
        elif kind == "text" and before == "sh":  # else it is no output
            for line in filter(None, map(shape, block.splitlines())):
                assert line in said or line == "0", (line, said)
    for file in re.findall(r"\*\*`([\w./-]+)`\*\*", TUTORIAL.read_text(encoding="utf-8")):
        assert Path(file).is_file(), file
