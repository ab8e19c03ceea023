"""Several networks that answer together: joined, saved, loaded, and refused where they do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import CheckpointError
from skelact.layouts import get_layout
from skelact.models import STGCNSettings
from skelact.recognition import Recogniser, load_model
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.recognition.engine import predict_logits
from skelact.recognition.ensemble import join_checkpoints, load_ensemble, save_ensemble
from skelact.settings import to_plain
from skelact.skeleton import Skeleton

SETTINGS = STGCNSettings(channels=(8, 8), stride_blocks=(1,))
STREAMS = (["joint"], ["bone", "joint_motion"])
CARD = Card(get_layout("coco17").to_dict(), 3, "m", ["a", "b", "c"], 10.0, to_plain(SETTINGS), {})


def clip(frames: int = 20) -> Skeleton:
    return Skeleton(
        np.random.default_rng(frames).normal(size=(1, frames, 17, 3)), None, "coco17", 10, "m", id=str(frames)
    )


def save(folder: Path, streams: list[str], seed: int = 0, **changes) -> Path:
    torch.manual_seed(seed)
    pipeline = Pipeline(Sampling(n_frames=8), streams=streams)
    model = SETTINGS.build("coco17", 3, pipeline.channels(3))
    torch.nn.init.normal_(model.head.weight)
    for _ in range(40):  # norms' statistics of their own
        model(torch.randn(4, 8, 17, pipeline.channels(3)))
    card = replace(CARD, pipeline=to_plain(pipeline), **changes)
    return save_checkpoint(folder / "best.safetensors", model.state_dict(), card).parent


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    made = []
    for i, streams in enumerate(STREAMS):
        (tmp_path / streams[0]).mkdir()
        made.append(save(tmp_path / streams[0], streams, seed=i))
    return made


def test_joined_networks_answer_as_each_does_alone(runs: list[Path], tmp_path: Path) -> None:
    data, clips = SkeletonSet.from_skeletons([clip(n) for n in (10, 20, 30)]), torch.arange(3)
    joined = join_checkpoints(runs)
    assert joined.weights == [1.0, 1.0] and joined.streams == "joint | bone, joint_motion"
    assert [m.name for m in joined.members] == ["joint", "bone"]
    joined.weights = [0.2, 0.8]
    (tmp_path / "fused").mkdir()
    path = save_ensemble(tmp_path / "fused" / "best.safetensors", joined)
    told: list[tuple[int, int, str]] = []
    loaded = load_ensemble(path.parent)
    assert loaded.weights == [0.2, 0.8] and loaded.streams == joined.streams
    each = loaded.member_logits(data, clips, batch_size=2, views=2, progress=lambda *t: told.append(t))
    assert [t[:2] for t in told] == [(2, 6), (3, 6), (5, 6), (6, 6)]
    for run, logits in zip(runs, each, strict=True):
        model, _, pipeline = load_model(run)
        expected = predict_logits(model, data, clips, pipeline, views=2)
        assert logits.shape == (3, 2, 3) and torch.allclose(logits, expected, atol=1e-4)
        assert expected.std(0).min() > 1e-3
    fused = loaded.combine(each)
    assert torch.allclose(fused, 0.2 * each[0].log_softmax(-1) + 0.8 * each[1].log_softmax(-1), atol=1e-5)
    assert torch.equal(loaded.combine(each[:1]), each[0])


def test_a_recording_is_seen_by_all_networks(runs: list[Path], tmp_path: Path) -> None:
    joined = join_checkpoints(runs)
    joined.weights = [0.3, 0.7]
    (tmp_path / "fused").mkdir()
    save_ensemble(tmp_path / "fused" / "best.safetensors", joined)
    found = [Recogniser(path).recognise(clip()).probabilities[0][0] for path in (*runs, tmp_path / "fused")]
    expected = found[0] ** 0.3 * found[1] ** 0.7
    assert np.allclose(found[2], expected / expected.sum(), atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_bfloat16_that_is_emulated_is_done_with_a_word(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for there in (True, False):
        monkeypatch.setattr("skelact.recognition.ensemble.has_bfloat16", lambda device, there=there: there)
        load_ensemble(runs[0], torch.bfloat16)
        assert ("slower in it than in float32" in caplog.text) == (not there)
        caplog.clear()
    load_ensemble(runs[0])
    assert not caplog.text


def test_several_networks_are_not_one(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "fused").mkdir()
    save_ensemble(tmp_path / "fused" / "best.safetensors", join_checkpoints(runs))
    with pytest.raises(CheckpointError, match="holds several networks; use load_ensemble"):
        load_model(tmp_path / "fused")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layout": {**CARD.layout, "name": "mine"}}, "layout 'mine' against 'coco17'"),
        ({"unit": "px"}, "3 coordinates in 'px' against 3 in 'm'"),
        ({"label_names": ["b", "a", "c"]}, "3 classes against 3, in another order"),
        ({"label_names": ["a", "b", "d"]}, r"3 classes against 3 \(not in both: c, d\)"),
    ],
)
def test_networks_for_different_things_are_not_joined(
    runs: list[Path], tmp_path: Path, changes, words: str
) -> None:
    (tmp_path / "other").mkdir()
    other = save(tmp_path / "other", ["joint"], **changes)
    with pytest.raises(CheckpointError, match=words):
        join_checkpoints([runs[0], other])


def test_progress_counts_the_clips_of_all_members(runs: list[Path]) -> None:
    data = SkeletonSet.from_skeletons([clip(n) for n in (10, 20, 30)])
    told: list[tuple[int, int, str]] = []
    ensemble = join_checkpoints(runs)
    with_progress = ensemble.member_logits(data, torch.arange(3), 2, 1, lambda *words: told.append(words))
    assert [(done, total) for done, total, _ in told] == [(2, 6), (3, 6), (5, 6), (6, 6)]
    without = ensemble.member_logits(data, torch.arange(3), 2)
    assert all(torch.equal(a, b) for a, b in zip(with_progress, without, strict=True))
