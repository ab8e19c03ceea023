"""Region heads on every network that gives a map: shapes, what a region sees, wrong input."""

from __future__ import annotations

import pytest
import torch
from small_video_models import build_video

from skelact.errors import ConfigError
from skelact.models.video import VIDEO_MODELS
from skelact.models.video.region import MapModel, RegionNet, RegionSettings, map_families
from skelact.settings import from_plain, to_plain

MAPPED = ["tsn", "c3d", "i3d", "resnet3d", "r2plus1d", "slowfast", "slowonly", "fast3d"]
BOXES = torch.tensor([[0, 0.1, 0.2, 0.5, 0.9], [1, 0.0, 0.0, 1.0, 1.0], [0, 0.5, 0.1, 0.9, 0.8]])


def clips(n: int = 2, size: int = 64) -> torch.Tensor:
    return torch.randn(n, 3, 16, size, size, generator=torch.Generator().manual_seed(0))


def test_families_that_give_maps() -> None:
    assert sorted(map_families()) == sorted(MAPPED)


@pytest.mark.parametrize("name", MAPPED)
def test_regions_of_every_family(name: str) -> None:
    model = RegionNet(build_video(name), 5, dropout=0.0)
    x, boxes = clips(), BOXES
    maps = model.backbone.maps(x)
    assert maps.ndim == 5 and maps.shape[1] == model.backbone.map_channels and min(maps.shape[3:]) >= 2
    logits = model(x, boxes)
    assert logits.shape == (3, 5)
    assert len(model(x, boxes[:0])) == 0
    (logits.square().sum() + model.proposal.loss(model.mean_map(x), boxes[:, 0], boxes[:, 1:])).backward()
    unused = ("backbone.head.", "backbone.fc6.", "backbone.fc7.")
    for key, value in model.named_parameters():
        if not key.startswith(unused):
            assert value.grad is not None and torch.isfinite(value.grad).all() and value.grad.any(), key


@pytest.mark.parametrize("name", MAPPED)
def test_a_map_is_what_the_features_are_the_mean_of(name: str) -> None:
    model = build_video(name).eval()
    x = clips()
    maps, features = model.maps(x), model.features_and_logits(x)[0]
    if name == "c3d":
        pooled = model.rows[-1][-1](maps)
        assert torch.allclose(model.fc6(model.grid(pooled).flatten(1)).relu(), model.fc6_features(x))
    elif name == "i3d":
        time = maps.mean((3, 4))
        assert time.shape[2] == 2 and torch.allclose(time.mean(2), features, atol=1e-6)
    else:
        assert torch.allclose(maps.mean((2, 3, 4)), features, atol=1e-5)


def test_a_region_sees_its_own_place_and_clip() -> None:
    torch.manual_seed(0)
    model = RegionNet(build_video("resnet3d", width=1 / 8), 3).eval()
    maps = torch.rand(2, model.head.in_features, 8, 8)
    logits = model.classify(maps, BOXES)
    changed = maps.clone()
    changed[0, :, 2:7, 4:] += 1  # where the third box is, and the edge of the first
    again = model.classify(changed, torch.cat([BOXES, torch.tensor([[0, 0.0, 0.0, 0.3, 1.0]])]))
    assert torch.allclose(again[1], logits[1]) and (again[2] - logits[2]).abs().max() > 1e-3
    assert torch.allclose(again[3], model.classify(maps, torch.tensor([[0, 0.0, 0.0, 0.3, 1.0]]))[0])
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(model.classify(maps, BOXES[order]), logits[order])


def test_a_region_is_the_maximum_of_its_places() -> None:
    model = RegionNet(build_video("resnet3d"), 2, bins=4).eval()
    d = model.head.in_features
    maps = torch.zeros(1, d, 4, 4)
    maps[0, 0, 3, 1] = 2.0  # one place of channel 0, which one bin of the whole picture covers
    logits = model.classify(maps, torch.tensor([[0, 0.0, 0.0, 1.0, 1.0]]))
    # samples a quarter of a cell to both sides of the centre; at the lower edge the map goes on
    value = 2.0 * 0.75 * (0.75 + 1.0) / 2
    assert torch.allclose(logits[0], value * model.head.weight[:, 0] + model.head.bias, atol=1e-6)


def test_families_without_a_map_are_refused() -> None:
    for name in set(VIDEO_MODELS) - set(MAPPED):
        model = build_video(name)
        assert not isinstance(model, MapModel)
        with pytest.raises(ConfigError, match=r"gives no map.*networks that do: tsn, c3d, i3d, resnet3d"):
            RegionNet(model, 3)


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        (torch.zeros(2, 4), r"\[B, 5\] .*got \[2, 4\]"),
        (torch.tensor([[2, 0.0, 0.0, 1.0, 1.0]]), r"clips \[2.0\], and there are 0 to 1"),
        (torch.tensor([[0, 0.0, 0.0, 32.0, 24.0]]), "divide pixels"),
        (torch.tensor([[0, 0.5, 0.0, 0.5, 1.0]]), "x1 < x2"),
    ],
)
def test_wrong_boxes(boxes: torch.Tensor, said: str) -> None:
    model = RegionNet(build_video("resnet3d"), 2)
    with pytest.raises(ConfigError, match=said):
        model(clips(), boxes)


def test_settings_make_the_network() -> None:
    values = {"backbone": {"name": "slowfast", "width": 1 / 16}, "bins": 5, "proposals": False}
    settings = from_plain(RegionSettings, values, "a card")
    model = settings.build(4)
    assert model.bins == 5 and model.proposal is None and model.n_classes == 4
    assert from_plain(RegionSettings, to_plain(settings), "again") == settings
    with pytest.raises(ConfigError, match="no proposal head"):
        model.propose(clips())
    with pytest.raises(ConfigError, match=r"unknown key 'backbone.widht'"):
        from_plain(RegionSettings, {"backbone": {"name": "c3d", "widht": 1}}, "a card")
    with pytest.raises(ConfigError, match=r"dropout in 0\.\.1"):
        from_plain(RegionSettings, {**values, "dropout": 1.0}, "a card").build(4)
