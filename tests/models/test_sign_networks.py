"""What the networks for signs add to what every network is tested for."""

from __future__ import annotations

import pytest
import torch
from small_models import build

from skelact.errors import ConfigError
from skelact.layouts.parts import regions
from skelact.models import ConvTransformer, RaggedGAT


def test_regions_of_body_and_hands() -> None:
    found = regions("pose_hands75")
    assert {name: (joints[0], joints[-1], len(joints)) for name, joints in found.items()} == {
        "body": (0, 32, 33), "left_hand": (33, 53, 21), "right_hand": (54, 74, 21),
    }  # fmt: skip
    assert list(regions("hand21")) == ["hand"] and list(regions("natops8")) == ["body"]


def test_a_hand_that_is_not_seen_is_no_node() -> None:
    model = build("raggedgat", "pose_hands75")
    x, score = torch.randn(2, 6, 75, 3), torch.ones(2, 6, 75)
    score[:, :, 33:54] = 0
    seen: list[int] = []
    model.attention[0].register_forward_hook(lambda module, inputs, out: seen.append(len(out)))
    model(x, None, score)
    assert seen == [2 * 6 * 54]
    frames = model.frame_features(model.norm(x * score[..., None]), score > 0).unflatten(-1, (3, -1))
    assert torch.equal(frames[:, :, 1], model.absent_bias[1].expand(2, 6, -1))  # the left hand
    assert not torch.equal(frames[:, :, 2], model.absent_bias[2].expand(2, 6, -1))


def test_ragged_network_can_be_causal() -> None:
    model = build("raggedgat", "ntu25", causal=True)
    x = torch.randn(1, 12, 25, 3)
    later = x.clone()
    later[:, 8:] += 1
    outs = []
    model.blocks[-1].register_forward_hook(lambda module, inputs, out: outs.append(out[0]))
    model(x), model(later)
    assert torch.allclose(outs[0][:, :8], outs[1][:, :8], atol=1e-5)
    assert not torch.allclose(outs[0][:, 8:], outs[1][:, 8:], atol=1e-2)


def test_late_dropout_begins_late() -> None:
    model = ConvTransformer("ntu25", 5, channels=12, stages=1, drop_path=0.0, dropout=0.0).train()
    x = torch.randn(4, 8, 25, 3)
    model.set_progress(0.05)
    torch.manual_seed(0)
    assert (model.clip_features(x) == 0).float().mean() < 0.6  # only what ReLU leaves out in all frames
    model.set_progress(0.1)
    assert (model.clip_features(x) == 0).float().mean() > 0.7
    model.eval()
    assert torch.equal(model.clip_features(x), model.clip_features(x))
    assert ConvTransformer("ntu25", 5, late_share=0.0).dropout.p == 0.8


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: ConvTransformer("ntu25", 5, late_dropout=1.0), "late_dropout"),
        (lambda: ConvTransformer("ntu25", 5, stages=0), "stages"),
        (lambda: ConvTransformer("ntu25", 5, kernel=0), "kernel"),
        (lambda: RaggedGAT("ntu25", 5, kernel=4), "odd"),
        (lambda: RaggedGAT("ntu25", 5, spatial=()), "channels"),
        (lambda: build("spoter", depth=0), "depth"),
    ],
)
def test_settings_that_make_no_network(make, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        make()
