"""No handler of this process writes a key, whoever made it and whoever logs."""

from __future__ import annotations

import io
import logging
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


def test_a_librarys_own_handler_writes_no_key() -> None:
    """Neither of the text, nor of the arguments, nor where the call is wrong, nor of a traceback."""
    log_setup.configure(io.StringIO(), 0, None)
    logger, stream = logging.getLogger("some.library"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s:%(message)s"))
    logger.addHandler(handler)
    try:
        logger.warning("%s and %s", KEY, {"a": KEY})
        logger.warning(f"plain {KEY}")
        logger.warning("%d", KEY)
        logger.warning("%s", KEY, KEY)
        try:
            raise ValueError(KEY)
        except ValueError:
            logger.exception("It failed.")
    finally:
        logger.removeHandler(handler)
    told, _, traceback = stream.getvalue().partition("ERROR:It failed.\nTraceback (most recent call last):\n")
    assert told == (
        "WARNING:(hidden) and {'a': '(hidden)'}\n"
        "WARNING:plain (hidden)\n"
        "WARNING:%d ('(hidden)',)\n"
        "WARNING:%s ('(hidden)', '(hidden)')\n"
    )
    assert traceback.endswith("\nValueError: (hidden)\n")


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
    # Our own handlers clean the finished line, whatever is in it besides the message.
    logging.getLogger(f"almajob.{KEY}").warning("%s", "x")
    first, second = log.read_text("utf-8").splitlines()
    assert first.endswith(" WARNING some.library (hidden) \\x1b")
    assert second.endswith(" WARNING almajob.(hidden) x")


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


def test_what_cannot_be_formatted_is_dropped_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """Not told with a traceback on stderr."""
    stream = io.StringIO()
    log_setup.configure(stream, 0, None)
    logging.getLogger("almajob").warning("%s", Unspeakable())
    assert (stream.getvalue(), capfd.readouterr().err) == ("", "")
