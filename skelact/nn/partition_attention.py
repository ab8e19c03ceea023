"""Attention within partitions of joints and frames (Do and Kim, "SkateFormer", ECCV 2024).

Every joint in every frame is a token. Tokens attend within groups of four kinds, each on separate channels:
joints of one limb or one joint of each limb, times neighbouring frames or frames spread over the clip. Limbs are
derived from the layout's tree (`skelact.layouts.parts`); padding of shorter limbs and windows is masked.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.modules import Modules
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.heads import aggregate_heads
from skelact.nn.temporal.conv import TemporalConv

MASKED = -1e4  # added to scores of padding; finite, so that fully masked softmaxes are not NaN


class PartitionAttention(nn.Module):
    """Multi-head attention within the groups of one kind.

    Relative position bias as in the released code: by distance in time for the joints of one limb; by distance
    in time and pair of limbs for joints of different limbs.

    Args:
        channels: of the tokens.
        heads: H; must divide the channels.
        table: ``[K, L]`` joints of each limb, padded with -1 (`skelact.layouts.parts.part_table`).
        window: frames that attend to one another.
        same_limb: groups are the joints of one limb; otherwise the n-th joints of all limbs.
        near_frames: groups are neighbouring frames; otherwise frames spread over the clip.
        dropout: on the attention's weights.
    """

    joints: Tensor
    place: Tensor
    missing: Tensor
    lag: Tensor

    def __init__(
        self,
        channels: int,
        heads: int,
        table: np.ndarray,
        window: int,
        same_limb: bool,
        near_frames: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ConfigError(f"{heads} heads do not divide {channels} channels of an attention")
        self.channels, self.heads, self.window, self.dropout = channels, heads, window, dropout
        self.same_limb, self.near_frames = same_limb, near_frames
        limbs = torch.as_tensor(table)
        groups = limbs if same_limb else limbs.T  # [groups, joints of a group]
        self.n_groups, self.size = groups.shape
        flat = groups.reshape(-1)
        place = torch.empty(int(limbs.max()) + 1, dtype=torch.int64)
        place[flat[flat >= 0]] = (flat >= 0).nonzero()[:, 0]
        self.register_buffer("joints", flat.clamp_min(0), persistent=False)
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("missing", (groups < 0), persistent=False)
        frames = torch.arange(window)
        self.register_buffer("lag", frames[:, None] - frames + window - 1, persistent=False)
        pairs = (1, 1) if same_limb else (self.size, self.size)
        self.position = nn.Parameter(torch.empty(2 * window - 1, *pairs, heads))
        nn.init.trunc_normal_(self.position, std=0.02)

    def bias(self, n_frames: int) -> Tensor:
        """Relative position bias of the scores: ``[1 or windows, groups, H, window·size, window·size]``."""
        n, s = self.window, self.size
        relative = self.position[self.lag].expand(n, n, s, s, self.heads)  # query and key frame, and joint
        relative = relative.permute(4, 0, 2, 1, 3).reshape(1, self.heads, n * s, n * s)
        masked = self.missing[:, None, None, None, :].expand(-1, 1, 1, n, s)
        n_windows = (n_frames + n - 1) // n  # ONNX divides negative numbers towards 0
        if n_windows * n != n_frames:
            shape = (n_windows, n) if self.near_frames else (n, n_windows)
            late = (torch.arange(n_windows * n, device=self.lag.device) >= n_frames).view(shape)
            late = late if self.near_frames else late.T
            masked = masked | late[:, None, None, None, :, None]
        else:
            masked = masked[None]
        keys = masked.flatten(-2).to(relative.dtype) * MASKED
        return relative + keys

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """``x [V, P, T, 3·C]`` (queries, keys, values) to ``[V, P, T, C]``; ``bias``: as `bias` gives it."""
        _, p, t, _ = x.shape
        n, g, s, h = self.window, self.n_groups, self.size, self.heads
        windows = (t + n - 1) // n
        bias = self.bias(t) if bias is None else bias
        if windows * n != t:
            x = functional.pad(x, (0, 0, 0, windows * n - t))
        tokens = x[self.joints]  # padded limbs: [groups·size, P, T, 3·C]
        split = (windows, n) if self.near_frames else (n, windows)
        tokens = tokens.view(g, s, p, *split, 3, h, -1)
        if self.near_frames:
            tokens = tokens.permute(5, 2, 3, 0, 6, 4, 1, 7)  # [3, P, windows, groups, H, window, size, c]
        else:
            tokens = tokens.permute(5, 2, 4, 0, 6, 3, 1, 7)
        q, k, v = tokens.reshape(3, p, windows * g * h, n * s, -1).unbind(0)
        bias = bias.expand(windows, g, h, n * s, n * s).reshape(1, windows * g * h, n * s, n * s)
        bias = bias.to(q.dtype)
        if self.training and self.dropout:
            scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1)).add_(bias)
            out = drop_out(scores.softmax(-1), self.dropout) @ v
        else:
            out = functional.scaled_dot_product_attention(q, k, v, bias)
        out = out.view(p, windows, g, h, n, s, -1)
        order = (2, 5, 0, 1, 4, 3, 6) if self.near_frames else (2, 5, 0, 4, 1, 3, 6)
        out = out.permute(*order).reshape(g * s, p, windows * n, -1)
        return out[self.place][:, :, :t]


def drop_out(x: Tensor, share: float) -> Tensor:
    """Dropout; on the CPU with one random byte per element, which is faster, for multiples of 1/256."""
    if x.device.type != "cpu":
        return functional.dropout(x, share)
    limit = round(share * 256)
    if limit == 256:
        return torch.zeros_like(x)
    draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
    keep = (draws.view(torch.uint8)[: x.numel()] >= limit).to(x.dtype).mul_(256 / (256 - limit))
    return x * keep.view(x.shape)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., ECCV 2016): drop a residual branch of random people in training."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        keep = torch.rand(1, x.shape[1], 1, 1, device=x.device) >= self.share
        return x * (keep.to(x.dtype) / (1 - self.share))


class JointMix(nn.Module):
    """Graph convolution with a learned dense matrix per group of channels.

    Args:
        channels: C.
        groups: must divide C.
        n_joints: V.
    """

    def __init__(self, channels: int, groups: int, n_joints: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, n_joints, n_joints))  # [group, target, source]
        nn.init.trunc_normal_(self.weight, std=0.02)
        if channels % groups:
            raise ConfigError(f"{groups} groups do not divide {channels} channels")

    def forward(self, x: Tensor) -> Tensor:
        return aggregate_heads(x, self.weight)


class PartitionBlock(nn.Module):
    """A transformer block: six token mixers on separate channels, then an MLP.

    A quarter of the channels passes through a graph convolution (`JointMix`), a quarter through a temporal
    convolution, and an eighth through each of the four attentions.

    Args:
        channels: C.
        table, window: see `PartitionAttention`.
        heads: in all; an eighth for each kind of attention, a quarter for the groups of the convolutions.
        kernel: temporal kernel size [frames]; odd.
        mlp_ratio: hidden channels of the MLP, relative to C.
        attention_dropout: on the attention's weights.
        dropout: after each half.
        drop_path: probability of dropping a half for a person.

    Raises:
        ConfigError: if heads or channels are no multiples of 8, or heads do not divide channels.
    """

    def __init__(
        self,
        channels: int,
        table: np.ndarray,
        window: int = 8,
        heads: int = 32,
        kernel: int = 7,
        mlp_ratio: float = 4.0,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if heads % 8 or channels % heads:
            raise ConfigError(
                f"heads must be a multiple of 8 that divides the channels, got {heads} heads and {channels} channels"
            )
        quarter, eighth = channels // 4, channels // 8
        n_joints = int(table.max()) + 1
        self.quarter, self.eighth = quarter, eighth
        self.norm_mix = nn.LayerNorm(channels)
        self.mapping = nn.Linear(channels, 2 * channels)
        self.joint_mix = JointMix(quarter, heads // 4, n_joints)
        self.time_mix = nn.Conv2d(quarter, quarter, (1, kernel), padding=(0, kernel // 2), groups=heads // 4)
        self.attentions = Modules(
            PartitionAttention(eighth, heads // 8, table, window, same_limb, near, attention_dropout)
            for near in (True, False)
            for same_limb in (True, False)
        )
        self.projection = nn.Linear(channels, channels)
        self.norm_mlp = nn.LayerNorm(channels)
        hidden = int(mlp_ratio * channels)
        self.widen = nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)
        self.dropout, self.drop_path = nn.Dropout(dropout), DropPath(drop_path)

    def mix(self, x: Tensor, biases: list[Tensor] | None = None) -> Tensor:
        """Output of the six mixers on mapped ``x [V, P, T, 2·C]``, concatenated: ``[V, P, T, C]``."""
        sizes = [self.quarter, self.quarter] + 4 * [3 * self.eighth]
        joints, frames, *tokens = x.split(sizes, -1)
        parts = [self.joint_mix(joints), self.time_mix(frames.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)]
        for i, (attention, part) in enumerate(zip(self.attentions, tokens, strict=True)):
            parts.append(attention(part, None if biases is None else biases[i]))
        return torch.cat(parts, -1)

    def forward(self, x: Tensor, biases: list[Tensor] | None = None) -> Tensor:
        mixed = self.projection(self.mix(self.mapping(self.norm_mix(x)), biases))
        x = x + self.drop_path(self.dropout(mixed))
        hidden = self.dropout(functional.gelu(self.widen(self.norm_mlp(x))))
        return x + self.drop_path(self.dropout(self.narrow(hidden)))


class SkateEmbedding(nn.Module):
    """Token embedding: an MLP of the coordinates plus learned joint and sinusoidal time embeddings.

    Args:
        channels_in, channels_out: C and D; D even.
        n_joints: V.
    """

    def __init__(self, channels_in: int, channels_out: int, n_joints: int) -> None:
        super().__init__()
        if channels_out % 2:
            raise ConfigError(f"the embedding needs an even number of channels, got {channels_out}")
        self.stem = nn.Sequential(
            nn.Linear(channels_in, 2 * channels_in),
            nn.GELU(),
            nn.Linear(2 * channels_in, 3 * channels_in),
            nn.GELU(),
            nn.Linear(3 * channels_in, channels_out),
        )
        self.joint = nn.Parameter(torch.empty(n_joints, channels_out))
        nn.init.trunc_normal_(self.joint, std=0.02)

    def waves(self, n_frames: int) -> Tensor:
        """``[T, D]`` sines (even channels) and cosines (odd) of falling frequency (Vaswani et al., 2017).

        The position of a frame runs from -1 to 1 over the clip, for any number of frames.
        """
        d = self.joint.shape[1]
        even = torch.arange(0, d, 2, device=self.joint.device, dtype=self.joint.dtype)
        place = torch.arange(n_frames, device=even.device, dtype=even.dtype) * (2 / n_frames) - 1
        angle = place[:, None] * torch.exp(even * (-math.log(1e4) / d))
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.stem(x) + self.joint[:, None, None] * self.waves(x.shape[2])


class MergeFrames(nn.Module):
    """Temporal convolution of stride 2 and norm between stages."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.channels_out = channels_out
        self.conv = TemporalConv(channels_in, channels_out, kernel, stride=2)
        self.norm = ChannelNorm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))
