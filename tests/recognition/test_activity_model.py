"""Activities by hidden Markov models: learned, recognised, logged, saved, and refused when damaged."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.synthetic import make_clip
from skelact.errors import CheckpointError, DataError
from skelact.models.classical.body_motion import BodyMotion, body_motion
from skelact.recognition.activity_model import ActivityModel, ActivitySettings
from skelact.recognition.array_file import read_arrays, write_arrays
from skelact.skeleton import Skeleton

ACTIONS = ("wave", "kick", "sit_down", "walk")


def clips(subjects: range) -> list[Skeleton]:
    return [
        make_clip(action, subject=s, repetition=r) for s in subjects for action in ACTIONS for r in (1, 2)
    ]


def motions(skeletons: list[Skeleton]) -> list[BodyMotion]:
    return [body_motion(s) for s in skeletons]


@pytest.fixture(scope="module")
def model() -> ActivityModel:
    taught = clips(range(1, 6))
    return ActivityModel.fit(motions(taught), [str(s.label) for s in taught], ActivitySettings(codes=48))


def test_other_people_are_recognised(model: ActivityModel) -> None:
    asked = clips(range(11, 16))
    right = [model.recognise(m) == s.label for m, s in zip(motions(asked), asked, strict=True)]
    assert np.mean(right) >= 0.8
    assert model.seconds.min() > 1 and model.label_names == sorted(ACTIONS)


def test_a_log_names_what_follows_what(model: ActivityModel) -> None:
    order = ("walk", "wave", "kick", "wave")
    parts = [make_clip(action, subject=21, noise=None) for action in order]
    xyz = np.concatenate([p.xyz[:1] for p in parts], 1)
    edges = np.cumsum([0, *(p.n_frames for p in parts)]) / 30
    found = model.log(model.motion(Skeleton(xyz, None, "ntu25", 30.0)))
    assert found[0].start == 0 and found[-1].end == pytest.approx(edges[-1], abs=0.1)
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    for name, a, b in zip(order, edges[:-1], edges[1:], strict=True):
        overlap = sum(max(0.0, min(b, f.end) - max(a, f.start)) for f in found if f.label == name)
        assert overlap > 0.7 * (b - a), (name, found)
    assert len(found) <= 7 and all(0 < f.score <= 1 + 1e-9 for f in found)


def test_nothing_is_logged_while_nobody_is_seen(model: ActivityModel) -> None:
    walk = make_clip("walk", subject=3, noise=None)
    xyz = np.concatenate([walk.xyz[:1]] * 3, 1)
    score = np.ones(xyz.shape[:3], np.float32)
    n = walk.n_frames
    score[:, n : 2 * n] = 0
    found = model.log(model.motion(Skeleton(xyz, score, "ntu25", 30.0)))
    assert not any(f.start < 2 * n / 30 - 0.2 and f.end > n / 30 + 0.2 for f in found)
    assert found[-1].end == pytest.approx(3 * n / 30, abs=0.1)


def test_the_same_seed_gives_the_same_model_and_a_file_keeps_it(model: ActivityModel, tmp_path: Path) -> None:
    again = ActivityModel.load(model.save(tmp_path / "activities.safetensors"))
    motion = body_motion(make_clip("kick", subject=9))
    assert again.settings == model.settings and again.label_names == model.label_names
    assert np.array_equal(again.log_likelihoods(motion), model.log_likelihoods(motion))
    assert again.log(motion) == model.log(motion)
    each = [one.log_likelihood(model._symbols(motion)) for one in model.models]
    assert np.allclose(model.log_likelihoods(motion), each)
    taught = clips(range(1, 6))
    twin = ActivityModel.fit(motions(taught), [str(s.label) for s in taught], ActivitySettings(codes=48))
    assert np.array_equal(twin.log_likelihoods(motion), model.log_likelihoods(motion))


def test_other_rates_and_no_recordings_are_refused(model: ActivityModel) -> None:
    with pytest.raises(DataError, match="15 frames a second, got 30"):
        model.recognise(body_motion(make_clip("kick", subject=9), rate=30.0))
    with pytest.raises(DataError, match="got none"):
        ActivityModel.fit([], [])


def test_damaged_files_are_refused_in_words(model: ActivityModel, tmp_path: Path) -> None:
    path = model.save(tmp_path / "a.safetensors")
    data = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"there is no .*learn-activities makes one"):
        ActivityModel.load(tmp_path / "none")
    for broken in (b"", data[:100], data[: len(data) // 2], b"PK\x03\x04" + data, data[8:]):
        path.write_bytes(broken)
        with pytest.raises(CheckpointError, match="damaged or no model"):
            ActivityModel.load(path)
    path.write_bytes(data)
    card, arrays = read_arrays(path, "activities", "x")
    changes = {
        "no start": ({}, {"start": None}), "fewer names": ({"label_names": ["a"]}, {}),
        "strange setting": ({"settings": {"codes": 3, "colour": 1}}, {}),
        "no streams": ({"settings": {"streams": "x"}}, {}),
        "narrow book": ({}, {"book0": arrays["book0"][:, :3]}), "no sum": ({}, {"emission": arrays["emission"] * 2}),
        "no time": ({}, {"seconds": -arrays["seconds"]}),
    }  # fmt: skip
    for name, (says, holds) in changes.items():
        kept = {k: v for k, v in {**arrays, **holds}.items() if v is not None}
        write_arrays(
            path,
            "activities",
            {k: v for k, v in {**card, **says}.items() if k not in ("version", "kind")},
            kept,
        )
        with pytest.raises(CheckpointError, match=r"damaged .*make it again"):
            ActivityModel.load(path)
            pytest.fail(name)
    write_arrays(path, "normal motion", {}, arrays)
    with pytest.raises(CheckpointError, match="holds 'normal motion', not 'activities'"):
        ActivityModel.load(path)
    write_arrays(path, "activities", {}, {"start": np.array([np.nan])})
    with pytest.raises(CheckpointError, match="holds no numbers"):
        ActivityModel.load(path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "a"
    save_file({"a": np.zeros(1)}, path, {"skelact_arrays": json.dumps({"kind": "activities", "version": 9})})
    with pytest.raises(CheckpointError, match="version 9"):
        ActivityModel.load(path)
    save_file({"a": np.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="another kind of file"):
        ActivityModel.load(path)
