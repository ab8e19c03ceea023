"""Segmentation checkpoints: labels and scores of every frame of untrimmed recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.frame_input import FrameInput, FrameTarget, clip_times, played_times, whole_recording
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.device import find_device
from skelact.errors import CheckpointError, ConfigError
from skelact.models.segmentation import SEGMENTERS, SegmentationModel, find_segmenter
from skelact.recognition.checkpoint import Card, find_checkpoint, load_checkpoint, load_weights
from skelact.settings import from_plain


@dataclass(frozen=True)
class FrameScores:
    """What a network says of one recording.

    Args:
        id: of the recording.
        times: seconds of its own frames ``[T]``.
        probability: of every label in its own frames ``[T, K]``, float32.
        sampled: seconds of the moments at which the network looked ``[S]``.
        at_samples: what it said there ``[S, K]``, of the moment ``delay`` before.
        known: ``[S]`` seconds of the frame after which each of these is known: the network is causal and the moment is
            interpolated between two frames; NaN if it is not causal.
    """

    id: str
    times: np.ndarray
    probability: np.ndarray
    sampled: np.ndarray
    at_samples: np.ndarray
    known: np.ndarray


class Segmenter:
    """A trained segmentation network.

    Args:
        model: in evaluation mode.
        card: of its checkpoint.
        shown, target: what it sees and was asked for.
    """

    def __init__(self, model: SegmentationModel, card: Card, shown: FrameInput, target: FrameTarget) -> None:
        self.model, self.card, self.shown, self.target = model.eval(), card, shown, target
        self.names = card.label_names

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> Segmenter:
        """Load a checkpoint file, or the one of a run's folder.

        Raises:
            CheckpointError: if it is damaged or of another kind of network.
        """
        state, card = load_checkpoint(path)
        if card.model.get("name") not in SEGMENTERS or "target" not in card.config:
            raise CheckpointError(
                f"{find_checkpoint(path)} is a '{card.model.get('name')}' for clips; segmentation needs one that "
                "skelact segment train made"
            )
        try:
            shown = from_plain(FrameInput, card.pipeline, "input")
            target = from_plain(FrameTarget, card.config["target"], "target")
            settings = from_plain(find_segmenter(card.model), card.model, "model")
        except ConfigError as error:
            raise CheckpointError(
                f"the card of {path} is damaged ({error}); train or copy it again"
            ) from None
        model = settings.build(card.skeleton_layout, len(card.label_names), shown.channels(card.dims))
        load_weights(model, state, str(path))
        return cls(model.to(find_device(device)), card, shown, target)

    def check(self, data: SkeletonSet, name: str) -> None:
        """Raise `CheckpointError` if a set does not fit the network."""
        for what, got, needs in (
            ("layout", data.layout.name, self.card.skeleton_layout.name),
            ("coordinates", data.dims, self.card.dims),
            ("unit", data.unit, self.card.unit),
            ("origin", data.origin, self.card.origin),
        ):
            if got != needs:
                raise CheckpointError(f"{name} has {what} '{got}', the checkpoint was trained on '{needs}'")
        if data.layout != self.card.skeleton_layout:
            raise CheckpointError(
                f"the layout '{data.layout.name}' of {name} has other joints than the checkpoint's"
            )

    @torch.no_grad()
    def scores(self, data: SkeletonSet, clip: int) -> FrameScores:
        """Look at a whole recording."""
        batch, seconds = whole_recording(data, clip, self.shown)
        probability = frame_probabilities(self.model, batch)
        times, played = clip_times(data, clip).numpy(), played_times(data, clip, self.shown.gap).numpy()
        at, known = seconds.numpy(), np.full(len(seconds), np.nan)
        place = (played + self.target.delay) * self.shown.fps
        if self.model.causal:
            known = times[np.minimum(np.searchsorted(played, at - 1e-9), len(times) - 1)]
            index = np.floor(place + 1e-6).astype(int)
        else:
            index = np.round(place).astype(int)
        own = probability[np.clip(index, 0, len(at) - 1)]
        at = np.interp(at, played, times)
        return FrameScores(data.ids[clip], times, own, at, probability, known)


class Segmenters:
    """Several networks of one target and input rate, whose probabilities are averaged.

    Args:
        members: at least one; the first one's card stands for all.

    Raises:
        CheckpointError: if they differ in labels, target, rate, or in being causal.
    """

    def __init__(self, members: Sequence[Segmenter]) -> None:
        first = members[0]
        for member in members[1:]:
            if (member.names, member.target, member.shown.fps, member.shown.gap, member.model.causal) != (
                first.names, first.target, first.shown.fps, first.shown.gap, first.model.causal
            ):  # fmt: skip
                raise CheckpointError(
                    "networks that are averaged need the same labels, target, input.fps and gap, and to be causal all "
                    "or none"
                )
        self.members, self.names, self.card = list(members), first.names, first.card
        self.target, self.shown, self.causal = first.target, first.shown, first.model.causal

    @classmethod
    def load(cls, paths: str, device: str = "auto") -> Segmenters:
        """Load a checkpoint, or several whose paths are separated by commas; raises as `Segmenter.load`."""
        return cls([Segmenter.load(path, device) for path in paths.split(",")])

    def check(self, data: SkeletonSet, name: str) -> None:
        """See `Segmenter.check`."""
        for member in self.members:
            member.check(data, name)

    def scores(self, data: SkeletonSet, clip: int) -> FrameScores:
        """See `Segmenter.scores`."""
        each = [member.scores(data, clip) for member in self.members]
        mean = {name: np.mean([getattr(s, name) for s in each], 0) for name in ("probability", "at_samples")}
        return replace(each[0], **mean)


def frame_probabilities(model: SegmentationModel, batch) -> np.ndarray:
    """Probabilities ``[T, K]`` of the last stage for a batch of one recording."""
    first = next(model.parameters())
    batch = batch.to(first.device)
    logits: Tensor = model(batch.x.to(first.dtype), batch.owner, batch.score, 1)[-1, 0]
    return logits.float().softmax(-1).cpu().numpy()
