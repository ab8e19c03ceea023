"""RGBPose-Conv3D: its links, its two losses, what is missing, and how it begins."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import CheckpointError, ConfigError
from skelact.models import ModelSettings, PoseC3D, RGBPoseConv3d
from skelact.models.video import create_video_model
from skelact.nn.fast import inference_form
from skelact.nn.heatmap import make_heatmaps
from skelact.settings import from_plain, to_plain
from skelact.training.losses import LOSSES, training_loss
from skelact.training.settings import TrainSettings
from skelact.transforms.places import Places

TINY = {
    "width": 4,
    "pose_width": 4,
    "depths": [1, 1, 1, 1],
    "pose_depths": [1, 1, 1],
    "size": 16,
    "dropout": 0.0,
}
N, P, S, V, T, SIDE = 2, 3, 8, 25, 2, 64


def network(**settings) -> RGBPoseConv3d:
    torch.manual_seed(0)
    plain = {"name": "rgbpose_conv3d", **TINY, **settings}
    return from_plain(ModelSettings, plain, "model").build("ntu25", 4, 3)


def batch() -> tuple:
    made = torch.Generator().manual_seed(1)
    owner = torch.tensor([0, 0, 1])
    x = torch.randn(P, S, V, 3, generator=made)
    pictures = {"rgb": torch.randn(N, 3, T, SIDE, SIDE, generator=made)}
    xy = torch.rand(P, S, V, 2, generator=made)
    there = torch.ones(P, S, V, dtype=torch.bool)
    nearest = (torch.arange(S) * T // S).expand(N, S)
    places = {"rgb": Places(xy[:, ::4], there[:, ::4], nearest, xy, there)}
    return x, owner, torch.ones(P, S, V), N, pictures, {}, places


def test_the_links_go_both_ways() -> None:
    """Equations: a convolution with stride over time, its transpose back, and both joined before the next stages."""
    net = network().eval()
    x, owner, score, n, pictures, _, places = batch()
    volume = net.draw(x, owner, score, n, places["rgb"])
    slow = net.slow.rows[1](net.slow.rows[0](net.slow.begin(pictures["rgb"])))
    fast = net.rows[0](torch.nn.functional.max_pool3d(net.stem(volume), (1, 3, 3), 1, (0, 1, 1)))
    assert slow.shape[2:] == (T, 8, 8) and fast.shape[2:] == (S, 8, 8)
    conv = net.to_slow[0][0]
    padded = torch.nn.functional.pad(fast, (0, 0, 0, 0, 3, 3))
    steps = [
        torch.einsum("nckhw,dck->ndhw", padded[:, :, 4 * t : 4 * t + 7], conv.weight[..., 0, 0])
        for t in range(T)
    ]
    assert torch.allclose(net.to_slow[0](fast), torch.stack(steps, 2), atol=1e-5)
    conv, norm = net.to_fast[0][0], net.to_fast[0][1]
    spread = torch.zeros(n, conv.weight.shape[1], S + 6, 8, 8)
    for t in range(T):
        spread[:, :, 4 * t : 4 * t + 7] += torch.einsum(
            "nchw,cdk->ndkhw", slow[:, :, t], conv.weight[..., 0, 0]
        )
    assert torch.allclose(net.to_fast[0](slow), norm(spread[:, :, 3 : 3 + S]).relu(), atol=1e-5)
    a = net.slow.rows[2](torch.cat([slow, net.to_slow[0](fast)], 1))
    b = net.rows[1](torch.cat([fast, net.to_fast[0](slow)], 1))
    slow, fast = a, b
    a = net.slow.rows[3](torch.cat([slow, net.to_slow[1](fast)], 1)).mean((2, 3, 4))
    b = net.rows[2](torch.cat([fast, net.to_fast[1](slow)], 1)).mean((2, 3, 4))
    assert all(
        torch.allclose(x, y, atol=1e-5)
        for x, y in zip(net.pathways(pictures["rgb"], volume, (True,) * n), (a, b), strict=True)
    )


def test_scores_are_averaged_and_losses_added() -> None:
    given = batch()
    net = network().eval()
    for head in net.heads.values():
        torch.nn.init.normal_(head.weight)
    logits, flags, people = net.answer(*given)
    assert flags == (True, True) and people.tolist() == [True, True]
    mean = (logits["rgb"].softmax(1) + logits["skeleton"].softmax(1)) / 2
    assert torch.allclose(net(*given).exp(), mean, atol=1e-5)
    assert torch.allclose(inference_form(net)(*given), net(*given), atol=1e-3)
    half = inference_form(net, torch.bfloat16)(*given)
    assert half.dtype == torch.float32 and torch.allclose(half.exp(), mean, atol=0.05)
    net.train()
    label = torch.tensor([2, 1])
    answer = net(*given)
    got = training_loss(net, answer, label, torch.nn.functional.cross_entropy)
    logits = net.answer(*given)[0]  # running statistics play no part in training
    mean = (logits["rgb"].softmax(1) + logits["skeleton"].softmax(1)) / 2
    assert torch.allclose(answer.exp(), mean, atol=1e-5)  # so the figure of training is the joint answer's
    both = sum(torch.nn.functional.cross_entropy(one, label) for one in logits.values())
    assert torch.allclose(got, both, atol=1e-5)
    settings = TrainSettings(label_smoothing=0.3)
    smooth = training_loss(net, answer, label, lambda z, y: LOSSES["cross_entropy"](z, y, None, settings))
    both = sum(torch.nn.functional.cross_entropy(one, label, label_smoothing=0.3) for one in logits.values())
    assert torch.allclose(smooth, both, atol=1e-5) and not torch.allclose(smooth, got)
    got.backward()
    for name, value in net.named_parameters():
        assert value.grad is not None and value.grad.isfinite().all(), name


def test_clips_without_pictures_leave_no_trace_in_the_pictures_pathway() -> None:
    x, owner, score, n, pictures, _, places = batch()
    label = torch.tensor([2, 1])
    net, alone = network().train(), network().train()
    there = {"rgb": (False, True)}
    net(x, owner, score, n, pictures, there, places)
    loss = training_loss(net, torch.empty(0), label, torch.nn.functional.cross_entropy)
    alone.slow.rows[1](alone.slow.rows[0](alone.slow.begin(pictures["rgb"][1:])))
    for part in (0, 1):
        expected = alone.slow.rows[part].state_dict()
        for name, value in net.slow.rows[part].state_dict().items():
            assert torch.equal(value, expected[name]), name
    logits = net.answer(x, owner, score, n, pictures, there, places)[0]
    cross = torch.nn.functional.cross_entropy
    assert torch.allclose(
        loss, cross(logits["rgb"][1:], label[1:]) + cross(logits["skeleton"], label), atol=1e-5
    )


def test_heatmaps_lie_where_the_joints_are_in_the_picture() -> None:
    net = network()
    x, owner, score, n, _, _, places = batch()
    at = places["rgb"]
    at.there_frames[0, 2, 5] = False
    at.there_frames[2] = False  # of this person no place is known: the square around the people
    volume = net.draw(x, owner, score, n, at)
    shown = score.clone()
    shown[0, 2, 5] = 0
    expected = make_heatmaps(at.xy_frames[:2] * 16 - 0.5, shown[:2], owner[:2], 1, 16, 0.7)
    assert torch.allclose(volume[:1], expected)
    alone = PoseC3D("ntu25", 4, 3, width=4, size=16, sigma=0.7)
    assert torch.allclose(volume[1:], alone.draw(x[2:], owner[2:] - 1, score[2:], 1))
    assert torch.allclose(net.draw(x[2:], owner[2:] - 1, score[2:], 1), volume[1:])


def test_what_a_clip_lacks_does_not_count() -> None:
    net = network().eval()
    for head in net.heads.values():
        torch.nn.init.normal_(head.weight)
    x, owner, score, n, pictures, _, places = batch()
    score[2] = 0
    pictures["rgb"][0] = torch.nan
    there = {"rgb": torch.tensor([False, True])}
    logits, flags, people = net.answer(x, owner, score, n, pictures, there, places)
    assert flags == (False, True) and people.tolist() == [True, False]
    got = net(x, owner, score, n, pictures, there, places).exp()
    assert torch.allclose(got[0], logits["skeleton"][0].softmax(0), atol=1e-5)
    assert torch.allclose(got[1], logits["rgb"][1].softmax(0), atol=1e-5)
    assert (net(x, owner, torch.zeros_like(score), n) == 0).all()
    net.train()
    assert net(x, owner, score, n, pictures, there, places).isfinite().all()
    assert net.heads_loss(torch.tensor([0, 1]), torch.nn.functional.cross_entropy).isfinite()


def test_it_begins_as_the_two_networks_that_were_trained_alone() -> None:
    net = network(depths=[3, 4, 6, 3]).eval()
    rgb = create_video_model("slowonly_50", 4, 3, width=1 / 16).eval()
    pose = PoseC3D("ntu25", 4, 3, width=4, depths=(1, 1, 1), size=16, sigma=0.7).eval()
    net.start_stream("rgb", rgb.state_dict(), "x")
    net.start_stream("skeleton", pose.state_dict(), "y")
    pose.rows[2][0].spread[0].stride = (1, 2, 2)  # the pathway keeps all frames to the end
    pose.rows[2][0].shortcut[0].stride = (1, 2, 2)
    given = batch()
    logits = net.answer(*given)[0]
    assert torch.allclose(logits["rgb"], rgb(given[4]["rgb"]), atol=1e-5)
    volume = net.draw(*given[:4], given[6]["rgb"])
    assert torch.allclose(logits["skeleton"], pose(volume), atol=1e-5)
    with pytest.raises(CheckpointError, match="posec3d"):
        net.start_stream("skeleton", rgb.state_dict(), "x")
    with pytest.raises(CheckpointError, match="slowonly"):
        net.start_stream("rgb", {k: v for k, v in rgb.state_dict().items() if k != "slow.stem.0.weight"}, "x")
    with pytest.raises(ConfigError, match="'flow'"):
        net.start_stream("flow", {}, "x")


def test_it_learns_a_few_clips_by_heart() -> None:
    net, given, label = network().train(), batch(), torch.tensor([2, 1])
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(15):
        loss = training_loss(net, net(*given), label, torch.nn.functional.cross_entropy)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.1


def bottlenecks(channels: int, out: int, depth: int, temporal: bool, linked: int = 0) -> int:
    """Weights of a stage, by hand: three kernels and their norms a block, and the first one's shortcut."""
    inner, total = out // 4, 0
    for i in range(depth):
        c = channels + linked if i == 0 else out
        total += c * inner * (3 if temporal else 1) + 9 * inner * inner + inner * out + 4 * inner + 2 * out
        total += c * out + 2 * out if i == 0 else 0
    return total


def test_weights_are_counted_by_hand() -> None:
    net = RGBPoseConv3d("coco17", 60)
    rgb = 3 * 64 * 49 + 128
    rgb += bottlenecks(64, 256, 3, False) + bottlenecks(256, 512, 4, False)
    rgb += bottlenecks(512, 1024, 6, True, 128) + bottlenecks(1024, 2048, 3, True, 256)
    pose = 17 * 32 * 49 + 64 + bottlenecks(32, 128, 4, False)
    pose += bottlenecks(128, 256, 6, True, 32) + bottlenecks(256, 512, 3, True, 64)
    links = 7 * (128**2 + 256**2) + 7 * (512 * 32 + 1024 * 64) + 2 * (32 + 64)  # as in PYSKL's code
    heads = 60 * (2048 + 1) + 60 * (512 + 1)
    assert sum(p.numel() for p in net.parameters()) == rgb + pose + links + heads
    alone = create_video_model("slowonly_50", 400)  # published: 32.45 M
    assert round(sum(p.numel() for p in alone.parameters()) / 1e6, 2) == 32.45


def test_what_does_not_fit() -> None:
    x, owner, score, n, pictures, _, places = batch()
    with pytest.raises(ConfigError, match=r"sampling\.n_frames"):
        network()(x[:, :7], owner, score[:, :7], n, pictures)
    with pytest.raises(ConfigError, match="4 × size"):
        network(size=24)(x, owner, score, n, pictures, {}, places)
    for wrong in ({"link_frames": 4}, {"size": 20}, {"depths": [1, 1]}, {"ratio": 0}):
        with pytest.raises(ConfigError, match="RGBPose-Conv3D"):
            network(**wrong)
    settings = from_plain(ModelSettings, {"name": "rgbpose_conv3d"}, "model")
    assert from_plain(ModelSettings, to_plain(settings), "model") == settings
