"""The generated recipes are in step with their bases; a new setting with a default changes none of them."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import make_configs  # noqa: E402

from skelact.config import Experiment  # noqa: E402
from skelact.errors import ConfigError  # noqa: E402
from skelact.models import MODELS  # noqa: E402


def test_in_step() -> None:
    assert make_configs.main(["--check"]) == 0


def test_what_is_out_of_step_is_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.setattr(make_configs, "CONFIGS", tmp_path / "configs")
    changed, strange = (tmp_path / "configs/ntu" / f"ntu60_{name}.yaml" for name in ("xsub_gru", "xsub_mine"))
    text = changed.read_text(encoding="utf-8")
    changed.write_text(text.replace("lr: 0.001", "lr: 0.002"), encoding="utf-8")
    strange.write_text(text, encoding="utf-8")
    assert make_configs.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "out of step: ntu/ntu60_xsub_gru.yaml" in said and "of no recipe: ntu/ntu60_xsub_mine.yaml" in said
    strange.unlink()
    assert make_configs.main([]) == 0 and make_configs.main(["--check"]) == 0
    assert changed.read_text(encoding="utf-8") == text


def test_a_new_setting_with_a_default_changes_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class More(Experiment):
        new: int = 3

    @dataclass
    class MoreGRU(MODELS["gru"]):
        new: int = 3

    monkeypatch.setattr(make_configs, "Experiment", More)
    monkeypatch.setitem(MODELS, "gru", MoreGRU)
    assert make_configs.main(["--check"]) == 0


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"x: *\n *unknown key 'train\.rate'"):
        make_configs.text_of("x", "", {"train": {"rate": 1}})
