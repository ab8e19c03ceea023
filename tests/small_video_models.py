"""Small networks over video of every family, for tests."""

from __future__ import annotations

import torch

from skelact.models.video import VIDEO_MODELS, VideoModel, create_video_model

TINY = {"width": 1 / 16, "dropout": 0.0}
SMALL_VIDEO: dict[str, dict] = {
    **{name: TINY for name in VIDEO_MODELS},
    "lrcn": {**TINY, "hidden": 16},
    "convgrbm": {"n_maps": 4, "window": 5, "pool": 2, "filters": 8, "kernel": 3, "hidden": 16},
}


def build_video(name: str, n_classes: int = 4, channels_in: int = 3, **changes) -> VideoModel:
    """A small network of a name of `list_video_models` or of a family, in training mode."""
    torch.manual_seed(0)
    family = name if name in VIDEO_MODELS else name.rpartition("_")[0]
    return create_video_model(name, n_classes, channels_in, **{**SMALL_VIDEO[family], **changes})
