"""Making a recording fit a checkpoint, or saying why it cannot."""

from __future__ import annotations

import numpy as np

from skelact.datasets.pipeline import Pipeline
from skelact.errors import DataError, LayoutError
from skelact.layouts import conversion
from skelact.recognition.checkpoint import Card
from skelact.skeleton import Skeleton, need_trajectory
from skelact.transforms.normalise import centre_joints


def about_hips(skeleton: Skeleton) -> Skeleton:
    """Take the trajectory out: each person about their own hips in every frame (origin ``hips``).

    People are missing in frames that do not show their hips.
    """
    joints = centre_joints(skeleton.layout)
    seen = np.all(skeleton.score[:, :, joints] > 0, axis=2, keepdims=True)
    hips = skeleton.xyz[:, :, joints].mean(2, keepdims=True)
    return skeleton.with_(xyz=skeleton.xyz - hips, score=skeleton.score * seen, origin="hips")


def fit_input(skeleton: Skeleton, card: Card, pipeline: Pipeline) -> tuple[Skeleton, list[str]]:
    """Make a recording fit a checkpoint, or say why it cannot.

    A layout that can be converted is converted by joint name. Picture fractions become pixels where the
    size of the picture is known. A third coordinate that the network does not use is dropped.

    Returns:
        (the recording, what was changed in words).

    Raises:
        LayoutError: if the layouts share no joint, or less than half of what the network needs is there.
        DataError: if coordinates or units do not fit.
    """
    notes = []
    layout = card.skeleton_layout
    where = f"recording '{skeleton.id}'" if skeleton.id else "the recording"
    if skeleton.layout != layout:
        plan = conversion(skeleton.layout, layout)
        if len(plan.missing) > len(layout) / 2:
            raise LayoutError(
                f"{where} has layout '{skeleton.layout.name}', the checkpoint was trained on '{layout.name}', and "
                f"only {len(layout) - len(plan.missing)} of its {len(layout)} joints can be made; missing: "
                f"{', '.join(plan.missing)}. Train on a layout that the recordings have."
            )
        skeleton = skeleton.converted(layout)
        lacks = f"; missing: {', '.join(plan.missing)}" if plan.missing else ""
        notes.append(f"converted from {plan.source.name} to {layout.name} by joint name{lacks}")
    dims = skeleton.xyz.shape[3]
    if dims < card.dims:
        raise DataError(
            f"{where} has {dims} coordinates per joint, the checkpoint needs {card.dims}; extract 3D skeletons "
            "(--coordinates camera) or train on 2D"
        )
    if dims > card.dims:
        skeleton = skeleton.with_(xyz=skeleton.xyz[..., : card.dims])
        notes.append(f"only the first {card.dims} coordinates are used")
    if card.origin != skeleton.origin:
        if card.origin == "camera":
            need_trajectory(skeleton.origin, "the checkpoint", where)
        skeleton = about_hips(skeleton)
        notes.append("put about each person's own hips, as the checkpoint's training data was")
    if skeleton.unit == "image" and card.unit != "image":
        try:
            size = float(skeleton.info["width"]), float(skeleton.info["height"])
        except KeyError:
            raise DataError(
                f"{where} is in fractions of the picture, the checkpoint in '{card.unit}', and the picture's "
                "width and height are not known; extract it again in metres (--coordinates camera)"
            ) from None
        factor = np.array([size[0], size[1], size[0]][: card.dims], np.float32)
        skeleton = skeleton.with_(xyz=skeleton.xyz * factor, unit="px")
        notes.append("picture fractions turned into pixels")
    if skeleton.unit != card.unit:
        if pipeline.normalise.scale == "none" or "image" in (skeleton.unit, card.unit):
            raise DataError(
                f"{where} is in '{skeleton.unit}', the checkpoint was trained in '{card.unit}' without a scale that "
                "makes them comparable (normalise.scale: body)"
            )
        if {skeleton.unit, card.unit} == {"px", "m"} and card.dims == 3:
            notes.append(
                f"'{skeleton.unit}' input for a network trained in '{card.unit}': made comparable by body size"
            )
    return skeleton, notes
