"""The yardstick: ST-GCN in the field's usual form, kept only to be measured against.

``[N, C, T, V]`` features with people padded to two, a 1×1 ``conv2d`` to K·D channels, ``einsum`` with the
adjacency, a 9×1 ``conv2d``, norms and ReLU as modules of their own (the form of the released ST-GCN and
of the toolkits that followed).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.models.stgcn import STGCN
from skelact.nn.block import Block
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.temporal.conv import PointConv, TemporalConv


class UsualBlock(nn.Module):
    """One block in the usual form, with the weights of one of ours."""

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
        self.gcn.weight.data.copy_(spatial.weight.data.transpose(1, 2).reshape(k * d, c, 1, 1))
        self.gcn.bias.data.copy_(spatial.bias.data.reshape(-1))  # type: ignore[union-attr]
        self.norm1 = _usual_norm(block.spatial_norm)
        taps, stride = temporal.kernel_size[1], temporal.stride[1]
        self.tcn = nn.Conv2d(d, d, (taps, 1), (stride, 1), ((taps - 1) // 2, 0))
        self.tcn.weight.data.copy_(temporal.weight.data.transpose(2, 3))
        self.tcn.bias.data.copy_(temporal.bias.data)  # type: ignore[union-attr]
        self.norm2 = _usual_norm(block.temporal_norm)
        self.has_residual = block.outer
        self.residual: nn.Module = nn.Identity()
        if block.residual is not None:
            conv, norm = block.residual
            assert isinstance(conv, PointConv) and isinstance(norm, ChannelNorm)
            point = nn.Conv2d(c, d, 1, (conv.stride, 1))
            point.weight.data.copy_(conv.weight.data[:, :, None, None])
            point.bias.data.copy_(conv.bias.data)  # type: ignore[union-attr]
            self.residual = nn.Sequential(point, _usual_norm(norm))

    def forward(self, x: Tensor) -> Tensor:
        y = self.gcn(x)
        n, kd, t, v = y.shape
        k = self.importance.shape[0]
        y = torch.einsum("nkctv,kvw->nctw", y.view(n, k, kd // k, t, v), self.adjacency * self.importance)  # type: ignore[operator]
        y = self.norm2(self.tcn(torch.relu(self.norm1(y.contiguous()))))
        if self.has_residual:
            y = y + self.residual(x)
        return torch.relu(y)


def _usual_norm(norm: ChannelNorm) -> nn.BatchNorm2d:
    usual = nn.BatchNorm2d(norm.num_features)
    usual.load_state_dict(norm.state_dict())
    return usual


class UsualSTGCN(nn.Module):
    """ST-GCN in the usual form; takes ``[N, C, T, V, M]``.

    Args:
        model: the network whose weights it takes.
    """

    def __init__(self, model: STGCN) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(model.norm.num_features)
        self.norm.load_state_dict(model.norm.state_dict())
        self.blocks = nn.ModuleList(UsualBlock(block) for block in model.blocks)  # type: ignore[arg-type]
        self.head = nn.Conv2d(model.n_features, model.n_classes, 1)
        self.head.weight.data.copy_(model.head.weight.data[:, :, None, None])
        self.head.bias.data.copy_(model.head.bias.data)  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v, m = x.shape
        x = self.norm(x.permute(0, 4, 3, 1, 2).reshape(n * m, v * c, t))
        x = x.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
        for block in self.blocks:
            x = block(x)
        x = x.mean((2, 3), keepdim=True).view(n, m, -1, 1, 1).mean(1)
        return self.head(x).flatten(1)


def to_usual(x: Tensor, n_clips: int, people: int) -> Tensor:
    """``[N*M, T, V, C]`` to ``[N, C, T, V, M]``."""
    _, t, v, c = x.shape
    return x.view(n_clips, people, t, v, c).permute(0, 4, 2, 3, 1).contiguous()
