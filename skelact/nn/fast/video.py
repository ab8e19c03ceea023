"""The inference form of a network over pictures: channels-last memory, half precision by autocast."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class VideoForm(nn.Module):
    """A network over clips ``[N, C, T, H, W]`` for inference.

    Args:
        network: gives ``features_and_logits``; it is not copied.
        dtype: of the arithmetic of convolutions and matrix products.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network.to(memory_format=torch.channels_last_3d), dtype
        self.n_features = network.n_features

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[N, D]`` and logits ``[N, K]``, in float32 at least."""
        half = self.dtype in (torch.float16, torch.bfloat16)
        with torch.autocast(x.device.type, self.dtype if half else torch.bfloat16, enabled=half):
            x = x.to(memory_format=torch.channels_last_3d)
            features, logits = self.network.features_and_logits(x)  # type: ignore[operator]
        return (features.float(), logits.float()) if half else (features, logits)
