"""PoseC3D: what it sees, its size, and released weights against a network in the usual form."""

from __future__ import annotations

import pytest
import torch
from small_models import build
from torch import Tensor, nn

from skelact.models.posec3d import CLIPS_AT_ONCE, PoseC3D
from skelact.models.published import from_published
from skelact.nn.fast import inference_form
from skelact.transforms import device


class Conv(nn.Module):
    """Convolution, norm and perhaps ReLU, named as in the releases."""

    def __init__(self, c: int, d: int, kernel, stride=(1, 1, 1), relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv3d(c, d, kernel, stride, [k // 2 for k in kernel], bias=False)
        self.bn = nn.BatchNorm3d(d)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return x.relu() if self.relu else x


class Bottleneck(nn.Module):
    def __init__(self, c: int, planes: int, stride, inflate: bool, first: bool) -> None:
        super().__init__()
        self.conv1 = Conv(c, planes, (3 if inflate else 1, 1, 1))
        self.conv2 = Conv(planes, planes, (1, 3, 3), stride)
        self.conv3 = Conv(planes, 4 * planes, (1, 1, 1), relu=False)
        self.downsample = Conv(c, 4 * planes, (1, 1, 1), stride, relu=False) if first else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv3(self.conv2(self.conv1(x)))
        return (out + (x if self.downsample is None else self.downsample(x))).relu()


class SlowOnly(nn.Module):
    """The usual form: stages of (2, 1, 2) blocks, of 8 channels at first."""

    def __init__(self, n_joints: int, n_classes: int) -> None:
        super().__init__()
        self.conv1 = Conv(n_joints, 8, (1, 7, 7))
        self.maxpool = nn.MaxPool3d((1, 3, 3), 1, (0, 1, 1))
        c = 8
        for i, depth in enumerate((2, 1, 2)):
            rows = []
            for j in range(depth):
                stride = (2 if i == 2 else 1, 2, 2) if j == 0 else (1, 1, 1)
                rows.append(Bottleneck(c, 8 * 2**i, stride, inflate=i > 0, first=j == 0))
                c = 4 * 8 * 2**i
            self.add_module(f"layer{i + 1}", nn.Sequential(*rows))
        self.fc_cls = nn.Linear(c, n_classes)

    def forward(self, volume: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(volume))
        for layer in (self.layer1, self.layer2, self.layer3):
            x = layer(x)  # type: ignore[operator]
        return self.fc_cls(x.mean((2, 3, 4)))


def test_released_weights_give_the_usual_forms_logits() -> None:
    torch.manual_seed(0)
    usual = SlowOnly(17, 6).double()
    usual(torch.randn(2, 17, 4, 24, 24, dtype=torch.float64))
    usual.eval()
    state = {
        ("cls_head." if key.startswith("fc_cls") else "backbone.") + key: value
        for key, value in usual.state_dict().items()
    }
    model = from_published("posec3d_pyskl", state)
    assert isinstance(model, PoseC3D) and model.layout.name == "coco17" and model.channels_in == 2
    x, owner = torch.randn(3, 5, 17, 2, dtype=torch.float64) * 100 + 300, torch.tensor([0, 0, 1])
    score = torch.rand(3, 5, 17, dtype=torch.float64)
    volume = model.draw(x, owner, score)
    assert volume.shape == (2, 17, 5, 64, 64)
    with torch.no_grad():
        assert torch.allclose(model(x, owner, score), usual(volume), atol=1e-12)
        assert torch.allclose(
            inference_form(model, torch.float64)(x, owner, score), usual(volume), atol=1e-12
        )


def test_posec3d_sees_two_coordinates_in_any_unit() -> None:
    model = PoseC3D("coco17", 5, 3, width=4, depths=(1, 1), size=16).eval()
    x = torch.randn(2, 6, 17, 3)
    other = torch.cat([5 * x[..., :2] + 3, torch.randn(2, 6, 17, 1)], -1)
    assert torch.allclose(model(x), model(other), atol=1e-4)
    assert not torch.allclose(model(x), model(x * torch.tensor([1.0, -1.0, 1.0])), atol=1e-6)
    assert not torch.allclose(model(x), model(x, score=torch.full((2, 6, 17), 0.5)), atol=1e-6)


def test_posec3d_has_the_published_size() -> None:
    assert sum(p.numel() for p in PoseC3D("coco17", 60, 2).parameters()) == 2_024_860


def test_inference_takes_many_clips_in_turn() -> None:
    model = PoseC3D("coco17", 5, 3, width=4, depths=(1, 1), size=16).eval()
    owner = torch.cat([torch.arange(19), torch.tensor([3, 17])])
    owner = owner[owner != 9]  # a clip of nobody
    x, score = torch.randn(20, 6, 17, 3), (torch.rand(20, 6, 17) > 0.2).float()
    with torch.no_grad():
        expected = model(x, owner, score, 20)
    logits = inference_form(model)(x, owner, score, 20)
    assert logits.shape == (20, 5) and torch.allclose(logits, expected, atol=1e-5)


def test_many_clips_are_drawn_without_looking_who_is_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, which would have to be waited for: the same numbers, on a device without values too."""
    model = build("posec3d")
    owner = torch.arange(2 * CLIPS_AT_ONCE + 1).repeat_interleave(2)
    x, score = torch.randn(len(owner), 8, 25, 3), (torch.rand(len(owner), 8, 25) > 0.1).float()
    with torch.inference_mode():
        expected = model(x, owner, score, 2 * CLIPS_AT_ONCE + 1)
        monkeypatch.setattr(device, "may_look", lambda _: False)
        assert torch.equal(model(x, owner, score, 2 * CLIPS_AT_ONCE + 1), expected)
        volumes = model.draw(x, owner, score)
        assert torch.allclose(model(volumes), expected, atol=1e-5)
        model.to("meta")
        inputs = (value.to("meta") for value in (x, owner, score))
        assert model(*inputs, 2 * CLIPS_AT_ONCE + 1).shape == expected.shape
