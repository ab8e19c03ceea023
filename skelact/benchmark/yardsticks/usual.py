"""What the yardsticks share: modules of the field's usual form, with the weights of ours.

``[N*M, C, T, V]`` features with people padded to two, 1×1 and k×1 ``conv2d``, norms, ReLU and pooling as
modules of their own, ``einsum`` with the adjacency: the form of the released codes and of the toolkits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from skelact.models.base import GraphModel
from skelact.nn.norm import ChannelNorm
from skelact.nn.temporal.conv import PointConv, TemporalConv
from skelact.nn.temporal.multibranch import MultiBranchConv

B = TypeVar("B", bound=nn.Module)
EVERYTHING = slice(None)


class UsualNetwork(nn.Module):
    """A network of blocks in the usual form; takes ``[N, C, T, V, M]``.

    Args:
        model: the network whose weights it takes.
        blocks: its blocks in the usual form.
    """

    def __init__(self, model: GraphModel, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(model.norm.num_features)
        self.norm.load_state_dict(model.norm.state_dict())
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(model.n_features, model.n_classes)
        self.head.load_state_dict(model.head.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v, m = x.shape
        x = self.norm(x.permute(0, 4, 3, 1, 2).reshape(n * m, v * c, t))
        x = x.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)).view(n, m, -1).mean(1))


def to_usual(x: Tensor, n_clips: int, people: int) -> Tensor:
    """``[N*M, T, V, C]`` to ``[N, C, T, V, M]``."""
    _, t, v, c = x.shape
    return x.view(n_clips, people, t, v, c).permute(0, 4, 2, 3, 1).contiguous()


def blocks_of(model: GraphModel, kind: type[B]) -> list[B]:
    """A network's blocks, all of one kind."""
    blocks = [block for block in model.blocks if isinstance(block, kind)]
    assert len(blocks) == len(model.blocks)
    return blocks


def usual_norm(norm: ChannelNorm | None, rows: slice = EVERYTHING) -> nn.BatchNorm2d:
    """Our norm, or some of its channels, as ``BatchNorm2d``."""
    assert norm is not None
    state = {k: v[rows] if v.ndim else v for k, v in norm.state_dict().items()}
    usual = nn.BatchNorm2d(len(state["weight"]))
    usual.load_state_dict(state)
    return usual


def usual_point(weight: Tensor, bias: Tensor, stride: int = 1) -> nn.Conv2d:
    """A 1×1 convolution of ``weight [D, C]``, ``bias [D]`` as ``conv2d``."""
    d, c = weight.shape
    conv = nn.Conv2d(c, d, 1, (stride, 1))
    conv.load_state_dict({"weight": weight[:, :, None, None], "bias": bias})
    return conv


def usual_time(conv: TemporalConv) -> nn.Conv2d:
    """A temporal convolution as ``conv2d`` with a k×1 kernel."""
    taps, stride, dilation = conv.kernel_size[1], conv.stride[1], conv.dilation[1]
    pad = (taps - 1) * dilation // 2
    usual = nn.Conv2d(
        conv.in_channels, conv.out_channels, (taps, 1), (stride, 1), (pad, 0), dilation=(dilation, 1)
    )
    usual.load_state_dict({"weight": conv.weight.transpose(2, 3), "bias": conv.bias})
    return usual


def usual_shortcut(shortcut: nn.Sequential | None) -> nn.Module:
    """A residual's 1×1 convolution and norm, or nothing."""
    if shortcut is None:
        return nn.Identity()
    conv, norm = shortcut
    assert isinstance(conv, PointConv) and isinstance(norm, ChannelNorm)
    return nn.Sequential(usual_point(conv.weight, conv.bias, conv.stride), usual_norm(norm))


class UsualBranches(nn.Module):
    """A multi-branch temporal convolution and its last norm, branch by branch."""

    def __init__(self, ours: MultiBranchConv, norm: ChannelNorm | None) -> None:
        super().__init__()
        self.branches = nn.ModuleList()
        start = 0
        for i, width in enumerate(ours.widths):
            rows = slice(start, start + width)
            last = i == len(ours.widths) - 1
            stride = ours.stride if last else 1
            parts: list[nn.Module] = [usual_point(ours.point.weight[rows], ours.point.bias[rows], stride)]
            if not last:
                parts += [usual_norm(ours.norm, rows), nn.ReLU(inplace=True)]
                if i < len(ours.convs):
                    parts.append(usual_time(ours.convs[i]))
                else:
                    parts.append(nn.MaxPool2d((3, 1), (ours.stride, 1), (1, 0)))
            if ours.transform is None:
                parts.append(usual_norm(norm, rows))
            self.branches.append(nn.Sequential(*parts))
            start += width
        self.transform: nn.Module = nn.Identity()
        if ours.transform is not None:
            mix = usual_point(ours.transform.weight, ours.transform.bias)
            self.transform = nn.Sequential(usual_norm(ours.transform_norm), nn.ReLU(), mix, usual_norm(norm))
        self.joint_mean = None if ours.joint_mean is None else nn.Parameter(ours.joint_mean.data.clone())

    def forward(self, x: Tensor) -> Tensor:
        if self.joint_mean is not None:
            x = torch.cat([x, x.mean(-1, keepdim=True)], -1)
        out = torch.cat([branch(x) for branch in self.branches], 1)
        if self.joint_mean is not None:
            out = out[..., :-1] + torch.einsum("nct,v->nctv", out[..., -1], self.joint_mean)
        return self.transform(out)
