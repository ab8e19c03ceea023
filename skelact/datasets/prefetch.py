"""`Prefetcher`: batches are made ahead of their use."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

import torch

B = TypeVar("B")


class Prefetcher(Generic[B]):
    """Makes batches in order in a background thread.

    One thread makes them in order, so random numbers are the same as without prefetching. On a GPU the thread
    has its own stream, and batches are made while the network computes.

    Args:
        make: batch number → batch, whose method ``tensors`` lists what lies on the device.
        n_batches: how many.
        ahead: maximal number of prefetched batches; 0: every batch is made on demand.
        device: where ``make`` computes.

    Attributes: ``waited``, seconds that iteration has waited for batches.

    Raises (on iterating): whatever ``make`` raised, in its turn.
    """

    def __init__(
        self,
        make: Callable[[int], B],
        n_batches: int,
        ahead: int = 2,
        device: torch.device | str = "cpu",
    ) -> None:
        self.make, self.n_batches, self.ahead = make, n_batches, ahead
        self.device = torch.device(device)
        self.waited = 0.0

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Generator[B, None, None]:
        with contextlib.closing(self._from_thread() if self.ahead > 0 else self._one_by_one()) as batches:
            for _ in range(self.n_batches):
                begin = time.perf_counter()
                batch = next(batches)
                self.waited += time.perf_counter() - begin
                yield batch

    def _one_by_one(self) -> Generator[B, None, None]:
        for i in range(self.n_batches):
            yield self.make(i)

    def _from_thread(self) -> Generator[B, None, None]:
        ready: queue.Queue[B | BaseException] = queue.Queue(self.ahead)
        stopped = threading.Event()

        def hand_over(result: B | BaseException) -> bool:
            while not stopped.is_set():
                try:
                    ready.put(result, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def work() -> None:
            try:
                stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
                if stream is not None:  # the set may still be on its way to the device
                    stream.wait_stream(torch.cuda.default_stream(self.device))
                for i in range(self.n_batches):
                    with torch.cuda.stream(stream):
                        batch = self.make(i)
                    if stream is not None:
                        stream.synchronize()  # only finished batches are passed on
                    if not hand_over(batch):
                        return
            except BaseException as error:  # raised again by the iterator
                hand_over(error)

        thread = threading.Thread(target=work, name="skelact-prefetch", daemon=True)
        thread.start()
        try:
            for _ in range(self.n_batches):
                result = ready.get()
                if isinstance(result, BaseException):
                    raise result
                if self.device.type == "cuda":
                    current = torch.cuda.current_stream(self.device)
                    for tensor in getattr(result, "tensors", list)():
                        tensor.record_stream(current)  # its memory is in use until that stream is done
                yield result
        finally:
            stopped.set()
            thread.join()
