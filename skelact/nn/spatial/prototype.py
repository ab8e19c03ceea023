"""Prototype reconstruction of topologies, and class-specific contrastive learning (ProtoGCN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.norm import ChannelNorm


class PrototypeReconstruction(nn.Module):
    """Reconstruct topologies from learned prototypes (Liu et al., "ProtoGCN", CVPR 2025).

    Every pair of joints attends to the prototypes by a softmax; a 1×1 convolution, norm and ReLU follow, and
    the mean over channels is the reconstructed topology.

    Args:
        channels: C of the topologies.
        n_prototypes: number of prototypes.
        dropout: on the reconstruction.
    """

    def __init__(self, channels: int, n_prototypes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.query = nn.Linear(channels, n_prototypes, bias=False)
        self.memory = nn.Linear(n_prototypes, channels, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.post = nn.Linear(channels, channels)
        self.norm = ChannelNorm(channels)

    def forward(self, topology: Tensor) -> Tensor:
        """``[N, C, V, V]`` to ``[N, V*V]``."""
        queries = topology.flatten(2).transpose(1, 2)
        rebuilt = self.post(self.dropout(self.memory(self.query(queries).softmax(-1))))
        return self.norm.normalise(rebuilt.flatten(0, 1)).relu_().view(rebuilt.shape).mean(-1)


class ClassContrast(nn.Module):
    """Contrastive loss between features and running means (a memory) of all classes.

    Source: ProtoGCN's class-specific contrastive learning. Only correctly classified clips update the
    memory of their class.

    Args:
        n_features: of the input.
        n_classes: classes.
        n_hidden: channels of the projection.
        temperature: of the softmax over classes.
        momentum: of the memory.
    """

    memory: Tensor

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        n_hidden: int = 256,
        temperature: float = 0.125,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(n_features, n_hidden)
        self.temperature, self.momentum = temperature, momentum
        self.register_buffer("memory", torch.randn(n_classes, n_hidden))

    def forward(self, features: Tensor, label: Tensor, logits: Tensor) -> Tensor:
        """Cross-entropy of ``features [N, D]`` against the memory, for classes ``label [N]``.

        Args:
            features: of clips.
            label: class of each clip.
            logits: ``[N, n_classes]``, to find correctly classified clips.
        """
        features = self.project(features)
        right = logits.argmax(1) == label
        mine = functional.one_hot(label, len(self.memory)).to(features.dtype) * right[:, None]
        count, total = mine.sum(0)[:, None], mine.T @ features
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            # the memory is updated by the clips of all processes; gradients are those of this process
            reduced = torch.cat([count, total], 1).detach()
            torch.distributed.all_reduce(reduced)
            count, total = reduced[:, :1], total + reduced[:, 1:] - total.detach()
        mean = total / count.clamp_min(1)
        keep = torch.where(count > 0, self.momentum, 1.0).to(features.dtype)
        memory = self.memory.to(features.dtype) * keep + mean * (1 - keep)
        self.memory.copy_(memory.detach())  # in its place: a CUDA graph of the step reads it there
        scores = functional.normalize(features, dim=1) @ functional.normalize(memory, dim=1).T
        return functional.cross_entropy(scores / self.temperature, label)
