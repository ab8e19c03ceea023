"""Small networks over video of every family, for tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.models.video import VIDEO_MODELS, VideoModel, create_video_model

TINY = {"width": 1 / 16, "dropout": 0.0}
SMALL_VIDEO: dict[str, dict] = {
    **{name: TINY for name in VIDEO_MODELS},
    "torchvision": {"of": "mc3_18"},
    "words": {"words": 40, "cell": 8, "frames": 1},
    "lrcn": {**TINY, "hidden": 16},
    "convgrbm": {"n_maps": 4, "window": 5, "pool": 2, "filters": 8, "kernel": 3, "hidden": 16},
}


def build_video(name: str, n_classes: int = 4, channels_in: int = 3, **changes) -> VideoModel:
    """A small network of a name of `list_video_models` or of a family, in training mode."""
    torch.manual_seed(0)
    family = name if name in VIDEO_MODELS else name.rpartition("_")[0]
    return create_video_model(name, n_classes, channels_in, **{**SMALL_VIDEO[family], **changes})


def numbered(t: int, size: int = 40, channels: int = 3) -> Tensor:
    """A clip whose frames and channels can be told apart: the value is 10·frame + channel."""
    value = 10.0 * torch.arange(t)[None, :] + torch.arange(channels)[:, None]
    return value[None, :, :, None, None].expand(1, -1, -1, size, size).contiguous()


def caught(module: nn.Module) -> list[Tensor]:
    """The inputs that a module gets from now on."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    return seen


def sure(model: nn.Module) -> None:
    """Make the answers of an untrained network differ."""
    with torch.no_grad():
        for value in model.get_submodule("head").parameters():
            value.copy_(5 * torch.randn_like(value))
