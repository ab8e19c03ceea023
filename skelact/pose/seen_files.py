"""Who was seen in the frames of a part of a video, as files that grow while it is looked at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DataError
from skelact.pose.estimator import Detection

_CHUNK = 32  # frames in one file

Frame = tuple[float, list[Detection]]


class SeenWriter:
    """Writes frames, a file for every few, each whole or not at all.

    Args:
        folder: of the part; what is in it is deleted.
    """

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder, self._n_files = folder, 0
        self._frames: list[Frame] = []

    def add(self, time: float, people: list[Detection]) -> None:
        """One more frame, at ``time`` seconds."""
        self._frames.append((time, people))
        if len(self._frames) == _CHUNK:
            self._flush()

    def _flush(self) -> None:
        people = [one for _, found in self._frames for one in found]
        content: dict[str, Any] = {
            "time": np.array([time for time, _ in self._frames]),
            "n_people": np.array([len(found) for _, found in self._frames]),
            "track": np.array([-1 if one.track_id is None else one.track_id for one in people]),
        }
        content |= {k: np.array([getattr(one, k) for one in people]) for k in ("xyz", "score", "xy")}
        target = self._folder / f"{self._n_files:06d}.npz"
        with target.with_suffix(".tmp").open("wb") as file:
            np.savez(file, **content)
        target.with_suffix(".tmp").replace(target)
        self._n_files, self._frames = self._n_files + 1, []

    def finish(self, **facts: Any) -> None:
        """All frames are there; ``facts`` are kept beside them."""
        if self._frames:
            self._flush()
        target = self._folder / "done.json"
        target.with_suffix(".tmp").write_text(json.dumps(facts), encoding="utf-8")
        target.with_suffix(".tmp").replace(target)


class SeenReader:
    """Reads frames that another process may still be adding to.

    Args:
        folder: of the part.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._n_files = folder, 0
        self.frames: list[Frame] = []

    def more(self) -> bool:
        """Whether there were further frames, which are now among ``frames``."""
        path = self._folder / f"{self._n_files:06d}.npz"
        if not path.exists():
            return False
        try:
            with np.load(path) as file:
                part = {name: file[name] for name in file.files}
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {path}: {error}; delete the folder {path.parents[1]}") from error
        self._n_files += 1
        at = 0
        for time, n in zip(part["time"], part["n_people"], strict=True):
            people = []
            for k in range(at, at + int(n)):
                track = int(part["track"][k])
                people.append(
                    Detection(part["xyz"][k], part["score"][k], part["xy"][k], None if track < 0 else track)
                )
            self.frames.append((float(time), people))
            at += int(n)
        return True

    def everything(self) -> list[Frame]:
        """All frames that are there."""
        while self.more():
            pass
        return self.frames

    def facts(self) -> dict[str, Any] | None:
        """What was kept when all frames were there; None: not all are."""
        path = self._folder / "done.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
