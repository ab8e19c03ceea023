"""`Release`: key names of a published implementation, and the translation of a state dict."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from skelact.errors import CheckpointError, LayoutError
from skelact.layouts import LAYOUTS, SkeletonLayout, get_layout
from skelact.models.base import SkeletonModel

State = Mapping[str, Tensor]
Change = Callable[..., Tensor]
Origin = tuple[str | tuple[str, ...], Change | None]
_USUAL_LAYOUTS = {25: "ntu25", 20: "kinect20", 18: "openpose18", 17: "coco17"}


@dataclass(frozen=True)
class Blueprint:
    """A network's settings, read from a state dict.

    Args:
        settings: one of the settings classes of `skelact.models.MODELS`.
        layout: name of the skeleton layout.
        n_classes: number of actions.
        channels_in: values per joint.
    """

    settings: Any
    layout: str
    n_classes: int
    channels_in: int


@dataclass(frozen=True)
class Release:
    """Key names of a published implementation.

    Args:
        source: the paper and whose code.
        blueprint: reads the network's sizes from the shapes of a state dict; the layout is given, or None.
        origin: for one of our keys, the key (or keys) of the release and the conversion of the values
            (transposed, stacked); no key for values that the release does not save.
        ignored: patterns of the release's keys without learned values.
        prefixes: possible prefixes of all keys.
        renames: alternative beginnings of keys in some of the release's files.
        pipeline: how the release prepared its input, as plain settings of our pipeline (the nearest to it).
    """

    source: str
    blueprint: Callable[[State, str | None], Blueprint]
    origin: Callable[[str], Origin]
    ignored: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ("module.",)
    renames: tuple[tuple[str, str], ...] = ()
    pipeline: Mapping[str, Any] = field(default_factory=dict)

    def stripped(self, state: State) -> dict[str, Tensor]:
        """The state without the prefixes that wrappers put before keys."""
        result = {}
        for key, value in state.items():
            for prefix in self.prefixes:
                key = key.removeprefix(prefix)
            for start, name in self.renames:
                if key.startswith(start):
                    key = name + key[len(start) :]
            result[key] = value
        return result

    def build(self, name: str, state: State, layout: str | None = None) -> tuple[SkeletonModel, Blueprint]:
        """The network with the release's weights, in their type and in evaluation mode.

        Raises:
            CheckpointError: listing every key that is missing, left over or of another shape.
        """
        wrong = [f"{k}: {type(v).__name__}" for k, v in state.items() if not isinstance(v, Tensor)]
        if wrong:
            raise CheckpointError(
                f"a state dict of tensors is needed for '{name}', but it holds {', '.join(wrong[:5])}; "
                "give the part of the file that holds the weights, such as checkpoint['state_dict']"
            )
        state = self.stripped(state)
        floats = [v.dtype for v in state.values() if v.is_floating_point()]
        try:
            plan = self.blueprint(state, layout)
        except KeyError as error:
            raise CheckpointError(
                f"these are not weights of '{name}' ({self.source}): missing: {error.args[0]}; the file has "
                f"{', '.join(list(state)[:4]) or 'no keys'}, ..."
            ) from None
        model = plan.settings.build(plan.layout, plan.n_classes, plan.channels_in)
        model = model.to(floats[0] if floats else torch.float32)
        model.load_state_dict(self._translate(name, state, model))
        return model.eval(), plan

    def _translate(self, name: str, state: State, model: SkeletonModel) -> dict[str, Tensor]:
        used, ours, problems = set(), {}, []
        for key, old in model.state_dict().items():
            if key.endswith("num_batches_tracked"):
                ours[key] = old
                continue
            theirs, change = self.origin(key)
            theirs = (theirs,) if isinstance(theirs, str) else theirs
            if not theirs:
                ours[key] = old
                continue
            used.update(theirs)
            missing = [k for k in theirs if k not in state]
            if missing:
                problems += [f"missing: {k}" for k in missing]
                continue
            try:
                value = change(*(state[k] for k in theirs)) if change else state[theirs[0]]
            except (RuntimeError, IndexError) as error:
                shapes = ", ".join(f"{k} {list(state[k].shape)}" for k in theirs)
                problems.append(f"{shapes}: cannot become {key} {list(old.shape)} ({error})")
                continue
            if value.shape != old.shape:
                shapes = ", ".join(f"{k}: {list(state[k].shape)} in the file" for k in theirs)
                problems.append(
                    f"{shapes}, which gives {list(value.shape)} where {list(old.shape)} is needed"
                )
                continue
            ours[key] = value
        skipped = [re.compile(p) for p in (*self.ignored, r".*num_batches_tracked")]
        problems += [
            f"unexpected: {k}" for k in state if k not in used and not any(p.fullmatch(k) for p in skipped)
        ]
        if problems:
            unique = list(dict.fromkeys(problems))
            raise CheckpointError(
                f"the weights do not fit '{name}' ({self.source}):\n  " + "\n  ".join(unique)
            )
        return ours


def layout_of(n_joints: int, layout: str | None) -> SkeletonLayout:
    """The layout named, or the usual one with so many joints.

    Raises:
        LayoutError: if it has another number of joints, or none is usual.
    """
    if layout is not None:
        chosen = get_layout(layout)
        if len(chosen) != n_joints:
            raise LayoutError(
                f"the weights are for {n_joints} joints, layout '{layout}' has {len(chosen)}; layouts with "
                f"{n_joints}: {_with_joints(n_joints)}"
            )
        return chosen
    if n_joints not in _USUAL_LAYOUTS:
        raise LayoutError(
            f"the weights are for {n_joints} joints and do not say which; name a layout, one of: "
            f"{_with_joints(n_joints)}"
        )
    return get_layout(_USUAL_LAYOUTS[n_joints])


def _with_joints(n_joints: int) -> str:
    return ", ".join(n for n, layout in LAYOUTS.items() if len(layout) == n_joints) or "none"


def point_weight(weight: Tensor) -> Tensor:
    """A 1×1 convolution's weight ``[D, C, 1, 1]`` as a matrix ``[D, C]``."""
    return weight.flatten(2).squeeze(2)


def time_weight(weight: Tensor) -> Tensor:
    """A temporal convolution's weight ``[D, C, taps, 1]`` as ``[D, C, 1, taps]``."""
    return weight.transpose(2, 3)


def end_origin(words: list[str]) -> Origin | None:
    """Where a value of the input's norm or of the classifier comes from, as most releases name them.

    ``words`` are its key, split at the dots; None: it is another module's.
    """
    place = {"norm": "data_bn", "head": "fc"}.get(words[0])
    return None if place is None else (f"{place}.{words[-1]}", None)
