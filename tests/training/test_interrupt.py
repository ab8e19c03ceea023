"""Ctrl-C waits for a safe place, but not for ever."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from skelact.training.interrupt import interrupts_held


@pytest.fixture(autouse=True)
def usual_handler() -> Iterator[None]:
    """What started the tests may have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_it_waits_for_the_check() -> None:
    before = signal.getsignal(signal.SIGINT)
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held() as check:
        check()
        signal.raise_signal(signal.SIGINT)
        done.append("the step in hand")
        check()
        done.append("another step")
    assert done == ["the step in hand"]
    assert signal.getsignal(signal.SIGINT) is before


def test_it_is_not_lost_after_the_last_check() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held() as check:
        check()
        signal.raise_signal(signal.SIGINT)
        done.append("what came after")
    assert done == ["what came after"]


def test_the_second_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it was held back again")


def test_others_keep_their_handlers() -> None:
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        with interrupts_held() as check:
            signal.raise_signal(signal.SIGINT)
            check()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]
    failed = []

    def run() -> None:
        try:
            with interrupts_held() as check:
                check()
        except ValueError as error:  # signals belong to the main thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failed
