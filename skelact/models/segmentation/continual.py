"""Segmentation networks frame by frame: exactly the numbers that the whole recording gives, at one frame's cost."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.models.segmentation.base import SegmentationModel
from skelact.models.segmentation.mstcn import MSTCN
from skelact.models.segmentation.recurrent import GRUSegmenter
from skelact.nn.block import Block
from skelact.nn.continual import BlockStage, Frame, FrameInput, State
from skelact.nn.continual.temporal import ConvStage
from skelact.nn.modules import Modules
from skelact.nn.temporal.dilated import DilatedStage


class ContinualSegmenter(FrameInput):
    """A causal segmentation network that takes one frame at a time; made by `continual_segmenter`.

    Every person is a recording of their own.
    """

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__(model.layout, model.channels_in, model.norm)
        self.n_classes = model.n_classes

    def begin(self, n_people: int = 1) -> State:
        """The state of people who have not been seen yet: tensors whose first axis is the person."""
        return {"frames": torch.zeros(n_people, dtype=torch.int64)}

    def advance(self, x: Tensor, there: Tensor, state: State) -> Tensor:
        """Logits ``[P, K]`` of the normalised ``x [P, V, C]``; ``there [P, 1]``: 1 for people who are there."""
        raise NotImplementedError

    def step(self, x: Tensor, state: State, score: Tensor | None = None) -> Tensor:
        """Take a frame of every person.

        Args:
            x: ``[P, V, C]``.
            state: of these people, changed in place.
            score: ``[P, V]``, 0 = missing; a person who is missing altogether is not there in this frame.

        Returns:
            logits ``[P, K]`` of the last stage.

        Raises:
            ConfigError: if people, joints or channels are not those of the state or the network.
        """
        x, present = self.take_in(x, state, score)
        there = torch.ones_like(x[:, 0, :1]) if present is None else present.to(x.dtype)[:, None]
        logits = self.advance(x, there, state)
        state["frames"] += 1
        return logits


class _StageStep(nn.Module):
    """`DilatedStage` frame by frame."""

    def __init__(self, name: str, stage: DilatedStage) -> None:
        super().__init__()
        self.first, self.last = stage.first, stage.last
        self.points = Modules(layer.point for layer in stage.layers)
        self.convs = Modules(ConvStage(f"{name}.{i}", layer.conv) for i, layer in enumerate(stage.layers))

    def start(self, n_people: int, like: Tensor) -> State:
        state: State = {}
        for conv in self.convs:
            state |= conv.start(n_people, 1, like)
        return state

    def step(self, frame: Frame, state: State) -> Tensor:
        frame = frame.having(self.first(frame.x))
        for conv, point in zip(self.convs, self.points, strict=True):
            out = conv.step(frame, state)
            assert out is not None  # a causal convolution answers at once
            frame = frame.having(frame.x + point(out.x.relu()))
        return self.last(frame.x)


class ContinualMSTCN(ContinualSegmenter):
    """See `ContinualSegmenter`."""

    def __init__(self, model: MSTCN) -> None:
        super().__init__(model)
        self.join_joints = model.join_joints
        blocks = [block for block in model.blocks if isinstance(block, Block)]
        self.blocks = Modules(BlockStage(f"blocks.{i}", block) for i, block in enumerate(blocks))
        stages = enumerate(model.stages.stages)
        self.stages = Modules(_StageStep(f"stages.{i}", stage) for i, stage in stages)

    def begin(self, n_people: int = 1) -> State:
        state = super().begin(n_people)
        for block in self.blocks:
            state |= block.start(n_people, len(self.layout), self.shift)
        for stage in self.stages:
            state |= stage.start(n_people, self.shift)
        return state

    def advance(self, x: Tensor, there: Tensor, state: State) -> Tensor:
        frame = Frame(x, None, state["frames"].tolist())
        for block in self.blocks:
            found = block.step(frame, state)
            assert found is not None  # causal, without stride
            frame = found
        x = self.join_joints(frame.x[:, None]) * there[:, None]
        for i, stage in enumerate(self.stages):
            x = stage.step(frame.having(x.softmax(-1) if i else x), state)
        return x[:, 0]


class ContinualGRU(ContinualSegmenter):
    """See `ContinualSegmenter`; the state is the cell's."""

    def __init__(self, model: GRUSegmenter) -> None:
        super().__init__(model)
        self.embed, self.cell, self.head = model.embed, model.recurrent.cell, model.head

    def begin(self, n_people: int = 1) -> State:
        hidden = self.shift.new_zeros(n_people, self.cell.num_layers, self.cell.hidden_size)
        return {**super().begin(n_people), "hidden": hidden}

    def advance(self, x: Tensor, there: Tensor, state: State) -> Tensor:
        before = state["hidden"].transpose(0, 1).contiguous()
        out, after = self.cell(self.embed(x.flatten(1))[:, None], before)
        state["hidden"] = after.transpose(0, 1).contiguous()
        return self.head(out[:, 0] * there)


def continual_segmenter(model: SegmentationModel) -> ContinualSegmenter:
    """The network frame by frame; its weights are shared where they are not folded.

    Raises:
        ConfigError: if it is not causal, is in training mode, or has no such form.
    """
    if not model.causal:
        raise ConfigError("this network looks at later frames; train one with --model.causal for live use")
    if model.training:
        raise ConfigError("a network runs frame by frame in evaluation mode; call model.eval() first")
    if isinstance(model, MSTCN):
        return ContinualMSTCN(model).eval()
    if isinstance(model, GRUSegmenter):
        return ContinualGRU(model).eval()
    raise ConfigError(f"{type(model).__name__} has no form for single frames")
