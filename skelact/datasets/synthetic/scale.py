"""Sets of NTU RGB+D's size, for measuring loading and training at that scale.

People only stand and sway, differently per class; for actions see `skelact.datasets.synthetic.make_set`. Number
and lengths of clips, share of clips with two people, names, classes and official splits are like those of NTU
RGB+D 60.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from skelact.datasets.named import benchmark_splits
from skelact.datasets.synthetic.body import DOFS, forward_kinematics, make_body
from skelact.errors import ConfigError
from skelact.io.ntu_names import NTU60_NAMES, parse_ntu_name
from skelact.io.store import StoreWriter
from skelact.layouts import get_layout
from skelact.skeleton import Skeleton

NTU60_CLIPS = 56_578
SHORTEST, LONGEST = 30, 300  # frames
MEDIAN_FRAMES, SPREAD_FRAMES = 79.0, 0.40  # of a log-normal; with the limits its mean is 86
FIRST_MUTUAL = 50  # actions from here on (numbered from 1) show two people: 11 of 60
_SUBJECTS, _CAMERAS, _SETUPS, _REPETITIONS = 40, 3, 17, 2
_WAVES = 3  # of the swaying
_CHUNK = 512  # clips made at once


def ntu_like_names(n_clips: int = NTU60_CLIPS, seed: int = 0) -> list[str]:
    """Names in NTU's form: recordings of all 60 actions by subjects, cameras and setups in mixed order."""
    everything = _SETUPS * _CAMERAS * _SUBJECTS * _REPETITIONS
    if not 1 <= n_clips <= 60 * everything:
        raise ConfigError(f"n_clips must lie in 1..{60 * everything}, got {n_clips}")
    takes = np.random.default_rng((seed, 1)).permutation(everything)
    names = []
    for clip in range(n_clips):
        take, action = takes[clip // 60], clip % 60 + 1
        setup, rest = divmod(int(take), _CAMERAS * _SUBJECTS * _REPETITIONS)
        camera, rest = divmod(rest, _SUBJECTS * _REPETITIONS)
        subject, repetition = divmod(rest, _REPETITIONS)
        names.append(f"S{setup + 1:03d}C{camera + 1:03d}P{subject + 1:03d}R{repetition + 1:03d}A{action:03d}")
    return names


def ntu_like_lengths(n_clips: int, rng: np.random.Generator) -> np.ndarray:
    """Frames of clips as NTU has them: 30 to 300, 86 on average, with a long tail."""
    drawn = MEDIAN_FRAMES * np.exp(SPREAD_FRAMES * rng.standard_normal(n_clips))
    return np.clip(np.round(drawn), SHORTEST, LONGEST).astype(int)


def make_ntu_like(
    n_clips: int = NTU60_CLIPS, seed: int = 0, done: frozenset[str] = frozenset()
) -> Iterator[Skeleton]:
    """Clips of a set like NTU RGB+D 60, made in chunks; each is a function of seed and place alone.

    Args:
        n_clips: how many.
        seed: of everything.
        done: names that are there already; chunks without a new one are not made.

    Yields:
        `Skeleton`, layout ``ntu25``, metres, 30 frames a second.

    Raises:
        ConfigError: for more clips than there are names.
    """
    names = ntu_like_names(n_clips, seed)
    rng = np.random.default_rng((seed, 2))
    still = np.zeros((1, len(DOFS)))
    rest = np.concatenate([forward_kinematics(make_body(rng), still) for _ in range(_SUBJECTS)])
    layout = get_layout("ntu25")
    reach = layout.hops[layout.index["spine"]] / layout.hops.max()  # tips sway most
    ways = rng.standard_normal((60, 2 * _WAVES, len(layout), 3)) * reach[:, None] * 0.12
    pace = rng.uniform(0.2, 1.6, (60, _WAVES))  # swings a second
    for start in range(0, n_clips, _CHUNK):
        part = names[start : start + _CHUNK]
        if done.issuperset(part):
            continue
        yield from _make_chunk(part, np.random.default_rng((seed, 3, start)), rest, ways, pace)


def _make_chunk(
    names: list[str], rng: np.random.Generator, rest: np.ndarray, ways: np.ndarray, pace: np.ndarray
) -> Iterator[Skeleton]:
    """All frames of all people of a chunk in a few array operations, then cut into clips."""
    infos = [parse_ntu_name(name) for name in names]
    action = np.array([info["action"] for info in infos]) - 1
    subject = np.array([info["subject"] for info in infos]) - 1
    lengths = ntu_like_lengths(len(names), rng)
    n_people = np.where(action + 1 >= FIRST_MUTUAL, 2, 1)
    clip = np.repeat(np.arange(len(names)), n_people)  # of each person
    second = np.concatenate([np.arange(n) for n in n_people])
    person = np.repeat(np.arange(len(clip)), lengths[clip])  # of each frame
    ends = np.cumsum(lengths[clip])
    frame = np.arange(len(person)) - (ends - lengths[clip])[person]
    angle = 2 * np.pi * pace[action[clip]] * rng.uniform(0.8, 1.2, (len(clip), 1))
    phase = angle[person] * (frame[:, None] / 30) + rng.uniform(0, 2 * np.pi, (len(clip), 1))[person]
    waves = np.concatenate([np.sin(phase), np.cos(phase)], 1).astype(np.float32)
    flat = ways.reshape(len(ways), waves.shape[1], -1).astype(np.float32)
    xyz = np.einsum("fw,fwc->fc", waves, flat[action[clip]][person], optimize=True)
    base = rest[(subject[clip] + 7 * second) % len(rest)]
    base = base + np.stack([rng.normal(0, 0.3, len(clip)) + 0.8 * second, rng.normal(0, 0.1, len(clip)),
                            rng.normal(3, 0.4, len(clip))], 1)[:, None]  # fmt: skip
    xyz += base.reshape(len(clip), -1).astype(np.float32)[person]
    xyz += rng.standard_normal(xyz.shape, dtype=np.float32) * np.float32(0.005)
    first = 0
    for i, name in enumerate(names):
        last = first + lengths[i] * n_people[i]
        yield Skeleton(
            xyz[first:last].reshape(n_people[i], lengths[i], -1, 3), None, "ntu25", 30.0, "m",
            label=NTU60_NAMES[action[i]], id=name, info={**infos[i], "source": "synthetic"},
        )  # fmt: skip
        first = last


def write_ntu_like(
    path: str | Path,
    n_clips: int = NTU60_CLIPS,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Write a set like NTU RGB+D 60 as a skelact file in half precision, with the official splits.

    A stopped call is continued by the next; the file gets its name when it is complete.

    Args:
        path: the file.
        n_clips, seed: see `make_ntu_like`.
        progress: called with (clips done, clips, what).

    Returns:
        the path.

    Raises:
        ConfigError: for more clips than there are names.
        DataError: if the file exists or cannot be written.
    """
    names = ntu_like_names(n_clips, seed)
    writer = StoreWriter(path, layout="ntu25", label_names=NTU60_NAMES, dtype="float16", resume=True)
    with writer:
        for clip in make_ntu_like(n_clips, seed, frozenset(writer.done_ids)):
            if clip.id not in writer.done_ids:
                writer.append(clip)
            if progress and len(writer.done_ids) % 64 == 0:
                progress(len(writer.done_ids), n_clips, "making clips")
        writer.set_splits(benchmark_splits("ntu60", [(name, parse_ntu_name(name)) for name in names]))
        if progress:
            progress(n_clips, n_clips, "writing the file")
    return Path(path)
