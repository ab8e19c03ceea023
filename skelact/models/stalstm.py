"""STA-LSTM: spatio-temporal attention on LSTMs (Song, Lan, Xing, Zeng and Liu, AAAI 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.models.sequence import FrameModel
from skelact.models.settings import NetworkSettings
from skelact.nn.recurrent import Recurrent, states_before


class SpatialAttention(nn.Module):
    """Spatial attention: joint weights ``softmax_k(U tanh(W_x x_t + W_h h_{t-1} + b) + b_u)``.

    Args:
        joined: channels of a frame.
        n_joints: V.
        hidden: of the LSTM and of the layer before the scores.
    """

    def __init__(self, joined: int, n_joints: int, hidden: int) -> None:
        super().__init__()
        self.recurrent = Recurrent("lstm", joined, hidden)
        self.frame = nn.Linear(joined, hidden)
        self.past = nn.Linear(hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, n_joints)

    def forward(self, x: Tensor) -> Tensor:
        """``x [P, T, V·C]`` to weights ``[P, T, V]`` that sum to 1 over the joints."""
        before = states_before(self.recurrent(x))
        return self.score(torch.tanh(self.frame(x) + self.past(before))).softmax(-1)


class TemporalAttention(nn.Module):
    """Temporal attention: frame weights ``relu(w_x x_t + w_h h_{t-1} + b)``.

    Args:
        joined: channels of a frame.
        hidden: of the LSTM.
    """

    def __init__(self, joined: int, hidden: int) -> None:
        super().__init__()
        self.recurrent = Recurrent("lstm", joined, hidden)
        self.frame = nn.Linear(joined, 1)
        self.past = nn.Linear(hidden, 1, bias=False)
        nn.init.normal_(self.frame.weight, 0, 0.01)
        nn.init.ones_(self.frame.bias)  # all frames have a positive weight at first

    def forward(self, x: Tensor) -> Tensor:
        """``x [P, T, V·C]`` to weights ``[P, T]``."""
        before = states_before(self.recurrent(x))
        return (self.frame(x) + self.past(before)).relu().squeeze(-1)


class STALSTM(FrameModel):
    """Three LSTM layers on joints weighted by spatial attention, their output weighted by temporal attention.

    Training has three stages (`set_progress`): main network and temporal attention with equal joint weights, then
    main network and spatial attention with equal frame weights, then all together; the last is the default.
    The loss has three additional terms (`extra_loss`): on joints neglected over the whole clip, on the size of
    the frame weights, and on the L1 norm of all weights.

    As in the paper, weighted class scores are summed over frames, so logits scale with the number of frames; the
    classifier's bias is added once.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        hidden: channels of every LSTM.
        layers: of the main network.
        dropout: between the main network's layers and before the classifier.
        stage_shares: shares of training at which the second and third stage begin.
        joint_weight: of the loss on joints that are neglected over the clip.
        frame_weight: of the loss on the frames' weights.
        sparsity: of the loss on the sum of absolute weights.

    Raises:
        ConfigError: for invalid settings.
    """

    use_spatial: Tensor
    use_temporal: Tensor

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        hidden: int = 100,
        layers: int = 3,
        dropout: float = 0.5,
        stage_shares: tuple[float, float] = (0.2, 0.4),
        joint_weight: float = 1e-3,
        frame_weight: float = 1e-4,
        sparsity: float = 5e-5,
    ) -> None:
        if not 0 <= stage_shares[0] <= stage_shares[1] <= 1:
            raise ConfigError(
                f"stage_shares must be two rising shares of training in 0..1, got {list(stage_shares)}"
            )
        super().__init__(layout, n_classes, channels_in, hidden)
        joined = len(self.layout) * channels_in
        self.spatial = SpatialAttention(joined, len(self.layout), hidden)
        self.temporal = TemporalAttention(joined, hidden)
        self.main = Recurrent("lstm", joined, hidden, layers, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.stage_shares = stage_shares
        self.joint_weight, self.frame_weight, self.sparsity = joint_weight, frame_weight, sparsity
        # buffers, because a network saved in an early stage must be used in that stage
        self.register_buffer("use_spatial", torch.ones((), dtype=torch.int64))
        self.register_buffer("use_temporal", torch.ones((), dtype=torch.int64))
        self._attention_loss: Tensor | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_attention_loss": None}  # copies are without the autograd graph

    def set_progress(self, share: float) -> None:
        """Choose the stage of training: temporal attention, spatial attention, all together."""
        first, second = self.stage_shares
        self.use_spatial.fill_(int(share >= first))
        self.use_temporal.fill_(int(share < first or share >= second))

    def attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The weights of joints ``[P, T, V]`` and of frames ``[P, T]`` for normalised ``x [P, T, V·C]``.

        An attention that is inactive in the current stage is replaced by equal weights; it stays in the autograd
        graph with zero gradients, which training in several processes requires.
        """
        joints, frames = self.spatial(x), self.temporal(x)
        spatial, temporal = self.use_spatial.to(x.dtype), self.use_temporal.to(x.dtype)
        return joints * spatial + (1 - spatial) / joints.shape[-1], frames * temporal + (1 - temporal)

    def people_features(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        x = self.normalise(x, present)
        joints, frames = self.attend(x.flatten(2))
        if present is not None:
            frames = frames * present.to(x.dtype)
        states = self.main((x * joints.unsqueeze(-1)).flatten(2))
        if self.training:
            self._attention_loss = self._regularise(joints, frames, present)
        return self.dropout(torch.einsum("ptd,pt->pd", states, frames))

    def _regularise(self, joints: Tensor, frames: Tensor, present: Tensor | None) -> Tensor:
        """The two attention terms, averaged over people."""
        there = torch.ones_like(frames) if present is None else present.to(frames.dtype)
        n_frames = there.sum(1).clamp_min(1.0)
        share = torch.einsum("ptv,pt->pv", joints, there) / n_frames[:, None]
        exists = there.amax(1)
        loss = self.joint_weight * (1 - share).square().sum(1)
        loss = loss + self.frame_weight * frames.abs().sum(1) / n_frames
        return (loss * exists).sum() / exists.sum().clamp_min(1.0)

    def extra_loss(self, label: Tensor) -> Tensor | None:
        """Attention terms of the last `forward` in training, and the L1 norm of all weight matrices."""
        if self._attention_loss is None:
            return None
        weights = [p.abs().sum() for p in self.parameters() if p.ndim > 1]
        loss = self._attention_loss + self.sparsity * torch.stack(weights).sum()
        self._attention_loss = None
        return loss


@dataclass
class STALSTMSettings(NetworkSettings):
    """Settings of `STALSTM`; see there."""

    network = STALSTM

    name: Literal["stalstm"] = "stalstm"
    hidden: int = 100
    layers: int = 3
    dropout: float = 0.5
    stage_shares: tuple[float, float] = (0.2, 0.4)
    joint_weight: float = 1e-3
    frame_weight: float = 1e-4
    sparsity: float = 5e-5
