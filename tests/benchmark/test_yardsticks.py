"""Yardsticks compute what our networks compute; the measurements say so."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from small_models import build
from torch.nn import functional
from variants import slow_but

from skelact.benchmark import models
from skelact.benchmark.yardsticks import YARDSTICKS
from skelact.benchmark.yardsticks.usual import to_usual
from skelact.errors import ConfigError
from skelact.models import MODELS
from skelact.nn.fast import inference_form


@pytest.mark.parametrize("name", slow_but(YARDSTICKS, "stgcn", "ctrgcn"))
def test_yardstick_equals_the_network(name: str) -> None:
    assert name in MODELS
    ours = models.make_network(name)
    usual = YARDSTICKS[name](ours).eval()
    assert sum(p.numel() for p in usual.parameters()) >= sum(p.numel() for p in ours.parameters())
    x, owner = torch.randn(4, 16, 25, 3), torch.tensor([0, 0, 1, 1])
    with torch.inference_mode():
        expected = usual(to_usual(x, 2, 2))
        for logits in (ours(x, owner), inference_form(ours)(x, owner)):
            assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("name", slow_but([name for name in YARDSTICKS if name != "stgcn"], "shiftgcn"))
def test_yardstick_trains_as_the_network(name: str) -> None:
    """The same loss and the same gradient of the classifier in a step of training."""
    ours = models.make_network(name)
    usual = YARDSTICKS[name](ours).train()
    ours.train()
    x, owner, label = torch.randn(4, 16, 25, 3), torch.tensor([0, 0, 1, 1]), torch.tensor([3, 5])
    for network, inputs in ((ours, (x, owner)), (usual, (to_usual(x, 2, 2),))):
        functional.cross_entropy(network(*inputs), label).backward()
    expected = usual.head.weight.grad  # type: ignore[union-attr]
    assert (ours.head.weight.grad - expected).abs().max() < 1e-3 * expected.abs().max()  # type: ignore


def test_rows_of_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "make_network", partial(build, n_classes=60))
    monkeypatch.setattr(models, "N_CLIPS", 2)
    monkeypatch.setattr(models, "N_FRAMES", 8)
    monkeypatch.setattr(models, "_measure_memory", lambda name: {"what": f"{name} peak memory"})
    rows = models.measure_models(["stgcnpp"], seconds=0.01)
    assert len(rows) == 9
    assert all(row["ratio"] > 0 and row["usual"] > 0 for row in rows[:-1])
    exact = [row for row in rows if "error" in row]
    assert exact[0]["error"] < 1e-4 and 1e-5 < exact[1]["error"] < 0.1


def test_network_without_a_yardstick() -> None:
    with pytest.raises(ConfigError, match="unknown network with a yardstick 'ctr'"):
        models.check_names(["ctr"])
