"""Networks over video clips ``[N, C, T, H, W]``: colour, flow, depth or grey pictures.

One file per paper family, composed of the blocks of `skelact.nn`. Each family has a settings class whose ``build``
makes the network; `VIDEO_MODELS` is the one table of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from skelact.errors import ConfigError, choices
from skelact.models.video.base import StepModel, VideoModel, VideoSettings
from skelact.models.video.c3d import C3D, C3DSettings
from skelact.models.video.convgrbm import ConvGRBMNet, ConvGRBMSettings
from skelact.models.video.fast3d import Fast3d, Fast3dSettings
from skelact.models.video.gru_rcn import GRURCN, GRURCNSettings
from skelact.models.video.i3d import I3D, I3DSettings, inflate_kernel
from skelact.models.video.karpathy import (
    EarlyFusionSettings,
    KarpathyNet,
    LateFusionSettings,
    SingleFrameSettings,
    SlowFusionSettings,
)
from skelact.models.video.lrcn import LRCN, LRCNSettings
from skelact.models.video.picture_weights import is_published, start_from_pictures, start_from_published
from skelact.models.video.pooled import PooledNet, PooledSettings
from skelact.models.video.r2plus1d import R2Plus1d, R2Plus1dSettings
from skelact.models.video.resnet3d import ResNet3d, ResNet3dSettings
from skelact.models.video.slowfast import SlowFast, SlowFastSettings
from skelact.models.video.slowonly import SlowOnly, SlowOnlySettings
from skelact.models.video.torchvision_network import TorchvisionNet, TorchvisionSettings
from skelact.models.video.torchvision_weights import from_torchvision, start_from_torchvision
from skelact.models.video.tsn import TSN, TSNSettings, adapt_first_conv
from skelact.models.video.two_stream import TwoStreamSettings, TwoStreamTower
from skelact.models.video.videolstm import ConvLSTMNet, ConvLSTMSettings, VideoLSTM, VideoLSTMSettings
from skelact.models.video.words import WordsNet, WordsSettings
from skelact.settings import Chosen, from_plain

VIDEO_MODELS: dict[str, type[VideoSettings]] = {
    "single_frame": SingleFrameSettings,
    "early_fusion": EarlyFusionSettings,
    "late_fusion": LateFusionSettings,
    "slow_fusion": SlowFusionSettings,
    "two_stream": TwoStreamSettings,
    "tsn": TSNSettings,
    "pooled": PooledSettings,
    "words": WordsSettings,
    "c3d": C3DSettings,
    "i3d": I3DSettings,
    "resnet3d": ResNet3dSettings,
    "r2plus1d": R2Plus1dSettings,
    "slowfast": SlowFastSettings,
    "slowonly": SlowOnlySettings,
    "fast3d": Fast3dSettings,
    "lrcn": LRCNSettings,
    "gru_rcn": GRURCNSettings,
    "convlstm": ConvLSTMSettings,
    "videolstm": VideoLSTMSettings,
    "convgrbm": ConvGRBMSettings,
    "torchvision": TorchvisionSettings,
}


def list_video_models() -> list[str]:
    """The names of all networks over video, those of several sizes with the size: ``resnet3d_18``."""
    names = []
    for name, settings in VIDEO_MODELS.items():
        names += [f"{name}_{depth}" for depth in settings.depths] or [name]
    return names


def find_video_settings(values: Mapping) -> type[VideoSettings]:
    """The settings class of the family that plain values name (without a size; that is its ``depth``).

    Raises:
        ConfigError: for a family that is not in `VIDEO_MODELS`, or no name.
    """
    name = str(values.get("name", ""))
    family, _, depth = name.rpartition("_")
    if name in list_video_models() and name not in VIDEO_MODELS:
        raise ConfigError(f"'{name}' is written as name: {family} and depth: {depth}")
    if name not in VIDEO_MODELS:
        raise ConfigError(choices(name, VIDEO_MODELS, "video model"))
    return VIDEO_MODELS[name]


def video_settings(name: str, **settings: Any) -> VideoSettings:
    """The settings of a network by name.

    Args:
        name: one of `list_video_models`, or of `VIDEO_MODELS` with a ``depth`` among the settings.
        settings: of the family, see its settings class.

    Raises:
        ConfigError: naming every unknown or ill-typed setting, or for an unknown name.
    """
    if name not in VIDEO_MODELS:
        if name not in list_video_models():
            raise ConfigError(choices(name, list_video_models(), "video model"))
        name, _, depth = name.rpartition("_")
        if settings.setdefault("depth", int(depth)) != int(depth):
            raise ConfigError(f"'{name}_{depth}' has depth {depth}, got depth={settings['depth']}")
    return from_plain(VIDEO_MODELS[name], settings, name)


def create_video_model(name: str, n_classes: int, channels_in: int = 3, **settings: Any) -> VideoModel:
    """Make an untrained network over video.

    Args:
        name: one of `list_video_models`.
        n_classes: number of actions.
        channels_in: channels of a frame: colour 3, flow 2, grey or depth 1.
        settings: of the family, such as ``width=0.25`` for small data.

    Raises:
        ConfigError: for an unknown name or wrong settings.
    """
    return video_settings(name, **settings).build(n_classes, channels_in)


VideoModelSettings = Annotated[VideoSettings, Chosen(find_video_settings)]

__all__ = [
    "C3D",
    "GRURCN",
    "I3D",
    "LRCN",
    "TSN",
    "VIDEO_MODELS",
    "C3DSettings",
    "ConvGRBMNet",
    "ConvGRBMSettings",
    "ConvLSTMNet",
    "ConvLSTMSettings",
    "EarlyFusionSettings",
    "Fast3d",
    "Fast3dSettings",
    "GRURCNSettings",
    "I3DSettings",
    "KarpathyNet",
    "LRCNSettings",
    "LateFusionSettings",
    "PooledNet",
    "PooledSettings",
    "R2Plus1d",
    "R2Plus1dSettings",
    "ResNet3d",
    "ResNet3dSettings",
    "SingleFrameSettings",
    "SlowFast",
    "SlowFastSettings",
    "SlowOnly",
    "SlowOnlySettings",
    "SlowFusionSettings",
    "StepModel",
    "TSNSettings",
    "TorchvisionNet",
    "TorchvisionSettings",
    "TwoStreamSettings",
    "TwoStreamTower",
    "VideoLSTM",
    "VideoLSTMSettings",
    "VideoModel",
    "VideoModelSettings",
    "VideoSettings",
    "WordsNet",
    "WordsSettings",
    "adapt_first_conv",
    "create_video_model",
    "find_video_settings",
    "is_published",
    "from_torchvision",
    "inflate_kernel",
    "list_video_models",
    "start_from_pictures",
    "start_from_published",
    "start_from_torchvision",
    "video_settings",
]
