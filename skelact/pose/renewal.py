"""Moments of a video at which landmarkers begin anew, so that what came long before no longer matters.

MediaPipe's following from frame to frame never forgets where it began: two that begin at different moments stay some
thousandths of the picture apart. So at every mark, a fixed time of the video, a new landmarker takes over from the old
one as soon as both see the same person. Whoever was looking for a while before a mark sees the same after it, bit by
bit: that is how a long video is worked on in parts (`skelact.pose.long_video`).
"""

from __future__ import annotations

import math

EVERY_SECONDS = 60.0  # between marks; at each, whoever is hardly seen may get another name
_TRY_SECONDS = 1.0  # how long after a mark the new one may still take over


class Marks:
    """Whether it is time to begin anew."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._until = -math.inf

    def due(self, time: float) -> bool:
        """Whether a mark was passed lately, and nothing has begun anew since; ``time`` in seconds."""
        mark = math.floor(time / EVERY_SECONDS + 1e-9)
        if self._last is None:
            self._last = mark
        if mark > self._last:
            self._last, self._until = mark, mark * EVERY_SECONDS + _TRY_SECONDS
        return time < self._until

    def done(self) -> None:
        """All have begun anew."""
        self._until = -math.inf
