"""Looking for people in a thread of its own, while those who are known are followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from skelact.pose.estimator import Detection
from skelact.pose.tracking import Sighting


@dataclass(frozen=True)
class Looked:
    """What a finder found in an earlier picture.

    Args:
        image: that picture, ``[H, W, 3]`` uint8 RGB.
        time: of it, seconds.
        known: who was known in it, by track.
        found: by the finder.
    """

    image: np.ndarray
    time: float
    known: Mapping[int, Sighting]
    found: list[Detection]


class BackgroundLook:
    """One look at a time.

    Args:
        find: a finder's, see `skelact.pose.search.Finder`.
    """

    def __init__(self, find: Callable[[np.ndarray], list[Detection]]) -> None:
        self._find = find
        self._worker: ThreadPoolExecutor | None = None
        self._asked: tuple[np.ndarray, float, Mapping[int, Sighting]] | None = None
        self._answer: Future[list[Detection]] | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return self._answer is not None

    def ask(self, image: np.ndarray, time: float, known: Mapping[int, Sighting]) -> None:
        """Begin to look at a picture, which must not be changed from now on."""
        self._worker = self._worker or ThreadPoolExecutor(1, "look")
        self._asked = image, time, dict(known)
        self._answer = self._worker.submit(self._find, image)

    def take(self) -> Looked | None:
        """The answer, once; None while there is none. Raises what the finder has raised."""
        if self._answer is None or self._asked is None or not self._answer.done():
            return None
        answer, asked = self._answer, self._asked
        self._answer = self._asked = None
        return Looked(*asked, answer.result())

    def drop(self) -> None:
        """Forget what was asked."""
        if self._answer is not None:
            self._answer.cancel()
        self._answer = self._asked = None

    def close(self) -> None:
        """End the thread, after the look that it is at."""
        self.drop()
        if self._worker is not None:
            self._worker.shutdown()
