"""Recurrent networks over frames, and pooling over existing frames."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError, choices

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(nn.Module):
    """LSTM (Hochreiter and Schmidhuber, 1997) or GRU (Cho et al., EMNLP 2014) over frames.

    Recurrent weights are initialised orthogonally and an LSTM's forget gate biases with 1 (Jozefowicz et al.,
    ICML 2015), so that gradients reach the first frames of a long clip.

    Args:
        cell: ``lstm`` or ``gru``.
        channels_in: channels of a frame.
        hidden: channels of the state, in each direction.
        layers: number of stacked layers.
        bidirectional: process the frames in both directions.
        dropout: between layers.

    Raises:
        ConfigError: for an unknown cell or sizes that make no network.
    """

    def __init__(
        self,
        cell: str,
        channels_in: int,
        hidden: int,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ConfigError(choices(cell, CELLS, "recurrent cell"))
        if hidden < 1 or layers < 1:
            raise ConfigError(
                f"a recurrent network needs hidden and layers of at least 1, got {hidden} and {layers}"
            )
        self.channels_out = hidden * (2 if bidirectional else 1)
        self.cell = CELLS[cell](
            channels_in,
            hidden,
            layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
            bidirectional=bidirectional,
        )
        for name, value in self.cell.named_parameters():
            if name.startswith("weight_hh"):
                for gate in value.data.split(hidden):
                    nn.init.orthogonal_(gate)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(value)
            else:
                nn.init.zeros_(value)
                if cell == "lstm" and name.startswith("bias_ih"):
                    value.data[hidden : 2 * hidden] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """``[P, T, C]`` to the states ``[P, T, D]`` after every frame."""
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not _trains_in_bfloat16():
            with torch.autocast("cpu", enabled=False):
                return self.cell(x.float())[0].to(torch.get_autocast_dtype("cpu"))
        return self.cell(x)[0]


@cache
def _trains_in_bfloat16() -> bool:
    """Whether this processor supports training a bfloat16 LSTM; some with bfloat16 arithmetic do not."""
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
            nn.LSTM(1, 1)(torch.zeros(1, 1, 1))[0].sum().backward()
    except RuntimeError:
        return False
    return True


def states_before(states: Tensor) -> Tensor:
    """States ``[P, T, D]`` shifted by one frame: those of the previous frame, and zeros for the first."""
    return functional.pad(states[:, :-1], (0, 0, 1, 0))


def pool_frames(x: Tensor, present: Tensor | None = None) -> Tensor:
    """Mean of ``[P, T, D]`` over the frames in which a person exists (``present [P, T]``; None: all)."""
    if present is None:
        return x.mean(1)
    weight = present.to(x.dtype)
    total = torch.einsum("ptd,pt->pd", x, weight)
    return total / weight.sum(1, keepdim=True).clamp_min(1.0)
