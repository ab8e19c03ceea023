"""Recognition with a trained checkpoint: from one recording to probabilities over time and segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact.config import from_plain
from skelact.datasets.gather import gather, sample_positions
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import DataError, LayoutError
from skelact.layouts import conversion
from skelact.models import ModelSettings
from skelact.skeleton import Skeleton
from skelact.training.checkpoint import Card, load_checkpoint, load_weights


@dataclass(frozen=True)
class Segment:
    """One action of one person (or of all together).

    Args:
        person: track id; -1: all people of the recording as one group.
        label: the action.
        start, end: seconds.
        score: mean probability over the segment.
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

    def at(self, person: int, time: float) -> tuple[str, float] | None:
        """(action, probability) of a person at a moment; None if nothing was recognised there."""
        key = person if person in self.people else -1
        for segment in self.segments:
            if segment.person == key and segment.start <= time < segment.end:
                return segment.label, segment.score
        return None


def load_model(path: str | Path) -> tuple[Any, Card, Pipeline]:
    """Rebuild the network of a checkpoint in evaluation mode, with its card and pipeline.

    Raises:
        CheckpointError, ConfigError: if the checkpoint cannot be used.
    """
    state, card = load_checkpoint(path)
    pipeline = from_plain(Pipeline, card.pipeline, f"{path}: pipeline")
    settings = from_plain(ModelSettings, card.model, f"{path}: model")
    model = settings.build(card.skeleton_layout, len(card.label_names), pipeline.channels(card.dims))
    load_weights(model, state, str(path))
    return model.eval(), card, pipeline


def fit_input(skeleton: Skeleton, card: Card, pipeline: Pipeline) -> tuple[Skeleton, list[str]]:
    """Make a recording fit a checkpoint, or say why it cannot.

    A layout that can be converted is converted by joint name. Picture fractions become pixels where the
    size of the picture is known. A third coordinate that the network does not use is dropped.

    Returns:
        (the recording, what was changed in words).

    Raises:
        LayoutError: if the layouts share no joint, or less than half of what the network needs is there.
        DataError: if coordinates or units do not fit.
    """
    notes = []
    layout = card.skeleton_layout
    where = f"recording '{skeleton.id}'" if skeleton.id else "the recording"
    if skeleton.layout != layout:
        plan = conversion(skeleton.layout, layout)
        if len(plan.missing) > len(layout) / 2:
            raise LayoutError(
                f"{where} has layout '{skeleton.layout.name}', the checkpoint was trained on '{layout.name}', and "
                f"only {len(layout) - len(plan.missing)} of its {len(layout)} joints can be made; missing: "
                f"{', '.join(plan.missing)}. Train on a layout that the recordings have."
            )
        skeleton = skeleton.converted(layout)
        lacks = f"; missing: {', '.join(plan.missing)}" if plan.missing else ""
        notes.append(f"converted from {plan.source.name} to {layout.name} by joint name{lacks}")
    dims = skeleton.xyz.shape[3]
    if dims < card.dims:
        raise DataError(
            f"{where} has {dims} coordinates per joint, the checkpoint needs {card.dims}; extract 3D skeletons "
            "(--coordinates world) or train on 2D"
        )
    if dims > card.dims:
        skeleton = skeleton.with_(xyz=skeleton.xyz[..., : card.dims])
        notes.append(f"only the first {card.dims} coordinates are used")
    if skeleton.unit == "image" and card.unit != "image":
        try:
            size = float(skeleton.info["width"]), float(skeleton.info["height"])
        except KeyError:
            raise DataError(
                f"{where} is in fractions of the picture, the checkpoint in '{card.unit}', and the picture's "
                "width and height are not known; extract it again with --coordinates world"
            ) from None
        factor = np.array([size[0], size[1], size[0]][: card.dims], np.float32)
        skeleton = skeleton.with_(xyz=skeleton.xyz * factor, unit="px")
        notes.append("picture fractions turned into pixels")
    if skeleton.unit != card.unit:
        if pipeline.normalise.scale == "none" or "image" in (skeleton.unit, card.unit):
            raise DataError(
                f"{where} is in '{skeleton.unit}', the checkpoint was trained in '{card.unit}' without a scale that "
                "makes them comparable (normalise.scale: body)"
            )
        if {skeleton.unit, card.unit} == {"px", "m"} and card.dims == 3:
            notes.append(
                f"'{skeleton.unit}' input for a network trained in '{card.unit}': made comparable by body size"
            )
    return skeleton, notes


class Recogniser:
    """A checkpoint, ready for recordings.

    Args:
        path: checkpoint file or run folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.model, self.card, self.pipeline = load_model(path)
        self.network = self.model.folded() if hasattr(self.model, "folded") else self.model

    @torch.inference_mode()
    def recognise(
        self,
        skeleton: Skeleton,
        *,
        window: float | None = None,
        stride: float | None = None,
        mode: str = "auto",
        batch_size: int = 32,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Recognition:
        """Slide a window over a recording.

        Args:
            skeleton: the recording; made to fit with `fit_input` first.
            window: seconds; None: the usual length of a training clip. A recording of up to one and a
                half windows is one window.
            stride: seconds between windows; None: a quarter window.
            mode: ``each`` person alone, all people as one ``group``, or ``auto``: group if the network was
                trained on clips of as many people, as the card says.
            batch_size: windows at once.
            progress: called with (windows done, windows, what).

        Raises:
            DataError: if the recording shows nobody, or an option is out of range.
        """
        if mode not in ("auto", "each", "group"):
            raise DataError(f"mode '{mode}' is not one of auto, each, group")
        window = self.card.clip_seconds if window is None else window
        stride = window / 4 if stride is None else stride
        if not (window > 0 and stride > 0):
            raise DataError(f"window and stride must be above 0 seconds, got {window} and {stride}")
        if mode == "auto":
            usual = self.card.trained.get("people", 1)
            mode = "group" if skeleton.n_people <= max(1, usual) else "each"
        if not (skeleton.score > 0).any():
            raise DataError(f"recording '{skeleton.id}' shows nobody; there is nothing to recognise")
        parts = [(-1, skeleton)]
        if mode == "each":
            parts = [
                (track, skeleton.with_(xyz=skeleton.xyz[[m]], score=skeleton.score[[m]], track_ids=(track,)))
                for m, track in enumerate(skeleton.track_ids)
                if (skeleton.score[m] > 0).any()
            ]
        people, times, probabilities, segments = [], [], [], []
        for track, part in parts:
            middle, values, length = self._slide(part, window, stride, batch_size, progress)
            people.append(track)
            times.append(middle)
            probabilities.append(values)
            segments += join_windows(track, middle, values, self.card.label_names, length)
        return Recognition(self.card.label_names, people, times, probabilities, segments, window, mode)

    def _slide(
        self, skeleton: Skeleton, window: float, stride: float, batch_size: int, progress: Any
    ) -> tuple[np.ndarray, np.ndarray, float]:
        data = SkeletonSet.from_skeletons([skeleton])
        fps = skeleton.fps
        seen = np.flatnonzero((skeleton.score > 0).any((0, 2)))
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
        one = torch.full((len(begins),), max(1.0, length))
        rates = torch.full((len(begins),), fps)
        positions = sample_positions(self.pipeline.sampling, one, rates, training=False)
        positions = positions + torch.as_tensor(begins, dtype=torch.float32)[:, None]
        outputs = []
        for start in range(0, len(begins), batch_size):
            part = positions[start : start + batch_size]
            clips = torch.zeros(len(part), dtype=torch.int64)
            batch = self.pipeline.prepare(gather(data, clips, self.pipeline.sampling, positions=part))
            outputs.append(self.network(batch.x, batch.owner, batch.score, batch.n_clips).softmax(-1))
            if progress:
                progress(min(start + batch_size, len(begins)), len(begins), "recognising")
        origin = float(skeleton.time[0]) if skeleton.time is not None else 0.0
        return origin + (begins + length / 2) / fps, torch.cat(outputs).numpy(), length / fps


def join_windows(
    person: int, times: np.ndarray, probabilities: np.ndarray, label_names: list[str], length: float
) -> list[Segment]:
    """Join consecutive windows with the same likeliest action.

    Borders lie half way between the middles of two windows; the outer windows count in full.

    Args:
        person: track id, -1 for the group.
        times: middles of the windows, seconds.
        probabilities: ``[windows, K]``.
        label_names: K names.
        length: seconds per window.
    """
    borders = np.concatenate(
        [[times[0] - length / 2], (times[1:] + times[:-1]) / 2, [times[-1] + length / 2]]
    )
    best = probabilities.argmax(1)
    starts = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
    return [
        Segment(
            person,
            label_names[best[a]],
            float(borders[a]),
            float(borders[b]),
            float(probabilities[a:b, best[a]].mean()),
        )
        for a, b in pairwise(starts)
    ]
