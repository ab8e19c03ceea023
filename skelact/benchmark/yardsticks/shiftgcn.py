"""Shift-GCN in the field's usual form: rows chosen by index, frames gathered and interpolated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.benchmark.yardsticks.usual import UsualNetwork, blocks_of, usual_norm, usual_point
from skelact.models.base import GraphModel
from skelact.nn.shift_block import ShiftBlock, ShiftShortcut
from skelact.nn.spatial.shift import ShiftGraphConv
from skelact.nn.temporal.shift import ShiftTemporalConv


class UsualShiftGraph(nn.Module):
    """The shift over joints, with its norm, residual and ReLU."""

    here: Tensor
    back: Tensor

    def __init__(self, ours: ShiftGraphConv, inner: ShiftShortcut | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(ours.weight.data.T.clone())
        self.bias = nn.Parameter(ours.bias.data.clone())
        self.mask = nn.Parameter(ours.mask.data.clone())
        self.register_buffer("here", ours.here.clone(), persistent=False)
        self.register_buffer("back", ours.back.clone(), persistent=False)
        self.norm = nn.BatchNorm1d(ours.norm.num_features)
        self.norm.load_state_dict(ours.norm.state_dict())
        self.down = _shortcut(inner)

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(n * t, v * c).index_select(1, self.here).view(n * t, v, c)
        mixed = torch.einsum("nwc,cd->nwd", rows * (torch.tanh(self.mask) + 1), self.weight) + self.bias
        out = self.norm(mixed.reshape(n * t, -1).index_select(1, self.back))
        out = out.view(n, t, v, -1).permute(0, 3, 1, 2)
        return torch.relu(out + self.down(x))


class UsualShiftTime(nn.Module):
    """The adaptive shift over time, before and after a 1×1 convolution."""

    def __init__(self, ours: ShiftTemporalConv, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.stride = ours.stride
        self.norm, self.last_norm = usual_norm(ours.norm), norm
        self.offset_in = nn.Parameter(ours.offset_in.data.clone())
        self.offset_out = nn.Parameter(ours.offset_out.data.clone())
        self.mix = usual_point(ours.weight, ours.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.mix(_shifted(self.norm(x), self.offset_in, 1)))
        offset = self.offset_out if self.stride == 1 else self.offset_out + 0.5
        return self.last_norm(_shifted(x, offset, self.stride))


def _shifted(x: Tensor, offset: Tensor, stride: int) -> Tensor:
    """``out[c, t] = x[c, stride·t + offset_c]`` of ``[N, C, T, V]``, 0 outside."""
    n, c, t, v = x.shape
    floor = offset.detach().floor()
    share = (offset - floor)[:, None, None]
    start = torch.arange(0, t, stride, device=x.device) + floor.long()[:, None]
    out = torch.zeros(())
    for index, weight in ((start, 1 - share), (start + 1, share)):
        inside = ((index >= 0) & (index < t)).to(x.dtype)[:, :, None]
        taken = x.gather(2, index.clamp(0, t - 1)[None, :, :, None].expand(n, c, -1, v))
        out = out + taken * inside * weight
    return out


class UsualBlock(nn.Module):
    """One block in the usual form, with the weights of one of ours."""

    def __init__(self, block: ShiftBlock) -> None:
        super().__init__()
        self.gcn = UsualShiftGraph(block.spatial, block.inner_residual)
        self.tcn = UsualShiftTime(block.temporal, usual_norm(block.temporal_norm))
        self.has_residual = block.outer
        self.residual = _shortcut(block.residual)

    def forward(self, x: Tensor) -> Tensor:
        y = self.tcn(self.gcn(x))
        if self.has_residual:
            y = y + self.residual(x)
        return torch.relu(y)


def _shortcut(ours: ShiftShortcut | None) -> nn.Module:
    if ours is None:
        return nn.Identity()
    return nn.Sequential(usual_point(ours.conv.weight, ours.conv.bias, ours.stride), usual_norm(ours.norm))


def usual_shiftgcn(model: GraphModel) -> UsualNetwork:
    """`ShiftGCN` in the usual form."""
    return UsualNetwork(model, [UsualBlock(block) for block in blocks_of(model, ShiftBlock)])
