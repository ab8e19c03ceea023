"""Base classes of skeleton networks: from packed people to clips, and sequences of blocks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError, counted
from skelact.layouts import SkeletonLayout, get_layout
from skelact.nn.block import Blocks
from skelact.nn.norm import JointNorm
from skelact.nn.pooling import pool_clips
from skelact.transforms import device


class SkeletonModel(nn.Module):
    """Base class: a network over skeletons of one layout, for any number of people and frames.

    A family overrides `people_features` (features per person, pooled over the people of a clip) or
    `clip_features` (features of all people of a clip together).

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        n_features: channels of a clip's features.
        padded_people: 0: mean over the people of a clip. M: mean over exactly M people, absent ones with
            zeros as input, as published weights were trained.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        n_features: int,
        padded_people: int = 0,
    ) -> None:
        super().__init__()
        if n_classes < 1 or channels_in < 1 or n_features < 1:
            raise ConfigError(
                f"a network needs channels and classes, got n_classes={n_classes}, channels_in={channels_in}, "
                f"n_features={n_features}"
            )
        if padded_people < 0:
            raise ConfigError(
                f"padded_people must be 0 (no padding) or a number of people, got {padded_people}"
            )
        self.layout = get_layout(layout)
        self.channels_in, self.n_features, self.padded_people = channels_in, n_features, padded_people
        self.n_classes = n_classes
        self.head = nn.Linear(n_features, n_classes)
        self.reset_classifier(n_classes)

    def reset_classifier(self, n_classes: int) -> None:
        """Give the network a new, untrained output layer."""
        if n_classes < 1:
            raise ConfigError(f"n_classes must be at least 1, got {n_classes}")
        self.n_classes = n_classes
        self.head = nn.Linear(self.n_features, n_classes).to(self.head.weight)
        nn.init.normal_(self.head.weight, 0, (2 / n_classes) ** 0.5 * 0.1)
        nn.init.zeros_(self.head.bias)

    def _from_elsewhere(self, shape: list[int]) -> str:
        """How input of another toolkit's shape becomes this one's; empty for other shapes."""
        if len(shape) != 5:
            return ""
        if shape[1] == self.channels_in and shape[3] == len(self.layout):  # ST-GCN, CTR-GCN: N C T V M
            way, people = "x.permute(0, 4, 2, 3, 1).flatten(0, 1)", shape[4]
        elif shape[3:] == [len(self.layout), self.channels_in]:  # PYSKL: N M T V C
            way, people = "x.flatten(0, 1)", shape[1]
        else:
            return ""
        return (
            f"; people are packed here: {way}, with owner = torch.arange({shape[0]}).repeat_interleave({people}), "
            "leaving out people who are not there"
        )

    def check_input(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> None:
        """Raise `ConfigError` if people, frames, joints or channels are not what the network takes."""
        if x.ndim != 4 or x.shape[2] != len(self.layout) or x.shape[3] != self.channels_in:
            raise ConfigError(
                f"this network takes [people, frames, {len(self.layout)} joints ({self.layout.name}), "
                f"{self.channels_in} channels], got {list(x.shape)}" + self._from_elsewhere(list(x.shape))
            )
        if x.shape[0] < 1 or x.shape[1] < 1:
            raise ConfigError(f"at least 1 person and 1 frame are needed, got {x.shape[0]} and {x.shape[1]}")
        if score is not None and score.shape != x.shape[:3]:
            raise ConfigError(f"score must be {list(x.shape[:3])}, as x is, got {list(score.shape)}")
        if owner is None:
            return
        if owner.shape != x.shape[:1] or owner.is_floating_point():
            raise ConfigError(
                f"owner must hold the clip number of each of the {x.shape[0]} people, got {list(owner.shape)} of "
                f"{owner.dtype}"
            )
        if device.may_look(x.device) and not torch.compiler.is_compiling():
            least, most = int(owner.min()), int(owner.max())
            if least < 0 or (n_clips is not None and most >= n_clips):
                last = most if n_clips is None else n_clips - 1
                raise ConfigError(f"owner has clip numbers {least} to {most}, not within 0..{last}")

    def people_features(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        """Features ``[P, D]`` of ``x [P, T, V, C]``, whose missing joints are 0.

        Args:
            x: packed people.
            present: ``[P, T]`` booleans, the frames in which a person exists; None: all.
            rank: ``[P]`` index of each person within the clip; only with ``padded_people``.
        """
        raise NotImplementedError

    def clip_features(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        """Features ``[N, D]`` of clips, before the classifier; arguments as for `forward`."""
        self.check_input(x, owner, score, n_clips)
        present = None
        if score is not None:
            x = x * (score > 0).unsqueeze(-1).to(x.dtype)
            present = (score > 0).any(-1)
        if self.padded_people:
            owner = torch.arange(len(x), device=x.device) if owner is None else owner
            return _pool_padded(self, x, owner, n_clips, self.padded_people)
        people = self.people_features(x, present)
        if owner is None:
            return people
        n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
        return pool_clips(people, owner, n_clips, None if present is None else present.any(1))

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
            ConfigError: if joints, channels or people are not those of the network.
        """
        return self.forward_head(self.forward_features(x, owner, score, n_clips))

    def forward_features(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        """Features ``[N, D]`` of clips; arguments as for `forward`."""
        return self.clip_features(x, owner, score, n_clips)

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits ``[N, n_classes]`` of clips' features ``[N, D]``."""
        return self.head(features)

    def __repr__(self) -> str:
        """One line; ``torch.nn.Module.__repr__(model)`` lists all parts."""
        n = sum(p.numel() for p in self.parameters())
        return (
            f"{type(self).__name__}({self.layout.name}, {counted(self.n_classes, 'class', 'classes')}, "
            f"{self.channels_in} channels a joint, "
            f"{n / 1e6:.2f} M weights)"
        )

    def extra_loss(self, label: Tensor) -> Tensor | None:
        """An additional term of the training loss for the clips of the last `forward`; None: no such term.

        Args:
            label: ``[N]`` classes.
        """
        return None

    def set_progress(self, share: float) -> None:
        """Called before every epoch with the completed share of training (0..1), for training in stages."""

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        """Named stages from input to output, for freezing and layer-wise learning rates."""
        parts = [(name, [module]) for name, module in self.named_children() if name != "head"]
        return [*parts, ("head", [self.head])]


def _pool_padded(
    model: SkeletonModel, x: Tensor, owner: Tensor, n_clips: int | None, n_people: int
) -> Tensor:
    """Mean over exactly ``n_people`` of every clip; an absent person of each index is computed once.

    In evaluation on a GPU the number of people is read back once per batch, which waits for the device: a clip of
    too many would have a wrong answer otherwise.
    """
    n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
    order = owner.argsort(stable=True)
    counts = torch.zeros(n_clips, dtype=torch.int64, device=x.device).index_add(
        0, owner, torch.ones_like(owner)
    )
    # a training step on a GPU does not synchronise to read the count; surplus people are dropped there
    if not (model.training and x.device.type == "cuda") and int(counts.max()) > n_people:
        raise ConfigError(
            f"these weights know {n_people} people a clip, but a clip has {int(counts.max())}; keep the "
            f"{n_people} with most motion, or train a network without padded_people"
        )
    starts = counts.cumsum(0) - counts
    people = torch.arange(len(owner), device=x.device)
    rank = torch.empty_like(owner)
    rank[order] = people - starts[owner[order]]
    absent = torch.arange(n_people, device=x.device)
    # the last column takes surplus people
    table = functional.pad(len(x) + absent, (0, 1)).repeat(n_clips, 1)
    table[owner, rank.clamp_max(n_people)] = people
    x = torch.cat([x, x.new_zeros(n_people, *x.shape[1:])])
    features = model.people_features(x, None, torch.cat([rank, absent]).clamp_max(n_people - 1))
    return features[table[:, :n_people]].mean(1)


class GraphModel(SkeletonModel):
    """Base class of graph networks: input norm, blocks, mean over joints and frames, classifier.

    Args:
        layout, n_classes, channels_in, padded_people: see `SkeletonModel`.
        blocks: the sequence of blocks.
        n_features: channels of the last block.
        norm_people: 1; more only for published weights (see `JointNorm`).
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        blocks: Iterable[nn.Module],
        n_features: int,
        padded_people: int = 0,
        norm_people: int = 1,
    ) -> None:
        super().__init__(layout, n_classes, channels_in, n_features, padded_people)
        self.norm = JointNorm(len(self.layout), channels_in, norm_people)
        self.blocks = blocks if isinstance(blocks, Blocks) else Blocks(blocks)

    def nodes(self, x: Tensor) -> Tensor:
        """Input ``[V, P, T, C]`` of the first block for normalised ``x [P, T, V, C]``."""
        return x.permute(2, 0, 1, 3).contiguous()

    def normalised(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        """The first block's input ``[V, P, T, C]`` of ``x [P, T, V, C]``; arguments as for `people_features`."""
        x = self.norm(x, present, rank)
        return self.nodes(x if present is None else x * present[..., None, None].to(x.dtype))

    def feature_map(self, x: Tensor, score: Tensor | None = None) -> Tensor:
        """Features ``[V, P, T', D]`` of ``x [P, T, V, C]`` (missing joints, ``score`` 0, are set to 0)."""
        if score is None:
            return self.blocks(self.normalised(x))
        return self.blocks(self.normalised(x * (score > 0).unsqueeze(-1).to(x.dtype), (score > 0).any(-1)))

    def people_features(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        return self.blocks.pooled(self.normalised(x, present, rank))

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        blocks = [(f"blocks.{i}", [block]) for i, block in enumerate(self.blocks)]
        return [("norm", [self.norm]), *blocks, ("head", [self.head])]
