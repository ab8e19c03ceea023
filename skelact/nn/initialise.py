"""Weight initialisation of the released codes."""

from __future__ import annotations

from torch import nn


def initialise_fan_out(module: nn.Module) -> None:
    """Initialise every convolution in ``module`` by He's normal distribution (fan-out), and biases with 0.

    Source: He et al., ICCV 2015; the released codes of graph networks use it for all convolutions, including
    1×1 convolutions (`torch.nn.Linear` here).
    """
    for part in module.modules():
        if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
