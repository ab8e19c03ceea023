"""Spatial modules on single frames: those whose graph does not depend on other frames."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from skelact.nn.continual.temporal import normalised
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
        self.module, self.norm = module, norm

    def forward(self, x: Tensor) -> Tensor:
        out = self.module(x.transpose(0, 1).unsqueeze(2).contiguous())
        return normalised(out[:, :, 0].transpose(0, 1), self.norm)


class FixedFrame(nn.Module):
    """`FixedGraphConv` on ``[P, V, C]``, with the norm that follows folded into its weights."""

    def __init__(self, module: FixedGraphConv, norm: ChannelNorm | None = None) -> None:
        super().__init__()
        edges = module.edge_weight().detach()
        k = module.graph.n_partitions
        scale, shift = scale_shift(norm, module.weight)
        # all partitions one below the other: [K * V, V], target from source
        self.adjacency = nn.Parameter(module.graph.dense(edges).to(module.weight), requires_grad=False)
        self.weight = nn.Parameter((module.weight.detach() * scale).flatten(0, 1), requires_grad=False)
        bias = module.joint_bias(edges).to(module.weight) * scale + shift
        self.bias = nn.Parameter(bias.detach(), requires_grad=False)
        self.n_partitions = k

    def forward(self, x: Tensor) -> Tensor:
        p, v, c = x.shape
        parts = (self.adjacency @ x).view(p, self.n_partitions, v, c)
        return parts.transpose(1, 2).reshape(p, v, -1) @ self.weight + self.bias


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
# What has a form of its own; the others run as they are.
SPATIAL: dict[type[nn.Module], Callable[..., nn.Module]] = {FixedGraphConv: FixedFrame}


def make_spatial(module: nn.Module, norm: ChannelNorm | None) -> nn.Module:
    """A spatial module and the norm that follows, on single frames ``[P, V, C]``."""
    return SPATIAL.get(type(module), FrameWise)(module, norm)
