"""What a VideoLSTM attends to is drawn over what it sees."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from motion_pictures import encode, pan

from skelact.cli import run
from skelact.datasets.batch import SkeletonBatch
from skelact.errors import ConfigError
from skelact.layouts import get_layout
from skelact.models.fusion import FusionNet
from skelact.models.video import create_video_model

PATH = Path(__file__).parents[1] / "tools" / "show_attention.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("show_attention", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batch(pictures: torch.Tensor, there: tuple[bool, ...]) -> SkeletonBatch:
    n = len(pictures)
    return SkeletonBatch(
        torch.zeros(0, 2, 25, 3), torch.zeros(0, 2, 25), torch.zeros(0, dtype=torch.int64),
        torch.zeros(n, dtype=torch.int64), get_layout("ntu25"), pictures={"rgb": pictures}, there={"rgb": there},
    )  # fmt: skip


def network(name: str) -> FusionNet:
    torch.manual_seed(0)
    return FusionNet(
        "ntu25", 2, 3, {"rgb": create_video_model(name, n_classes=2, width=0.0625)}, "score"
    ).eval()


def test_places_are_as_bright_as_their_attention(tool: ModuleType) -> None:
    net, pictures = network("videolstm"), torch.rand(2, 3, 3, 64, 96)
    found = tool.look(net, batch(pictures, (False, True)))
    (shown,) = found["rgb"]  # the clip that has the stream
    assert shown.shape == (3, 128, 96, 3) and shown.min() >= 0 and shown.max() <= 1
    seen, counted = shown[:, :64], shown[:, 64:]
    low, high = pictures[1].min(), pictures[1].max()
    assert torch.allclose(seen, ((pictures[1] - low) / (high - low)).permute(1, 2, 3, 0), atol=1e-6)
    attention = net.encoders["rgb"].attention_map[0]
    share = torch.nn.functional.interpolate(attention[:, None], (64, 96), mode="bilinear")[:, 0]
    share = tool.DARK + (1 - tool.DARK) * share / share.max()
    assert torch.allclose(counted, seen * share[..., None], atol=1e-6)
    with pytest.raises(ConfigError, match="encoder videolstm"):
        tool.look(network("convlstm"), batch(pictures, (True, True)))


@pytest.mark.slow
def test_pictures_of_a_run(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label, step in (("left", -2), ("right", 2)):
        (tmp_path / "v" / label).mkdir(parents=True)
        for k in range(3):
            encode(tmp_path / "v" / label / f"{label}{k}.mp4", pan(8, (step, 0), 64, 64, seed=k))
    made = ("--people", "none", "--split", "0.5", "0.0", "0.5", "--split-by", "clip")
    assert run(["extract", str(tmp_path / "v"), "--out", str(tmp_path / "s.h5"), *made]) == 0
    sampling = {"kind": "segments", "segments": 3, "n_frames": 1}
    config = {
        "name": "looks",
        "pipeline": {"pictures": {"rgb": {"framing": {"size": [64, 64]}, "crop": 64, "sampling": sampling}}},
        "model": {"name": "fusion", "streams": {"rgb": {"name": "videolstm", "width": 0.0625}}},
        "train": {"epochs": 1, "batch_size": 2, "warmup_epochs": 0, "ema": 0, "device": "cpu"},
        "data": {"val": 0.0},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert (
        run(["train", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "s.h5"), "--out", str(tmp_path)])
        == 0
    )
    capsys.readouterr()
    words = [str(tmp_path / "looks"), str(tmp_path / "out"), "--clips", "2", "--device", "cpu"]
    tool.main(words)
    paths = [Path(line) for line in capsys.readouterr().out.split()]
    assert len(paths) == 2 and all(path.stat().st_size > 2000 for path in paths)
    with pytest.raises(SystemExit):
        tool.main([*words, "--split", "other"])
    assert "other" in capsys.readouterr().err
