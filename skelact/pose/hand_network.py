"""MediaPipe's hand landmark network by itself: a square picture of one hand in, 21 joints out.

The landmarker of MediaPipe's Tasks API runs it only where its palm detector found a palm. Here it is given the square.
It runs on LiteRT where that is installed (`skelact[movenet]`), else in the OpenCV that MediaPipe brings, with the same
numbers (to 1e-3 of a pixel) and about five times slower.

Source: MediaPipe Hands (Zhang et al., 2020): the region of interest that a hand's own joints give for the next frame.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from skelact.errors import DependencyError
from skelact.pose.quiet import quiet_stderr

SIDE = 224  # pixels of the network's input
_MEMBER = "hand_landmarks_detector.tflite"
_DEPTH_SCALE = 0.4  # the network's depths are so much larger than its other coordinates
# Wrist, roots and first joints of the fingers: of these a hand's place is made, as curled tips would move it.
_FIRM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
_AROUND, _FORWARD = (
    2.0,
    0.1,
)  # the square's side and its shift towards the fingers, in sides of the firm joints' box


@dataclass(frozen=True)
class Square:
    """A turned square in a picture, whose upper side is where the fingers point.

    Args:
        centre: ``[2]`` pixels.
        side: pixels.
        angle: radians by which it is turned clockwise (as seen; y runs down).
    """

    centre: np.ndarray
    side: float
    angle: float

    @property
    def axes(self) -> np.ndarray:
        """Columns: its right and its down in the picture ``[2, 2]``."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])


@dataclass(frozen=True, eq=False)
class HandReading:
    """One hand.

    Args:
        points: ``[21, 3]`` x and y in pixels of the picture; z in pixels, from the wrist.
        world: ``[21, 3]`` metres about the hand's middle, x right and y down in the picture.
        presence: how sure the network is that the square shows a hand, 0..1.
    """

    points: np.ndarray
    world: np.ndarray
    presence: float


def square_of_hand(points: np.ndarray) -> Square:
    """Where to look for a hand whose joints ``[21, 2 or 3]`` in pixels are known."""
    xy = np.asarray(points, np.float64)[:, :2]
    forward = ((xy[5] + xy[13]) / 2 + xy[9]) / 2 - xy[0]
    angle = float(np.arctan2(forward[0], -forward[1]))
    square = Square(np.zeros(2), 1.0, angle)
    own = xy[_FIRM] @ square.axes
    low, high = own.min(0), own.max(0)
    long = float((high - low).max())
    middle = (low + high) / 2 - [0, _FORWARD * (high - low)[1]]
    return Square(square.axes @ middle, _AROUND * long, angle)


class HandNetwork:
    """The network.

    Args:
        bundle: ``hand_landmarker_full.task``, or another that holds it.
        threads: that LiteRT uses; the numbers are the same.

    Attributes:
        fast: whether it takes less time than the palm detector.

    Raises:
        DependencyError: if the bundle does not hold it, or neither LiteRT nor OpenCV can run it.
    """

    def __init__(self, bundle: str | PathLike[str], threads: int = 1) -> None:
        try:
            with zipfile.ZipFile(bundle) as file:
                content = file.read(_MEMBER)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise DependencyError(
                f"{Path(bundle)} does not hold {_MEMBER} ({error}); delete it to have it fetched anew, or give another"
            ) from error
        run = _litert(content, threads)
        self.fast = run is not None
        self._run = run or _opencv(content)

    def read(self, image: np.ndarray, square: Square) -> HandReading:
        """The hand in a square of ``image [H, W, 3]`` uint8 RGB; ask its presence whether there is one."""
        import cv2

        scale = square.side / SIDE
        axes = square.axes * scale
        corner = square.centre - axes @ np.full(2, SIDE / 2)
        # Beyond the picture its border goes on, as in MediaPipe: hands that it cuts off are read differently else.
        crop = cv2.warpAffine(
            image, np.column_stack([axes, corner]), (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        own, presence, _, world = self._run(crop.astype(np.float32)[None] / 255)
        own, world = own.reshape(21, 3), world.reshape(21, 3)
        points = np.empty((21, 3), np.float32)
        points[:, :2] = own[:, :2] @ axes.T + corner
        points[:, 2] = own[:, 2] * scale / _DEPTH_SCALE
        metres = world.astype(np.float32)
        metres[:, :2] = world[:, :2] @ square.axes.T
        return HandReading(points, metres, float(presence.ravel()[0]))


_Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


def _litert(content: bytes, threads: int) -> _Run | None:
    """What runs the network on LiteRT, or None where that is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return None
    try:
        with quiet_stderr():
            network = Interpreter(model_content=content, num_threads=threads)
            network.allocate_tensors()
    except (ValueError, RuntimeError):  # no model: OpenCV will say so
        return None
    place = network.get_input_details()[0]["index"]
    outputs = [o["index"] for o in sorted(network.get_output_details(), key=lambda o: o["name"])]

    def run(x: np.ndarray) -> tuple[np.ndarray, ...]:
        network.set_tensor(place, x)
        network.invoke()
        return tuple(network.get_tensor(k) for k in outputs)

    return run  # pyright: ignore[reportReturnType]


def _opencv(content: bytes) -> _Run:
    """What runs the network in OpenCV."""
    try:
        import cv2

        network = cv2.dnn.readNetFromTFLite(np.frombuffer(content, np.uint8))
        names = sorted(network.getUnconnectedOutLayersNames())
    except Exception as error:  # cv2.error, or an OpenCV that cannot read such files
        raise DependencyError(
            f"the hand network runs neither on LiteRT (pip install 'skelact[movenet]') nor in OpenCV ({error})"
        ) from error

    def run(x: np.ndarray) -> tuple[np.ndarray, ...]:
        network.setInput(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        return tuple(network.forward(names))

    return run  # pyright: ignore[reportReturnType]
