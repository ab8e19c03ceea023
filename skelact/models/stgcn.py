"""ST-GCN: spatial temporal graph convolutional networks (Yan, Xiong and Lin, AAAI 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout, partition
from skelact.nn.block import Block
from skelact.nn.graph import SkeletonGraph
from skelact.nn.inference import FoldedBlock, FoldedHead, run_in_packs
from skelact.nn.norm import JointNorm
from skelact.nn.pooling import pool_clips, pool_people
from skelact.nn.spatial import FixedGraphConv
from skelact.nn.temporal import TemporalConv


class STGCN(nn.Module):
    """ST-GCN for any layout, any number of people and frames.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: values per joint, such as 3 for positions.
        channels: output channels of each block.
        strided: the blocks (0-based) that halve the frames.
        partition_name: ``uniform``, ``distance``, ``spatial``, ``spatial_released`` (for published
            weights) or ``self_inward_outward``.
        kernel: frames that a temporal convolution sees.
        dropout: in every block after the first.
        importance: learn one weight per edge and layer.

    Raises:
        ConfigError: for settings that make no network.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: Sequence[int] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256),
        strided: Sequence[int] = (4, 7),
        partition_name: str = "spatial",
        kernel: int = 9,
        dropout: float = 0.0,
        importance: bool = True,
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1 or n_classes < 1:
            raise ConfigError(
                f"ST-GCN needs channels and classes, got channels={channels}, n_classes={n_classes}"
            )
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        self.layout = get_layout(layout)
        self.channels_in = channels_in
        graph = SkeletonGraph(partition(self.layout, partition_name))
        self.norm = JointNorm(len(self.layout), channels_in)
        widths = [channels_in, *channels]
        self.blocks = nn.ModuleList(
            Block(
                FixedGraphConv(c, d, graph, importance),
                TemporalConv(d, d, kernel, 2 if i in strided else 1),
                c,
                d,
                stride=2 if i in strided else 1,
                residual=i > 0,
                dropout=dropout if i > 0 else 0.0,
            )
            for i, (c, d) in enumerate(pairwise(widths))
        )
        self.n_features = widths[-1]
        self.head = nn.Linear(self.n_features, n_classes)
        self.reset_classifier(n_classes)

    def reset_classifier(self, n_classes: int) -> None:
        """Give the network a new, untrained output layer."""
        self.n_classes = n_classes
        self.head = nn.Linear(self.n_features, n_classes).to(self.head.weight)
        nn.init.normal_(self.head.weight, 0, (2 / n_classes) ** 0.5 * 0.1)
        nn.init.zeros_(self.head.bias)

    def forward_features(self, x: Tensor, score: Tensor | None = None) -> Tensor:
        """Features ``[V, P, T', D]`` of ``x [P, T, V, C]`` (missing joints, ``score`` 0, are set to 0)."""
        present = None
        if score is not None:
            x = x * (score > 0).unsqueeze(-1).to(x.dtype)
            present = (score > 0).any(-1)
        x = self.norm(x, present)
        if present is not None:
            x = x * present[..., None, None].to(x.dtype)
        x = x.permute(2, 0, 1, 3).contiguous()
        for block in self.blocks:
            x = block(x)
        return x

    def folded(self, dtype: torch.dtype = torch.float32) -> FoldedSTGCN:
        """The network's inference form: norms folded into weights, people in cache-sized packs."""
        return FoldedSTGCN(self, dtype)

    def check_input(self, x: Tensor) -> None:
        """Raise `ConfigError` if the joints or channels are not those of the network."""
        if x.ndim != 4 or x.shape[2] != len(self.layout) or x.shape[3] != self.channels_in:
            raise ConfigError(
                f"this network takes [people, frames, {len(self.layout)} joints ({self.layout.name}), "
                f"{self.channels_in} channels], got {list(x.shape)}"
            )

    def forward(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        """Classify clips.

        Args:
            x: ``[P, T, V, C]`` packed people.
            owner: ``[P]`` the clip of each person; None: every person is a clip.
            score: ``[P, T, V]``, 0 = missing; None: all there.
            n_clips: N; None: one more than the largest owner.

        Returns:
            logits ``[N, n_classes]``.

        Raises:
            ConfigError: if the joints or channels are not those of the network.
        """
        self.check_input(x)
        people = pool_people(self.forward_features(x, score))
        if owner is not None:
            n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
            seen = None if score is None else (score > 0).flatten(1).any(1)
            people = pool_clips(people, owner, n_clips, seen)
        return self.head(people)


class FoldedSTGCN:
    """The inference form of an `STGCN`: the same logits, faster; made by `STGCN.folded`.

    Args:
        model: a trained network; its weights are copied, so later training does not change this one.
        dtype: of the arithmetic; float32 by default, bfloat16 where the processor has matrix units for it.
    """

    def __init__(self, model: STGCN, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.dtype = model, dtype
        scale = model.norm.weight * torch.rsqrt(model.norm.running_var + model.norm.eps)  # type: ignore[operator]
        shift = model.norm.bias - model.norm.running_mean * scale  # type: ignore[operator]
        shape = (len(model.layout), model.channels_in)
        self.scale, self.shift = (s.detach().view(shape) for s in (scale, shift))
        self.blocks = [FoldedBlock(block, dtype) for block in model.blocks]  # type: ignore[arg-type]
        self.head = FoldedHead(model.head, dtype)
        first = model.blocks[0].spatial
        self.widest = first.weight.shape[2] * 2 if isinstance(first, FixedGraphConv) else 128

    @torch.inference_mode()
    def __call__(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        """Logits, as `STGCN.forward` gives them in evaluation mode."""
        self.model.check_input(x)
        seen = None
        if score is not None:
            x = x * (score > 0).unsqueeze(-1).to(x.dtype)
            seen = (score > 0).any(-1)
        x = x * self.scale + self.shift
        if seen is not None:
            x = x * seen[..., None, None].to(x.dtype)
        people = run_in_packs(self.blocks, x.to(self.dtype).permute(2, 0, 1, 3), self.widest)
        if owner is not None:
            n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
            people = pool_clips(people, owner, n_clips, None if seen is None else seen.any(1))
        return self.head(people)


@dataclass
class STGCNSettings:
    """Settings of `STGCN`; see there."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    name: Literal["stgcn"] = "stgcn"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    strided: tuple[int, ...] = (4, 7)
    partition: str = "spatial"
    kernel: int = 9
    dropout: float = 0.0
    importance: bool = True

    def build(self, layout: SkeletonLayout | str, n_classes: int, channels_in: int) -> STGCN:
        """Make the network for a layout, a number of classes and of input channels."""
        return STGCN(
            layout,
            n_classes,
            channels_in,
            self.channels,
            self.strided,
            self.partition,
            self.kernel,
            self.dropout,
            self.importance,
        )
