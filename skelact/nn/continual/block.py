"""`Block` frame by frame: what its residuals add is delayed to match."""

from __future__ import annotations

from torch import Tensor, nn

from skelact.nn.block import Block
from skelact.nn.continual.spatial import looks_at_frames, make_spatial
from skelact.nn.continual.stage import Frame, Stage, State
from skelact.nn.continual.temporal import TEMPORAL, TemporalStage, normalised
from skelact.nn.norm import ChannelNorm
from skelact.nn.temporal.conv import PointConv


class BlockStage(nn.Module):
    """A block that takes a frame and gives the clip block's output for the centre of its receptive field.

    Args:
        name: of its tensors in the state.
        block: see `why_not` for what it may consist of.
    """

    def __init__(self, name: str, block: Block) -> None:
        super().__init__()
        first = block.spatial
        self.first: TemporalStage | nn.Module
        if type(first) in TEMPORAL:
            self.first = TEMPORAL[type(first)](f"{name}.first", first, block.spatial_norm)
        else:
            self.first = make_spatial(first, block.spatial_norm)
        self.second = TEMPORAL[type(block.temporal)](f"{name}.second", block.temporal, block.temporal_norm)
        ahead = self.first.delay if isinstance(self.first, TemporalStage) else 0
        self.delay, self.stride = ahead + self.second.delay, self.second.stride
        self.channels_in, self.channels_out = block.channels_in, block.channels_out
        self.inner = make_shortcut(block.inner_residual) if block.inner else None
        self.outer = make_shortcut(block.residual) if block.outer else None
        # the block's own input, as far back as the residuals need it
        self.past = Stage(f"{name}.past", self.delay, self.delay, 1)

    def start(self, n_people: int, n_joints: int, like: Tensor) -> State:
        """The state of people who have not been seen yet."""
        state = self.second.start(n_people, n_joints, like)
        if isinstance(self.first, TemporalStage):
            state |= self.first.start(n_people, n_joints, like)
        if self.outer is not None or self.inner is not None:
            state |= self.past.begin(n_people, n_joints, self.channels_in, like)
        return state

    def step(self, frame: Frame, state: State) -> Frame:
        """Take a frame ``[P, V, C]``; returns ``[P', V, D]`` of those for whom there is an output."""
        kept = self.outer is not None or self.inner is not None
        if kept:
            self.past.push(frame, state)
        if isinstance(self.first, TemporalStage):
            mixed, _, centre = self.first.step(frame, state)
            x = mixed.x
            if not len(x):
                return self._nothing(mixed, frame)
            if self.inner is not None:
                x = x + self.inner(self.past.read(mixed.rows, centre[:, None], state)[:, 0])
        else:
            mixed, x = frame, self.first(frame.x)
            if self.inner is not None:
                x = x + self.inner(frame.x)
        out, _, centre = self.second.step(mixed.having(x.relu()), state)
        x = out.x
        if not len(out.rows):
            return self._nothing(out, frame)
        if self.outer is not None:
            x = x + self.outer(self.past.read(out.rows, centre[:, None], state)[:, 0])
        return out.having(x.relu())

    def _nothing(self, out: Frame, frame: Frame) -> Frame:
        return out.having(frame.x.new_zeros(0, frame.x.shape[1], self.channels_out))


class Shortcut(nn.Module):
    """A residual's 1×1 convolution and norm, on the frames that are left by the stride."""

    def __init__(self, point: PointConv, norm: ChannelNorm) -> None:
        super().__init__()
        self.point, self.norm = point, norm

    def forward(self, x: Tensor) -> Tensor:
        return normalised(nn.functional.linear(x, self.point.weight, self.point.bias), self.norm)


def make_shortcut(residual: nn.Module | None) -> nn.Module:
    """What a residual does to single frames ``[P, V, C]``."""
    if residual is None:
        return nn.Identity()
    point, norm = residual.children()
    assert isinstance(point, PointConv) and isinstance(norm, ChannelNorm)
    return Shortcut(point, norm)


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
