"""Whole networks frame by frame: a frame of each person in, the clip network's logits out.

Source: Hedegaard, Heidari and Iosifidis, "Continual spatio-temporal graph convolutional networks", Pattern Recognition
2023 (CoST-GCN), for convolutions and residuals; here strides, zero padding at both ends of a clip, and people who begin
at different times are kept too, so that the numbers are the clip network's own.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.models.base import GraphModel, SkeletonModel
from skelact.models.sequence import RecurrentNet
from skelact.nn.block import Block
from skelact.nn.continual import BlockStage, Frame, FrameInput, State, clone, why_not
from skelact.nn.modules import Modules
from skelact.nn.norm import JointNorm


class MeanRing(nn.Module):
    """The mean over the last features of each person, or over all of them.

    Args:
        length: how many; 0: all.
        channels: D.
    """

    def __init__(self, length: int, channels: int) -> None:
        super().__init__()
        self.length, self.channels = length, channels

    def start(self, n_people: int, like: Tensor) -> State:
        """The state of people who have not been seen yet."""
        dtype = like.dtype if self.length else torch.float64  # a sum that goes on for days
        ring = torch.zeros(n_people, max(1, self.length), self.channels, dtype=dtype, device=like.device)
        return {"mean": ring, "averaged": torch.zeros(n_people, dtype=torch.int64)}

    def push(self, x: Tensor, rows: Tensor, state: State) -> None:
        """Write features ``[P, D]`` of the people ``rows [P]``."""
        counts = state["averaged"][rows]
        if self.length:
            state["mean"][rows.to(x.device), (counts % self.length).to(x.device)] = x
        else:
            state["mean"][rows.to(x.device), 0] += x.double()
        state["averaged"][rows] = counts + 1

    def mean(self, state: State, like: Tensor) -> Tensor:
        """``[P, D]``; not a number where nothing was written yet."""
        count = state["averaged"]
        n = count.clamp_max(self.length) if self.length else count
        ring = state["mean"]
        return (ring.sum(1) / n[:, None].to(ring)).to(like.dtype)


class ContinualNetwork(FrameInput):
    """A network that takes one frame at a time; made by `continual_form`.

    With ``window`` 0 the logits after each frame of a causal network are those of the clip network for the clip up to
    this frame. A network that is not causal knows a frame's features only ``delay`` frames later; `finish` gives the
    clip network's logits, as if the clip ended here. With a window the mean goes over the features of the last so many
    frames, whose receptive fields reach back beyond them. Weights that were trained with a fixed number of people in a
    clip (`padded_people`) see each person as the first of a clip, without the absent ones.

    Args:
        model: the clip network, in evaluation mode.
        window: input frames whose features are averaged; 0: all since a person began.
    """

    delay = 0  # input frames
    stride = 1  # input frames from one output to the next
    mean: MeanRing

    def __init__(self, model: SkeletonModel, window: int = 0) -> None:
        assert isinstance(model.norm, JointNorm)
        super().__init__(model.layout, model.channels_in, model.norm)
        if window < 0:
            raise ConfigError(f"the window must be 0 (everything) or a number of frames, got {window}")
        self.n_classes, self.head, self.window = model.n_classes, model.head, window

    def begin(self, n_people: int = 1) -> State:
        """The state of people who have not been seen yet: tensors whose first axis is the person.

        It can be cut and joined along that axis (`skelact.nn.continual.take`, `join`), saved and loaded.
        """
        state = self.mean.start(n_people, self.head.weight)
        return {**state, "frames": torch.zeros(n_people, dtype=torch.int64)}

    def advance(self, x: Tensor, state: State, present: Tensor | None, last: list[int] | None) -> None:
        """Take the normalised input ``[P, V, C]`` of a frame."""
        raise NotImplementedError

    def step(self, x: Tensor, state: State, score: Tensor | None = None) -> Tensor:
        """Take a frame of every person.

        Args:
            x: ``[P, V, C]``.
            state: of these people, changed in place.
            score: ``[P, V]``, 0 = missing; a person who is missing altogether is not there in this frame.

        Returns:
            logits ``[P, n_classes]``; not a number for whom there are no features yet.

        Raises:
            ConfigError: if people, joints or channels are not those of the state or the network.
        """
        x, present = self.take_in(x, state, score)
        self.advance(x, state, present, None)
        state["frames"] += 1
        return self.logits(state)

    def logits(self, state: State) -> Tensor:
        """The logits ``[P, n_classes]`` of what was seen so far."""
        return self.head(self.mean.mean(state, self.head.weight))

    def finish(self, state: State) -> Tensor:
        """The logits ``[P, n_classes]`` of a clip that ends here; the state stays as it is."""
        if not self.delay:
            return self.logits(state)
        state = clone(state)
        last = state["frames"].tolist()
        padding = self.shift.new_zeros(len(last), *self.shift.shape)
        for _ in range(self.delay):
            self.advance(padding, state, None, last)
            state["frames"] += 1
        return self.logits(state)


class ContinualGraphNetwork(ContinualNetwork):
    """See `ContinualNetwork`."""

    def __init__(self, model: GraphModel, window: int = 0) -> None:
        super().__init__(model, window)
        self.nodes, self.has_own_nodes = model.nodes, type(model).nodes is not GraphModel.nodes
        blocks = enumerate(model.blocks)
        self.blocks = Modules(BlockStage(f"blocks.{i}", b) for i, b in blocks if isinstance(b, Block))
        for block in self.blocks:
            self.delay += block.delay * self.stride
            self.stride *= block.stride
        self.mean = MeanRing(math.ceil(window / self.stride), model.n_features)

    def begin(self, n_people: int = 1) -> State:
        state = super().begin(n_people)
        n_joints = len(self.nodes(self.shift.new_zeros(1, 1, *self.shift.shape)))
        for block in self.blocks:
            state |= block.start(n_people, n_joints, self.shift)
        return state

    def advance(self, x: Tensor, state: State, present: Tensor | None, last: list[int] | None) -> None:
        if self.has_own_nodes:
            x = self.nodes(x[:, None])[:, :, 0].transpose(0, 1)
        frame = Frame(x, None, state["frames"].tolist(), last)
        for block in self.blocks:
            frame = block.step(frame, state)
            if frame is None:
                return
        x, valid = frame.x.mean(1), frame.valid
        rows = torch.arange(len(x)) if frame.rows is None else frame.rows.cpu()
        if valid is not None:
            x, rows = x[valid], rows[valid.cpu()]
        self.mean.push(x, rows, state)


class ContinualRecurrentNetwork(ContinualNetwork):
    """See `ContinualNetwork`; the state is the cells'."""

    def __init__(self, model: RecurrentNet, window: int = 0) -> None:
        super().__init__(model, window)
        self.cell = model.recurrent.cell
        self.mean = MeanRing(window, model.n_features)

    def begin(self, n_people: int = 1) -> State:
        state = super().begin(n_people)
        for name in ("hidden", "memory") if isinstance(self.cell, nn.LSTM) else ("hidden",):
            state[name] = self.shift.new_zeros(n_people, self.cell.num_layers, self.cell.hidden_size)
        return state

    def advance(self, x: Tensor, state: State, present: Tensor | None, last: list[int] | None) -> None:
        names = [name for name in ("hidden", "memory") if name in state]
        before = tuple(state[name].transpose(0, 1).contiguous() for name in names)
        out, after = self.cell(x.flatten(1)[:, None], before if len(names) > 1 else before[0])
        for name, value in zip(names, after if len(names) > 1 else (after,), strict=True):
            state[name] = value.transpose(0, 1).contiguous()
        rows = torch.arange(len(x)) if present is None else present.cpu().nonzero()[:, 0]
        self.mean.push(out[rows.to(x.device), 0], rows, state)  # over the frames in which a person exists


def why_not_continual(model: nn.Module) -> str:
    """Why a network cannot run frame by frame with the clip network's numbers; empty if it can."""
    if isinstance(model, RecurrentNet):
        return (
            "it reads a clip from its end, too (bidirectional)" if model.recurrent.cell.bidirectional else ""
        )
    if not isinstance(model, GraphModel):
        return f"{type(model).__name__} has no form for single frames"
    if type(model).people_features is not GraphModel.people_features:
        return f"{type(model).__name__} does more than its blocks"
    return next((reason for block in model.blocks if (reason := why_not(block))), "")


def continual_form(model: SkeletonModel, window: int = 0) -> ContinualNetwork:
    """The network frame by frame.

    Args:
        model: the clip network; it is not changed, and its weights are shared where they are not folded.
        window: see `ContinualNetwork`.

    Raises:
        ConfigError: if the network cannot run so; it says why, and what can be done.
    """
    reason = why_not_continual(model)
    if reason:
        raise ConfigError(
            f"this network cannot run frame by frame: {reason}. Slide a window over it, or train a network that can: "
            "skelactnet or tcn with causal, stgcn, stgcnpp, agcn or ctrgcn with frame_topology, lstm or gru that are "
            "not bidirectional"
        )
    if model.training:
        raise ConfigError("a network runs frame by frame in evaluation mode; call model.eval() first")
    form = ContinualRecurrentNetwork if isinstance(model, RecurrentNet) else ContinualGraphNetwork
    return form(model, window).eval()  # type: ignore[arg-type]
