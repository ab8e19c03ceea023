"""What ``import skelact`` offers, and how its records are shown."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_sets import random_set

import skelact
from skelact.errors import CheckpointError, ConfigError, DataError
from skelact.models import MODELS, SkeletonModel
from skelact.models.video import list_video_models


def test_everything_that_is_named_is_there_and_comes_late() -> None:
    assert dir(skelact) == sorted(skelact.__all__)
    for name in skelact.__all__:
        assert getattr(skelact, name) is not None
    for name in skelact._LATER:
        assert name in skelact.__all__ and getattr(skelact, name) is getattr(skelact, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        skelact.nothing  # noqa: B018
    there = "print('torch' in sys.modules)"
    code = f"import sys, skelact; dir(skelact); {there}; skelact.list_models; {there}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_what_is_offered_has_the_names_that_help_shows() -> None:
    for name in set(skelact.__all__) - {"__version__", "layouts"}:
        offered = getattr(skelact, name)
        assert offered.__name__ == name and inspect.getdoc(offered), name
        assert name == "SkelactError" or " at 0x" not in str(inspect.signature(offered)), name
    shown = pydoc.plain(pydoc.render_doc(skelact))
    assert "load_set(path: " in shown and skelact.__version__ in shown


def test_networks_by_name() -> None:
    assert skelact.list_models("skeleton") == list(MODELS)
    assert skelact.list_models() == [*MODELS, *list_video_models()]
    model = skelact.create_model("ctrgcn", layout="coco17", n_classes=12, channels_in=2)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert isinstance(model, SkeletonModel)
    assert repr(model) == f"CTRGCN(coco17, 12 classes, 2 channels a joint, {millions:.2f} M weights)"
    assert model(torch.randn(2, 16, 17, 2)).shape == (2, 12)
    small = skelact.create_model("stgcn", n_classes=4, channels=(8, 16), stride_blocks=(1,))
    assert small.blocks[0].channels_out == 8
    film = skelact.create_model("resnet3d_18", n_classes=3, channels_in=1)
    assert "3 classes, 1 channels a pixel" in repr(film)
    assert type(skelact.create_model("resnet3d", n_classes=3, depth=18)) is type(film)
    for words, wrong in (
        ("allowed: ", {"name": "stgcm"}), ("unknown key 'chanels'", {"name": "stgcn", "chanels": [8]}),
        ("Did you mean 'ctrgcn'", {"name": "CTR-GCN"}), ("Did you mean 'stgcnpp'", {"name": "ST-GCN++"}),
        ("calls it n_classes, got num_classes", {"name": "stgcn", "num_classes": 4}),
        (r"load_model\('everyday'\)", {"name": "stgcn", "pretrained": True}),
        ("unknown network 'sound'", None),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            skelact.list_models("sound") if wrong is None else skelact.create_model(**wrong)
    assert "ctrgcn" in skelact.list_models("gcn") and "lstm" not in skelact.list_models("gcn")
    assert skelact.list_models("resnet3d_?8") == ["resnet3d_18"]


def test_input_of_other_toolkits_is_recognised() -> None:
    model = skelact.create_model("stgcn", n_classes=4, channels=(8,), stride_blocks=()).eval()
    x = torch.randn(2, 3, 8, 25, 2)  # N C T V M
    for given in (x, x.permute(0, 4, 2, 3, 1)):
        with pytest.raises(ConfigError, match="people are packed here: x") as refused:
            model(given)
        made = {"x": given, "torch": torch}  # what the message says is run as it stands
        way, owner = str(refused.value).split("here: ")[1].split(", leaving")[0].split(", with owner = ")
        logits = model(eval(way, made), eval(owner, made))
        assert logits.shape == (2, 4)
        assert torch.allclose(
            logits[:1], model(x[0].permute(3, 1, 2, 0), torch.zeros(2, dtype=torch.int64)), atol=1e-5
        )
    with pytest.raises(ConfigError, match=r"got \[1, 2, 3, 4, 5\]$"):
        model(torch.zeros(1, 2, 3, 4, 5))


def test_a_network_of_ones_own_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_by_name.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, layout, n_classes, channels_in, width: int = 4):\n"
        "        super().__init__()\n"
        "        self.head = nn.Linear(channels_in, n_classes)\n"
        "        self.width = width\n"
        "    def forward(self, x, owner, score, n_clips):\n"
        "        return self.head(x.mean((1, 2)))\n"
    )
    monkeypatch.chdir(tmp_path)
    model = skelact.create_model("mine_by_name:Net", n_classes=5, width=9)
    assert model.width == 9 and model.head.out_features == 5


def test_records_are_shown_in_a_line() -> None:
    data = random_set("coco17")
    batch = skelact.Pipeline()(data, torch.arange(2))
    for record, words in (
        (data, [f"{len(data)} clips", data.layout.name]), (batch, ["2 clips", "64 frames", "cpu"]),
        (skelact.get_layout("coco17"), ["coco17", "17 joints", "16 bones"]),
        (skelact.Skeleton(torch.zeros(1, 4, 17, 3).numpy(), None, "coco17", 25.0, label="walk"), [
            "1 person", "4 frames at 25 fps", "17 joints (coco17)", "label 'walk'",
        ]),
    ):  # fmt: skip
        text = repr(record)
        assert all(word in text for word in words) and len(text) < 200 and "\n" not in text, text


def test_results_are_shown_in_a_line(tmp_path: Path) -> None:
    from skelact.evaluate.calibration import calibration_metrics
    from skelact.evaluate.metrics import classification_metrics
    from skelact.io.convert import convert
    from skelact.io.inspect import inspect
    from skelact.io.store import write_store
    from skelact.recognition import Recogniser

    p, labels = np.tile([[0.9, 0.1], [0.4, 0.6]], (50, 1)), np.tile([0, 1], 50)
    write_store(tmp_path / "a.h5", [skelact.Skeleton(np.ones((1, 9, 17, 3)), None, "coco17", 25.0, id="x")])
    everyday = Recogniser("everyday")
    seen = skelact.Skeleton(np.random.default_rng(0).normal(size=(1, 99, 25, 3)), None, "ntu25", 30.0)
    for record, words in (
        (classification_metrics(p, labels), ["100 samples", "2 classes", "top-1 100.0 %"]),
        (calibration_metrics(p, labels), ["100 samples", "ECE 25.0 %"]),
        (inspect(tmp_path / "a.h5"), ["a.h5", "1 clip,", "coco17", "problems"]),
        (convert(tmp_path / "a.h5", tmp_path / "b.h5"), ["b.h5", "1 clip of 1 file,", "0 failed"]),
        (everyday, ["classes", "clips of"]), (everyday.recognise(seen), ["Recognition(group", " s"]),
    ):  # fmt: skip
        text = repr(record).replace(str(tmp_path), "")
        assert all(word in text for word in words) and len(text) < 200 and "\n" not in text, text


def test_a_set_is_a_sequence_of_recordings() -> None:
    data = random_set("coco17")
    first, last = data[0], data[-1]
    assert isinstance(first, skelact.Skeleton) and first.id == data.ids[0] and last.id == data.ids[-1]
    assert [s.label for s in data] == [data.label_names[k] for k in data.labels.tolist()]
    assert first.equals(data.recording(0).with_(label=first.label)) and data[first.id].equals(first)
    with pytest.raises(IndexError):
        data[len(data)]
    with pytest.raises(DataError, match=f"unknown clip 'x{first.id}'"):
        data["x" + first.id]
    card = skelact.load_model("everyday")[1]
    assert repr(card).startswith("Card(skelactnet, 23 classes, body15 x 3 in m") and len(repr(card)) < 150
    with pytest.raises(CheckpointError, match="Did you mean 'everyday', which ships"):
        skelact.load_model("everydya")


def test_a_video_is_recognised_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.datasets.synthetic import make_clip
    from skelact.pose import extract

    asked = []
    clip = make_clip("wave", subject=1)  # in another layout than the network's
    monkeypatch.setattr(extract, "extract_video", lambda path, **how: (asked.append((path, how)), clip)[1])
    recogniser = skelact.Recogniser("everyday")
    found = recogniser.recognise("video.mp4")
    assert asked == [("video.mp4", {"parts": "pose", "coordinates": "camera"})]
    assert (
        found.segments == recogniser.recognise(clip).segments
        and found.label_names == recogniser.card.label_names
    )
    flat = skelact.Recogniser("everyday-2d")
    assert flat.extraction == {"parts": "pose", "coordinates": "image"}
    fractions = clip.with_(unit="image", info={})  # the unit is made to fit, or refused
    with pytest.raises(DataError, match="fractions of the picture"):
        recogniser.recognise(fractions)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    recogniser = skelact.Recogniser("everyday")
    for wrong, words in (
        (random_set("coco17"), r"data\[0\] is one"),
        (tmp_path / "set.h5", r"load_set\('.*set.h5'\)\[0\]"),
    ):
        with pytest.raises(DataError, match=words):
            recogniser.recognise(wrong)


def test_a_loaded_model_has_names_and_is_short() -> None:
    import skelact

    found = skelact.load_model("everyday")
    network, card, pipeline = found
    assert found.network is network and found.card is card and found.pipeline is pipeline
    assert repr(found).startswith("LoadedModel(SkelactNet, Card(") and len(repr(found)) < 200
