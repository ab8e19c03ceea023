"""Networks that label every frame of untrimmed recordings; `SEGMENTERS` is the one table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from skelact.errors import ConfigError, choices
from skelact.models.segmentation.base import SegmentationModel, SegmentationSettings
from skelact.models.segmentation.continual import ContinualSegmenter, continual_segmenter
from skelact.models.segmentation.mstcn import MSTCN, MSTCNSettings
from skelact.models.segmentation.recurrent import GRUSegmenter, GRUSegmenterSettings
from skelact.settings import Chosen

SEGMENTERS: dict[str, type[SegmentationSettings]] = {"mstcn": MSTCNSettings, "gru": GRUSegmenterSettings}


def find_segmenter(values: Mapping) -> type[SegmentationSettings]:
    """The settings class of the network that plain values name; without a name MS-TCN's.

    Raises:
        ConfigError: for an unknown name.
    """
    name = str(values.get("name", "mstcn"))
    if name not in SEGMENTERS:
        raise ConfigError(choices(name, SEGMENTERS, "segmentation network"))
    return SEGMENTERS[name]


SegmenterChoice = Annotated[SegmentationSettings, Chosen(find_segmenter)]

__all__ = [
    "MSTCN",
    "SEGMENTERS",
    "ContinualSegmenter",
    "GRUSegmenter",
    "GRUSegmenterSettings",
    "MSTCNSettings",
    "SegmentationModel",
    "SegmentationSettings",
    "SegmenterChoice",
    "continual_segmenter",
    "find_segmenter",
]
