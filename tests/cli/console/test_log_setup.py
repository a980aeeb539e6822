"""No handler of this process writes a key, whoever made it and whoever logs."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from almajob.cli.console import log_setup
from almajob.text.redaction import Secret

KEY = "an-odd-key-of-a-test"


class Unspeakable:
    """Cannot be formatted."""

    def __repr__(self) -> str:
        raise RuntimeError(KEY)


@pytest.fixture(autouse=True)
def _secret() -> None:
    """Have a key that is known."""
    Secret(KEY)


@pytest.fixture
def foreign() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A library's logger, with a handler and a format of its own."""
    log_setup.configure(io.StringIO(), 0, None)
    logger, stream = logging.getLogger("some.library"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s:%(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)
    logger.propagate = True


def test_a_librarys_own_handler_writes_no_key(foreign: tuple[logging.Logger, io.StringIO]) -> None:
    """Neither of the text, nor of the arguments, nor where the call is wrong."""
    logger, stream = foreign
    logger.warning("%s and %s", KEY, {"a": KEY})
    logger.warning(f"plain {KEY}")
    logger.warning("%d", KEY)
    logger.warning("%s", KEY, KEY)
    assert stream.getvalue() == (
        "WARNING:(hidden) and {'a': '(hidden)'}\n"
        "WARNING:plain (hidden)\n"
        "WARNING:%d ('(hidden)',)\n"
        "WARNING:%s ('(hidden)', '(hidden)')\n"
    )


def test_a_librarys_traceback_has_no_key(foreign: tuple[logging.Logger, io.StringIO]) -> None:
    """It is still there."""
    logger, stream = foreign
    try:
        raise ValueError(KEY)
    except ValueError:
        logger.exception("It failed.")
    told = stream.getvalue()
    assert told.startswith("ERROR:It failed.\nTraceback (most recent call last):\n")
    assert told.endswith("\nValueError: (hidden)\n")


def test_a_factory_of_others_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever embeds almajob has made it; our own handlers hide keys all the same."""

    class Theirs(logging.LogRecord):
        pass

    logging.setLogRecordFactory(Theirs)
    stream = io.StringIO()
    log_setup.configure(stream, 0, None)
    assert logging.getLogRecordFactory() is Theirs
    logging.getLogger("almajob").warning("%s", KEY)
    assert stream.getvalue() == "(hidden)\n"


def test_what_nobody_listens_to_goes_where_our_messages_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python itself would write it to stderr, and nowhere else; what is no warning is not told."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    stream = io.StringIO()
    log = tmp_path / "almajob.log"
    log_setup.configure(stream, 0, str(log))
    logging.getLogger("some.library").warning("%s \x1b", KEY)
    logging.getLogger("some.library").info("quiet")
    assert stream.getvalue() == "(hidden) \\x1b\n"
    assert log.read_text("utf-8").endswith(" WARNING some.library (hidden) \\x1b\n")
    assert log.read_text("utf-8").count("\n") == 1


def test_before_there_is_a_place_for_messages_a_librarys_is_dropped(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It does not come back to itself for ever."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger("almajob"), "handlers", [])
    log_setup.hide_keys()
    assert not log_setup.is_configured()
    logging.getLogger("some.library").warning("x")
    assert capfd.readouterr() == ("", "")


def test_our_own_handlers_clean_the_finished_line(tmp_path: Path) -> None:
    """Whatever is in it besides the message."""
    log = tmp_path / "almajob.log"
    log_setup.configure(io.StringIO(), 0, str(log))
    logging.getLogger(f"almajob.{KEY}").warning("%s", "x")
    assert log.read_text("utf-8").endswith(" WARNING almajob.(hidden) x\n")


def test_what_cannot_be_formatted_is_dropped_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """Not told with a traceback on stderr."""
    stream = io.StringIO()
    log_setup.configure(stream, 0, None)
    logging.getLogger("almajob").warning("%s", Unspeakable())
    assert (stream.getvalue(), capfd.readouterr().err) == ("", "")
