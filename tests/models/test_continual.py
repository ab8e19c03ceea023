"""A frame in, the clip network's numbers out: every network that can, from the first frame to the last."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.models import MODELS
from skelact.models.continual import continual_form, why_not_continual
from skelact.nn.continual import clone, join, take
from skelact.nn.norm import ChannelNorm, JointNorm

SMALL = {"channels": (8, 16, 16), "stride_blocks": (1,)}
# Networks that run frame by frame, small; the first are causal.
CAUSAL = {
    "skelactnet": {"channels": (8, 16, 16), "stride_blocks": (0, 2), "causal": True},
    "skelactnet learned": {"channels": (8, 16), "stride_blocks": (1,), "causal": True, "topology": "learned"},
    "skelactnet attention": {**SMALL, "channels": (8, 16), "causal": True, "temporal": "attention", "window": 5},
    "tcn": {"channels": (8, 12), "kernel": 3, "causal": True},
    "lstm": {"hidden": 8, "layers": 2, "bidirectional": False},
    "gru": {"hidden": 8, "layers": 1, "bidirectional": False},
}  # fmt: skip
DELAYED = {
    "stgcn": SMALL,
    "stgcn wide": {"channels": (8, 8, 12, 12), "stride_blocks": (1, 3), "kernel": 5, "importance": False},
    "agcn": {**SMALL, "frame_topology": True},
    "ctrgcn": {**SMALL, "channels": (8, 16, 16), "frame_topology": True},
    "stgcnpp": {"channels": (12, 24), "stride_blocks": (1,)},
    "tcn": {"channels": (8, 12), "kernel": 3},
    "skelactnet learned": {"channels": (8, 16), "stride_blocks": (1,), "topology": "learned"},
}
N_FRAMES, N_JOINTS = 21, 20


def make(name: str, settings: dict, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A network whose norms are not the identity, and whose learned gains are not 0."""
    torch.manual_seed(0)
    model = MODELS[name.split()[0]](**settings).build("kinect20", 5, 3)
    for module in model.modules():
        if isinstance(module, ChannelNorm | JointNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    for key, value in model.named_parameters():
        if key.endswith(("gain", "alpha", "gate", "joint_mean", "distance")):
            nn.init.normal_(value, 0, 0.5)
    return model.to(dtype).eval()


def clips(n_people: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(
        n_people, N_FRAMES, N_JOINTS, 3, dtype=dtype, generator=torch.Generator().manual_seed(1)
    )


def all_networks() -> list:
    return [
        pytest.param(n, s, id=f"{n}-{k}")
        for k, t in (("causal", CAUSAL), ("delayed", DELAYED))
        for n, s in t.items()
    ]


@pytest.mark.parametrize(("name", "settings"), all_networks())
@torch.inference_mode()
def test_every_clip_that_ends_somewhere(name: str, settings: dict) -> None:
    """`finish` after any frame gives the clip network's logits for the clip up to there."""
    model, x = make(name, settings), clips()
    form = continual_form(model)
    state = form.begin(2)
    for t in range(N_FRAMES):
        form.step(x[:, t], state)
        if t in (0, 1, 2, 5, 12, 19, 20):
            before = clone(state)
            assert form.finish(state) == pytest.approx(model(x[:, : t + 1]), abs=1e-9), t
            assert all(torch.equal(before[k], state[k]) for k in state)  # it goes on from where it was


@pytest.mark.parametrize(("name", "settings"), CAUSAL.items())
@torch.inference_mode()
def test_causal_networks_know_at_once(name: str, settings: dict) -> None:
    model, x = make(name, settings), clips()
    form = continual_form(model)
    state = form.begin(2)
    for t in range(N_FRAMES):
        assert form.step(x[:, t], state) == pytest.approx(model(x[:, : t + 1]), abs=1e-9), t
    assert form.delay == 0


@pytest.mark.parametrize(("name", "settings"), DELAYED.items())
@torch.inference_mode()
def test_others_know_after_their_delay(name: str, settings: dict) -> None:
    model, x = make(name, settings), clips(1)
    form = continual_form(model)
    features = model.feature_map(x).mean(0)  # [P, T', D]
    state, n_known = form.begin(), 0
    assert form.delay > 0
    for t in range(N_FRAMES):
        logits = form.step(x[:, t], state)
        n_known = max(0, (t - form.delay) // form.stride + 1) if t >= form.delay else 0
        if n_known == 0:
            assert logits.isnan().all()
        else:
            assert logits == pytest.approx(model.head(features[:, :n_known].mean(1)), abs=1e-9), t


@pytest.mark.parametrize(("name", "settings"), [("stgcn", SMALL), *CAUSAL.items()])
@torch.inference_mode()
def test_a_window_averages_the_last_features(name: str, settings: dict) -> None:
    model, x = make(name, settings), clips(1)
    form = continual_form(model, window=8)
    if hasattr(model, "feature_map"):
        features = model.feature_map(x).mean(0)
    else:
        features = model.recurrent(model.normalise(x, None).flatten(2))
    keep = -(-8 // form.stride)
    state = form.begin()
    for t in range(N_FRAMES):
        logits = form.step(x[:, t], state)
        if t >= form.delay:
            n_known = (t - form.delay) // form.stride + 1
            expected = model.head(features[:, max(0, n_known - keep) : n_known].mean(1))
            assert logits == pytest.approx(expected, abs=1e-9), t


@pytest.mark.parametrize(("name", "settings"), all_networks())
@torch.inference_mode()
def test_people_come_and_go(name: str, settings: dict) -> None:
    """Somebody who begins later, at another phase of the strides, has their own numbers; so has who stays."""
    model, x = make(name, settings), clips(3)
    form = continual_form(model)
    state = form.begin(1)
    for t in range(5):
        form.step(x[:1, t], state)
    state = join(state, form.begin(1))
    for t in range(5, 10):
        form.step(torch.stack([x[0, t], x[1, t - 5]]), state)
    both = form.finish(state)
    assert both[:1] == pytest.approx(model(x[:1, :10]), abs=1e-9)
    assert both[1:] == pytest.approx(model(x[1:2, :5]), abs=1e-9)
    state = join(take(state, torch.tensor([1])), form.begin(1))
    for t in range(10, 13):
        form.step(torch.stack([x[1, t - 5], x[2, t - 10]]), state)
    assert form.finish(state)[0] == pytest.approx(model(x[1:2, :8])[0], abs=1e-9)
    assert form.finish(state)[1] == pytest.approx(model(x[2:, :3])[0], abs=1e-9)


@pytest.mark.parametrize(("name", "settings"), all_networks())
@torch.inference_mode()
def test_missing_joints_and_absent_people(name: str, settings: dict) -> None:
    model, x = make(name, settings), clips(1)
    score = (torch.rand(1, N_FRAMES, N_JOINTS, generator=torch.Generator().manual_seed(2)) > 0.3).double()
    score[:, 4:7] = 0
    form = continual_form(model)
    state = form.begin()
    for t in range(N_FRAMES):
        form.step(x[:, t], state, score[:, t])
    assert form.finish(state) == pytest.approx(model(x, None, score), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "settings"), [("skelactnet", CAUSAL["skelactnet"]), ("stgcn", SMALL), ("gru", CAUSAL["gru"])]
)
@torch.inference_mode()
def test_states_are_saved_and_float32_is_close(name: str, settings: dict, tmp_path) -> None:
    model, x = make(name, settings, torch.float32), clips(dtype=torch.float32)
    form = continual_form(model)
    state = form.begin(2)
    for t in range(9):
        form.step(x[:, t], state)
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "state.safetensors")
    state = load_file(tmp_path / "state.safetensors")
    for t in range(9, N_FRAMES):
        form.step(x[:, t], state)
    expected = model(x)
    assert (form.finish(state) - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.inference_mode()
def test_a_sum_that_goes_on_is_kept_exactly() -> None:
    model = make("gru", CAUSAL["gru"], torch.float32)
    form = continual_form(model)
    assert form.begin()["mean"].dtype == torch.float64
    assert continual_form(model, window=4).begin(3)["mean"].shape == (3, 4, 8)


def test_what_cannot_run_so_says_why() -> None:
    reasons = {
        "skelactnet": ({"channels": (8, 8)}, "whole clip"),
        "ctrgcn": (SMALL, "whole clip"),
        "agcn": (SMALL, "whole clip"),
        "aagcn": (SMALL, "whole clips"),
        "lstm": ({"hidden": 4}, "bidirectional"),
        "skateformer": ({}, "SkateEmbedding"),
        "shiftgcn": ({}, "ShiftBlock"),
        "stalstm": ({}, "STALSTM"),
    }
    for name, (settings, words) in reasons.items():
        model = MODELS[name](**settings).build("ntu25", 3, 3).eval()
        assert words in why_not_continual(model)
        with pytest.raises(ConfigError, match=r"Slide a window"):
            continual_form(model)
    with pytest.raises(ConfigError, match="eval"):
        continual_form(make("gru", CAUSAL["gru"]).train())
    with pytest.raises(ConfigError, match="window"):
        continual_form(make("gru", CAUSAL["gru"]), window=-1)
    form = continual_form(make("gru", CAUSAL["gru"]))
    with pytest.raises(ConfigError, match="1 people, 20 joints"):
        form.step(torch.zeros(2, 20, 3), form.begin())
    assert set(MODELS) >= {name.split()[0] for name in (*CAUSAL, *DELAYED)}


@torch.inference_mode()
def test_weights_for_two_people_see_each_alone() -> None:
    model, x = make("stgcn", {**SMALL, "padded_people": 2}), clips(1)
    form = continual_form(model)
    state = form.begin()
    for t in range(N_FRAMES):
        form.step(x[:, t], state)
    assert form.finish(state) == pytest.approx(model.head(model.people_features(x)), abs=1e-9)
