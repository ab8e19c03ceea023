"""CUDA graphs of inference: which shapes are captured, when, and what runs where none can be."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from small_models import build, clip_batch
from torch import Tensor

from skelact.nn.fast import cuda_graph, inference_form
from skelact.nn.fast.cuda_graph import AFTER, MOST, ShapeGraphs, capture_if_faster, may_capture, shape_key


class Replayed:
    """Stands for a captured graph."""

    def __init__(self, run) -> None:
        self.run, self.times = run, 0

    def __call__(self, inputs) -> Tensor:
        self.times += 1
        return self.run(*inputs)


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Shapes that were captured, as if there were a GPU."""
    keys: list[tuple] = []

    def capture(run, inputs):
        keys.append(shape_key(inputs))
        return Replayed(run)

    monkeypatch.setattr(cuda_graph, "may_capture", lambda inputs: True)
    monkeypatch.setattr(cuda_graph, "capture_if_faster", capture)
    return keys


def test_shape_keys() -> None:
    x = torch.zeros(2, 3)
    assert shape_key((x, None, 4)) == shape_key((torch.ones(2, 3), None, 4))
    others = [(x.T, None, 4), (x.half(), None, 4), (x, x, 4), (x, None, 5), (torch.zeros(3, 2).T, None, 4)]
    assert len({shape_key(other) for other in [(x, None, 4), *others]}) == len(others) + 1


def test_a_shape_is_captured_when_it_has_come_often_enough(captured: list[tuple]) -> None:
    graphs = ShapeGraphs()
    for i in range(AFTER + 2):
        assert len(captured) == int(i >= AFTER)
        assert torch.equal(
            graphs(torch.add, torch.full((2,), float(i)), torch.ones(2)), torch.full((2,), i + 1.0)
        )
    (replay,) = graphs.graphs.values()
    assert isinstance(replay, Replayed) and replay.times == 3 and len(captured) == 1
    for n in range(3, 50):
        for _ in range(AFTER):
            graphs(torch.add, torch.zeros(n), torch.ones(n))
    assert len(captured) == MOST
    graphs.clear()
    graphs(torch.add, torch.zeros(2), torch.ones(2))
    assert not graphs.graphs


def test_graphs_are_neither_copied_nor_saved(captured: list[tuple]) -> None:
    graphs = ShapeGraphs()
    for _ in range(AFTER):
        graphs(torch.neg, torch.ones(2))
    assert (
        graphs.graphs and not copy.deepcopy(graphs).graphs and not pickle.loads(pickle.dumps(graphs)).graphs
    )


def test_moving_a_form_forgets_its_graphs(captured: list[tuple]) -> None:
    form, (x, owner, score) = inference_form(build("stgcn")), clip_batch(25)
    expected = form.model(x, owner, score, 3)
    for _ in range(AFTER):
        assert torch.equal(form(x, owner, score, 3), expected)
    assert len(captured) == 1 and form.graphs.graphs
    form.to("cpu")
    assert not form.graphs.graphs and torch.equal(form(x, owner, score, 3), expected)


def test_nothing_is_captured_on_a_cpu() -> None:
    graphs, x = ShapeGraphs(), torch.ones(2)
    assert not may_capture((x,)) and not may_capture((None, 3))
    for _ in range(AFTER + 1):
        assert torch.equal(graphs(torch.neg, x), -x)
    assert not graphs.graphs and not graphs.calls


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_cannot_be_captured_runs_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without CUDA, capturing fails: the function answers, and it is tried once only."""
    assert capture_if_faster(torch.neg, (torch.ones(2),)) is None
    assert "no CUDA graph of this shape" in caplog.text
    monkeypatch.setattr(cuda_graph, "may_capture", lambda inputs: True)
    graphs, x = ShapeGraphs(), torch.ones(2)
    caplog.clear()
    for _ in range(AFTER + 3):
        assert torch.equal(graphs(torch.neg, x), -x)
    assert list(graphs.graphs.values()) == [None] and len(caplog.records) == 1
