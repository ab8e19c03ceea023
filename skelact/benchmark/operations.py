"""Counting the multiply-adds of a network by running it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from skelact.nn.gated_boltzmann import ConvGRBM


def count_multiply_adds(model: nn.Module, *inputs: Tensor) -> int:
    """Multiply-adds of one run: those of convolutions, linear layers, recurrent cells and convGRBMs.

    The convention: one multiplication and one addition together are one; zeros of the padding count as other values;
    biases, norms, activations, pooling and sums do not count. One GFLOP here is 10⁹ of these, as papers on video
    networks have it.

    Args:
        model: in evaluation mode.
        inputs: of its forward pass.
    """
    total = 0

    def add(module: nn.Module, taken: tuple[Any, ...], given: Any) -> None:
        nonlocal total
        total += COUNT[type(module)](module, taken[0], given)

    hooks = [module.register_forward_hook(add) for module in model.modules() if type(module) in COUNT]
    # a convGRBM is run by its methods, not by ``forward``
    machines = [module for module in model.modules() if isinstance(module, ConvGRBM)]
    for machine in machines:
        hidden_input = machine.hidden_input

        def counted(x: Tensor, y: Tensor, machine: ConvGRBM = machine, run: Any = hidden_input) -> Tensor:
            nonlocal total
            given = run(x, y)
            total += _boltzmann(machine, given)
            return given

        machine.hidden_input = counted  # type: ignore[method-assign]
    try:
        with torch.inference_mode():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for machine in machines:
            del machine.hidden_input
    return total


def _convolution(module: Any, x: Tensor, out: Tensor) -> int:
    return out.numel() * module.weight[0].numel()


def _linear(module: Any, x: Tensor, out: Tensor) -> int:
    return out.numel() * module.in_features


def _recurrent(module: Any, x: Tensor, out: Any) -> int:
    """Matrices of all layers and directions, at every step of every sequence."""
    steps = x.numel() // x.shape[-1]
    return steps * sum(w.numel() for name, w in module.named_parameters() if name.startswith("weight"))


def _boltzmann(module: ConvGRBM, out: Tensor) -> int:
    """At every place of every hidden map, a matrix times the window of x, and its product with that of y."""
    places = module.weight.shape[1]
    return out.numel() * (places**2 + places)


COUNT: dict[type[nn.Module], Callable[[Any, Tensor, Any], int]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    nn.Linear: _linear,
    nn.LSTM: _recurrent,
    nn.GRU: _recurrent,
}
