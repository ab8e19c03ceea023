"""Words are learned from the training clips before the first step, by every way of training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Augment, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_set
from skelact.nn.codebook import Codebook
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.training.loop import FitResult, fit
from skelact.training.settings import TrainSettings

SEEN = Pipeline(Sampling(n_frames=8, crop=(1.0, 1.0)), augment=Augment(rotate=0.5, scale=0.3))


class Counted(nn.Module):
    """Words of the directions to all joints, and a linear layer on how often each occurs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.book = Codebook(4, 3)
        self.head = nn.Linear(4, 3)
        self.calls: list[tuple[bool, Tensor]] = []

    def forward(self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int) -> Tensor:
        rows = nn.functional.normalize(x.flatten(1, 2)[:, :, :3], dim=-1)
        self.calls.append((self.training, rows))
        counts = (rows.norm(dim=-1) > 0).float()
        found = self.book(rows, counts)
        return self.head(found.new_zeros(n_clips, 4).index_add(0, owner, found))


@pytest.fixture(scope="module")
def data() -> SkeletonSet:
    return SkeletonSet.from_skeletons(
        list(
            make_set(actions=("wave", "kick", "sit_down"), subjects=(1, 2, 3), repetitions=(1,), cameras=(2,))
        )
    )


def train(
    data: SkeletonSet, folder: Path, clips: Tensor, on_epoch=None, model: Counted | None = None, **changes
) -> tuple[FitResult, dict[str, Tensor], Counted]:
    model = model or Counted()
    card = Card(data.layout.to_dict(), 3, "m", data.label_names, 30.0, {}, {})
    settings = TrainSettings(**{"epochs": 2, "batch_size": 4, "seed": 3, **changes})
    result = fit(model, data, clips, None, SEEN, settings, folder, card, on_epoch=on_epoch)
    return result, load_checkpoint(folder)[0], model


@pytest.mark.parametrize("optimiser", ["sgd", "ridge"])
def test_words_come_from_the_training_clips_alone(data: SkeletonSet, tmp_path: Path, optimiser: str) -> None:
    clips = torch.tensor([0, 1, 3, 4, 6, 7])
    epochs = 1 if optimiser == "ridge" else 2
    _, state, model = train(data, tmp_path, clips, optimiser=optimiser, epochs=epochs)
    first = Counted().book
    first.begin_learning(3)
    for part in clips.split(4):  # as they are, without augmentation
        batch = SEEN(data, part)
        rows = nn.functional.normalize(batch.x.flatten(1, 2)[:, :, :3], dim=-1)
        first(rows, (rows.norm(dim=-1) > 0).float())
    first.finish_learning(3)
    assert torch.equal(state["book.words"], first.words)  # not mixed with the random ones by the average
    assert not torch.equal(state["book.words"], Counted().book.words)
    assert [training for training, _ in model.calls[:2]] == [False, False] and model.book._seen is None
    if optimiser == "sgd":
        assert model.calls[2][0]


def test_words_are_learned_once(data: SkeletonSet, tmp_path: Path) -> None:
    def stop(record: dict[str, float]) -> None:
        raise KeyboardInterrupt

    clips = torch.arange(9)
    _, whole, _ = train(data, tmp_path / "whole", clips)
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "halves", clips, on_epoch=stop)
    _, state, model = train(data, tmp_path / "halves", clips)
    assert all(training for training, _ in model.calls)  # the words are those of the first half
    assert all(torch.equal(state[key], whole[key]) for key in whole)


def test_words_of_the_checkpoint_that_a_network_starts_with_are_kept(
    data: SkeletonSet, tmp_path: Path
) -> None:
    _, state, _ = train(data, tmp_path / "first", torch.arange(6))
    model = Counted()
    model.load_state_dict(state)
    _, after, _ = train(data, tmp_path / "second", torch.arange(3, 9), model=model)
    assert torch.equal(after["book.words"], state["book.words"]) and bool(after["book.learned"])
