"""Networks by name, for use from Python."""

from __future__ import annotations

from typing import Any

from torch import nn

from skelact.errors import ConfigError, matching
from skelact.layouts import SkeletonLayout
from skelact.models import MODELS, find_settings, use_model
from skelact.models.video import VIDEO_MODELS, create_video_model, list_video_models
from skelact.settings import from_plain

# What other toolkits call create_model's own arguments.
_ELSEWHERE = {
    "num_classes": "n_classes",
    "num_class": "n_classes",
    "in_channels": "channels_in",
    "in_chans": "channels_in",
    "graph": "layout",
}


def list_models(only: str = "") -> list[str]:
    """Names that `create_model` knows.

    Args:
        only: ``skeleton`` or ``video``: networks over these; or a part of the names, such as ``gcn``, or a pattern,
            such as ``ctr*``; all if empty.

    Raises:
        ConfigError: if there is none.
    """
    known = {"skeleton": [*MODELS], "video": [*list_video_models()]}
    every = [name for names in known.values() for name in names]
    return known[only] if only in known else matching(only, every, "network")


def create_model(
    name: str,
    layout: SkeletonLayout | str = "ntu25",
    n_classes: int = 60,
    channels_in: int = 3,
    **settings: Any,
) -> nn.Module:
    """Make an untrained network, in training mode as torch makes it; for trained ones see `load_model`.

    Args:
        name: of `list_models`, or ``module:Class`` for a network of one's own.
        layout: of the joints, or its name; networks over video need none.
        n_classes: number of actions.
        channels_in: values of a joint, or of a pixel.
        settings: of the family, see ``skelact.models.MODELS[name]``; others are refused by name.

    Returns:
        a `skelact.models.SkeletonModel`, or a `skelact.models.video.base.VideoModel`.

    Raises:
        ConfigError: for an unknown name or setting.
    """
    for key in settings:
        if key in _ELSEWHERE:
            raise ConfigError(f"create_model calls it {_ELSEWHERE[key]}, got {key}")
    if "pretrained" in settings:
        raise ConfigError(
            "create_model makes networks without weights; skelact.load_model('everyday') has those that ship, and "
            "skelact import-weights reads published ones"
        )
    if name in list_video_models() or name in VIDEO_MODELS:
        return create_video_model(name, n_classes, channels_in, **settings)
    if ":" in name:
        use_model(name)
    kind = find_settings({"name": name})
    return from_plain(kind, {"name": name, **settings}, name).build(layout, n_classes, channels_in)
