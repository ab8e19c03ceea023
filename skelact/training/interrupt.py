"""Ctrl-C at a safe place."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Hold a Ctrl-C back until the function that this gives is called, or the block ends.

    It is a `KeyboardInterrupt` then.

    An exception that comes at any instruction can come between the taking of a lock and the block that frees
    it, and whoever waits for that lock waits for ever. A second Ctrl-C comes at once all the same. Nothing
    changes outside the main thread, or where somebody else handles Ctrl-C.
    """
    pressed = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    def check() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    check()
