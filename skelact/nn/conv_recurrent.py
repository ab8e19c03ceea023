"""Recurrent cells whose matrices are convolutions: ConvGRU and ConvLSTM, and spatial attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvGRU(nn.Module):
    """Convolutional GRU over maps (Ballas et al., ICLR 2016), zero-padded, without biases, from a state of 0.

    With ``*`` for convolutions, ``.`` for products and h' for the state before::

        z = sigmoid(Wz * x + Uz * h' [+ Vz * below])
        r = sigmoid(Wr * x + Ur * h' [+ Vr * below])
        n = tanh(W * x + U * (r . h'))
        h = (1 - z) . h' + z . n

    Args:
        channels_in: channels of x.
        hidden: channels of h.
        kernel: of all convolutions; odd.
        channels_below: channels of the state of a lower layer at the same time (the stacked form); 0: none.
    """

    def __init__(self, channels_in: int, hidden: int, kernel: int = 3, channels_below: int = 0) -> None:
        super().__init__()
        self.hidden = hidden
        pad = kernel // 2
        self.input = nn.Conv2d(channels_in, 3 * hidden, kernel, padding=pad, bias=False)  # Wz, Wr, W
        self.gates = nn.Conv2d(hidden, 2 * hidden, kernel, padding=pad, bias=False)  # Uz, Ur
        self.candidate = nn.Conv2d(hidden, hidden, kernel, padding=pad, bias=False)  # U
        self.below = (  # Vz, Vr
            nn.Conv2d(channels_below, 2 * hidden, kernel, padding=pad, bias=False) if channels_below else None
        )
        for conv in self.children():
            assert isinstance(conv, nn.Conv2d)
            nn.init.xavier_uniform_(conv.weight)

    def forward(self, x: Tensor, below: Tensor | None = None) -> Tensor:
        """``x [N, T, C, H, W]`` (and ``below``, of the same size) to the states ``[N, T, hidden, H, W]``."""
        n, t = x.shape[:2]
        inputs = self.input(x.flatten(0, 1)).unflatten(0, (n, t))
        for_gates, for_candidate = inputs.split([2 * self.hidden, self.hidden], 2)
        if self.below is not None and below is not None:
            for_gates = for_gates + self.below(below.flatten(0, 1)).unflatten(0, (n, t))
        h = torch.zeros_like(for_candidate[:, 0])
        states = []
        for i in range(t):
            z, r = (for_gates[:, i] + self.gates(h)).sigmoid().chunk(2, 1)
            new = (for_candidate[:, i] + self.candidate(r * h)).tanh()
            h = (1 - z) * h + z * new
            states.append(h)
        return torch.stack(states, 1)


class ConvLSTMCell(nn.Module):
    """One step of a convolutional LSTM (Shi et al., NIPS 2015, without peepholes), zero-padded.

    ``i, f, o = sigmoid(Wx * x + Wh * h' [+ We * e] + b)``, ``g = tanh(...)`` likewise, ``c = f . c' + i . g``,
    ``h = o . tanh(c)``. The forget gates' biases begin at 1.

    Args:
        channels_in: channels of x.
        hidden: channels of h and c.
        kernel: of all convolutions; odd.
        channels_extra: channels of a further input e; 0: none.
    """

    def __init__(self, channels_in: int, hidden: int, kernel: int = 3, channels_extra: int = 0) -> None:
        super().__init__()
        self.hidden = hidden
        pad = kernel // 2
        self.input = nn.Conv2d(channels_in, 4 * hidden, kernel, padding=pad)
        self.recurrent = nn.Conv2d(hidden, 4 * hidden, kernel, padding=pad, bias=False)
        self.extra = (
            nn.Conv2d(channels_extra, 4 * hidden, kernel, padding=pad, bias=False) if channels_extra else None
        )
        for conv in self.children():
            assert isinstance(conv, nn.Conv2d)
            nn.init.xavier_uniform_(conv.weight)
        bias = self.input.bias
        assert bias is not None
        nn.init.zeros_(bias)
        nn.init.ones_(bias[hidden : 2 * hidden])

    def begin(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """State and memory before the first step on maps of the size of ``x [N, C, H, W]``: zeros."""
        zeros = x.new_zeros(x.shape[0], self.hidden, *x.shape[2:])
        return zeros, zeros

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor], extra: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """``x [N, C, H, W]`` and (h', c') to (h, c), each ``[N, hidden, H, W]``."""
        h, c = state
        total = self.input(x) + self.recurrent(h)
        if self.extra is not None and extra is not None:
            total = total + self.extra(extra)
        i, f, o, g = total.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class MapAttention(nn.Module):
    """Attention over the places of a map (Li et al., VideoLSTM, CVIU 2018).

    ``Z = Wz * tanh(Wxa * x + Wha * h + ba)``, and a softmax of Z over all places.

    Args:
        channels_in: channels of x.
        hidden: channels of the state h.
        kernel: of all convolutions; odd.
    """

    def __init__(self, channels_in: int, hidden: int, kernel: int = 3) -> None:
        super().__init__()
        pad = kernel // 2
        self.input = nn.Conv2d(channels_in, hidden, kernel, padding=pad)
        self.state = nn.Conv2d(hidden, hidden, kernel, padding=pad, bias=False)
        self.score = nn.Conv2d(hidden, 1, kernel, padding=pad, bias=False)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Weights ``[N, 1, H, W]`` of sum 1 for ``x [N, C, H, W]`` and ``h [N, hidden, H, W]``."""
        z = self.score((self.input(x) + self.state(h)).tanh())
        return functional.softmax(z.flatten(1), 1).view_as(z)
