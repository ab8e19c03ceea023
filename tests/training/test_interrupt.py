"""Ctrl-C waits for a safe place, but not for ever."""

from __future__ import annotations

import signal
import threading

import pytest

from skelact.training.interrupt import interrupts_held


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
