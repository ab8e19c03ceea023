"""What the CTR-GCN release feeds for NTU RGB+D: its three scripts, then its loader in testing."""

from __future__ import annotations

import numpy as np
import torch

from skelact.errors import DataError
from skelact.io.original import Bodies
from skelact.models.published.inputs.kinect import Track, drop_wide, find_tracks, keep_long
from skelact.models.published.inputs.streams import NTU_PAIRS, four_streams

_SHARE, _WINDOW, _SPINE = 0.95, 64, 1


def ctrgcn_input(bodies: Bodies, stream: str) -> np.ndarray:
    """``[C, 64, V, 2]``: the middle 95 % of the valid frames, resized; bones and motions after that."""
    x = _window(_centre(_actors(bodies)).transpose(3, 1, 2, 0))
    return four_streams(x, stream, NTU_PAIRS)


def _actors(bodies: Bodies) -> np.ndarray:
    """``[2, T, V, 3]`` of the frames that show somebody; the actor with most motion first."""
    n_frames, tracks = find_tracks(bodies)
    if any(t.end > n_frames for t in tracks):
        raise DataError("a body is in more frames than the recording has, which the release does not read")
    if len(tracks) == 1:
        return _place(n_frames, tracks, [])
    tracks = keep_long(tracks)
    if len(tracks) > 1:
        tracks = drop_wide(tracks, stop_at_one=True)
        tracks.sort(key=lambda t: -t.motion)
    first, second = tracks[:1], []
    spans = [(first[0].start, first[0].end - 1), (0, 0)]  # frames that the actors cover, ends included
    for track in tracks[1:]:
        for k, actor in enumerate((first, second)):
            start, end = spans[k]
            if min(end, track.end - 1) - max(start, track.start) <= 0:
                actor.append(track)
                spans[k] = min(start, track.start), max(end, track.end - 1)
                break
    x = _place(n_frames, first, second)
    return x[:, x.transpose(1, 0, 2, 3).reshape(n_frames, -1).sum(1) != 0]


def _place(n_frames: int, *actors: list[Track]) -> np.ndarray:
    x = np.zeros((2, n_frames, 25, 3), np.float32)
    for m, tracks in enumerate(actors):
        for track in tracks:  # a later one lies over an earlier one
            x[m, track.start : track.end] = track.xyz
    return x


def _centre(x: np.ndarray) -> np.ndarray:
    """Everybody's joints minus the spine of the first actor's first frame; absent people stay 0."""
    if not x.any():
        raise DataError("every joint of the recording lies at the origin")
    begin = int((x[0] != 0).any((1, 2)).argmax())
    there = x.reshape(*x.shape[:2], -1).sum(-1) != 0
    return (x - x[0, begin, _SPINE]) * there[:, :, None, None]


def _window(x: np.ndarray) -> np.ndarray:
    """The middle of ``x [C, T, V, M]`` in 64 frames, linear, without aligned corners."""
    valid = int((x.sum(0).sum(-1).sum(-1) != 0).sum())
    if not valid:
        raise DataError("no frame of the recording is valid for the release")
    skip = int((1 - _SHARE) * valid / 2)
    part = np.ascontiguousarray(x[:, skip : valid - skip].transpose(0, 2, 3, 1))
    c, v, m, t = part.shape
    resized = torch.nn.functional.interpolate(torch.from_numpy(part).view(1, -1, t), _WINDOW, mode="linear")
    return resized.view(c, v, m, _WINDOW).numpy().transpose(0, 3, 1, 2)
