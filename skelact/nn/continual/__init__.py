"""Modules and blocks that take one frame at a time; whole networks: `skelact.models.continual`."""

from skelact.nn.continual.block import BlockStage, why_not
from skelact.nn.continual.frame_input import FrameInput
from skelact.nn.continual.stage import Frame, State, clone, join, take

__all__ = ["BlockStage", "Frame", "FrameInput", "State", "clone", "join", "take", "why_not"]
