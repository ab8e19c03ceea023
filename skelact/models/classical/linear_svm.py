"""Linear support vector machines, one class against all others."""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError


def fit_linear_svm(
    features: np.ndarray, labels: np.ndarray, n_classes: int, cost: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one linear machine for each class against all others.

    Minimises ``|w|²/2 + cost · sum_n max(0, 1 - y_n (w·x_n + b))²`` (the squared hinge loss, which has a gradient);
    b is not penalised.

    Args:
        features: ``[N, D]``.
        labels: ``[N]`` classes.
        n_classes: K.
        cost: of the margin's violation.

    Returns:
        weights ``[K, D]`` and biases ``[K]``; the largest of ``x·w + b`` is the answer.

    Raises:
        DataError: without clips, or for features that are not finite.
    """
    from scipy.optimize import minimize

    features = np.asarray(features, np.float64)
    if not len(features) or not np.isfinite(features).all():
        raise DataError(f"an SVM needs clips with finite features, got {len(features)} clips")
    with_one = np.concatenate([features, np.ones((len(features), 1))], 1)
    target = np.where(np.asarray(labels)[:, None] == np.arange(n_classes), 1.0, -1.0)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight = flat.reshape(n_classes, -1)
        missing = np.maximum(0.0, 1 - target * (with_one @ weight.T))
        slope = -2 * cost * (target * missing).T @ with_one
        slope[:, :-1] += weight[:, :-1]
        return float((weight[:, :-1] ** 2).sum() / 2 + cost * (missing**2).sum()), slope.ravel()

    start = np.zeros(n_classes * with_one.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    weight = found.x.reshape(n_classes, -1)
    return weight[:, :-1], weight[:, -1]
