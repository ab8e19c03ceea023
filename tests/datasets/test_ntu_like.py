"""Sets of NTU's size: names, lengths, people, splits; stopping and continuing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic.scale import (
    NTU60_CLIPS,
    make_ntu_like,
    ntu_like_lengths,
    ntu_like_names,
    write_ntu_like,
)
from skelact.errors import ConfigError


def test_statistics_are_those_of_ntu() -> None:
    lengths = ntu_like_lengths(NTU60_CLIPS, np.random.default_rng(0))
    assert lengths.min() == 30 and lengths.max() == 300 and lengths.mean() == pytest.approx(86, abs=1)
    names = ntu_like_names()
    assert len(set(names)) == NTU60_CLIPS
    mutual = np.mean([int(name[-3:]) >= 50 for name in names])
    assert mutual == pytest.approx(0.18, abs=0.005)
    with pytest.raises(ConfigError, match=r"n_clips must lie in 1\.\."):
        ntu_like_names(10**6)


def test_clips_are_people_of_their_class() -> None:
    clips = list(make_ntu_like(120))
    assert [c.n_people for c in clips[:60]] == [1] * 49 + [2] * 11
    assert all(np.isfinite(c.xyz).all() and c.layout.name == "ntu25" for c in clips)
    spans = np.ptp(clips[0].xyz[0].mean(0), axis=0)
    assert 1.2 < spans[1] < 2.2  # as tall as a person
    again = next(make_ntu_like(120))
    assert np.array_equal(again.xyz, clips[0].xyz) and again.label == "drink water"
    other = next(make_ntu_like(120, seed=1))
    assert other.xyz.shape != again.xyz.shape or not np.allclose(other.xyz, again.xyz)


def test_writing_continues_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skelact.datasets.synthetic.scale._CHUNK", 48)
    whole = write_ntu_like(tmp_path / "whole.h5", 200)

    def stop(done: int, total: int, what: str) -> None:
        if done >= 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ntu_like(tmp_path / "half.h5", 200, progress=stop)
    assert not (tmp_path / "half.h5").exists()
    write_ntu_like(tmp_path / "half.h5", 200)
    a, b = SkeletonSet.open(whole), SkeletonSet.open(tmp_path / "half.h5")
    assert a.ids == b.ids and np.array_equal(a.xyz.data.numpy(), b.xyz.data.numpy())
    assert set(a.splits) == {"xsub/train", "xsub/test", "xview/train", "xview/test"}
    assert sum(len(a.splits[f"xsub/{part}"]) for part in ("train", "test")) == 200
    assert a.all_seen and len(a.label_names) == 60
