"""DG-STGCN, and the blocks of ProtoGCN, in the field's usual form."""

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
from skelact.nn.spatial.dynamic import DynamicGraphConv
from skelact.nn.temporal.multibranch import MultiBranchConv


class UsualBlock(nn.Module):
    """One block in the usual form, with the weights of one of ours."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        spatial, temporal = block.spatial, block.temporal
        assert isinstance(spatial, DynamicGraphConv) and isinstance(temporal, MultiBranchConv)
        assert not spatial.subset_wise
        self.adjacency = nn.Parameter(spatial.adjacency.data.clone())
        self.alpha = nn.Parameter(spatial.alpha.data.clone())
        self.beta = nn.Parameter(spatial.beta.data.clone())
        self.pre = nn.Sequential(
            usual_point(spatial.pre.weight, spatial.pre.bias), usual_norm(spatial.pre_norm), nn.ReLU()
        )
        half = spatial.pre.out_features
        self.conv1 = usual_point(spatial.pair.weight[:half], spatial.pair.bias[:half])
        self.conv2 = usual_point(spatial.pair.weight[half:], spatial.pair.bias[half:])
        self.post = usual_point(spatial.post.weight, spatial.post.bias)
        self.norm = usual_norm(block.spatial_norm)
        self.down = usual_shortcut(block.inner_residual)
        self.tcn = UsualBranches(temporal, block.temporal_norm)
        self.has_residual = block.outer
        self.residual = usual_shortcut(block.residual)
        self.keep_topology, self.kept = spatial.keep_topology, None

    def forward(self, x: Tensor) -> Tensor:
        n, _, t, v = x.shape
        k = len(self.adjacency)
        features = self.pre(x).view(n, k, -1, t, v)
        mean = x.mean(-2, keepdim=True)
        x1, x2 = (conv(mean).view(n, k, -1, 1, v) for conv in (self.conv1, self.conv2))
        channelwise = torch.tanh(x1.unsqueeze(-1) - x2.unsqueeze(-2)) * self.alpha[0]
        topology = channelwise + self.adjacency[None, :, None, None]
        shared = torch.softmax(torch.einsum("nkctv,nkctw->nktvw", x1, x2)[:, :, None], -2) * self.beta[0]
        topology = (shared + topology).squeeze(3)
        if self.keep_topology:
            self.kept = (channelwise + shared).squeeze(3).flatten(1, 2)
        y = torch.einsum("nkctv,nkcvw->nkctw", features, topology).reshape(n, -1, t, v)
        y = self.tcn(torch.relu(self.norm(self.post(y)) + self.down(x)))
        if self.has_residual:
            y = y + self.residual(x)
        return torch.relu(y)


def usual_dgstgcn(model: GraphModel) -> UsualNetwork:
    """`DGSTGCN` in the usual form."""
    return UsualNetwork(model, [UsualBlock(block) for block in blocks_of(model, Block)])
