"""What is wrong with the frames of recordings: nobody in them, times that jump, frames shared between recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from skelact.errors import counted
from skelact.io.reading import some
from skelact.skeleton import Skeleton

EMPTY_SHARE = 0.1  # of a clip's frames may show nobody: people come and go
JUMP = 5.0  # times the usual step between two frames is a gap,
JUMP_SECONDS = 0.5  # if it is at least as long as this
FPS_OFF = 0.2  # how far the stated frame rate may be from that of the times
SHARED = 0.5  # of the shorter clip's frames in another clip make it a copy or an overlapping cut
_LEAST_SHARED = 8  # frames; fewer may be a pose that a sensor repeats
_SEED = 20_160_427


class FrameTally:
    """Collects faults of frames over recordings, in 8 bytes a frame.

    Attributes:
        n_empty: frames that show nobody, of all clips that show somebody.
        empty: (clip, share of its frames that show nobody), above `EMPTY_SHARE`.
        jumps: (clip, longest step between two frames in seconds).
        rates: (clip, stated frames per second, those of its times).
    """

    def __init__(self) -> None:
        self.empty: list[tuple[str, float]] = []
        self.n_empty = 0
        self.jumps: list[tuple[str, float]] = []
        self.rates: list[tuple[str, float, float]] = []
        self._hashes: dict[str, np.ndarray] = {}
        self._factors = np.zeros(0, np.uint64)

    def add(self, s: Skeleton) -> None:
        """Look at one recording."""
        shown = np.asarray((s.score > 0).any((0, 2)))
        n_empty = int((~shown).sum())
        if 0 < n_empty < s.n_frames:
            self.n_empty += n_empty
            if n_empty > EMPTY_SHARE * s.n_frames:
                self.empty.append((s.id, n_empty / s.n_frames))
        if s.time is not None and s.n_frames > 2:
            steps = np.diff(s.time)
            usual, longest = float(np.median(steps)), float(steps.max())
            if longest > JUMP * usual and longest >= JUMP_SECONDS:
                self.jumps.append((s.id, longest))
            if abs(s.fps * usual - 1) > FPS_OFF:
                self.rates.append((s.id, s.fps, 1 / usual))
        self._hashes[s.id] = self._hash(s, shown)

    def problems(self, doubles: Iterable[tuple[str, str]]) -> Iterator[str]:
        """Plain sentences; ``doubles`` are pairs of clips that are known to be equal."""
        if self.empty:
            self.empty.sort(key=lambda e: -e[1])
            yield (
                f"{counted(self.n_empty, 'frame shows', 'frames show')} nobody; in "
                f"{counted(len(self.empty), 'clip')} they are more than "
                f"{EMPTY_SHARE:.0%}: {some(f'{i} ({share:.0%})' for i, share in self.empty)}"
            )
        if self.jumps:
            self.jumps.sort(key=lambda j: -j[1])
            yield (
                f"the times of {counted(len(self.jumps), 'clip')} jump: "
                f"{some(f'{i} by {step:.2f} s' for i, step in self.jumps)}; cut them there, or check the recording"
            )
        if self.rates:
            listed = some(f"{i} ({fps:g} stated, {rate:.3g} by its times)" for i, fps, rate in self.rates)
            yield f"the frame rate of {counted(len(self.rates), 'clip')} disagrees with the frames' times: {listed}"
        known = {frozenset(pair) for pair in doubles}
        parts = [(b, a, share) for b, a, share in self.shared() if frozenset((a, b)) not in known]
        if parts:
            yield (
                f"{counted(len(parts), 'clip shares', 'clips share')} at least {SHARED:.0%} of the frames "
                "with another clip: "
                f"{some(f'{b} with {a} ({share:.0%})' for b, a, share in parts)}"
            )

    def _hash(self, s: Skeleton, shown: np.ndarray) -> np.ndarray:
        """One 64-bit number for each different frame that shows somebody."""
        rows = np.ascontiguousarray(s.xyz.transpose(1, 0, 2, 3)[shown]).view(np.uint32)
        rows = rows.reshape(len(rows), s.n_people * s.xyz.shape[2] * s.xyz.shape[3])
        if rows.shape[1] > len(self._factors):  # the same numbers again, and more of them
            random = np.random.default_rng(_SEED)
            self._factors = random.integers(0, 1 << 63, rows.shape[1], dtype=np.uint64) * 2 + 1
        return np.unique((rows * self._factors[: rows.shape[1]]).sum(1, dtype=np.uint64))

    def shared(self) -> Iterator[tuple[str, str, float]]:
        """(clip, an earlier clip, share of the frames of the shorter that both have), from `SHARED` on."""
        lengths = np.array([len(h) for h in self._hashes.values()])
        if not lengths.sum():
            return
        clips = np.repeat(np.arange(len(lengths)), lengths)
        found, place = np.unique(np.concatenate(list(self._hashes.values())), return_inverse=True)
        first = np.full(len(found), len(lengths))
        np.minimum.at(first, place, clips)
        again = first[place] < clips
        codes, counts = np.unique(first[place][again] * len(lengths) + clips[again], return_counts=True)
        ids = list(self._hashes)
        for code, n in zip(codes.tolist(), counts.tolist(), strict=True):
            a, b = divmod(code, len(lengths))
            share = n / min(lengths[a], lengths[b])
            if n >= _LEAST_SHARED and share >= SHARED:
                yield ids[b], ids[a], float(share)

    def shared_with(self, held: list[str], train: list[str]) -> list[tuple[str, float]]:
        """(clip of ``held``, share of its frames that clips of ``train`` have too), from `SHARED` on."""
        known = [self._hashes[i] for i in train if i in self._hashes]
        if not known:
            return []
        trained = np.unique(np.concatenate(known))
        both = [(i, np.isin(self._hashes[i], trained)) for i in held if i in self._hashes]
        return [
            (i, float(there.mean()))
            for i, there in both
            if there.sum() >= _LEAST_SHARED and there.mean() >= SHARED
        ]
