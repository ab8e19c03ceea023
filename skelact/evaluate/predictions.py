"""What a network said of every clip: the records, and the file ``predictions.csv`` that keeps them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.errors import DataError, counted
from skelact.io.files import write_text
from skelact.io.tables import Table

COLUMNS = ("clip", "subject", "label", "predicted", "confidence", "label_probability", "correct", "top5")


@dataclass(frozen=True)
class Predictions:
    """Answers for N clips of known classes.

    Args:
        clips: names ``[N]``.
        subjects: who is in each clip, "" where that is not known.
        labels, predicted: names of classes ``[N]``.
        confidence: probability of the answer ``[N]``.
        label_probability: probability of the true class ``[N]``.
        top5: the likeliest (name, probability) of each clip, at most five.
    """

    clips: list[str]
    subjects: list[str]
    labels: list[str]
    predicted: list[str]
    confidence: np.ndarray
    label_probability: np.ndarray
    top5: list[list[tuple[str, float]]]

    def __len__(self) -> int:
        return len(self.clips)

    def __repr__(self) -> str:
        return f"Predictions({counted(len(self), 'clip')}, {100 * self.correct.mean() if len(self) else 0:.1f} % right)"

    @property
    def correct(self) -> np.ndarray:
        """Whether each answer is right ``[N]``."""
        return np.array([a == b for a, b in zip(self.labels, self.predicted, strict=True)], bool)

    def take(self, rows: Sequence[int]) -> Predictions:
        """Some clips, in this order."""
        rows = list(rows)

        def some(column: list) -> list:
            return [column[i] for i in rows]

        return Predictions(
            some(self.clips), some(self.subjects), some(self.labels), some(self.predicted),
            self.confidence[rows], self.label_probability[rows], some(self.top5),
        )  # fmt: skip

    def worst(self, n: int) -> list[int]:
        """Rows of the wrong answers, the most confident first, at most n."""
        wrong = np.flatnonzero(~self.correct)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:n].tolist()


def predictions_of(
    clips: Sequence[str],
    subjects: Sequence[str],
    probabilities: np.ndarray,
    labels: np.ndarray,
    label_names: Sequence[str],
) -> Predictions:
    """Answers from probabilities ``[N, K]`` and true classes ``[N]``."""
    names = [str(name) for name in label_names]
    p, rows = np.asarray(probabilities, np.float64), np.arange(len(labels))
    order = np.argsort(-p, axis=1, kind="stable")[:, :5]
    best = p.argmax(1)
    return Predictions(
        list(clips),
        list(subjects),
        [names[k] for k in labels],
        [names[k] for k in best],
        p[rows, best],
        p[rows, labels],
        [[(names[k], float(p[i, k])) for k in row] for i, row in zip(rows, order, strict=True)],
    )


def write_predictions(path: str | Path, found: Predictions) -> Path:
    """Write ``predictions.csv``: one line a clip, in `COLUMNS`; ``top5`` is a JSON list of [name, probability].

    Raises:
        DataError: if it cannot be written; nothing is left then.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    correct = found.correct
    for i, clip in enumerate(found.clips):
        top5 = json.dumps([[name, round(p, 6)] for name, p in found.top5[i]], ensure_ascii=False)
        writer.writerow(
            [
                clip, found.subjects[i], found.labels[i], found.predicted[i], f"{found.confidence[i]:.6f}",
                f"{found.label_probability[i]:.6f}", int(correct[i]), top5,
            ]
        )  # fmt: skip
    return write_text(path, text.getvalue())


def read_predictions(path: str | Path) -> Predictions:
    """Read ``predictions.csv``.

    Raises:
        DataError: if it is not such a file, is cut off, or names a clip twice.
    """
    table = Table(path)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise DataError(
            f"{path} lacks the column {', '.join(missing)}; skelact evaluate writes predictions.csv anew"
        )
    clips = table.text("clip")
    twice = sorted({c for c in clips if clips.count(c) > 1}) if len(set(clips)) < len(clips) else []
    if twice:
        raise DataError(f"{path} names clip '{twice[0]}' twice; skelact evaluate writes it anew")
    numbers = table.numbers(["confidence", "label_probability"])
    try:
        top5 = [[(str(name), float(p)) for name, p in json.loads(text)] for text in table.text("top5")]
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: its column top5 is damaged ({error}); evaluate again") from None
    return Predictions(
        clips, table.text("subject"), table.text("label"), table.text("predicted"), numbers[:, 0], numbers[:, 1], top5
    )  # fmt: skip
