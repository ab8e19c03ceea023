"""Inference forms of blocks: norms folded into weights, nothing allocated twice, people in small packs.

A block's features of one or two people fit into a core's second-level cache; those of a whole batch do
not. So on the CPU a network runs pack by pack, and every step finds its input where the last one left it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.block import Block
from skelact.nn.minimal import MinimalTemporalConv
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial import FixedGraphConv
from skelact.nn.temporal import PointConv, TemporalConv

PACK_BYTES = 1 << 21  # of features per pack; about a second-level cache


class FoldedGraphConv:
    """`FixedGraphConv`, the norm that follows it, and ReLU."""

    def __init__(self, conv: FixedGraphConv, norm: ChannelNorm, dtype: torch.dtype) -> None:
        scale, shift = norm.scale_shift()
        edges = conv.edge_weight().detach()
        self.matrix = conv.graph.dense(edges).detach().to(dtype).contiguous()
        self.weight = (conv.weight * scale).detach().to(dtype).contiguous()
        self.bias = (conv.joint_bias(edges) * scale + shift).detach().to(dtype)[:, None, :]

    def __call__(self, x: Tensor) -> Tensor:
        v, p, t, c = x.shape
        k, _, d = self.weight.shape
        parts = (self.matrix @ x.reshape(v, -1)).view(k, v * p * t, c)
        out = torch.mm(parts[0], self.weight[0])
        for i in range(1, k):
            out.addmm_(parts[i], self.weight[i])
        return out.view(v, p * t, d).add_(self.bias).relu_().view(v, p, t, d)


class FoldedTemporalConv:
    """`TemporalConv` and the norm that follows it."""

    def __init__(self, conv: TemporalConv, norm: ChannelNorm, dtype: torch.dtype) -> None:
        scale, shift = norm.scale_shift()
        bias = torch.zeros_like(shift) if conv.bias is None else conv.bias
        weight = conv.weight * scale[:, None, None, None]
        self.weight = weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias = (bias * scale + shift).detach().to(dtype)
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation
        self._minimal: MinimalTemporalConv | None = None
        self._plain_weight = weight.detach().to(dtype)[:, :, 0]

    def __call__(self, x: Tensor) -> Tensor:
        v, p, t, c = x.shape
        taps, stride, dilation = self.weight.shape[3], self.stride[1], self.dilation[1]
        if (
            x.device.type == "cpu"
            and x.dtype in (torch.float32, torch.float64)
            and MinimalTemporalConv.fits(taps, stride, dilation, c, t)
        ):
            if self._minimal is None:
                self._minimal = MinimalTemporalConv(self._plain_weight, self.bias)
            return self._minimal(x.reshape(v * p, t, c)).view(v, p, t, -1)
        view = x.permute(0, 3, 1, 2)
        out = functional.conv2d(view, self.weight, self.bias, self.stride, self.padding, self.dilation)  # type: ignore[arg-type]
        return out.permute(0, 2, 3, 1)


class FoldedPointConv:
    """`PointConv` and the norm that follows it."""

    def __init__(self, conv: PointConv, norm: ChannelNorm, dtype: torch.dtype) -> None:
        scale, shift = norm.scale_shift()
        self.weight = (conv.weight * scale[:, None]).detach().to(dtype)
        self.bias = (conv.bias * scale + shift).detach().to(dtype)
        self.stride = conv.stride

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x[:, :, :: self.stride], self.weight, self.bias)


class FoldedBlock:
    """The inference form of a `Block` of a fixed graph convolution and a temporal convolution."""

    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        assert isinstance(block.spatial, FixedGraphConv) and isinstance(block.temporal, TemporalConv)
        self.spatial = FoldedGraphConv(block.spatial, block.spatial_norm, dtype)
        self.temporal = FoldedTemporalConv(block.temporal, block.temporal_norm, dtype)
        self.has_residual = block.has_residual
        self.residual: FoldedPointConv | None = None
        if block.residual is not None:
            conv, norm = block.residual
            assert isinstance(conv, PointConv) and isinstance(norm, ChannelNorm)
            self.residual = FoldedPointConv(conv, norm, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        out = self.temporal(self.spatial(x))
        if self.has_residual:
            add = x if self.residual is None else self.residual(x)
            out = out.add_(add) if out.is_contiguous() else out + add
        return out.relu_()


def run_in_packs(blocks: list[FoldedBlock], x: Tensor, widest: int) -> Tensor:
    """Run blocks on ``x [V, P, T, C]`` a few people at a time and pool each person.

    Args:
        blocks: folded blocks.
        x: the blocks' input.
        widest: channels of the widest feature map per joint and frame of the input, to size the packs.

    Returns:
        ``[P, D]``: mean over joints and frames.
    """
    v, p, t, _ = x.shape
    pack = p
    if x.device.type == "cpu":
        pack = max(1, min(p, PACK_BYTES // max(1, v * t * widest * x.element_size())))
    pooled = []
    for start in range(0, p, pack):
        part = x[:, start : start + pack].contiguous()
        for block in blocks:
            part = block(part)
        pooled.append(part.float().mean((0, 2)) if part.dtype == torch.bfloat16 else part.mean((0, 2)))
    return torch.cat(pooled)


class FoldedHead:
    """The classifier, in the type of the pooled features."""

    def __init__(self, head: nn.Linear, dtype: torch.dtype) -> None:
        dtype = torch.float32 if dtype == torch.bfloat16 else dtype
        self.weight, self.bias = head.weight.detach().to(dtype), head.bias.detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)
