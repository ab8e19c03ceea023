"""The table of pose estimators. Another one is a file with a `PoseEstimator` and a line here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from skelact.errors import ConfigError, DependencyError, choices
from skelact.io.packaged import find_packaged
from skelact.layouts import SkeletonLayout, get_layout
from skelact.pose.estimator import PoseEstimator
from skelact.pose.makers import (
    fetch_auto,
    fetch_mediapipe,
    fetch_movenet,
    fetch_onnx,
    make_auto,
    make_mediapipe,
    make_movenet,
    make_onnx,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EstimatorKind:
    """One kind of pose estimator.

    Args:
        make: makes one, of (people, parts=, coordinates=, **options); see `make_mediapipe`.
        layouts: what it can look for (``parts``), and the layout of that.
        coordinates: what it can give: ``world`` (metres, each person about their own hips; `extract_video` makes
            ``camera`` of these), ``image`` (fractions of the picture), or ``camera`` by itself.
        fetch: gets its model files, of (parts, **options): once, before many processes need them.
        qualities: what it can be asked for: less or more exact, at a lower or higher price.
    """

    make: Callable[..., PoseEstimator]
    layouts: Mapping[str, str | SkeletonLayout]
    coordinates: tuple[str, ...] = ("world", "image")
    fetch: Callable[..., Any] = lambda parts, **options: None
    qualities: tuple[str, ...] = ("full",)


QUALITIES = ("lite", "full", "heavy")


_MEDIAPIPE_PARTS = {"pose": "pose33", "pose+hands": "pose_hands75"}
ESTIMATORS: dict[str, EstimatorKind] = {
    "auto": EstimatorKind(make_auto, _MEDIAPIPE_PARTS, fetch=fetch_auto, qualities=QUALITIES),
    "mediapipe": EstimatorKind(make_mediapipe, _MEDIAPIPE_PARTS, fetch=fetch_mediapipe, qualities=QUALITIES),
    "movenet": EstimatorKind(
        make_movenet,
        {"pose": "coco17"},
        ("image",),
        fetch=fetch_movenet,
        qualities=QUALITIES,
    ),
    "onnx": EstimatorKind(make_onnx, {}, ("image",), fetch=fetch_onnx, qualities=QUALITIES),
}


def available_estimator(name: str, **options: Any) -> str:
    """``name``, or ``mediapipe`` instead of ``auto`` where MoveNet cannot be had, which the log says.

    Args:
        name: of an estimator.
        options: its options; ``model`` is MoveNet's file.

    Raises:
        DependencyError: if MoveNet's file was named and cannot be used.
    """
    if name != "auto":
        return name
    try:
        import ai_edge_litert.interpreter  # noqa: F401

        find_packaged("movenet_multipose", options.get("model"))
    except (ImportError, DependencyError) as error:
        if options.get("model") is not None:
            raise
        why = str(error) if isinstance(error, DependencyError) else "LiteRT is not installed"
        logger.warning(
            "MediaPipe looks for people alone, which misses more of them and is slower with several: %s. Better with "
            "MoveNet: pip install 'skelact[movenet]'; --estimator mediapipe says that this is meant", why,
        )  # fmt: skip
        return "mediapipe"
    return name


def find_estimator(
    name: str,
    parts: str = "pose",
    coordinates: str = "image",
    quality: str = "full",
    pose_layout: str | SkeletonLayout | None = None,
) -> EstimatorKind:
    """A kind of estimator that can look for these parts, give these coordinates and has this quality.

    Args:
        name: of an estimator, or the ``.onnx`` file of a model of the user's own.
        parts, coordinates, quality: what it must be able to do.
        pose_layout: of the joints of an ``.onnx`` file; the others have their own.

    Raises:
        ConfigError: if there is none of this name, or it cannot, or the layout is missing.
        LayoutError: for an unknown layout.
    """
    if is_onnx(name):
        kind = _own_model(name, pose_layout)
    elif name not in ESTIMATORS or name == "onnx":
        named = [*(one for one in ESTIMATORS if one != "onnx"), "FILE.onnx"]
        raise ConfigError(choices(name, named, "estimator"))
    elif pose_layout is not None:
        raise ConfigError(
            f"the estimator '{name}' has its own joints; --pose-layout names those of an ONNX model (--estimator "
            "FILE.onnx)"
        )
    else:
        kind = ESTIMATORS[name]
    possible = (*kind.coordinates, *(["camera"] if "world" in kind.coordinates else []))
    if coordinates != "image" and possible == ("image",):
        raise ConfigError(
            f"the estimator '{name}' sees no depth: it gives coordinates 'image' alone, got '{coordinates}'; ask for "
            "image coordinates (extract --coordinates image), or take --estimator auto for metres"
        )
    wanted = (
        (parts, kind.layouts, "parts"),
        (coordinates, possible, "coordinates"),
        (quality, kind.qualities, "quality"),
    )
    for got, allowed, what in wanted:
        if got not in allowed:
            raise ConfigError(f"{choices(got, dict.fromkeys(allowed), what)} (of the estimator '{name}')")
    return kind


def sees_depth(name: str) -> bool:
    """Whether an estimator gives metres, not only places in the picture."""
    kind = ESTIMATORS.get(name)
    return kind is not None and "world" in kind.coordinates


def is_onnx(name: str) -> bool:
    """Whether an estimator's name is the file of a model of the user's own."""
    return name.lower().endswith(".onnx")


def _own_model(path: str, layout: str | SkeletonLayout | None) -> EstimatorKind:
    """The kind of estimator that an ``.onnx`` file with these joints is."""
    if layout is None:
        raise ConfigError(
            f"which joints {path} gives is not written in it; name their layout: --pose-layout coco17, another "
            "name, or FILE.yaml"
        )
    kind, layout = ESTIMATORS["onnx"], get_layout(layout)
    return replace(
        kind,
        make=partial(kind.make, path=path, layout=layout),
        fetch=partial(kind.fetch, path=path, layout=layout),
        layouts={"pose": layout},
    )
