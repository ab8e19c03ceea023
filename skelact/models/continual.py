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
from skelact.nn.continual.block import BlockStage, why_not
from skelact.nn.continual.stage import Frame, State, clone


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
        count = torch.zeros(n_people, dtype=torch.int64, device=like.device)
        rows = max(1, self.length)
        dtype = like.dtype if self.length else torch.float64  # a sum that goes on for days
        return {
            "mean.ring": torch.zeros(n_people, rows, self.channels, dtype=dtype, device=like.device),
            "mean.count": count,
        }

    def push(self, x: Tensor, rows: Tensor, state: State) -> None:
        """Write features ``[P, D]``."""
        count = state["mean.count"][rows]
        if self.length:
            state["mean.ring"][rows, count % self.length] = x
        else:
            state["mean.ring"][rows, 0] += x.double()
        state["mean.count"][rows] = count + 1

    def mean(self, state: State, like: Tensor) -> Tensor:
        """``[P, D]``; not a number where nothing was written yet."""
        count = state["mean.count"]
        n = count.clamp_max(self.length) if self.length else count
        return (state["mean.ring"].sum(1) / n[:, None].to(state["mean.ring"].dtype)).to(like.dtype)


class ContinualNetwork(nn.Module):
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

    delay: int  # input frames
    stride: int  # input frames from one output to the next

    def __init__(self, model: SkeletonModel, window: int = 0) -> None:
        super().__init__()
        if window < 0:
            raise ConfigError(f"the window must be 0 (everything) or a number of frames, got {window}")
        self.layout, self.channels_in, self.n_classes = model.layout, model.channels_in, model.n_classes
        self.norm, self.head, self.window = model.norm, model.head, window

    def begin(self, n_people: int = 1) -> State:
        """The state of people who have not been seen yet: tensors whose first axis is the person.

        It can be cut and joined along that axis (`skelact.nn.continual.take`, `join`), saved and loaded.
        """
        raise NotImplementedError

    def advance(self, frame: Frame, state: State) -> None:
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
        n_people = len(state["mean.count"])
        if x.shape != (n_people, len(self.layout), self.channels_in):
            raise ConfigError(
                f"this state and network take [{n_people} people, {len(self.layout)} joints ({self.layout.name}), "
                f"{self.channels_in} channels], got {list(x.shape)}"
            )
        present = None
        if score is not None:
            x = x * (score > 0)[..., None].to(x.dtype)
            present = (score > 0).any(1)
        x = self.norm(x[:, None])[:, 0]
        if present is not None:
            x = x * present[:, None, None].to(x.dtype)
        rows = torch.arange(n_people, device=x.device)
        state["present"] = torch.ones_like(rows, dtype=torch.bool) if present is None else present
        self.advance(Frame(x, rows, torch.ones_like(rows, dtype=torch.bool)), state)
        return self.logits(state)

    def logits(self, state: State) -> Tensor:
        """The logits ``[P, n_classes]`` of what was seen so far."""
        return self.head(self.mean.mean(state, self.head.weight))

    def finish(self, state: State) -> Tensor:
        """The logits ``[P, n_classes]`` of a clip that ends here; the state stays as it is."""
        raise NotImplementedError


class ContinualGraphNetwork(ContinualNetwork):
    """See `ContinualNetwork`."""

    def __init__(self, model: GraphModel, window: int = 0) -> None:
        super().__init__(model, window)
        self.nodes = model.nodes
        self.blocks = nn.ModuleList(BlockStage(f"blocks.{i}", b) for i, b in enumerate(model.blocks))
        self.stride, self.delay = 1, 0
        for block in self.blocks:
            assert isinstance(block, BlockStage)
            self.delay += block.delay * self.stride
            self.stride *= block.stride
        self.mean = MeanRing(math.ceil(window / self.stride), model.n_features)

    def begin(self, n_people: int = 1) -> State:
        like = self.head.weight
        n_joints = self.nodes(like.new_zeros(1, 1, len(self.layout), self.channels_in)).shape[0]
        state = self.mean.start(n_people, like)
        for block in self.blocks:
            state |= block.start(n_people, n_joints, like)
        state["present"] = torch.ones(n_people, dtype=torch.bool, device=like.device)
        return state

    def advance(self, frame: Frame, state: State) -> None:
        nodes = self.nodes(frame.x[:, None])  # [V, P, 1, C]
        self._through(frame.having(nodes[:, :, 0].transpose(0, 1)), state)

    def _through(self, frame: Frame, state: State) -> None:
        for block in self.blocks:
            frame = block.step(frame, state)
            if not len(frame.rows):
                return
        who = frame.valid.nonzero()[:, 0]
        self.mean.push(frame.x[who].mean(1), frame.rows[who], state)

    def finish(self, state: State) -> Tensor:
        state = clone(state)
        n_people = len(state["mean.count"])
        rows = torch.arange(n_people, device=self.head.weight.device)
        like = self.nodes(self.head.weight.new_zeros(n_people, 1, len(self.layout), self.channels_in))
        ended = Frame(
            torch.zeros_like(like[:, :, 0].transpose(0, 1)), rows, torch.zeros_like(rows, dtype=torch.bool)
        )
        for _ in range(self.delay):
            self._through(ended, state)
        return self.logits(state)


class ContinualRecurrentNetwork(ContinualNetwork):
    """See `ContinualNetwork`; the state is the cells'."""

    delay, stride = 0, 1

    def __init__(self, model: RecurrentNet, window: int = 0) -> None:
        super().__init__(model, window)
        self.cell = model.recurrent.cell
        self.mean = MeanRing(window, model.n_features)

    def begin(self, n_people: int = 1) -> State:
        like = self.head.weight
        state = self.mean.start(n_people, like)
        for name in ("hidden", "memory") if isinstance(self.cell, nn.LSTM) else ("hidden",):
            state[name] = like.new_zeros(n_people, self.cell.num_layers, self.cell.hidden_size)
        state["present"] = torch.ones(n_people, dtype=torch.bool, device=like.device)
        return state

    def advance(self, frame: Frame, state: State) -> None:
        names = [name for name in ("hidden", "memory") if name in state]
        before = tuple(state[name].transpose(0, 1).contiguous() for name in names)
        out, after = self.cell(frame.x.flatten(1)[:, None], before if len(names) > 1 else before[0])
        for name, value in zip(names, after if len(names) > 1 else (after,), strict=True):
            state[name] = value.transpose(0, 1).contiguous()
        who = state["present"].nonzero()[:, 0]  # the mean is over the frames in which a person exists
        self.mean.push(out[who, 0], who, state)

    def finish(self, state: State) -> Tensor:
        return self.logits(state)


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
