"""Graph convolution with a fully learned topology (ST-GCN++)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from skelact.nn.spatial.fixed import mix


class LearnedGraphConv(nn.Module):
    """Graph convolution with learned dense adjacencies, one per partition.

    ``out = Σ_k A_kᵀ x W_k + b`` (Duan et al., "PYSKL", ACM MM 2022). A is initialised with the
    skeleton's graph.

    Args:
        channels_in, channels_out: C and D.
        adjacency: ``[K, V, V]``, index order [source, target], as `skelact.layouts.partition` returns it.
    """

    def __init__(self, channels_in: int, channels_out: int, adjacency: np.ndarray | Tensor) -> None:
        super().__init__()
        start = torch.as_tensor(adjacency).to(torch.get_default_dtype())
        k = len(start)
        self.adjacency = nn.Parameter(start.clone())
        self.weight = nn.Parameter(torch.empty(k, channels_in, channels_out))
        self.bias = nn.Parameter(torch.empty(k, channels_out))  # of each partition, before aggregation
        nn.init.uniform_(self.weight, -(channels_in**-0.5), channels_in**-0.5)
        nn.init.uniform_(self.bias, -(channels_in**-0.5), channels_in**-0.5)

    def matrix(self) -> Tensor:
        """The topology as ``[K*V, V]``, target by source."""
        return self.adjacency.transpose(1, 2).flatten(0, 1)

    def joint_bias(self) -> Tensor:
        """Bias ``[V, D]`` of each joint: the partitions' biases times its summed edge weights."""
        return self.adjacency.sum(1).T @ self.bias

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.matrix() @ x.reshape(len(x), -1)).view(-1, *x.shape)
        return mix(parts, self.weight, self.joint_bias())
