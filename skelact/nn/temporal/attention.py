"""Causal temporal attention of each joint to its own last frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError


class CausalAttention(nn.Module):
    """Multi-head attention of a frame to the last ``window`` frames of the same joint, itself among them.

    Source: Vaswani et al., NeurIPS 2017, on each joint's frames as in S-TR / T-TR (Plizzari, Cannici and Matteucci,
    CVIU 2021), with a learned bias per head and distance in frames. The window is what makes it run frame by frame with
    a ring of keys and values.

    Args:
        channels: D of input and output.
        stride: temporal stride: of the frames that ask.
        n_heads: H; must divide D.
        window: frames that are seen.

    Raises:
        ConfigError: if the heads do not divide the channels, or the window is empty.
    """

    def __init__(self, channels: int, stride: int = 1, n_heads: int = 4, window: int = 16) -> None:
        super().__init__()
        if n_heads < 1 or channels % n_heads:
            raise ConfigError(f"{n_heads} heads do not divide {channels} channels; choose a divisor")
        if window < 1:
            raise ConfigError(f"attention needs a window of at least 1 frame, got {window}")
        self.channels, self.stride, self.n_heads, self.window = channels, stride, n_heads, window
        self.project = nn.Linear(channels, 3 * channels)  # queries, keys, values
        self.distance = nn.Parameter(torch.zeros(n_heads, window))  # the oldest frame first
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[V, P, T, C]`` to ``[V, P, T', C]``."""
        query, key, value = self.project(x).chunk(3, -1)
        query = query[:, :, :: self.stride]
        t = x.shape[2]
        now = torch.arange(0, t, self.stride, device=x.device)
        at = now[:, None] - torch.arange(self.window - 1, -1, -1, device=x.device)  # [T', W]
        known = (at >= 0)[:, None, None, :]
        seen = at.clamp_min(0)
        return self.attend(query[:, :, :, None], key[:, :, seen], value[:, :, seen], known)[:, :, :, 0]

    def attend(self, query: Tensor, key: Tensor, value: Tensor, known: Tensor) -> Tensor:
        """Attention of ``query [..., 1, C]`` to ``key`` and ``value [..., W, C]``, the newest frame last.

        Args:
            query, key, value: projected features.
            known: booleans, broadcast to ``[..., H, 1, W]``: frames that exist.

        Returns:
            ``[..., 1, C]``.
        """
        q, k, v = (a.unflatten(-1, (self.n_heads, -1)).transpose(-2, -3) for a in (query, key, value))
        weight = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + self.distance[:, None].to(q.dtype)
        weight = weight.masked_fill(~known, float("-inf")).softmax(-1)
        return self.out((weight @ v).transpose(-2, -3).flatten(-2))
