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


def initialise_fan_in(module: nn.Module) -> None:
    """Initialise every convolution and matrix in ``module`` by He's normal distribution (fan-in), biases with 0.

    Source: He et al., ICCV 2015: it keeps the size of activations in deep networks without norms.
    """
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, mode="fan_in", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
