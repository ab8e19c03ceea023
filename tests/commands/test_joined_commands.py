"""Networks that see pictures and joints together, trained and used through the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from cli_helpers import refused, skelact
from motion_pictures import encode

from skelact.io.store import read_store, write_store
from skelact.recognition.checkpoint import load_checkpoint
from skelact.recognition.recogniser import Recogniser
from skelact.skeleton import Skeleton

FRAMES, SIDE, HAND = 16, 48, 11  # joint 11 is a hand
CLIPS, TEST = 44, 4


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Skeletons that all move alike; the action is whether something bright or dark is in the right hand."""
    folder = tmp_path_factory.mktemp("held")
    rng = np.random.default_rng(0)
    clips = []
    for k in range(CLIPS):
        picture = 0.5 + 0.25 * rng.uniform(-1, 1, (1, 1, 25, 2)) + np.zeros((1, FRAMES, 25, 2))
        pictures = []
        for x, y in picture[0, :, HAND] * SIDE:
            frame = np.full((SIDE, SIDE, 3), 128, np.uint8)
            row, column = int(y), int(x)
            frame[row - 5 : row + 5, column - 5 : column + 5] = 250 if k % 2 else 5
            pictures.append(frame)
        encode(folder / f"clip{k}.mp4", pictures, options={"crf": "10"})
        xyz = np.concatenate([picture, np.ones_like(picture[..., :1])], -1) + rng.normal(
            0, 0.01, (1, FRAMES, 25, 3)
        )
        label = "bright" if k % 2 else "dark"
        info = {"video": f"clip{k}.mp4", "subject": k // 2}
        clips.append(Skeleton(xyz, None, "ntu25", 25, label=label, id=f"c{k}", info=info, picture=picture))
    names = [clip.id for clip in clips]
    write_store(folder / "set.h5", clips, {"half/train": names[:-TEST], "half/test": names[-TEST:]})
    return folder / "set.h5"


SEEN = {
    "framing": {"size": [48, 48]}, "crop": 48, "fps": 25, "scales": [1.0],
    "sampling": {"kind": "segments", "segments": 2, "n_frames": 1},
}  # fmt: skip
TRAIN = {
    "epochs": 12,
    "batch_size": 8,
    "warmup_epochs": 1,
    "ema": 0,
    "device": "cpu",
    "lr": 0.05,
}


def config(folder: Path, name: str, model: dict, **train) -> Path:
    path = folder / f"{name}.yaml"
    values = {
        "name": name, "model": model, "train": {**TRAIN, **train}, "data": {"train": "half/train", "test": "half/test"},
        "pipeline": {"sampling": {"n_frames": 8}, "pictures": {"rgb": SEEN}},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.slow
def test_a_patch_at_the_hand_tells_what_the_skeleton_does_not(dataset: Path, tmp_path: Path) -> None:
    model = {
        "name": "patch_as_node", "width": 8, "drop": 0.1,
        "graph": {"name": "stgcn", "channels": [16, 16], "stride_blocks": [1], "dropout": 0.0},
        "picture": {"name": "resnet3d", "depth": 18, "width": 0.0625, "stem_pool": False},
    }  # fmt: skip
    crops = ("--pipeline.pictures.rgb.test-crops", "ten")
    done = skelact("train", config(tmp_path, "patch", model), "--data", dataset, "--out", tmp_path, *crops)
    assert done.code == 0, done.err
    card = load_checkpoint(tmp_path / "patch")[1]
    assert card.pipeline["pictures"]["rgb"]["places"] is True
    result = skelact("evaluate", tmp_path / "patch", "--json")
    assert result.code == 0 and result.json["top1"] == result.json["clip_hit1"] == 1.0, result.err
    assert result.json["crops"] == 10  # the crop is as large as what is kept: five the same, and mirrored
    recogniser = Recogniser(tmp_path / "patch")
    for skeleton in read_store(dataset)[-TEST:]:
        found = recogniser.recognise(skeleton, video=dataset.parent / str(skeleton.info["video"]))
        assert [s.label for s in found.segments] == [skeleton.label]
    mirrored = ("--pipeline.augment.mirror", 0.5, "--out", tmp_path / "other")
    assert "augment.mirror" in refused(2, "train", tmp_path / "patch.yaml", "--data", dataset, *mirrored)


@pytest.mark.slow
def test_rgbpose_starts_from_its_parts(dataset: Path, tmp_path: Path) -> None:
    seen = {"rgb": {"name": "slowonly", "width": 0.0625}}
    short = {"epochs": 1}
    alone = config(tmp_path, "rgb", {"name": "fusion", "streams": seen}, **short)
    assert skelact("train", alone, "--data", dataset, "--out", tmp_path).code == 0
    model = {"name": "rgbpose_conv3d", "width": 4, "pose_width": 4, "pose_depths": [1, 1, 1], "size": 12}
    both = config(tmp_path, "both", model, **short)
    assert "8 divides" in refused(2, "train", both, "--data", dataset)
    size = ("--model.size", 8, "--pipeline.pictures.rgb.crop", 32)
    given = (
        *size,
        "--train.init-streams",
        "rgb",
        tmp_path / "rgb",
        "--train.lr",
        "1e-12",
        "--train.weight-decay",
        0,
    )
    done = skelact("train", both, "--data", dataset, "--out", tmp_path, *given)
    assert done.code == 0, done.err
    start, end = (load_checkpoint(tmp_path / name)[0] for name in ("rgb", "both"))
    key = "slow.rows.2.0.reduce.0.weight"
    theirs = start[f"encoders.rgb.{key}"]
    assert theirs.allclose(end[key][:, : theirs.shape[1]], atol=1e-6) and end[key].shape[1] > theirs.shape[1]
    assert skelact("evaluate", tmp_path / "both", "--json").code == 0
