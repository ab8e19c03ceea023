"""ST-GCN in the field's usual form: a 1×1 ``conv2d`` to K·D channels, ``einsum``, a 9×1 ``conv2d``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.benchmark.yardsticks.usual import UsualNetwork, blocks_of, usual_norm, usual_shortcut, usual_time
from skelact.models.base import GraphModel
from skelact.nn.block import Block
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.temporal.conv import TemporalConv


class UsualBlock(nn.Module):
    """One block in the usual form, with the weights of one of ours."""

    adjacency: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        spatial, temporal = block.spatial, block.temporal
        assert isinstance(spatial, FixedGraphConv) and isinstance(temporal, TemporalConv)
        graph = spatial.graph
        k, c, d = spatial.weight.shape
        adjacency = torch.zeros(k * graph.n_joints * graph.n_joints)
        adjacency[graph.place] = graph.value
        self.register_buffer("adjacency", adjacency.view(k, graph.n_joints, graph.n_joints))
        self.importance = nn.Parameter(torch.ones(k, graph.n_joints, graph.n_joints))
        if spatial.importance is not None:
            self.importance.data.copy_(spatial.importance.data)
        self.gcn = nn.Conv2d(c, k * d, 1)
        weight = spatial.weight.transpose(1, 2).reshape(k * d, c, 1, 1)
        self.gcn.load_state_dict({"weight": weight, "bias": spatial.bias.reshape(-1)})
        self.norm1 = usual_norm(block.spatial_norm)
        self.tcn = usual_time(temporal)
        self.norm2 = usual_norm(block.temporal_norm)
        self.has_residual = block.outer
        self.residual = usual_shortcut(block.residual)

    def forward(self, x: Tensor) -> Tensor:
        y = self.gcn(x)
        n, kd, t, v = y.shape
        k = self.importance.shape[0]
        y = torch.einsum("nkctv,kvw->nctw", y.view(n, k, kd // k, t, v), self.adjacency * self.importance)
        y = self.norm2(self.tcn(torch.relu(self.norm1(y.contiguous()))))
        if self.has_residual:
            y = y + self.residual(x)
        return torch.relu(y)


def usual_stgcn(model: GraphModel) -> UsualNetwork:
    """`STGCN` in the usual form."""
    return UsualNetwork(model, [UsualBlock(block) for block in blocks_of(model, Block)])
