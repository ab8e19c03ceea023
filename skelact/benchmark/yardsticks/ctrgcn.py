"""CTR-GCN in the field's usual form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.benchmark.yardsticks.usual import (
    UsualBranches,
    UsualNetwork,
    blocks_of,
    usual_norm,
    usual_point,
    usual_shortcut,
)
from skelact.models.base import GraphModel
from skelact.nn.block import Block
from skelact.nn.spatial.channelwise import ChannelwiseGraphConv
from skelact.nn.temporal.multibranch import MultiBranchConv


class UsualRefinement(nn.Module):
    """The graph convolution of one partition."""

    def __init__(self, ours: ChannelwiseGraphConv, k: int) -> None:
        super().__init__()
        n, r = ours.n_partitions, ours.n_relations
        pair_weight, pair_bias = ours.pair.weight.view(2, n, r, -1)[:, k], ours.pair.bias.view(2, n, r)[:, k]
        self.conv1 = usual_point(pair_weight[0], pair_bias[0])
        self.conv2 = usual_point(pair_weight[1], pair_bias[1])
        self.conv3 = usual_point(ours.value.weight[k::n], ours.value.bias[k::n])
        self.conv4 = usual_point(ours.relation[k], ours.relation_bias[k])

    def forward(self, x: Tensor, adjacency: Tensor, alpha: Tensor) -> Tensor:
        x1, x2, x3 = self.conv1(x).mean(-2), self.conv2(x).mean(-2), self.conv3(x)
        topology = self.conv4(torch.tanh(x1.unsqueeze(-1) - x2.unsqueeze(-2))) * alpha + adjacency[None, None]
        return torch.einsum("ncuv,nctv->nctu", topology, x3)


class UsualBlock(nn.Module):
    """One block in the usual form, with the weights of one of ours."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        spatial, temporal = block.spatial, block.temporal
        assert isinstance(spatial, ChannelwiseGraphConv) and isinstance(temporal, MultiBranchConv)
        self.adjacency = nn.Parameter(spatial.adjacency.data.clone())
        self.alpha = nn.Parameter(spatial.alpha.data.clone())
        self.subsets = nn.ModuleList(UsualRefinement(spatial, k) for k in range(spatial.n_partitions))
        self.norm = usual_norm(block.spatial_norm)
        self.down = usual_shortcut(block.inner_residual)
        self.tcn = UsualBranches(temporal, block.temporal_norm)
        self.has_residual = block.outer
        self.residual = usual_shortcut(block.residual)

    def forward(self, x: Tensor) -> Tensor:
        y = self.subsets[0](x, self.adjacency[0], self.alpha)
        for k, subset in enumerate(self.subsets[1:], 1):
            y = subset(x, self.adjacency[k], self.alpha) + y
        y = self.tcn(torch.relu_(self.norm(y) + self.down(x)))
        if self.has_residual:
            y = y + self.residual(x)
        return torch.relu_(y)


def usual_ctrgcn(model: GraphModel) -> UsualNetwork:
    """`CTRGCN` in the usual form."""
    return UsualNetwork(model, [UsualBlock(block) for block in blocks_of(model, Block)])
