"""Synthetic recordings of gestures, which several rooms' tests use."""

from __future__ import annotations

import numpy as np

from skelact.datasets.synthetic.gestures.classes import GestureClasses
from skelact.datasets.synthetic.gestures.plain import joints_of, plain_classes, recording, recordings
from skelact.skeleton import Skeleton

__all__ = ["joints_of", "plain_classes", "recording", "recordings", "stream"]


def stream(
    clips: list[Skeleton], pause: float = 1.5, fps: float = 16.0
) -> tuple[Skeleton, list[tuple[float, float]]]:
    """Recordings one after the other with hands at rest between them, and when each begins and ends."""
    xyz, score, times, spans = [], [], 0.0, []
    rest_x, rest_s = joints_of(_resting(), [0], 5)
    rest = recording(rest_x[0], rest_s[0])
    n_pause = round(pause * fps)
    for clip in [*clips, None]:
        xyz.append(np.repeat(rest.xyz[:, :1], n_pause, 1))
        score.append(np.repeat(rest.score[:, :1], n_pause, 1))
        times += n_pause / fps
        if clip is not None:
            spans.append((times, times + clip.n_frames / fps))
            xyz.append(clip.xyz)
            score.append(clip.score)
            times += clip.n_frames / fps
    return Skeleton(
        np.concatenate(xyz, 1), np.concatenate(score, 1), clips[0].layout, fps, id="stream"
    ), spans


def _resting() -> GestureClasses:
    classes = plain_classes(1)
    classes.moves[:] = 0
    return classes
