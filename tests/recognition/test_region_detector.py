"""Region checkpoints: kept whole, refused when damaged; clips around moments; successive moments as actions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.errors import CheckpointError, ConfigError
from skelact.io.video import Frame
from skelact.models.video.region import RegionSettings
from skelact.recognition.person_tracks import PersonTrack
from skelact.recognition.region_detector import (
    RegionCard,
    RegionDetector,
    clips_at,
    is_region_checkpoint,
    join_key_frames,
    load_region_checkpoint,
    save_region_checkpoint,
)
from skelact.settings import from_plain

MODEL = {"backbone": {"name": "resnet3d", "width": 1 / 16}, "bins": 3, "dropout": 0.0}


def make_checkpoint(path: Path, **changes) -> RegionCard:
    torch.manual_seed(0)
    card = RegionCard(["walk", "wave"], {**MODEL, **changes}, n_frames=4, fps=10, size=(32, 48))
    model = from_plain(RegionSettings, card.model, "a card").build(2, 3)
    save_region_checkpoint(path, model, card)
    return card


def frames(n: int = 30, fps: float = 30) -> list[Frame]:
    rng = np.random.default_rng(0)
    return [Frame(i, i / fps, rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)) for i in range(n)]


def test_a_checkpoint_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.safetensors"
    card = make_checkpoint(path)
    model, again = load_region_checkpoint(path)
    assert again == card and is_region_checkpoint(path) and not model.training
    torch.manual_seed(0)
    same = from_plain(RegionSettings, card.model, "a card").build(2, 3)
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), same.state_dict().values(), strict=True)
    )


def test_what_is_no_region_checkpoint(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "r.safetensors"
    assert not is_region_checkpoint(path) and not is_region_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load_region_checkpoint(path)
    path.write_bytes(b"no tensors")
    assert not is_region_checkpoint(path)
    save_file({"a": torch.zeros(1)}, str(path))
    assert not is_region_checkpoint(path)
    with pytest.raises(CheckpointError, match="not the checkpoint of a region network"):
        load_region_checkpoint(path)
    with pytest.raises(ConfigError, match="1 or 3 channels"):
        RegionCard(["a"], MODEL, mean=(0.5, 0.5), std=(1.0, 1.0))
    with pytest.raises(ConfigError, match="label names"):
        RegionCard([], MODEL)


def test_clips_lie_around_their_moments() -> None:
    card = RegionCard(["a"], MODEL, n_frames=4, fps=10, size=(6, 8), mean=(0.0,), std=(1.0,))
    numbered = [Frame(i, i / 30, np.full((12, 16, 3), i, np.uint8)) for i in range(30)]
    clips = clips_at(iter(numbered), [0.0, 0.5, 0.6, 0.9], card)
    taken = [(255 * clip[0, :, 3, 4]).round().int().tolist() for _, clip in clips]
    # 0.2 and 0.1 s before, at and 0.1 s after: three frames of the video apart; the ends repeat
    assert taken == [[0, 0, 0, 3], [9, 12, 15, 18], [12, 15, 18, 21], [21, 24, 27, 29]]
    colour = RegionCard(["a"], MODEL, n_frames=1, size=(6, 8), mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    ((_, clip),) = clips_at([Frame(0, 0.0, np.full((12, 16, 3), 255, np.uint8))], [0.0], colour)
    assert clip.shape == (3, 1, 6, 8) and clip[:, 0, 0, 0].tolist() == pytest.approx([1, 3, 0.5])


def test_people_are_classified_where_they_are(tmp_path: Path) -> None:
    card = make_checkpoint(tmp_path / "r.safetensors")
    detector = RegionDetector(tmp_path / "r.safetensors")
    one = PersonTrack(5, np.array([0.0, 1.0]), np.array([[0.1, 0.1, 0.4, 0.9]] * 2))
    late = PersonTrack(8, np.array([0.6, 1.0]), np.array([[0.5, 0.1, 0.9, 0.9]] * 2), bridge=0.5)
    first, second = detector.look(frames(), [0.2, 0.7], [one, late])
    assert first.people == [5] and second.people == [5, 8] and second.probabilities.shape == (2, 2)
    assert np.allclose(second.boxes, [one.boxes[0], late.boxes[0]]) and second.sure.tolist() == [1, 1]
    ((_, clip),) = clips_at(frames(), [0.7], card)
    boxes = torch.tensor([[0, 0.1, 0.1, 0.4, 0.9], [0, 0.5, 0.1, 0.9, 0.9]])
    with torch.no_grad():
        assert np.allclose(
            second.probabilities, detector.model(clip[None], boxes).sigmoid().numpy(), atol=1e-6
        )
    (found,) = detector.look(frames(), [0.5])
    assert found.people is None and len(found.boxes) == len(found.sure) == len(found.probabilities)
    make_checkpoint(tmp_path / "given.safetensors", proposals=False)
    with pytest.raises(ConfigError, match="no proposal head"):
        list(RegionDetector(tmp_path / "given.safetensors").look(frames(), [0.5]))


def test_successive_moments_are_one_action() -> None:
    rows = [(0.5, [0.9, 0.1]), (1.0, [0.7, 0.6]), (1.5, [0.4, 0.8]), (3.0, [0.8, 0.0])]
    found = join_key_frames({2: [(t, np.array(p)) for t, p in rows]}, ["walk", "wave"], 0.5, 0.5)
    said = [(s.person, s.label, s.start, s.end, round(s.score, 6)) for s in found]
    assert said == [(2, "walk", 0.25, 1.25, 0.8), (2, "wave", 0.75, 1.75, 0.7), (2, "walk", 2.75, 3.25, 0.8)]
    # a person who is not seen in between begins anew
    apart = join_key_frames({0: [(t, np.array([0.9])) for t in (0.5, 1.0, 3.0)]}, ["walk"], 0.5, 0.5)
    assert [(s.start, s.end) for s in apart] == [(0.25, 1.25), (2.75, 3.25)]
