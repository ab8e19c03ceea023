"""Whether two estimators that began at different moments see the same, and who is who in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from skelact.pose.estimator import Detection

SAME = 1e-3  # largest difference of a coordinate or score of those who see the same
AGREE_SECONDS = 0.5  # for how long they must
_ONE_PERSON = 0.05  # mean distance, in the picture, of two readings that may be of one person


def pair(one: Sequence[Detection], other: Sequence[Detection]) -> list[tuple[int, int]]:
    """Who of one frame is who of another reading of it: positions in both, by their places in the picture."""
    from scipy.optimize import linear_sum_assignment

    if not one or not other:
        return []
    cost = np.array([[float(np.linalg.norm(a.xy - b.xy, axis=1).mean()) for b in other] for a in one])
    found = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(i), int(j)) for i, j in found if cost[i, j] < _ONE_PERSON]


class Agreement:
    """Follows two readings of the same frames until they have agreed for long enough."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._names: dict[int | None, int | None] = {}

    def reached(self, time: float, one: Sequence[Detection], other: Sequence[Detection]) -> bool:
        """Whether both have agreed in all frames of the last `AGREE_SECONDS`, with this one at ``time`` seconds."""
        pairs = pair(one, other)
        same = len(one) == len(other) == len(pairs)
        for i, j in pairs:
            a, b = one[i], other[j]
            parts = ((a.xyz, b.xyz), (a.xy, b.xy), (a.score, b.score))
            same &= all(float(np.abs(p - q).max()) <= SAME for p, q in parts)
            same &= self._names.get(b.track_id, a.track_id) == a.track_id
        if not same:
            self._since, self._names = None, {}
            return False
        self._names |= {other[j].track_id: one[i].track_id for i, j in pairs}
        self._since = time if self._since is None else self._since
        return time - self._since >= AGREE_SECONDS - 1e-6


def match_names(
    frames: Iterable[tuple[Sequence[Detection], Sequence[Detection]]],
) -> dict[int | None, int | None]:
    """Which track of the second reading is which of the first, by the number of frames in which they coincide."""
    votes: Counter[tuple[int | None, int | None]] = Counter()
    for one, other in frames:
        votes.update((other[j].track_id, one[i].track_id) for i, j in pair(one, other))
    names: dict[int | None, int | None] = {}
    for (theirs, ours), _ in votes.most_common():
        if theirs not in names and ours not in names.values():
            names[theirs] = ours
    return names


def fresh_name(names: Mapping[int | None, int | None], used: Iterable[int | None]) -> int:
    """The next track id that nobody has."""
    return max((n for n in (*used, *names.values()) if n is not None), default=-1) + 1
