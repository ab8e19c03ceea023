"""``.pose`` files of the sign language community (the package ``pose-format``), versions 0.1 and 0.2, read and written.

A file names components (MediaPipe Holistic's pose, face and hands; OpenPose's; ...), the points of each, the lines
between them, and then holds positions and confidences of every frame as float32. Points become joints by the names
of component and point; confidence 0 is missing. Positions stay what they are in the file: pixels in x and y, and
whatever the estimator gives in z (MediaPipe: shares of the picture's width).

Source: the specification in the repository sign-language-processing/pose (v0.1, v0.2).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_file
from skelact.io.holistic import place_in_folder
from skelact.io.pose_names import choose_layout, component_names, joint_name
from skelact.io.reading import Notes, mark_missing, read_bytes
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton

_VERSION = 0.2
_MOST_U16 = (1 << 16) - 1


@dataclass(frozen=True)
class PoseComponent:
    """One part of a ``.pose`` file.

    Args:
        name: such as ``LEFT_HAND_LANDMARKS``.
        points: their names.
        limbs: pairs of points that a line joins.
        colors: red, green, blue of lines or points.
        format: letters of the values, ``XYC`` or ``XYZC``.
    """

    name: str
    points: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...] = ()
    colors: tuple[tuple[int, int, int], ...] = ((255, 0, 0),)
    format: str = "XYZC"


@dataclass(frozen=True)
class PoseFile:
    """What a ``.pose`` file says.

    Args:
        size: width, height and depth of the picture.
        components: in the order of the points.
        fps: frames per second.
        data: positions ``[T, M, V, C]`` float32.
        confidence: ``[T, M, V]`` float32; 0: the point is not there.
        version: of the format.
    """

    size: tuple[int, int, int]
    components: tuple[PoseComponent, ...]
    fps: float
    data: np.ndarray
    confidence: np.ndarray
    version: float = _VERSION


class _Bytes:
    """A file's bytes, taken from the front; what would go beyond its end is refused before room is made for it."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where, self.at = data, where, 0

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int, what: str) -> bytes:
        if size > self.left():
            raise DataError(
                f"{self.where}: {what} needs {size} bytes at {self.at}, and {self.left()} are left; is it cut off?"
            )
        self.at += size
        return self.data[self.at - size : self.at]

    def numbers(self, form: str, what: str) -> tuple:
        return struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}"), what))

    def text(self, what: str) -> str:
        (length,) = self.numbers("H", what)
        try:
            return self.take(length, what).decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{self.where}: {what} is not UTF-8 text; the file is damaged") from None

    def floats(self, shape: Sequence[int], what: str) -> np.ndarray:
        content = self.take(math.prod(shape) * 4, what)
        return np.frombuffer(content, "<f4").reshape(shape).astype(np.float32)


def parse_pose(data: bytes, where: str, notes: Notes | None = None) -> PoseFile:
    """Read the content of a ``.pose`` file.

    Raises:
        DataError: if it is of another version or kind, cut off, or claims more than it holds.
    """
    file = _Bytes(data, where)
    version = round(file.numbers("f", "the version")[0], 3)
    if version not in (0.1, 0.2):
        raise DataError(f"{where} is no .pose file of version 0.1 or 0.2 (it says {version:g})")
    size = file.numbers("HHH", "the picture's size")
    components = tuple(_component(file) for _ in range(file.numbers("H", "the number of components")[0]))
    n_points = sum(len(c.points) for c in components)
    dims = max((len(c.format) for c in components), default=1) - 1
    if not n_points or dims not in (2, 3):
        raise DataError(f"{where}: {n_points} points of {dims} coordinates; 2 or 3 are read")
    if version == 0.1:
        fps, _, people = file.numbers("HHH", "the body's head")
        # In this version the number of frames is too small a number for long recordings; the size says it.
        frames, rest = divmod(file.left(), max(people * n_points * (dims + 1) * 4, 1))
        if rest:
            raise DataError(f"{where}: {file.left()} bytes are no whole number of frames; is it cut off?")
    else:
        fps, frames, people = file.numbers("fIH", "the body's head")
    if people == 0 or frames == 0:
        raise DataError(f"{where} holds {frames} frames of {people} people; nothing can be read from it")
    need = frames * people * n_points * (dims + 1) * 4
    if need > file.left():
        raise DataError(
            f"{where}: {frames} frames of {people} people and {n_points} points need {need} bytes, and {file.left()} "
            "are left; is it cut off?"
        )
    positions = file.floats((frames, people, n_points, dims), "the positions")
    confidence = file.floats((frames, people, n_points), "the confidences")
    if file.left() and notes is not None:
        notes.append(f"{file.left()} bytes behind the last frame are left out")
    return PoseFile(size, components, float(fps), positions, confidence, version)


def _component(file: _Bytes) -> PoseComponent:
    name, form = file.text("a component's name"), file.text("a component's format")
    n_points, n_limbs, n_colors = file.numbers("HHH", f"component {name[:40]!r}")
    if not form.endswith("C"):
        raise DataError(f"{file.where}: component {name[:40]!r} has the format {form[:9]!r}, not XYC or XYZC")
    points = tuple(file.text("a point's name") for _ in range(n_points))
    limbs = file.numbers("H" * 2 * n_limbs, "the lines")
    colors = file.numbers("H" * 3 * n_colors, "the colours")
    return PoseComponent(
        name, points, tuple(zip(limbs[::2], limbs[1::2], strict=True)),
        tuple(zip(colors[::3], colors[1::3], colors[2::3], strict=True)), form,
    )  # fmt: skip


def format_pose(pose: PoseFile) -> bytes:
    """The content of a ``.pose`` file, version 0.2.

    Raises:
        DataError: for numbers or names that the format has no room for.
    """
    try:
        parts = [struct.pack("<fHHHH", _VERSION, *pose.size, len(pose.components))]
        for c in pose.components:
            parts += [_text(c.name), _text(c.format)]
            parts.append(struct.pack("<HHH", len(c.points), len(c.limbs), len(c.colors)))
            parts += [_text(point) for point in c.points]
            parts.append(np.array([*c.limbs], "<u2").tobytes() + np.array([*c.colors], "<u2").tobytes())
        parts.append(struct.pack("<fIH", pose.fps, *pose.data.shape[:2]))
    except (struct.error, OverflowError) as error:
        raise DataError(f"a .pose file has no room for this recording ({error})") from None
    return b"".join([*parts, pose.data.astype("<f4").tobytes(), pose.confidence.astype("<f4").tobytes()])


def _text(text: str) -> bytes:
    content = text.encode("utf-8")
    return struct.pack("<H", len(content)) + content


def read_pose(
    path: str | Path,
    layout: SkeletonLayout | str | None = None,
    *,
    fps: float | None = None,
    label: str | None = None,
    id: str | None = None,
    notes: Notes | None = None,
) -> Skeleton:
    """Read a ``.pose`` file.

    Args:
        path: the file.
        layout: what its joints become, by name; None: ``pose_hands75`` for MediaPipe Holistic (without the face;
            ``holistic543`` keeps it), else the layout that takes most of its joints (`choose_layout`).
        fps: where the file says 0.
        label: of the recording.
        id: of the recording; None: the file's name.
        notes: lines are added for what was dropped.

    Returns:
        the recording in unit ``px``; the picture's width and height are in its info. Metres of MediaPipe's
        ``POSE_WORLD_LANDMARKS`` are left out.

    Raises:
        DataError: as `parse_pose`, and if no joint of it is known.
        LayoutError: for an unknown layout.
    """
    where = str(path)
    pose = parse_pose(read_bytes(path, 1 << 32), where, notes)
    names: dict[str, int] = {}
    unknown = []
    points = [(c.name, point) for c in pose.components for point in c.points]
    for k, (component, point) in enumerate(points):
        joint = joint_name(component, point)
        if joint is None:
            unknown.append(component)
        elif joint != "":
            names.setdefault(joint, k)
    target = get_layout(layout) if layout is not None else choose_layout(names, where, pose.components)
    if unknown and notes is not None:
        parts = ", ".join(dict.fromkeys(unknown))
        notes.append(f"{len(unknown)} points of {parts} have no name here and are left out")
    source = SkeletonLayout("pose_file", tuple(names), (-1,) * len(names))
    columns = list(names.values())
    xyz, score = mark_missing(
        pose.data[:, :, columns].transpose(1, 0, 2, 3),
        pose.confidence[:, :, columns].transpose(1, 0, 2),
        where, notes, zeros=False,
    )  # fmt: skip
    rate = pose.fps if pose.fps > 0 and math.isfinite(pose.fps) else fps
    if rate is None:
        raise DataError(f"{where} gives {pose.fps:g} frames per second; say how many it has (fps)")
    info = {"width": pose.size[0], "height": pose.size[1]} if pose.size[0] and pose.size[1] else {}
    skeleton = Skeleton(xyz, score, source, rate, "px", label, id or Path(path).stem, info)
    if skeleton.layout.joints == target.joints:
        return skeleton.with_(layout=target)
    return skeleton.converted(target)


def write_pose(skeleton: Skeleton, path: str | Path) -> Path:
    """Write one recording as a ``.pose`` file (version 0.2), whole or not at all.

    MediaPipe's layouts get the components of Holistic, by which other software knows them; any other layout is one
    component of its own name. Unit ``px`` is written as it is, ``image`` times the picture's size; a recording in
    metres is written as it is seen in the picture, in two coordinates. Label, track ids and timestamps have no place
    in the format.

    Raises:
        DataError: if places in the picture, or its size, are needed and not known; if it cannot be written.
    """
    if skeleton.unit == "m":
        skeleton = skeleton.in_picture()
    elif skeleton.unit == "unknown":
        raise DataError(f"recording '{skeleton.id}' has no unit; .pose files hold pixels: give it unit px")
    xyz, info = skeleton.xyz, skeleton.info
    size = [float(info.get(key, 0)) for key in ("width", "height")]
    if skeleton.unit == "image":
        if not min(size) > 0:
            raise DataError(
                f"recording '{skeleton.id}' does not say its picture's width and height, which .pose files need"
            )
        xyz = xyz * np.array([*size, 1][: xyz.shape[3]], np.float32)
    elif not min(size) > 0:
        size = [float(xyz[..., k].max(initial=1)) for k in (0, 1)]
    whole = [min(max(math.ceil(side), 1), _MOST_U16) for side in size]
    form = "XYC" if xyz.shape[3] == 2 else "XYZC"
    return write_file(
        path,
        format_pose(
            PoseFile(
                (whole[0], whole[1], 0),
                _components(skeleton.layout, form),
                skeleton.fps,
                xyz.transpose(1, 0, 2, 3),
                skeleton.score.transpose(1, 0, 2),
            )
        ),
    )


def _components(layout: SkeletonLayout, form: str) -> tuple[PoseComponent, ...]:
    """A layout's joints, in their order, as components."""
    result, start = [], 0
    for name, points in component_names(layout):
        rows = range(start, start + len(points))
        limbs = tuple((b - start, a - start) for a, b in layout.edges if a in rows and b in rows)
        result.append(PoseComponent(name, tuple(points), limbs, format=form))
        start += len(points)
    return tuple(result)


def read_pose_files(path: Path, options: Any) -> Iterable[Skeleton]:
    """The reader for the table of formats, which takes id and label from the folders (`place_in_folder`)."""
    id, label = place_in_folder(path, options.root)
    return [read_pose(path, options.layout, fps=options.fps, label=label, id=id, notes=options.notes)]
