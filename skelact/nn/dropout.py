"""Dropout of whole channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelDropout(nn.Module):
    """Spatial dropout (Tompson et al., CVPR 2015): zero whole channels of a person in all joints and frames.

    Neighbouring joints and frames are strongly correlated, so dropping single values regularises little.

    Args:
        probability: of dropping each channel.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return x
        drawn = torch.rand(1, x.shape[1], 1, x.shape[3], dtype=x.dtype, device=x.device)
        return x * ((drawn >= self.probability).to(x.dtype) / (1 - self.probability))

    def extra_repr(self) -> str:
        return f"probability={self.probability}"
