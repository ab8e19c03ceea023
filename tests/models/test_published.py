"""Published checkpoints: the authors' logits, number by number, and files that do not fit."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from variants import slow_but

from skelact.errors import CheckpointError, LayoutError
from skelact.models.published import PUBLISHED, from_published, read_published
from skelact.nn.fast import inference_form

# name: the files whose keys a release's reference has; each is loaded and, where its logits are known, compared
REFERENCES = ["stgcn", "2s_agcn", "ctrgcn", "stgcnpp_pyskl", "dgstgcn_pyskl", "protogcn", "msg3d"]
# how real files name what the references call `b.` (backbone) and `fc`
TOOLKITS = ["stgcnpp_pyskl", "dgstgcn_pyskl", "protogcn"]


def value_of(key: str, shape: list[int]) -> np.ndarray:
    """The recipe of the references' README."""
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


def load_reference(
    folder: Path, name: str, dtype: torch.dtype = torch.float64
) -> tuple[dict, dict[str, Tensor]]:
    """The record and the state dict it stands for."""
    record = json.loads((folder / f"{name}.json").read_text())
    state = {}
    for entry in record["state"]:
        key = entry["key"]
        made = np.array(entry["value"]) if entry["kind"] == "const" else value_of(key, entry["shape"])
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
        else:
            state[key] = torch.from_numpy(np.asarray(made, np.float32)).to(dtype)
    return record, state


def recorded_input(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The references' input, two people a clip, packed."""
    x = np.random.default_rng(7).standard_normal((2, 2, 64, 25, 3))
    return torch.from_numpy(x).to(dtype).flatten(0, 1), torch.tensor([0, 0, 1, 1])


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-9), pytest.param(torch.float32, 1e-4, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", REFERENCES)
def test_logits_are_those_of_the_release(
    shared_reference: Path, name: str, dtype: torch.dtype, tolerance: float
) -> None:
    record, state = load_reference(shared_reference, name, dtype)
    model = from_published(name, state)
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == record["parameters"]
    x, owner = recorded_input(dtype)
    with torch.no_grad():
        logits = model(x, owner)
    expected = torch.tensor(record["logits"], dtype=torch.float64) if record["logits"] else logits
    assert logits.shape == (2, 60)
    assert relative(logits, expected) < tolerance
    assert relative(inference_form(model, dtype)(x, owner), expected) < tolerance


@pytest.mark.parametrize("name", slow_but(REFERENCES, "stgcn", "ctrgcn"))
def test_absent_people_are_those_of_padded_clips(shared_reference: Path, name: str) -> None:
    """A clip of one person gives what the release gives for a second one of zeros, packed or not."""
    _, state = load_reference(shared_reference, name)
    model = from_published(name, state)
    x, _ = recorded_input(torch.float64)
    x = x[:, :16]
    padded = torch.stack([x[0], torch.zeros_like(x[0]), x[1], x[2]])
    with torch.no_grad():
        expected = model(padded, torch.tensor([0, 0, 1, 1]))
        assert relative(model(x[:3], torch.tensor([0, 1, 1])), expected) < 1e-12
    assert relative(inference_form(model, torch.float64)(x[:3], torch.tensor([0, 1, 1])), expected) < 1e-9


@pytest.mark.parametrize("name", TOOLKITS)
def test_names_of_real_files(shared_reference: Path, name: str) -> None:
    _, state = load_reference(shared_reference, name)
    real = {
        k.replace("b.", "backbone.", 1) if k.startswith("b.") else k.replace("fc.", "cls_head.fc_cls.", 1): v
        for k, v in state.items()
    }
    assert set(real) != set(state)
    x, owner = recorded_input(torch.float64)
    with torch.no_grad():
        assert torch.equal(
            from_published(name, real)(x[:, :8], owner), from_published(name, state)(x[:, :8], owner)
        )
        if name == "protogcn":  # files of whole trainings hold the head of the contrast, too
            real["cls_head.csc_loss.cl_fc.weight"] = torch.randn(256, 625, dtype=torch.float64)
            real["cls_head.csc_loss.cl_fc.bias"] = torch.randn(256, dtype=torch.float64)
            trained = from_published(name, real)
            assert torch.equal(trained.contrast.project.bias, real["cls_head.csc_loss.cl_fc.bias"])  # type: ignore
            assert torch.equal(trained(x[:, :8], owner), from_published(name, state)(x[:, :8], owner))


@pytest.mark.parametrize("name", REFERENCES)
def test_keys_that_do_not_fit_are_listed(shared_reference: Path, name: str) -> None:
    _, state = load_reference(shared_reference, name, torch.float32)
    keys = [k for k in state if k.endswith("running_mean") and "data_bn" not in k]
    gone, wrong = keys[3], keys[-3]
    shape = list(state[wrong].shape)
    del state[gone]
    state[wrong] = torch.zeros(7)
    state["of.another.network"] = torch.zeros(2)
    with pytest.raises(CheckpointError) as error:
        from_published(name, state)
    text = str(error.value)
    bare = [k.removeprefix("b.") for k in (gone, wrong)]
    assert f"missing: {bare[0]}" in text and "unexpected: of.another.network" in text
    assert bare[1] in text and "[7]" in text, f"{wrong} {shape} is not listed:\n{text}"


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_of_something_else(name: str) -> None:
    with pytest.raises(CheckpointError, match=f"not weights of '{name}'"):
        from_published(name, {"conv.weight": torch.zeros(3, 3)})
    with pytest.raises(CheckpointError, match="a state dict of tensors is needed"):
        from_published(name, {"state_dict": {"conv.weight": torch.zeros(3)}})  # type: ignore[dict-item]


def test_unknown_name() -> None:
    with pytest.raises(CheckpointError, match=r"unknown published model 'ctr_gcn'.*ctrgcn"):
        from_published("ctr_gcn", {})


@pytest.mark.parametrize("name", REFERENCES)
def test_layout_of_other_joints(shared_reference: Path, name: str) -> None:
    _, state = load_reference(shared_reference, name, torch.float32)
    with pytest.raises(LayoutError, match=r"25 joints, layout 'coco17' has 17; layouts with 25: .*ntu25"):
        from_published(name, state, layout="coco17")


def test_too_many_people(shared_reference: Path) -> None:
    _, state = load_reference(shared_reference, "ctrgcn", torch.float32)
    with pytest.raises(Exception, match=r"know 2 people a clip, but a clip has 3"):
        from_published("ctrgcn", state)(torch.zeros(3, 8, 25, 3), torch.zeros(3, dtype=torch.int64))


def test_files_are_read_without_running_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state_dict": {"fc.weight": torch.ones(2)}, "more": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="no code in such files is run"):
        read_published(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()
    torch.save({"epoch": 3, "state_dict": {"fc.weight": torch.ones(2)}}, tmp_path / "good.pth")
    assert torch.equal(read_published(tmp_path / "good.pth")["fc.weight"], torch.ones(2))
    with pytest.raises(CheckpointError, match="there is no file"):
        read_published(tmp_path / "none.pth")
