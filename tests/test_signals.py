"""Ctrl-C and SIGTERM held back for a moment."""

from __future__ import annotations

import signal
import threading

import pytest

from almajob.signals import held


def test_a_signal_waits_until_the_work_is_done() -> None:
    """And is raised then, once for each."""
    done = []
    with pytest.raises(KeyboardInterrupt), held():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_work_that_is_stuck_is_not_waited_for() -> None:
    """A terminal that takes no more output must not make almajob deaf."""
    done = []
    with pytest.raises(KeyboardInterrupt), held(lambda: True):
        signal.raise_signal(signal.SIGINT)
        done.append("never")
    assert done == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_insists_is_heard() -> None:
    """A second signal is not held back."""
    done = []
    with pytest.raises(KeyboardInterrupt), held():
        signal.raise_signal(signal.SIGINT)
        done.append("a little")
        signal.raise_signal(signal.SIGINT)
        done.append("never")
    assert done == ["a little"]


def test_in_another_thread_nothing_is_held() -> None:
    """Signals come to the main thread only, and only it may say how."""
    done = []

    def work() -> None:
        with held():
            done.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["done"]
