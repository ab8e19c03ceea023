"""Places in a camera's picture: where one may lie, where nobody counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.monitor.people import LivePerson

RESTING = ("bed", "sofa")


@dataclass
class Zone:
    """A place in the picture.

    Args:
        polygon: corners as shares of the picture's width and height, at least three.
        kind: ``bed`` or ``sofa``: who lies there has not fallen; ``ignore``: nobody there counts; ``floor`` or
            ``door``: named in the words of a fall's event.
        inertia: frames in a row that somebody must be inside, or outside, until it counts.

    Raises:
        ConfigError: for polygons that are none.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    polygon: list[tuple[float, float]] = field(default_factory=list)
    kind: Literal["bed", "sofa", "floor", "door", "ignore"] = "bed"
    inertia: int = 3

    def __post_init__(self) -> None:
        if len(self.polygon) < 3:
            raise ConfigError(f"a zone needs a polygon of at least 3 corners, got {len(self.polygon)}")
        if not all(0 <= v <= 1 for corner in self.polygon for v in corner):
            raise ConfigError(
                f"a zone's corners are shares of the picture's width and height, 0 to 1, got {self.polygon}"
            )
        if self.inertia < 1:
            raise ConfigError(f"a zone's inertia must be at least 1 frame, got {self.inertia}")

    def holds(self, x: float, y: float) -> bool:
        """Whether a point of the picture is inside (even-odd rule)."""
        inside = False
        for (x0, y0), (x1, y1) in zip(self.polygon, [*self.polygon[1:], self.polygon[0]], strict=True):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                inside = not inside
        return inside


class Zones:
    """Keeps who is in which zone.

    Args:
        zones: by name.
        layout: of the joints.
    """

    def __init__(self, zones: Mapping[str, Zone], layout: SkeletonLayout) -> None:
        self.zones = dict(zones)
        names = ("left_hip", "right_hip") if "left_hip" in layout.index else ("mid_hip",)
        self._hips = layout.positions(*names)
        self._inside: dict[tuple[int, str], bool] = {}
        self._changed: dict[tuple[int, str], int] = {}

    def ignores(self, xy: np.ndarray, score: np.ndarray) -> bool:
        """Whether somebody with these joints ``[V, 2]`` (shares of the picture) does not count."""
        x, y = self._middle(xy, score)
        return any(zone.kind == "ignore" and zone.holds(x, y) for zone in self.zones.values())

    def see(self, person: LivePerson) -> list[str]:
        """Take a frame of a person; returns the zones that they are in."""
        if person.xy is None or person.score is None:
            return []
        x, y = self._middle(person.xy, person.score)
        found = []
        for name, zone in self.zones.items():
            key = (person.track, name)
            was = self._inside.get(key)
            now = zone.holds(x, y)
            if was is None:
                self._inside[key] = now
            elif now == was:
                self._changed[key] = 0
            else:
                self._changed[key] = self._changed.get(key, 0) + 1
                if self._changed[key] >= zone.inertia:
                    self._inside[key], self._changed[key] = now, 0
            if self._inside[key]:
                found.append(name)
        return found

    def inside(self, track: int) -> list[str]:
        """The zones that somebody is in, as far as was seen."""
        return [name for (who, name), there in self._inside.items() if who == track and there]

    def rests(self, person: LivePerson) -> bool:
        """Take a frame of a person; returns whether they are where one may lie."""
        return any(self.zones[name].kind in RESTING for name in self.see(person))

    def leave(self, track: int) -> None:
        """Somebody is gone."""
        for kept in (self._inside, self._changed):
            for key in [key for key in kept if key[0] == track]:
                del kept[key]

    def _middle(self, xy: np.ndarray, score: np.ndarray) -> tuple[float, float]:
        joints = [j for j in self._hips if score[j] > 0] or np.flatnonzero(score > 0).tolist() or self._hips
        x, y = np.asarray(xy)[joints].mean(0)[:2]
        return float(x), float(y)
