"""The network that ships with the package: what people do all day, learned from synthetic people alone.

Two forms, each a checkpoint like any other: ``everyday`` for joints in metres (15 joints of Kinects and MediaPipe,
camera coordinates) and ``everyday-2d`` for the 17 COCO joints in a picture. ``tools/train_everyday.py`` trains them
again.
"""

from __future__ import annotations

from pathlib import Path

EVERYDAY, EVERYDAY_2D = "everyday", "everyday-2d"
_FOLDER = Path(__file__).parent / "weights"
SHIPPED: dict[str, Path] = {
    EVERYDAY: _FOLDER / "everyday_3d.safetensors",
    EVERYDAY_2D: _FOLDER / "everyday_2d.safetensors",
}


def everyday_for(dims: int) -> str:
    """The form for recordings of so many coordinates a joint."""
    return EVERYDAY if dims == 3 else EVERYDAY_2D
