"""``--device``: every command goes where it is told, or says that it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cli_helpers import skelact

from skelact.recognition import Recogniser, ensemble


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("command", ["evaluate", "predict", "fuse", "train"])
def test_a_device_that_is_not_there_is_refused(
    command: str, trained: Path, dataset: Path, raw: Path, config: Path, tmp_path: Path
) -> None:
    words = {
        "evaluate": [trained, dataset, "--out", tmp_path / "report"],
        "predict": [trained, next(raw.glob("*.skeleton")), "--out", tmp_path / "predicted"],
        "fuse": [trained, trained, "--out", tmp_path / "fused"],
        "train": [config, "--data", dataset, "--out", tmp_path / "runs"],
    }[command]
    done = skelact(command, *words, "--device", "cuda")
    assert done.code == 2 and "device is 'cuda', but torch sees no GPU; use auto, cpu" in done.err
    assert skelact(command, *words, "--device=gpu").code == 2


def test_networks_live_on_the_device(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def find(name: str) -> torch.device:
        asked.append(name)
        return torch.device("meta")

    monkeypatch.setattr(ensemble, "find_device", find)
    network = Recogniser(trained, device="cuda:1").ensemble.members[0].network
    assert asked == ["cuda:1"]
    assert {value.device.type for value in network.state_dict().values()} == {"meta"}
