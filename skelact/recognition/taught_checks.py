"""What is wrong with examples of gestures, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from skelact.errors import LayoutError
from skelact.recognition.taught_examples import Example

APART = 0.04  # cosine by which examples must be more like their own gesture's than another's
LEAST_LIKE = 0.5  # cosine of an example with the nearest other of its gesture


def unlike_examples(name: str, vectors: np.ndarray, seconds: list[float]) -> str:
    """Which examples ``[n, D]`` of a gesture are unlike the others, in words; empty if none is."""
    nearest = (vectors @ vectors.T - 2 * np.eye(len(vectors))).max(1)
    off = np.flatnonzero(nearest < LEAST_LIKE)
    if not len(off):
        return ""
    which = ", ".join(f"{i + 1} (likeness {nearest[i]:.2f}, {seconds[i]:.1f} s)" for i in off.tolist())
    whole = len(off) == len(vectors)
    said = "all examples differ from each other" if whole else f"example {which} is unlike the others"
    return (
        f"gesture '{name}': {said} (likeness below {LEAST_LIKE:g}); look at it, leave it out or record it again so "
        "that it shows the same gesture once"
    )


def like_another(name: str, vectors: np.ndarray, others: Mapping[str, np.ndarray]) -> str:
    """Which gesture one cannot be told from, in words; empty if there is none."""
    for other, known in others.items():
        across = vectors @ known.T
        crossed = 0.5 * float(across.max(1).mean() + across.max(0).mean())
        own = 0.5 * (_nearest(vectors) + _nearest(known))
        if crossed > own - APART:
            return (
                f"gesture '{name}' is too like '{other}': examples of the two are {crossed:.2f} alike, and those of "
                f"each {own:.2f}; make the two more different, or remove one"
            )
    return ""


def check_form(example: Example, known: Sequence[Example], where: str) -> None:
    """Refuse an example that does not show what those that are known do.

    Raises:
        LayoutError: naming what it lacks.
    """
    if not known:
        return
    layout = known[0].layout or "its own"
    flat = any(e.flat for e in known)
    if example.flat != flat:
        raise LayoutError(
            f"{where} has {'no depth' if example.flat else 'depth'}, and the vocabulary was taught "
            f"{'without' if flat else 'with'} it (layout {layout}); use recordings of the same kind, or teach another "
            "vocabulary (--vocabulary FILE)"
        )
    if any(e.fingers for e in known) and not example.fingers:
        raise LayoutError(
            f"{where} shows no whole hand, and the vocabulary was taught with fingers (layout {layout}); extract with "
            "--parts pose+hands and keep the hands in the picture"
        )
    if any(e.arms for e in known) and not example.arms:
        raise LayoutError(
            f"{where} shows hands alone, and the vocabulary was taught with arms (layout {layout}); extract with "
            "--parts pose+hands, or teach another vocabulary (--vocabulary FILE)"
        )


def _nearest(vectors: np.ndarray) -> float:
    """Mean cosine of each example with the nearest other."""
    return float((vectors @ vectors.T - 2 * np.eye(len(vectors))).max(1).mean())
