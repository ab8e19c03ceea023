"""`Ensemble`: one or several trained networks whose scores are joined, and the file that holds them.

A fused checkpoint is one file: the members' weights under ``0.``, ``1.``, ..., and a card whose ``model``
lists each member's network, pipeline and weight.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skelact.datasets.picture_files import attach_pictures
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.device import find_device, has_bfloat16
from skelact.errors import CheckpointError, DataError
from skelact.models import ModelSettings
from skelact.models.fusion import SKELETON
from skelact.nn.fast import inference_form
from skelact.nn.score_svm import ScoreSVM
from skelact.recognition.checkpoint import (
    Card,
    find_checkpoint,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from skelact.recognition.engine import Progress, predict_logits
from skelact.recognition.released import ReleasedPipeline
from skelact.settings import from_plain

log = logging.getLogger(__name__)

FUSED = "fused"  # the name of the model in a fused checkpoint's card


@dataclass
class Member:
    """One trained network of an ensemble.

    Args:
        name: where it comes from.
        model: the network.
        card: its own card.
        pipeline: what it sees.
        network: its inference form.
        device: where that runs.
    """

    name: str
    model: Any
    card: Card
    pipeline: Pipeline
    network: Callable[..., Tensor]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


def streams_of(member: Member) -> list[str]:
    """What a member sees: the skeletons' streams, and those of pictures."""
    model = member.card.model
    skeletons = model.get("name") != "fusion" or SKELETON in model.get("streams", {})
    pictures = list(getattr(member.pipeline, "pictures", {}))
    return [*(member.pipeline.streams if skeletons else []), *pictures]


@dataclass
class Ensemble:
    """Trained networks that answer together; a single one is an ensemble too.

    Args:
        members: the networks.
        weights: one per member, of its log-probabilities.
        card: what all of them are for.
        svm: machines on the members' scores, which answer instead of the weighted sum.
    """

    members: list[Member]
    weights: list[float]
    card: Card
    svm: ScoreSVM | None = None

    def combine(self, logits: Sequence[Tensor]) -> Tensor:
        """Joint logits of the members' logits (any shape, classes last): their own if there is one."""
        if len(logits) == 1:
            return logits[0]
        if self.svm is not None:
            return self.svm(torch.stack(list(logits)))
        return torch.stack([w * z.log_softmax(-1) for w, z in zip(self.weights, logits, strict=True)]).sum(0)

    def member_logits(
        self,
        data: SkeletonSet,
        clips: Tensor,
        batch_size: int = 64,
        views: int = 1,
        progress: Progress | None = None,
    ) -> list[Tensor]:
        """Logits ``[N, views × crops, K]`` of every member for clips of a set, a sample's crops side by side.

        ``crops`` is `n_crops`, and the answers of a member that sees fewer are repeated.
        """
        total = len(clips) * len(self.members)
        results = []
        for member in self.members:
            if isinstance(member.pipeline, ReleasedPipeline):
                member.pipeline.check(data, clips)
        for i, member in enumerate(self.members):

            def shifted(done: int, _: int, what: str, before: int = i * len(clips)) -> None:
                if progress:
                    progress(before + done, total, what)

            logits = predict_logits(
                member.network, data, clips, member.pipeline, batch_size, views, shifted, crops=True
            )
            results.append(logits.repeat_interleave(self.n_crops * views // logits.shape[1], 1))
        return results

    @property
    def n_crops(self) -> int:
        """How many crops of a sample the members see together: the least common multiple of theirs."""
        return math.lcm(*(member.pipeline.n_crops for member in self.members))

    def readable(self, data: SkeletonSet, clips: Tensor) -> tuple[Tensor, dict[str, str]]:
        """The clips that every member can be given its input from, and why the others cannot, by their names.

        Raises:
            DataError: if there are clips, and none of them can.
        """
        reasons: dict[int, str] = {}
        for member in self.members:
            if isinstance(member.pipeline, ReleasedPipeline):
                reasons |= member.pipeline.unreadable(data, clips)
        if len(reasons) == len(clips) > 0:
            raise DataError(
                f"networks cannot be given the input of their releases from {data.source or 'this set'} "
                f"({len(clips)} of {len(clips)} clips): {reasons[int(clips[0])]}"
            )
        kept = [clip not in reasons for clip in clips.tolist()]
        told = {data.ids[clip]: reason for clip, reason in reasons.items()}
        return clips[torch.tensor(kept, dtype=torch.bool, device=clips.device)], told

    def attach_pictures(
        self, data: SkeletonSet, clips: Tensor, folder: str = "", progress: Progress | None = None
    ) -> None:
        """Read the pictures that the members see of clips; arguments as for `picture_files.attach_pictures`."""
        for member in self.members:
            if not isinstance(member.pipeline, ReleasedPipeline):
                attach_pictures(data, member.pipeline.pictures, folder, clips, progress=progress)

    @property
    def streams(self) -> str:
        """The members' streams, in words."""
        return " | ".join(", ".join(streams_of(m)) for m in self.members)


class LoadedModel(NamedTuple):
    """A network, ready for use.

    Args:
        network: in evaluation mode.
        card: what its checkpoint says of it: layout, classes, units.
        pipeline: what goes before it.
    """

    network: Any
    card: Card
    pipeline: Any

    def __repr__(self) -> str:
        return f"LoadedModel({type(self.network).__name__}, {self.card!r})"


def load_model(path: str | Path) -> LoadedModel:
    """Rebuild the network of a checkpoint in evaluation mode, with its card and pipeline.

    Raises:
        CheckpointError, ConfigError: if the checkpoint cannot be used, or holds several networks.
    """
    state, card = load_checkpoint(path)
    if card.model.get("name") == FUSED:
        raise CheckpointError(f"{path} holds several networks; use load_ensemble, or one of its members")
    return LoadedModel(*_build(state, card, str(path)))


def _build(state: dict[str, Tensor], card: Card, where: str) -> tuple[Any, Card, Pipeline]:
    if "source" in card.trained and "release" not in card.pipeline:
        raise CheckpointError(
            f"{where} was imported by an older skelact and does not say what its release is fed; import the weights "
            "again: skelact import-weights"
        )
    if "target" in card.config:
        raise CheckpointError(
            f"{where} labels every frame of untrimmed recordings; use skelact segment evaluate, moments or detect"
        )
    kind = ReleasedPipeline if "release" in card.pipeline else Pipeline
    pipeline = from_plain(kind, card.pipeline, f"{where}: pipeline")
    settings = from_plain(ModelSettings, card.model, f"{where}: model")
    pictures = pipeline.picture_channels() if isinstance(pipeline, Pipeline) else {}
    model = settings.build(
        card.skeleton_layout, len(card.label_names), pipeline.channels(card.dims), pictures
    )
    load_weights(model, state, where)
    return model.eval(), card, pipeline


def load_ensemble(path: str | Path, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Ensemble:
    """The networks of a checkpoint, one or several fused, in their inference form.

    Args:
        path: checkpoint file or run folder.
        dtype: of the arithmetic.
        device: where the networks run, see `skelact.device.find_device`.

    Raises:
        CheckpointError, ConfigError: if the checkpoint cannot be used, or the device is not there.
    """
    place = find_device(device)
    if dtype == torch.bfloat16 and not has_bfloat16(place):
        log.warning(
            "this device (%s) has no instructions for bfloat16 and is several times slower in it than in float32",
            place,
        )
    path = find_checkpoint(path)
    state, card = load_checkpoint(path)
    if card.model.get("name") != FUSED:
        model, card, pipeline = _build(state, card, str(path))
        return Ensemble(
            [Member(path.parent.name, model, card, pipeline, inference_form(model, dtype).to(place), place)],
            [1.0],
            card,
        )
    members, weights = [], []
    for i, part in enumerate(card.model["members"]):
        own = {k.removeprefix(f"{i}."): v for k, v in state.items() if k.startswith(f"{i}.")}
        mine = replace(card, model=part["model"], pipeline=part["pipeline"])
        model, mine, pipeline = _build(own, mine, f"{path}: member {i} ({part['from']})")
        members.append(
            Member(part["from"], model, mine, pipeline, inference_form(model, dtype).to(place), place)
        )
        weights.append(float(part["weight"]))
    svm = None
    if card.model.get("mode") == "svm":
        svm = ScoreSVM(len(members), len(card.label_names))
        own = {key.removeprefix("svm."): value for key, value in state.items() if key.startswith("svm.")}
        load_weights(svm, own, f"{path}: SVM")
    return Ensemble(members, weights, card, svm)


def join_checkpoints(
    paths: Sequence[str | Path], dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> Ensemble:
    """An ensemble, equally weighted, of the networks of several checkpoints.

    Raises:
        CheckpointError: if they disagree on layout, coordinates, unit, origin or classes.
    """
    parts = [load_ensemble(path, dtype, device) for path in paths]
    first = parts[0]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        theirs, ours = part.card, first.card
        differences = []
        if theirs.skeleton_layout != ours.skeleton_layout:
            differences.append(f"layout '{theirs.layout['name']}' against '{ours.layout['name']}'")
        if (theirs.dims, theirs.unit) != (ours.dims, ours.unit):
            differences.append(
                f"{theirs.dims} coordinates in '{theirs.unit}' against {ours.dims} in '{ours.unit}'"
            )
        if theirs.origin != ours.origin:
            differences.append(f"origin '{theirs.origin}' against '{ours.origin}'")
        if theirs.label_names != ours.label_names:
            only = sorted(set(theirs.label_names) ^ set(ours.label_names))
            differences.append(
                f"{len(theirs.label_names)} classes against {len(ours.label_names)}"
                + (f" (not in both: {', '.join(only[:6])})" if only else ", in another order")
            )
        if differences:
            raise CheckpointError(
                f"{path} and {paths[0]} cannot be fused: {'; '.join(differences)}. Fuse networks that were trained on "
                "the same set."
            )
    members = [m for part in parts for m in part.members]
    data = first.card.config.get("data", {})
    named = [part.card.config.get("data", {}).get("videos", "") for part in parts]
    videos = next((name for name in named if name), "")  # a network of skeletons names none
    config = {**first.card.config, "data": {**data, "videos": videos}} if videos else first.card.config
    return Ensemble(members, [1.0] * len(members), replace(first.card, config=config))


def save_ensemble(path: str | Path, ensemble: Ensemble) -> Path:
    """Write a fused checkpoint as one file, atomically."""
    state = {
        f"{i}.{key}": value
        for i, member in enumerate(ensemble.members)
        for key, value in member.model.state_dict().items()
    }
    members = [
        {"from": m.name, "weight": w, "model": m.card.model, "pipeline": m.card.pipeline}
        for m, w in zip(ensemble.members, ensemble.weights, strict=True)
    ]
    model: dict[str, Any] = {"name": FUSED, "members": members}
    if ensemble.svm is not None:
        model["mode"] = "svm"
        state |= {f"svm.{key}": value for key, value in ensemble.svm.state_dict().items()}
    card = replace(ensemble.card, model=model)
    return save_checkpoint(path, state, card)
