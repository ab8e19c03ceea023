"""`Places`: where joints are in the pictures that a network sees."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Places(NamedTuple):
    """Where the people of a batch are in a stream of pictures, as shares of the picture that the network sees.

    (0, 0) is its upper left corner and (1, 1) its lower right one; joints beyond it are not there.

    Args:
        xy: ``[P, T, V, 2]`` at the moments of the pictures.
        there: ``[P, T, V]`` bool; ``xy`` means nothing elsewhere.
        nearest: ``[N, S]`` which picture is nearest to each of the S frames of the skeletons.
        xy_frames: ``[P, S, V, 2]`` at the frames of the skeletons.
        there_frames: ``[P, S, V]`` bool.
    """

    xy: Tensor
    there: Tensor
    nearest: Tensor
    xy_frames: Tensor
    there_frames: Tensor
