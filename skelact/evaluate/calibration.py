"""Is a confidence of 80 % right in 80 % of the cases? Calibration and selective prediction on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.errors import DataError, counted
from skelact.evaluate.metrics import check_scores, none_for_nan


@dataclass(frozen=True)
class CalibrationResult:
    """Calibration figures; the reliability table has one entry per bin of confidence (NaN where empty)."""

    n: int
    ece: float
    brier: float
    nll: float
    aurc: float
    bin_edges: np.ndarray
    bin_count: np.ndarray
    bin_confidence: np.ndarray
    bin_accuracy: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray

    def __repr__(self) -> str:
        return (
            f"CalibrationResult({counted(self.n, 'sample')}, ECE {100 * self.ece:.1f} %, Brier {self.brier:.3f}, "
            f"NLL {self.nll:.3f}, AURC {self.aurc:.3f})"
        )

    def to_dict(self) -> dict:
        """Plain containers for JSON; the risk-coverage curve is thinned to at most 200 points."""
        keep = np.unique(np.linspace(0, len(self.risk) - 1, min(200, len(self.risk))).round().astype(int))
        plain = {name: getattr(self, name) for name in ("n", "ece", "brier", "nll", "aurc")}
        for name in ("bin_edges", "bin_count", "bin_confidence", "bin_accuracy"):
            plain[name] = getattr(self, name).tolist()
        plain["coverage"], plain["risk"] = self.coverage[keep].tolist(), self.risk[keep].tolist()
        return none_for_nan(plain)


def _check_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, y = check_scores(probabilities, labels)
    if (p < -1e-6).any() or (np.abs(p.sum(1) - 1) > 1e-3).any():
        raise DataError("calibration needs probabilities that sum to 1; pass softmax(logits)")
    return np.clip(p, 0, 1), y


def reliability_table(
    confidence: np.ndarray, correct: np.ndarray, n_bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bin samples by confidence into equal intervals (lower, upper].

    Returns:
        Edges ``[n_bins + 1]``, and per bin count, mean confidence and accuracy (NaN where empty).

    Raises:
        DataError: if ``n_bins`` is below 1.
    """
    if n_bins < 1:
        raise DataError(f"a reliability table needs at least 1 bin, got {n_bins}")
    edges = np.linspace(0, 1, n_bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=confidence, minlength=n_bins) / count
        accuracy = np.bincount(place, weights=correct.astype(float), minlength=n_bins) / count
    return edges, count, mean, accuracy


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Error rate among the most confident share of samples, for every share, and its mean (AURC).

    Samples of equal confidence are taken in together: their risk is that of the whole group's average.
    """
    order = np.argsort(-confidence, kind="stable")
    conf, wrong = confidence[order], 1.0 - correct[order].astype(float)
    starts = np.flatnonzero(np.diff(conf, prepend=np.inf) != 0)
    sizes = np.diff(np.append(starts, len(conf)))
    wrong = np.repeat(np.add.reduceat(wrong, starts) / sizes, sizes)
    rank = np.arange(1, len(conf) + 1)
    risk = np.cumsum(wrong) / rank
    return rank / len(conf), risk, float(risk.mean())


def risk_at_coverage(coverage: np.ndarray, risk: np.ndarray, share: float) -> float:
    """Error rate when only the most confident ``share`` of the samples is answered."""
    return float(risk[min(int(np.searchsorted(coverage, share - 1e-12)), len(risk) - 1)])


def calibration_metrics(probabilities: np.ndarray, labels: np.ndarray, n_bins: int = 15) -> CalibrationResult:
    """ECE (Guo et al., 2017), Brier score, negative log-likelihood, reliability and risk-coverage.

    Args:
        probabilities: ``[N, K]``, rows sum to 1.
        labels: ``[N]`` class indices.
        n_bins: equal bins of confidence.

    Returns:
        `CalibrationResult`; Brier is the sum over classes of squared errors (0..2), NLL in nats.

    Raises:
        DataError: for no samples, rows that are no probabilities, or labels out of range.
    """
    p, y = _check_probabilities(probabilities, labels)
    confidence, correct = p.max(1), p.argmax(1) == y
    edges, count, mean, accuracy = reliability_table(confidence, correct, n_bins)
    gap = np.abs(np.nan_to_num(accuracy) - np.nan_to_num(mean))
    target = np.zeros_like(p)
    target[np.arange(len(y)), y] = 1
    coverage, risk, aurc = risk_coverage(confidence, correct)
    return CalibrationResult(
        n=len(y),
        ece=float((count * gap).sum() / len(y)),
        brier=float(((p - target) ** 2).sum(1).mean()),
        nll=float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-12)).mean()),
        aurc=aurc,
        bin_edges=edges,
        bin_count=count,
        bin_confidence=mean,
        bin_accuracy=accuracy,
        coverage=coverage,
        risk=risk,
    )
