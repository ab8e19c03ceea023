"""PYSKL annotation pickles (Duan et al., ACM MM 2022), read without running what they contain.

``{"split": {name: [ids]}, "annotations": [{"frame_dir", "label", "total_frames", "img_shape",
"keypoint" [M, T, V, C], "keypoint_score" [M, T, V]}]}``
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_file
from skelact.io.original import Bodies, with_original
from skelact.io.reading import Notes, mark_missing, read_bytes
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton

PYSKL_FPS = 30.0
_BY_JOINTS = {(17, 2): "coco17", (25, 3): "ntu25", (18, 2): "openpose18", (17, 3): "h36m17"}

_RELEASED = ((17, 2), (18, 2), (25, 3))  # poses that PYSKL's own networks take


class _Dtype:
    """Stands in for a numpy dtype: its code and byte order, nothing that could hold objects or fields."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?([biuf]\d{1,2}|[SU]\d{1,6}|\?|b1)", code):
            raise pickle.UnpicklingError(f"a numpy dtype other than plain numbers and text ({code!r:.40})")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("a numpy dtype in an odd state")
        if any(s is not None for s in state[2:5]):
            raise pickle.UnpicklingError("a numpy dtype with fields")
        if state[1] in "<>":
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for a numpy array while it is unpickled."""

    array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("a numpy array in an odd state")
        _, shape, dtype, fortran, data = state
        if isinstance(data, list):
            raise pickle.UnpicklingError("a numpy array of Python objects")
        self.array = _from_buffer(data, dtype, shape, "F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):
        data = data.encode("latin-1")
    if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, bytearray)):
        raise pickle.UnpicklingError("a numpy array that is not plain numbers or text")
    return np.frombuffer(data, dtype.dtype).reshape(shape, order=order).copy()


def _scalar(dtype: Any, data: Any = b"") -> Any:
    return _from_buffer(data, dtype, (-1,), "C")[0]


def _encode(text: Any, encoding: Any) -> bytes:
    """What protocol 2 writes for bytes."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise pickle.UnpicklingError("bytes in an odd encoding")
    return text.encode(encoding)


def _no_call(*arguments: Any) -> None:
    raise pickle.UnpicklingError("a class that is only named, called")


# Everything a pickle may name. The numpy entries are stand-ins that check what they are given.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("__builtin__", "frozenset"): frozenset,
    ("builtins", "frozenset"): frozenset,
    ("collections", "OrderedDict"): dict,
    **{(f"numpy.{c}.multiarray", "_reconstruct"): _reconstruct for c in ("core", "_core")},
    **{(f"numpy.{c}.multiarray", "scalar"): _scalar for c in ("core", "_core")},
    **{(f"numpy.{c}.numeric", "_frombuffer"): _from_buffer for c in ("core", "_core")},
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the global '{module}.{name}'") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a persistent id")


def load_plain_pickle(path: str | Path) -> Any:
    """Load a pickle that holds nothing but numpy arrays, numbers, text and plain containers.

    Raises:
        DataError: if it names anything else (which is never imported or run), or is damaged.
    """
    data = read_bytes(path, limit=1 << 36)
    try:
        return _plain(_PlainUnpickler(BytesIO(data)).load())
    except pickle.UnpicklingError as error:
        text = str(error)
        if text.startswith(("the global", "a numpy", "a persistent", "bytes in", "a class")):
            raise DataError(
                f"{path}: refused, the pickle asks for {text}; only numpy arrays, numbers, text and plain "
                "containers are admitted, because a pickle can run any program"
            ) from None
        raise DataError(f"{path}: not a readable pickle ({text})") from None
    except Exception as error:  # a damaged pickle makes the unpickler raise nearly anything
        raise DataError(f"{path}: not a readable pickle ({type(error).__name__}: {error})") from None


def _plain(value: Any, done: dict[int, Any] | None = None, depth: int = 0) -> Any:
    """The value with stand-ins turned into arrays; what is shared or nested without end costs nothing."""
    done = {} if done is None else done
    if id(value) in done:
        return done[id(value)]
    if depth > 50:
        raise ValueError("containers nested more than 50 deep")
    if isinstance(value, _Array):
        result: Any = np.zeros(0) if value.array is None else value.array
    elif isinstance(value, _Dtype):
        result = value.dtype
    elif isinstance(value, dict):
        result = done[id(value)] = {}
        result.update({k: _plain(v, done, depth + 1) for k, v in value.items()})
    elif isinstance(value, list):
        result = done[id(value)] = []
        result.extend(_plain(v, done, depth + 1) for v in value)
    elif isinstance(value, tuple):
        result = tuple(_plain(v, done, depth + 1) for v in value)
    else:
        return value
    done[id(value)] = result
    return result


def read_pyskl(
    path: str | Path,
    layout: SkeletonLayout | str | None = None,
    *,
    fps: float = PYSKL_FPS,
    unit: str | None = None,
    label_names: Sequence[str] | None = None,
    notes: Notes | None = None,
) -> tuple[list[Skeleton], dict[str, list[str]]]:
    """Read a PYSKL pickle.

    Args:
        path: the file.
        layout: None: coco17 for 17 × 2, ntu25 for 25 × 3, openpose18 for 18 × 2, h36m17 for 17 × 3.
        fps: of the recordings; the format does not say.
        unit: None: m for three coordinates, px for two.
        label_names: names of label 0, 1, ...; None: the number itself.
        notes: a line is added for what was mended.

    Returns:
        The recordings, and the named splits as ids. A person is missing where all joints are 0.

    Raises:
        DataError: if the pickle is refused or not of this format.
    """
    where = str(path)
    data = load_plain_pickle(path)
    splits: dict[str, list[str]] = {}
    if isinstance(data, dict):
        if "annotations" not in data:
            raise DataError(f"{where}: no 'annotations'; it has {', '.join(map(str, list(data)[:10]))}")
        named = data.get("split") or {}
        if not isinstance(named, dict) or not all(isinstance(v, (list, tuple)) for v in named.values()):
            raise DataError(f"{where}: 'split' must map names to lists of ids")
        splits = {str(k): [str(i) for i in v] for k, v in named.items()}
        data = data["annotations"]
    if not isinstance(data, (list, tuple)):
        raise DataError(f"{where}: annotations must be a list, got a {type(data).__name__}")
    people = [
        _annotation(a, f"{where} annotation {k}", layout, fps, unit, label_names, notes)
        for k, a in enumerate(data)
    ]
    return people, splits


def _annotation(
    data: Any,
    where: str,
    layout: SkeletonLayout | str | None,
    fps: float,
    unit: str | None,
    label_names: Sequence[str] | None,
    notes: Notes | None,
) -> Skeleton:
    if not isinstance(data, dict) or "keypoint" not in data or "frame_dir" not in data:
        raise DataError(f"{where}: needs a dict with frame_dir, label and keypoint")
    xyz = data["keypoint"]
    if not isinstance(xyz, np.ndarray) or xyz.ndim != 4 or xyz.dtype.kind not in "fiu":
        raise DataError(
            f"{where}: keypoint must be an array of numbers [people, frames, joints, coordinates]"
        )
    score = data.get("keypoint_score")
    if score is not None and (not isinstance(score, np.ndarray) or score.shape != xyz.shape[:3]):
        raise DataError(f"{where}: keypoint_score must be {list(xyz.shape[:3])}")
    if layout is None:
        layout = _BY_JOINTS.get(xyz.shape[2:])
        if layout is None:
            raise DataError(
                f"{where}: {xyz.shape[2]} joints in {xyz.shape[3]}D are of no known layout; name one"
            )
    layout = get_layout(layout)
    poses, sure = xyz, score
    xyz, score = mark_missing(xyz, score, where, notes)
    label = data.get("label")
    if isinstance(label, (int, np.integer)) and label_names is not None:
        if not 0 <= label < len(label_names):
            raise DataError(
                f"{where}: label {label} has no name; there are names for 0..{len(label_names) - 1}"
            )
        label = label_names[int(label)]
    info: dict[str, str | int | float] = {}
    shape = data.get("img_shape")
    if isinstance(shape, (tuple, list)) and len(shape) == 2:
        try:
            info = {"height": int(shape[0]), "width": int(shape[1])}
        except (TypeError, ValueError):
            raise DataError(f"{where}: img_shape must be (height, width), got {shape!r}"[:300]) from None
    unit = unit or ("m" if xyz.shape[3] == 3 else "px")
    name = str(data["frame_dir"])
    skeleton = Skeleton(xyz, score, layout, fps, unit, None if label is None else str(label), name, info)
    if poses.shape[2:] not in _RELEASED:
        return skeleton
    bodies = _bodies(poses, sure)
    return with_original(skeleton, bodies, bodies.body)


def _bodies(poses: np.ndarray, score: np.ndarray | None) -> Bodies:
    """Every pose of every frame as it is in the file: x y z, or x y score."""
    m, t, v, c = poses.shape
    if c == 2:
        score = np.ones(poses.shape[:3]) if score is None else score
        poses = np.concatenate([poses, score[..., None]], -1)
    values = poses.transpose(1, 0, 2, 3).reshape(t * m, v, poses.shape[3]).astype(np.float32)
    return Bodies("pyskl", t, np.repeat(np.arange(t), m), np.tile(np.arange(m), t), values)


def write_pyskl(
    path: str | Path,
    skeletons: Iterable[Skeleton],
    splits: Mapping[str, Sequence[str]] | None = None,
    label_names: Sequence[str] | None = None,
) -> None:
    """Write a PYSKL pickle; missing joints become 0 with score 0.

    Args:
        path: the file.
        skeletons: the recordings; clips without a label are an error.
        splits: named parts as ids.
        label_names: class order; None: the sorted labels that occur (numbers in order of size).

    Raises:
        DataError: for a recording without a label, or if the file cannot be written.
    """
    skeletons = list(skeletons)
    for s in skeletons:
        if s.label is None:
            raise DataError(f"{path}: recording '{s.id}' has no label, which this format needs")
    labels = {str(s.label) for s in skeletons}
    if label_names is None:
        label_names = sorted(labels, key=lambda v: (not v.isdigit(), int(v) if v.isdigit() else 0, v))
    unknown = labels - set(label_names)
    if unknown:
        raise DataError(f"{path}: labels {', '.join(sorted(unknown))} are not among the label names")
    number = {name: k for k, name in enumerate(label_names)}
    annotations = []
    for s in skeletons:
        entry: dict[str, Any] = {
            "frame_dir": s.id,
            "label": number[str(s.label)],
            "total_frames": s.n_frames,
            "keypoint": np.array(s.xyz),
            "keypoint_score": np.array(s.score),
        }
        if "height" in s.info and "width" in s.info:
            entry["img_shape"] = entry["original_shape"] = (int(s.info["height"]), int(s.info["width"]))
        annotations.append(entry)
    data = {"split": {k: list(v) for k, v in (splits or {}).items()}, "annotations": annotations}
    write_file(path, pickle.dumps(data, protocol=4))
