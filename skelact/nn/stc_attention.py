"""Attention to joints, then frames, then channels (AAGCN's)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class JointFrameChannelAttention(nn.Module):
    """Scale joints, then frames, then channels of ``[V, P, T, C]`` by ``1 + sigmoid(...)`` of their means.

    Source: Shi et al., "Skeleton-based action recognition with multi-stream adaptive graph convolutional
    networks", TIP 2020 (STC attention). Frames and channels start with equal weights.

    Args:
        channels: C.
        n_joints: V; the convolution over joints spans all of them (one fewer where V is even).
        kernel: temporal kernel size.
        reduction: the hidden layer of the channel attention has C / reduction channels.
    """

    def __init__(self, channels: int, n_joints: int, kernel: int = 9, reduction: int = 2) -> None:
        super().__init__()
        joints = n_joints - 1 + n_joints % 2
        self.joint = nn.Conv1d(channels, 1, joints, padding=joints // 2)
        self.frame = nn.Conv1d(channels, 1, kernel, padding=kernel // 2)
        self.squeeze = nn.Linear(channels, max(1, channels // reduction))
        self.excite = nn.Linear(max(1, channels // reduction), channels)
        self.reset()

    def reset(self) -> None:
        """Initialise as released: joints at random, frames and channels with equal weights."""
        nn.init.xavier_normal_(self.joint.weight)
        nn.init.kaiming_normal_(self.squeeze.weight)
        for zero in (self.frame.weight, self.excite.weight):
            nn.init.zeros_(zero)
        for layer in (self.joint, self.frame, self.squeeze, self.excite):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        weight, channel = joint_frame_channel_weights(x, *self.layers())
        return x * weight * channel

    def layers(self) -> list[tuple[Tensor, Tensor | None]]:
        """Weight and bias of the four layers."""
        return [(m.weight, m.bias) for m in (self.joint, self.frame, self.squeeze, self.excite)]


Layer = tuple[Tensor, Tensor | None]


def joint_frame_channel_weights(
    x: Tensor, joint: Layer, frame: Layer, squeeze: Layer, excite: Layer
) -> tuple[Tensor, Tensor]:
    """Weights of joints times frames ``[V, P, T, 1]``, and of channels ``[P, 1, C]``.

    Frame attention acts on features already scaled by the joints' weights, channel attention on features
    scaled by both; both are computed as weighted means of ``x``, without intermediate maps of its size.
    """
    v, p, t, c = x.shape
    joints = (
        1 + functional.conv1d(x.mean(2).permute(1, 2, 0), *joint, padding=joint[0].shape[2] // 2).sigmoid()
    )
    weighted = torch.bmm(joints / v, x.permute(1, 0, 2, 3).reshape(p, v, t * c)).view(p, t, c)
    frames = 1 + functional.conv1d(weighted.transpose(1, 2), *frame, padding=frame[0].shape[2] // 2).sigmoid()
    pooled = torch.bmm(frames / t, weighted).squeeze(1)
    channels = 1 + functional.linear(functional.linear(pooled, *squeeze).relu(), *excite).sigmoid()
    return (joints.permute(2, 0, 1) * frames.transpose(0, 1)).unsqueeze(-1), channels.unsqueeze(1)
