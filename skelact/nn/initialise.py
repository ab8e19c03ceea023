"""How new networks start, as the field's released codes do."""

from __future__ import annotations

from torch import nn


def initialise_fan_out(module: nn.Module) -> None:
    """Start every convolution in ``module`` from a normal distribution by fan-out, with biases of 0.

    Source: He et al., ICCV 2015; the graph networks' released codes use it for all convolutions, 1×1
    convolutions (`torch.nn.Linear` here) among them.
    """
    for part in module.modules():
        if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
