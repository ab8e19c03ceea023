"""A causal segmentation network live: frames of one person as they come, scores at the rate that the network knows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skelact.errors import DataError
from skelact.models.segmentation import continual_segmenter
from skelact.recognition.segmentation import Segmenter
from skelact.transforms.frames import FrameStream


class LiveScore(NamedTuple):
    """What is known after a frame.

    Args:
        time: seconds of the moment that the scores are of: the network's look-ahead before the one it has seen.
        known: seconds of the frame that has just come.
        probability: of every label ``[K]``.
    """

    time: float
    known: float
    probability: np.ndarray


class LiveSegmenter:
    """One person, a frame at a time: the scores that `Segmenter.scores` gives for the whole recording.

    Frames may come at any rate: the network's moments lie between them and are interpolated as soon as the later one is
    there. A pause longer than the network's ``input.gap`` counts as that long.

    Args:
        segmenter: a causal network.

    Raises:
        ConfigError: if it is not causal.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self.network = continual_segmenter(segmenter.model)
        self.shown, self.delay = segmenter.shown, segmenter.target.delay
        self.layout, self.dims = segmenter.card.skeleton_layout, segmenter.card.dims
        self._streams = FrameStream(
            self.layout, self.shown.streams, self.shown.centre, self.shown.scale, self.shown.fps
        )
        self._state = self.network.begin()
        self._last: tuple[float, float, Tensor, Tensor] | None = None  # own time, shortened time, x, score
        self._count = 0  # moments so far

    @torch.no_grad()
    def push(self, time: float, xyz: np.ndarray, score: np.ndarray) -> list[LiveScore]:
        """Take a frame.

        Args:
            time: seconds, later than the frame before; the first frame's is the recording's begin.
            xyz: ``[V, C]`` joints.
            score: ``[V]``, 0 = missing.

        Raises:
            DataError: for other joints, or a time that does not come after the one before.
        """
        if xyz.shape != (len(self.layout), self.dims) or score.shape != xyz.shape[:1]:
            raise DataError(
                f"this network takes frames of {len(self.layout)} joints × {self.dims}, got {list(xyz.shape)}"
            )
        dtype = self.network.shift.dtype
        seen = torch.tensor(np.asarray(score), dtype=dtype)
        x = torch.tensor(np.asarray(xyz), dtype=dtype) * (seen > 0)[:, None]
        if self._last is None:
            self._last = time, 0.0, x, seen
            return [self._look(x, seen, time, time)]
        before, begun, x_before, seen_before = self._last
        if not time > before:
            raise DataError(f"a frame at {time} s does not come after the one at {before} s")
        pause = min(time - before, self.shown.gap)
        found = []
        while self._count / self.shown.fps <= begun + pause + 1e-6 / self.shown.fps:
            share = min(max((self._count / self.shown.fps - begun) / pause, 0.0), 1.0)
            mixed = _between(x_before, seen_before, x, seen, share)
            found.append(self._look(*mixed, before + share * (time - before), time))
        self._last = time, begun + pause, x, seen
        return found

    def _look(self, x: Tensor, score: Tensor, moment: float, known: float) -> LiveScore:
        self._count += 1
        features = self._streams(x[None, None], score[None, None])[:, 0]
        logits = self.network.step(features, self._state, score[None])
        probability = logits[0].float().softmax(-1).cpu().numpy()
        return LiveScore(moment - self.delay, known, probability)


def _between(a: Tensor, seen_a: Tensor, b: Tensor, seen_b: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Joints and scores between two frames, as `skelact.datasets.gather.gather` interpolates them."""
    there_a, there_b = seen_a > 0, seen_b > 0
    score = torch.lerp(seen_a, seen_b, share) * (there_a if share < 0.5 else there_b)
    weight = torch.where(
        there_a,
        torch.where(there_b, torch.full_like(seen_a, share), torch.zeros_like(seen_a)),
        torch.ones_like(seen_a),
    )
    return torch.lerp(a, b, weight[:, None]), score
