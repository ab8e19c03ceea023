"""Captions of recordings: stretches, people, the network that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from signing_sets import untrained

from skelact.datasets.synthetic.captions import (
    Act,
    Scene,
    draw_scene,
    make_caption_clip,
    slots_right,
    understand,
)
from skelact.errors import CheckpointError, DataError
from skelact.recognition.checkpoint import load_checkpoint
from skelact.recognition.language_captions import SHIPPED_CAPTIONS, describe, load_captions, stretches
from skelact.skeleton import Skeleton

UNSEEN = 400_000_000  # numbers of clips that neither training nor test had


def still_between(fps: float = 10.0) -> Skeleton:
    """Six seconds of motion, two of rest, six of motion."""
    t = np.arange(140) / fps
    x = np.where(t < 6, np.sin(6 * t), np.where(t < 8, np.sin(36.0), np.sin(36.0 + 6 * (t - 8))))
    xyz = np.zeros((1, 140, 21, 3))
    xyz[0, :, :, 0] = x[:, None]
    return Skeleton(xyz, None, "hand21", fps)


def test_long_stretches_are_cut_at_rests() -> None:
    (a, b), (c, d) = stretches(still_between(), 1.5, 8.0)
    assert a == 0 and b == c and 6.0 <= b <= 8.0 and d == pytest.approx(14.0)
    assert all(e - s <= 5.0 + 1e-9 for s, e in stretches(still_between(), 1.5, 5.0))
    assert stretches(still_between(), 1.5, 20.0) == [(0.0, pytest.approx(14.0))]


def test_stretches_end_where_the_person_disappears() -> None:
    s = still_between()
    score = s.score.copy()
    score[0, 40:45] = 0  # half a second is bridged
    score[0, 80:100] = 0
    parts = stretches(s.with_(score=score), 1.5, 30.0)
    assert parts == [(0.0, pytest.approx(8.0)), (pytest.approx(10.0), pytest.approx(14.0))]
    assert stretches(s.with_(score=score), 5.0, 30.0) == parts[:1]
    assert stretches(s.with_(score=0 * score), 1.0, 9.0) == []


def test_the_network_that_ships_is_small_and_says_what_it_is() -> None:
    state, card = load_checkpoint(SHIPPED_CAPTIONS)
    assert SHIPPED_CAPTIONS.stat().st_size <= 1e6
    assert all(v.dtype == torch.float16 for v in state.values() if v.is_floating_point())
    assert card.trained["on"] == "synthetic people" and card.unit == "m" and card.config["task"] == "text"
    assert load_captions().path == load_captions("captions").path == SHIPPED_CAPTIONS


def test_it_describes_scenes_that_it_never_saw() -> None:
    network, rng = load_captions(device="cpu"), np.random.default_rng(12)
    right = total = 0
    for k in range(16):
        scene = draw_scene(rng)
        clip = make_caption_clip(scene, UNSEEN + k)
        (caption,) = describe(clip, network, shortest=0.3, longest=60.0)
        a, b = slots_right(scene, understand(caption.text))
        right, total = right + a, total + b
        assert caption.score <= 0 and caption.end == pytest.approx(clip.duration)
    assert right / total > 0.85


def test_everybody_gets_sentences() -> None:
    one, two = (
        make_caption_clip(Scene("adult", (Act("wave", side, "slowly"),)), 3, exact=True)
        for side in ("left", "right")
    )
    n = min(one.n_frames, two.n_frames)
    both = one.with_(
        xyz=np.concatenate([s.xyz[:, :n] for s in (one, two)]),
        score=np.concatenate([s.score[:, :n] for s in (one, two)]),
        track_ids=(4, 7),
    )
    found = describe(both, load_captions(device="cpu"), longest=60.0)
    assert [c.person for c in found] == [4, 7]
    assert "left hand" in found[0].text and "right hand" in found[1].text


def test_what_cannot_be_described_is_refused(tmp_path: Path) -> None:
    network = load_captions(device="cpu")
    clip = make_caption_clip(Scene("adult", (Act("bow", "", "quickly"),)), 1)
    for skeleton, said in (
        (clip, "for 5 s at a stretch"), (clip.with_(score=0 * clip.score), "nobody is seen"),
        (clip.with_(origin="hips"), "origin 'hips'"), (clip.with_(unit="px"), "trained in 'm'.*--coordinates camera"),
        (clip.with_(xyz=clip.xyz[..., :2]), "2 coordinates"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            describe(skeleton, network, shortest=5.0 if said.startswith("for") else 0.3, longest=60.0)
    with pytest.raises(CheckpointError, match="trained for 'glosses', not for text"):
        load_captions(untrained("glosses", tmp_path / "g.safetensors"))
    with pytest.raises(CheckpointError, match="for recognition"):
        load_captions("everyday")
