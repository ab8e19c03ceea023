"""Taught gestures as arrays, and back: what the file of a vocabulary holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skelact.recognition.taught_examples import Example
from skelact.transforms.gesture_form import N_JOINTS, N_STEPS


@dataclass
class Gesture:
    """A taught gesture.

    Args:
        name: its name.
        examples: of it.
        threshold: the score that it must reach.
    """

    name: str
    examples: list[Example]
    threshold: float = np.inf

    @property
    def seconds(self) -> float:
        """How long it usually takes."""
        return float(np.median([e.seconds for e in self.examples]))


def pack_gestures(
    gestures: Sequence[Gesture], idle: Sequence[Example]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Gestures and windows of idle movement as plain values and arrays: the examples, one after the other."""
    every = [e for g in gestures for e in g.examples] + list(idle)
    arrays = {
        "xyz": np.zeros((len(every), N_STEPS, N_JOINTS, 3), np.float32),
        "present": np.zeros((len(every), N_STEPS, N_JOINTS), np.uint8),
        "seconds": np.array([e.seconds for e in every], np.float32),
    }
    for row, example in enumerate(every):
        arrays["xyz"][row], arrays["present"][row] = example.xyz, example.present
    plain = [
        {"name": g.name, "examples": len(g.examples), "threshold": g.threshold,
         "layouts": [e.layout for e in g.examples]}
        for g in gestures
    ]  # fmt: skip
    return {"gestures": plain, "idle": len(idle)}, arrays


def unpack_gestures(
    card: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[list[Gesture], list[Example]]:
    """Undo `pack_gestures`.

    Raises:
        ValueError: if the two contradict each other or hold impossible numbers.
        KeyError, TypeError: if something is missing or of another kind.
    """
    xyz, present, seconds = arrays["xyz"], arrays["present"], arrays["seconds"]
    counts = [int(g["examples"]) for g in card["gestures"]]
    n = sum(counts) + int(card["idle"])
    if xyz.shape != (n, N_STEPS, N_JOINTS, 3) or present.shape != xyz.shape[:3] or seconds.shape != (n,):
        raise ValueError(f"{n} examples are announced, and the joints are {list(xyz.shape)}")
    if not (np.isfinite(xyz).all() and np.isin(present, (0, 1)).all() and (seconds > 0).all()):
        raise ValueError("an example holds impossible numbers")
    layouts = [str(one) for g in card["gestures"] for one in g["layouts"]] + ["idle"] * int(card["idle"])
    every = [
        Example(x.astype(np.float32), p.astype(np.float32), float(s), name)
        for x, p, s, name in zip(xyz, present, seconds, layouts, strict=True)
    ]
    found: dict[str, Gesture] = {}
    first = 0
    for plain, count in zip(card["gestures"], counts, strict=True):
        name = str(plain["name"])
        if count < 1 or name in found:
            raise ValueError("a gesture comes twice or has no example")
        found[name] = Gesture(name, every[first : first + count], float(plain["threshold"]))
        first += count
    return list(found.values()), every[first:]
