"""`Block` frame by frame: what its residuals add is delayed to match."""

from __future__ import annotations

from torch import Tensor, nn

from skelact.nn.block import Block
from skelact.nn.continual.affine import FoldedLinear
from skelact.nn.continual.spatial import looks_at_frames, make_spatial
from skelact.nn.continual.stage import Frame, Stage, State, read_one
from skelact.nn.continual.temporal import TEMPORAL, TemporalStage
from skelact.nn.norm import ChannelNorm
from skelact.nn.temporal.conv import PointConv


class BlockStage(nn.Module):
    """A block that takes a frame and gives the clip block's output for the centre of its receptive field.

    Args:
        name: of its rings in the state.
        block: see `why_not` for what it may consist of.
    """

    def __init__(self, name: str, block: Block) -> None:
        super().__init__()
        first = block.spatial
        self.first: nn.Module
        if type(first) in TEMPORAL:
            self.first = TEMPORAL[type(first)](f"{name}.first", first, block.spatial_norm)
        else:
            self.first = make_spatial(first, block.spatial_norm)
        self.second = TEMPORAL[type(block.temporal)](f"{name}.second", block.temporal, block.temporal_norm)
        ahead = self.first.delay if isinstance(self.first, TemporalStage) else 0
        self.delay, self.stride = ahead + self.second.delay, self.second.stride
        self.channels_in = block.channels_in
        self.inner = make_shortcut(block.inner_residual) if block.inner else None
        self.outer = make_shortcut(block.residual) if block.outer else None
        # the block's own input, as far back as the residuals need it
        self.past = Stage(f"{name}.past", self.delay, self.delay, self.stride)
        self.keeps = self.delay > 0 and (self.outer is not None or self.inner is not None)

    def start(self, n_people: int, n_joints: int, like: Tensor) -> State:
        """The state of people who have not been seen yet."""
        state = self.second.start(n_people, n_joints, like)
        if isinstance(self.first, TemporalStage):
            state |= self.first.start(n_people, n_joints, like)
        if self.keeps:
            state |= self.past.begin(n_people, n_joints, self.channels_in, like)
        return state

    def step(self, frame: Frame, state: State) -> Frame | None:
        """Take a frame ``[P, V, C]``; returns ``[P', V, D]`` of those for whom there is an output."""
        if self.keeps:
            self.past.push(frame, state)
        inner = frame.x
        if isinstance(self.first, TemporalStage):
            mixed = self.first.step(frame, state)
            if mixed is None:
                return None
            if self.inner is not None and self.first.delay:
                inner = self._input(mixed, 1, state)
        else:
            mixed = frame.having(self.first(frame.x))
        x = mixed.x if self.inner is None else mixed.x + self.inner(inner)
        out = self.second.step(mixed.having(x.relu()), state)
        if out is None:
            return None
        x = out.x
        if self.outer is not None:
            if self.delay:
                x = x + self.outer(self._input(out, self.stride, state))
            else:
                there = self.past.due(frame)
                assert there is not None
                x = x + self.outer(there.x)
        return out.having(x.relu())

    def _input(self, out: Frame, stride: int, state: State) -> Tensor:
        """The block's input at the centres of those for whom a part of it has an output."""
        return read_one(state[self.past.name], out, [n * stride for n in out.numbers])


def make_shortcut(residual: nn.Module | None) -> nn.Module:
    """What a residual does to single frames ``[P, V, C]``, the stride's apart."""
    if residual is None:
        return nn.Identity()
    point, norm = residual.children()
    assert isinstance(point, PointConv) and isinstance(norm, ChannelNorm)
    return FoldedLinear(point, norm)


def why_not(block: nn.Module) -> str:
    """Why a block cannot run frame by frame; empty if it can."""
    if type(block) is not Block:
        return f"a {type(block).__name__} has no form for single frames"
    if block.attention is not None:
        return f"its {type(block.attention).__name__} looks at whole clips"
    if type(block.temporal) not in TEMPORAL:
        return f"its {type(block.temporal).__name__} has no form for single frames"
    if type(block.spatial) not in TEMPORAL and not looks_at_frames(block.spatial):
        return f"the graph of its {type(block.spatial).__name__} depends on the whole clip"
    return ""
