"""Patch as node: what the nodes see, what is missing, and that it learns what only the picture tells."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import CheckpointError, ConfigError
from skelact.models import ModelSettings, PatchAsNode
from skelact.models.video import create_video_model
from skelact.nn.fast import inference_form
from skelact.settings import from_plain, to_plain
from skelact.transforms.places import Places

N, P, S, V, T, SIDE = 3, 4, 8, 25, 4, 32
PICTURE = {"name": "resnet3d", "depth": 18, "width": 0.0625, "stem_pool": False}


def network(**settings) -> PatchAsNode:
    torch.manual_seed(0)
    graph = {"name": "stgcn", "channels": [16, 16], "stride_blocks": [1], "dropout": 0.0}
    plain = {"name": "patch_as_node", "graph": graph, "picture": PICTURE, "width": 8, **settings}
    return from_plain(ModelSettings, plain, "model").build("ntu25", 4, 3)


def batch(seed: int = 1) -> tuple:
    made = torch.Generator().manual_seed(seed)
    owner = torch.tensor([0, 1, 1, 2])
    x = torch.randn(P, S, V, 3, generator=made)
    pictures = {"rgb": torch.randn(N, 3, T, SIDE, SIDE, generator=made)}
    nearest = (torch.arange(S) * T // S).expand(N, S)
    xy = torch.rand(P, T, V, 2, generator=made)
    there = torch.ones(P, T, V, dtype=torch.bool)
    frames = xy.repeat_interleave(S // T, 1)
    places = {"rgb": Places(xy, there, nearest, frames, torch.ones(P, S, V, dtype=torch.bool))}
    return x, owner, torch.ones(P, S, V), N, pictures, {}, places


def test_nodes_are_the_projected_map_at_the_joints() -> None:
    net = network().eval()
    x, owner, score, n, pictures, _, places = given = batch()
    maps = net.backbone.maps(pictures["rgb"])
    at = places["rgb"]
    nodes = net.patches(maps, owner, at.xy, at.there, at.nearest)
    graph = net.encoders["skeleton"]
    assert torch.allclose(net(*given), graph(torch.cat([x, nodes], -1), owner, score, n), atol=1e-6)
    assert torch.allclose(inference_form(net)(*given), net(*given), atol=1e-4)
    assert torch.allclose(inference_form(net, torch.bfloat16)(*given), net(*given), atol=0.05)
    assert network().head.weight.shape == (4, 16) and net.streams == ["skeleton", "rgb"]


def test_what_is_missing_is_zero_and_never_seen() -> None:
    net = network().eval()
    x, owner, score, n, pictures, _, places = batch()
    nodes_missing = torch.cat([x, torch.zeros(*x.shape[:3], 8)], -1)
    alone = net.encoders["skeleton"](nodes_missing, owner, score, n)
    assert torch.allclose(net(x, owner, score, n), alone, atol=1e-6)
    some = torch.tensor([True, False, True])
    pictures["rgb"][1] = torch.nan
    got = net(x, owner, score, n, pictures, {"rgb": some}, places)
    assert got.isfinite().all() and torch.allclose(got[1], alone[1], atol=1e-5)
    assert not torch.allclose(got[0], alone[0], atol=1e-4)
    hidden = places["rgb"]._replace(there=torch.zeros(P, T, V, dtype=torch.bool))
    assert torch.allclose(net(x, owner, score, n, pictures, {"rgb": some}, {"rgb": hidden}), alone, atol=1e-5)


def test_gradients_and_freezing() -> None:
    net = network(drop=0.0).train()
    net(*batch()).square().sum().backward()
    for name, value in net.named_parameters():
        assert value.grad is not None and value.grad.isfinite().all(), name
    still = network(drop=0.0, frozen=True).train()
    before = {k: v.clone() for k, v in still.backbone.state_dict().items()}
    still(*batch()).square().sum().backward()
    assert all(torch.equal(before[k], v) for k, v in still.backbone.state_dict().items())
    assert (
        all(p.grad is None for p in still.backbone.parameters())
        and still.patches.project.weight.grad is not None
    )
    assert still.stages()[-1][0] == "head" and "patches" in dict(still.stages())


def test_the_whole_modality_is_dropped_in_training() -> None:
    net = network(drop=0.9).train()
    torch.manual_seed(0)
    given = batch()
    seen = []
    net.encoders["skeleton"].register_forward_pre_hook(lambda _, args: seen.append(args[0][..., 3:]))
    for _ in range(10):
        net(*given)
    absent = torch.stack([(nodes == 0).flatten(1).all(1) for nodes in seen])
    assert 0.6 < absent.float().mean() < 1 and torch.equal(absent[:, 1], absent[:, 2])  # people of one clip


@pytest.mark.slow
def test_it_learns_what_only_the_picture_at_a_joint_tells() -> None:
    """The skeletons say nothing; the class is the brightness at one joint, whose place moves about."""
    torch.manual_seed(0)
    label = torch.arange(8) % 2
    x, owner, score = torch.zeros(8, S, V, 3), torch.arange(8), torch.ones(8, S, V)
    xy = torch.full((8, T, V, 2), 0.5)
    xy[:, :, 4] = 0.2 + 0.6 * torch.rand(8, 1, 2)
    clips = torch.zeros(8, 3, T, SIDE, SIDE)
    for k in range(8):
        column, row = (xy[k, 0, 4] * SIDE).long().tolist()
        clips[k, :, :, row - 4 : row + 4, column - 4 : column + 4] = 2.0 * label[k] - 1.0
        clips[k, :, :, :4, :4] = 1.0 - 2.0 * label[k]  # the picture as a whole does not tell
    ones = torch.ones(8, T, V, dtype=torch.bool)
    nearest = (torch.arange(S) * T // S).expand(8, S)
    places = {
        "rgb": Places(xy, ones, nearest, xy.repeat_interleave(2, 1), torch.ones(8, S, V, dtype=torch.bool))
    }
    net = network(drop=0.0).train()
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(25):
        loss = torch.nn.functional.cross_entropy(net(x, owner, score, 8, {"rgb": clips}, {}, places), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.1


def test_settings_and_what_does_not_fit() -> None:
    net = network()
    state = create_video_model(**{**PICTURE, "n_classes": 7}).state_dict()
    net.start_stream("rgb", state, "x")
    assert torch.equal(net.backbone.stem[0].weight, state["stem.0.weight"])
    with pytest.raises(CheckpointError, match=r"model\.picture"):
        net.start_stream("rgb", {}, "x")
    with pytest.raises(ConfigError, match="start alone"):
        net.start_stream("skeleton", {}, "x")
    with pytest.raises(ConfigError, match=r"pictures\.rgb\.places"):
        net(*batch()[:5])
    with pytest.raises(ConfigError, match="gives maps"):
        network(picture={"name": "lrcn", "width": 0.0625})
    with pytest.raises(ConfigError, match=r"model\.graph"):
        network(graph=PICTURE)
    with pytest.raises(ConfigError, match="drop"):
        network(drop=1.0)
    settings = from_plain(ModelSettings, {"name": "patch_as_node", "picture": PICTURE}, "model")
    assert from_plain(ModelSettings, to_plain(settings), "model") == settings
