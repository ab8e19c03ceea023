"""Causal normalisation and streams: the same frame by frame, and every setting does what it says."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import ConfigError
from skelact.layouts import get_layout
from skelact.transforms.frames import FRAME_STREAMS, FrameStream, prepare_frames

LAYOUT = get_layout("kinect20")


def people(n_frames: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, n_frames, 20, 3, generator=generator, dtype=torch.float64) + torch.tensor(
        [0.5, 0, 3.0]
    )
    score = (torch.rand(2, n_frames, 20, generator=generator) > 0.2).double()
    score[0, 4:7] = 0
    score[1, :2] = 0
    return x, score


@pytest.mark.parametrize("centre", ["body", "none"])
@pytest.mark.parametrize("scale", ["body", "none"])
def test_frame_by_frame_is_the_whole(centre: str, scale: str) -> None:
    x, score = people()
    whole = prepare_frames(x, score, LAYOUT, FRAME_STREAMS, centre, scale, 30)
    stream = FrameStream(LAYOUT, FRAME_STREAMS, centre, scale, 30)
    parts = [stream(x[:, a:b], score[:, a:b]) for a, b in ((0, 1), (1, 2), (2, 9), (9, 30))]
    assert torch.allclose(torch.cat(parts, 1), whole, rtol=0, atol=1e-12)
    later = x.clone()
    later[:, 20:] += 1
    again = prepare_frames(later, score, LAYOUT, FRAME_STREAMS, centre, scale, 30)
    assert torch.equal(again[:, :20], whole[:, :20]) and not torch.equal(again[:, 20:], whole[:, 20:])


def test_streams_by_hand() -> None:
    x, score = people()
    every = torch.ones_like(score)
    joint, bone, velocity = prepare_frames(x, every, LAYOUT, FRAME_STREAMS, "body", "none", 25).split(3, -1)
    hips = x[:, :, LAYOUT.positions("mid_hip")]
    assert torch.allclose(joint, x - hips)
    child, parent = LAYOUT.bones[5]
    assert torch.allclose(bone[:, :, child], x[:, :, child] - x[:, :, parent])
    assert torch.allclose(velocity[:, 1:], (x[:, 1:] - x[:, :-1]) * 25) and not velocity[:, 0].any()
    assert torch.allclose(prepare_frames(x, every, LAYOUT, ["joint"], "none", "none", 25), x)


def test_a_body_has_the_same_size_whatever_its_unit() -> None:
    x, score = people()
    near, far = (
        prepare_frames(x * k, score, LAYOUT, ["joint", "velocity"], "body", "body", 30) for k in (1, 100)
    )
    assert torch.allclose(near, far)


def test_missing_joints_are_zero_and_the_centre_is_held() -> None:
    x, score = people()
    score[:] = 1
    hip = LAYOUT.positions("mid_hip")[0]
    score[0, 10:13, hip] = 0
    out = prepare_frames(x, score, LAYOUT, ["joint"], "body", "none", 30)
    assert not out[0, 10:13, hip].any()
    assert torch.allclose(out[0, 11, 3], x[0, 11, 3] - x[0, 9, hip])


def test_unknown_words_are_refused() -> None:
    for words in (
        (["angle"], "body", "body"),
        ([], "body", "body"),
        (["joint"], "hips", "body"),
        (["joint"], "body", "x"),
    ):
        with pytest.raises(ConfigError):
            FrameStream(LAYOUT, *words, 30)
