"""The table of pose estimators. Another one is a file with a `PoseEstimator` and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from skelact.errors import ConfigError, choices
from skelact.io.packaged import find_packaged
from skelact.pose.estimator import PoseEstimator
from skelact.pose.model_files import find_model


@dataclass(frozen=True)
class EstimatorKind:
    """One kind of pose estimator.

    Args:
        make: makes one, of (people, parts=, coordinates=, **options); see `make_mediapipe`.
        layouts: what it can look for (``parts``), and the layout of that.
        coordinates: what it can give: ``world`` (metres, each person about their own hips; `extract_video` makes
            ``camera`` of these), ``image`` (fractions of the picture), or ``camera`` by itself.
        fetch: gets its model files, of (parts, **options): once, before many processes need them.
    """

    make: Callable[..., PoseEstimator]
    layouts: Mapping[str, str]
    coordinates: tuple[str, ...] = ("world", "image")
    fetch: Callable[..., Any] = lambda parts, **options: None


def make_mediapipe(
    people: str = "one", parts: str = "pose", coordinates: str = "image", **options: Any
) -> PoseEstimator:
    """Make MediaPipe's estimator for one person or several.

    Args:
        people: ``one`` (the most prominent person, fast) or ``many`` (each with an identity).
        parts: ``pose`` or ``pose+hands``.
        coordinates: ``world`` or ``image``.
        options: ``min_score``, ``pose_model``, ``hand_model``; see `skelact.pose.one_person.OnePerson` and
            `skelact.pose.several_people.SeveralPeople`.

    Raises:
        ConfigError: for an unknown option.
        DependencyError: if a model file or a system library is missing.
    """
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
    people: str = "many", parts: str = "pose", coordinates: str = "image", **options: Any
) -> PoseEstimator:
    """Make MoveNet's estimator; ``options``: see `skelact.pose.movenet.MoveNetPose`.

    Raises:
        DependencyError: if LiteRT or the model file is missing.
    """
    from skelact.pose.movenet import MoveNetPose

    return MoveNetPose(people=people, **options)


def _fetch_movenet(parts: str, model: str | None = None, **_: Any) -> None:
    find_packaged("movenet_multipose", model)


ESTIMATORS: dict[str, EstimatorKind] = {
    "mediapipe": EstimatorKind(
        make_mediapipe, {"pose": "pose33", "pose+hands": "pose_hands75"}, fetch=_fetch_mediapipe
    ),
    "movenet": EstimatorKind(make_movenet, {"pose": "coco17"}, ("image",), fetch=_fetch_movenet),
}


def find_estimator(name: str, parts: str = "pose", coordinates: str = "image") -> EstimatorKind:
    """A kind of estimator that can look for these parts and give these coordinates.

    Raises:
        ConfigError: if there is none of this name, or it cannot.
    """
    if name not in ESTIMATORS:
        raise ConfigError(choices(name, ESTIMATORS, "estimator"))
    kind = ESTIMATORS[name]
    possible = (*kind.coordinates, *(["camera"] if "world" in kind.coordinates else []))
    for got, allowed, what in ((parts, kind.layouts, "parts"), (coordinates, possible, "coordinates")):
        if got not in allowed:
            raise ConfigError(f"{choices(got, dict.fromkeys(allowed), what)} (of the estimator '{name}')")
    return kind
