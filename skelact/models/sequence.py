"""Sequence baselines without a graph: LSTM, GRU and TCN over concatenated joint coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.models.base import GraphModel, SkeletonModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.norm import JointNorm
from skelact.nn.recurrent import Recurrent, pool_frames
from skelact.nn.temporal.conv import TemporalConv


class FrameModel(SkeletonModel):
    """Base class: a frame is the vector of all joints' coordinates of a person.

    Args:
        layout, n_classes, channels_in, n_features: see `SkeletonModel`.
    """

    def __init__(
        self, layout: SkeletonLayout | str, n_classes: int, channels_in: int, n_features: int
    ) -> None:
        super().__init__(layout, n_classes, channels_in, n_features)
        self.norm = JointNorm(len(self.layout), channels_in)

    def normalise(self, x: Tensor, present: Tensor | None) -> Tensor:
        """``x [P, T, V, C]`` normalised, in the weights' type; frames in which a person does not exist stay 0."""
        x = self.norm(x, present)
        x = x if present is None else x * present[..., None, None].to(x.dtype)
        return x.to(self.head.weight.dtype)


class RecurrentNet(FrameModel):
    """LSTM or GRU over frames; mean of its states over the frames in which the person exists.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        cell: ``lstm`` or ``gru``.
        hidden, layers, bidirectional: see `Recurrent`.
        dropout: between layers and before the classifier.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        cell: str = "lstm",
        hidden: int = 128,
        layers: int = 3,
        bidirectional: bool = True,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(layout, n_classes, channels_in, hidden * (2 if bidirectional else 1))
        joined = len(self.layout) * channels_in
        self.recurrent = Recurrent(cell, joined, hidden, layers, bidirectional, dropout)
        self.dropout = nn.Dropout(dropout)

    def people_features(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        states = self.recurrent(self.normalise(x, present).flatten(2))
        return self.dropout(pool_frames(states, present))


class TCN(GraphModel):
    """Residual dilated temporal convolutions on concatenated joints.

    Source: Kim and Reiter, CVPR workshops 2017; Bai, Kolter and Koltun, 2018. Each block has two
    convolutions; dilation doubles from block to block.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        channels: of each block.
        kernel: temporal kernel size [frames]; odd.
        causal: receptive fields end at the current frame.
        dropout: in every block.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: tuple[int, ...] = (128, 128, 256, 256),
        kernel: int = 5,
        causal: bool = False,
        dropout: float = 0.2,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"TCN needs channels of at least 1, got channels={channels}")
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        super().__init__(layout, n_classes, channels_in, [], channels[-1])
        width = len(self.layout) * channels_in
        for i, d in enumerate(channels):
            first = TemporalConv(width, d, kernel, dilation=2**i, causal=causal)
            second = TemporalConv(d, d, kernel, dilation=2**i, causal=causal)
            self.blocks.append(Block(first, second, width, d, dropout=dropout))
            width = d

    def nodes(self, x: Tensor) -> Tensor:
        """One node: the joints of a frame are its channels, ``[1, P, T, V·C]``."""
        return x.flatten(2).unsqueeze(0)


@dataclass
class LSTMSettings(NetworkSettings):
    """Settings of `RecurrentNet` with LSTM cells; see there."""

    network = RecurrentNet

    name: Literal["lstm"] = "lstm"
    hidden: int = 128
    layers: int = 3
    bidirectional: bool = True
    dropout: float = 0.3


@dataclass
class GRUSettings(LSTMSettings):
    """Settings of `RecurrentNet` with GRU cells; see there."""

    fixed = {"cell": "gru"}  # noqa: RUF012

    name: Literal["gru"] = "gru"


@dataclass
class TCNSettings(NetworkSettings):
    """Settings of `TCN`; see there."""

    network = TCN

    name: Literal["tcn"] = "tcn"
    channels: tuple[int, ...] = (128, 128, 256, 256)
    kernel: int = 5
    causal: bool = False
    dropout: float = 0.2
