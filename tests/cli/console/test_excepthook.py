"""What escapes everything is told as a bug: short, without keys, and by the exit code."""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from almajob.cli.console import excepthook, log_setup
from almajob.errors import UsageError
from almajob.system.signals import Terminated
from almajob.text.redaction import Secret

KEY = "an-odd-key-of-a-test"


class Unspeakable(Exception):
    """One that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError(KEY)


@pytest.fixture(autouse=True)
def _hooked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the hooks in place for one test, and a secret."""
    Secret(KEY)
    for owner, name in (
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
        (warnings, "showwarning"),
        (logging, "raiseExceptions"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(sys, "argv", ["almajob", "list"])
    excepthook.install()


@pytest.fixture(params=["before the first message", "later"])
def told(request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return what people read, whether or not almajob's own messages go there already."""
    stream = io.StringIO()
    logging.getLogger("almajob").handlers[:] = []
    if request.param == "later":
        log_setup.configure(stream, 0, None)
    return lambda: stream.getvalue() + capfd.readouterr().err


def _raise(error: BaseException) -> None:
    sys.excepthook(type(error), error, None)


def _raise_in_thread(error: BaseException) -> None:
    def fail() -> None:
        raise error

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def _raise_in_passing(error: BaseException) -> None:
    class Broken:
        def __del__(self) -> None:
            raise error

    Broken()


WAYS = [_raise, _raise_in_thread, _raise_in_passing]


@pytest.mark.parametrize("fail", WAYS)
def test_an_error_that_nothing_caught_is_a_bug(fail: Any, told: Callable[[], str]) -> None:
    """Told in three lines, with what to attach; no traceback, and no key."""
    fail(ValueError(f"{KEY}\n\nsecond line"))
    first, *more = told().splitlines()
    assert first == "almajob: a bug in almajob: ValueError: (hidden) second line"
    assert more[0] == "  Please report it, with the output of the same command and --debug,"
    assert more[1].startswith("  and this: almajob ")
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}." in more[1]
    assert len(more) == 2


@pytest.mark.parametrize("fail", WAYS)
def test_debug_tells_where(fail: Any, told: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the traceback comes first, without the key; also those of what came before."""
    monkeypatch.setattr(sys, "argv", ["almajob", "list", "--debug"])
    error = ValueError(f"{KEY} \x1b")
    error.__cause__ = KeyError(KEY)
    fail(error)
    text = told()
    assert "KeyError: '(hidden)'" in text
    assert "\nValueError: (hidden) \\x1b\n" in text
    assert "almajob: a bug in almajob: ValueError: (hidden) \\x1b\n" in text
    assert KEY not in text


@pytest.mark.parametrize("fail", WAYS)
@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), Terminated(), BrokenPipeError()], ids=repr
)
def test_an_end_that_was_asked_for_is_no_bug(
    fail: Any, error: BaseException, told: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code tells it, also with --debug."""
    monkeypatch.setattr(sys, "argv", ["almajob", "--debug"])
    fail(error)
    assert told() == ""


def test_nothing_to_tell_is_not_told(told: Callable[[], str]) -> None:
    """Python calls its hooks without an error where it has none left."""
    nothing = SimpleNamespace(exc_value=None)
    threading.excepthook(nothing)  # type: ignore[arg-type]  # its type cannot be made
    sys.unraisablehook(nothing)
    assert told() == ""


def test_a_warning_goes_where_messages_go(told: Callable[[], str]) -> None:
    """In Python's words, without the key."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        excepthook.install()
        warnings.warn_explicit(f"{KEY} is deprecated", UserWarning, "plugin.py", 3)
    assert told().startswith("plugin.py:3: UserWarning: (hidden) is deprecated\n")


@pytest.mark.parametrize("gone", [None, io.StringIO()], ids=["none", "closed"])
def test_where_nobody_listens_nothing_is_told(gone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No second error comes of the first."""
    logger = logging.getLogger("almajob")
    monkeypatch.setattr(logger, "handlers", [])
    if gone is not None:
        gone.close()
    monkeypatch.setattr(sys, "stderr", gone)
    excepthook.report(ValueError("x"))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(""), "a bug in almajob: ValueError\n"),
        (Unspeakable(), "a bug in almajob: Unspeakable: it cannot say of what\n"),
        (UsageError("Foreseen, but not here."), "a bug in almajob: UsageError: Foreseen, but not here.\n"),
        (ValueError("x" * 597 + KEY), f"a bug in almajob: ValueError: {'x' * 597}(hi …\n"),
    ],
    ids=repr,
)
def test_a_bug_is_told_in_three_lines_whatever_it_says(error: BaseException, told: str) -> None:
    """Nothing, something that fails itself, or a page of text: cut where the key is out of it."""
    lines = excepthook.describe_bug(error)
    assert lines.startswith(f"almajob: {told}")
    assert len(lines.splitlines()) == 3


def test_a_plugins_bug_is_its_authors() -> None:
    """Who is to be told is told."""
    assert excepthook.describe_bug(OSError("x"), "the command 'y'", "  Tell z.") == (
        "almajob: a bug in the command 'y': OSError: x\n  Tell z."
    )


def test_a_handler_that_fails_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """logging's own way is a traceback on stderr, with the message and its arguments."""
    stream = io.StringIO()
    logger, handler = logging.getLogger("some.library"), logging.StreamHandler(stream)
    logger.addHandler(handler)
    stream.close()
    try:
        logger.warning("text %s", KEY)
    finally:
        logger.removeHandler(handler)
    assert capfd.readouterr() == ("", "")
