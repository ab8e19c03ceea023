"""Numbers of weights, against published ones or counted by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from skelact.models.video import create_video_model
from skelact.nn.image_towers import CaffeNet, VGG16Full, VGG16Maps


def count(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def size(name: str, n_classes: int, channels: int = 3, **settings) -> int:
    with torch.device("meta"):
        return count(create_video_model(name, n_classes, channels, **settings))


@pytest.mark.parametrize(
    ("name", "n_classes", "settings", "published"),
    [
        # torchvision's documentation, num_params of R3D_18_Weights and R2Plus1D_18_Weights
        ("resnet3d_18", 400, {"shortcut": "B", "stem_frames": 3, "stem_pool": False}, 33_371_472),
        ("r2plus1d_18", 400, {"middle": "block"}, 31_505_325),
        # BN-Inception with 1000 classes, as the released weights for ImageNet have it
        ("tsn", 1000, {}, 11_295_240),
    ],
)
def test_published_exactly(name: str, n_classes: int, settings: dict, published: int) -> None:
    assert size(name, n_classes, **settings) == published


@pytest.mark.parametrize(
    ("name", "n_classes", "settings", "published"),
    [
        ("c3d", 101, {}, 78.4),  # MMAction2's table of C3D on UCF101
        ("c3d", 400, {}, 79.6),  # "79M" in Carreira and Zisserman's table 1
        ("slowfast_50", 400, {}, 34.5),  # PySlowFast and MMAction2, 4×16
        ("slowfast_50", 400, {"lateral_frames": 7, "alpha": 4}, 34.6),  # PyTorchVideo, 8×8: 34.57
        ("slowfast_101", 400, {}, 62.8),  # PyTorchVideo: 62.83
        ("i3d", 400, {}, 12.7),  # half of the two-stream network's 25M in Carreira and Zisserman's table 1
    ],
)
def test_published_in_millions(name: str, n_classes: int, settings: dict, published: float) -> None:
    assert round(size(name, n_classes, **settings) / 1e6, 1) == published


def test_i3d_in_2d_is_googlenet() -> None:
    """Torchvision's GoogLeNet, whose second 3×3 is one too and which has batch norms: 6,624,904 weights."""
    with torch.device("meta"):
        model = create_video_model("i3d", 1000)
    weights = [p[:, :, 0] if p.ndim == 5 else p for p in model.parameters()]
    assert sum(p.numel() for p in weights) == 6_624_904


def test_picture_networks_with_their_classifiers() -> None:
    """VGG-16: 138,357,544 weights (torchvision); CaffeNet: 60,965,224 (Caffe's model zoo)."""
    with torch.device("meta"):
        vgg = count(VGG16Maps(3, int)) + count(VGG16Full(512, int)) + count(nn.Linear(4096, 1000))
        caffe = count(CaffeNet(3, int)) + count(nn.Linear(4096, 4096)) + count(nn.Linear(4096, 1000))
    assert vgg == 138_357_544 and caffe == 60_965_224


@pytest.mark.parametrize(("depth", "blocks"), [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))])
def test_hara_by_hand(depth: int, blocks: tuple[int, ...]) -> None:
    """Shortcut A: convolutions and norms only."""
    total, c = 3 * 64 * 7**3 + 2 * 64, 64
    for d, n in zip((64, 128, 256, 512), blocks, strict=True):
        total += 27 * c * d + 27 * d * d * (2 * n - 1) + 2 * n * 2 * d
        c = d
    assert size(f"resnet3d_{depth}", 400) == total + 512 * 400 + 400


def test_r2plus1d_by_hand() -> None:
    def pair(c: int, d: int) -> int:
        m = (27 * c * d) // (9 * c + 3 * d)
        return 9 * c * m + 2 * m + 3 * m * d + 2 * d

    total = 3 * 45 * 49 + 2 * 45 + 45 * 64 * 3 + 2 * 64
    for c, d in [(64, 64), (64, 128), (128, 256), (256, 512)]:
        total += pair(c, d) + 3 * pair(d, d) + (c * d + 2 * d if c != d else 0)
    assert size("r2plus1d_18", 101) == total + 512 * 101 + 101
    assert abs(total / 33_165_639 - 1) < 1e-9


def test_two_stream_and_karpathy_by_hand() -> None:
    def convs(*rows: tuple[int, int, int]) -> int:
        return sum(c * d * k + d for c, d, k in rows)

    def full(*sizes: int) -> int:
        return sum(c * d + d for c, d in pairwise(sizes))

    rest = ((96, 256, 25), (256, 512, 9), (512, 512, 9), (512, 512, 9))
    for channels, stacked in ((3, 3), (2, 20)):
        by_hand = convs((stacked, 96, 49), *rest) + full(6 * 6 * 512, 4096, 2048, 101)
        assert size("two_stream", 101, channels) == by_hand
    for name, frames, joined in (
        ("single_frame", (1, 1, 1), 1),
        ("early_fusion", (10, 1, 1), 1),
        ("late_fusion", (1, 1, 1), 2),
        ("slow_fusion", (4, 2, 2), 1),
    ):
        tower = convs(
            (3, 96, 121 * frames[0]),
            (96, 256, 25 * frames[1]),
            (256, 384, 9 * frames[2]),
            (384, 384, 9),
            (384, 256, 9),
        )
        assert size(name, 487) == tower + full(joined * 49 * 256, 4096, 4096, 487)
        assert size(name, 487, multires=True) == 2 * tower + full(2 * joined * 49 * 256, 4096, 4096, 487)


def test_recurrent_by_hand() -> None:
    maps, full = 14_714_688, 119_545_856  # VGG-16: convolutions; fc6 and fc7
    head = 512 * 101 + 101
    assert size("convlstm", 101) == maps + 4 * 512 * (512 * 9 + 512 * 9 + 1) + head
    attention = 2 * 512 * 512 * 9 + 512 + 512 * 9
    assert size("videolstm", 101) == size("convlstm", 101) + attention
    flow = maps - 64 * 9 + 4 * 512 * (3 * 512 * 9 + 1)  # one input channel less, three kernels
    assert size("videolstm", 101, motion_channels=2) == size("videolstm", 101) + flow
    levels = zip((128, 256, 512, 512, 4096), (64, 128, 256, 256, 512), (9, 9, 9, 9, 1), strict=True)
    cells = sum(3 * k * h * (c + h) for c, h, k in levels)
    heads = (64 + 128 + 256 + 256 + 512 + 5) * 101
    assert size("gru_rcn", 101) == maps + full + cells + heads
    stacked = 2 * 9 * (64 * 128 + 128 * 256 + 256 * 256) + 2 * 256 * 512
    assert size("gru_rcn", 101, stacked=True) == size("gru_rcn", 101) + stacked
    twice = size("gru_rcn", 101, bidirectional=True) - size("gru_rcn", 101)
    assert twice == cells + heads - 5 * 101
    lstm = 4 * 256 * (4096 + 256 + 2)
    fc6 = 60_965_224 - (4096 * 4096 + 4096) - (4096 * 1000 + 1000)  # of CaffeNet
    assert size("lrcn", 101) == fc6 + lstm + 256 * 101 + 101


@pytest.mark.parametrize("variant", ["sequential", "parallel"])
@pytest.mark.parametrize("depth", [18, 34])
def test_fast_has_as_many_weights_as_the_3d_network(depth: int, variant: str) -> None:
    fast, full = size(f"fast3d_{depth}", 400, variant=variant), size(f"resnet3d_{depth}", 400)
    assert abs(fast / full - 1) < 2e-3
