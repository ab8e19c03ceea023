"""Every network over video: shapes, gradients, learning, settings and wrong input."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_video_models import SMALL_VIDEO, build_video
from torch.nn import functional
from variants import slow_but

from skelact.errors import ConfigError
from skelact.models.video import (
    VIDEO_MODELS,
    VideoModelSettings,
    VideoSettings,
    create_video_model,
    find_video_settings,
    list_video_models,
)
from skelact.models.video import __path__ as video_path
from skelact.settings import from_plain, to_plain

SIZES = {
    "resnet3d": (18, 34, 50, 101),
    "r2plus1d": (18, 34),
    "slowfast": (50, 101),
    "slowonly": (50, 101),
    "fast3d": (18, 34),
}
VARIANTS: list[tuple[str, dict]] = [
    *((name, {}) for name in VIDEO_MODELS if name != "torchvision"),
    *((name, {"multires": True}) for name in ("single_frame", "early_fusion", "late_fusion", "slow_fusion")),
    ("tsn", {"consensus": "weighted", "snippet_frames": 2}),
    ("tsn", {"consensus": "max"}),
    ("tsn", {"backbone": "mobilenet_v2"}),
    ("pooled", {"sees": "changes", "space": "max", "rows": (2, 4), "pools": ("mean", "deviation")}),
    ("resnet3d", {"depth": 50}),
    ("resnet3d", {"shortcut": "B", "stem_pool": False, "stem_frames": 3}),
    ("i3d", {"repeat_frames": True}),
    ("fast3d", {"variant": "parallel"}),
    ("slowfast", {"alpha": 4, "tau": 8}),
    ("gru_rcn", {"stacked": True, "bidirectional": True}),
]
every_variant = pytest.mark.parametrize(
    ("name", "changes"),
    [*VARIANTS, pytest.param("torchvision", {}, marks=pytest.mark.slow)],
    ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v)),
)


def test_every_family_is_in_the_table_and_tested() -> None:
    files = {p.stem for folder in video_path for p in Path(folder).glob("*.py")}
    files -= {"__init__", "base", "region", "torchvision_weights", "picture_weights"}
    assert files == {settings.__module__.rpartition(".")[2] for settings in VIDEO_MODELS.values()}
    assert set(VIDEO_MODELS) == set(SMALL_VIDEO)
    names = []
    for name in VIDEO_MODELS:
        names += [f"{name}_{size}" for size in SIZES.get(name, ())] or [name]
    assert list_video_models() == names
    assert ", ".join(VIDEO_MODELS) == (
        "single_frame, early_fusion, late_fusion, slow_fusion, two_stream, tsn, pooled, words, c3d, i3d, resnet3d, "
        "r2plus1d, slowfast, slowonly, fast3d, lrcn, gru_rcn, convlstm, videolstm, convgrbm, torchvision"
    )
    for name, settings in VIDEO_MODELS.items():
        assert settings().name == name


@every_variant
def test_shape_and_gradients_at_odd_sizes(name: str, changes: dict) -> None:
    model = build_video(name, 5, **changes)
    x = torch.randn(3, 3, 11, 45, 39, generator=torch.Generator().manual_seed(1))
    logits = model(x)
    assert logits.shape == (3, 5)
    functional.cross_entropy(logits, torch.tensor([0, 3, 4])).backward()
    for parameter, value in model.named_parameters():
        if parameter == "grbm.visible_bias":  # only contrastive divergence trains it
            continue
        assert value.grad is not None and torch.isfinite(value.grad).all(), parameter
        assert value.grad.abs().sum() > 0, parameter
    features = model.eval().features_and_logits(x)[0]
    assert features.shape == (3, model.n_features)
    assert torch.equal(model.forward_head(model.forward_features(x)), model(x))
    assert "5 classes, 3 channels" in repr(model) and len(repr(model)) < 120


@pytest.mark.parametrize(
    "name", slow_but(VIDEO_MODELS, "single_frame", "resnet3d", "lrcn", "convlstm", "c3d", "words")
)
def test_fits_eight_clips(name: str) -> None:
    """Chance is a loss of 1.39."""
    model = build_video(name, channels_in=2)
    size = 16 if name == "convgrbm" else max(32, model.least_size)
    x = torch.randn(8, 2, 4, size, size, generator=torch.Generator().manual_seed(2))
    label = torch.arange(8) % 4
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    best = 9.0
    for _ in range(100):
        logits = model(x)
        loss = functional.cross_entropy(logits, label)
        best = min(best, loss.item())
        if best < 0.5 and (logits.argmax(1) == label).all():
            return
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    raise AssertionError(f"does not learn eight clips by heart: loss {best:.2f}")


@pytest.mark.parametrize("name", slow_but(VIDEO_MODELS, *(VIDEO_MODELS.keys() - {"torchvision"})))
@pytest.mark.parametrize("channels", [1, 2])
def test_channels_frames_and_mixed_precision(name: str, channels: int) -> None:
    model = build_video(name, channels_in=channels).eval()
    frames, size = max(2, model.least_frames), max(32, model.least_size)
    x = torch.randn(2, channels, frames, size, size)
    logits = model(x)
    assert logits.shape == (2, 4) and torch.isfinite(logits).all()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(model(x)).all()


@pytest.mark.parametrize("name", VIDEO_MODELS)
def test_least_sizes_are_the_least(name: str) -> None:
    model = build_video(name).eval()
    t, s = model.least_frames, model.least_size
    assert model(torch.randn(1, 3, t, s, s)).shape == (1, 4)
    if t > 1:
        with pytest.raises(ConfigError, match=rf"1 clip of {t} frames"):
            model(torch.randn(1, 3, t - 1, s, s))
    if s > 1:
        with pytest.raises(ConfigError, match=rf"{s} x {s} pixels, got 1 of {t} frames and {s} x {s - 1}"):
            model(torch.randn(1, 3, t, s, s - 1))


@pytest.mark.parametrize("name", VIDEO_MODELS)
def test_stages_have_every_weight_once(name: str) -> None:
    model = build_video(name)
    stages = model.stages()
    weights = [id(p) for _, modules in stages for module in modules for p in module.parameters()]
    assert sorted(weights) == sorted(id(p) for p in model.parameters())
    assert stages[-1][0] == "head" and stages[-1][1][-1] is model.head
    assert len({stage for stage, _ in stages}) == len(stages) >= 3 - (name == "two_stream")


@pytest.mark.parametrize(
    "name", slow_but(VIDEO_MODELS, "single_frame", "tsn", "pooled", "resnet3d", "gru_rcn")
)
def test_new_classifier_and_state(name: str) -> None:
    model = build_video(name).double().eval()
    other = build_video(name).double().eval()
    with torch.no_grad():
        for value in other.parameters():
            value.add_(1.0)
    other.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 12, 40, 40, dtype=torch.float64)
    assert torch.equal(model(x), other(x))
    before = model.forward_features(x)
    model.reset_classifier(9)
    assert model(x).shape == (1, 9) and model.n_classes == 9
    assert torch.equal(model.forward_features(x), before)
    with pytest.raises(ConfigError, match="n_classes must be at least 1, got 0"):
        model.reset_classifier(0)


@pytest.mark.parametrize("name", VIDEO_MODELS)
def test_clips_do_not_see_each_other(name: str) -> None:
    model = build_video(name).eval()
    x = torch.randn(3, 3, 12, 40, 40)
    assert torch.allclose(model(x)[1:2], model(x[1:2]), atol=1e-5)


@pytest.mark.parametrize("name", slow_but(["late_fusion", "tsn", "videolstm", "convgrbm"], "videolstm"))
def test_exports(name: str) -> None:
    model = build_video(name).eval()
    x = torch.randn(1, 3, 10, 40, 40)
    exported = torch.export.export(model, (x,)).module()
    assert torch.allclose(exported(x), model(x), atol=1e-5)


@pytest.mark.parametrize(
    ("x", "hint"),
    [
        (torch.zeros(2, 3, 8, 32), r"\[N, 3 channels, T, H, W\], got \[2, 3, 8, 32\]"),
        (torch.zeros(2, 1, 8, 32, 32), r"3 channels.*got \[2, 1, 8, 32, 32\]"),
        (torch.zeros(2, 3, 8, 32, 32, dtype=torch.uint8), "torch.uint8"),
        (torch.zeros(0, 3, 8, 32, 32), "at least 1 clip"),
        (torch.zeros(2, 3, 0, 32, 32), "got 2 of 0 frames"),
    ],
)
@pytest.mark.parametrize("name", ["resnet3d", "tsn", "videolstm"])
def test_wrong_input(name: str, x: torch.Tensor, hint: str) -> None:
    model = build_video(name)
    for call in (model, model.forward_features):
        with pytest.raises(ConfigError, match=hint):
            call(x)


def test_names_and_settings() -> None:
    assert len(create_video_model("resnet3d_34", 4, width=1 / 16).get_submodule("rows.2")) == 6
    assert len(create_video_model("resnet3d", 4, depth=34, width=1 / 16).get_submodule("rows.2")) == 6
    with pytest.raises(ConfigError, match=r"unknown video model 'resnet3d_19'.*resnet3d_18"):
        create_video_model("resnet3d_19", 4)
    with pytest.raises(ConfigError, match="'resnet3d_34' has depth 34, got depth=18"):
        create_video_model("resnet3d_34", 4, depth=18)
    with pytest.raises(ConfigError, match="unknown depth '20'; allowed: 18, 34, 50, 101"):
        create_video_model("resnet3d", 4, depth=20)
    with pytest.raises(ConfigError, match=r"unknown key 'widht'.*Did you mean 'width'"):
        create_video_model("c3d", 4, widht=2)
    settings = from_plain(VideoModelSettings, {"name": "slowfast", "alpha": 4, "tau": 8}, "a card")
    assert isinstance(settings, VideoSettings)
    assert from_plain(VideoModelSettings, to_plain(settings), "a card") == settings
    with pytest.raises(ConfigError, match="'slowfast_50' is written as name: slowfast and depth: 50"):
        find_video_settings({"name": "slowfast_50"})


@pytest.mark.parametrize(
    ("name", "changes", "hint"),
    [
        ("c3d", {"width": 0}, "width must be above 0"),
        ("c3d", {"dropout": 1.0}, "dropout must be at least 0"),
        ("slow_fusion", {"n_frames": 9}, "n_frames of at least 10, got 9"),
        ("two_stream", {"n_frames": -1}, "n_frames must be 0"),
        ("tsn", {"n_segments": 0}, "n_segments=0"),
        ("tsn", {"backbone": "vgg"}, "bn_inception"),
        ("slowfast", {"alpha": 8, "tau": 12}, "multiple of alpha"),
        ("slowfast", {"lateral_frames": 4}, "odd lateral_frames"),
        ("gru_rcn", {"hidden": (8, 8)}, "hidden needs 5"),
        ("videolstm", {"motion_channels": -1}, "motion_channels must be 0"),
        ("convgrbm", {"pool": 0}, "pool"),
        ("fast3d", {"depth": 50}, "allowed: 18, 34"),
    ],
)
def test_wrong_settings(name: str, changes: dict, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        create_video_model(name, 4, **changes)
    with pytest.raises(ConfigError, match="n_classes=0"):
        create_video_model(name, 0)
