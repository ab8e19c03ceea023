"""Networks of several streams: what each encoder sees, what is missing, and how they are set up."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import ConfigError
from skelact.models import FusionNet, ModelSettings
from skelact.nn.fast import inference_form
from skelact.settings import from_plain, to_plain

STREAMS = {
    "skeleton": {"name": "stgcn", "channels": [8, 8], "stride_blocks": [1]},
    "rgb": {"name": "resnet3d", "depth": 18, "width": 0.0625},
    "flow": {"name": "single_frame", "width": 0.0625},
}


def network(mode: str = "gated", streams: tuple[str, ...] = tuple(STREAMS), **settings) -> FusionNet:
    torch.manual_seed(0)
    plain = {"name": "fusion", "mode": mode, "streams": {name: STREAMS[name] for name in streams}, **settings}
    made = from_plain(ModelSettings, plain, "model").build("ntu25", 4, 3)
    with torch.no_grad():
        for value in made.parameters():
            value.add_(torch.randn_like(value), alpha=0.05)
    return made


def batch(n: int = 3) -> tuple:
    made = torch.Generator().manual_seed(1)
    owner = torch.arange(n).repeat_interleave(2)
    x = torch.randn(2 * n, 12, 25, 3, generator=made)
    pictures = {
        "rgb": torch.randn(n, 3, 8, 48, 48, generator=made),
        "flow": torch.randn(n, 2, 8, 170, 170, generator=made),
    }
    return x, owner, torch.ones(2 * n, 12, 25), n, pictures


def test_a_stream_sees_its_own_input() -> None:
    net = network().eval()
    x, owner, score, n, pictures = batch()
    fused, weight, alone = net.answer(x, owner, score, n, pictures)
    assert fused.shape == (3, 4) and weight.shape == (3, 3) and list(alone) == net.streams == list(STREAMS)
    skeleton = net.encoders["skeleton"]
    assert torch.allclose(alone["skeleton"], skeleton(x, owner, score, n), atol=1e-6)
    for name in ("rgb", "flow"):
        assert torch.allclose(alone[name], net.encoders[name](pictures[name]), atol=1e-6)
    assert torch.equal(net(x, owner, score, n, pictures), fused)


@pytest.mark.parametrize("training", [False, True])
def test_a_missing_stream_is_never_seen(training: bool) -> None:
    net = network(drop=0.0).train(training)
    x, owner, score, n, pictures = batch()
    there = {"rgb": torch.tensor([True, False, True])}
    score[owner == 2] = 0
    fused, weight, _ = net.answer(x, owner, score, n, pictures, there)
    assert (weight[1, 1] == 0) and (weight[2, 0] == 0) and (weight[0] > 0).all()
    statistics = net.encoders["rgb"].state_dict()
    pictures["rgb"][1] = torch.nan
    again = network(drop=0.0).train(training)
    assert torch.allclose(again.answer(x, owner, score, n, pictures, there)[0], fused)
    for name, value in again.encoders["rgb"].state_dict().items():
        assert torch.equal(value, statistics[name]), name


def test_what_is_not_given_is_missing_everywhere() -> None:
    net = network().eval()
    x, owner, score, n, pictures = batch()
    _, weight, _ = net.answer(x, owner, score, n, {"rgb": pictures["rgb"]})
    assert (weight[:, 2] == 0).all() and (weight[:, :2] > 0).all()
    _, weight, _ = net.answer(x, owner, score, n, {"rgb": pictures["rgb"]}, {"flow": torch.ones(n).bool()})
    assert (weight[:, 2] == 0).all()
    none, weight, _ = net.answer(x, owner, torch.zeros_like(score), n)
    assert (none == 0).all() and (weight == 0).all()


def test_one_stream_alone_is_its_network() -> None:
    net = network(streams=("rgb",)).eval()
    x, owner, score, n, pictures = batch()
    assert torch.allclose(net(x, owner, score, n, pictures), net.encoders["rgb"](pictures["rgb"]), atol=1e-6)
    assert (
        net.train()(x, owner, score, n, pictures).shape == (3, 4)
        and net.extra_loss(torch.zeros(3).long()) is None
    )


def test_one_stream_alone_has_no_weights_beside_its_network() -> None:
    net = network(streams=("rgb",))
    x, owner, score, n, pictures = batch()
    net(x, owner, score, n, pictures).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    names = [name for name, _ in net.stages()]
    assert names[-1] == "head" and all(name.startswith("rgb.") for name in names[:-1])


def test_every_stream_has_a_loss_of_its_own() -> None:
    net = network(drop=0.0, own_loss=0.25)
    x, owner, score, n, pictures = batch()
    label = torch.tensor([0, 3, 1])
    there = {"flow": torch.tensor([True, True, False])}
    _, _, alone = net.answer(x, owner, score, n, pictures, there)
    cross = torch.nn.functional.cross_entropy
    expected = (
        cross(alone["skeleton"], label) + cross(alone["rgb"], label) + cross(alone["flow"][:2], label[:2])
    )
    found = net.extra_loss(label)
    assert found is not None and torch.allclose(found, 0.25 * expected, atol=1e-5)
    off = network(own_loss=0.0)
    off(x, owner, score, n, pictures)
    assert off.extra_loss(label) is None
    net.eval()(x, owner, score, n, pictures)
    assert net.extra_loss(label) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_inference_form_answers_the_same(dtype: torch.dtype) -> None:
    net = network().eval()
    x, owner, score, n, pictures = batch()
    there = {"rgb": torch.tensor([True, False, True])}
    with torch.inference_mode():
        expected = net(x, owner, score, n, pictures, there)
        found = inference_form(net, dtype)(x, owner, score, n, pictures, there)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, atol=1e-4 if dtype == torch.float32 else 0.1)


def test_dropped_streams_and_modes_are_as_set() -> None:
    x, owner, score, n, pictures = batch()
    torch.manual_seed(0)
    weights = [network("score", drop=0.9).answer(x, owner, score, n, pictures)[1] for _ in range(2)]
    assert any((w == 0).any() for w in weights)
    assert type(network("concat").fuse).__name__ == "ConcatFusion"
    assert network("attention", width=8).fuse.out.in_features == 8  # type: ignore[union-attr]
    made = network("attention", width=8, drop=0.3)
    made.reset_classifier(6)
    assert made.fuse.out.in_features == 8 and made.fuse.drop == 0.3  # type: ignore[union-attr]


def test_stages_and_classifiers_of_all_streams() -> None:
    net = network()
    stages = dict(net.stages())
    assert list(stages)[-1] == "head" and {"skeleton.norm", "skeleton.head", "rgb.head"} <= set(stages)
    counted = sum(p.numel() for parts in stages.values() for part in parts for p in part.parameters())
    assert counted == sum(p.numel() for p in net.parameters())
    net.reset_classifier(7)
    x, owner, score, n, pictures = batch()
    fused, _, alone = net.answer(x, owner, score, n, pictures)
    assert fused.shape == (3, 7) and all(z.shape == (3, 7) for z in alone.values())


def test_settings_make_the_round_trip_and_name_what_is_wrong() -> None:
    plain = {"name": "fusion", "streams": STREAMS}
    settings = from_plain(ModelSettings, plain, "model")
    assert from_plain(ModelSettings, to_plain(settings), "model") == settings
    for streams, hint in (
        ({"rgb": {"name": "resnet3d", "dept": 18}}, r"streams.rgb.dept.*Did you mean 'depth'"),
        ({"rgb": {"name": "vgg"}}, "network of a stream 'vgg'"),
    ):
        with pytest.raises(ConfigError, match=hint):
            from_plain(ModelSettings, {"name": "fusion", "streams": streams}, "model")
    for streams, hint in (
        ({"rgb": STREAMS["skeleton"]}, "over pictures, got 'stgcn'"),
        ({"skeleton": STREAMS["rgb"]}, "over skeletons, got 'resnet3d'"),
        ({"infrared": STREAMS["rgb"]}, "'infrared'"),
        ({}, "needs streams"),
    ):
        with pytest.raises(ConfigError, match=hint):
            from_plain(ModelSettings, {"name": "fusion", "streams": streams}, "model").build("ntu25", 4, 3)
    with pytest.raises(ConfigError, match=r"network of a stream: model: \{name: fusion"):
        from_plain(ModelSettings, {"name": "resnet3d"}, "model")
