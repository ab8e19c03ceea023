"""What the 2s-AGCN release feeds for NTU RGB+D; AAGCN, MS-G3D and Shift-GCN took the scripts over."""

from __future__ import annotations

import numpy as np

from skelact.io.original import Bodies
from skelact.models.published.inputs.stgcn import N_PEOPLE, pad_frames
from skelact.models.published.inputs.streams import NTU_PAIRS, four_streams
from skelact.models.published.inputs.turn import shoulder_rotation, spine_rotation

_SEEN, _SPINE = 4, 1


def agcn_input(bodies: Bodies, stream: str) -> np.ndarray:
    """``[C, 300, V, 2]``: two bodies, looped to 300 frames, centred frame by frame and turned."""
    x = bodies.slots(_SEEN)
    spread = np.array([_spread(person) for person in x])
    x = pad_frames(x[np.argsort(spread, kind="stable")[::-1][:N_PEOPLE]])
    x = turn_people(centre_frames(np.stack([_fill(person) for person in x])))
    return four_streams(x.transpose(3, 1, 2, 0), stream, NTU_PAIRS)


def _there(person: np.ndarray) -> np.ndarray:
    return person.sum(-1).sum(-1) != 0


def _spread(person: np.ndarray) -> float:
    """Summed standard deviations of the coordinates over the frames that show the body."""
    seen = person[_there(person)].astype(np.float64)
    return float(seen.reshape(-1, 3).std(0).sum()) if len(seen) else 0.0


def _fill(person: np.ndarray) -> np.ndarray:
    """A body that begins late has no empty frames any more; the end repeats all before it."""
    there = _there(person)
    if not there.any():
        return person
    if not there[0]:
        person = np.concatenate([person[there], np.zeros_like(person[~there])])
        there = _there(person)
    end = int(np.flatnonzero(there)[-1]) + 1
    return person[np.arange(len(person)) % end]


def centre_frames(x: np.ndarray) -> np.ndarray:
    """``[M, T, V, 3]`` minus the first body's spine in the same frame; points at 0 stay."""
    return (x - x[:1, :, _SPINE : _SPINE + 1]) * (x.sum(-1, keepdims=True) != 0)


def turn_people(x: np.ndarray) -> np.ndarray:
    """``[M, T, V, 3]`` turned by the first body's first frame: spine onto z, then shoulders onto x."""
    for rotation in (spine_rotation, shoulder_rotation):
        x = (x @ rotation(x[0, 0]).T).astype(np.float32)
    return x
