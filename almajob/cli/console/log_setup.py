"""Where messages go: stderr and, if asked for, files; never with a key in them."""

from __future__ import annotations

import errno
import logging
import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from almajob.errors import UsageError
from almajob.system.private_files import refuse_planted
from almajob.system.sharing.stop import is_stopped
from almajob.system.terminal import fit_message, mark_error
from almajob.text.redaction import redact
from almajob.text.sanitize import sanitize

_FILE_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_MOST_HELD = 200
_LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
_OF_THE_SYSTEM = ("/dev", "/dev/fd", "/proc/self/fd")
"""Where /dev/stderr is, and what a shell makes of >(…)."""
_LOGGER = logging.getLogger("almajob")
_CALLS = logging.getLogger("almajob.alma.call_log")


_beginning = ContextVar("beginning", default="")


@contextmanager
def name_environment(environment: str) -> Iterator[None]:
    """Begin each message that is logged meanwhile, in this thread or for it, with an environment's name."""
    token = _beginning.set(f"{environment}: ")
    try:
        yield
    finally:
        _beginning.reset(token)


class HarmlessRecord(logging.LogRecord):
    """A record without keys, whoever logs it and whoever writes it: also a plugin's own handler.

    One whose arguments do not fit its text is told as it stands.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.beginning = _beginning.get()
        if self.exc_info:
            # A formatter takes this instead of making its own.
            self.exc_text = redact(logging.Formatter().formatException(self.exc_info))

    def getMessage(self) -> str:  # noqa: N802
        try:
            return redact(f"{self.beginning}{super().getMessage()}")
        except Exception:  # noqa: BLE001  # formatting runs code of whoever logs
            return redact(f"{self.msg} {self.args}")


class _HarmlessFactory:
    """Makes records as the program's own factory does, and takes keys out before anybody sees them."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *given: Any, **more: Any) -> logging.LogRecord:
        record = self._make(*given, **more)
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001  # formatting runs code of whoever logs
            text = f"{record.msg} {record.args}"
        if (harmless := redact(text)) != text:
            record.msg, record.args = harmless, None
        if record.exc_info and record.exc_info[0]:
            trace = logging.Formatter().formatException(record.exc_info)
            if (harmless := redact(trace)) != trace:
                # A formatter shows the text where there is no exception; some show more of one than its text.
                record.exc_text, record.exc_info = harmless, None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return record


class _Others(logging.Handler):
    """Sends what libraries log to where almajob's messages go, where nobody else listens to them."""

    def emit(self, record: logging.LogRecord) -> None:
        if is_configured():
            _LOGGER.callHandlers(record)


class _Adopted(logging.Handler):
    """Sends what a plugin logs to where almajob's messages go, at the level that was asked for."""

    def emit(self, record: logging.LogRecord) -> None:
        if _LOGGER.isEnabledFor(record.levelno):
            _LOGGER.callHandlers(record)


class _Redacting(logging.Formatter):
    """Blanks out keys in the finished line, tracebacks too; spells out what would steer a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return sanitize(redact(super().format(record)), keep="\n\t")


class _ForPeople(_Redacting):
    """Writes a message as it is, with the name before an error in colour where the stream shows any."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__("%(message)s")
        self._stream = stream

    def format(self, record: logging.LogRecord) -> str:
        text = fit_message(super().format(record), self._stream)
        return mark_error(text, self._stream) if record.levelno >= logging.ERROR else text


class _CallLine(logging.Formatter):
    """Writes a call of Alma as one JSON object.

    Args:
        invocation: tells the lines of one command from those of others that write to the same file.
    """

    def __init__(self, invocation: str) -> None:
        super().__init__()
        self._invocation = invocation

    def format(self, record: logging.LogRecord) -> str:
        import json

        fields = {"invocation": self._invocation, **record.__dict__["call"]}
        return redact(json.dumps({"time": fields.pop("time"), **fields}))


Aside = Callable[[], AbstractContextManager[None]]


class _Console(logging.StreamHandler[TextIO]):
    """Messages to people; what else is drawn on their terminal is put aside meanwhile."""

    aside: Aside = nullcontext
    held: deque[logging.LogRecord] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        # The main thread tells what Ctrl-C has ended in the others.
        if is_stopped():
            return
        if self.held is not None:
            self.held.append(record)
            return
        with self.aside():
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on where stderr is closed or full: there is nobody left to tell."""


class _LogFile(logging.FileHandler):
    def _open(self) -> TextIOWrapper:
        return TextIOWrapper(open(self.baseFilename, "ab", opener=_open_log), encoding=self.encoding)

    has_warned = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on without the log where its disk is full, and say so once; logging would for each line."""
        if not self.has_warned:
            self.has_warned = True
            error = sys.exc_info()[1]
            why = getattr(error, "strerror", None) or type(error).__name__
            _LOGGER.warning("The log file %s cannot be written: %s.", self.baseFilename, why)

    def close(self) -> None:
        # What could not be written is tried once more then.
        with suppress(OSError):
            super().close()


@contextmanager
def beside(aside: Aside) -> Iterator[None]:
    """Write messages beside something that is drawn on the terminal.

    Args:
        aside: takes it away as long as a message is written.
    """
    consoles = [handler for handler in _LOGGER.handlers if isinstance(handler, _Console)]
    for console in consoles:
        console.aside = aside
    try:
        yield
    finally:
        for console in consoles:
            console.aside = nullcontext


@contextmanager
def hold_messages() -> Iterator[deque[logging.LogRecord]]:
    """Hold messages to people back until the block ends, the newest of them; return what came so far."""
    consoles = [handler for handler in _LOGGER.handlers if isinstance(handler, _Console)]
    held: deque[logging.LogRecord] = deque(maxlen=_MOST_HELD)
    for console in consoles:
        console.held = held
    try:
        yield held
    finally:
        for console in consoles:
            console.held = None
            for record in held:
                console.emit(record)


def is_at_default_level() -> bool:
    """Whether people are told what happens, and neither less (-q) nor each call (-v)."""
    return any(handler.level == logging.INFO for handler in _LOGGER.handlers if isinstance(handler, _Console))


def is_configured() -> bool:
    """Whether there is somewhere for messages to go."""
    return any(isinstance(handler, _Console) for handler in _LOGGER.handlers)


def hide_keys() -> None:
    """Keep keys out of what is logged in this process, by whichever logger and handler."""
    # Whoever embeds almajob may have a factory of its own.
    if logging.getLogRecordFactory() is logging.LogRecord:
        logging.setLogRecordFactory(HarmlessRecord)
    logging.lastResort = _Others(logging.WARNING)


def adopt_logger(module: str) -> None:
    """Send what a plugin's modules log to where almajob's messages go; done twice, it counts once.

    Its records go on to the root logger, too, for whoever listens there: pytest's caplog, for one.

    Args:
        module: the full name of one of the plugin's modules; its top-level package is adopted as a whole.
    """
    package = module.partition(".")[0]
    if package == _LOGGER.name:
        return
    logger = logging.getLogger(package)
    is_adopted = any(isinstance(handler, _Adopted) for handler in logger.handlers)
    if not is_adopted:
        logger.addHandler(_Adopted())
    # A level of its own is its author's.
    if is_adopted or logger.level == logging.NOTSET:
        logger.setLevel(_LOGGER.level)


def redact_logs() -> None:
    """Keep keys out of all that this program logs, by whichever logger and handler.

    almajob's own messages have none. This is for those of others: it blanks out the keys that almajob has
    read so far, and whatever looks like one of Alma's, in messages, arguments and tracebacks, but not in what
    is passed as ``extra``. Call it once, when the program has set up its logging.
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _HarmlessFactory):
        logging.setLogRecordFactory(_HarmlessFactory(make))


def configure(stderr: TextIO, verbosity: int, log_file: str | None, call_log: str | None = None) -> None:
    """Send almajob's messages to stderr and to a file; called again, it starts over.

    Args:
        stderr: the stream for people.
        verbosity: 0 warnings and errors, 1 also what happens, 2 also each call.
        log_file: is appended to, with everything; created for its owner alone.
        call_log: likewise, with one JSON object a line for each call of Alma and nothing else.

    Raises:
        UsageError: a file cannot be written, or is named for both.
    """
    hide_keys()
    for logger in (_LOGGER, _CALLS):
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
    console = _Console(stderr)
    console.setLevel(_LEVELS[verbosity])
    console.setFormatter(_ForPeople(stderr))
    _LOGGER.addHandler(console)
    _LOGGER.setLevel(logging.DEBUG if log_file else _LEVELS[verbosity])
    _LOGGER.propagate = False
    if log_file and call_log and os.path.realpath(log_file) == os.path.realpath(call_log):
        raise UsageError(
            "--log-file and --log-json cannot be the same file.",
            reason="A program that reads the calls would stumble over the messages.",
            hint="Name two.",
        )
    if log_file is not None:
        _LOGGER.addHandler(_file_handler(log_file, _Redacting(_FILE_FORMAT)))
    # What this level lets through does not reach people who did not ask for it: stderr has its own.
    _CALLS.setLevel(logging.DEBUG if call_log else logging.NOTSET)
    if call_log is not None:
        _CALLS.addHandler(_file_handler(call_log, _CallLine(os.urandom(4).hex())))


def _open_log(path: str, flags: int) -> int:
    """Open a log file, made for its owner alone; a link is followed only where none but root makes any."""
    follow = 0 if str(Path(path).parent) in _OF_THE_SYSTEM else os.O_NOFOLLOW
    flags |= os.O_NONBLOCK | os.O_CLOEXEC | follow
    try:
        descriptor, is_new = os.open(path, flags | os.O_EXCL, 0o600), True
    except FileExistsError:
        # Its mode is as its owner made it.
        descriptor, is_new = os.open(path, flags), False
    try:
        found = os.fstat(descriptor)
        # A pipe that nobody reads must not hold up a start.
        os.set_blocking(descriptor, not stat.S_ISFIFO(found.st_mode))
        # Not what is no file at all: a log may go to a terminal or another program.
        if stat.S_ISREG(found.st_mode):
            refuse_planted(path, found)
        if is_new:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _file_handler(path: str, formatter: logging.Formatter) -> logging.Handler:
    try:
        handler = _LogFile(path, encoding="utf-8")
    except OSError as error:
        why = "it is a symbolic link" if error.errno == errno.ELOOP else str(error.strerror)
        raise UsageError(
            f"The log file {path} cannot be written.",
            reason=f"{why[:1].upper()}{why[1:]}.",
            hint="Name another.",
        ) from None
    handler.setFormatter(formatter)
    return handler
