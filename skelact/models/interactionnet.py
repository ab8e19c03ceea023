"""InteractionNet: SkelactNet's blocks for people who act on each other, with messages between their joints.

A clip is one ragged graph: each person's skeleton, and edges from the joints of every person to those of every
other. There is no padding, any number of people takes part, and who is alone is seen as SkelactNet sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.models.base import SkeletonModel
from skelact.models.skelactnet import SkelactNet, SkelactNetSettings
from skelact.nn.block import Block
from skelact.nn.interaction import InteractionConv, people_pairs
from skelact.nn.modules import Modules
from skelact.nn.pooling import pool_clips, pool_people


class InteractionNet(SkeletonModel):
    """SkelactNet whose spatial modules also take what the other people's joints send.

    Args:
        layout, n_classes, channels_in: see `SkelactNet`.
        edges: between people: ``learned``, ``nearest`` or ``both``, see `InteractionConv`.
        n_dims: values of a position. Positions are a projection of the input's channels that starts as the
            first ``n_dims`` of them: put the stream ``joint`` first.
        interacting: the blocks (0-based) with messages between people; None: all.
        settings: further arguments of `SkelactNet`; it cannot be causal, as people's queries are means over
            the clip.

    On a GPU the number of pairs of people is read back once per batch.

    Raises:
        ConfigError: for settings that make no network.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        edges: str = "both",
        n_dims: int = 3,
        interacting: Sequence[int] | None = None,
        **settings: Any,
    ) -> None:
        net = SkelactNet(layout, n_classes, channels_in, **settings)
        if net.causal:
            raise ConfigError("InteractionNet looks at whole clips and cannot be causal; use skelactnet")
        if not 1 <= n_dims <= channels_in:
            raise ConfigError(f"n_dims must be 1..{channels_in}, the input's channels, got {n_dims}")
        super().__init__(layout, n_classes, channels_in, net.n_features)
        self.norm, self.n_dims = net.norm, n_dims
        self.blocks = Modules[Block](
            block for block in net.blocks if isinstance(block, Block)
        )  # no packs of people
        self.project = nn.Linear(channels_in, n_dims, bias=False)
        nn.init.eye_(self.project.weight)
        chosen = range(len(self.blocks)) if interacting is None else interacting
        if not set(chosen) <= set(range(len(self.blocks))):
            raise ConfigError(f"interacting must name blocks 0..{len(self.blocks) - 1}, got {tuple(chosen)}")
        self.between = nn.ModuleDict()
        for i in chosen:
            c, d = self.blocks[i].channels_in, self.blocks[i].channels_out
            self.between[str(i)] = InteractionConv(c, d, len(self.layout), n_dims, edges)

    def clip_features(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        self.check_input(x, owner, score, n_clips)
        seen = torch.ones_like(x[..., 0], dtype=torch.bool) if score is None else score > 0
        owner = torch.arange(len(x), device=x.device) if owner is None else owner
        n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
        x = x.to(self.head.weight.dtype) * seen.unsqueeze(-1).to(self.head.weight.dtype)
        present = seen.any(-1)
        there = present.any(1)
        pairs, share = people_pairs(owner, there)
        position = self.project(x).permute(2, 0, 1, 3)
        features = self.norm(x, present) * present[..., None, None].to(x.dtype)
        out, seen = features.permute(2, 0, 1, 3).contiguous(), seen.permute(2, 0, 1)
        for i, block in enumerate(self.blocks):
            message = None
            if str(i) in self.between:
                message = self.between[str(i)](out, position, seen, pairs, share)
            out = block(out, message)
            position, seen = position[:, :, :: block.stride], seen[:, :, :: block.stride]
        return pool_clips(pool_people(out), owner, n_clips, there)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows: list[tuple[str, list[nn.Module]]] = []
        for i, block in enumerate(self.blocks):
            own = [self.between[str(i)]] if str(i) in self.between else []
            rows.append((f"blocks.{i}", [block, *own]))
        return [("norm", [self.norm, self.project]), *rows, ("head", [self.head])]


@dataclass
class InteractionNetSettings(SkelactNetSettings):
    """Settings of `InteractionNet`; see there."""

    network: ClassVar[type[SkeletonModel]] = InteractionNet

    name: Literal["interactionnet"] = "interactionnet"  # type: ignore[assignment]
    edges: Literal["learned", "nearest", "both"] = "both"
    n_dims: int = 3
    interacting: tuple[int, ...] | None = None
