"""From folders of videos to actions by networks that see pictures, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from cli_helpers import refused, skelact
from motion_pictures import encode, pan

from skelact.io.store import Store
from skelact.recognition.checkpoint import load_checkpoint

MOTION = {
    "name": "flow",
    "pipeline": {"pictures": {"flow": {"framing": {"size": [32, 32]}, "crop": 32, "fps": 25, "scales": [1.0]}}},
    "model": {"name": "fusion", "streams": {"flow": {"name": "resnet3d", "depth": 18, "width": 0.0625}}},
    "train": {"epochs": 10, "repeat": 4, "batch_size": 8, "warmup_epochs": 1, "ema": 0, "device": "cpu"},
    "data": {"val": 0.25, "val_by": "clip"},
}  # fmt: skip

FOUR = {"kind": "segments", "segments": 4, "n_frames": 1}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Textures that move to the left, or to the right."""
    folder = tmp_path_factory.mktemp("videos")
    for label, step in (("left", -2), ("right", 2)):
        (folder / label).mkdir()
        for k in range(8):
            encode(
                folder / label / f"{label}{k}.mp4", pan(16, (step, 0), 64, 64, seed=k), options={"crf": "10"}
            )
    return folder


@pytest.fixture(scope="module")
def listed(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The videos as a set without people."""
    path = tmp_path_factory.mktemp("set") / "set.h5"
    done = skelact(
        "extract", videos, "--out", path, "--people", "none", "--split", 0.5, 0.0, 0.5, "--split-by", "clip"
    )
    assert done.code == 0, done.err
    return path


def write(folder: Path, config: dict) -> Path:
    path = folder / f"{config['name']}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.slow
def test_flow_alone_tells_left_from_right(listed: Path, videos: Path, tmp_path: Path) -> None:
    with Store(listed) as store:
        assert len(store) == 16 and {info["people"] for info in store.infos} == {"none"}
        assert (listed.parent / store.infos[0]["video"]).resolve().is_file()
    config = write(tmp_path, MOTION)
    done = skelact("train", config, "--data", listed, "--out", tmp_path)
    assert done.code == 0, done.err
    card = load_checkpoint(tmp_path / "flow")[1]
    assert card.pipeline["pictures"]["flow"]["crop"] == 32 and card.model["streams"]["flow"]["depth"] == 18
    result = skelact("evaluate", tmp_path / "flow", "--json")
    assert result.code == 0 and result.json["top1"] == 1.0
    with pytest.MonkeyPatch.context() as patch:  # a finished run needs no pictures
        patch.setattr(
            "skelact.datasets.picture_files.attach_pictures", lambda *_, **__: pytest.fail("read again")
        )
        again = skelact("train", config, "--data", listed, "--out", tmp_path)
    assert again.code == 0 and "finished already" in again.out
    video = videos / "left" / "left7.mp4"
    found = skelact("predict", tmp_path / "flow", video, "--out", tmp_path / "p", "--json")
    assert found.code == 0, found.err
    assert [s["label"] for s in found.json["segments"]] == ["left"] and "nobody" not in found.err
    assert "rests on the pictures alone" in found.err


@pytest.mark.slow
def test_streams_are_fused_late(listed: Path, tmp_path: Path) -> None:
    for name in ("rgb", "grey"):
        streams = {name: {"name": "single_frame", "width": 0.0625, "dropout": 0.0}}
        seen = {
            name: {
                "framing": {"size": [32, 32]},
                "crop": 32,
                "sampling": {"kind": "segments", "segments": 2, "n_frames": 1},
            }
        }
        config = {
            **MOTION, "name": name, "pipeline": {"pictures": seen}, "model": {"name": "fusion", "streams": streams},
            "train": {**MOTION["train"], "epochs": 1, "repeat": 1},
        }  # fmt: skip
        assert skelact("train", write(tmp_path, config), "--data", listed, "--out", tmp_path).code == 0
    done = skelact("fuse", tmp_path / "rgb", tmp_path / "grey", "--out", tmp_path / "both", "--json")
    assert done.code == 0 and len(done.json["weights"]) == 2
    assert skelact("evaluate", tmp_path / "both", listed, "--json").code == 0
    members = load_checkpoint(tmp_path / "both")[1].model["members"]
    assert [list(m["pipeline"]["pictures"]) for m in members] == [["rgb"], ["grey"]]


@pytest.mark.slow
def test_one_network_of_skeleton_and_pictures_starts_from_its_parts(dataset: Path, tmp_path: Path) -> None:
    with Store(dataset) as store:
        names, parts = store.clips["id"].tolist(), store.splits
    (tmp_path / "v").mkdir()
    lacking = names[int(parts["subjects/train"][0])]
    for k, name in enumerate(n for n in names if n != lacking):
        encode(tmp_path / "v" / f"{name}_rgb.mp4", pan(8, (1, 0), 48, 48, seed=k), options={"crf": "20"})
    both = {
        "name": "both",
        "pipeline": {
            "sampling": {"n_frames": 16},
            "pictures": {"rgb": {"framing": {"size": [32, 32]}, "crop": 24, "sampling": FOUR}},
        },
        "model": {
            "name": "fusion", "mode": "gated",
            "streams": {
                "skeleton": {"name": "stgcn", "channels": [16, 16], "stride_blocks": [1], "dropout": 0.1},
                "rgb": {"name": "single_frame", "width": 0.0625},
            },
        },
        "train": {**MOTION["train"], "epochs": 1, "repeat": 1},
        "data": {"videos": str(tmp_path / "v")},
    }  # fmt: skip
    config = write(tmp_path, both)
    alone = {
        **both,
        "name": "skeleton",
        "pipeline": {"sampling": {"n_frames": 16}},
        "model": both["model"]["streams"]["skeleton"],
    }
    assert skelact("train", write(tmp_path, alone), "--data", dataset, "--out", tmp_path).code == 0
    still = ("--train.lr", "1e-12", "--train.weight-decay", "0")
    given = ("--train.init-streams", "skeleton", tmp_path / "skeleton", *still)
    done = skelact("train", config, "--data", dataset, "--out", tmp_path, *given)
    assert done.code == 0, done.err
    assert "1 clip lacks the stream rgb" in done.out + done.err and lacking in done.out + done.err
    start, end = (load_checkpoint(tmp_path / name)[0] for name in ("skeleton", "both"))
    for name, value in start.items():
        if "running" not in name and "num_batches" not in name:
            assert value.allclose(end[f"encoders.skeleton.{name}"], atol=1e-6), name
    result = skelact("evaluate", tmp_path / "both", "--json")
    assert result.code == 0, result.err
    done = skelact("fuse", tmp_path / "skeleton", tmp_path / "both", "--out", tmp_path / "late", "--json")
    assert done.code == 0, done.err  # the first names no videos
    assert skelact("evaluate", tmp_path / "late", "--json").code == 0
    why = refused(
        2, "train", config, "--data", dataset, "--out", tmp_path, "--train.init-streams", "flow", "x"
    )
    assert "flow" in why and "rgb" in why


def test_what_does_not_fit(listed: Path, dataset: Path, tmp_path: Path, videos: Path) -> None:
    config = write(tmp_path, MOTION)
    why = refused(3, "train", config, "--data", dataset, "--out", tmp_path)
    assert "stream flow" in why and "--data.videos" in why
    (tmp_path / "empty").mkdir()
    assert "holds no video" in refused(
        3, "train", config, "--data", dataset, "--data.videos", tmp_path / "empty"
    )
    wrong = {**MOTION, "pipeline": {"pictures": {"rgb": {}, **MOTION["pipeline"]["pictures"]}}}
    assert "'rgb'" in refused(2, "train", write(tmp_path, wrong), "--data", listed, "--out", tmp_path)
    assert json.loads(skelact("inspect", listed, "--json").out)["clips"] == 16
    assert "camera" in refused(2, "extract", "0", "--people", "none", "--out", tmp_path / "a.h5")
