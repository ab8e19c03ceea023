"""What all stages of a continual network share: frames of people who began at different times, and ring buffers.

A stage takes a frame of each person and gives the clip module's output for an earlier frame, its *centre*: as many
frames ago as its receptive field reaches ahead (its *delay*, 0 if causal). Where the clip module has a stride it gives
a frame only for every second, third, ... centre. Frames that a clip module pads with zeros are zeros in the ring:
before a person's first frame nothing was written, and frames after the last are written as zeros (see
`skelact.models.continual.ContinualNetwork.finish`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

State = dict[str, Tensor]  # tensors whose first axis is the person


class Frame(NamedTuple):
    """One frame of some people.

    Args:
        x: ``[P, V, C]``.
        rows: ``[P]`` their places in the state.
        valid: ``[P]`` booleans; False: a frame after the last, which counts as padding.
    """

    x: Tensor
    rows: Tensor
    valid: Tensor

    def having(self, x: Tensor) -> Frame:
        """The same people with other features."""
        return Frame(x, self.rows, self.valid)


class Stage(nn.Module):
    """Base of stages that need earlier frames: a ring buffer of the last ``reach + 1`` frames.

    Args:
        name: of its tensors in the state.
        reach: frames between the oldest frame that is needed and the newest.
        delay: frames between the centre and the newest.
        stride: of the clip module.
    """

    def __init__(self, name: str, reach: int, delay: int = 0, stride: int = 1) -> None:
        super().__init__()
        self.name, self.length, self.delay, self.stride = name, reach + 1, delay, stride

    def begin(self, n_people: int, n_joints: int, channels: int, like: Tensor) -> State:
        """The state of people who have not been seen yet."""
        count = torch.zeros(n_people, dtype=torch.int64, device=like.device)
        return {
            f"{self.name}.ring": like.new_zeros(n_people, self.length, n_joints, channels),
            f"{self.name}.count": count,
            f"{self.name}.valid": count.clone(),
        }

    def push(self, frame: Frame, state: State) -> Tensor:
        """Write a frame; returns its number ``[P]``, from 0 on."""
        number = state[f"{self.name}.count"][frame.rows]
        x = frame.x * frame.valid[:, None, None].to(frame.x.dtype)
        state[f"{self.name}.ring"][frame.rows, number % self.length] = x
        state[f"{self.name}.count"][frame.rows] = number + 1
        state[f"{self.name}.valid"][frame.rows] += frame.valid.to(number.dtype)
        return number

    def due(self, number: Tensor, frame: Frame, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """For whom there is an output now: their indices within the frame, their centres, and which are valid."""
        centre = number - self.delay
        there = centre >= 0
        if self.stride > 1:
            there = there & (centre % self.stride == 0)
        who = there.nonzero()[:, 0]
        centre = centre[who]
        return who, centre, centre < state[f"{self.name}.valid"][frame.rows[who]]

    def read(self, rows: Tensor, at: Tensor, state: State, channels: slice = slice(None)) -> Tensor:
        """Frames ``at [P, K]`` (numbers, up to ``reach`` back) of some people: ``[P, K, V, C]``."""
        ring = state[f"{self.name}.ring"][..., channels]
        return ring[rows[:, None], at % self.length]


def clone(state: State) -> State:
    """A copy that goes on by itself."""
    return {name: value.clone() for name, value in state.items()}


def take(state: State, rows: Tensor) -> State:
    """The state of some of the people, in the order of ``rows``."""
    return {name: value[rows] for name, value in state.items()}


def join(first: State, second: State) -> State:
    """Both groups' states, the second's people after the first's."""
    return {name: torch.cat([value, second[name]]) for name, value in first.items()}
