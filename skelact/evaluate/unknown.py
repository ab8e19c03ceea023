"""Refusing to answer: the confidence below which an answer is ``unknown``, and how well that tells strangers."""

from __future__ import annotations

import numpy as np

from skelact.errors import ConfigError, DataError


def least_clips(rate: float) -> int:
    """The fewest clips that a threshold for this rate can be fitted on."""
    return int(np.ceil(1 / rate - 1 - 1e-9))


def refusal_threshold(confidence: np.ndarray, rate: float) -> float:
    """The confidence below which to refuse so that at most a share ``rate`` of clips of known classes is refused.

    It is the k-th smallest confidence with k = ⌊rate (n + 1)⌋, as in split conformal prediction (Vovk et al.,
    Algorithmic Learning in a Random World, 2005): of a new clip that is drawn as these were, the chance to be refused
    is at most ``rate``, on average over such draws. The confidence is the maximum softmax probability (Hendrycks and
    Gimpel, ICLR 2017). Nothing is promised about clips of other classes.

    Args:
        confidence: ``[N]`` of clips of known classes that were not trained on.
        rate: the share, above 0 and below 1.

    Raises:
        ConfigError: for a rate out of range.
        DataError: if there are too few clips for it, or a confidence is not finite.
    """
    if not 0 < rate < 1:
        raise ConfigError(
            f"the share of known clips that may be refused must be above 0 and below 1, got {rate}"
        )
    values = np.sort(np.asarray(confidence, np.float64))
    if not np.isfinite(values).all():
        raise DataError(
            "the confidence of a clip is not finite; the network diverged or its input was damaged"
        )
    k = int(rate * (len(values) + 1) + 1e-9)
    if k < 1:
        raise DataError(
            f"{len(values)} clips are too few to fit a threshold that refuses {100 * rate:g} % of them; "
            f"at least {least_clips(rate)} are needed, or a higher rate"
        )
    return float(values[k - 1])


def refusal_figures(confidence: np.ndarray, correct: np.ndarray, threshold: float) -> dict[str, float | None]:
    """What refusing below a threshold does to clips of known classes.

    Returns:
        ``threshold``, ``refused`` (share of all clips), ``refused_wrong`` (share of the wrong answers that are
        refused; None without any) and ``top1_answered`` (share right among those answered; None without any).
    """
    correct = np.asarray(correct, bool)
    refused = np.asarray(confidence) < threshold
    return {
        "threshold": threshold,
        "refused": float(refused.mean()),
        "refused_wrong": float(refused[~correct].mean()) if (~correct).any() else None,
        "top1_answered": float(correct[~refused].mean()) if (~refused).any() else None,
    }
