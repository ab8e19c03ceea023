"""What a body's joints say of a fall: heights, trunk, speeds and stillness, frame by frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from skelact.monitor.ground import Body, Ground

HIPS, HEAD = 0.93, 1.6  # metres above the floor of somebody whose standing height is not known yet


@dataclass(frozen=True)
class Evidence:
    """What is known of a body at a moment.

    Args:
        time: seconds.
        hips, head: metres above the floor.
        hips_share, head_share: of their heights in standing.
        trunk: degrees from upright.
        drop, head_drop: metres below where they were at most in the last seconds.
        down, head_down: speeds downwards, m/s.
        down_share, head_down_share: the same in heights of standing a second, which holds where metres are guessed.
        descent: in the frame in which the head comes down to the floor, seconds since it was that of somebody who
            stands; else infinite.
        motion: mean speed of the joints over the last second, m/s.
        learned: probability of ``fall`` by the network.
        floor_unknown: heights are above an unknown level.
    """

    time: float
    hips: float
    head: float
    hips_share: float
    head_share: float
    trunk: float
    drop: float
    head_drop: float
    down: float
    head_down: float
    down_share: float
    head_down_share: float
    descent: float
    motion: float
    learned: float
    floor_unknown: bool = False

    def describe(self) -> str:
        """One line for people."""
        where = (
            f"head {self.head_drop:.2f} m lower than before (the floor is not known)"
            if self.floor_unknown
            else f"hips {self.hips:.2f} m and head {self.head:.2f} m above the floor"
        )
        return (
            f"{where}, trunk {self.trunk:.0f} degrees from upright, moving at {self.motion:.2f} m/s, network says fall "
            f"{self.learned:.0%}"
        )


@dataclass
class _Standing:
    """How high hips and head of somebody are in standing, learned from upright frames."""

    hips: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    head: deque[float] = field(default_factory=lambda: deque(maxlen=200))

    @staticmethod
    def of(values: deque[float], usual: float) -> float:
        return float(np.median(values)) if len(values) >= 5 else usual


class BodyHistory:
    """Measures one person, by what was seen of them lately.

    Args:
        ground: of the camera, shared by all people.
        tall, low: shares of its height in standing from which on a head is that of somebody who stands, and below which
            it is on the floor.
        glitch: seconds of which it takes more to stand.
    """

    _SPEED_SECONDS, _LATELY_SECONDS = 0.35, 6.0
    _FORGOTTEN = 2.0  # seconds between two frames from which on they say nothing about speed

    def __init__(self, ground: Ground, tall: float, low: float, glitch: float) -> None:
        self.ground, self.tall, self.low, self.glitch = ground, tall, low, glitch
        self._standing = _Standing()
        # time and places of hips and head, which are seen anew as floor and gravity become known
        self._past: deque[tuple[float, np.ndarray, np.ndarray]] = deque()
        self._lately: deque[tuple[float, np.ndarray, np.ndarray]] = deque()  # the same, for longer
        self._joints: deque[tuple[float, np.ndarray, np.ndarray]] = deque()
        self._tall_since: float | None = None
        self._stood: float | None = None
        self.tall_last = -np.inf  # seconds, when the head was last that of somebody who stands

    @property
    def apart(self) -> float:
        """Seconds between the last two frames."""
        return self._past[-1][0] - self._past[-2][0] if len(self._past) > 1 else 0.0

    def measure(
        self, body: Body, xyz: np.ndarray, score: np.ndarray, time: float, learned: float
    ) -> Evidence:
        """Take a frame: a body and its joints ``[V, 3]`` (metres, camera coordinates), ``[V]``."""
        ground, standing = self.ground, self._standing
        upright = ground.see(xyz, score, time)
        top = body.shoulders if body.head is None else body.head
        if upright and ground.floor is not None:
            standing.hips.append(ground.height(body.hips))
            standing.head.append(ground.height(top))
        down, head_down = self._speeds(time, body.hips, top)
        self._lately.append((time, body.hips, top))
        while self._lately[0][0] < time - self._LATELY_SECONDS:
            self._lately.popleft()
        highest, highest_head = (
            float((np.array([row[i] for row in self._lately]) @ ground.up).max()) for i in (1, 2)
        )
        self._joints.append((time, np.array(xyz, np.float64), np.array(score)))
        while self._joints[0][0] < time - 1.0:
            self._joints.popleft()
        trunk = body.shoulders - body.hips
        lean = trunk @ ground.up / max(np.linalg.norm(trunk), 1e-9)
        hips, head = ground.height(body.hips), ground.height(top)
        full, full_head = standing.of(standing.hips, HIPS), standing.of(standing.head, HEAD)
        descent = np.inf
        tall = head > self.tall * full_head
        self._tall_since = None if not tall else time if self._tall_since is None else self._tall_since
        if self._tall_since is not None and time - self._tall_since >= self.glitch:
            self._stood = self.tall_last = time
        elif head < self.low * full_head and self._stood is not None:
            descent, self._stood = time - self._stood, None
        return Evidence(
            time, hips, head, hips / full, head / full_head,
            float(np.degrees(np.arccos(np.clip(lean, -1, 1)))), highest - float(body.hips @ ground.up),
            highest_head - float(top @ ground.up),
            down, head_down, down / full, head_down / full_head, descent, self._motion(), learned,
            not ground.known,
        )  # fmt: skip

    def _speeds(self, time: float, hips: np.ndarray, head: np.ndarray) -> tuple[float, float]:
        self._past.append((time, hips, head))
        while len(self._past) > 2 and self._past[0][0] < time - self._SPEED_SECONDS:
            self._past.popleft()
        if time - self._past[0][0] > self._FORGOTTEN:
            self._past.popleft()
        times = np.array([row[0] for row in self._past])
        hips_up, head_up = (np.array([row[i] for row in self._past]) @ self.ground.up for i in (1, 2))
        return -_slope(times, hips_up), -_slope(times, head_up)

    def _motion(self) -> float:
        (t0, a, sa), (t1, b, sb) = self._joints[0], self._joints[-1]
        both = (sa > 0) & (sb > 0)
        if t1 <= t0 or not both.any():
            return 0.0
        return float(np.linalg.norm(b[both] - a[both], axis=1).mean() / (t1 - t0))


def _slope(times: np.ndarray, values: np.ndarray) -> float:
    """Metres a second by a straight line through the last moments."""
    if len(times) < 2 or times[-1] - times[0] < 0.06:
        return 0.0
    t = times - times.mean()
    spread = float(t @ t)
    return float(t @ values / spread) if spread > 1e-9 else 0.0
