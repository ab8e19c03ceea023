"""The table of pose estimators. Another one is a file with a `PoseEstimator` and a line here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from skelact.errors import ConfigError, DependencyError, choices
from skelact.io.packaged import find_packaged
from skelact.pose.estimator import PoseEstimator
from skelact.pose.model_files import find_model

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
    layouts: Mapping[str, str]
    coordinates: tuple[str, ...] = ("world", "image")
    fetch: Callable[..., Any] = lambda parts, **options: None
    qualities: tuple[str, ...] = ("full",)


QUALITIES = ("lite", "full", "heavy")


def make_auto(
    people: str = "auto",
    parts: str = "pose",
    coordinates: str = "image",
    quality: str = "full",
    min_score: float | None = None,
    **options: Any,
) -> PoseEstimator:
    """Make MoveNet find the people whom MediaPipe reads: the best of both.

    Args:
        people: ``one`` (the largest), else everybody.
        parts: ``pose`` or ``pose+hands``.
        coordinates: ``world`` or ``image``.
        quality: ``lite``, ``full`` or ``heavy``, of MoveNet's input.
        min_score: MoveNet's least score of a person, 0..1; None: its own.
        options: ``model``, MoveNet's file; else see `skelact.pose.several_people.SeveralPeople`.

    Raises:
        ConfigError: for an unknown option.
        DependencyError: if LiteRT, a model file or a system library is missing.
    """
    from skelact.pose.movenet import MIN_SCORE, QUALITY, MoveNetFinder
    from skelact.pose.several_people import SeveralPeople

    least = MIN_SCORE if min_score is None else min_score
    finder = MoveNetFinder(QUALITY[quality], least, options.pop("model", None))
    if people == "one":
        options["max_people"] = 1
    return SeveralPeople(finder=finder, parts=parts, coordinates=coordinates, **options)


def _fetch_auto(parts: str, model: str | None = None, **options: Any) -> None:
    _fetch_movenet(parts, model)
    _fetch_mediapipe(parts, **options)


def make_mediapipe(
    people: str = "one",
    parts: str = "pose",
    coordinates: str = "image",
    min_score: float | None = None,
    **options: Any,
) -> PoseEstimator:
    """Make MediaPipe's estimator for one person or several.

    Args:
        people: ``one`` (the most prominent person, fast) or ``many`` (each with an identity).
        parts: ``pose`` or ``pose+hands``.
        coordinates: ``world`` or ``image``.
        min_score: its confidence thresholds, 0..1; None: its own.
        options: ``pose_model``, ``hand_model``; see `skelact.pose.one_person.OnePerson` and
            `skelact.pose.several_people.SeveralPeople`.

    Raises:
        ConfigError: for an unknown option.
        DependencyError: if a model file or a system library is missing.
    """
    if min_score is not None:
        options["min_score"] = min_score
    if people == "many":
        from skelact.pose.several_people import SeveralPeople

        return SeveralPeople(parts=parts, coordinates=coordinates, **options)
    from skelact.pose.one_person import OnePerson

    return OnePerson(parts=parts, coordinates=coordinates, **options)


def _fetch_mediapipe(
    parts: str, pose_model: str | None = None, hand_model: str | None = None, **_: Any
) -> None:
    find_model("pose_landmarker_full", pose_model)
    if parts != "pose":
        find_model("hand_landmarker_full", hand_model)


def make_movenet(
    people: str = "many",
    parts: str = "pose",
    coordinates: str = "image",
    quality: str = "full",
    min_score: float | None = None,
    **options: Any,
) -> PoseEstimator:
    """Make MoveNet's estimator.

    Args:
        people: ``one`` (the largest), else everybody.
        parts: ``pose``.
        coordinates: ``image``.
        quality: ``lite``, ``full`` or ``heavy``: 192, 256 or 384 pixels.
        min_score: least score of a person, 0..1; None: its own.
        options: see `skelact.pose.movenet.MoveNetPose`.

    Raises:
        DependencyError: if LiteRT or the model file is missing.
    """
    from skelact.pose.movenet import QUALITY, MoveNetPose

    if min_score is not None:
        options["min_score"] = min_score
    return MoveNetPose(people=people, **{"size": QUALITY[quality], **options})


def _fetch_movenet(parts: str, model: str | None = None, **_: Any) -> None:
    find_packaged("movenet_multipose", model)


_MEDIAPIPE_PARTS = {"pose": "pose33", "pose+hands": "pose_hands75"}
ESTIMATORS: dict[str, EstimatorKind] = {
    "auto": EstimatorKind(make_auto, _MEDIAPIPE_PARTS, fetch=_fetch_auto, qualities=QUALITIES),
    "mediapipe": EstimatorKind(make_mediapipe, _MEDIAPIPE_PARTS, fetch=_fetch_mediapipe),
    "movenet": EstimatorKind(
        make_movenet,
        {"pose": "coco17"},
        ("image",),
        fetch=_fetch_movenet,
        qualities=QUALITIES,
    ),
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
    name: str, parts: str = "pose", coordinates: str = "image", quality: str = "full"
) -> EstimatorKind:
    """A kind of estimator that can look for these parts, give these coordinates and has this quality.

    Raises:
        ConfigError: if there is none of this name, or it cannot.
    """
    if name not in ESTIMATORS:
        raise ConfigError(choices(name, ESTIMATORS, "estimator"))
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
