"""Region networks from videos: clips around moments in which people's boxes and actions are known, training, scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from skelact.datasets.picture_files import find_videos
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import DataError
from skelact.evaluate.detection import DetectionScore, frame_map, video_map
from skelact.evaluate.tubes import tubes_of_people
from skelact.io.ava import NO_PERSON, ActionBoxes
from skelact.io.store import Store
from skelact.io.video import open_video
from skelact.models.video.region import RegionNet
from skelact.recognition.person_tracks import tracks_of_skeleton
from skelact.recognition.region_detector import RegionCard, clips_at
from skelact.training.detection import RegionBatch, multi_hot, region_loss

TUBE_RATE = 1000.0  # frames of tubes are milliseconds
MOST_PROPOSALS = 5  # of a clip

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class RegionData:
    """Clips around moments, and the people of each.

    Args:
        batch: clips ``[N, C, T, H, W]`` in half precision, boxes ``[B, 5]`` and labels ``[B, K]``.
        people: ``[B]`` rows: the video, time, box and person of each box.
        moments: ``[N]`` the video and the time of each clip.
    """

    batch: RegionBatch
    people: ActionBoxes
    moments: list[tuple[str, float]]

    def part(self, clips: Sequence[int] | torch.Tensor) -> RegionBatch:
        """Some of the clips, ready for a network."""
        taken = self.batch.take(clips)
        return replace(taken, clips=taken.clips.float())


def boxes_of_set(
    data: SkeletonSet, clips: Sequence[int], stride: float, folder: str = ""
) -> tuple[ActionBoxes, dict[str, Path]]:
    """The people of a set's clips at moments, all of whom do what the clip's label says.

    Args:
        data: opened from a file that keeps the joints' places in the picture.
        clips: numbers of clips.
        stride: seconds between moments, the first after half of it.
        folder: of videos, for clips that do not name theirs.

    Returns:
        a table whose actions are label numbers and whose videos are clip names, and the file of each.

    Raises:
        DataError: if a clip has no video or label, or does not say where its joints are in the picture.
    """
    found, reasons = find_videos(data.ids, data.infos, "video", Path(data.source).parent, folder)
    rows, files = [], {}
    with Store(data.source) as store:
        for k in clips:
            if k not in found:
                raise DataError(f"clip {data.ids[k]} of {data.source} has no video: {reasons[k]}")
            label = int(data.labels[k])
            if label < 0:
                raise DataError(f"clip {data.ids[k]} of {data.source} has no label; leave it out")
            files[data.ids[k]] = found[k]
            start = float(data.infos[k].get("video_start", 0.0))
            for track in tracks_of_skeleton(store.read(k)):
                for time in np.arange(stride / 2, track.times[-1] + 1e-9, stride):
                    box = track.at(float(time))
                    if box is not None:
                        rows.append((data.ids[k], start + float(time), box, label, 1.0, track.person))
    if not rows:
        raise DataError(f"no clip of {data.source} shows anybody at any moment; give a smaller stride")
    return ActionBoxes(*zip(*rows, strict=True)), files


def read_regions(
    table: ActionBoxes,
    files: Mapping[str, Path],
    actions: Sequence[int],
    card: RegionCard,
    progress: Progress | None = None,
) -> RegionData:
    """Read the clip around every moment of a table.

    Args:
        table: boxes with actions.
        files: of the table's videos.
        actions: numbers of the K actions, in the order of the network's outputs.
        card: how clips are cut and prepared.
        progress: called with (done, total, what) for every video.

    Raises:
        DataError: if a video is missing, or ends more than a second before a moment.
    """
    people, labels = multi_hot(table, actions)
    names = sorted(set(people.video.tolist()))
    missing = [name for name in names if name not in files]
    if missing:
        raise DataError(f"there is no file of video {missing[0]}; videos are looked for by their names")
    clips, moments = [], []
    for n, name in enumerate(names):
        times = np.unique(people.time[people.video == name]).tolist()
        with open_video(files[name], threads=1, end=times[-1] + card.n_frames / card.fps) as video:
            clips += [clip.half() for _, clip in clips_at(video, times, card)]
        moments += [(name, time) for time in times]
        if progress:
            progress(n + 1, len(names), "reading clips")
    place = {moment: i for i, moment in enumerate(moments)}
    at = [place[str(v), float(t)] for v, t in zip(people.video, people.time, strict=True)]
    order = np.argsort(at, kind="stable")
    boxes = np.column_stack([np.array(at)[order], people.box[order].clip(0, 1)])
    batch = RegionBatch(
        torch.stack(clips), torch.tensor(boxes, dtype=torch.float32), torch.from_numpy(labels[order])
    )
    return RegionData(batch, people.take(order), moments)


def train_regions(
    model: RegionNet,
    data: RegionData,
    epochs: int,
    lr: float = 2e-3,
    batch_size: int = 8,
    seed: int = 0,
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train a region network by AdamW with one cycle of the learning rate.

    Args:
        model: the network, trained in place; left in evaluation mode.
        data: what it learns from.
        epochs: times that every clip is seen.
        lr: the highest learning rate.
        batch_size: clips in a step.
        seed: of the order and of dropout.
        on_epoch: called with (epoch from 1, mean loss).

    Returns:
        the mean loss of every epoch.
    """
    torch.manual_seed(seed)
    device = next(model.parameters()).device
    steps = -(-len(data.batch) // batch_size)
    optimiser = torch.optim.AdamW(model.parameters(), lr, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=epochs * steps + 1)
    model.train()
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for clips in torch.randperm(len(data.batch)).split(batch_size):
            loss = torch.stack(list(region_loss(model, data.part(clips).to(device)).values())).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(clips)
        losses.append(total / len(data.batch))
        if on_epoch:
            on_epoch(epoch + 1, losses[-1])
    model.eval()
    return losses


@torch.no_grad()
def score_regions(model: RegionNet, data: RegionData, batch_size: int = 8) -> dict[str, DetectionScore]:
    """Frame-mAP and video-mAP of a network on clips with known boxes.

    Args:
        model: in evaluation mode.
        data: clips that it was not trained on.
        batch_size: clips at once.

    Returns:
        ``frame``: the known boxes are classified; ``video``: so are tubes of them (where the table knows who is who);
        ``proposed``: frame-mAP of boxes that the network finds itself (if it does).
    """
    device = next(model.parameters()).device
    said, proposed = [], []
    for clips in torch.arange(len(data.batch)).split(batch_size):
        part = data.part(clips).to(device)
        maps = model.mean_map(part.clips)
        said.append(model.classify(maps, part.boxes).sigmoid().cpu())
        if model.proposal is not None:
            clip, boxes, sure = model.proposal.propose(maps, MOST_PROPOSALS, 0.05)
            scores = model.classify(maps, torch.cat([clip[:, None].to(boxes.dtype), boxes], 1)).sigmoid()
            proposed += [
                (data.moments[int(clips[i])], box, p)
                for i, box, p in zip(
                    clip.tolist(), boxes.cpu().numpy(), (scores * sure[:, None]).cpu().numpy(), strict=True
                )
            ]
    labels, people = data.batch.labels.numpy(), data.people
    truth = _table(people.video, people.time, people.box, people.person, labels)
    truth = truth.take(truth.score > 0)
    found = _table(people.video, people.time, people.box, people.person, torch.cat(said).numpy())
    result = {"frame": frame_map(truth, found)}
    if (people.person != NO_PERSON).all():
        result["video"] = video_map(tubes_of_people(truth, TUBE_RATE), tubes_of_people(found, TUBE_RATE))
    if proposed:
        moments, boxes, scores = zip(*proposed, strict=True)
        videos, times = zip(*moments, strict=True)
        nobody = np.full(len(videos), NO_PERSON)
        own = _table(np.array(videos), np.array(times), np.stack(boxes), nobody, np.stack(scores))
        result["proposed"] = frame_map(truth, own)
    return result


def _table(
    video: np.ndarray, time: np.ndarray, box: np.ndarray, person: np.ndarray, scores: np.ndarray
) -> ActionBoxes:
    """A row for each box and action, of scores ``[B, K]``."""
    n, k = scores.shape
    columns = (np.repeat(values, k, 0) for values in (video, time, box, person))
    videos, times, boxes, people = columns
    return ActionBoxes(videos, times, boxes, np.tile(np.arange(k), n), scores.flatten(), people)
