"""``skelact import-weights``: a release's file becomes a checkpoint; hostile and wrong files are refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from skelact.cli import run
from skelact.io.ntu import NTU120_NAMES
from skelact.layouts import partition
from skelact.recognition import load_model


def released_stgcn(n_classes: int = 60) -> dict[str, torch.Tensor]:
    """A state dict with the ST-GCN release's keys: two blocks, 8 and 16 channels."""
    generator = torch.Generator().manual_seed(0)
    state = {"A": torch.as_tensor(partition("ntu25", "spatial_released"), dtype=torch.float32)}

    def norm(key: str, width: int) -> None:
        state.update({f"{key}.{part}": torch.rand(width, generator=generator) + 0.5
                      for part in ("weight", "bias", "running_mean", "running_var")})  # fmt: skip
        state[f"{key}.num_batches_tracked"] = torch.tensor(3)

    def conv(key: str, *shape: int) -> None:
        state[f"{key}.weight"] = torch.randn(*shape, generator=generator)
        state[f"{key}.bias"] = torch.randn(shape[0], generator=generator)

    norm("data_bn", 75)
    for i, (c, d) in enumerate([(3, 8), (8, 16)]):
        row = f"st_gcn_networks.{i}"
        state[f"edge_importance.{i}"] = torch.rand(3, 25, 25, generator=generator)
        conv(f"{row}.gcn.conv", 3 * d, c, 1, 1)
        norm(f"{row}.tcn.0", d)
        conv(f"{row}.tcn.2", d, d, 9, 1)
        norm(f"{row}.tcn.3", d)
        if i:
            conv(f"{row}.residual.0", d, c, 1, 1)
            norm(f"{row}.residual.1", d)
    conv("fcn", n_classes, 16, 1, 1)
    return state


def test_a_release_becomes_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"state_dict": {f"module.{k}": v for k, v in released_stgcn().items()}}, tmp_path / "a.pth")
    assert run(["import-weights", "stgcn", str(tmp_path / "a.pth"), str(tmp_path / "a.safetensors")]) == 0
    said = capsys.readouterr()
    assert "60 classes" in said.out + said.err and "skelact evaluate" in said.out + said.err
    model, card, pipeline = load_model(tmp_path / "a.safetensors")
    assert card.label_names == list(NTU120_NAMES[:60]) and card.model["padded_people"] == 2
    assert pipeline.sampling.n_frames == 300 and model(torch.zeros(1, 300, 25, 3)).shape == (1, 60)


def test_class_names_come_from_a_file(tmp_path: Path) -> None:
    torch.save(released_stgcn(3), tmp_path / "a.pth")
    (tmp_path / "names.txt").write_text("wave\nkick\nfall\n")
    words = ["import-weights", "stgcn", str(tmp_path / "a.pth"), str(tmp_path / "a.safetensors")]
    assert run([*words, "--labels", str(tmp_path / "names.txt")]) == 0
    assert load_model(tmp_path / "a.safetensors")[1].label_names == ["wave", "kick", "fall"]
    (tmp_path / "names.txt").write_text("wave\nkick\n")
    assert run([*words, "--labels", str(tmp_path / "names.txt")]) == 2


def test_wrong_keys_are_all_listed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    state = released_stgcn()
    del state["st_gcn_networks.1.tcn.2.bias"]
    state["what.is.this"] = torch.zeros(2)
    state["data_bn.bias"] = torch.zeros(74)
    torch.save(state, tmp_path / "a.pth")
    assert run(["import-weights", "stgcn", str(tmp_path / "a.pth"), str(tmp_path / "a.safetensors")]) == 3
    said = capsys.readouterr().err
    assert "missing: st_gcn_networks.1.tcn.2.bias" in said and "unexpected: what.is.this" in said
    assert "data_bn.bias: [74]" in said and "[75]" in said
    assert not (tmp_path / "a.safetensors").exists()


def test_no_code_in_a_file_is_run(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "harmed"),)

    (tmp_path / "a.pth").write_bytes(pickle.dumps({"state_dict": Hostile()}))
    torch.save({"state_dict": Hostile()}, tmp_path / "b.pth")
    for name in ("a.pth", "b.pth"):
        words = ["import-weights", "stgcn", str(tmp_path / name), str(tmp_path / "c.safetensors")]
        assert run(words) == 3
        assert "no code in such files is run" in capsys.readouterr().err
    assert not (tmp_path / "harmed").exists() and not (tmp_path / "c.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["stgcn"], 2, "three words are needed"),
        (["stgnc", "a.pth", "b"], 3, "Did you mean 'stgcn'"),
        (["stgcn", "nowhere.pth", "b"], 3, "there is no file"),
    ],
)
def test_wrong_words(words: list[str], code: int, hint: str, capsys: pytest.CaptureFixture) -> None:
    assert run(["import-weights", *words]) == code
    assert hint in capsys.readouterr().err


def test_a_layout_with_other_joints_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save(released_stgcn(), tmp_path / "a.pth")
    words = ["import-weights", "stgcn", str(tmp_path / "a.pth"), str(tmp_path / "b"), "--layout", "coco17"]
    assert run(words) == 3
    assert "25 joints" in (said := capsys.readouterr().err) and "ntu25, ntu25_tied" in said
