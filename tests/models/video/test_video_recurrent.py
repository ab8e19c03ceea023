"""LRCN, GRU-RCN, ConvLSTM, VideoLSTM and the convGRBM: what their papers say of them."""

from __future__ import annotations

import pytest
import torch
from small_video_models import build_video, sure
from torch import Tensor
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.models.video.convgrbm import ConvGRBMNet
from skelact.models.video.gru_rcn import GRURCN, LevelHeads
from skelact.models.video.lrcn import LRCN
from skelact.models.video.videolstm import VideoLSTM


@pytest.mark.parametrize("name", ["lrcn", "convlstm", "videolstm"])
def test_probabilities_are_the_mean_over_steps(name: str) -> None:
    model = build_video(name).eval()
    sure(model)
    x = torch.randn(2, 3, 5, 40, 40)
    steps = model.step_logits(x)
    assert steps.shape == (2, 5, 4)
    assert torch.allclose(model(x).softmax(-1), steps.softmax(-1).mean(1), atol=1e-6)


def test_lrcn_does_not_see_later_frames() -> None:
    model = build_video("lrcn").eval()
    assert isinstance(model, LRCN)
    x = torch.randn(1, 3, 6, 40, 40)
    other = torch.cat([x[:, :, :4], torch.randn(1, 3, 2, 40, 40)], 2)
    a, b = model.step_logits(x), model.step_logits(other)
    assert torch.allclose(a[:, :4], b[:, :4], atol=1e-6) and not torch.allclose(a[:, 4:], b[:, 4:], atol=1e-6)


def test_gru_rcn_levels() -> None:
    model = build_video("gru_rcn", bidirectional=True).eval()
    assert isinstance(model, GRURCN) and isinstance(model.head, LevelHeads)
    sure(model)
    x = torch.randn(2, 3, 4, 64, 64)
    levels = model.head.level_logits(model.forward_features(x))
    assert levels.shape == (2, 5, 4)
    assert torch.allclose(model(x).softmax(-1), levels.softmax(-1).mean(1), atol=1e-6)
    # a clip played backwards swaps the two directions
    assert model.backwards is not None
    model.backwards.load_state_dict(model.forwards.state_dict())
    parts, other = (model.forward_features(clip).split(model.sizes, 1) for clip in (x, x.flip(2)))
    for part, back in zip(parts, other, strict=True):
        assert torch.allclose(part, torch.cat(back.chunk(2, 1)[::-1], 1), atol=1e-6)


def test_stacked_gru_rcn_passes_states_up() -> None:
    model = build_video("gru_rcn", stacked=True).eval()
    assert isinstance(model, GRURCN)
    x = torch.randn(1, 3, 3, 64, 64)
    cells = model.forwards
    below = [cell.below for cell in cells]
    assert below[0] is None and all(part is not None for part in below[1:])
    seen: list[Tensor] = []
    cells[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    out: list[Tensor] = []
    cells[0].register_forward_hook(lambda *a: out.append(a[2]))
    model(x)
    assert torch.equal(seen[0][:, 2], functional.max_pool2d(out[0][:, 2], 2))


@pytest.mark.parametrize("moving", [False, True])
def test_videolstm_is_its_equations(moving: bool) -> None:
    model = build_video("videolstm", motion_channels=2 if moving else 0).double().eval()
    assert isinstance(model, VideoLSTM)
    x = torch.randn(1, 3, 3, 96, 64, dtype=torch.float64)
    motion = torch.randn(1, 2, 3, 96, 64, dtype=torch.float64) if moving else None
    logits = model(x, motion)
    h = c = hm = cm = torch.zeros(1, 32, 3, 2, dtype=torch.float64)
    steps = []
    for t in range(3):
        maps, guide = model.tower(x[:, :, t])[-1], h
        if motion is not None and model.motion_cell is not None and model.motion_tower is not None:
            hm, cm = model.motion_cell(model.motion_tower(motion[:, :, t])[-1], (hm, cm), h)
            guide = hm
        weights = model.attention(maps, guide)
        h, c = model.cell(weights * maps, (h, c))
        steps.append(model.head(h.mean((2, 3))).softmax(-1))
        assert model.attention_map is not None
        assert torch.allclose(model.attention_map[:, t], weights[:, 0], atol=1e-12)
    assert torch.allclose(logits.softmax(-1), sum(steps) / 3, atol=1e-12)
    assert model.attention_map is not None and not model.attention_map.requires_grad
    assert torch.allclose(model.attention_map.sum((2, 3)), torch.ones(1, 3, dtype=torch.float64))


def test_videolstm_wants_motion_as_it_was_made_for() -> None:
    x, motion = torch.randn(1, 3, 3, 32, 32), torch.randn(1, 2, 3, 32, 32)
    model = build_video("videolstm", motion_channels=2).eval()
    for parameter in model.parameters():
        parameter.grad = None
    model(x, motion).square().sum().backward()
    motion_weights = model.get_parameter("motion_tower.rows.0.0.weight").grad
    assert motion_weights is not None
    with pytest.raises(ConfigError, match="takes motion of 2 channels; got none"):
        model(x)
    with pytest.raises(ConfigError, match=r"motion must be \[1, 2, 3, 32, 32\].*got \[1, 2, 4, 32, 32\]"):
        model(x, torch.randn(1, 2, 4, 32, 32))
    with pytest.raises(ConfigError, match="takes no motion input"):
        build_video("videolstm")(x, motion)


def test_convgrbm_pairs_maps_and_pretraining() -> None:
    model = build_video("convgrbm", channels_in=1)
    assert isinstance(model, ConvGRBMNet)
    x = torch.randn(2, 1, 5, 14, 16)
    maps = model.hidden_maps(x)
    assert maps.shape == (2, 4, 4, 5, 6)
    total = model.grbm.hidden_input(x[1:, :, 2], x[1:, :, 3])[0]
    block = total[3, 2:4, 4:6].exp().sum()  # unit (1, 2) of map 3
    assert torch.isclose(maps[1, 3, 2, 1, 2], block / (1 + block), atol=1e-5)
    loss, error = model.pretraining_loss(x, torch.Generator().manual_seed(0))
    loss.backward()
    assert error > 0
    for name, value in model.named_parameters():
        assert (value.grad is not None and value.grad.any()) == name.startswith("grbm."), name
