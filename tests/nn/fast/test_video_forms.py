"""Inference forms of networks over pictures: the same answers, whatever is folded, fused and reordered."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from small_video_models import build_video
from torch import Tensor, nn
from variants import slow_but

from skelact.models.video import VIDEO_MODELS, VideoModel
from skelact.nn.fast import inference_form
from skelact.nn.fast.conv import (
    ConvForm,
    MinimalConvForm,
    ResidualForm,
    fold_convs,
    has_onednn,
    is_unsafe,
    make_form,
)

CLIP = (11, 44)  # frames and pixels that every small network takes


def trained(name: str, **changes) -> tuple[VideoModel, Tensor]:
    """A small network whose norms have statistics of their own, in evaluation mode, and clips for it."""
    model = build_video(name, channels_in=1 if name == "convgrbm" else 3, **changes)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
                part.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
                part.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(0, 0.2)
        model.head.apply(lambda m: nn.init.normal_(m.weight) if isinstance(m, nn.Linear) else None)
    t, size = CLIP
    return model.eval(), torch.randn(2, model.channels_in, t, size, size)


@pytest.mark.parametrize("name", slow_but(VIDEO_MODELS, "tsn", "resnet3d", "slowonly", "convlstm", "i3d"))
def test_the_form_of_every_family_answers_the_same(name: str) -> None:
    model, x = trained(name)
    with torch.inference_mode():
        expected = model(x)
        form = inference_form(model)
        found = form(x)
        again = inference_form(model.double(), torch.float64)(x.double())
        exact = model(x.double())
    assert found.dtype == torch.float32 and again.dtype == torch.float64
    size = expected.abs().max()
    assert (found - expected).abs().max() < 1e-5 * size
    assert (again - exact).abs().max() < 1e-12 * size
    assert torch.equal(found.argmax(1), expected.argmax(1))
    if name == "torchvision":  # its own modules run as they are written
        return
    assert not any(isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d) for part in form.modules())
    assert name == "convgrbm" or not any(type(part) in (nn.Conv2d, nn.Conv3d) for part in form.modules())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("resnet3d", {"depth": 50}),
        ("resnet3d", {"shortcut": "B", "stem_pool": False}),
        ("fast3d", {"variant": "parallel"}),
        ("gru_rcn", {"stacked": True, "bidirectional": True}),
        ("i3d", {"repeat_frames": True}),
    ],
)
def test_the_form_of_variants_answers_the_same(name: str, changes: dict) -> None:
    model, x = trained(name, **changes)
    with torch.inference_mode():
        expected = model(x)
        assert (inference_form(model)(x) - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", slow_but(VIDEO_MODELS, "tsn", "resnet3d", "slowfast", "convlstm"))
def test_half_precision_is_close(name: str) -> None:
    model, x = trained(name)
    with torch.inference_mode():
        expected = model(x)
        junk = torch.full((1 << 18,), float("nan"))  # memory that a wrong kernel would read
        del junk
        found = inference_form(model, torch.bfloat16)(x)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()


def test_motion_reaches_the_form_of_videolstm() -> None:
    model, x = trained("videolstm", motion_channels=2)
    motion = torch.randn(2, 2, *x.shape[2:])
    with torch.inference_mode():
        assert torch.allclose(inference_form(model)(x, motion), model(x, motion), atol=1e-5)


def test_residual_sums_are_part_of_the_last_convolution() -> None:
    form = inference_form(trained("resnet3d")[0])
    blocks = [part for part in form.modules() if isinstance(part, ResidualForm)]
    assert len(blocks) == 8 and all(block.fused for block in blocks)


def test_a_form_has_a_state_and_can_be_copied_and_saved_after_use() -> None:
    model, x = trained("resnet3d")
    with torch.inference_mode():
        form = inference_form(model)
        expected = form(x)
        assert torch.equal(copy.deepcopy(form)(x), expected)
        file = io.BytesIO()
        torch.save(form.state_dict(), file)
        with torch.no_grad():
            model.stem[0].weight.mul_(-1)  # type: ignore[index,operator,union-attr]
        assert torch.equal(form(x), expected)  # whatever the network learns later
        other = inference_form(model)
        assert not torch.allclose(other(x), expected, atol=1e-3)
        file.seek(0)
        other.load_state_dict(torch.load(file))
        assert torch.equal(other(x), expected)
    moved = copy.deepcopy(form).to("meta")
    assert all(value.device.type == "meta" for value in moved.state_dict().values())


def test_a_form_exports() -> None:
    conv = nn.Conv3d(2, 4, 3, padding=1)
    form, x = ConvForm(conv, True, torch.float32), torch.randn(1, 2, 3, 4, 4)
    form(x)
    program = torch.export.export(form, (x,))
    assert torch.allclose(program.module()(x), conv(x).relu(), atol=1e-5)


@pytest.mark.parametrize(
    "conv", [nn.Conv2d(5, 6, 3, 2, 1), nn.Conv3d(4, 6, (3, 1, 3), 1, (1, 0, 1), groups=2)]
)
def test_convolution_norm_sum_and_relu(conv: nn.Module) -> None:
    torch.manual_seed(0)
    conv.eval()
    norm = (nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm3d)(6).eval()
    norm.running_mean.normal_()  # type: ignore[union-attr]
    norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    x = torch.randn(2, conv.in_channels, *[7] * (conv.weight.ndim - 2))  # type: ignore[arg-type,union-attr]
    with torch.inference_mode():
        expected = norm(conv(x))
        added = torch.randn_like(expected)
        (plain,) = fold_convs(nn.Sequential(conv, norm).eval(), torch.float32)
        (active,) = fold_convs(nn.Sequential(conv, nn.Sequential(norm, nn.ReLU())).eval(), torch.float32)
        assert torch.allclose(plain(x), expected, atol=1e-5)
        assert torch.allclose(plain(x, added), expected + added, atol=1e-5)
        assert torch.allclose(active(x), expected.relu(), atol=1e-5)
        assert torch.allclose(active(x, added), (expected + added).relu(), atol=1e-5)
        assert bool(active.reordered) == has_onednn()
        assert (expected + added).min() < -0.1


@pytest.mark.parametrize("frames", [3, 4, 7, 9])
def test_minimal_filtering_along_time(frames: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv3d(64, 72, 3, padding=1)
    form = make_form(conv, True, torch.float32)
    assert type(form) is MinimalConvForm
    x = torch.randn(2, 64, frames, 5, 6)
    with torch.inference_mode():
        expected = conv(x)
        added = torch.randn_like(expected)
        assert (form(x) - expected.relu()).abs().max() < 1e-5 * expected.abs().max()
        assert torch.allclose(form(x, added), (expected + added).relu(), atol=1e-4)
        assert (("filters" in form.reordered) == (frames >= 4)) or not has_onednn()
        again = copy.deepcopy(form)
        assert not again.reordered and torch.equal(again(x), form(x))
    for other, dtype in (
        (nn.Conv3d(64, 64, 3, 2, 1), torch.float32),
        (nn.Conv3d(32, 64, 3, 1, 1), torch.float32),
        (nn.Conv3d(64, 64, 3, 1, 0), torch.float32),
        (nn.Conv3d(64, 64, (1, 3, 3), 1, 1), torch.float32),
        (conv, torch.bfloat16),
    ):
        assert type(make_form(other, True, dtype)) is ConvForm


def test_pooling_between_convolution_and_norm_keeps_the_norm() -> None:
    parts = fold_convs(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.BatchNorm2d(2)).eval(), torch.float32
    )
    assert [type(part) for part in parts] == [ConvForm, nn.MaxPool2d, nn.BatchNorm2d]


def test_half_precision_is_not_used_where_it_is_wrong() -> None:
    """Few channels and one frame under a kernel of several: oneDNN reads memory that is not there."""
    assert is_unsafe(3, 64) and is_unsafe(8, 8) and is_unsafe(24, 20) and not is_unsafe(16, 24)
    torch.manual_seed(0)
    for c, d, kernel in ((3, 16, 3), (8, 8, 7), (8, 16, 7)):
        conv = nn.Conv3d(c, d, kernel, padding=kernel // 2)
        form = ConvForm(conv, False, torch.bfloat16)
        one, many = torch.randn(2, c, 1, 7, 7), torch.randn(2, c, 8, 7, 7)
        with torch.inference_mode():
            junk = torch.full((1 << 18,), float("nan"))
            del junk
            found = form(one)
            assert found.dtype == torch.bfloat16
            assert torch.equal(found, conv(one).bfloat16())
            assert torch.allclose(form(many).float(), conv(many), atol=0.05)


def test_half_precision_on_processors_whose_onednn_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def only_float32(dtype: torch.dtype = torch.float32) -> bool:
        asked.append(dtype)
        return dtype == torch.float32

    monkeypatch.setattr("skelact.nn.fast.conv.has_onednn", only_float32)
    conv = nn.Conv3d(16, 16, 3, padding=1)
    form, x = ConvForm(conv, True, torch.bfloat16), torch.randn(2, 16, 4, 7, 7)
    with torch.inference_mode():
        found = form(x)
        assert asked == [torch.bfloat16] and not form.reordered
        assert torch.allclose(found.float(), conv(x).relu(), atol=0.05)
