"""Networks that turn motion into words; `LANGUAGE_NETWORKS` is the one table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from skelact.errors import ConfigError, choices
from skelact.models.language.encoder import ContinualEncoder, CTCSettings, FrameEncoder
from skelact.models.language.sequence import (
    GlossToText,
    GlossToTextSettings,
    MotionToText,
    MotionToTextSettings,
)
from skelact.models.segmentation import SEGMENTERS
from skelact.models.settings import FamilySettings
from skelact.settings import Chosen

# What each network is trained for: signs in frames (the segmentation networks with two labels), glosses, words.
LANGUAGE_NETWORKS: dict[str, type[FamilySettings]] = {
    "ctc": CTCSettings,
    "motion2text": MotionToTextSettings,
    "gloss2text": GlossToTextSettings,
    **SEGMENTERS,
}


def find_language_network(values: Mapping) -> type[FamilySettings]:
    """The settings class of the network that plain values name; without a name the CTC network's.

    Raises:
        ConfigError: for an unknown name.
    """
    name = str(values.get("name", "ctc"))
    if name not in LANGUAGE_NETWORKS:
        raise ConfigError(choices(name, LANGUAGE_NETWORKS, "network for language"))
    return LANGUAGE_NETWORKS[name]


LanguageChoice = Annotated[FamilySettings, Chosen(find_language_network)]

__all__ = [
    "LANGUAGE_NETWORKS",
    "CTCSettings",
    "ContinualEncoder",
    "FrameEncoder",
    "GlossToText",
    "GlossToTextSettings",
    "LanguageChoice",
    "MotionToText",
    "MotionToTextSettings",
    "find_language_network",
]
