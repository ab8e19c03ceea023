"""State dicts of torchvision's networks give torchvision's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from skelact.errors import CheckpointError, ConfigError, DependencyError
from skelact.models.video import (
    adapt_first_conv,
    create_video_model,
    from_torchvision,
    is_published,
    start_from_pictures,
    start_from_published,
    start_from_torchvision,
)
from skelact.models.video.i3d import I3D
from skelact.models.video.picture_weights import read_weights
from skelact.nn.image_towers import VGG16Full, VGG16Maps


def shake(module: torch.nn.Module) -> None:
    """Statistics, scales and shifts that are not those of the start."""
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point() and value.ndim == 1:
                value.add_(torch.rand_like(value), alpha=0.5)


@pytest.mark.parametrize("name", ["r3d_18", "r2plus1d_18"])
def test_torchvisions_logits(name: str) -> None:
    published = pytest.importorskip("torchvision.models.video", reason="torchvision is not installed")
    torch.manual_seed(0)
    usual = getattr(published, name)(num_classes=5)
    shake(usual)
    with torch.no_grad():
        x = torch.randn(1, 3, 5, 32, 24, dtype=torch.float64)
        model = from_torchvision(name, usual.state_dict())
        expected = usual.double().eval()(x)
        assert torch.allclose(model.double().eval()(x), expected, rtol=1e-9)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in usual.parameters())


def test_other_state_dicts_are_refused() -> None:
    with pytest.raises(ConfigError, match="allowed: r3d_18, r2plus1d_18"):
        from_torchvision("mc3_18", {})
    with pytest.raises(CheckpointError, match=r"no 'stem\.0\.weight'"):
        from_torchvision("r3d_18", {"fc.weight": torch.zeros(5, 512)})
    state = {
        "fc.weight": torch.zeros(5, 512),
        "stem.0.weight": torch.zeros(64, 3, 3, 7, 7),
        "odd": torch.ones(1),
    }
    with pytest.raises(CheckpointError, match=r"r3d_18; missing, unknown or of another size"):
        from_torchvision("r3d_18", state)


def test_inflated_googlenet_sees_what_torchvisions_sees() -> None:
    """At 47 pixels TensorFlow's padding is the one of torchvision in every layer."""
    published = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    torch.manual_seed(0)
    usual = published.googlenet(num_classes=5, aux_logits=True, init_weights=False)
    shake(usual)
    model = create_video_model("i3d", 5, repeat_frames=True)
    assert isinstance(model, I3D)
    start_from_pictures(model, "googlenet", usual.state_dict())
    model, usual = model.double().eval(), usual.double().eval()
    usual.fc = torch.nn.Identity()
    picture = torch.randn(1, 3, 47, 47, dtype=torch.float64)
    with torch.no_grad():
        features = model.forward_features(picture[:, :, None].expand(-1, -1, 3, -1, -1))
        # kernels were divided by their frames in float32
        assert torch.allclose(features, usual(picture), rtol=1e-4, atol=1e-5)
    flow = create_video_model("i3d", 5, 2)
    start_from_pictures(flow, "googlenet", usual.float().state_dict())
    kernel = adapt_first_conv(usual.state_dict()["conv1.conv.weight"], 2)
    assert torch.allclose(flow.get_parameter("stem.0.conv.0.weight").sum(2), kernel, atol=1e-6)


def vgg16_state(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weights of VGG-16's sizes (fc6 and fc7 do not take memory of their own)."""
    counts, state = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512), {}
    at, c = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), 3
    for i, d in zip(at, counts, strict=True):
        state[f"features.{i}.weight"] = torch.randn(d, c, 3, 3) * (2 / (9 * c)) ** 0.5
        state[f"features.{i}.bias"] = torch.randn(d) * 0.1
        c = d
    return {**state, **changes}


def test_vgg16_by_torchvisions_names() -> None:
    torch.manual_seed(0)
    state = vgg16_state()
    model = create_video_model("videolstm", 5, motion_channels=2)
    start_from_pictures(model, "vgg16", state)
    x = torch.randn(1, 3, 32, 32)
    expected, flow = x, torch.randn(1, 2, 32, 32)
    for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28):
        expected = torch.conv2d(
            expected, state[f"features.{i}.weight"], state[f"features.{i}.bias"], padding=1
        )
        expected = expected.relu()
        if i in (2, 7, 14, 21, 28):
            expected = torch.max_pool2d(expected, 2)
    tower, motion = model.get_submodule("tower"), model.get_submodule("motion_tower")
    with torch.no_grad():
        assert torch.allclose(tower(x)[-1], expected, rtol=1e-4, atol=1e-5)
        first = motion.get_submodule("rows.0.0")(flow)
        mean = state["features.0.weight"].mean(1, keepdim=True)
        usual = torch.conv2d(flow.sum(1, keepdim=True), mean, state["features.0.bias"], padding=1).relu()
    assert torch.allclose(first.relu(), usual, atol=1e-5)


def test_gru_rcn_takes_fc6_and_fc7_too() -> None:
    with torch.device("meta"):
        state = vgg16_state(
            **{
                "classifier.0.weight": torch.zeros(4096, 25088),
                "classifier.0.bias": torch.zeros(4096),
                "classifier.3.weight": torch.zeros(4096, 4096),
                "classifier.3.bias": torch.zeros(4096),
            }
        )
        model = create_video_model("gru_rcn", 5)
        start_from_pictures(model, "vgg16", state)
        kinds = {type(part) for part in model.modules()}
        assert {VGG16Maps, VGG16Full} <= kinds
        del state["classifier.3.bias"]
        with pytest.raises(
            CheckpointError, match=r"missing or of another size: layers\.4\.bias \(1 in all\)"
        ):
            start_from_pictures(model, "vgg16", state)


def test_what_does_not_begin_with_pictures() -> None:
    model = create_video_model("c3d", 5, width=1 / 16)
    with pytest.raises(ConfigError, match="allowed: googlenet, vgg16"):
        start_from_pictures(model, "resnet18", {})
    with pytest.raises(ConfigError, match="a C3D does not begin with weights of vgg16"):
        start_from_pictures(model, "vgg16", {})
    with pytest.raises(CheckpointError, match="another width than 1"):
        start_from_pictures(create_video_model("convlstm", 5, width=1 / 16), "vgg16", vgg16_state())
    with pytest.raises(CheckpointError, match="not the 2D weights"):
        start_from_pictures(create_video_model("i3d", 5, width=1 / 16), "googlenet", {})


def test_the_packaged_mobilenet_gives_torchvisions_numbers() -> None:
    published = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    try:
        name, state = "mobilenet_v2", read_weights("mobilenet_v2")
    except DependencyError as error:
        pytest.skip(f"the packaged weights cannot be had: {error}")
    usual = published.mobilenet_v2(weights=None).features
    usual.load_state_dict(dict(zip(usual.state_dict(), state.values(), strict=True)))
    model = create_video_model("tsn", 5, backbone="mobilenet_v2", n_segments=2).eval()
    start_from_pictures(model, name, state)
    x = torch.randn(1, 3, 2, 64, 96)
    with torch.no_grad():
        expected = usual.eval()(x[0].transpose(0, 1)).mean((2, 3))
        assert torch.allclose(model.step_features(x)[0], expected, rtol=1e-4, atol=1e-5)
        maps = model.maps(x)
    assert maps.shape == (1, 1280, 2, 2, 3)
    assert torch.allclose(maps.mean((3, 4))[0].T, expected, rtol=1e-4, atol=1e-5)
    whole = published.mobilenet_v2(weights=None)  # with its classifier, as torchvision publishes it
    start_from_pictures(model, name, whole.state_dict())
    with torch.no_grad():
        assert torch.allclose(
            model.step_features(x)[0],
            whole.eval().features(x[0].transpose(0, 1)).mean((2, 3)),
            rtol=1e-4,
            atol=1e-5,
        )


def test_weights_of_pictures_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no package holds weights of vgg16.*vgg16:FILE\.pth"):
        read_weights("vgg16")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights("vgg16", str(tmp_path / "none.pth"))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds no state dict"):
        read_weights("vgg16", str(tmp_path / "list.pth"))
    torch.save({"features.0.weight": torch.ones(1)}, tmp_path / "vgg.pth")
    assert list(read_weights("vgg16", str(tmp_path / "vgg.pth"))) == ["features.0.weight"]
    model = create_video_model("tsn", 5, backbone="mobilenet_v2")
    with pytest.raises(CheckpointError, match="not torchvision's weights of mobilenet_v2"):
        start_from_pictures(model, "mobilenet_v2", {"features.0.weight": torch.ones(1)})
    with pytest.raises(ConfigError, match="does not begin with weights of mobilenet_v2"):
        start_from_pictures(create_video_model("tsn", 5, width=0.25), "mobilenet_v2", {})


SIZES = {"s3d": (16, 224), "mvit_v1_b": (16, 224), "mvit_v2_s": (16, 224), "swin3d_b": (2, 32)}


@pytest.mark.parametrize(
    "name",
    [
        "mc3_18",
        "swin3d_t",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("s3d", "swin3d_s", "swin3d_b", "mvit_v1_b", "mvit_v2_s")
        ),
    ],
)
def test_torchvisions_own_networks_take_their_published_weights(name: str) -> None:
    published = pytest.importorskip("torchvision.models.video", reason="torchvision is not installed")
    torch.manual_seed(0)
    usual = getattr(published, name)(weights=None, num_classes=5).eval()
    frames, size = SIZES.get(name, (4, 32))
    x = torch.randn(1, 3, frames, size, size)
    model = create_video_model("torchvision", 5, of=name).eval()
    start_from_torchvision(model, usual.state_dict())
    with torch.no_grad():
        assert torch.allclose(model(x), usual(x), rtol=1e-4, atol=1e-5)
    other = create_video_model("torchvision", 3, 2, of=name).eval()
    untrained = other.head.weight.detach().clone()
    start_from_torchvision(other, usual.state_dict())
    assert torch.equal(other.head.weight, untrained)
    with torch.no_grad():
        assert other(x[:, :2]).shape == (1, 3)
    with pytest.raises(CheckpointError, match=f"not torchvision's weights of {name}"):
        start_from_torchvision(model, {**usual.state_dict(), "odd": torch.ones(1)})


@pytest.mark.parametrize("name", ["r3d_18", "r2plus1d_18"])
def test_our_own_networks_begin_with_them_too(name: str) -> None:
    published = pytest.importorskip("torchvision.models.video", reason="torchvision is not installed")
    torch.manual_seed(0)
    usual = getattr(published, name)(num_classes=5)
    shake(usual)
    of = {
        "r3d_18": ("resnet3d_18", {"shortcut": "B", "stem_pool": False, "stem_frames": 3}),
        "r2plus1d_18": ("r2plus1d_18", {"middle": "block"}),
    }[name]
    model = create_video_model(of[0], 3, 1, **of[1]).eval()
    start_from_torchvision(model, usual.state_dict())
    x = torch.randn(1, 1, 5, 32, 24)
    usual.fc = torch.nn.Identity()
    with torch.no_grad():
        expected = usual.eval()(x.expand(-1, 3, -1, -1, -1) / 3)
        assert torch.allclose(model.forward_features(x), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(ConfigError, match="does not begin with torchvision's weights of clips"):
        start_from_torchvision(create_video_model("c3d", 3, width=0.0625), usual.state_dict())


def test_published_weights_by_place(tmp_path: Path) -> None:
    published = pytest.importorskip("torchvision.models.video", reason="torchvision is not installed")
    state = published.mc3_18(num_classes=2).state_dict()
    torch.save(state, tmp_path / "mc3.pth")
    model = create_video_model("torchvision", 2, of="mc3_18")
    place = f"torchvision:{tmp_path / 'mc3.pth'}"
    assert is_published(place) and is_published("mobilenet_v2") and not is_published("runs/rgb")
    start_from_published(model, place)
    assert torch.equal(model.head.weight, state["fc.weight"])
