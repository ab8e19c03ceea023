"""`RegionDetector`: a trained region network on videos, and the file that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor
from torch.nn import functional

from skelact.device import find_device
from skelact.errors import CheckpointError, ConfigError, DataError
from skelact.io.video import Frame
from skelact.models.video.region import RegionNet, RegionSettings, need_proposal
from skelact.plain_yaml import load_plain
from skelact.recognition.checkpoint import load_weights, write_atomically
from skelact.recognition.person_tracks import PersonTrack
from skelact.recognition.recogniser import Segment
from skelact.settings import from_plain

METADATA = "skelact_region"
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class RegionCard:
    """What a region checkpoint is for; saved inside it.

    Args:
        label_names: K actions, in order.
        model: settings of the network (`skelact.models.video.region.RegionSettings`), as plain containers.
        n_frames: frames of a clip.
        fps: frames per second of a clip.
        size: height and width of its pictures, pixels.
        mean, std: of each channel of pictures in 0..1; one channel means grey pictures.
    """

    label_names: list[str]
    model: dict
    n_frames: int = 16
    fps: float = 15.0
    size: tuple[int, int] = (112, 112)
    mean: tuple[float, ...] = (0.45, 0.45, 0.45)
    std: tuple[float, ...] = (0.225, 0.225, 0.225)

    def __post_init__(self) -> None:
        if (
            len(self.mean) != len(self.std)
            or len(self.mean) not in (1, 3)
            or not all(s > 0 for s in self.std)
        ):
            raise ConfigError(
                f"a region network sees 1 or 3 channels with a mean and a std above 0 each, got {self.mean} "
                f"and {self.std}"
            )
        if self.n_frames < 1 or not 0 < self.fps < 1000 or min(self.size) < 1 or not self.label_names:
            raise ConfigError(
                f"a region network needs frames, a frame rate, a size and label names, got {self.n_frames}, "
                f"{self.fps}, {self.size} and {self.label_names}"
            )

    def prepare(self, images: np.ndarray | Tensor) -> Tensor:
        """Pictures ``[T, H, W, 3]`` uint8 RGB as the network sees them, ``[C, T, h, w]``."""
        x = torch.as_tensor(images).permute(0, 3, 1, 2).float() / 255
        x = functional.interpolate(x, self.size, mode="bilinear", antialias=True)
        if len(self.mean) == 1:
            x = x.mean(1, keepdim=True)
        shape = (1, -1, 1, 1)
        return ((x - torch.tensor(self.mean).view(shape)) / torch.tensor(self.std).view(shape)).transpose(
            0, 1
        )


def save_region_checkpoint(path: str | Path, model: RegionNet, card: RegionCard) -> Path:
    """Save weights and card as one safetensors file, atomically.

    Raises:
        CheckpointError: if it cannot be written.
    """
    from safetensors.torch import save

    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    plain = {**asdict(card), "size": list(card.size), "mean": list(card.mean), "std": list(card.std)}
    data = save(tensors, metadata={METADATA: yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)})
    write_atomically(Path(path), lambda temporary: temporary.write_bytes(data))
    return Path(path)


def is_region_checkpoint(path: str | Path) -> bool:
    """Whether a file is a region network's checkpoint; what cannot be read is not."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return METADATA in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def load_region_checkpoint(path: str | Path) -> tuple[RegionNet, RegionCard]:
    """The network of a region checkpoint in evaluation mode, and its card.

    Raises:
        CheckpointError: if the file is missing, damaged, or none of a region network.
        ConfigError: if its card is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({error}); train or copy it again"
        ) from error
    if text is None:
        raise CheckpointError(f"{path} is not the checkpoint of a region network")
    card = from_plain(RegionCard, load_plain(text), f"{path}: card")
    settings = from_plain(RegionSettings, card.model, f"{path}: model")
    model = settings.build(len(card.label_names), len(card.mean))
    load_weights(model, state, str(path))
    return model.eval(), card


@dataclass(frozen=True, eq=False)
class KeyFrame:
    """What the network says of one moment.

    Args:
        time: seconds.
        people: track id of each person, or None where the network found them itself.
        boxes: ``[B, 4]``.
        sure: ``[B]`` how sure it is that somebody is there; 1 for boxes that were given.
        probabilities: ``[B, K]`` of every action by itself.
    """

    time: float
    people: list[int] | None
    boxes: np.ndarray
    sure: np.ndarray
    probabilities: np.ndarray


class RegionDetector:
    """A region checkpoint, ready for videos.

    Args:
        path: checkpoint file.
        device: see `skelact.device.find_device`.
    """

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        self.model, self.card = load_region_checkpoint(path)
        self.device = find_device(device)
        self.model.to(self.device)

    @torch.no_grad()
    def look(
        self,
        frames: Iterable[Frame],
        times: Sequence[float],
        tracks: Sequence[PersonTrack] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[KeyFrame]:
        """Classify everybody at some moments.

        Args:
            frames: of the video, in order; read once.
            times: increasing seconds.
            tracks: where people are; None: the network proposes boxes.
            progress: called with (moments done, moments, what).

        Raises:
            ConfigError: if there are no tracks and the network proposes no boxes.
        """
        for i, (time, clip) in enumerate(clips_at(frames, times, self.card)):
            maps = self.model.mean_map(clip[None].to(self.device))
            people = None
            if tracks is None:
                clips, places, scores = need_proposal(self.model).propose(maps)
                boxes = torch.cat([clips[:, None].to(places.dtype), places], 1)
            else:
                there = [(track.person, track.at(time)) for track in tracks]
                people = [person for person, box in there if box is not None]
                rows = [[0.0, *box.tolist()] for _, box in there if box is not None]
                boxes = torch.tensor(rows, dtype=maps.dtype, device=self.device).view(-1, 5)
                scores = boxes.new_ones(len(boxes))
            said = self.model.classify(maps, boxes).sigmoid()
            yield KeyFrame(time, people, *(v.cpu().numpy() for v in (boxes[:, 1:], scores, said)))
            if progress:
                progress(i + 1, len(times), "recognising")


def clips_at(
    frames: Iterable[Frame], times: Sequence[float], card: RegionCard
) -> Iterator[tuple[float, Tensor]]:
    """(moment, clip ``[C, T, h, w]``) around each of increasing moments; beyond the ends, the outer frames repeat.

    A clip's frames are those of the video that are nearest to its evenly spaced times.
    """
    offsets = (np.arange(card.n_frames) - card.n_frames // 2) / card.fps
    stream = iter(frames)
    kept: list[tuple[float, Tensor]] = []
    over = False
    for time in times:
        wanted = time + offsets
        while not over and (not kept or kept[-1][0] < wanted[-1]):
            frame = next(stream, None)
            if frame is None:
                over = True
            else:
                kept.append((frame.time, card.prepare(frame.image[None])[:, 0]))
        if not kept:
            raise DataError("the video has no frame")
        at = np.array([t for t, _ in kept])
        nearest = np.abs(at[:, None] - wanted).argmin(0)
        yield time, torch.stack([kept[i][1] for i in nearest.tolist()], 1)
        del kept[: int(nearest.min())]


def join_key_frames(
    probabilities: Mapping[int, Sequence[tuple[float, np.ndarray]]],
    label_names: Sequence[str],
    stride: float,
    threshold: float,
) -> list[Segment]:
    """Successive moments in which a person does an action, joined; the score is their mean probability.

    Args:
        probabilities: for each person, (time, ``[K]``) by time.
        label_names: K names.
        stride: seconds between moments; a segment reaches half of it beyond its outer ones.
        threshold: least probability.
    """
    segments = []
    for person, rows in probabilities.items():
        for k, label in enumerate(label_names):
            run: list[tuple[float, float]] = []
            for time, p in [*((t, float(p[k])) for t, p in rows), (np.inf, 0.0)]:
                if run and (p < threshold or time - run[-1][0] > 1.5 * stride):
                    start, end = run[0][0] - stride / 2, run[-1][0] + stride / 2
                    score = float(np.mean([q for _, q in run]))
                    segments.append(Segment(person, label, max(0.0, start), end, score))
                    run = []
                if p >= threshold:
                    run.append((time, p))
    return sorted(segments, key=lambda s: (s.start, s.person))
