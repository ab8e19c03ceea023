"""Streams of pictures that go along with the skeletons of a batch."""

from __future__ import annotations

import pytest
import torch

from skelact.datasets.batch import SkeletonBatch
from skelact.errors import DataError
from skelact.layouts import get_layout


def make(**changes: object) -> SkeletonBatch:
    layout = get_layout("ntu25")
    fields = {
        "x": torch.zeros(4, 2, len(layout), 3), "score": torch.ones(4, 2, len(layout)),
        "owner": torch.tensor([0, 0, 1, 2]), "label": torch.tensor([1, 0, 1]), "layout": layout,
        "pictures": {"rgb": torch.zeros(3, 3, 4, 8, 8), "flow": torch.zeros(3, 20, 1, 8, 8)},
        "there": {"flow": torch.tensor([True, False, True])},
    }  # fmt: skip
    return SkeletonBatch(**{**fields, **changes})


def test_a_stream_may_be_missing_in_any_clip() -> None:
    batch = make()
    assert batch.has("rgb").tolist() == [True] * 3
    assert batch.has("flow").tolist() == [True, False, True]
    assert batch.has("depth").tolist() == [False] * 3
    assert batch.there == {"flow": (True, False, True)}  # on the host, wherever the batch is
    assert batch.to("meta").there == batch.there


def test_streams_move_with_the_batch() -> None:
    batch = make().to("meta")
    assert all(tensor.device.type == "meta" for tensor in batch.tensors())
    assert len(batch.tensors()) == 4 + 2
    assert batch.pictures["rgb"].shape == (3, 3, 4, 8, 8) and batch.layout == make().layout


def test_batches_do_not_share_their_streams() -> None:
    full = make()
    one, other = (SkeletonBatch(full.x, full.score, full.owner, full.label, full.layout) for _ in range(2))
    assert one.pictures == {} and one.pictures is not other.pictures


def test_what_does_not_fit() -> None:
    with pytest.raises(DataError, match="'flow' has 2 clips, and the batch 3"):
        make(there={"flow": torch.tensor([True, False])})
    with pytest.raises(DataError, match="'rgb' has 5 clips"):
        make(pictures={"rgb": torch.zeros(5, 3, 1, 2, 2)}, there={})
    with pytest.raises(DataError, match="'depth'; allowed: rgb, flow"):
        make(there={"depth": torch.tensor([True, False, True])})
