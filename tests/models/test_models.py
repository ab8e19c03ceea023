"""Every model: shape, gradients, packing, folding, export, settings. Published numbers: test_published."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_models import LAYOUT_NAMES, SMALL, WIDE, build, clip_batch
from variants import slow_but

from skelact.errors import ConfigError
from skelact.models import MODELS, STGCN
from skelact.models import __path__ as models_path
from skelact.nn.fast import inference_form


def test_every_family_is_in_the_table_and_tested() -> None:
    files = {p.stem for folder in models_path for p in Path(folder).glob("*.py")} - {
        "__init__",
        "base",
        "continual",
        "create",
        "fusion",
        "gesture_encoder",
        "gesture_features",
        "own",
        "patch_as_node",
        "rgbpose_conv3d",
        "settings",
        "streams",
    }
    assert files == {settings.__module__.rpartition(".")[2] for settings in MODELS.values()}
    assert set(MODELS) == set(SMALL)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
@pytest.mark.parametrize("name", MODELS)
def test_shape_and_gradients(name: str, layout: str) -> None:
    model = build(name, layout).train()
    x, owner, score = clip_batch(len(model.layout))
    logits = model(x, owner, score)
    assert logits.shape == (3, 5)
    extra = model.extra_loss(torch.arange(3))
    (logits.square().sum() + (0 if extra is None else extra)).backward()
    for parameter, value in model.named_parameters():
        assert value.grad is not None and torch.isfinite(value.grad).all(), parameter
        assert value.grad.abs().sum() > 0 or "bias" in parameter or "importance" in parameter, parameter


@pytest.mark.parametrize("name", MODELS)
def test_packing_and_padding_do_not_matter(name: str) -> None:
    model = build(name)
    x, owner, score = clip_batch(25)
    together = model(x, owner, score)
    for clip in range(3):
        mine = owner == clip
        alone = model(x[mine], torch.zeros(int(mine.sum()), dtype=torch.int64), score[mine])
        assert torch.allclose(alone[0], together[clip], atol=1e-5)
    empty = torch.zeros(3, 16, 25)
    padded = model(
        torch.cat([x, torch.randn(3, 16, 25, 3)]),
        torch.cat([owner, torch.arange(3)]),
        torch.cat([score, empty]),
    )
    assert torch.allclose(padded, together, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_missing_joints_have_no_influence(name: str) -> None:
    model = build(name)
    x, owner, score = clip_batch(25)
    other = torch.where(score[..., None] > 0, x, torch.full_like(x, 77.0))
    assert torch.equal(model(x, owner, score), model(other, owner, score))


@pytest.mark.parametrize(
    "name", slow_but(MODELS, "stgcn", "ctrgcn", "shiftgcn", "skelactnet", "stgcnpp", "lstm")
)
def test_inference_form_gives_the_same(name: str) -> None:
    model = build(name, **(WIDE if "stride_blocks" in SMALL[name] else {})).double()
    x, owner, score = clip_batch(25)
    x, score = x.double(), score.double()
    for module in model.modules():
        if hasattr(module, "value"):
            module.value = module.value.double()
    with torch.no_grad():
        expected = model(x, owner, score)
    assert torch.allclose(inference_form(model, torch.float64)(x, owner, score), expected, atol=1e-10)
    assert torch.allclose(inference_form(model, torch.float64)(x), model(x), atol=1e-10)
    low = inference_form(model.float(), torch.bfloat16)(x.float(), owner, score.float())
    assert (low - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize("name", MODELS)
def test_mixed_precision_trains(name: str) -> None:
    model = build(name).train()
    x, owner, score = clip_batch(25)
    with torch.autocast("cpu", torch.bfloat16):
        loss = torch.nn.functional.cross_entropy(model(x, owner, score, 3), torch.arange(3))
        extra = model.extra_loss(torch.arange(3))
    (loss if extra is None else loss + extra).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_frames", [1, 2, 7, 33])
def test_any_number_of_frames(name: str, n_frames: int) -> None:
    model = build(name)
    x = torch.randn(3, n_frames, 25, 3)
    logits = model(x)
    assert logits.shape == (3, 5) and torch.isfinite(logits).all()
    assert torch.allclose(inference_form(model)(x), logits, atol=1e-4)


@pytest.mark.parametrize("name", slow_but(MODELS, "lstm"))
def test_export_and_compile_trace(name: str) -> None:
    model = build(name)
    x, owner, score = clip_batch(25)
    exported = torch.export.export(model, (x, owner, score, 3)).module()
    assert torch.allclose(exported(x, owner, score, 3), model(x, owner, score, 3), atol=1e-5)
    compiled = torch.compile(model, backend="eager", fullgraph=False)
    assert torch.allclose(compiled(x, owner, score, 3), model(x, owner, score, 3), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_determinism_and_state_dict_round_trip(name: str) -> None:
    model, other = build(name), build(name, n_classes=5)
    x, owner, score = clip_batch(25)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(x, owner, score), other(x, owner, score))


@pytest.mark.parametrize("name", MODELS)
def test_features_and_head_are_the_network(name: str) -> None:
    model = build(name)
    x, owner, score = clip_batch(25)
    features = model.forward_features(x, owner, score, 3)
    assert features.shape == (3, model.n_features)
    assert torch.equal(model.forward_head(features), model(x, owner, score, 3))
    model.reset_classifier(7)
    assert model.forward_head(features).shape == (3, 7)
    words = repr(model)
    assert words.startswith(type(model).__name__) and "ntu25, 7 classes" in words and len(words) < 120


@pytest.mark.parametrize("name", MODELS)
def test_wrong_joints_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"25 joints \(ntu25\)"):
        build(name)(torch.randn(1, 16, 24, 3))


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"x": torch.zeros(0, 16, 25, 3)}, "at least 1 person"),
        ({"x": torch.zeros(2, 0, 25, 3)}, "1 frame"),
        ({"x": torch.zeros(2, 16, 25)}, r"25 joints \(ntu25\), 3 channels"),
        ({"x": torch.zeros(2, 16, 25, 2)}, "3 channels"),
        ({"owner": torch.zeros(3, dtype=torch.int64)}, "each of the 2 people"),
        ({"owner": torch.zeros(2)}, "torch.float32"),
        ({"owner": torch.tensor([0, 4]), "n_clips": 3}, r"0 to 4, not within 0\.\.2"),
        ({"owner": torch.tensor([-1, 0])}, "-1 to 0"),
        ({"score": torch.ones(2, 15, 25)}, r"score must be \[2, 16, 25\]"),
    ],
)
@pytest.mark.parametrize("name", ["stgcn", "posec3d", "lstm"])
def test_input_out_of_range(name: str, changes: dict, hint: str) -> None:
    model = build(name)
    for form in (model, inference_form(model)):
        with pytest.raises(ConfigError, match=hint):
            form(**{"x": torch.zeros(2, 16, 25, 3), **changes})


@pytest.mark.parametrize("name", MODELS)
def test_new_classifier(name: str) -> None:
    model = build(name)
    model.reset_classifier(9)
    assert model(torch.randn(2, 16, 25, 3)).shape == (2, 9)


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="kernel must be odd"):
        STGCN("ntu25", 5, kernel=4)
    with pytest.raises(ConfigError, match="channels and classes"):
        STGCN("ntu25", 0)


@pytest.mark.parametrize("training", [False, True])
def test_more_people_than_weights_know_are_refused(training: bool) -> None:
    model = STGCN("ntu25", 5, channels=(8,), stride_blocks=(), padded_people=2).train(training)
    x = torch.randn(4, 8, 25, 3)
    assert model(x, torch.tensor([0, 0, 1, 1])).shape == (2, 5)
    with pytest.raises(ConfigError, match="know 2 people a clip, but a clip has 3"):
        model(x, torch.tensor([0, 0, 0, 1]))
