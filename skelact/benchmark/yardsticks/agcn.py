"""2s-AGCN (one stream) and AAGCN in the field's usual form: three 1×1 ``conv2d`` for every partition."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.benchmark.yardsticks.usual import (
    UsualNetwork,
    blocks_of,
    usual_norm,
    usual_point,
    usual_shortcut,
    usual_time,
)
from skelact.models.base import GraphModel
from skelact.nn.block import Block
from skelact.nn.spatial.adaptive import AdaptiveGraphConv
from skelact.nn.stc_attention import JointFrameChannelAttention
from skelact.nn.temporal.conv import TemporalConv


class UsualAdaptiveConv(nn.Module):
    """The adaptive graph convolution, partition by partition, with its norm, residual and ReLU."""

    fixed: Tensor

    def __init__(self, ours: AdaptiveGraphConv, block: Block) -> None:
        super().__init__()
        k, v = ours.graph.n_partitions, ours.graph.n_joints
        fixed = ours.graph.dense(ours.graph.value).view(k, v, v).transpose(1, 2).contiguous()
        self.register_buffer("fixed", fixed, persistent=False)
        self.learned = nn.Parameter(ours.learned.data.clone())
        self.gate = None if ours.gate is None else nn.Parameter(ours.gate.data.clone())
        weight, bias = ours.embed_weight, ours.embed_bias
        self.conv_a = nn.ModuleList(usual_point(weight[0, i].T, bias[0, i]) for i in range(k))
        self.conv_b = nn.ModuleList(usual_point(weight[1, i].T, bias[1, i]) for i in range(k))
        self.conv_d = nn.ModuleList(usual_point(ours.weight[i].T, ours.bias[i]) for i in range(k))
        self.norm = usual_norm(block.spatial_norm)
        self.down = usual_shortcut(block.inner_residual)

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v = x.shape
        adjacency = self.learned if self.gate is not None else self.fixed + self.learned
        y = torch.zeros(())
        for k, (conv_a, conv_b, conv_d) in enumerate(zip(self.conv_a, self.conv_b, self.conv_d, strict=True)):
            first = conv_a(x).permute(0, 3, 1, 2).contiguous().view(n, v, -1)
            second = conv_b(x).view(n, -1, v)
            seen = torch.matmul(first, second) / first.shape[-1]
            seen = torch.softmax(seen, -2) if self.gate is None else torch.tanh(seen) * self.gate
            z = conv_d(torch.matmul(x.view(n, c * t, v), seen + adjacency[k]).view(n, c, t, v))
            y = z if k == 0 else z + y
        y = self.norm(y)
        y += self.down(x)
        return torch.relu(y)


class UsualAttention(nn.Module):
    """Attention to joints, frames and channels, one after the other."""

    def __init__(self, ours: JointFrameChannelAttention) -> None:
        super().__init__()
        self.joint, self.frame = _copy_conv(ours.joint), _copy_conv(ours.frame)
        self.squeeze = nn.Linear(ours.squeeze.in_features, ours.squeeze.out_features)
        self.squeeze.load_state_dict(ours.squeeze.state_dict())
        self.excite = nn.Linear(ours.excite.in_features, ours.excite.out_features)
        self.excite.load_state_dict(ours.excite.state_dict())

    def forward(self, y: Tensor) -> Tensor:
        y = y * torch.sigmoid(self.joint(y.mean(-2))).unsqueeze(-2) + y
        y = y * torch.sigmoid(self.frame(y.mean(-1))).unsqueeze(-1) + y
        weight = torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean(-1).mean(-1)))))
        return y * weight[..., None, None] + y


def _copy_conv(ours: nn.Conv1d) -> nn.Conv1d:
    width = ours.kernel_size[0]
    conv = nn.Conv1d(ours.in_channels, ours.out_channels, width, padding=width // 2)
    conv.load_state_dict(ours.state_dict())
    return conv


class UsualBlock(nn.Module):
    """One block in the usual form, with the weights of one of ours."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        spatial, temporal, attention = block.spatial, block.temporal, block.attention
        assert isinstance(spatial, AdaptiveGraphConv) and isinstance(temporal, TemporalConv)
        self.gcn = UsualAdaptiveConv(spatial, block)
        self.attention = (
            UsualAttention(attention) if isinstance(attention, JointFrameChannelAttention) else nn.Identity()
        )
        self.tcn = usual_time(temporal)
        self.norm = usual_norm(block.temporal_norm)
        self.has_residual = block.outer
        self.residual = usual_shortcut(block.residual)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.tcn(self.attention(self.gcn(x))))
        if self.has_residual:
            y = y + self.residual(x)
        return torch.relu(y)


def usual_agcn(model: GraphModel) -> UsualNetwork:
    """`AGCN` in the usual form."""
    return UsualNetwork(model, [UsualBlock(block) for block in blocks_of(model, Block)])
