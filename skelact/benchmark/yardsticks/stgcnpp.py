"""ST-GCN++ in the field's usual form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.benchmark.yardsticks.usual import (
    UsualBranches,
    UsualNetwork,
    blocks_of,
    usual_norm,
    usual_shortcut,
)
from skelact.models.base import GraphModel
from skelact.nn.block import Block
from skelact.nn.spatial.learned import LearnedGraphConv
from skelact.nn.temporal.multibranch import MultiBranchConv


class UsualBlock(nn.Module):
    """One block in the usual form, with the weights of one of ours."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        spatial, temporal = block.spatial, block.temporal
        assert isinstance(spatial, LearnedGraphConv) and isinstance(temporal, MultiBranchConv)
        k, c, d = spatial.weight.shape
        self.adjacency = nn.Parameter(spatial.adjacency.data.clone())
        self.gcn = nn.Conv2d(c, k * d, 1)
        weight = spatial.weight.transpose(1, 2).reshape(k * d, c, 1, 1)
        self.gcn.load_state_dict({"weight": weight, "bias": spatial.bias.reshape(-1)})
        self.norm = usual_norm(block.spatial_norm)
        self.down = usual_shortcut(block.inner_residual)
        self.tcn = UsualBranches(temporal, block.temporal_norm)
        self.has_residual = block.outer
        self.residual = usual_shortcut(block.residual)

    def forward(self, x: Tensor) -> Tensor:
        y = self.gcn(x)
        n, kd, t, v = y.shape
        k = len(self.adjacency)
        y = torch.einsum("nkctv,kvw->nctw", y.view(n, k, kd // k, t, v), self.adjacency).contiguous()
        y = self.tcn(torch.relu(self.norm(y) + self.down(x)))
        if self.has_residual:
            y = y + self.residual(x)
        return torch.relu(y)


def usual_stgcnpp(model: GraphModel) -> UsualNetwork:
    """`STGCNPlusPlus` in the usual form."""
    return UsualNetwork(model, [UsualBlock(block) for block in blocks_of(model, Block)])
