"""YAML of strangers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from skelact.config import load_config
from skelact.errors import ConfigError, LayoutError
from skelact.layouts import load_layout
from skelact.plain_yaml import load_plain

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 10)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "a: &a [*a]",
        pytest.param("[" * 100_000, marks=pytest.mark.slow),
        "a: " + "x" * (5 << 20),
        "a: 2020-99-99",
        "a: [1",
    ],
)
def test_what_is_refused(text: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(yaml.YAMLError):
        load_plain(text)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"a\.yaml"):
        load_config(tmp_path / "a.yaml")
    with pytest.raises(LayoutError, match=r"a\.yaml"):
        load_layout(tmp_path / "a.yaml")
    assert time.monotonic() - began < 20


def test_what_is_read() -> None:
    assert load_plain("") is None
    assert load_plain("a: &x [1, 2]\nb: *x\nc: {d: null}") == {"a": [1, 2], "b": [1, 2], "c": {"d": None}}
