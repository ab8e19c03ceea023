"""What a run writes about itself: ``metrics.csv``, and TensorBoard's log where that is installed."""

from __future__ import annotations

import csv
import logging
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from skelact.recognition.checkpoint import write_atomically

log = logging.getLogger(__name__)


class HistoryWriter:
    """Writes the records of a run's epochs; used as a context.

    Args:
        folder: the run's folder.
        active: whether this process writes (of several only one does).
    """

    def __init__(self, folder: Path, active: bool = True) -> None:
        self.folder, self.active = folder, active
        self._board: Any = None

    def write(self, history: list[dict[str, float]]) -> None:
        """Write ``metrics.csv`` anew, and the last epoch to TensorBoard.

        Raises:
            CheckpointError: if ``metrics.csv`` cannot be written; TensorBoard's log is only missed.
        """
        if not (self.active and history):
            return
        columns = list(dict.fromkeys(k for record in history for k in record))

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(history)

        write_atomically(self.folder / "metrics.csv", write)
        try:
            self._draw(history[-1], len(history))
        except OSError as error:  # a picture of the run is not worth the run
            log.warning("TensorBoard's log cannot be written: %s", error)

    def _draw(self, record: dict[str, float], step: int) -> None:
        if self._board is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step)
        for name, value in record.items():
            if name != "epoch":
                self._board.add_scalar(name, value, step)
        self._board.flush()

    def __enter__(self) -> HistoryWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._board is not None:
            with suppress(OSError):
                self._board.close()
