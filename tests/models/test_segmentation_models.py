"""Segmentation networks: exact frame by frame, people pooled, every setting matters."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from skelact.errors import ConfigError
from skelact.models.segmentation import (
    SEGMENTERS,
    GRUSegmenterSettings,
    MSTCNSettings,
    SegmentationModel,
    continual_segmenter,
    find_segmenter,
)

SMALL: dict[str, Any] = {
    "mstcn": MSTCNSettings(channels=(8, 16), stages=2, layers=4, width=8, causal=True),
    "stgcn": MSTCNSettings(
        blocks="stgcn", joined="mean", channels=(8, 8), stages=2, layers=3, width=8, causal=True
    ),
    "gru": GRUSegmenterSettings(hidden=12, layers=2),
}


def make(settings: Any, n_classes: int = 4) -> SegmentationModel:
    """A network whose norms have seen something, in evaluation mode."""
    torch.manual_seed(0)
    net = settings.build("kinect20", n_classes, 6).double().train()
    for _ in range(3):
        net(torch.randn(3, 30, 20, 6, dtype=torch.float64) * 2 + 1)
    for p in net.parameters():
        p.data += 0.05 * torch.randn_like(p)
    return net.eval()


def recordings() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    x = torch.randn(2, 70, 20, 6, dtype=torch.float64)
    score = (torch.rand(2, 70, 20) > 0.1).double()
    score[1, 20:31] = 0  # not there
    score[0, :3] = 0
    return x, score


@pytest.mark.parametrize("kind", SMALL)
def test_frame_by_frame_is_the_whole_recording(kind: str) -> None:
    net = make(SMALL[kind])
    x, score = recordings()
    whole = net(x, torch.arange(2), score)[-1]
    live = continual_segmenter(net)
    state = live.begin(2)
    with torch.no_grad():
        steps = torch.stack([live.step(x[:, t], state, score[:, t]) for t in range(70)], 1)
    assert whole.abs().max() > 0.1
    assert (steps - whole).abs().max() < 1e-9
    part = net(x[:, :40], torch.arange(2), score[:, :40])[-1]
    assert (part - whole[:, :40]).abs().max() < 1e-9


@pytest.mark.parametrize("kind", SMALL)
def test_later_frames_matter_if_it_is_not_causal(kind: str) -> None:
    net = make(replace(SMALL[kind], causal=False))
    x, _ = recordings()
    assert (net(x[:, :40])[-1] - net(x)[-1][:, :40]).abs().max() > 1e-4
    with pytest.raises(ConfigError, match="later frames"):
        continual_segmenter(net)


def test_people_are_pooled_where_they_are_there() -> None:
    net = make(SMALL["mstcn"])
    x, score = recordings()
    score[:] = 1
    score[1, :, :] = 0
    alone = net(x[:1], torch.zeros(1, dtype=torch.int64), score[:1])
    both = net(x, torch.zeros(2, dtype=torch.int64), score)
    assert both.shape == (2, 1, 70, 4) and (alone - both).abs().max() < 1e-12
    twice = net(x[[0, 0]], torch.zeros(2, dtype=torch.int64))
    assert (twice - net(x[:1])).abs().max() < 1e-12


def test_every_setting_changes_the_network() -> None:
    """A setting that is ignored leaves weights and answers as they are."""
    x, _ = recordings()
    others: dict[str, dict[str, Any]] = {
        "mstcn": {
            "blocks": "stgcn", "channels": (8, 24), "kernel": 3, "block_dropout": 0.9, "joined": "mean",
            "stages": 3, "layers": 3, "width": 16, "dropout": 0.9, "causal": False,
        },
        "gru": {"hidden": 16, "layers": 1, "dropout": 0.9, "causal": False},
    }  # fmt: skip
    for kind, changes in others.items():
        assert set(changes) == {f.name for f in fields(SMALL[kind])} - {"name"}
        for name, value in changes.items():
            answers = []
            for settings in (SMALL[kind], replace(SMALL[kind], **{name: value})):
                torch.manual_seed(0)
                net = settings.build("kinect20", 4, 6).double()
                torch.manual_seed(1)
                answers.append(net(x)[-1])
            assert not torch.equal(*answers), name


def test_wrong_input_and_settings_are_refused() -> None:
    net = make(SMALL["mstcn"])
    with pytest.raises(ConfigError, match="20 joints"):
        net(torch.zeros(1, 5, 19, 6, dtype=torch.float64))
    live = continual_segmenter(net)
    with pytest.raises(ConfigError, match="1 people"):
        live.step(torch.zeros(2, 20, 6, dtype=torch.float64), live.begin())
    with pytest.raises(ConfigError, match=r"model\.eval"):
        continual_segmenter(net.train())
    for wrong in ({"blocks": "gat"}, {"joined": "sum"}, {"channels": ()}, {"kernel": 4}):
        with pytest.raises(ConfigError):
            replace(SMALL["mstcn"], **wrong).build("kinect20", 4, 6)
    with pytest.raises(ConfigError, match="allowed: mstcn, gru"):
        find_segmenter({"name": "lstm"})
    for kind in SEGMENTERS:
        with pytest.raises(ConfigError):
            SMALL[kind].build("kinect20", 0, 6)
