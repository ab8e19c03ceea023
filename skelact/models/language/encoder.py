"""Frames to features or gloss logits: joined joints, dilated causal convolutions and a GRU; also frame by frame.

The layers are those of the segmentation networks (`skelact.nn.temporal.dilated`, `skelact.nn.recurrent`), so what
they promise holds here: missing joints and absent people are masked, padding changes nothing, and the causal form can
be run frame by frame with the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.models.segmentation.base import SegmentationModel, SegmentationSettings
from skelact.models.segmentation.continual import ContinualSegmenter
from skelact.nn.continual import Frame, State
from skelact.nn.continual.temporal import ConvStage
from skelact.nn.modules import Modules
from skelact.nn.recurrent import Recurrent
from skelact.nn.temporal.dilated import DilatedStage


class FrameEncoder(SegmentationModel):
    """An answer of ``n_classes`` numbers for every frame; as a CTC network these are a blank and the glosses.

    Args:
        layout, n_classes, channels_in, causal: see `SegmentationModel`.
        width: channels of the convolutions.
        layers: dilated layers; the receptive field is ``2 ** (layers + 1) - 1`` frames.
        hidden: channels of the GRU (in each direction if not causal).
        recurrent_layers: of the GRU; 0: no GRU.
        dropout: in every layer and before the answer.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        width: int = 128,
        layers: int = 5,
        hidden: int = 128,
        recurrent_layers: int = 1,
        dropout: float = 0.3,
        causal: bool = True,
    ) -> None:
        super().__init__(layout, n_classes, channels_in, causal)
        if min(width, layers, hidden) < 1 or recurrent_layers < 0 or not 0 <= dropout < 1:
            raise ConfigError(
                "an encoder needs width, layers and hidden of at least 1, recurrent_layers of at least 0 and dropout "
                f"in 0..1, got {width}, {layers}, {hidden}, {recurrent_layers} and {dropout}"
            )
        self.embed = nn.Sequential(
            nn.Linear(len(self.layout) * channels_in, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.stage = DilatedStage(width, width, width, layers, dropout, causal)
        self.recurrent = (
            Recurrent("gru", width, hidden, recurrent_layers, not causal, dropout)
            if recurrent_layers
            else None
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.recurrent.channels_out if self.recurrent else width, n_classes)

    def frame_features(self, x: Tensor) -> Tensor:
        return self.embed(x.flatten(2))

    def frame_logits(self, x: Tensor, real: Tensor | None) -> list[Tensor]:
        mask = None if real is None else real[..., None].to(x.dtype)
        x = self.stage(x[None], mask)[0].relu()
        if self.recurrent is not None:
            x = self._recur(x, real)
        return [self.head(self.dropout(x))]

    def _recur(self, x: Tensor, real: Tensor | None) -> Tensor:
        assert self.recurrent is not None
        if self.causal or real is None:
            return self.recurrent(x)
        # the backward direction must begin at each recording's own last frame
        lengths = real.sum(1).clamp_min(1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recurrent.cell(packed)[0], batch_first=True, total_length=x.shape[1])[
            0
        ]


@dataclass
class CTCSettings(SegmentationSettings):
    """Settings of a CTC network; see `FrameEncoder`."""

    network = FrameEncoder

    name: Literal["ctc"] = "ctc"
    width: int = 64
    layers: int = 4
    hidden: int = 64
    recurrent_layers: int = 0
    dropout: float = 0.1
    causal: bool = True


class ContinualEncoder(ContinualSegmenter):
    """A causal `FrameEncoder` frame by frame; see `ContinualSegmenter`.

    Raises:
        ConfigError: if the network is not causal or is in training mode.
    """

    def __init__(self, model: FrameEncoder) -> None:
        if not model.causal or model.training:
            raise ConfigError("frame by frame a network must be causal and in evaluation mode (model.eval())")
        super().__init__(model)
        self.embed, self.head = model.embed, model.head
        self.first, self.last = model.stage.first, model.stage.last
        self.points = Modules(layer.point for layer in model.stage.layers)
        self.convs = Modules(
            ConvStage(f"layers.{i}", layer.conv) for i, layer in enumerate(model.stage.layers)
        )
        self.cell = None if model.recurrent is None else model.recurrent.cell

    def begin(self, n_people: int = 1) -> State:
        state = super().begin(n_people)
        for conv in self.convs:
            state |= conv.start(n_people, 1, self.shift)
        if self.cell is not None:
            state["hidden"] = self.shift.new_zeros(n_people, self.cell.num_layers, self.cell.hidden_size)
        return state

    def advance(self, x: Tensor, there: Tensor, state: State) -> Tensor:
        x = self.embed(x.flatten(1)) * there
        frame = Frame(self.first(x[:, None]), None, state["frames"].tolist())
        for conv, point in zip(self.convs, self.points, strict=True):
            out = conv.step(frame, state)
            assert out is not None  # a causal convolution answers at once
            frame = frame.having(frame.x + point(out.x.relu()))
        x = self.last(frame.x)[:, 0].relu()
        if self.cell is not None:
            before = state["hidden"].transpose(0, 1).contiguous()
            out, after = self.cell(x[:, None], before)
            state["hidden"] = after.transpose(0, 1).contiguous()
            x = out[:, 0]
        return self.head(x)


def mean_frames(x: Tensor, real: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Means of ``stride`` frames of ``x [N, T, D]`` over those that are ``real [N, T]``, and which means are real."""
    if stride == 1:
        return x, real
    pad = -x.shape[1] % stride
    x = torch.nn.functional.pad(x, (0, 0, 0, pad))
    mask = torch.nn.functional.pad(real, (0, pad)).unflatten(1, (-1, stride))
    weight = mask.to(x.dtype)[..., None]
    return (x.unflatten(1, (-1, stride)) * weight).sum(2) / weight.sum(2).clamp_min(1), mask.any(2)
