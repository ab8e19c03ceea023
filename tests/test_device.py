"""Names of devices, and what is there."""

from __future__ import annotations

import pytest
import torch

from skelact.device import check_device, find_device, has_bfloat16
from skelact.errors import ConfigError
from skelact.training.settings import TrainSettings


def test_names() -> None:
    assert find_device("cpu").type == "cpu"
    assert [check_device(name) for name in ("auto", "cuda", "cuda:3")] == ["auto", "cuda", "cuda:3"]
    for name in ("gpu", "cuda:", "cpu:0", ""):
        with pytest.raises(ConfigError, match="allowed: auto, cpu, cuda, cuda:N"):
            find_device(name)
    with pytest.raises(ConfigError, match="device is 'tpu'"):
        TrainSettings(device="tpu")


def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto") == torch.device("cuda:0") and find_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match=r"torch sees 2 \(cuda:0 to cuda:1\)"):
        find_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto").type == "cpu"
    with pytest.raises(ConfigError, match="torch sees no GPU; use auto, cpu"):
        find_device("cuda")


def test_bfloat16_is_asked_of_the_device_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_bfloat16(torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert has_bfloat16(torch.device("cpu")) and not has_bfloat16(torch.device("meta"))
    asked = []
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: asked.append(including_emulation)
    )
    assert not has_bfloat16(torch.device("cuda:0")) and asked == [False]  # not what the driver emulates
