"""How long nobody usually moves at each hour of the day, learned from normal days (empirical quantiles)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from os import PathLike
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.monitor.lifelog import day_bounds, local_zone
from skelact.monitor.log import Event

# Labels during which somebody stays where they are; all others are motion.
RESTING = ("sitting", "lying", "standing", "fallen", "kneeling", "squatting")
_VERSION = 1


@dataclass(frozen=True)
class RestSettings:
    """When a rest is unusual.

    Args:
        quantile: of the longest rests of normal days at that hour and the hours beside it.
        margin: a rest must be this many times longer,
        least: and at least this many seconds.
        fewest: days without which nothing is said.
    """

    quantile: float = 0.99
    margin: float = 1.25
    least: float = 900.0
    fewest: int = 3


class UsualRest:
    """The longest rests of normal days by hour.

    Args:
        longest: ``[D, 24]`` seconds: the longest time without motion that had come about by a moment of that hour, on
            each day. NaN: the hour is not known.
        settings: see `RestSettings`.

    Raises:
        DataError: for another shape or negative times.
    """

    def __init__(self, longest: np.ndarray, settings: RestSettings | None = None) -> None:
        self.longest, self.settings = np.asarray(longest, np.float64), settings or RestSettings()
        if self.longest.ndim != 2 or self.longest.shape[1] != 24 or (self.longest < 0).any():
            raise DataError(f"rests must be [days, 24] seconds from 0 on, got {list(self.longest.shape)}")

    @classmethod
    def learn(
        cls,
        moves: Sequence[tuple[float, float]],
        zone: tzinfo | None = None,
        settings: RestSettings | None = None,
    ) -> UsualRest:
        """Learn from when somebody moved.

        Args:
            moves: (start, end) of every motion, seconds since 1970. Hours before the first and after the last
                are not known.
            zone: of the local time; None: this machine's.
            settings: see `RestSettings`.

        Raises:
            DataError: without motion.
        """
        zone = zone or local_zone()
        spans = merge(moves)
        if not spans:
            raise DataError("nobody moves in what was given; usual rests need normal days with motion")
        first, last = (datetime.fromtimestamp(t, zone).date() for t in (spans[0][0], spans[-1][1]))
        days = [first + timedelta(days=k) for k in range((last - first).days + 1)]
        rests = [(a[1], b[0]) for a, b in itertools.pairwise(spans)]
        known = (spans[0][0], spans[-1][1])
        table = np.full((len(days), 24), np.nan)
        for row, day in zip(table, days, strict=True):
            begin, end = day_bounds(day, zone)
            edges = np.arange(begin, end + 1, 3600.0)
            for a, b in itertools.pairwise(edges):
                if known[0] <= a and b <= known[1]:
                    hour = datetime.fromtimestamp(a, zone).hour
                    here = [min(b, till) - since for since, till in rests if since < b and till > a]
                    row[hour] = np.fmax(row[hour], max(here, default=0.0))
        table = table[~np.isnan(table).all(1)]
        return cls(table, settings)

    def limit(self, hour: int) -> float:
        """Seconds without motion from which on it is unusual at that hour of local time; inf: too little is known."""
        s = self.settings
        beside = self.longest[:, [(hour - 1) % 24, hour % 24, (hour + 1) % 24]]
        if (~np.isnan(self.longest[:, hour % 24])).sum() < s.fewest:
            return float("inf")
        daily = np.nanmax(beside, 1, initial=0.0, where=~np.isnan(beside))
        daily = daily[~np.isnan(beside).all(1)]
        return max(s.least, s.margin * float(np.quantile(daily, s.quantile, method="higher")))

    def save(self, path: str | PathLike[str]) -> Path:
        """Write them as JSON.

        Raises:
            DataError: if it cannot be written.
        """
        rows = [[None if np.isnan(v) else round(float(v), 1) for v in row] for row in self.longest]
        content = {
            "skelact": "usual rest",
            "version": _VERSION,
            "settings": vars(self.settings),
            "longest": rows,
        }
        return write_text(Path(path), json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> UsualRest:
        """Read what `save` has written.

        Raises:
            DataError: if it is not there, damaged, or something else.
        """
        path = Path(path)
        again = "skelact learn-normal home.db --rest FILE makes one"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{path} cannot be read as JSON ({error}); {again}") from None
        if not isinstance(content, Mapping) or content.get("skelact") != "usual rest":
            raise DataError(f"{path} holds no usual rests; {again}")
        if content.get("version") != _VERSION:
            raise DataError(
                f"{path} has version {content.get('version')}, this skelact reads {_VERSION}; {again}"
            )
        try:
            settings = RestSettings(**content["settings"])
            rows = [[np.nan if v is None else float(v) for v in row] for row in content["longest"]]
            return cls(np.array(rows).reshape(-1, 24), settings)
        except (KeyError, TypeError, ValueError, DataError) as error:
            raise DataError(f"{path} is damaged ({type(error).__name__}: {error}); {again}") from None


def merge(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans of time joined where they overlap or touch, in order."""
    out: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], end)
        else:
            out.append((start, end))
    return out


def moves_of(events: Iterable[Event]) -> list[tuple[float, float]]:
    """When somebody moved, seconds since 1970: the actions of a log that are no `RESTING`."""
    return [
        (e.wall, e.wall + e.end - e.start)
        for e in events
        if e.kind == "action" and e.wall is not None and e.label not in RESTING
    ]


class RestWatch:
    """Tells when nobody has moved for longer than is usual at that hour.

    Args:
        usual: of normal days.
        since: seconds since 1970 from which it watches; what was before is not known.
        zone: of the local time; None: this machine's.
    """

    def __init__(self, usual: UsualRest, since: float, zone: tzinfo | None = None) -> None:
        self.usual, self.zone = usual, zone or local_zone()
        self.moved, self._told, self._seen = since, False, since

    def see(self, time: float, moving: bool, seen: bool = True) -> tuple[float, float, bool] | None:
        """What is known now.

        Args:
            time: seconds since 1970; one that lies before the last is taken as the last (a clock was set back).
            moving: somebody moves.
            seen: somebody is there.

        Returns:
            once for every rest that becomes unusual: (since when nobody has moved, seconds that are usual at most,
            whether somebody was seen since); else None.
        """
        if time < self.moved:
            self.moved = time
        self._seen = time if seen else self._seen
        if moving:
            self.moved, self._told = time, False
            return None
        limit = self.usual.limit(datetime.fromtimestamp(time, self.zone).hour)
        if self._told or time - self.moved <= limit:
            return None
        self._told = True
        return self.moved, limit, self._seen > self.moved
