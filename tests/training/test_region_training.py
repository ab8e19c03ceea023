"""A region head learns who does what: two squares of one picture that move differently are told apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from skelact.errors import ConfigError, DataError
from skelact.evaluate.detection import frame_map
from skelact.io.ava import ActionBoxes
from skelact.models.video import create_video_model
from skelact.models.video.base import VideoModel
from skelact.models.video.region import RegionNet
from skelact.nn.conv3d import ConvNorm3d
from skelact.training.detection import RegionBatch, multi_hot, region_loss
from skelact.training.regions import RegionData, train_regions

SIZE, FRAMES, SIDE = 32, 8, 8
MOVES = ((0, 1), (0, -1), (-1, 0))  # down the columns, ... : right, left, up, in pixels (y, x) a frame


def render(n_clips: int, seed: int) -> RegionBatch:
    """Grey clips of two actors, one in each half of the picture, each with a movement of their own.

    Actors look alike: a square on noise. What an actor does is seen from several frames only; in the middle frame an
    actor is anywhere in the half.
    """
    rng = np.random.default_rng(seed)
    clips = rng.normal(0, 0.1, (n_clips, 1, FRAMES, SIZE, SIZE)).astype(np.float32)
    boxes, labels = [], []
    for i in range(n_clips):
        for half in (0, 1):
            move = int(rng.integers(0, len(MOVES)))
            y, x = rng.integers(7, SIZE - SIDE - 7), rng.integers(3, 6) + 16 * half
            for t in range(FRAMES):
                top, left = (
                    at + step * (t - FRAMES // 2) for at, step in zip((y, x), MOVES[move], strict=True)
                )
                clips[i, 0, t, max(top, 0) : top + SIDE, max(left, 0) : left + SIDE] += 1
            boxes.append([i, x / SIZE, y / SIZE, (x + SIDE) / SIZE, (y + SIDE) / SIZE])
            labels.append(np.eye(len(MOVES))[move])
    return RegionBatch(
        torch.from_numpy(clips),
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(np.array(labels), dtype=torch.float32),
    )


def table(boxes: Tensor, scores: Tensor) -> ActionBoxes:
    """One row for each box and action."""
    k = scores.shape[1]
    clip = boxes[:, 0].long().repeat_interleave(k).numpy()
    return ActionBoxes(
        [f"v{c}" for c in clip],
        np.zeros(len(clip)),
        boxes[:, 1:].repeat_interleave(k, 0).numpy(),
        np.tile(np.arange(k), len(boxes)),
        scores.flatten().numpy(),
    )


class SmallNet(VideoModel):
    """Three convolutions; its map has 8×8 places."""

    map_channels = 16

    def __init__(self) -> None:
        super().__init__(1, 1, self.map_channels)
        self.rows = torch.nn.Sequential(
            ConvNorm3d(1, 8, (3, 3), (1, 2)), ConvNorm3d(8, 16, (3, 3), (2, 2)), ConvNorm3d(16, 16, (3, 3))
        )

    def maps(self, x: Tensor) -> Tensor:
        return self.rows(x)


@pytest.fixture(scope="module")
def trained() -> RegionNet:
    torch.manual_seed(0)
    model = RegionNet(SmallNet(), len(MOVES), bins=3, dropout=0.0)
    data, generator = render(64, 0), torch.Generator().manual_seed(0)
    steps, size = 80, 8
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for _ in range(steps):
        batch = data.take(torch.randperm(len(data), generator=generator)[:size])
        loss = sum(region_loss(model, batch).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def test_people_of_one_picture_are_told_apart(trained: RegionNet) -> None:
    held_out = render(48, 1)
    differ = (held_out.labels[::2] != held_out.labels[1::2]).any(1).float().mean()
    assert differ > 0.5  # in most clips the two do different things
    truth = table(held_out.boxes, held_out.labels)
    truth = truth.take(truth.score > 0)
    with torch.no_grad():
        scores = trained(held_out.clips, held_out.boxes).sigmoid()
    result = frame_map(truth, table(held_out.boxes, scores))
    assert set(result.per_class) == {0, 1, 2} and result.mean > 0.9, result
    # with the boxes of the two exchanged, the answers go with the boxes: it is not the whole clip that is classified
    exchanged = held_out.boxes.clone().view(-1, 2, 5).flip(1).flatten(0, 1)
    assert frame_map(truth, table(exchanged, scores)).mean < 0.5


def test_people_are_found_where_no_boxes_are_given(trained: RegionNet) -> None:
    held_out = render(48, 2)
    truth = table(held_out.boxes, held_out.labels)
    boxes, sure = trained.propose(held_out.clips, most=5)
    with torch.no_grad():
        scores = trained(held_out.clips, boxes).sigmoid() * sure[:, None]
    result = frame_map(truth.take(truth.score > 0), table(boxes, scores))
    assert result.mean > 0.8, result


def test_the_loss_is_the_mean_over_people_and_actions() -> None:
    torch.manual_seed(0)
    backbone = create_video_model("resnet3d_18", 1, 1, width=1 / 16)
    model, batch = RegionNet(backbone, 3, dropout=0.0).eval(), render(2, 0)
    parts = region_loss(model, batch)
    p = model(batch.clips, batch.boxes).sigmoid()
    by_hand = -(batch.labels * p.log() + (1 - batch.labels) * (1 - p).log()).mean()
    assert torch.allclose(parts["action"], by_hand) and set(parts) == {"action", "proposal"}
    assert set(region_loss(RegionNet(backbone, 3, proposals=False), batch)) == {"action"}
    nobody = region_loss(model, RegionBatch(batch.clips, batch.boxes[:0], batch.labels[:0]))
    assert nobody["action"] == 0 and nobody["proposal"] > 0


def test_batches_are_checked_and_taken_apart() -> None:
    batch = render(4, 0)
    part = batch.take([3, 1])
    assert torch.equal(part.clips, batch.clips[[3, 1]]) and part.boxes[:, 0].tolist() == [0, 0, 1, 1]
    assert torch.equal(part.boxes[:2, 1:], batch.boxes[6:, 1:]) and torch.equal(
        part.labels[2:], batch.labels[2:4]
    )
    with pytest.raises(DataError, match=r"8 boxes need labels \[8, actions\], got \[7, 3\]"):
        RegionBatch(batch.clips, batch.boxes, batch.labels[:7])
    with pytest.raises(DataError, match="0 or 1"):
        RegionBatch(batch.clips, batch.boxes, batch.labels + 0.5)
    with pytest.raises(ConfigError, match="divide pixels"):
        RegionBatch(batch.clips, batch.boxes * torch.tensor([1, 32, 32, 32, 32]), batch.labels)


def test_rows_of_a_table_become_labels() -> None:
    one, other = [0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5]
    boxes = ActionBoxes(
        ["a"] * 3 + ["b"], [1, 1, 1, 1], [one, other, one, one], [80, 11, 4, 7], None, [0, 1, 0, 0]
    )
    people, labels = multi_hot(boxes, [4, 80, 11])
    assert people.video.tolist() == ["a", "a", "b"] and people.box.tolist() == [one, other, one]
    assert labels.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_the_loss_of_an_epoch_is_the_mean_over_its_clips() -> None:
    torch.manual_seed(0)
    model, batch = RegionNet(SmallNet(), len(MOVES), dropout=0.0), render(6, 0)
    with torch.no_grad():
        expected = float(sum(region_loss(model.train(), batch).values()))
    people, _ = multi_hot(table(batch.boxes, batch.labels), range(len(MOVES)))
    data = RegionData(batch, people, [(f"v{i}", 0.0) for i in range(6)])
    told: list[tuple[int, float]] = []
    losses = train_regions(
        model, data, 2, lr=1e-9, batch_size=6, on_epoch=lambda epoch, loss: told.append((epoch, loss))
    )
    assert losses == pytest.approx([expected] * 2, rel=1e-4) and told == list(enumerate(losses, 1))
    assert not model.training
