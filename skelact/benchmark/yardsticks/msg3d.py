"""MS-G3D in the field's usual form: ``einsum`` with all scales, windows by ``unfold``, ``conv3d`` to collapse."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.benchmark.yardsticks.usual import (
    UsualBranches,
    UsualNetwork,
    blocks_of,
    usual_norm,
    usual_point,
    usual_shortcut,
)
from skelact.models.base import GraphModel
from skelact.nn.norm import ChannelNorm
from skelact.nn.pathways import PathwayBlock, TemporalUnit
from skelact.nn.spatial.multiscale import MultiScaleGraphConv
from skelact.nn.spatial.window import WindowGraphConv
from skelact.nn.temporal.multibranch import MultiBranchConv


class UsualScales(nn.Module):
    """The multi-scale graph convolution, its norm and ReLU."""

    fixed: Tensor

    def __init__(self, ours: MultiScaleGraphConv, norm: ChannelNorm) -> None:
        super().__init__()
        self.register_buffer("fixed", ours.graph.dense(ours.graph.value).clone(), persistent=False)
        self.learned = nn.Parameter(ours.learned.data.clone())
        self.n_scales = ours.graph.n_partitions
        self.mix = usual_point(ours.weight.flatten(0, 1).T, ours.bias)
        self.norm = usual_norm(norm)

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v = x.shape
        seen = torch.einsum("vu,nctu->nctv", self.fixed + self.learned, x).view(n, c, t, self.n_scales, v)
        seen = seen.permute(0, 3, 1, 2, 4).contiguous().view(n, self.n_scales * c, t, v)
        return torch.relu_(self.norm(self.mix(seen)))


class UsualWindow(nn.Module):
    """The graph convolution over windows, collapsed, with its last norm."""

    def __init__(self, ours: nn.Module, norm: ChannelNorm) -> None:
        super().__init__()
        assert isinstance(ours, WindowGraphConv)
        self.window, self.stride, self.dilation = ours.windows
        self.scales = UsualScales(ours.conv, ours.norm)
        window, e, d = ours.collapse_weight.shape
        self.collapse = nn.Conv3d(e, d, (1, window, 1))
        weight = ours.collapse_weight.permute(2, 1, 0)[:, :, None, :, None]
        self.collapse.load_state_dict({"weight": weight, "bias": ours.collapse_bias})
        self.norm = usual_norm(norm)

    def forward(self, x: Tensor) -> Tensor:
        n, c, _, v = x.shape
        pad = (self.window - 1) * self.dilation // 2
        windows = functional.unfold(x, (self.window, 1), (self.dilation, 1), (pad, 0), (self.stride, 1))
        windows = windows.view(n, c, self.window, -1, v).permute(0, 1, 3, 2, 4).contiguous()
        seen = self.scales(windows.view(n, c, -1, self.window * v))
        return self.norm(self.collapse(seen.view(n, seen.shape[1], -1, self.window, v)).squeeze(3))


class UsualUnit(nn.Module):
    """A multi-branch temporal convolution with its residual."""

    def __init__(self, ours: TemporalUnit) -> None:
        super().__init__()
        assert isinstance(ours.temporal, MultiBranchConv)
        self.branches = UsualBranches(ours.temporal, ours.norm)
        self.residual = usual_shortcut(ours.residual)
        self.activation = ours.activation

    def forward(self, x: Tensor) -> Tensor:
        out = self.branches(x)
        out += self.residual(x)
        return torch.relu_(out) if self.activation else out


class UsualBlock(nn.Module):
    """One block in the usual form, with the weights of one of ours."""

    def __init__(self, block: PathwayBlock) -> None:
        super().__init__()
        assert isinstance(block.spatial, MultiScaleGraphConv)
        self.spatial = UsualScales(block.spatial, block.spatial_norm)
        pairs = zip(block.windows, block.window_norms, strict=True)
        self.windows = nn.ModuleList(UsualWindow(window, norm) for window, norm in pairs)
        self.units = nn.ModuleList(UsualUnit(unit) for unit in block.units)

    def forward(self, x: Tensor) -> Tensor:
        factorised = self.spatial(x)
        for unit in self.units[:-1]:
            factorised = unit(factorised)
        total: Tensor | float = 0.0
        for window in self.windows:
            total = total + window(x)
        return self.units[-1](torch.relu_(factorised + total))


def usual_msg3d(model: GraphModel) -> UsualNetwork:
    """`MSG3D` in the usual form."""
    return UsualNetwork(model, [UsualBlock(block) for block in blocks_of(model, PathwayBlock)])
