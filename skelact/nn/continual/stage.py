"""What all stages of a continual network share: frames of people who began at different times, and ring buffers.

A stage takes a frame of each person and gives the clip module's output for an earlier frame, its *centre*: as many
frames ago as its receptive field reaches ahead (its *delay*, 0 if causal). Where the clip module has a stride it gives
a frame only for every second, third, ... centre. Frames that a clip module pads with zeros are zeros in the ring:
before a person's first frame nothing was written, and frames after the last are written as zeros (see
`skelact.models.continual.ContinualNetwork.finish`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

State = dict[str, Tensor]  # tensors whose first axis is the person


class Frame(NamedTuple):
    """One frame of some people.

    Args:
        x: ``[P, V, C]``.
        rows: their places in the state; None: everybody.
        numbers: the frame's number for each of them, from 0 on.
        last: how many frames each of their clips has; None: none has ended. Later frames are padding.
    """

    x: Tensor
    rows: Tensor | None
    numbers: Sequence[int]
    last: Sequence[int] | None = None

    def having(self, x: Tensor) -> Frame:
        """The same people with other features."""
        return Frame(x, self.rows, self.numbers, self.last)

    @property
    def valid(self) -> Tensor | None:
        """``[P]`` booleans: whose frame it is no padding; None: everybody's."""
        if self.last is None:
            return None
        inside = [n < last for n, last in zip(self.numbers, self.last, strict=True)]
        return None if all(inside) else torch.tensor(inside, device=self.x.device)

    @property
    def uniform(self) -> bool:
        """Whether the frame has one number for everybody."""
        return len(self.numbers) == 1 or len(set(self.numbers)) == 1


class Stage(nn.Module):
    """Base of stages that need earlier frames: a ring buffer of the last ``reach + 1`` frames.

    Args:
        name: of its ring in the state.
        reach: frames between the oldest frame that is needed and the newest.
        delay: frames between the centre and the newest.
        stride: of the clip module.
    """

    def __init__(self, name: str, reach: int, delay: int = 0, stride: int = 1) -> None:
        super().__init__()
        self.name, self.length, self.delay, self.stride = name, reach + 1, delay, stride

    def begin(self, n_people: int, n_joints: int, channels: int, like: Tensor) -> State:
        """The state of people who have not been seen yet."""
        return {self.name: like.new_zeros(n_people, self.length, n_joints, channels)}

    def push(self, frame: Frame, state: State) -> None:
        """Write a frame."""
        x, valid, ring = frame.x, frame.valid, state[self.name]
        if valid is not None:
            x = x * valid[:, None, None].to(x.dtype)
        if frame.uniform:
            slot = frame.numbers[0] % self.length
            if frame.rows is None:
                ring[:, slot] = x
            else:
                ring[frame.rows, slot] = x
        else:
            slots = torch.tensor([n % self.length for n in frame.numbers], device=x.device)
            ring[_rows(frame), slots] = x

    def due(self, frame: Frame) -> Frame | None:
        """For whom there is an output now, with ``x`` as it came in, and the outputs' numbers; None: for nobody."""
        centres = [n - self.delay for n in frame.numbers]
        who = [i for i, c in enumerate(centres) if c >= 0 and c % self.stride == 0]
        if not who:
            return None
        numbers = [centres[i] // self.stride for i in who]
        last = None if frame.last is None else [-(-frame.last[i] // self.stride) for i in who]
        if len(who) == len(centres):
            return Frame(frame.x, frame.rows, numbers, last)
        index = torch.tensor(who, device=frame.x.device)
        return Frame(frame.x[index], _rows(frame)[index], numbers, last)

    def read(self, out: Frame, back: Tensor, state: State, channels: slice | None = None) -> Tensor:
        """Frames of those for whom there is an output.

        Args:
            out: from `due`.
            back: ``[K]`` frames before the newest.
            state: where the ring is.
            channels: of the ring; None: all.

        Returns:
            ``[P, K, V, C]``.
        """
        ring = state[self.name]
        newest = [n * self.stride + self.delay for n in out.numbers]
        return read_ring(ring if channels is None else ring[..., channels], out, newest, back)


def read_ring(ring: Tensor, out: Frame, newest: Sequence[int], back: Tensor) -> Tensor:
    """Frames ``[P, K, V, C]`` of ``ring [S, L, V, C]``: ``back [K]`` before the newest, whose numbers are given."""
    length = ring.shape[1]
    if out.uniform:
        if out.rows is not None:
            ring = ring[out.rows]
        return ring.index_select(1, (newest[0] - back) % length)
    at = torch.tensor(newest, device=back.device)[:, None] - back
    return ring[_rows(out)[:, None], at % length]


def read_one(ring: Tensor, out: Frame, numbers: Sequence[int]) -> Tensor:
    """One frame ``[P, V, C]`` of ``ring [S, L, V, C]``, by its numbers."""
    length = ring.shape[1]
    if out.uniform:
        one = ring[:, numbers[0] % length]
        return one if out.rows is None else one[out.rows]
    return ring[_rows(out), torch.tensor([n % length for n in numbers], device=ring.device)]


def _rows(frame: Frame) -> Tensor:
    if frame.rows is None:
        return torch.arange(len(frame.numbers), device=frame.x.device)
    return frame.rows


def clone(state: State) -> State:
    """A copy that goes on by itself."""
    return {name: value.clone() for name, value in state.items()}


def take(state: State, rows: Tensor) -> State:
    """The state of some of the people, in the order of ``rows``."""
    return {name: value[rows.to(value.device)] for name, value in state.items()}


def join(first: State, second: State) -> State:
    """Both groups' states, the second's people after the first's."""
    return {name: torch.cat([value, second[name]]) for name, value in first.items()}
