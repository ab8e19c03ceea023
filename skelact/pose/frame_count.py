"""How many frames of many videos are done."""

from __future__ import annotations

from collections.abc import Callable

from skelact.errors import counted

Progress = Callable[[int, int, str], None]


class FrameCount:
    """Frames done of many videos that are worked on side by side.

    How many there are in all is known when every video was begun; until then those that were not are taken to be as
    long as the others on average.

    Args:
        progress: told (frames done, frames expected, what).
        n_videos: how many there are to do.
    """

    def __init__(self, progress: Progress, n_videos: int) -> None:
        self._progress, self._n_videos = progress, n_videos
        self._running: dict[str, tuple[int, int]] = {}
        self._lengths: list[int] = []  # of finished videos

    def within(self, done: int, total: int, what: str) -> None:
        """So many frames of one video are done."""
        self._running[what] = (done, max(done, total))
        self._tell(what)

    def finished(self, what: str, n_frames: int) -> None:
        """One video is done, or could not be used (0 frames)."""
        self._running.pop(what, None)
        self._lengths.append(n_frames)
        self._tell(what)

    def _tell(self, what: str) -> None:
        begun = [total for _, total in self._running.values()]
        known = [n for n in (*self._lengths, *begun) if n > 0]
        waiting = self._n_videos - len(self._lengths) - len(begun)
        total = sum(known) + round(waiting * sum(known) / len(known) if known else 0)
        done = sum(self._lengths) + sum(n for n, _ in self._running.values())
        if self._n_videos > 1:
            what = f"{what} ({len(self._lengths)} of {counted(self._n_videos, 'video')})"
        self._progress(done, total, what)
