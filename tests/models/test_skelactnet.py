"""SkelactNet: what is causal sees no future, topologies are refined by what they say, and its parts fold exactly."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import ConfigError
from skelact.models import SkelactNet, SkelactNetSettings
from skelact.nn.fast import inference_form
from skelact.nn.fast.table import fold
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.heads import HeadGraphConv, aggregate_heads
from skelact.nn.temporal.attention import CausalAttention
from skelact.nn.temporal.split import SplitConv

SMALL = {"channels": (8, 16, 16), "stride_blocks": (1,)}


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """Nothing at its start value, norms with statistics of their own."""
    torch.manual_seed(0)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn_like(value), alpha=0.1)
        for norm in (m for m in module.modules() if isinstance(m, torch.nn.BatchNorm1d)):
            norm.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return module.eval()


@pytest.mark.parametrize("topology", [None, "learned"])
def test_a_causal_network_sees_no_future(topology: str | None) -> None:
    settings = SkelactNetSettings(**SMALL, causal=True, topology=topology)  # type: ignore[arg-type]
    model = shaken(settings.build("ntu25", 5, 3)).double()
    x = torch.randn(2, 32, 25, 3, dtype=torch.float64)
    whole = model.feature_map(x)  # type: ignore[operator]
    later = x.clone()
    later[:, 17:] = torch.randn_like(later[:, 17:])
    # two strides of 1 and 2: output frame t has seen input frames up to 2 t
    changed = model.feature_map(later)  # type: ignore[operator]
    assert torch.equal(whole[:, :, :9], changed[:, :, :9])
    assert not torch.allclose(whole[:, :, 9:], changed[:, :, 9:])
    part = model.feature_map(x[:, :17])  # type: ignore[operator]
    assert torch.allclose(part, whole[:, :, :9], atol=1e-12)
    plain = shaken(SkelactNetSettings(**SMALL).build("ntu25", 5, 3)).double()  # type: ignore[arg-type]
    assert not torch.allclose(plain.feature_map(x)[:, :, :9], plain.feature_map(later)[:, :, :9])  # type: ignore[operator]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("topology", ["learned", "clip", "frame"])
def test_the_folded_network_gives_the_same(topology: str, causal: bool) -> None:
    if causal and topology == "clip":
        pytest.skip("cannot be built")
    settings = SkelactNetSettings(channels=(16, 96, 96), stride_blocks=(1,), topology=topology, causal=causal)  # type: ignore[arg-type]
    model = shaken(settings.build("ntu25", 5, 3)).double()
    x, owner = torch.randn(5, 21, 25, 3, dtype=torch.float64), torch.tensor([0, 0, 1, 2, 2])
    assert torch.allclose(inference_form(model, torch.float64)(x, owner), model(x, owner), atol=1e-12)  # type: ignore[operator]


def test_heads_aggregate_as_einsum_does() -> None:
    x = torch.randn(5, 2, 3, 8, dtype=torch.float64)
    groups = x.view(5, 2, 3, 4, 2)
    for shape, rule in (
        ((4, 5, 5), "hwv,vpthd->wpthd"),
        ((2, 4, 5, 5), "phwv,vpthd->wpthd"),
        ((2, 3, 4, 5, 5), "pthwv,vpthd->wpthd"),
    ):
        topology = torch.randn(shape, dtype=torch.float64)
        expected = torch.einsum(rule, topology, groups).reshape(5, 2, 3, 8)
        assert torch.allclose(aggregate_heads(x, topology), expected, atol=1e-12)


def test_a_clip_topology_is_the_clips_and_a_frame_topology_the_frames() -> None:
    x = torch.randn(25, 1, 8, 16)
    adjacency = torch.eye(25).expand(3, 25, 25).numpy()
    learned, clip, frame = (
        shaken(HeadGraphConv(16, 16, adjacency, topology=t)) for t in ("learned", "clip", "frame")
    )
    shuffled = torch.randperm(8)
    for module in (learned, clip, frame):  # no layer of them looks at the order of frames
        assert torch.allclose(module(x)[:, :, shuffled], module(x[:, :, shuffled]), atol=1e-5)
    other = x.clone()
    other[:, :, 5] += 1
    assert torch.equal(learned(other)[:, :, :5], learned(x)[:, :, :5])
    assert torch.allclose(frame(other)[:, :, :5], frame(x)[:, :, :5], atol=1e-6)
    assert not torch.allclose(clip(other)[:, :, :5], clip(x)[:, :, :5], atol=1e-4)


def test_split_convolution_folds_with_its_norm() -> None:
    for causal in (False, True):
        conv, norm = shaken(SplitConv(13, 2, causal=causal)).double(), shaken(ChannelNorm(13)).double()
        x = torch.randn(3, 2, 11, 13, dtype=torch.float64)
        folded = fold(conv, norm, torch.float64)(x)
        assert torch.allclose(folded, norm(conv(x)), atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"causal": True, "topology": "clip"}, "frame or learned"),
        ({"n_heads": 3}, "cannot be shared by 3 heads"),
        ({"kernel": 4}, "kernel must be odd"),
        ({"channels": ()}, "channels of at least 1"),
        ({"channels": (2,), "n_heads": 1}, "4 groups"),
    ],
)
def test_bad_settings(changes: dict, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        SkelactNetSettings(**{**SMALL, **changes}).build("ntu25", 5, 3)


def test_temporal_attention_sees_its_window_and_nothing_later() -> None:
    """One block: the features of a frame depend on the last frames of the window, in every one of them, alone."""
    torch.manual_seed(0)
    net = SkelactNet(
        "ntu25",
        3,
        channels=(8,),
        stride_blocks=(),
        topology="learned",
        causal=True,
        temporal="attention",
        window=4,
    ).eval()
    assert any(isinstance(m, CausalAttention) and m.window == 4 for m in net.modules())
    x = torch.randn(1, 12, 25, 3)
    with torch.inference_mode():
        before = net.feature_map(x)
        for frame in range(12):
            changed = x.clone()
            changed[:, frame] += 1
            moved = (net.feature_map(changed) - before).abs().amax((0, 1, 3)) > 1e-6
            assert moved.nonzero()[:, 0].tolist() == list(range(frame, min(12, frame + 4))), frame


def test_wrong_temporal_modules_are_refused() -> None:
    with pytest.raises(ConfigError, match="causal"):
        SkelactNet("ntu25", 3, temporal="attention")
    with pytest.raises(ConfigError, match="attention"):
        SkelactNet("ntu25", 3, causal=True, temporal="atention")
    with pytest.raises(ConfigError, match="window"):
        CausalAttention(8, window=0)
    with pytest.raises(ConfigError, match="divide"):
        CausalAttention(8, n_heads=3)
