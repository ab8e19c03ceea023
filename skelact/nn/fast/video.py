"""The inference form of a network over pictures: folded norms, channels-last memory, half precision by autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from skelact.nn.conv3d import Bottleneck3d
from skelact.nn.fast.conv import ResidualForm, flatten, fold_convs, is_plain, is_sequence, make_form
from skelact.nn.fast.gate import FULL_PRECISION
from skelact.nn.residual3d import ResidualBlock3d


def fold_pictures(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The inference form of a part of a network over pictures; parts without one stay, their children are replaced."""
    if is_sequence(module):
        module = fold_convs(module, dtype)
    elif is_plain(module):
        return make_form(module, False, dtype)
    for name, child in module.named_children():
        setattr(module, name, fold_pictures(child, dtype))
    if type(module) is ResidualBlock3d:
        shortcut = module.shortcut
        return ResidualForm(
            flatten(module.path), None if isinstance(shortcut, nn.Identity) else _single(shortcut)
        )
    if type(module) is Bottleneck3d:
        path = flatten(nn.Sequential(module.reduce, module.spread, module.expand))
        return ResidualForm(path, None if module.shortcut is None else _single(module.shortcut))
    if isinstance(module, nn.Linear) and dtype not in FULL_PRECISION:
        module.to(dtype)  # as autocast would in every call
    return module


def _single(module: nn.Module) -> nn.Module:
    return module[0] if isinstance(module, nn.Sequential) and len(module) == 1 else module


class VideoForm(nn.Module):
    """A network over clips ``[N, C, T, H, W]`` for inference.

    Args:
        network: gives ``features_and_logits``; it is changed.
        dtype: of the arithmetic of convolutions and matrix products.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = fold_pictures(network, dtype), dtype
        self.n_features = network.n_features

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[N, D]`` and logits ``[N, K]``, in float32 at least."""
        with self.arithmetic(x):
            features, logits = self.network.features_and_logits(_channels_last(x))  # type: ignore[operator]
        return _full(features), _full(logits)

    def forward(self, x: Tensor, *further: Tensor) -> Tensor:
        """Logits ``[N, K]``, in float32 at least; arguments as for the network."""
        with self.arithmetic(x):
            return _full(self.network(_channels_last(x), *further))

    def arithmetic(self, x: Tensor) -> AbstractContextManager:
        """The context in which the network runs."""
        return nullcontext() if self.dtype in FULL_PRECISION else torch.autocast(x.device.type, self.dtype)


def _channels_last(x: Tensor) -> Tensor:
    return x.to(memory_format=torch.channels_last_3d) if x.ndim == 5 else x


def _full(x: Tensor) -> Tensor:
    return x if x.dtype in FULL_PRECISION else x.float()
