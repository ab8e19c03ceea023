"""Networks, one file per paper family, which only arrange the blocks of nn."""

from __future__ import annotations

from torch import nn

from skelact.errors import ConfigError, choices
from skelact.layouts import SkeletonLayout
from skelact.models.stgcn import STGCN

MODELS: dict[str, type[nn.Module]] = {"stgcn": STGCN}


def make_model(
    name: str, layout: SkeletonLayout | str, n_classes: int, channels_in: int, **settings: object
) -> nn.Module:
    """Build a network by name.

    Args:
        name: one of `MODELS`.
        layout: the skeleton layout.
        n_classes: number of actions.
        channels_in: values per joint.
        settings: passed to the network.

    Raises:
        ConfigError: for an unknown name or setting.
    """
    if name not in MODELS:
        raise ConfigError(choices(name, MODELS, "model"))
    try:
        return MODELS[name](layout, n_classes, channels_in, **settings)
    except TypeError as error:
        raise ConfigError(f"model '{name}' does not take these settings: {error}") from error
