"""Small ONNX models with known answers: joints are where the red, the green and the blue of a picture are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - what may be missing

MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


class Graph:
    """Nodes one after the other; every method gives the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def const(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def number(self, value: Any) -> str:
        return self.const(np.asarray(value, np.float32))

    def op(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        name = out or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def save(self, path: Path, shape: Sequence[int | str], kind: str, outputs: Sequence[str]) -> Path:
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("images", TYPES[kind], shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs], self.constants,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, str(path))
        return path


def yolo(
    path: Path,
    size: tuple[int, int] = (160, 192),
    form: str = "anchors",
    kind: str = "float32",
    n_joints: int = 17,
    scores: tuple[float, float] = (0.9, 0.6),
) -> Path:
    """Two people, in the left and the right half: joint j lies in the middle of what is bright in channel j % 3.

    Each is found twice in the same place, and there is rubbish with the score 0.05.
    """
    height, width = size
    g = Graph()
    x = g.op("Cast", "images", to=TensorProto.FLOAT)
    if kind == "uint8":
        x = g.op("Div", x, g.number(255))
    bright = g.op("Relu", g.op("Sub", x, g.number(0.5)))
    half = np.zeros((2, 1, height, width), np.float32)
    half[0, ..., : width // 2], half[1, ..., width // 2 :] = 1, 1
    bright = g.op("Mul", bright, g.const(half))
    axes = g.const(np.array([2, 3]))
    total = g.op("Add", g.op("ReduceSum", bright, axes, keepdims=0), g.number(1e-6))
    places = []
    for grid in (np.arange(width).reshape(1, -1), np.arange(height).reshape(-1, 1)):
        part = g.op("Mul", bright, g.number(np.broadcast_to(grid + 0.5, (1, 1, height, width))))
        places.append(g.op("Div", g.op("ReduceSum", part, axes, keepdims=0), total))  # [2, 3]
    pick = g.const(np.arange(n_joints) % 3)
    last = g.const(np.array([2]))
    parts = [g.op("Unsqueeze", g.op("Gather", one, pick, axis=1), last) for one in places]
    joints = g.op("Concat", *parts, g.number(np.full((2, n_joints, 1), 0.8)), axis=2)
    joints = g.op("Reshape", joints, g.const(np.array([2, 3 * n_joints])))
    middle = [g.op("ReduceMean", one, axes=[1], keepdims=1) for one in places]
    if form == "people":
        low = [g.op("Sub", one, g.number(20)) for one in middle]
        high = [g.op("Add", one, g.number(20)) for one in middle]
        box, extra = [*low, *high], [g.number(np.zeros((2, 1)))]
    else:
        box, extra = [*middle, g.number(np.full((2, 2), 40))], []
    rows = [
        g.op("Concat", *box, g.number(np.array([[s] for s in certain])), *extra, joints, axis=1)
        for certain in ((scores, tuple(0.9 * s for s in scores), (0.05, 0.05)))
    ]
    rows = rows[::2] if form == "people" else rows
    found = g.op("Unsqueeze", g.op("Concat", *rows, axis=0), g.const(np.array([0])))
    if form == "anchors":
        g.op("Transpose", found, out="out", perm=[0, 2, 1])
    else:
        g.op("Identity", found, out="out")
    return g.save(path, (1, 3, height, width), kind, ["out"])


def crops(
    path: Path,
    size: tuple[int, int] = (64, 48),
    form: str = "simcc",
    n_joints: int = 17,
    batch: int | str = "n",
    swapped: bool = False,
) -> Path:
    """Joint j is where channel j % 3 is brightest; its score is that brightness, 0..1."""
    height, width = size
    g = Graph()
    shape = (1, 3, 1, 1)
    x = g.op("Mul", "images", g.number((STD / 255).reshape(shape)))
    x = g.op("Add", x, g.number((MEAN / 255).reshape(shape)))
    x = g.op("Gather", x, g.const(np.arange(n_joints) % 3), axis=1)
    if form == "heatmap":
        x = g.op("Gather", x, g.const(np.arange(0, height, 4)), axis=2)
        g.op("Gather", x, g.const(np.arange(0, width, 4)), axis=3, out="maps")
        return g.save(path, (batch, 3, height, width), "float32", ["maps"])
    for axis, side, name in ((2, width, "simcc_x"), (3, height, "simcc_y")):
        line = g.op("ReduceMax", x, axes=[axis], keepdims=0)
        g.op("Gather", line, g.const(np.arange(2 * side) // 2), axis=2, out=name)
    names = ["simcc_y", "simcc_x"] if swapped else ["simcc_x", "simcc_y"]
    return g.save(path, (batch, 3, height, width), "float32", names)


def constant(path: Path, value: np.ndarray, shape: Sequence[int | str] = ("n", 3, "h", "w")) -> Path:
    """Always the same answer, whatever the picture."""
    g = Graph()
    nothing = g.op("Mul", g.op("ReduceMean", "images", keepdims=0), g.number(0))
    g.op("Add", g.number(value), nothing, out="out")
    return g.save(path, shape, "float32", ["out"])


def spots(size: tuple[int, int], places: np.ndarray, sigma: float = 3.0) -> np.ndarray:
    """A black picture with soft spots.

    Args:
        size: height and width.
        places: ``[n, 3, 2]`` x and y in pixels, counted from the corner, of red, green and blue spots.
        sigma: of the spots, in pixels.
    """
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    picture = np.zeros((*size, 3))
    for person in np.asarray(places, float):
        for channel, (at_x, at_y) in enumerate(person):
            spot = 255 * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 2 / sigma**2)
            picture[..., channel] = np.maximum(picture[..., channel], spot)
    return picture.round().astype(np.uint8)
