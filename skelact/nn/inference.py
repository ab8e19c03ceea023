"""Inference forms of blocks: norms folded into weights, nothing allocated twice, people in small packs.

A block's features of a few people stay in a core's caches; those of a whole batch do not. So on the CPU a
network runs pack by pack, and every step finds its input where the last one left it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.block import Block
from skelact.nn.norm import ChannelNorm
from skelact.nn.temporal.conv import FoldedPointConv, PointConv

PACK_BYTES = 1 << 23  # of features per pack: fewer people make products too small, more fall out of the cache


class FoldedBlock:
    """The inference form of a `Block`; made of the inference forms of its modules."""

    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        self.spatial = block.spatial.folded(block.spatial_norm, dtype)  # type: ignore[operator]
        self.temporal = block.temporal.folded(block.temporal_norm, dtype)  # type: ignore[operator]
        self.attention = None if block.attention is None else block.attention.folded(dtype)  # type: ignore[operator]
        self.inner = block.inner
        self.inner_residual = fold_shortcut(block.inner_residual, dtype)
        self.outer = block.outer
        self.residual = fold_shortcut(block.residual, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        out = self.spatial(x)
        if self.inner:
            out = add_into(out, x if self.inner_residual is None else self.inner_residual(x))
        out = out.relu_()
        if self.attention is not None:
            out = self.attention(out)
        out = self.temporal(out)
        if self.outer:
            out = add_into(out, x if self.residual is None else self.residual(x))
        return out.relu_()


def add_into(out: Tensor, x: Tensor) -> Tensor:
    """``out + x``, in place where ``out`` owns its memory."""
    return out.add_(x) if out.is_contiguous() else out + x


def fold_shortcut(residual: nn.Sequential | None, dtype: torch.dtype) -> FoldedPointConv | None:
    if residual is None:
        return None
    conv, norm = residual
    assert isinstance(conv, PointConv) and isinstance(norm, ChannelNorm)
    return conv.folded(norm, dtype)


def run_in_packs(blocks: Sequence[Callable[[Tensor], Tensor]], x: Tensor, widest: int) -> Tensor:
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
