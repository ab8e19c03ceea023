"""The tool that measures continuous signing: a tiny run of it on made-up signers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from signing_sets import GLOSSES, make_sign

from skelact.errors import DataError

PATH = Path(__file__).parents[1] / "tools" / "measure_signing.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("measure_signing", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_signer(folder: Path, number: int, names: dict[str, str]) -> None:
    rows, labels = [], []
    for gloss in GLOSSES:
        for take in range(2):
            s = make_sign(gloss, number, take, n=16)
            pose = np.concatenate([s.xyz[0, :, :33], np.ones((16, 33, 1))], 2).reshape(16, -1)
            rows.append(np.concatenate([pose, s.xyz[0, :, 33:].reshape(16, -1)], 1))
            labels.append(names[gloss])
    np.savez(folder / f"signer{number:02}.npz", X=np.array(rows, np.float32), label=np.array(labels))


@pytest.mark.slow
def test_a_tiny_run(tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = dict(zip(GLOSSES, tool.GLOSSES, strict=True))
    for number in (1, 2, 3):
        write_signer(tmp_path, number, names)
    monkeypatch.setattr(tool, "N_TEST", 2)
    monkeypatch.setattr(tool, "DEVELOP", ("2",))
    out = tmp_path / "out"
    tool.main([str(tmp_path), "--epochs", "1", "--test", "1,2", "--out", str(out)])
    report = json.loads((out / "signing.json").read_text())
    assert set(report["signers"]) == {"1", "2"}
    assert report["mean"]["wer"] == report["signers"]["1"]["glosses"]["wer"]
    assert report["development"]["f1"] == report["signers"]["2"]["signs"]["f1"]
    for held in ("1", "2"):
        folder = out / f"without_{held}" / "seed0_1" / "glosses"
        assert tool.load_checkpoint(folder)[1].trained["without"] == [held]
    tool.main([str(tmp_path), "--epochs", "1", "--develop", "--tasks", "glosses", "--out", str(out)])
    assert "val_wer" in (out / "develop" / "seed0_1" / "glosses" / "metrics.csv").read_text()


def test_a_folder_without_signs_is_refused(tool, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.npz file"):
        tool.main([str(tmp_path)])
