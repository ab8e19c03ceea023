"""``auto`` measures the graph product's backends once and keeps the answer."""

from __future__ import annotations

import pytest
import torch

from skelact.layouts import partition
from skelact.nn import measure
from skelact.nn import propagate as module
from skelact.nn.graph import SkeletonGraph
from skelact.nn.measure import chosen_backends, restore_backends
from skelact.nn.propagate import propagate


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times of the sparse product, as if measured, against 1.0 for the dense one; one entry a measurement."""
    asked: list[float] = []

    def time(name, run, inputs, trains) -> float:
        if name == "dense":
            return 1.0
        asked.append(0.5)
        return 0.5

    monkeypatch.setattr(measure, "_chosen", {})
    monkeypatch.setattr(module, "_SMALL", 0)
    monkeypatch.setattr(measure, "time_way", time)
    return asked


def test_measures_once_per_shape_and_type(measured: list[float]) -> None:
    graph = SkeletonGraph(partition("natops8"))
    for _ in range(3):
        propagate(torch.randn(8, 100), graph)
    propagate(torch.randn(8, 128), graph)  # the same power of two
    assert len(measured) == 1 and set(chosen_backends().values()) == {"sparse"}
    propagate(torch.randn(8, 129), graph)
    propagate(torch.randn(8, 100).double(), graph.double())
    x = torch.randn(8, 100, requires_grad=True)
    propagate(x.double(), graph)  # with a backward pass
    assert len(measured) == 4


def test_a_near_tie_is_the_dense_product(measured: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "MARGIN", 2.5)
    propagate(torch.randn(8, 100), SkeletonGraph(partition("natops8")))
    assert set(chosen_backends().values()) == {"dense"}


def test_earlier_choices_are_kept(measured: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    graph = SkeletonGraph(partition("natops8"))
    propagate(torch.randn(8, 100), graph)
    kept = chosen_backends()
    monkeypatch.setattr(measure, "_chosen", {})
    restore_backends({key: "dense" for key in kept})
    propagate(torch.randn(8, 100), graph)
    assert len(measured) == 1 and set(chosen_backends().values()) == {"dense"}


def test_small_products_are_not_measured(measured: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL", 1 << 20)
    propagate(torch.randn(8, 100), SkeletonGraph(partition("natops8")))
    assert not measured and not chosen_backends()


def test_a_real_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_chosen", {})
    monkeypatch.setattr(module, "_SMALL", 0)
    graph = SkeletonGraph(partition("natops8"))
    weight = graph.value.clone().requires_grad_()
    x = torch.randn(8, 1000)
    out = propagate(x, graph, weight)
    assert torch.allclose(out.flatten(0, 1), graph.dense(weight) @ x, atol=1e-5)
    assert set(chosen_backends().values()) <= {"dense", "sparse"} and len(chosen_backends()) == 1
