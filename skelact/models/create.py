"""Networks by name, for use from Python."""

from __future__ import annotations

from typing import Any

from torch import nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.models import MODELS, find_settings, use_model
from skelact.models.video import VIDEO_MODELS, create_video_model, list_video_models
from skelact.settings import from_plain


def list_models(sees: str = "") -> list[str]:
    """Names that `create_model` knows.

    Args:
        sees: ``skeleton`` or ``video``: only networks over these; all if empty.

    Raises:
        ConfigError: for anything else.
    """
    known = {"skeleton": [*MODELS], "video": [*list_video_models()]}
    if sees and sees not in known:
        raise ConfigError(f"networks see skeleton or video, got '{sees}'")
    return [name for kind, names in known.items() if sees in ("", kind) for name in names]


def create_model(
    name: str,
    layout: SkeletonLayout | str = "ntu25",
    n_classes: int = 60,
    channels_in: int = 3,
    **settings: Any,
) -> nn.Module:
    """Make an untrained network.

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
    if name in list_video_models() or name in VIDEO_MODELS:
        return create_video_model(name, n_classes, channels_in, **settings)
    if ":" in name:
        use_model(name)
    kind = find_settings({"name": name})
    return from_plain(kind, {"name": name, **settings}, name).build(layout, n_classes, channels_in)
