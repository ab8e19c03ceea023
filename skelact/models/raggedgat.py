"""RaggedGAT: graph attention on the joints that are there, parts of the body, convolutions over time.

For body and hands: hands come and go, and a hand that is not seen is no node, neither zeros nor a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.layouts.parts import regions
from skelact.models.base import SkeletonModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.modules import Modules
from skelact.nn.norm import JointNorm
from skelact.nn.pooling import pool_clips
from skelact.nn.recurrent import pool_frames
from skelact.nn.spatial.ragged import JointUnion, RaggedAttention, joint_union
from skelact.nn.temporal.conv import TemporalConv


class RaggedGAT(SkeletonModel):
    """Attention between the joints of a frame that are seen, one ragged graph for the whole batch.

    Layers of `RaggedAttention` on the union of all frames' graphs; the mean and the maximum of each region (body,
    face, hands; see `regions`) in each frame, a learned vector for a region without a joint; dilated residual
    convolutions over the frames; mean over the frames in which somebody is seen. On a GPU the numbers of joints and
    edges are read back once a batch.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        spatial: channels of each attention layer.
        heads: see `RaggedAttention`.
        channels: of each temporal block; the dilation doubles from block to block.
        kernel: of the temporal convolutions [frames]; odd.
        causal: receptive fields end at the current frame.
        dropout: in every temporal block.

    Raises:
        ConfigError: for settings that make no network.
    """

    edges: Tensor
    region: Tensor

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        spatial: Sequence[int] = (32, 64, 64),
        heads: int = 4,
        channels: Sequence[int] = (128, 128, 256),
        kernel: int = 5,
        causal: bool = False,
        dropout: float = 0.2,
    ) -> None:
        if not spatial or not channels or min(*spatial, *channels) < 1:
            raise ConfigError(f"channels must be at least 1, got spatial={spatial} and channels={channels}")
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        super().__init__(layout, n_classes, channels_in, channels[-1])
        v = len(self.layout)
        ends = [*self.layout.bones, *self.layout.extra_edges]
        both = [*((v, v) for v in range(v)), *ends, *((b, a) for a, b in ends)]
        self.register_buffer("edges", torch.tensor(both).T.contiguous(), persistent=False)
        self.names = tuple(regions(self.layout))
        region = torch.empty(v, dtype=torch.int64)
        for k, joints in enumerate(regions(self.layout).values()):
            region[joints] = k
        self.register_buffer("region", region, persistent=False)
        self.norm = JointNorm(v, channels_in)
        self.joint = nn.Parameter(0.1 * torch.randn(v, spatial[0]))
        self.embed = nn.Linear(channels_in, spatial[0])
        self.attention = Modules[RaggedAttention](
            RaggedAttention(c, d, len(both), heads) for c, d in pairwise([spatial[0], *spatial])
        )
        self.skip = Modules[nn.Module](
            nn.Identity() if c == d else nn.Linear(c, d) for c, d in pairwise([spatial[0], *spatial])
        )
        self.after = Modules[nn.LayerNorm](nn.LayerNorm(d) for d in spatial)
        self.absent_bias = nn.Parameter(0.1 * torch.randn(len(self.names), 2 * spatial[-1]))
        widths = [2 * spatial[-1] * len(self.names), *channels]
        self.blocks = Modules[Block](
            Block(
                TemporalConv(c, d, kernel, dilation=2**i, causal=causal),
                TemporalConv(d, d, kernel, dilation=2**i, causal=causal),
                c,
                d,
                dropout=dropout,
            )
            for i, (c, d) in enumerate(pairwise(widths))
        )

    def clip_features(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        self.check_input(x, owner, score, n_clips)
        there = torch.ones_like(x[..., 0], dtype=torch.bool) if score is None else score > 0
        present = there.any(-1)
        x = x.to(self.head.weight.dtype) * there[..., None].to(self.head.weight.dtype)
        frames = self.frame_features(self.norm(x, present), there)
        frames = frames * present[..., None].to(frames.dtype)
        out = frames[None]
        for block in self.blocks:
            out = block(out)
        people = pool_frames(out[0], present)
        if owner is None:
            return people
        n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
        return pool_clips(people, owner, n_clips, present.any(1))

    def frame_features(self, x: Tensor, there: Tensor) -> Tensor:
        """The regions of every frame side by side ``[P, T, D]``, of ``x [P, T, V, C]`` where ``there [P, T, V]``."""
        p, t, v, _ = x.shape
        union = joint_union(there, self.edges)
        joint = union.place % v
        nodes = self.embed(x.flatten(0, 2)[union.place])
        nodes = nodes + self.joint[joint].to(nodes.dtype)
        for attention, skip, norm in zip(self.attention, self.skip, self.after, strict=True):
            nodes = functional.relu(norm(skip(nodes) + attention(nodes, union)))
        return self._regions(nodes, union, p, t, v).view(p, t, -1)

    def _regions(self, nodes: Tensor, union: JointUnion, p: int, t: int, v: int) -> Tensor:
        """Mean and maximum of each region ``[P·T, R, 2·D]``."""
        n_regions = len(self.names)
        group = union.place // v * n_regions + self.region[union.place % v]
        total = nodes.new_zeros(p * t * n_regions, nodes.shape[1]).index_add(0, group, nodes)
        count = nodes.new_zeros(p * t * n_regions, 1).index_add(0, group, torch.ones_like(nodes[:, :1]))
        index = group[:, None].expand_as(nodes)
        most = total.new_zeros(p * t * n_regions, nodes.shape[1]).scatter_reduce(
            0, index, nodes, "amax"
        )  # nodes are not negative
        found = torch.cat([total / count.clamp_min(1), most], 1).view(p * t, n_regions, -1)
        empty = (count == 0).view(p * t, n_regions, 1)
        return torch.where(empty, self.absent_bias.to(found.dtype), found)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows: list[tuple[str, list[nn.Module]]] = [("norm", [self.norm, self.embed])]
        for i, parts in enumerate(zip(self.attention, self.skip, self.after, strict=True)):
            rows.append((f"attention.{i}", list(parts)))
        for i, block in enumerate(self.blocks):
            rows.append((f"blocks.{i}", [block]))
        return [*rows, ("head", [self.head])]


@dataclass
class RaggedGATSettings(NetworkSettings):
    """Settings of `RaggedGAT`; see there."""

    network = RaggedGAT

    name: Literal["raggedgat"] = "raggedgat"
    spatial: tuple[int, ...] = (32, 64, 64)
    heads: int = 4
    channels: tuple[int, ...] = (128, 128, 256)
    kernel: int = 5
    causal: bool = False
    dropout: float = 0.2
