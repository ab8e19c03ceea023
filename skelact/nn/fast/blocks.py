"""Inference forms of blocks, and of a network's sequence of blocks.

On the CPU a network runs on packs of a few people, whose features fit into a core's caches.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skelact.nn.block import Block
from skelact.nn.fast.form import Form, add_into, frozen
from skelact.nn.fast.gate import applies
from skelact.nn.fast.temporal import PointConvForm
from skelact.nn.measure import is_capturing
from skelact.nn.modules import Modules
from skelact.nn.norm import ChannelNorm
from skelact.nn.partition_attention import PartitionBlock
from skelact.nn.pathways import PathwayBlock, TemporalUnit
from skelact.nn.temporal.conv import PointConv

PACK_BYTES = (
    1 << 23
)  # of features per pack: smaller products are less efficient, larger ones exceed the cache
Fold = Callable[[nn.Module, ChannelNorm | None, torch.dtype], nn.Module]


class BlockForm(Form):
    """The inference form of a `Block`, composed of those of its modules."""

    working = 2.0

    def __init__(self, block: Block, fold: Fold, dtype: torch.dtype) -> None:
        super().__init__()
        self.channels_out, self.stride = block.channels_out, block.stride
        self.spatial = fold(block.spatial, block.spatial_norm, dtype)
        self.temporal = fold(block.temporal, block.temporal_norm, dtype)
        self.attention = None if block.attention is None else fold(block.attention, None, dtype)
        self.inner, self.outer = block.inner, block.outer
        self.inner_residual = fold_shortcut(block.inner_residual, dtype)
        self.residual = fold_shortcut(block.residual, dtype)
        self.working = getattr(self.spatial, "working", 0.0) or self.working

    def forward(self, x: Tensor) -> Tensor:
        out = self.spatial(x)
        if self.inner:
            out = add_into(out, self.inner_residual(x))
        out = out.relu_()
        if self.attention is not None:
            out = self.attention(out)
        out = self.temporal(out)
        if self.outer:
            out = add_into(out, self.residual(x))
        return out.relu_()


def fold_shortcut(shortcut: nn.Sequential | None, dtype: torch.dtype) -> nn.Module:
    """The inference form of a residual's 1×1 convolution and norm."""
    if shortcut is None:
        return nn.Identity()
    conv, norm = shortcut
    assert isinstance(conv, PointConv) and isinstance(norm, ChannelNorm)
    return PointConvForm(conv, norm, dtype)


class TemporalUnitForm(Form):
    """`TemporalUnit` with its norms folded in."""

    def __init__(self, unit: TemporalUnit, fold: Fold, dtype: torch.dtype) -> None:
        super().__init__()
        self.temporal = fold(unit.temporal, unit.norm, dtype)
        self.residual = fold_shortcut(unit.residual, dtype)
        self.activation = unit.activation

    def forward(self, x: Tensor) -> Tensor:
        out = add_into(self.temporal(x), self.residual(x))
        return out.relu_() if self.activation else out


class PathwayBlockForm(Form):
    """`PathwayBlock` with its norms folded in."""

    working = 4.0

    def __init__(self, block: PathwayBlock, fold: Fold, dtype: torch.dtype) -> None:
        super().__init__()
        self.channels_out, self.stride = block.channels_out, block.stride
        self.spatial = fold(block.spatial, block.spatial_norm, dtype)
        pairs = zip(block.windows, block.window_norms, strict=True)
        self.windows = Modules(fold(window, norm, dtype) for window, norm in pairs)
        self.units = Modules(TemporalUnitForm(unit, fold, dtype) for unit in block.units)

    def forward(self, x: Tensor) -> Tensor:
        out = self.spatial(x).relu_()
        for unit in self.units[:-1]:
            out = unit(out)
        for window in self.windows:
            out = add_into(out, window(x))
        return self.units[-1](out.relu_())


class PartitionBlockForm(Form):
    """A copy of a `PartitionBlock` whose norms' weights are folded into the following linear layers."""

    working = 0.4

    def __init__(self, block: PartitionBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.channels_out = block.projection.out_features
        exact = frozen(block)
        for norm, linear in ((exact.norm_mix, exact.mapping), (exact.norm_mlp, exact.widen)):
            linear.bias.add_(linear.weight @ norm.bias)
            linear.weight.mul_(norm.weight)
            norm.register_parameter("weight", None)
            norm.register_parameter("bias", None)
        self.block = exact.to(dtype)
        self._biases: dict[int, list[Tensor]] = {}

    def _apply(self, fn, recurse: bool = True):
        self._biases = {}
        return super()._apply(fn, recurse)

    def forward(self, x: Tensor) -> Tensor:
        n_frames = x.shape[2]
        if torch.compiler.is_compiling() or is_capturing(x):  # a graph must own what it reads
            return self.block(x)
        if n_frames not in self._biases:
            self._biases = {n_frames: [a.bias(n_frames) for a in self.block.attentions]}
        return self.block(x, self._biases[n_frames])


TO_JOINTS = {"joints": (0, 1, 2, 3), "channels": (2, 0, 3, 1), "frames": (0, 2, 3, 1)}
FROM_JOINTS = {"joints": (0, 1, 2, 3), "channels": (1, 3, 0, 2), "frames": (0, 3, 1, 2)}


class PackedBlocks(Form):
    """The inference form of a network's `Blocks`: their forms, applied to packs of people."""

    def __init__(self, blocks: list[nn.Module], dtype: torch.dtype) -> None:
        super().__init__()
        self.blocks, self.dtype = nn.ModuleList(blocks), dtype

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[V, P, T', D]`` of ``[V, P, T, C]``."""
        return torch.cat([self._run(part) for part in self._packs(x)], 1)

    def pooled(self, x: Tensor) -> Tensor:
        """Features ``[P, D]``, the mean over joints and frames, in float32 at least."""
        wide = torch.promote_types(self.dtype, torch.float32)
        return torch.cat([self._run(part).to(wide).mean((0, 2)) for part in self._packs(x)])

    def _packs(self, x: Tensor) -> tuple[Tensor, ...]:
        v, p, t, _ = x.shape
        if not applies(x):
            return (x,)
        width, stride = 0.0, 1
        for block in self.blocks:
            stride *= getattr(block, "stride", 1)
            width = max(width, getattr(block, "working", 0.0) * getattr(block, "channels_out", 0) / stride)
        pack = int(PACK_BYTES / (v * t * width * self.dtype.itemsize)) if width else p
        return x.split(max(1, min(p, pack)), 1)

    def _run(self, x: Tensor) -> Tensor:
        x, order = x.to(self.dtype).contiguous(), "joints"
        for block in self.blocks:
            wanted = getattr(block, "order", "joints")
            if wanted != order:
                # a copy, which a block may overwrite
                x = x.permute(TO_JOINTS[order]).permute(FROM_JOINTS[wanted])
                x = x.clone(memory_format=torch.contiguous_format)
                order = wanted
            x = block(x)
        return x.permute(TO_JOINTS[order])
