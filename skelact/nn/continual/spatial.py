"""Spatial modules on single frames: those whose graph does not depend on other frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.continual.affine import Affine
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.adaptive import FrameAdaptiveGraphConv
from skelact.nn.spatial.channelwise import FrameChannelwiseGraphConv
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.spatial.heads import HeadGraphConv
from skelact.nn.spatial.learned import LearnedGraphConv


class FrameWise(nn.Module):
    """A module on ``[V, P, T, C]`` that looks at one frame at a time, and the norm that follows, on ``[P, V, C]``."""

    def __init__(self, module: nn.Module, norm: ChannelNorm | None = None) -> None:
        super().__init__()
        self.module, self.norm = module, Affine(norm)

    def forward(self, x: Tensor) -> Tensor:
        out = self.module(x.transpose(0, 1).unsqueeze(2).contiguous())
        return self.norm(out[:, :, 0].transpose(0, 1))


class FixedFrame(nn.Module):
    """`FixedGraphConv` on ``[P, V, C]``, with the norm that follows folded into its weights."""

    def __init__(self, module: FixedGraphConv, norm: ChannelNorm | None = None) -> None:
        super().__init__()
        edges = module.edge_weight().detach()
        scale, shift = (v.detach() for v in scale_shift(norm, module.weight))
        self.n_partitions = module.graph.n_partitions
        # all partitions one below the other: [K * V, V], target from source
        self.register_buffer("adjacency", module.graph.dense(edges).to(module.weight).contiguous())
        self.register_buffer("weight", (module.weight.detach() * scale).flatten(0, 1))
        self.register_buffer("bias", (module.joint_bias(edges).to(module.weight) * scale + shift).detach())
        self.adjacency: Tensor
        self.weight: Tensor
        self.bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        p, v, c = x.shape
        parts = (self.adjacency @ x).view(p, self.n_partitions, v, c)
        return parts.transpose(1, 2).reshape(p, v, -1) @ self.weight + self.bias


class HeadFrame(nn.Module):
    """`HeadGraphConv` with learned topologies alone on ``[P, V, C]``, with the norm that follows folded in."""

    def __init__(self, module: HeadGraphConv, norm: ChannelNorm | None = None) -> None:
        super().__init__()
        scale, shift = (v.detach() for v in scale_shift(norm, module.adjacency))
        self.n_heads = module.n_heads
        self.register_buffer("adjacency", module.adjacency.detach().clone())
        self.register_buffer("weight", module.value.weight.detach() * scale.reshape(-1, 1))
        self.register_buffer("bias", module.value.bias.detach() * scale)
        self.register_buffer("shift", shift.clone())
        self.adjacency: Tensor
        self.weight: Tensor
        self.bias: Tensor
        self.shift: Tensor

    def forward(self, x: Tensor) -> Tensor:
        p, v, _ = x.shape
        values = functional.linear(x, self.weight, self.bias).view(p, v, self.n_heads, -1).transpose(1, 2)
        return torch.matmul(self.adjacency, values).transpose(1, 2).reshape(p, v, -1) + self.shift


def looks_at_frames(module: nn.Module) -> bool:
    """Whether a spatial module's output for a frame depends on that frame alone."""
    if isinstance(module, HeadGraphConv):
        return module.topology != "clip"
    return isinstance(module, FRAME_WISE)


FRAME_WISE = (
    FixedGraphConv,
    LearnedGraphConv,
    FrameAdaptiveGraphConv,
    FrameChannelwiseGraphConv,
    nn.Identity,
)


def make_spatial(module: nn.Module, norm: ChannelNorm | None) -> nn.Module:
    """A spatial module and the norm that follows, on single frames ``[P, V, C]``."""
    if type(module) is FixedGraphConv:
        return FixedFrame(module, norm)
    if type(module) is HeadGraphConv and module.topology == "learned":
        return HeadFrame(module, norm)
    return FrameWise(module, norm)
