"""Settings that older configurations and checkpoints have under other names."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelact.config import from_plain, load_config
from skelact.errors import ConfigError
from skelact.models import MODELS, STGCN, ModelSettings, STGCNSettings
from skelact.models.settings import OLDER_NAMES


def test_older_names_are_read(tmp_path: Path) -> None:
    for name, settings in MODELS.items():
        known = settings.__dataclass_fields__
        for old, new in OLDER_NAMES.items():
            if new in known:
                made = from_plain(ModelSettings, {"name": name, old: [0, 1]}, "a card")
                assert getattr(made, new) == (0, 1)
    (tmp_path / "old.yaml").write_text(
        "model: {name: stgcn, channels: [8, 8], strided: [1]}", encoding="utf-8"
    )
    model = load_config(tmp_path / "old.yaml").model
    assert isinstance(model, STGCNSettings) and model.stride_blocks == (1,)
    network = model.build("ntu25", 2, 3)
    assert isinstance(network, STGCN) and [block.stride for block in network.blocks] == [1, 2]


def test_an_older_name_beside_the_new_one_is_refused() -> None:
    values = {"name": "stgcn", "strided": [1], "stride_blocks": [2]}
    with pytest.raises(ConfigError, match=r"unknown key 'strided'.*stride_blocks"):
        from_plain(ModelSettings, values, "a card")
    with pytest.raises(ConfigError, match="unknown key 'strided'"):
        from_plain(ModelSettings, {"name": "lstm", "strided": [1]}, "a card")
