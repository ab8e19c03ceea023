"""Every model: shape, gradients, packing, folding, export, parameter counts, published numbers."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.errors import ConfigError
from skelact.models import MODELS, STGCN
from skelact.models import __path__ as models_path

SMALL = {"stgcn": {"channels": (8, 16, 16), "strided": (1,)}}
LAYOUT_NAMES = ["ntu25", "coco17", "natops8", "pose_hands75"]


def build(name: str, layout: str = "ntu25", n_classes: int = 5, **changes):
    torch.manual_seed(0)
    model = MODELS[name](**{**SMALL[name], **changes}).build(layout, n_classes, 3)
    model.train()
    with torch.no_grad():  # norms with statistics of their own
        model(torch.randn(6, 16, len(model.layout), 3))
    return model.eval()


def clip_batch(n_joints: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    owner = torch.tensor([0, 0, 1, 2, 2, 2])
    x = torch.randn(6, 16, n_joints, 3, generator=generator)
    score = (torch.rand(6, 16, n_joints, generator=generator) > 0.1).float()
    return x, owner, score


def test_every_family_is_in_the_table_and_tested() -> None:
    files = {p.stem for folder in models_path for p in Path(folder).glob("*.py")} - {"__init__"}
    assert files == set(MODELS) == set(SMALL)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
@pytest.mark.parametrize("name", MODELS)
def test_shape_and_gradients(name: str, layout: str) -> None:
    model = build(name, layout).train()
    x, owner, score = clip_batch(len(model.layout))
    logits = model(x, owner, score)
    assert logits.shape == (3, 5)
    logits.square().sum().backward()
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


@pytest.mark.parametrize("name", MODELS)
def test_folded_form_gives_the_same(name: str) -> None:
    model = build(name, channels=(16, 128, 128, 256), strided=(1,)).double()
    x, owner, score = clip_batch(25)
    x, score = x.double(), score.double()
    for module in model.modules():
        if hasattr(module, "value"):
            module.value = module.value.double()
    with torch.no_grad():
        expected = model(x, owner, score)
    assert torch.allclose(model.folded(torch.float64)(x, owner, score), expected, atol=1e-10)
    assert torch.allclose(model.folded(torch.float64)(x), model(x), atol=1e-10)
    low = model.float().folded(torch.bfloat16)(x.float(), owner, score.float())
    assert (low - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize("name", MODELS)
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
def test_wrong_joints_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"25 joints \(ntu25\)"):
        build(name)(torch.randn(1, 16, 24, 3))


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


def value_of(key: str, shape: list[int]) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    n = rng.standard_normal(shape)
    if key.endswith("running_var"):
        return 0.5 + rng.random(shape)
    if key.endswith("running_mean"):
        return 0.1 * n
    if len(shape) <= 1:
        return 1 + 0.1 * n if key.endswith("weight") else 0.1 * n
    if key.endswith((".PA", ".A")) or tuple(shape) == (3, 25, 25):
        return 0.02 * n
    return 0.8 * n / np.sqrt(np.prod(shape[1:]))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_stgcn_equals_the_authors_release(
    shared_reference: Path, dtype: torch.dtype, tolerance: float
) -> None:
    reference = json.loads((shared_reference / "stgcn.json").read_text())
    released = {}
    for entry in reference["state"]:
        made = (
            np.array(entry["value"]) if entry["kind"] == "const" else value_of(entry["key"], entry["shape"])
        )
        released[entry["key"]] = torch.from_numpy(np.asarray(made, np.float32).astype(np.float64))
    torch.set_default_dtype(torch.float64)
    try:
        model = STGCN("ntu25", 60, partition_name="spatial_released")
        state = {}
        for key in model.state_dict():
            words = key.split(".")
            if words[0] == "norm":
                state[key] = released.get(f"data_bn.{words[1]}", torch.tensor(0))
                if words[1] in ("weight", "bias", "running_mean", "running_var"):
                    state[key] = released[f"data_bn.{words[1]}"]
            elif words[0] == "head":
                state[key] = (
                    released[f"fcn.{words[1]}"].flatten(1) if words[1] == "weight" else released["fcn.bias"]
                )
            else:
                i, part, rest = words[1], words[2], words[-1]
                if part == "spatial":
                    if rest == "importance":
                        state[key] = released[f"edge_importance.{i}"]
                        continue
                    theirs = released[f"st_gcn_networks.{i}.gcn.conv.{rest}"]
                    state[key] = (
                        theirs.view(3, -1, theirs.shape[1]).transpose(1, 2)
                        if rest == "weight"
                        else theirs.view(3, -1)
                    )
                    continue
                place = {
                    "spatial_norm": "tcn.0", "temporal": "tcn.2", "temporal_norm": "tcn.3",
                    "residual": f"residual.{words[3]}",
                }[part]  # fmt: skip
                theirs = released.get(f"st_gcn_networks.{i}.{place}.{rest}", torch.tensor(0))
                if part == "temporal" and rest == "weight":
                    theirs = theirs.transpose(2, 3)
                if part == "residual" and theirs.ndim == 4:
                    theirs = theirs[:, :, 0, 0]
                state[key] = theirs
        model.load_state_dict(state)
        graph = model.blocks[0].spatial.graph  # type: ignore[union-attr]
        flat = released["A"].reshape(-1)
        graph.value = flat[graph.place]
        assert sum(p.numel() for p in model.parameters()) == reference["parameters"]
        assert int((flat != 0).sum()) == graph.n_edges
        model = model.eval().to(dtype)
        graph.value = graph.value.to(dtype)
        n, m = 2, 2
        x = torch.from_numpy(np.random.default_rng(7).standard_normal((n, m, 64, 25, 3))).to(dtype)
        owner = torch.arange(n).repeat_interleave(m)
        expected = torch.tensor(reference["logits"], dtype=torch.float64)
        for logits in (model(x.flatten(0, 1), owner), model.folded(dtype)(x.flatten(0, 1), owner)):
            assert ((logits - expected).abs().max() / expected.abs().max()).item() < tolerance
    finally:
        torch.set_default_dtype(torch.float32)
