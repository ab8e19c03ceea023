"""What motion is normal, learned from recordings without labels, and how far other motion is from it.

Two ways on the same windows (`skelact.models.classical.body_motion.window_features`): the cost of sparse reconstruction
(Cong, Yuan and Liu, CVPR 2011; Pattern Recognition 2013) and the density of a mixture of Gaussians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skelact.errors import CheckpointError, ConfigError, DataError
from skelact.models.classical.body_motion import UP, BodyMotion, body_motion, window_features
from skelact.models.classical.gaussian_mixture import GaussianMixture
from skelact.models.classical.sparse_reconstruction import SparseReconstruction
from skelact.recognition.array_file import read_arrays, write_arrays
from skelact.skeleton import Skeleton

Method = Literal["sparse", "density"]
METHODS: tuple[Method, ...] = ("sparse", "density")
_MAKER = "skelact learn-normal"
_FEWEST = 20  # windows to learn from
_TAIL = 0.1  # share of the highest costs whose tail is fitted


@dataclass(frozen=True)
class NormalSettings:
    """How motion is described and learned.

    Args:
        seconds: of a window.
        step: seconds between two.
        n_parts: parts of a window (time basis).
        fast: trunk lengths a second between the bands of speed.
        rate: frames a second.
        sparsity: lambda of the selection as a share of the smallest one that selects nothing.
        penalty: lambda of the reconstruction, as a share of the mean squared length of normal features.
        candidates: windows that the dictionary is selected from at most, drawn at random.
        components: of the mixture.
        prior: windows that the covariances' ball counts for.
        held: share of the recordings that thresholds are learned from, and nothing else.
        seed: of everything drawn.
    """

    seconds: float = 2.0
    step: float = 0.5
    n_parts: int = 1
    fast: float = 1.0
    rate: float = 20.0
    sparsity: float = 0.01
    penalty: float = 0.02
    candidates: int = 500
    components: int = 8
    prior: float = 30.0
    held: float = 0.3
    seed: int = 0


@dataclass(frozen=True)
class Tail:
    """How often normal windows cost how much: a generalised Pareto tail above a level.

    The shape and the scale are those of probability-weighted moments (Hosking and Wallis, Technometrics 1987).

    Args:
        level: cost that a share ``share`` of normal windows exceeds.
        share: of them.
        scale: sigma.
        shape: xi, 0 (exponential) to 0.5.
        hours: of normal motion that it was learned from.
    """

    level: float
    share: float
    scale: float
    shape: float
    hours: float

    @classmethod
    def of(cls, costs: np.ndarray, hours: float) -> Tail:
        """Of the costs of normal windows ``[N]``."""
        level = float(np.quantile(costs, 1 - _TAIL))
        beyond = np.sort(costs[costs > level] - level)
        mean = float(beyond.mean()) if len(beyond) else 0.0
        place = (np.arange(len(beyond)) + 0.65) / max(len(beyond), 1)
        weighted = float(((1 - place) * beyond).mean()) if len(beyond) else 0.0
        shape = 0.0
        if len(beyond) > 10 and mean > 2 * weighted:
            shape = float(np.clip(2 - mean / (mean - 2 * weighted), 0.0, 0.5))
        scale = mean * (1 - shape)
        return cls(level, len(beyond) / len(costs), max(scale, 1e-9 * max(abs(level), 1.0)), shape, hours)

    def threshold(self, share: float) -> float:
        """The cost that this share of normal windows exceeds; the level for shares above the tail's."""
        if share >= self.share:
            return self.level
        ratio = np.log(self.share / share)
        grown = float(np.expm1(self.shape * ratio) / self.shape) if self.shape > 1e-6 else float(ratio)
        return self.level + self.scale * grown


class NormalMotion:
    """A model of normal motion.

    Args:
        scale: features are divided by it.
        sparse: the dictionary.
        density: of the same features.
        tails: of normal costs, by method.
        settings: see `NormalSettings`.
    """

    def __init__(
        self, scale: float, sparse: SparseReconstruction, density: GaussianMixture, tails: dict[str, Tail],
        settings: NormalSettings,
    ) -> None:  # fmt: skip
        self.scale, self.sparse, self.density, self.tails = scale, sparse, density, tails
        self.settings = settings

    @classmethod
    def fit(cls, motions: Sequence[BodyMotion], settings: NormalSettings | None = None) -> NormalMotion:
        """Learn from recordings of normal motion.

        Args:
            motions: of one person each, at the settings' rate. A share of them gives the thresholds and nothing else;
                of a single one its last part does.
            settings: see `NormalSettings`.

        Raises:
            DataError: for too little motion.
        """
        settings = settings or NormalSettings()
        windows = [_windows(m, settings) for m in motions]
        windows = [w for w in windows if len(w)]
        rng = np.random.default_rng(settings.seed)
        learn, held = _part(windows, settings.held, rng)
        if len(learn) < _FEWEST or len(held) < 2:
            raise DataError(
                f"normal motion needs at least {_FEWEST} windows of {settings.seconds:g} s to learn from and some "
                f"more for its thresholds, got {len(learn)} and {len(held)}; give more recordings"
            )
        scale = max(float(np.sqrt((learn**2).sum(1).mean())), 1e-9)
        chosen = learn if len(learn) <= settings.candidates else learn[
            rng.choice(len(learn), settings.candidates, replace=False)
        ]  # fmt: skip
        chosen = chosen[np.linalg.norm(chosen, axis=1) > 1e-3 * scale] / scale
        if len(chosen) < 2:
            raise DataError("nobody moves in the recordings; normal motion needs some motion to learn from")
        largest = float(np.linalg.norm(chosen @ chosen.T, axis=1).max())
        sparse = SparseReconstruction.fit(chosen, settings.sparsity * largest, settings.penalty)
        density, _ = GaussianMixture.fit(
            learn / scale, min(settings.components, len(learn) // 5), settings.prior, settings.seed
        )
        model = cls(scale, sparse, density, {}, settings)
        hours = len(held) * settings.step / 3600
        model.tails = {method: Tail.of(model.cost(held, method), hours) for method in METHODS}
        return model

    def motion(self, skeleton: Skeleton, person: int = 0, up: np.ndarray = UP) -> BodyMotion:
        """The motion of one person of a recording as the model takes it."""
        return body_motion(skeleton, person, self.settings.rate, up)

    def windows(self, motion: BodyMotion) -> tuple[np.ndarray, np.ndarray]:
        """Features ``[N, D]`` of somebody's windows, and when each begins ``[N]``, seconds."""
        s = self.settings
        if motion.rate != s.rate:
            raise DataError(f"the model takes {s.rate:g} frames a second, got {motion.rate:g}")
        return window_features(motion, s.seconds, s.step, s.n_parts, s.fast)

    def cost(self, windows: np.ndarray, method: Method = "sparse") -> np.ndarray:
        """How unusual windows ``[N, D]`` are, ``[N]``: the cost of their reconstruction, or minus their log density."""
        x = np.asarray(windows, np.float64) / self.scale
        if method == "sparse":
            return self.sparse.cost(x)
        if method == "density":
            return -self.density.log_density(x)
        raise ConfigError(f"there is no way '{method}' to judge motion; allowed: {', '.join(METHODS)}")

    def threshold(self, per_hour: float, method: Method = "sparse") -> float:
        """The cost that normal motion exceeds so often an hour of somebody's being seen.

        From the tail of the normal costs; rates far below one in the hours learned from are extrapolated.

        Raises:
            ConfigError: for a rate that is not above 0.
        """
        if not per_hour > 0:
            raise ConfigError(f"false alarms an hour must be above 0, got {per_hour}")
        return self.tails[method].threshold(per_hour * self.settings.step / 3600)

    def save(self, path: str | PathLike[str], extra: dict[str, Any] | None = None) -> Path:
        """Write the model as one safetensors file; ``extra`` is kept in its card.

        Raises:
            DataError: if it cannot be written.
        """
        arrays = {
            "atoms": self.sparse.atoms, "weight": self.sparse.weight, "share": self.density.share,
            "mean": self.density.mean, "factor": self.density.factor,
        }  # fmt: skip
        card = {
            "settings": asdict(self.settings), "scale": self.scale,
            "tails": {name: asdict(tail) for name, tail in self.tails.items()}, **(extra or {}),
        }  # fmt: skip
        return write_arrays(path, "normal motion", card, arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> NormalMotion:
        """Read a model that `save` has written.

        Raises:
            CheckpointError: if it is not there, damaged, or something else.
        """
        card, a = read_arrays(path, "normal motion", _MAKER)
        try:
            settings = NormalSettings(**card["settings"])
            tails = {
                method: Tail(**{k: float(v) for k, v in card["tails"][method].items()}) for method in METHODS
            }
            d, k = len(a["atoms"]), len(a["share"])
            if d != 96 * settings.n_parts or a["weight"].shape != (a["atoms"].shape[1],):
                raise ValueError("the dictionary's size")
            if a["mean"].shape != (k, d) or a["factor"].shape != (k, d, d) or not (a["share"] > 0).all():
                raise ValueError("the mixture's size")
            scale = float(card["scale"])
            if not scale > 0 or not all(
                t.scale > 0 and 0 <= t.share <= 1 and 0 <= t.shape < 1 for t in tails.values()
            ):
                raise ValueError("the scale of costs")
            sparse = SparseReconstruction(a["atoms"], a["weight"])
            return cls(scale, sparse, GaussianMixture(a["share"], a["mean"], a["factor"]), tails, settings)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise CheckpointError(
                f"{path} is damaged ({type(error).__name__}: {error}); make it again with {_MAKER}"
            ) from None


def _windows(motion: BodyMotion, s: NormalSettings) -> np.ndarray:
    if motion.rate != s.rate:
        raise DataError(f"the settings take {s.rate:g} frames a second, got {motion.rate:g}")
    return window_features(motion, s.seconds, s.step, s.n_parts, s.fast)[0]


def _part(windows: list[np.ndarray], share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Windows to learn from and windows held out, by whole recordings if there are several."""
    if len(windows) > 1:
        order = rng.permutation(len(windows))
        n = min(max(1, round(share * len(windows))), len(windows) - 1)
        held, rest = ([windows[i] for i in part] for part in (order[:n], order[n:]))
        return np.concatenate(rest), np.concatenate(held)
    if not windows:
        return np.zeros((0, 1)), np.zeros((0, 1))
    cut = round((1 - share) * len(windows[0]))
    return windows[0][:cut], windows[0][cut:]
