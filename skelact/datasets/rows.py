"""Rows of numbers, resident in a tensor or mapped from a HDF5 file that is laid out as skelact's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class Rows:
    """``F`` rows of numbers, resident in a tensor or mapped from the chunks of a HDF5 file.

    Chunks written by skelact are uncompressed. The file is mapped as flat numbers, and row ``r`` is the window
    that begins at ``chunk_start[r // chunk] + r % chunk * width``.
    """

    def __init__(self, data: Tensor) -> None:
        self.data = data
        self.shape = data.shape
        self._mapping: tuple[np.ndarray, np.ndarray, int, int] | None = None  # windows, starts, chunk, width

    @classmethod
    def mapped(cls, path: Path, dataset) -> Rows | None:
        """Map a HDF5 data set; None unless its chunks are verified to be laid out as skelact's."""
        starts = _chunk_starts(path, dataset)
        if starts is None:
            return None
        rows = cls.__new__(cls)
        rows.shape = torch.Size(dataset.shape)
        width = int(np.prod(dataset.shape[1:]))
        flat = np.memmap(
            path, dataset.dtype, mode="r", shape=(path.stat().st_size // dataset.dtype.itemsize,)
        )
        windows = np.lib.stride_tricks.sliding_window_view(flat, width)
        rows._mapping = (windows, starts, dataset.chunks[0], width)
        return rows

    def take(self, index: Tensor) -> Tensor:
        """``[n]`` row numbers to ``[n, ...]`` float32 rows."""
        if self._mapping is None:
            return self.data.index_select(0, index).float()
        windows, starts, chunk, width = self._mapping
        where = index.cpu().numpy()
        taken = torch.from_numpy(windows[starts[where // chunk] + where % chunk * width])
        return taken.float().view(-1, *self.shape[1:]).to(index.device)

    @property
    def resident(self) -> bool:
        """Whether they are in a tensor."""
        return self._mapping is None

    def to(self, device: torch.device | str) -> Rows:
        """Resident rows on ``device``."""
        if self._mapping is not None:
            return Rows(self.take(torch.arange(self.shape[0])).to(device))
        return Rows(self.data.to(device))


def native(data: np.ndarray) -> Tensor:
    """Numbers of any byte order and width as a tensor."""
    return torch.from_numpy(data.astype(data.dtype.newbyteorder("="), copy=False))


def _chunk_starts(path: Path, dataset) -> np.ndarray | None:
    """Where each chunk begins, in items of the file; None unless all are plain blocks of whole rows within it.

    Files of other tools with chunks of parts of rows, filters, other byte orders, user blocks or missing chunks
    cannot be mapped.
    """
    item, chunks = dataset.dtype.itemsize, dataset.chunks
    if chunks is None or chunks[1:] != dataset.shape[1:] or dataset.is_virtual or dataset.external:
        return None
    if dataset.dtype not in (np.dtype("=f4"), np.dtype("=f2")) or dataset.file.userblock_size:
        return None
    if dataset.id.get_create_plist().get_nfilters():
        return None
    size = chunks[0] * int(np.prod(chunks[1:])) * item
    starts = np.full(-(-dataset.shape[0] // chunks[0]), -1, np.int64)
    whole = True

    def note(info) -> None:
        nonlocal whole
        place, ahead = divmod(info.chunk_offset[0], chunks[0])
        whole = whole and not (
            ahead or any(info.chunk_offset[1:]) or info.filter_mask or info.byte_offset % item
        )
        whole = whole and info.size == size and 0 <= place < len(starts)
        if whole:
            starts[place] = info.byte_offset // item

    dataset.id.chunk_iter(note)
    end = path.stat().st_size
    return starts if whole and (starts >= 0).all() and (starts * item + size <= end).all() else None
