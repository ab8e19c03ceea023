"""Transfer of trained weights to another layout, other classes and other input channels; freezing.

What a weight's axes stand for is found by building the network for one joint fewer and for one channel more:
the axes that change are joints and channels. Joints are matched by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from skelact.errors import CheckpointError, ConfigError
from skelact.layouts import SkeletonLayout
from skelact.recognition.checkpoint import load_checkpoint

Build = Callable[[SkeletonLayout, int, int], Any]


@dataclass
class Transfer:
    """What was taken over from a checkpoint.

    Args:
        source: the checkpoint.
        same: weights taken as they are.
        adapted: weights taken over for other joints or channels.
        new: weights that start untrained.
        joints: how many of the layout's joints the checkpoint knows.
    """

    source: str
    same: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    joints: int = 0

    def describe(self) -> str:
        """One line for people."""
        text = f"weights of {self.source}: {len(self.same)} taken over"
        if self.adapted:
            text += f", {len(self.adapted)} adapted to other joints or channels ({self.joints} joints known by name)"
        if self.new:
            text += f", {len(self.new)} new ({', '.join(self.new[:4])}{', ...' if len(self.new) > 4 else ''})"
        return text


def load_pretrained(
    model: nn.Module,
    build: Build,
    layout: SkeletonLayout,
    channels: int,
    path: str | Path,
    family: str,
    label_names: list[str],
) -> Transfer:
    """Start a network from a checkpoint's weights, adapted where layout, classes or channels differ.

    The classifier is taken over only if the classes are the same. Joints the checkpoint does not know, and
    everything whose shape has no counterpart, start untrained.

    Args:
        model: the network that begins training; changed in place.
        build: makes the same kind of network for (layout, n_classes, channels_in).
        layout, channels: what the network was made for.
        path: a checkpoint of the same family.
        family: the network's name in `skelact.models.MODELS`.
        label_names: its classes.

    Raises:
        CheckpointError: if the checkpoint is of another family, or nothing of it fits.
    """
    state, card = load_checkpoint(path)
    theirs = str(card.model.get("name", ""))
    if theirs != family:
        raise CheckpointError(
            f"{path} holds a '{theirs}', this network is a '{family}'; set model.name: {theirs} (and its settings), "
            "or name another checkpoint in train.init_from"
        )
    old_layout = card.skeleton_layout
    axes = _Axes(build, layout, channels)
    known = [old_layout.index.get(name, -1) for name in layout.joints]
    report = Transfer(str(path), joints=sum(v >= 0 for v in known))
    merged = {}
    for key, mine in model.state_dict().items():
        old = state.get(key)
        is_head = key.startswith("head.")
        if old is None or (is_head and card.label_names != list(label_names)):
            value = None
        else:
            value = axes.adapt(key, old.to(mine), mine, known, len(old_layout))
        if value is None:
            report.new.append(key)
        elif old is not None and old.shape == value.shape and torch.equal(old.to(value), value):
            report.same.append(key)
        else:
            report.adapted.append(key)
        merged[key] = mine if value is None else value
    if not any(k.endswith("weight") for k in (*report.same, *report.adapted)):
        raise CheckpointError(
            f"no weight of {path} fits the network; use the settings of the checkpoint: {card.model}"
        )
    model.load_state_dict(merged)
    return report


class _Axes:
    """Which axes of a network's weights are joints, channels, or both."""

    def __init__(self, build: Build, layout: SkeletonLayout, channels: int) -> None:
        self.n_joints, self.channels = len(layout), channels
        fewer = layout.subset(list(layout.joints[:-1]), f"{layout.name}_fewer") if len(layout) > 1 else layout
        with torch.random.fork_rng(devices=[]):
            plain, other, wider = (
                {k: v.shape for k, v in build(one, 2, c).state_dict().items()}
                for one, c in ((layout, channels), (fewer, channels), (layout, channels + 1))
            )
        self.kinds = {
            key: [
                (a != b, a != c)
                for a, b, c in zip(shape, other.get(key, shape), wider.get(key, shape), strict=True)
            ]
            for key, shape in plain.items()
        }

    def adapt(self, key: str, old: Tensor, mine: Tensor, known: list[int], old_joints: int) -> Tensor | None:
        """``old`` in the shape of ``mine``; None if it has no counterpart."""
        kinds = self.kinds.get(key)
        if kinds is None or old.ndim != mine.ndim:
            return None
        if not mine.ndim:
            return old
        value = old
        for axis, (is_joints, is_channels) in enumerate(kinds):
            size, target = old.shape[axis], mine.shape[axis]
            if not is_joints and not is_channels:
                if size != target:
                    return None
                continue
            joints_old = old_joints if is_joints else 1
            joints_new = self.n_joints if is_joints else 1
            repeat_new = target // (joints_new * (self.channels if is_channels else 1))
            width_new = self.channels if is_channels else 1
            width_old = size // (joints_old * repeat_new) if is_channels else 1
            if size != repeat_new * joints_old * width_old or target != repeat_new * joints_new * width_new:
                return None
            value = self._axis(
                value,
                mine,
                axis,
                (repeat_new, joints_old, width_old),
                (joints_new, width_new),
                known,
                is_joints,
            )
        return value if value.shape == mine.shape else None

    @staticmethod
    def _axis(
        value: Tensor,
        mine: Tensor,
        axis: int,
        old_form: tuple[int, int, int],
        new_form: tuple[int, int],
        known: list[int],
        is_joints: bool,
    ) -> Tensor:
        repeat, _, width_old = old_form
        joints_new, width_new = new_form
        rest = value.shape[:axis], value.shape[axis + 1 :]
        split = value.reshape(*rest[0], *old_form, *rest[1])
        at = axis + 1  # of the joints, within (repeat, joints, channels)
        if is_joints:
            place = torch.tensor([max(v, 0) for v in known], device=value.device)
            split = split.index_select(at, place)
        if width_old != width_new:  # other channels repeat the known ones (cross-modality start, TSN)
            place = torch.arange(width_new, device=value.device) % width_old
            split = split.index_select(at + 1, place)
            if value.ndim > 1:  # of a weight: the same total response
                split = split * (width_old / width_new)
        result = split.reshape(*rest[0], repeat * joints_new * width_new, *rest[1])
        if is_joints and min(known) < 0:
            missing = torch.tensor([v < 0 for v in known], device=value.device)
            mask = missing[None, :, None].expand(repeat, joints_new, width_new).reshape(-1)
            shape = [1] * result.ndim
            shape[axis] = len(mask)
            if result.shape == mine.shape:
                result = torch.where(mask.view(shape), mine, result)
            else:  # another axis is still to come; what is new there starts from 0
                result = torch.where(mask.view(shape), torch.zeros_like(result), result)
        return result


def _stages(model: Any) -> list[tuple[str, list[nn.Module]]]:
    if not hasattr(model, "stages"):
        raise ConfigError(
            f"train.freeze and train.layer_decay need to know the stages of a network; give {type(model).__name__} a "
            "method stages() such as skelact.models.SkeletonModel has"
        )
    return model.stages()


def frozen_stages(model: Any, freeze: int) -> list[nn.Module]:
    """The modules of the first ``freeze`` stages; -1: all but the classifier.

    Raises:
        ConfigError: if the network has fewer stages.
    """
    stages = _stages(model)
    if freeze < -1 or freeze >= len(stages):
        names = ", ".join(name for name, _ in stages)
        raise ConfigError(
            f"train.freeze must be -1 (all but the classifier) or 0..{len(stages) - 1} of the stages {names}; "
            f"got {freeze}"
        )
    chosen = stages[:-1] if freeze == -1 else stages[:freeze]
    return [module for _, modules in chosen for module in modules]


def freeze_stages(modules: list[nn.Module]) -> None:
    """Keep weights and norm statistics of these modules as they are."""
    for module in modules:
        module.requires_grad_(False)
        module.eval()


def layer_scales(model: Any, decay: float) -> dict[int, float]:
    """Learning-rate factor of every parameter (by ``id``): ``decay`` to the power of its distance from the head."""
    stages = _stages(model)
    return {
        id(parameter): math.pow(decay, len(stages) - 1 - depth)
        for depth, (_, modules) in enumerate(stages)
        for module in modules
        for parameter in module.parameters()
    }
