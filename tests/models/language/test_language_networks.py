"""Networks for language: shapes, masks, padding, gradients, frame by frame."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from skelact.errors import ConfigError
from skelact.layouts import get_layout
from skelact.models.language import (
    LANGUAGE_NETWORKS,
    ContinualEncoder,
    CTCSettings,
    FrameEncoder,
    GlossToTextSettings,
    MotionToTextSettings,
    find_language_network,
)
from skelact.models.language.decoder import DECODERS, make_decoder, positions
from skelact.models.language.encoder import mean_frames

LAYOUTS = ("pose_hands75", "hand21", "natops8")
SMALL = {"width": 16, "layers": 2, "hidden": 12}


def encoder(layout: str = "natops8", n: int = 5, **changes: Any) -> FrameEncoder:
    torch.manual_seed(0)
    model = FrameEncoder(layout, n, 3, **{**SMALL, **changes}).eval()
    with torch.no_grad():  # biases that begin as zeros would hide faults
        for name, p in model.named_parameters():
            if "bias" in name:
                p += 0.3 * torch.randn_like(p)
    return model


def text(layout: str = "natops8", **changes: Any) -> Any:
    torch.manual_seed(0)
    settings = MotionToTextSettings(**{
        "width": 16, "encoder_layers": 2, "hidden": 8, "heads": 2, "decoder_layers": 1, **changes,
    })  # fmt: skip
    return settings.build(layout, 9, 3).eval()


def motion(
    layout: str = "natops8", n: int = 3, t: int = 14
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    v = len(get_layout(layout))
    score = (torch.rand(n, t, v) > 0.2).float()
    real = torch.ones(n, t, dtype=torch.bool)
    return torch.randn(n, t, v, 3), score, real


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("recurrent_layers", [0, 2])
def test_the_encoder_takes_layouts_and_trains_every_weight(layout: str, recurrent_layers: int) -> None:
    model = encoder(layout, recurrent_layers=recurrent_layers).train()
    x, score, real = motion(layout)
    out = model(x, None, score, real=real)
    assert out.shape == (1, 3, 14, 5)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("causal", [True, False])
def test_padding_changes_nothing(causal: bool) -> None:
    model = encoder(causal=causal)
    x, score, real = motion(n=1)
    alone = model(x, None, score, real=real)[0, 0]
    more = (torch.cat([x, torch.randn(1, 6, 8, 3)], 1), torch.cat([score, torch.zeros(1, 6, 8)], 1))
    padded = model(more[0], None, more[1], real=torch.arange(20)[None] < 14)[0, 0, :14]
    torch.testing.assert_close(alone, padded, rtol=1e-4, atol=1e-5)


def test_missing_joints_do_not_matter() -> None:
    model = encoder()
    x, score, real = motion()
    other = torch.where(score[..., None] > 0, x, 99.0 * torch.randn_like(x))
    torch.testing.assert_close(model(x, None, score, real=real), model(other, None, score, real=real))


def test_causal_means_that_later_frames_do_not_matter() -> None:
    x, score, real = motion()
    for causal in (True, False):
        model = encoder(causal=causal)
        other = x.clone()
        other[:, 9:] += 1
        before, after = (model(v, None, score, real=real)[0, :, :9] for v in (x, other))
        assert torch.allclose(before, after, atol=1e-6) == causal


@pytest.mark.parametrize("recurrent_layers", [0, 1, 2])
def test_frame_by_frame_gives_the_same_numbers(recurrent_layers: int) -> None:
    model = encoder(recurrent_layers=recurrent_layers)
    x, score, real = motion()
    score[1, 4:7] = 0  # nobody is there
    whole = model(x, None, score, real=real)[0]
    live = ContinualEncoder(model).eval()
    state = live.begin(3)
    with torch.no_grad():
        steps = [live.step(x[:, t], state, score[:, t]) for t in range(14)]
    torch.testing.assert_close(torch.stack(steps, 1), whole, rtol=1e-4, atol=1e-5)


def test_only_causal_networks_go_frame_by_frame() -> None:
    for model in (encoder(causal=False), encoder().train()):
        with pytest.raises(ConfigError, match="causal and in evaluation"):
            ContinualEncoder(model)


def test_means_of_frames_leave_padding_out() -> None:
    x = torch.arange(10.0).view(1, 5, 2)
    mean, real = mean_frames(x, torch.tensor([[True, True, True, False, False]]), 2)
    assert mean[0].tolist() == [[1, 2], [4, 5], [0, 0]] and real[0].tolist() == [True, True, False]
    same, _ = mean_frames(x, torch.ones(1, 5, dtype=torch.bool), 1)
    assert same is x


@pytest.mark.parametrize("decoder", DECODERS)
def test_text_networks_see_no_later_words_and_no_padding(decoder: str) -> None:
    model = text(decoder=decoder)
    x, score, real = motion()
    words = torch.randint(1, 9, (3, 6))
    out = model(x, score, real, words)
    assert out.shape == (3, 6, 9)
    other = words.clone()
    other[:, 4:] = 8 - other[:, 4:]
    torch.testing.assert_close(model(x, score, real, other)[:, :4], out[:, :4])
    more = (
        torch.cat([x, torch.randn_like(x)], 1),
        torch.cat([score, 0 * score], 1),
        torch.cat([real, ~real], 1),
    )
    torch.testing.assert_close(model(*more, words), out, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decoder", DECODERS)
def test_text_networks_train_every_weight(decoder: str) -> None:
    model = text("hand21", decoder=decoder).train()
    model(*motion("hand21"), torch.randint(1, 9, (3, 4))).square().sum().backward()
    lacking = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert lacking == []


def test_stride_is_how_many_frames_share_a_place() -> None:
    for stride, places in ((1, 14), (4, 4), (14, 1)):
        memory, real = text(stride=stride).encode(*motion())
        assert memory.shape[:2] == (3, places) == tuple(real.shape)
    with pytest.raises(ConfigError, match="stride"):
        text(stride=0)


def test_gloss_to_text_ignores_padding() -> None:
    torch.manual_seed(0)
    model = GlossToTextSettings(width=16, layers=1, heads=2).build(6, 9).eval()
    words = torch.randint(1, 9, (1, 4))
    short, long = torch.tensor([[3, 5, 1]]), torch.tensor([[3, 5, 1, 0, 0]])
    torch.testing.assert_close(model(short, words), model(long, words), rtol=1e-4, atol=1e-5)
    assert model(torch.zeros(1, 2, dtype=torch.int64), words).isfinite().all()  # no gloss at all
    assert not torch.allclose(model(torch.tensor([[5, 3, 1]]), words), model(short, words))  # order matters


def test_positions_differ() -> None:
    table = positions(50, 8, torch.zeros(1))
    assert table.shape == (50, 8) and len({tuple(row.tolist()) for row in table.round(decimals=4)}) == 50


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: encoder(width=0), "at least 1"),
        (lambda: encoder(dropout=1.0), "dropout"),
        (lambda: text(decoder="lstm"), "unknown decoder 'lstm'"),
        (lambda: text(width=18, heads=4), "multiple of heads"),
        (lambda: make_decoder("gru", 0, 4, 1, 1, 0.0), "at least 1"),
        (lambda: find_language_network({"name": "ctcc"}), "Did you mean 'ctc'"),
    ],
)
def test_impossible_settings_are_refused(make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


def test_every_setting_reaches_the_network() -> None:
    usual = encoder(recurrent_layers=1)
    for name, value in {
        "width": 24,
        "layers": 3,
        "hidden": 20,
        "recurrent_layers": 2,
        "causal": False,
    }.items():
        model: Any = CTCSettings(**{**SMALL, "recurrent_layers": 1, name: value}).build("natops8", 5, 3)  # type: ignore[arg-type]
        assert {k: tuple(v.shape) for k, v in model.state_dict().items()} != {
            k: tuple(v.shape) for k, v in usual.state_dict().items()
        }, name
    assert encoder(dropout=0.7).dropout.p == 0.7


def test_the_table_names_every_network() -> None:
    assert set(LANGUAGE_NETWORKS) == {"ctc", "motion2text", "gloss2text", "mstcn", "gru"}
    for name, settings in LANGUAGE_NETWORKS.items():
        assert settings().name == name
