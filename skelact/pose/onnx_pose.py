"""A pose model of the user's own in an ONNX file, like YOLO-pose (everybody at once) or RTMPose (one person a crop)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import ConfigError, DependencyError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.pose.estimator import Detection
from skelact.pose.movenet import QUALITY, MoveNetPose
from skelact.pose.onnx_outputs import (
    ALLOWED,
    MOST_PEOPLE,
    Output,
    as_people,
    crop_box,
    keep_distinct,
    read_heatmaps,
    read_simcc,
    tell_output,
)
from skelact.pose.search import most_prominent, name_people
from skelact.pose.tracking import PoseTracker

MIN_SCORE = 0.25  # of a person
_GREY = 114  # of the borders that YOLO is trained with
_FREE = {"detections": (640, 640), "crops": (256, 192)}  # height and width for models that leave them open
_MEAN, _STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])  # ImageNet's, RGB
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class OnnxModel:
    """The network alone, on one core of the CPU.

    Args:
        path: the ``.onnx`` file; its input is one picture ``[n, 3, H, W]``: float32, float16 or uint8. Floats are
            scaled to 0..1 for YOLO-pose and by ImageNet's mean and spread for RTMPose; uint8 is not scaled.
        layout: of its joints.
        quality: ``lite``, ``full`` or ``heavy``: of a YOLO-pose model that leaves its input's size open, 480, 640 or
            960 pixels.

    Raises:
        DependencyError: if onnxruntime is missing, or the file is no ONNX model.
        ConfigError: if it is another kind of model, or has another number of joints.
    """

    def __init__(self, path: str | PathLike[str], layout: SkeletonLayout, quality: str = "full") -> None:
        try:
            import onnxruntime
        except ImportError:
            raise DependencyError(
                "ONNX models run on onnxruntime, which is not installed: pip install 'skelact[onnx]'"
            ) from None
        self.name = Path(path).name
        if not Path(path).is_file():
            raise DependencyError(f"there is no model file {path}; name the .onnx file with --estimator")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # one worker process per core
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no class of their own in common
            raise DependencyError(
                f"{path} cannot be used as an ONNX model: {_first_line(error)}; export it anew, or check that it was "
                "copied whole"
            ) from None
        self._read_input()
        self.output = self._find_output(layout, quality)

    def _read_input(self) -> None:
        inputs = self._session.get_inputs()
        shapes = ", ".join(f"{one.name} {one.shape} {one.type}" for one in inputs)
        shape = inputs[0].shape if len(inputs) == 1 else []
        fixed = [side for side in shape[2:] if isinstance(side, int)]
        fits = len(shape) == 4 and (shape[1] == 3 or not isinstance(shape[1], int))
        if not fits or inputs[0].type not in _TYPES or len(fixed) == 1:
            raise ConfigError(
                f"{self.name} takes {shapes or 'nothing'}; a pose model takes one picture [n, 3, height, width] of "
                "float32, float16 or uint8: export it so"
            )
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        self._fixed: tuple[int, int] | None = (fixed[0], fixed[1]) if fixed else None
        self._one_by_one = isinstance(shape[0], int)

    def _find_output(self, layout: SkeletonLayout, quality: str) -> Output:
        """Look at a blank picture and see what comes out."""
        fixed, share = self._fixed is not None, QUALITY[quality] / QUALITY["full"]
        tried: list[tuple[tuple[int, int], list[tuple[int, ...]]]] = []
        for kind, (height, width) in _FREE.items():
            self.size = self._fixed or (height, width)
            try:
                shapes = [one.shape for one in self._run(np.zeros((1, 3, *self.size), self._type))]
            except Exception as error:
                raise ConfigError(f"{self.name} fails on a blank picture: {_first_line(error)}") from None
            tried.append((self.size, shapes))
            output = tell_output(shapes, self.size, len(layout))
            if output is None or not (fixed or output.whole == (kind == "detections")):
                continue
            if output.n_joints != len(layout):
                raise ConfigError(
                    f"{self.name} has {output.n_joints} joints, but the layout '{layout.name}' has {len(layout)}; name "
                    "the layout of the model's joints: --pose-layout NAME or FILE.yaml (keys name, joints, bones)"
                )
            if output.whole and not fixed:
                self.size = (round(height * share), round(width * share))
            elif output.whole and quality != "full":
                raise ConfigError(
                    f"{self.name} looks at {self.size[1]}x{self.size[0]} pixels whatever the quality; leave --quality "
                    "out, or export it with a free size"
                )
            return output
        raise ConfigError(
            f"{self.name} is no pose model that is known: for {tried[0][0][1]}x{tried[0][0][0]} pixels it gives "
            f"{', '.join(str(list(shape)) for shape in tried[0][1])}; {ALLOWED}"
        )

    def _run(self, pictures: np.ndarray) -> list[np.ndarray]:
        return self._session.run(None, {self._input: pictures.astype(self._type, copy=False)})

    def find(self, image: np.ndarray, min_score: float = MIN_SCORE) -> list[Detection]:
        """Everybody in ``image [H, W, 3]`` uint8 RGB, surest first; for models that look at the whole picture."""
        import cv2

        height, width = image.shape[:2]
        scale = min(self.size[0] / height, self.size[1] / width)
        inner = np.maximum(np.round(np.array([width, height]) * scale).astype(int), 1)
        left, top = (np.array(self.size[::-1]) - inner) // 2
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture = np.full((*self.size, 3), _GREY, np.uint8)
        picture[top : top + inner[1], left : left + inner[0]] = cv2.resize(
            np.ascontiguousarray(image), (int(inner[0]), int(inner[1])), interpolation=how
        )
        given = picture.transpose(2, 0, 1)[None]
        found = self._run(given if self._type is np.uint8 else given / np.float32(255))[0][0]
        found = found.astype(np.float32)
        if self.output.kind == "anchors":
            rows = keep_distinct(found if self.output.turned else found.T, min_score)
            joints = rows[:, 5:]
        else:
            rows = found[found[:, 4] >= min_score]
            joints = rows[np.argsort(-rows[:, 4])][:MOST_PEOPLE, 6:]
        people = joints.reshape(len(joints), self.output.n_joints, 3)
        return as_people((people[..., :2] - [left, top]) / inner, people[..., 2])

    def read(self, image: np.ndarray, boxes: Sequence[np.ndarray]) -> list[Detection]:
        """The person in each box of ``image [H, W, 3]`` uint8 RGB; for models that look at crops.

        Args:
            image: the picture.
            boxes: ``[x0, y0, x1, y1]`` in pixels, as large as the crops shall be at least.
        """
        import cv2

        if not len(boxes):
            return []
        high, wide = self.size
        crops, backs = [], []
        for box in boxes:
            scale = min(wide / max(box[2] - box[0], 1), high / max(box[3] - box[1], 1))
            # The middle of the box comes to the middle of the crop; pixels are counted by their centres.
            shift = (np.array([wide, high]) - 1) / 2 - scale * ((box[:2] + box[2:]) / 2 - 0.5)
            matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
            crops.append(cv2.warpAffine(np.ascontiguousarray(image), matrix, (wide, high)))
            backs.append((scale, shift))
        given = np.stack(crops).astype(np.float32)
        if self._type is not np.uint8:
            given = (given - _MEAN) / _STD
        given = np.ascontiguousarray(given.transpose(0, 3, 1, 2))
        parts = [given[i : i + 1] for i in range(len(given))] if self._one_by_one else [given]
        done = [self._run(part) for part in parts]
        outputs = [np.concatenate(one).astype(np.float32) for one in zip(*done, strict=True)]
        if self.output.kind == "simcc":
            x, y = reversed(outputs) if self.output.turned else outputs
            points, score = read_simcc(x, y, self.size)
        else:
            points, score = read_heatmaps(outputs[0], self.size)
        picture = [image.shape[1], image.shape[0]]
        xy = [(p - shift) / scale for p, (scale, shift) in zip(points, backs, strict=True)]
        return as_people((np.stack(xy) + 0.5) / picture, score, keep_all=True)


class OnnxPose:
    """A model of the user's own with identities: a `PoseEstimator` in fractions of the picture.

    Models that look at crops are shown those whom MoveNet finds; without MoveNet the whole picture, and then where
    the one person was.

    Args:
        path, layout, quality: see `OnnxModel`; the quality is MoveNet's, too.
        people: ``one``: only the most prominent person is kept; else all.
        min_score: people found less surely are dropped, 0..1; None: `MIN_SCORE`.
        movenet: MoveNet's file, if it is not to be fetched.
        keep_seconds: how long a person who is not seen keeps their identity.

    Raises:
        DependencyError: if onnxruntime is missing, the file is no ONNX model, or MoveNet cannot be had for several
            people.
        ConfigError: if it is another kind of model, or has another number of joints.
    """

    follows = True
    unit = "image"

    def __init__(
        self,
        path: str | PathLike[str],
        layout: str | SkeletonLayout,
        *,
        people: str = "many",
        quality: str = "full",
        min_score: float | None = None,
        movenet: str | PathLike[str] | None = None,
        keep_seconds: float = 2.0,
    ) -> None:
        self.layout = get_layout(layout)
        self._min_score = MIN_SCORE if min_score is None else min_score
        self._net: OnnxModel | None = OnnxModel(path, self.layout, quality)
        self._tracker = PoseTracker(keep_seconds=keep_seconds)
        self._one = people == "one"
        self._last_id: int | None = None
        self._last: tuple[float, np.ndarray] | None = None  # when and where the one person was
        self._keep_seconds, self._finder = keep_seconds, None
        if not self._net.output.whole:
            try:
                self._finder = MoveNetPose(
                    people=people, size=QUALITY[quality], min_score=self._min_score, model=movenet
                )
            except DependencyError as error:
                if not self._one or movenet is not None:
                    raise DependencyError(
                        f"{self._net.name} reads one person in a crop; who is there is found by MoveNet: {error}. "
                        "Or look for one person in the whole picture: --people one"
                    ) from error

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        """Find people in ``image [H, W, 3]`` uint8 RGB, taken at ``time`` seconds (increasing)."""
        net = self._net
        if net is None:
            raise ConfigError("this estimator is closed; make a new one")
        if net.output.whole:
            found = net.find(image, self._min_score)
            people = name_people(self._tracker, found, image, time, self.layout)
            if self._one and people:
                people = most_prominent(people, image, self._last_id)
                self._last_id = people[0].track_id
            return people
        if self._finder is not None:
            there = self._finder.estimate(image, time)
            read = net.read(image, [crop_box(one.box, image) for one in there])
            named = [replace(r, track_id=one.track_id) for r, one in zip(read, there, strict=True)]
            return [one for one in named if (one.score > 0).any()]
        return self._follow(net, image, time)

    def _follow(self, net: OnnxModel, image: np.ndarray, time: float) -> list[Detection]:
        """The one person, where they were or in the whole picture."""
        boxes = [np.array([0, 0, image.shape[1], image.shape[0]], float)]
        if self._last is not None and time - self._last[0] < self._keep_seconds:
            boxes.insert(0, crop_box(self._last[1], image))
        for box in boxes:
            (one,) = net.read(image, [box])
            if one.score.mean() >= self._min_score:
                self._last = time, one.box
                return name_people(self._tracker, [one], image, time, self.layout)
        self._last = None
        return []

    def close(self) -> None:
        """Release the models; harmless when called twice."""
        self._net = self._last = None
        if self._finder is not None:
            self._finder.close()

    def __enter__(self) -> OnnxPose:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
