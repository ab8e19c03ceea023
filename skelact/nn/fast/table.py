"""The table of optimised forms of modules and blocks, for inference and training.

Keys are exact types: a subclass may compute something else, so it runs unchanged unless it is listed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from skelact.nn.attention import GraphAttention
from skelact.nn.block import Block
from skelact.nn.fast.adaptive import AdaptiveGraphConvForm, AdaptiveGraphConvStep
from skelact.nn.fast.blocks import BlockForm, Fold, PartitionBlockForm, PathwayBlockForm
from skelact.nn.fast.branches import MajorMultiBranchConv
from skelact.nn.fast.channel_major import JointsFirst, MajorBlock, MajorForm
from skelact.nn.fast.form import PlainForm
from skelact.nn.fast.gate import TrainingForm
from skelact.nn.fast.graph_conv import (
    DenseGraphConvForm,
    FixedGraphConvForm,
    GraphAttentionForm,
    HeadGraphConvForm,
    JointFrameChannelAttentionForm,
)
from skelact.nn.fast.major_graph_conv import (
    MajorChannelwiseGraphConv,
    MajorDynamicGraphConv,
    MajorLearnedGraphConv,
)
from skelact.nn.fast.refinement import ChannelwiseGraphConvStep, DynamicGraphConvStep
from skelact.nn.fast.shift import ShiftBlockForm, ShiftGraphConvStep, ShiftTemporalConvStep
from skelact.nn.fast.spatial import FixedGraphConvStep
from skelact.nn.fast.temporal import PointConvForm, SplitConvForm, TemporalConvForm, TemporalConvStep
from skelact.nn.fast.window import WindowGraphConvForm, WindowGraphConvStep
from skelact.nn.norm import ChannelNorm
from skelact.nn.partition_attention import MergeFrames, PartitionBlock
from skelact.nn.pathways import PathwayBlock
from skelact.nn.shift_block import ShiftBlock
from skelact.nn.spatial.adaptive import AdaptiveGraphConv
from skelact.nn.spatial.channelwise import ChannelwiseGraphConv
from skelact.nn.spatial.dynamic import DynamicGraphConv
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.spatial.heads import HeadGraphConv
from skelact.nn.spatial.learned import LearnedGraphConv
from skelact.nn.spatial.multiscale import MultiScaleGraphConv
from skelact.nn.spatial.shift import ShiftGraphConv
from skelact.nn.spatial.window import WindowGraphConv
from skelact.nn.stc_attention import JointFrameChannelAttention
from skelact.nn.temporal.conv import PointConv, TemporalConv
from skelact.nn.temporal.multibranch import MultiBranchConv
from skelact.nn.temporal.shift import ShiftTemporalConv
from skelact.nn.temporal.split import SplitConv

# Channel-major forms; a block of two such modules runs channel-major as a whole.
MAJOR: dict[type[nn.Module], Callable[..., MajorForm]] = {
    LearnedGraphConv: MajorLearnedGraphConv,
    ChannelwiseGraphConv: MajorChannelwiseGraphConv,
    DynamicGraphConv: MajorDynamicGraphConv,
    MultiBranchConv: MajorMultiBranchConv,
}

# Inference forms of modules on [V, P, T, C], made from (module, the norm that follows, type).
INFERENCE: dict[type[nn.Module], Callable[..., nn.Module]] = {
    FixedGraphConv: FixedGraphConvForm,
    LearnedGraphConv: DenseGraphConvForm.of_learned,
    MultiScaleGraphConv: DenseGraphConvForm.of_scales,
    AdaptiveGraphConv: AdaptiveGraphConvForm,
    HeadGraphConv: HeadGraphConvForm,
    GraphAttention: GraphAttentionForm,
    WindowGraphConv: WindowGraphConvForm,
    JointFrameChannelAttention: JointFrameChannelAttentionForm,
    TemporalConv: TemporalConvForm,
    PointConv: PointConvForm,
    SplitConv: SplitConvForm,
}

# Training forms: subclasses with the same weights.
TRAINING: dict[type[nn.Module], type[TrainingForm]] = {
    FixedGraphConv: FixedGraphConvStep,
    TemporalConv: TemporalConvStep,
    AdaptiveGraphConv: AdaptiveGraphConvStep,
    ChannelwiseGraphConv: ChannelwiseGraphConvStep,
    DynamicGraphConv: DynamicGraphConvStep,
    WindowGraphConv: WindowGraphConvStep,
    ShiftGraphConv: ShiftGraphConvStep,
    ShiftTemporalConv: ShiftTemporalConvStep,
}


def fold(module: nn.Module, norm: ChannelNorm | None, dtype: torch.dtype) -> nn.Module:
    """The inference form of a module and the norm that follows it; a frozen copy where it has none."""
    if type(module) in INFERENCE:
        return INFERENCE[type(module)](module, norm, dtype)
    if type(module) in MAJOR:
        return JointsFirst(MAJOR[type(module)](module, norm, dtype))
    return PlainForm(module, norm, dtype)


def fold_block(block: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The inference form of a block; a frozen copy where it has none."""
    if type(block) is Block:
        return _fold_usual(block, dtype)
    if type(block) in BLOCKS:
        return BLOCKS[type(block)](block, fold, dtype)
    return PlainForm(block, None, dtype)


def _fold_usual(block: Block, dtype: torch.dtype) -> nn.Module:
    halves = (block.spatial, block.spatial_norm), (block.temporal, block.temporal_norm)
    if block.attention is None and all(type(module) in MAJOR for module, _ in halves):
        spatial, temporal = (MAJOR[type(module)](module, norm, dtype) for module, norm in halves)
        return MajorBlock(block, spatial, temporal, dtype)
    return BlockForm(block, fold, dtype)


def _fold_merge(module: MergeFrames, fold: Fold, dtype: torch.dtype) -> nn.Module:
    return fold(module.conv, module.norm, dtype)


BLOCKS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    PathwayBlock: PathwayBlockForm,
    ShiftBlock: lambda block, _, dtype: ShiftBlockForm(block, dtype),
    PartitionBlock: lambda block, _, dtype: PartitionBlockForm(block, dtype),
    MergeFrames: _fold_merge,
}
