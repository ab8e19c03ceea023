"""Contrastive divergence before the first step: it is run, on the training clips alone, and its weights are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.gather import Sampling
from skelact.datasets.pictures import PictureInput, PictureSet
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_set
from skelact.errors import ConfigError
from skelact.models.fusion import FusionNet
from skelact.models.stgcn import STGCN
from skelact.models.video import create_video_model
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.training.loop import fit
from skelact.training.settings import TrainSettings

T, SIDE = 4, 16
STILL = {"lr": 1e-12, "weight_decay": 0.0, "warmup_epochs": 0.0, "epochs": 1, "batch_size": 2, "seed": 5}


@pytest.fixture
def data() -> SkeletonSet:
    """Textures that move to the right or down, one pixel a frame."""
    clips = list(make_set(actions=("wave", "kick"), subjects=(1, 2, 3), repetitions=(1,), cameras=(2,)))
    made = SkeletonSet.from_skeletons(clips)
    generator, frames = torch.Generator().manual_seed(0), []
    for n in range(len(clips)):
        big = torch.randint(0, 256, (SIDE + T, SIDE + T), generator=generator, dtype=torch.uint8)
        for t in range(T):
            down, right = (t, 0) if n % 2 else (0, t)
            frames.append(big[down : down + SIDE, right : right + SIDE, None])
    made.pictures[seen().kept_as("grey")] = PictureSet(
        "grey", torch.stack(frames), torch.full((len(clips),), T), seen().fps
    )
    return made


def seen() -> PictureInput:
    return PictureInput(
        ClipSampling("segments", 1, segments=T), Framing((SIDE, SIDE)), crop=SIDE, scales=(1.0,)
    )


def network() -> FusionNet:
    torch.manual_seed(0)
    grey = create_video_model(
        "convgrbm", n_classes=2, channels_in=1, n_maps=4, window=4, pool=2, filters=4, kernel=2, hidden=8
    )
    return FusionNet("ntu25", 2, 3, {"grey": grey}, "score")


def train(
    data: SkeletonSet, folder: Path, clips: Tensor, model: torch.nn.Module, **changes
) -> dict[str, Tensor]:
    pipeline = Pipeline(Sampling(n_frames=8), streams=["joint"], pictures={"grey": seen()})
    card = Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {})
    fit(model, data, clips, None, pipeline, TrainSettings(**{**STILL, **changes}), folder, card)
    return load_checkpoint(folder)[0]


def test_the_machines_learn_and_the_rest_stays(data: SkeletonSet, tmp_path: Path) -> None:
    clips = torch.tensor([0, 1, 2, 3])
    plain = train(data, tmp_path / "a", clips, network())
    learned = train(data, tmp_path / "b", clips, network(), pretrain_epochs=2, pretrain_lr=1e-2)
    for name, value in plain.items():
        moved = not torch.allclose(value, learned[name], atol=1e-6)
        assert moved == ("grbm" in name), name  # kept by the average of the weights, too
    slower = train(data, tmp_path / "c", clips, network(), pretrain_epochs=2, pretrain_lr=1e-4)
    less = train(data, tmp_path / "d", clips, network(), pretrain_epochs=1, pretrain_lr=1e-2)
    key = "encoders.grey.grbm.weight"
    far = [float((one[key] - plain[key]).norm()) for one in (slower, less, learned)]
    assert far[0] < far[1] < far[2]


def test_only_training_clips_are_seen_and_the_seed_decides(data: SkeletonSet, tmp_path: Path) -> None:
    clips, key = torch.tensor([0, 1, 2, 3]), "encoders.grey.grbm.weight"
    words = {"pretrain_epochs": 1, "pretrain_lr": 1e-2}
    first = train(data, tmp_path / "a", clips, network(), **words)[key]
    kept = data.pictures[seen().kept_as("grey")]
    kept.frames[4 * T :] = 0  # clips that are not trained on
    assert torch.equal(train(data, tmp_path / "b", clips, network(), **words)[key], first)
    assert not torch.equal(train(data, tmp_path / "c", clips, network(), **words, seed=6)[key], first)
    kept.frames[: 4 * T] = 0
    assert not torch.equal(train(data, tmp_path / "d", clips, network(), **words)[key], first)


def test_the_error_falls(data: SkeletonSet, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level("INFO", "skelact.training.pretraining"):
        train(data, tmp_path, torch.arange(6), network(), pretrain_epochs=40, pretrain_lr=1e-2)
    errors = [
        float(r.getMessage().rpartition(" ")[2]) for r in caplog.records if "pretraining" in r.getMessage()
    ]
    assert len(errors) == 40 and errors[-1] < 0.8 * errors[0]


def test_what_does_not_fit(data: SkeletonSet, tmp_path: Path) -> None:
    joints = STGCN("ntu25", 2, channels=(8,), stride_blocks=())
    with pytest.raises(ConfigError, match=r"pretrain_epochs is for networks .*\(convgrbm\)"):
        train(data, tmp_path, torch.arange(6), joints, pretrain_epochs=1)
    with pytest.raises(ConfigError, match="pretrain_epochs must not be negative, got -1"):
        TrainSettings(pretrain_epochs=-1)
    with pytest.raises(ConfigError, match=r"train\.pretrain_lr must be above 0, got 0"):
        TrainSettings(pretrain_lr=0.0)
