"""``skelact benchmark --ntu-scale``, small."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_helpers import refused, skelact


@pytest.mark.slow
def test_it_makes_a_set_once_and_trains_on_it(tmp_path: Path) -> None:
    file = tmp_path / "ntu_like.h5"
    words = (
        "benchmark", "--ntu-scale", "--clips", 180, "--set", file, "--model", "lstm", "--device", "cpu",
    )  # fmt: skip
    done = skelact(*words, "--seconds", 0.2, "--batch-size", 8, "--json")
    assert done.code == 0, done.err
    made, opened, ahead, demand = done.json["ntu-scale"]
    assert made["clips"] == 180 and made["clips/s"] > 0 and file.stat().st_size > 1e6
    assert "ahead" in ahead["what"] and "demand" in demand["what"] and opened["clips"] == 180
    for row in (ahead, demand):
        assert row["clips/s"] > 0 and 0 <= row["waiting %"] <= 100 and row["peak MB"] > 50
    written = file.stat().st_mtime_ns
    done = skelact(*words, "--batch-size", 32, "--json")  # a whole epoch
    assert [row["what"] for row in done.json["ntu-scale"]][-1].startswith("training lstm, an epoch")
    assert done.json["ntu-scale"][-1]["clips"] > 20 and file.stat().st_mtime_ns == written
    assert {p.name for p in tmp_path.iterdir()} == {"ntu_like.h5"}


def test_bad_sizes(tmp_path: Path) -> None:
    file = tmp_path / "ntu_like.h5"
    words = ("benchmark", "--ntu-scale", "--set", file)
    assert "Did you mean 'lstm'" in refused(2, *words, "--clips", 60, "--model", "lstn")
    assert "n_clips must lie in 1.." in refused(2, *words, "--clips", 0)
    skelact(*words, "--clips", 120, "--model", "lstm", "--seconds", 0.1, "--batch-size", 4)
    done = skelact(*words, "--clips", 60, "--model", "lstm")
    assert done.code == 3 and "holds 120 clips, not 60" in done.err
