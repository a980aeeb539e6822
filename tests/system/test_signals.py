"""Signals that end almajob: raised, held back for a moment, ignored."""

from __future__ import annotations

import signal
import threading

import pytest

from almajob.system.signals import Terminated, defer_signals, notice_signals, raise_signals, rearm


def test_a_signal_waits_until_the_work_is_done() -> None:
    """And is raised then, once for each."""
    done = []
    with pytest.raises(KeyboardInterrupt), defer_signals():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_work_that_is_stuck_is_not_waited_for() -> None:
    """A terminal that takes no more output must not make almajob deaf."""
    done = []
    with pytest.raises(KeyboardInterrupt), defer_signals(lambda: True):
        signal.raise_signal(signal.SIGINT)
        done.append("never")
    assert done == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_insists_is_heard() -> None:
    """A second signal is not held back."""
    done = []
    with pytest.raises(KeyboardInterrupt), defer_signals():
        signal.raise_signal(signal.SIGINT)
        done.append("a little")
        signal.raise_signal(signal.SIGINT)
        done.append("never")
    assert done == ["a little"]


def test_in_another_thread_nothing_is_held() -> None:
    """Signals come to the main thread only, and only it may say how."""
    done = []

    def work() -> None:
        with defer_signals():
            done.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["done"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_ends_is_raised_with_its_exit_code(number: signal.Signals) -> None:
    """And whoever was there before has it back."""
    before = signal.getsignal(number)
    with pytest.raises(Terminated) as caught, raise_signals():
        signal.raise_signal(number)
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_what_is_ignored_stays_ignored(number: signal.Signals) -> None:
    """As nohup wants it, and a shell that starts something in the background; held back or not."""
    before = signal.signal(number, signal.SIG_IGN)
    done = []
    try:
        with raise_signals():
            signal.raise_signal(number)
            with defer_signals():
                signal.raise_signal(number)
                done.append("all of it")
            assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert done == ["all of it"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_the_second_of_a_kind_is_the_end(number: signal.Signals) -> None:
    """What is still put away could only be told with a trace; an embedding program's own handler is kept."""
    with pytest.raises((KeyboardInterrupt, Terminated)), raise_signals():
        try:
            signal.raise_signal(number)
        finally:
            assert signal.getsignal(number) is signal.SIG_DFL
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    try:
        with raise_signals():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_whoever_goes_on_hears_the_next_one_too() -> None:
    """As a shell does, whose commands it ends one after the other; elsewhere nothing is changed."""
    with raise_signals():
        for _ in range(3):
            rearm()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    rearm()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_comes_is_told_from_an_exception_of_its_kind() -> None:
    """It is handled as before, and what was there before is back then."""
    with pytest.raises(KeyboardInterrupt), notice_signals() as came:
        raise KeyboardInterrupt
    assert came == []
    with pytest.raises(KeyboardInterrupt), notice_signals() as came:
        signal.raise_signal(signal.SIGINT)
    assert came == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_stays_the_end_after_the_first_was_noticed() -> None:
    """Whoever handles a signal may say what the next one does."""
    with raise_signals():
        with pytest.raises(Terminated), notice_signals() as came:
            signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
