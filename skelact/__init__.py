"""skelact: recognise what people do from how they move.

    import skelact

    answer = skelact.Recogniser("everyday").recognise("video.mp4")  # or a run of yours: "runs/NAME"
    print(answer.segments)

    skeleton = skelact.extract("video.mp4")  # the people in a video
    data = skelact.load_set("mine.h5")  # a data set: data[0] is a skeleton, too
    model = skelact.create_model("ctrgcn", layout="ntu25", n_classes=60)  # untrained; list_models() names all
    model, card, pipeline = skelact.load_model("runs/NAME")  # trained

What needs torch or MediaPipe is imported when it is used first. ``skelact --help`` lists the commands.
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
    from skelact.datasets.skeleton_set import SkeletonSet, load_set
    from skelact.models.create import create_model, list_models
    from skelact.pose.extract import extract
    from skelact.recognition import Recogniser, load_model

__version__ = "0.1.0"

# Where what is imported when it is used first lies.
_LATER = {
    "Pipeline": "skelact.datasets.pipeline",
    "Recogniser": "skelact.recognition",
    "SkeletonSet": "skelact.datasets.skeleton_set",
    "create_model": "skelact.models.create",
    "extract": "skelact.pose.extract",
    "list_models": "skelact.models.create",
    "load_model": "skelact.recognition",
    "load_set": "skelact.datasets.skeleton_set",
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
    value = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
