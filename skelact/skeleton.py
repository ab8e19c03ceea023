"""`Skeleton`: one recording of people, validated once when it is made."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from skelact.errors import DataError, LayoutError, choices
from skelact.layouts import SkeletonLayout, conversion, get_layout

UNITS = ("m", "px", "image", "unknown")
ORIGINS = ("camera", "hips")


@dataclass(frozen=True, eq=False, repr=False)
class Skeleton:
    """One recording of people.

    Args:
        xyz: joint positions ``[M, T, V, C]`` (M people, T frames, V joints, C = 2 or 3), float32.
        score: confidence ``[M, T, V]`` in 0..1, where **0 means missing**; None: every joint is there.
            Positions of missing joints are set to 0, so equal recordings are equal bytes.
        layout: a `SkeletonLayout` or the name of one; always a `SkeletonLayout` afterwards.
        fps: frames per second, above 0.
        unit: ``m`` (metres), ``px`` (pixels), ``image`` (fraction of the image's width and height) or
            ``unknown`` (as the data set has it).
        origin: ``camera`` (one frame for everybody, so the trajectory is in it) or ``hips`` (each person about
            their own hips in every frame: no trajectory, no distance between people).
        label: name of the action, or None.
        id: name of the recording.
        info: what else is known, as plain strings and numbers (subject, camera, setup, ...).
        track_ids: identity of each person, ``M`` integers; None: 0, 1, ...
        time: timestamp of each frame in seconds, increasing; None: even spacing at ``fps``.
        picture: where the same joints are in the picture ``[M, T, V, 2]``, fractions of its width and
            height, beside ``xyz`` in metres; None: not known. Missing joints are set to 0.
        frame_labels: a name per frame for recordings that are labelled frame by frame, or None.
        remainder: what the raw file says beyond the people (`skelact.io.original`); None: not kept. A changed
            copy (`with_`) does not have it.

    Raises:
        DataError: for wrong shapes, a NaN or infinite position at a joint that is not missing, scores
            outside 0..1, an impossible frame rate, or timestamps that do not increase.
        LayoutError: if V does not match the layout.
    """

    xyz: np.ndarray
    score: np.ndarray
    layout: SkeletonLayout
    fps: float
    unit: str = "m"
    label: str | None = None
    id: str = ""
    info: Mapping[str, str | int | float] = field(default_factory=dict)
    track_ids: tuple[int, ...] = ()
    time: np.ndarray | None = None
    frame_labels: tuple[str, ...] | None = None
    origin: str = "camera"
    picture: np.ndarray | None = None
    remainder: str | None = field(default=None, init=False)

    def __init__(
        self,
        xyz: np.ndarray,
        score: np.ndarray | None,
        layout: SkeletonLayout | str,
        fps: float,
        unit: str = "m",
        label: str | None = None,
        id: str = "",
        info: Mapping[str, str | int | float] | None = None,
        track_ids: Sequence[int] | None = None,
        time: np.ndarray | None = None,
        frame_labels: Sequence[str] | None = None,
        origin: str = "camera",
        picture: np.ndarray | None = None,
    ) -> None:
        where = f"recording '{id}'" if id else "the recording"
        layout = get_layout(layout)
        xyz = np.array(xyz, dtype=np.float32)
        if xyz.ndim != 4 or xyz.shape[3] not in (2, 3):
            raise DataError(
                f"{where}: xyz must be [people, frames, joints, 2 or 3], got shape {list(xyz.shape)}"
            )
        if xyz.shape[2] != len(layout):
            raise LayoutError(
                f"{where} has {xyz.shape[2]} joints, but layout '{layout.name}' has {len(layout)}; "
                "name the layout that the data has"
            )
        score = np.ones(xyz.shape[:3], np.float32) if score is None else np.array(score, dtype=np.float32)
        if score.shape != xyz.shape[:3]:
            raise DataError(f"{where}: score must be {list(xyz.shape[:3])} like xyz, got {list(score.shape)}")
        if np.isnan(score).any() or (score.size and not (score.min() >= 0 and score.max() <= 1)):
            bad = "NaN" if np.isnan(score).any() else f"{score.min()}..{score.max()}"
            raise DataError(f"{where}: scores must lie in 0..1, got {bad}; use 0 for missing joints")
        missing = score == 0
        xyz[missing] = 0
        if not np.isfinite(xyz).all():
            m, t, v, _ = np.argwhere(~np.isfinite(xyz))[0]
            raise DataError(
                f"{where}: joint '{layout.joints[v]}' of person {m} in frame {t} is not finite; "
                "give it score 0 if it is missing"
            )
        fps = float(fps)
        if not (np.isfinite(fps) and fps > 0):
            raise DataError(f"{where}: fps must be above 0, got {fps}; pass the frame rate of the recording")
        if unit not in UNITS:
            raise DataError(f"{where}: unit '{unit}' is not one of {', '.join(UNITS)}")
        if origin not in ORIGINS:
            raise DataError(f"{where}: {choices(origin, ORIGINS, 'origin')}")
        if picture is not None:
            picture = np.array(picture, dtype=np.float32)
            if picture.shape != (*xyz.shape[:3], 2):
                raise DataError(
                    f"{where}: picture must be {[*xyz.shape[:3], 2]} like xyz, got {list(picture.shape)}"
                )
            picture[missing] = 0
            if not np.isfinite(picture).all():
                raise DataError(f"{where}: a place in the picture is not finite; give its joint score 0")
            picture.flags.writeable = False
        ids = tuple(range(len(xyz))) if track_ids is None else tuple(int(i) for i in track_ids)
        if len(ids) != len(xyz) or len(set(ids)) != len(ids):
            raise DataError(f"{where}: {len(xyz)} people need as many different track ids, got {list(ids)}")
        if time is not None:
            time = np.array(time, dtype=np.float64)
            if time.shape != xyz.shape[1:2] or not np.isfinite(time).all() or (np.diff(time) <= 0).any():
                raise DataError(f"{where}: time must be {xyz.shape[1]} increasing seconds")
            time.flags.writeable = False
        if frame_labels is not None:
            frame_labels = tuple(str(name) for name in frame_labels)
            if len(frame_labels) != xyz.shape[1]:
                raise DataError(f"{where}: {xyz.shape[1]} frames, but {len(frame_labels)} frame labels")
        xyz.flags.writeable = False
        score.flags.writeable = False
        values = dict(
            xyz=xyz, score=score, layout=layout, fps=fps, unit=unit,
            label=None if label is None else str(label), id=str(id), info=dict(info or {}),
            track_ids=ids, time=time, frame_labels=frame_labels,
            origin=origin, picture=picture, remainder=None,
        )  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def n_people(self) -> int:
        """M, how many people the recording holds."""
        return self.xyz.shape[0]

    @property
    def n_frames(self) -> int:
        """T, how many frames the recording has."""
        return self.xyz.shape[1]

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        if self.time is not None and len(self.time):
            return float(self.time[-1] - self.time[0]) + 1 / self.fps
        return self.n_frames / self.fps

    def with_(self, **changes: object) -> Skeleton:
        """A copy with some fields replaced, validated again.

        ``picture`` is left out where other people, frames or joints are given without it.
        """
        xyz = changes.get("xyz")
        if isinstance(xyz, np.ndarray) and xyz.shape[:3] != self.xyz.shape[:3]:
            changes.setdefault("picture", None)
        return replace(self, **changes)

    def with_remainder(self, remainder: str | None) -> Skeleton:
        """The same recording with what its raw file says beyond the people."""
        same = copy.copy(self)
        object.__setattr__(same, "remainder", remainder)
        return same

    def converted(self, layout: SkeletonLayout | str) -> Skeleton:
        """The same recording in another layout, by joint name; joints it lacks are marked missing.

        Raises:
            LayoutError: if the layouts share no joint.
        """
        plan = conversion(self.layout, layout)
        xyz, score = plan.apply(self.xyz, self.score)
        picture = None if self.picture is None else plan.apply(self.picture, self.score)[0]
        return self.with_(xyz=xyz, score=score, layout=plan.target, picture=picture)

    def in_picture(self) -> Skeleton:
        """The same people in the picture: two coordinates in unit ``image``.

        Raises:
            DataError: if their places in the picture are not known.
        """
        if self.unit != "image" and self.picture is None:
            raise DataError(
                f"recording '{self.id}' is in '{self.unit}' and does not say where its joints are in a picture"
            )
        xyz = self.xyz[..., :2] if self.picture is None else self.picture
        return self.with_(xyz=xyz, unit="image", origin="camera", picture=None)

    def mirrored(self) -> Skeleton:
        """The recording as seen in a mirror: first axis turned round, left and right joints swapped.

        Some cameras record mirror images (the colour videos of NTU RGB+D among them).

        Raises:
            DataError: for pixels, if the picture's width is not in ``info``.
        """
        order = list(self.layout.mirror)
        xyz, score = self.xyz[:, :, order].copy(), self.score[:, :, order]
        if self.unit == "px" and "width" not in self.info:
            raise DataError(
                f"recording '{self.id}' is in pixels and does not say its width; it cannot be mirrored"
            )
        edge = {"image": 1.0, "px": float(self.info.get("width", 0))}.get(self.unit, 0.0)
        xyz[..., 0] = (edge - xyz[..., 0]) * (score > 0)
        picture = None if self.picture is None else self.picture[:, :, order] * [-1, 1] + [1, 0]
        return self.with_(xyz=xyz, score=score, picture=picture)

    def __repr__(self) -> str:
        m, t, v, c = self.xyz.shape
        name = f"{self.id!r}, " if self.id else ""
        label = "" if self.label is None else f", label {self.label!r}"
        people = "1 person" if m == 1 else f"{m} people"
        return (
            f"Skeleton({name}{people}, {t} frames at {self.fps:g} fps, {v} joints ({self.layout.name}) x {c} in "
            f"{self.unit}, origin {self.origin}{label})"
        )

    def equals(self, other: Skeleton) -> bool:
        """Whether every field of the two recordings is the same, numbers to the bit."""
        names = ("origin", "layout", "fps", "unit", "label", "id", "track_ids", "frame_labels")
        return (
            np.array_equal(self.xyz, other.xyz)
            and np.array_equal(self.score, other.score)
            and _same(self.time, other.time)
            and _same(self.picture, other.picture)
            and all(getattr(self, n) == getattr(other, n) for n in names)
            and dict(self.info) == dict(other.info)
        )


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b if a is None or b is None else np.array_equal(a, b)


def need_trajectory(origin: str, what: str, name: str = "the data") -> None:
    """Raise `DataError` for origin ``hips`` where the trajectory, or a distance between people, is needed."""
    if origin == "hips":
        raise DataError(
            f"{what} needs to know where people are, but {name} has origin 'hips': each person about their own hips. "
            "Extract the videos again with --coordinates camera (and --fov DEGREES if the camera's field of "
            "view is known)"
        )
