"""`Recogniser`: from one recording to probabilities over time and segments."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact.datasets.picture_files import pictures_of_video
from skelact.datasets.pictures import PictureSet
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError, counted
from skelact.recognition.engine import Progress, window_logits
from skelact.recognition.ensemble import load_ensemble
from skelact.recognition.fit import fit_input
from skelact.recognition.released import ReleasedPipeline
from skelact.recognition.unknown import UNKNOWN
from skelact.skeleton import Skeleton


@dataclass(frozen=True)
class Segment:
    """One action of one person (or of all together).

    Args:
        person: track id; -1: all people of the recording as one group.
        label: the action, or `skelact.recognition.unknown.UNKNOWN`.
        start, end: seconds.
        score: mean probability over the segment; of ``unknown``, that of the likeliest actions.
    """

    person: int
    label: str
    start: float
    end: float
    score: float


@dataclass(frozen=True)
class Recognition:
    """What was recognised in one recording.

    Args:
        label_names: classes, in order.
        people: track id of each row below; -1: the group.
        times: middle of each window, seconds, one array per person.
        probabilities: ``[windows, K]`` per person.
        segments: consecutive windows of one action, joined.
        window: seconds per window.
        mode: ``group`` or ``each``.
    """

    label_names: list[str]
    people: list[int]
    times: list[np.ndarray]
    probabilities: list[np.ndarray]
    segments: list[Segment]
    window: float
    mode: str

    def __repr__(self) -> str:
        said = ", ".join(f"{s.label} {s.start:.1f}-{s.end:.1f} s" for s in self.segments[:3])
        more = f" and {len(self.segments) - 3} more" if len(self.segments) > 3 else ""
        return f"Recognition({self.mode}, {counted(len(self.label_names), 'class', 'classes')}: {said}{more})"

    def at(self, person: int, time: float) -> tuple[str, float] | None:
        """(action, probability) of a person at a moment; None if nothing was recognised there."""
        key = person if person in self.people else -1
        for segment in self.segments:
            if segment.person == key and segment.start <= time < segment.end:
                return segment.label, segment.score
        return None


class Recogniser:
    """A checkpoint (of one network or a fused one), ready for recordings.

    Args:
        path: checkpoint file or run folder.
        device: where the networks run, see `skelact.device.find_device`.
    """

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        self.ensemble = load_ensemble(path, device=device)
        self.card, self.pipeline = self.ensemble.card, self.ensemble.members[0].pipeline

    def __repr__(self) -> str:
        card = self.card
        return (
            f"Recogniser({card.model.get('name')}, {counted(len(card.label_names), 'class', 'classes')}, layout "
            f"{card.layout['name']} x {card.dims} in {card.unit}, clips of {card.clip_seconds:.1f} s)"
        )

    @property
    def pictures(self) -> list[str]:
        """The streams of pictures that the networks see."""
        return sorted({name for m in self.ensemble.members for name in getattr(m.pipeline, "pictures", {})})

    @property
    def extraction(self) -> dict[str, Any]:
        """What `skelact.extract` has to find in a video for these networks."""
        card = self.card
        hands = any(j.endswith(("_tip", "_mcp")) for j in card.layout["joints"])
        world = card.unit in ("m", "unknown") and card.dims == 3
        return {
            "parts": "pose+hands" if hands else "pose",
            "coordinates": "camera" if world else "image",
        }

    def recognise(
        self,
        skeleton: Skeleton | str | PathLike[str],
        *,
        window: float | None = None,
        stride: float | None = None,
        mode: str = "auto",
        batch_size: int = 32,
        progress: Progress | None = None,
        video: str | PathLike[str] | None = None,
        threshold: float = 0.0,
    ) -> Recognition:
        """Slide a window over a recording.

        Args:
            skeleton: the recording, or the path of a video, whose people are looked for (`skelact.extract` has
                settings for that). One of another layout, unit or origin is made to fit by `fit_input`, which also
                says what was changed if it is called before.
            window: seconds; None: the usual length of a training clip. A recording of up to one and a
                half windows is one window.
            stride: seconds between windows; None: a quarter window.
            mode: ``each`` person alone, all people as one ``group``, or ``auto``: group if the network was
                trained on clips of as many people, as the card says.
            batch_size: windows at once.
            progress: called with (windows done, windows, what).
            video: of the recording, for networks that see pictures; they look at all people as a group.
            threshold: windows whose highest probability is below it are ``unknown``.

        Raises:
            DataError: if the recording shows nobody (and no pictures are seen), or an option is out of range.
            ConfigError: for a window of an imported network, which looks at whole recordings, or without the
                video for a network that sees it.
        """
        if mode not in ("auto", "each", "group"):
            raise DataError(f"mode '{mode}' is not one of auto, each, group")
        if isinstance(skeleton, (str, PathLike)):
            video, skeleton = skeleton if self.pictures else video, self._people_of(skeleton)
        if not isinstance(skeleton, Skeleton):
            raise DataError(
                f"a Skeleton or the path of a video is needed, got {type(skeleton).__name__}; of a set, data[0] is one"
            )
        if isinstance(self.pipeline, Pipeline):
            skeleton = fit_input(skeleton, self.card, self.pipeline)[0]
        if isinstance(self.pipeline, ReleasedPipeline):
            if window is not None or stride is not None or mode == "each":
                raise ConfigError(
                    f"the release '{self.pipeline.release}' looks at whole recordings and all their people: leave "
                    "window, stride and mode out"
                )
            return self._recognise_whole(skeleton, batch_size, progress, threshold)
        window = self.card.clip_seconds if window is None else window
        stride = window / 4 if stride is None else stride
        if not (window > 0 and stride > 0):
            raise DataError(f"window and stride must be above 0 seconds, got {window} and {stride}")
        if mode == "auto":
            usual = self.card.trained.get("people", 1)
            mode = "group" if skeleton.n_people <= max(1, usual) else "each"
        inputs = self.pictures
        if inputs and mode == "each":
            mode = "group"  # whose pictures are they?
        if inputs and video is None:
            raise ConfigError(
                f"this network sees pictures ({', '.join(inputs)}), and '{skeleton.id}' is a recording of joints "
                "alone; name its video"
            )
        if not (skeleton.score > 0).any() and not inputs:
            raise DataError(f"recording '{skeleton.id}' shows nobody; there is nothing to recognise")
        pictures: dict[str, PictureSet] = {}
        for member in self.ensemble.members if video is not None else ():
            own = getattr(member.pipeline, "pictures", {})
            needed = {name: seen for name, seen in own.items() if seen.kept_as(name) not in pictures}
            pictures |= pictures_of_video(Path(str(video)), skeleton, needed, progress)
        parts = [(-1, skeleton)]
        if mode == "each":
            parts = [
                (track, skeleton.with_(xyz=skeleton.xyz[[m]], score=skeleton.score[[m]], track_ids=(track,)))
                for m, track in enumerate(skeleton.track_ids)
                if (skeleton.score[m] > 0).any()
            ]
        people, times, probabilities, segments = [], [], [], []
        for track, part in parts:
            middle, values, length = self._slide(part, window, stride, batch_size, progress, pictures)
            people.append(track)
            times.append(middle)
            probabilities.append(values)
            segments += join_windows(track, middle, values, self.card.label_names, length, threshold)
        return Recognition(self.card.label_names, people, times, probabilities, segments, window, mode)

    def _people_of(self, video: str | PathLike[str]) -> Skeleton:
        if Path(video).suffix in (".h5", ".hdf5"):
            raise DataError(f"{video} is a set; take one of its clips: skelact.load_set({str(video)!r})[0]")
        from skelact.pose.extract import extract_video

        return extract_video(video, **self.extraction)

    def _recognise_whole(
        self, skeleton: Skeleton, batch_size: int, progress: Progress | None, threshold: float
    ) -> Recognition:
        """One decision for the recording, as imported networks make it."""
        data, views = SkeletonSet.from_skeletons([skeleton]), int(self.card.config.get("views", 1))
        logits = self.ensemble.member_logits(
            data, torch.zeros(1, dtype=torch.int64), batch_size, views, progress
        )
        probabilities = self.ensemble.combine(logits).softmax(-1).mean(1).numpy()
        begin = float(skeleton.time[0]) if skeleton.time is not None else 0.0
        times, length = np.array([begin + skeleton.duration / 2]), skeleton.duration
        segments = join_windows(-1, times, probabilities, self.card.label_names, length, threshold)
        return Recognition(self.card.label_names, [-1], [times], [probabilities], segments, length, "group")

    def _slide(
        self, skeleton: Skeleton, window: float, stride: float, batch_size: int, progress: Progress | None,
        pictures: dict[str, PictureSet],
    ) -> tuple[np.ndarray, np.ndarray, float]:  # fmt: skip
        if pictures:  # a video is looked at from its beginning to its end, whoever is in it
            skeleton = skeleton.with_(info={**skeleton.info, "video": ""})
        data = SkeletonSet.from_skeletons([skeleton], places=bool(pictures))
        data.pictures = pictures
        fps = skeleton.fps
        seen = np.flatnonzero((skeleton.score > 0).any((0, 2)))
        if pictures:
            seen = np.arange(skeleton.n_frames)
        first, last = float(seen[0]), float(seen[-1]) + 1
        time = skeleton.time
        if time is not None and len(time) > 1:
            # gather counts evenly spaced frames between the first time and the last
            fps = (len(time) - 1) / float(time[-1] - time[0])
            first = float(time[seen[0]] - time[0]) * fps
            last = float(time[seen[-1]] - time[0]) * fps + 1
        length = min(window * fps, last - first)
        if last - first <= 1.5 * window * fps:
            begins, length = np.array([first]), last - first
        else:
            begins = np.arange(first, last - length + 1e-6, stride * fps)
            if last - length - begins[-1] > 1e-3:  # the end is looked at too
                begins = np.append(begins, last - length)
        start = torch.as_tensor(begins, dtype=torch.float32)
        logits = [
            window_logits(m.network, data, start, max(1.0, length), fps, m.pipeline, batch_size, progress)
            for m in self.ensemble.members
        ]
        probabilities = self.ensemble.combine(logits).softmax(-1)
        origin = float(skeleton.time[0]) if skeleton.time is not None else 0.0
        return origin + (begins + length / 2) / fps, probabilities.numpy(), length / fps


def join_windows(
    person: int,
    times: np.ndarray,
    probabilities: np.ndarray,
    label_names: list[str],
    length: float,
    threshold: float = 0.0,
) -> list[Segment]:
    """Join consecutive windows with the same answer: the likeliest action, or ``unknown``.

    Borders lie half way between the middles of two windows; the outer windows count in full.

    Args:
        person: track id, -1 for the group.
        times: middles of the windows, seconds.
        probabilities: ``[windows, K]``.
        label_names: K names.
        length: seconds per window.
        threshold: windows whose highest probability is below it are ``unknown``.
    """
    borders = np.concatenate(
        [[times[0] - length / 2], (times[1:] + times[:-1]) / 2, [times[-1] + length / 2]]
    )
    highest = probabilities.max(1)
    answer = np.where(highest < threshold, -1, probabilities.argmax(1))
    starts = [0, *(np.flatnonzero(np.diff(answer)) + 1).tolist(), len(answer)]
    return [
        Segment(
            person,
            UNKNOWN if answer[a] < 0 else label_names[answer[a]],
            float(borders[a]),
            float(borders[b]),
            float(highest[a:b].mean()),
        )
        for a, b in pairwise(starts)
    ]
