"""skelact: recognise what people do from how they move.

``import skelact`` is quick: whatever needs torch or MediaPipe is imported when it is used first.

    model = skelact.create_model("ctrgcn", layout="ntu25", n_classes=60)
    data = skelact.load_set("ntu60.h5")
    answer = skelact.Recogniser("everyday").recognise("video.mp4")  # or skelact.extract(...), data[0], ...
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from skelact import layouts
from skelact.errors import SkelactError
from skelact.layouts import SkeletonLayout, get_layout, load_layout
from skelact.skeleton import Skeleton

if TYPE_CHECKING:
    from skelact.datasets.pipeline import Pipeline
    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.datasets.skeleton_set import open_set as load_set
    from skelact.models.create import create_model, list_models
    from skelact.pose.extract import extract_video as extract
    from skelact.recognition import Recogniser, load_model

__version__ = "0.1.0"

# Where what is imported when it is used first lies, and under which name.
_LATER: dict[str, tuple[str, str]] = {
    "Pipeline": ("skelact.datasets.pipeline", "Pipeline"),
    "Recogniser": ("skelact.recognition", "Recogniser"),
    "SkeletonSet": ("skelact.datasets.skeleton_set", "SkeletonSet"),
    "create_model": ("skelact.models.create", "create_model"),
    "extract": ("skelact.pose.extract", "extract_video"),
    "list_models": ("skelact.models.create", "list_models"),
    "load_model": ("skelact.recognition", "load_model"),
    "load_set": ("skelact.datasets.skeleton_set", "open_set"),
}

__all__ = [
    "Pipeline",
    "Recogniser",
    "SkelactError",
    "Skeleton",
    "SkeletonLayout",
    "SkeletonSet",
    "__version__",
    "create_model",
    "extract",
    "get_layout",
    "layouts",
    "list_models",
    "load_layout",
    "load_model",
    "load_set",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'skelact' has no attribute '{name}'")
    module, there = _LATER[name]
    value = globals()[name] = getattr(importlib.import_module(module), there)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
