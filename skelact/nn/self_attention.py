"""Transformer layers over a person's frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError


class SelfAttention(nn.Module):
    """Multi-head attention of queries to a person's frames, of which some may be absent.

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017.

    Args:
        channels: C.
        n_heads: must divide C.
        dropout: of attention weights.

    Raises:
        ConfigError: if the heads do not divide the channels.
    """

    def __init__(self, channels: int, n_heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if n_heads < 1 or channels % n_heads:
            raise ConfigError(f"{n_heads} heads do not divide {channels} channels; choose a divisor")
        self.n_heads, self.dropout = n_heads, dropout
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, frames: Tensor, present: Tensor | None = None) -> Tensor:
        """Queries ``x [P, Q, C]`` to ``frames [P, T, C]``, of which ``present [P, T]`` are there."""
        key, value = self.key_value(frames).chunk(2, -1)
        q, k, v = (a.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for a in (self.query(x), key, value))
        mask = None
        if present is not None:  # who is in no frame attends to all of them: softmax over nothing is NaN
            mask = (present | ~present.any(1, keepdim=True))[:, None, None, :]
        rate = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, mask, rate)
        return self.out(mixed.transpose(1, 2).flatten(2))


def frame_positions(n_frames: int, channels: int, like: Tensor) -> Tensor:
    """Sinusoidal positions ``[T, C]`` (Vaswani et al., 2017), of the type and on the device of ``like``."""
    time = torch.arange(n_frames, device=like.device, dtype=torch.float32)[:, None]
    rate = torch.arange(0, channels, 2, device=like.device, dtype=torch.float32)
    angle = time * torch.exp(-9.210340371976184 * rate / channels)  # 10,000 to the power of -2i/C
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :channels].to(like.dtype)
