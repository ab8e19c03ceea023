"""Which frames and pixels the networks see, and how they join them: Karpathy's, two-stream, TSN, SlowFast."""

from __future__ import annotations

import pytest
import torch
from small_video_models import build_video, caught, numbered
from torch import nn
from torch.nn import functional

from skelact.models.video import adapt_first_conv
from skelact.models.video.base import middle_frames, scale
from skelact.models.video.karpathy import KarpathyNet
from skelact.models.video.slowfast import SlowFast
from skelact.models.video.tsn import TSN
from skelact.models.video.two_stream import TwoStreamTower


def test_scale_and_middle_frames() -> None:
    assert [scale(c, 1.0) for c in (45, 64)] == [45, 64]
    assert [scale(c, 0.25) for c in (45, 64, 4)] == [12, 16, 4]
    assert middle_frames(numbered(11), 3)[0, 0, :, 0, 0].tolist() == [40, 50, 60]
    assert middle_frames(numbered(2), 4)[0, 0, :, 0, 0].tolist() == [0, 10, 10, 10]


@pytest.mark.parametrize(
    ("name", "t", "frames"),
    [
        ("single_frame", 7, [3]),
        ("early_fusion", 14, list(range(2, 12))),
        ("slow_fusion", 10, list(range(10))),
        ("late_fusion", 16, [0, 15]),
        ("late_fusion", 30, [7, 22]),
        ("late_fusion", 5, [0, 4]),
        ("late_fusion", 1, [0, 0]),
    ],
)
def test_frames_of_karpathys_networks(name: str, t: int, frames: list[int]) -> None:
    model = build_video(name).eval()
    seen = caught(model.get_submodule("towers.whole"))
    model(numbered(t))
    assert (seen[0][0, 0, :, 0, 0] / 10).tolist() == frames


def test_slow_fusion_joins_four_then_two_then_two_frames() -> None:
    model = build_video("slow_fusion").eval()
    lengths = []
    for part in model.get_submodule("towers.whole").children():
        if isinstance(part, nn.Conv3d):
            part.register_forward_hook(lambda *a: lengths.append(a[2].shape[2]))
    model(numbered(10))
    assert lengths == [4, 2, 1, 1, 1]


@pytest.mark.parametrize(("multires", "size"), [(False, 170), (True, 178)])
def test_maps_at_the_papers_size_are_7_by_7(multires: bool, size: int) -> None:
    with torch.device("meta"):
        model = build_video("single_frame", multires=multires)
        x = torch.zeros(1, 3, 1, size, size)
        assert isinstance(model, KarpathyNet)
        for name, view in model.views(x).items():
            assert view.shape[3:] == ((89, 89) if multires else (170, 170))
            assert model.towers[name](view).shape[2:] == (1, 7, 7)


def test_fovea_is_the_middle_and_context_the_whole() -> None:
    model = build_video("single_frame", multires=True)
    assert isinstance(model, KarpathyNet)
    x = torch.rand(1, 3, 1, 64, 48)
    views = model.views(x)
    assert torch.equal(views["fovea"], x[..., 16:48, 12:36])
    assert torch.allclose(views["context"][..., 3, 5], x[..., 6:8, 10:12].mean((-1, -2)))


def test_late_fusion_shares_its_tower_and_joins_in_the_first_full_layer() -> None:
    model = build_video("late_fusion").eval()
    assert isinstance(model, KarpathyNet)
    x = torch.randn(1, 3, 16, 40, 40)
    tower = model.towers["whole"]
    maps = [functional.adaptive_avg_pool2d(tower(x[:, :, [t]])[:, :, 0], 7) for t in (0, 15)]
    joined = torch.stack(maps, 2).flatten(1)
    expected = model.head(model.fc7(model.fc6(joined).relu()).relu())
    assert torch.allclose(model(x), expected, atol=1e-6)


def test_two_stream_stacks_flow_and_knows_which_stream_it_is() -> None:
    flow, colour = build_video("two_stream", channels_in=2).eval(), build_video("two_stream").eval()
    assert isinstance(flow, TwoStreamTower) and isinstance(colour, TwoStreamTower)
    assert (flow.n_frames, colour.n_frames) == (10, 1)
    seen = caught(flow.tower)
    flow(numbered(12, channels=2))
    assert seen[0][0, :, 0, 0].tolist() == [
        10 * t + c for t in range(1, 11) for c in range(2)
    ]  # dx, dy, dx, ...
    norms = [sum(isinstance(m, nn.LocalResponseNorm) for m in model.modules()) for model in (flow, colour)]
    assert norms == [1, 2]
    with torch.device("meta"):
        assert build_video("two_stream").get_submodule("tower.maps")(torch.zeros(1, 3, 224, 224)).shape[
            2:
        ] == (6, 6)


@pytest.mark.parametrize(
    ("t", "k", "length", "frames"),
    [
        (3, 3, 1, [[0], [1], [2]]),
        (9, 3, 1, [[1], [4], [7]]),
        (10, 2, 5, [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]),
        (20, 2, 5, [[2, 3, 4, 5, 6], [12, 13, 14, 15, 16]]),
        (2, 3, 2, [[0, 1], [0, 1], [1, 1]]),
    ],
)
def test_tsn_snippets(t: int, k: int, length: int, frames: list[list[int]]) -> None:
    model = build_video("tsn", channels_in=2, n_segments=k, snippet_frames=length)
    assert isinstance(model, TSN)
    snippets = model.snippets(numbered(t, channels=2))
    assert snippets.shape == (1, k, 2 * length, 40, 40)
    assert (snippets[0, :, ::2, 0, 0] / 10).tolist() == frames
    assert torch.equal(snippets[:, :, 1::2], snippets[:, :, ::2] + 1)


@pytest.mark.parametrize("consensus", ["mean", "max"])
def test_tsn_joins_the_scores_of_segments(consensus: str) -> None:
    model = build_video("tsn", consensus=consensus).eval()
    assert isinstance(model, TSN)
    x = torch.randn(2, 3, 3, 40, 40)
    scores = torch.stack([model.head(model.tower(x[:, :, k])) for k in range(3)], 1)
    expected = scores.mean(1) if consensus == "mean" else scores.amax(1)
    assert torch.allclose(model(x), expected, atol=1e-5)
    assert torch.allclose(model.step_logits(x), scores, atol=1e-5)


def test_partial_norm_keeps_all_statistics_but_the_first() -> None:
    for partial in (False, True):
        model = build_video("tsn", partial_norm=partial).train()
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        before = [m.running_mean.clone() for m in norms if m.running_mean is not None]
        model.eval().train()(torch.randn(2, 3, 3, 40, 40))
        moved = [not torch.equal(m.running_mean, old) for m, old in zip(norms, before, strict=True)]
        assert moved == [True] + [not partial] * (len(norms) - 1)


def test_cross_modality_start() -> None:
    weight = torch.randn(8, 3, 7, 7)
    made = adapt_first_conv(weight, 10)
    assert made.shape == (8, 10, 7, 7)
    for c in range(10):
        assert torch.allclose(made[:, c], (weight[:, 0] + weight[:, 1] + weight[:, 2]) / 3, atol=1e-6)
    assert adapt_first_conv(torch.randn(8, 3, 3, 7, 7), 2).shape == (8, 2, 3, 7, 7)


@pytest.mark.parametrize(
    ("alpha", "tau", "slow", "fast"), [(8, 8, 8, 1), (4, 4, 4, 1), (8, 16, 16, 2), (2, 8, 8, 4)]
)
def test_slowfast_pathways_take_their_frames(alpha: int, tau: int, slow: int, fast: int) -> None:
    model = build_video("slowfast", alpha=alpha, tau=tau).eval()
    assert isinstance(model, SlowFast)
    seen_slow, seen_fast = caught(model.slow.stem), caught(model.fast.stem)
    x = numbered(37)
    model(x)
    assert torch.equal(seen_slow[0], x[:, :, ::slow]) and torch.equal(seen_fast[0], x[:, :, ::fast])


def test_slowfast_channels_and_laterals() -> None:
    with torch.device("meta"):
        model = build_video("slowfast", width=1.0)
    assert isinstance(model, SlowFast)
    assert model.n_features == 2048 + 256
    inputs = [stage.get_parameter("0.reduce.0.weight").shape[1] for stage in model.slow.rows]
    assert inputs == [64 + 16, 256 + 64, 512 + 128, 1024 + 256]  # C + 2 beta C
    laterals = [tuple(part.get_parameter("0.weight").shape) for part in model.lateral]
    assert laterals == [(2 * c, c, 5, 1, 1) for c in (8, 32, 64, 128)]
    kernels = [stage.get_parameter("1.reduce.0.weight").shape[2] for stage in model.slow.rows]
    assert kernels == [1, 1, 3, 3]
    assert {stage.get_parameter("1.reduce.0.weight").shape[2] for stage in model.fast.rows} == {3}


def test_fast_pathway_reaches_the_slow_one() -> None:
    model = build_video("slowfast").double().eval()
    assert isinstance(model, SlowFast)
    x = torch.randn(1, 3, 16, 32, 32, dtype=torch.float64)
    other = x.clone()
    other[:, :, 3] += 1  # the slow pathway takes frames 0 and 8
    slow_features = 32 * 4  # of the stem's 4 channels
    assert model.forward_features(x).shape == (1, 32 * (4 + 2))
    difference = (model.forward_features(x) - model.forward_features(other)).abs()[:, :slow_features]
    assert difference.max() > 1e-6
