"""Augmentation of clips: what is cut where, the same for all frames, and repeatable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from skelact.errors import ConfigError
from skelact.transforms import video


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(n: int = 4, channels: int = 3, frames: int = 2, height: int = 24, width: int = 32) -> torch.Tensor:
    return torch.rand(n, channels, frames, height, width, generator=seeded(5))


def places(n: int, height: int = 24, width: int = 32) -> torch.Tensor:
    """Clips of two channels that hold each pixel's row and column."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([y, x]).float()[None, :, None].expand(n, 2, 2, height, width).contiguous()


def test_floats() -> None:
    frames = torch.randint(0, 256, (2, 3, 4, 5, 3), generator=seeded(), dtype=torch.uint8)
    x = video.to_float(frames)
    assert x.shape == (2, 3, 3, 4, 5)
    assert x[1, 2, 0, 3, 4] == frames[1, 0, 3, 4, 2] / 255
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    shown = video.normalise(x, mean, std)
    for c in range(3):
        torch.testing.assert_close(shown[:, c], (x[:, c] - mean[c]) / std[c])


def test_whole_boxes_are_cut_exactly_and_each_clip_has_its_own() -> None:
    x = clips(2)
    boxes = torch.tensor([[3.0, 4.0, 10.0, 12.0], [14.0, 20.0, 10.0, 12.0]])
    cut = video.crop_resize(x, boxes, (10, 12))
    torch.testing.assert_close(cut[0], x[0, ..., 3:13, 4:16], atol=2e-5, rtol=0)
    torch.testing.assert_close(cut[1], x[1, ..., 14:24, 20:32], atol=2e-5, rtol=0)


def test_scaled_boxes_agree_with_torch() -> None:
    x = clips(1)
    ours = video.crop_resize(x, torch.tensor([[0.0, 0.0, 24.0, 32.0]]), (36, 40))
    theirs = torch.nn.functional.interpolate(x[:, :, 0], (36, 40), mode="bilinear", align_corners=False)
    torch.testing.assert_close(ours[:, :, 0], theirs, atol=1e-5, rtol=0)


def multi_scale_crop(
    x: torch.Tensor, size: tuple[int, int], generator: torch.Generator, **options
) -> torch.Tensor:
    return video.crop_resize(
        x, video.multi_scale_boxes(len(x), (x.shape[3], x.shape[4]), generator, **options), size
    )


def test_multi_scale_crops_are_corners_or_the_middle() -> None:
    seen = set()
    x = multi_scale_crop(places(200), (8, 8), seeded(), scales=(1.0, 0.75, 0.5))
    step_down = (x[:, 0, 0, -1, 0] - x[:, 0, 0, 0, 0]) / 7
    step_right = (x[:, 1, 0, 0, -1] - x[:, 1, 0, 0, 0]) / 7
    middle_down, middle_right = x[:, 0, 0].mean((1, 2)), x[:, 1, 0].mean((1, 2))
    for k in range(200):
        h, w = round(8 * float(step_down[k])), round(8 * float(step_right[k]))
        seen.add((h, w))
        if h < 24:  # a box at the picture's edge shows half a pixel less there
            down, right = float(middle_down[k]) + 0.5 - h / 2, float(middle_right[k]) + 0.5 - w / 2
            assert min(abs(down - e) for e in (0, (24 - h) / 2, 24 - h)) < 1
            assert min(abs(right - e) for e in (0, (32 - w) / 2, 32 - w)) < 1
    assert {(12, 12), (18, 18), (12, 18), (18, 12)} <= seen and (12, 24) not in seen
    square = multi_scale_crop(places(50), (8, 8), seeded(), square=True)
    sides = square[:, :, 0, -1, -1] - square[:, :, 0, 0, 0]
    torch.testing.assert_close(sides[:, 0], sides[:, 1], atol=0.6, rtol=0)


RANDOM: dict[str, Callable[[torch.Tensor, torch.Generator], torch.Tensor]] = {
    "multi_scale_crop": lambda x, g: multi_scale_crop(x, (8, 8), g),
    "flip": lambda x, g: video.flip(x, 0.5, g),
    "colour_jitter": lambda x, g: video.colour_jitter(x, g, hue=0.1),
}


@pytest.mark.parametrize("name", RANDOM)
def test_one_draw_per_clip_repeatable(name: str) -> None:
    still = clips(8, frames=1).expand(8, 3, 4, 24, 32)
    x = RANDOM[name](still, seeded())
    for t in range(1, 4):
        torch.testing.assert_close(x[:, :, t], x[:, :, 0])
    assert torch.equal(x, RANDOM[name](still, seeded()))
    assert not torch.equal(x, RANDOM[name](still, seeded(1)))
    same = RANDOM[name](still[:1].expand(8, 3, 4, 24, 32), seeded())
    assert any(not torch.equal(same[0], same[k]) for k in range(1, 8))


def test_flipping_twice_is_the_identity_and_negates_flow() -> None:
    x = clips(2, channels=4)
    assert torch.equal(video.flip(video.flip(x, 1.0), 1.0), x)
    flow = video.flip(x, 1.0, flow=True)
    assert torch.equal(flow[:, 0], -x[:, 0].flip(-1)) and torch.equal(flow[:, 1], x[:, 1].flip(-1))
    assert torch.equal(flow[:, 2], -x[:, 2].flip(-1)) and torch.equal(flow[:, 3], x[:, 3].flip(-1))
    assert torch.equal(video.flip(x, 0.0, flow=True), x)


def test_colours() -> None:
    x = clips() * 0.5 + 0.25
    torch.testing.assert_close(video.colour_jitter(x, seeded(), 0, 0, 0, 0), x)
    bright = video.colour_jitter(x, seeded(), 0.3, 0, 0)
    ratio = (bright / x).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert ratio.std() > 0.01
    contrasty = video.colour_jitter(x, seeded(), 0, 0.3, 0)
    middle = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1, 1)).sum(1).mean((1, 2, 3)).view(-1, 1)
    stretch = (contrasty.flatten(1) - middle) / (x.flatten(1) - middle)
    torch.testing.assert_close(
        stretch, stretch.median(1).values[:, None].expand_as(stretch), atol=0.05, rtol=0
    )
    grey = clips(4, channels=1).expand(4, 3, 2, 24, 32)
    torch.testing.assert_close(video.colour_jitter(grey, seeded(), 0, 0, 0.9, 0.5), grey, atol=1e-3, rtol=0)
    turned = video.colour_jitter(x, seeded(), 0, 0, 0, 0.1)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1, 1)
    assert (turned - x).abs().mean() > 0.005
    torch.testing.assert_close((turned * weights).sum(1), (x * weights).sum(1), atol=2e-2, rtol=0)
    with pytest.raises(ConfigError, match="not of 2"):
        video.colour_jitter(clips(channels=2))


def test_crops_for_testing() -> None:
    x = clips()

    def cut(
        size: tuple[int, int], crops: str, number: int, x: torch.Tensor = x, **more: bool
    ) -> torch.Tensor:
        return video.cut_test_crop(x, size, crops, number, **more)[0]

    assert torch.equal(cut((16, 16), "centre", 0), x[..., 4:20, 8:24])
    for k, left in enumerate((0, 4, 8)):
        assert torch.equal(cut((24, 24), "three", k), x[..., left : left + 24])
    tall = x.transpose(3, 4)
    assert torch.equal(cut((24, 24), "three", 2, tall), tall[..., 8:, :])
    assert video.cut_test_crop(x, (16, 16), "ten", 3)[1:] == ((8, 16), False)
    assert video.cut_test_crop(x, (16, 16), "ten", 8)[1:] == ((8, 16), True)
    assert torch.equal(cut((16, 16), "ten", 3), x[..., 8:, 16:])
    for k in range(5):
        assert torch.equal(cut((16, 16), "ten", k + 5), cut((16, 16), "ten", k).flip(-1))
        u, v = (cut((16, 16), "ten", k, flow=True)[:, c].flip(-1) for c in range(2))
        turned = cut((16, 16), "ten", k + 5, flow=True)
        assert torch.equal(turned[:, 0], -u) and torch.equal(turned[:, 1], v)
    for wrong, hint in (
        (((8, 8), "five"), "centre, three, ten"), (((25, 8), "centre"), "24 × 32"), (((8, 8), "three", 3), "0 to 2"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=hint):
            video.cut_test_crop(x, *wrong)


def test_the_usual_scales_are_those_of_temporal_segment_networks() -> None:
    sides = {int(side) for side in video.multi_scale_boxes(300, (100, 120), seeded())[:, 2:].flatten()}
    assert sides == {100, 88, 75, 66}
    x = multi_scale_crop(places(300, 100, 120), (2, 2), seeded())
    shown = (x[:, 0, 0, 1, 0] - x[:, 0, 0, 0, 0]) * 2  # rows between the middles of two halves, twice
    assert {round(float(rows)) for rows in shown} == sides
