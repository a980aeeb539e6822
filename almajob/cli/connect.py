"""``almajob.connect``: what a command works with, for a program that is none."""

from __future__ import annotations

import encodings.idna  # noqa: F401  # see below
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from types import TracebackType

# What a command imports where it uses it is imported here and now: a child that is forked while another
# thread imports a module would wait for ever when it needs the same one.
import almajob.alma.client
import almajob.alma.http.connection
import almajob.cli.plugins.distributions
import almajob.jobs.history
import almajob.jobs.status_descriptions
import almajob.runs.run_service
import almajob.store.cache
import almajob.store.plugin_store  # noqa: F401
from almajob.cli.context import Context
from almajob.config.ini_reader import from_settings
from almajob.config.ledger_address import DIRECTORY, LEDGER
from almajob.config.settings import Options
from almajob.errors import ConfigurationError
from almajob.runs.start_request import Target
from almajob.store.ledger.place import Place
from almajob.store.ledger.text_place import LedgerText, TextPlace
from almajob.system import key_variables


class _Connected(Context):
    """The context of a program, which has been told of its starts if its block ends without an exception.

    Args:
        text: has the ledger; None where it is where the settings say.
    """

    def __init__(
        self, options: Options, environ: Mapping[str, str], text: LedgerText | None, *, is_observed: bool
    ) -> None:
        super().__init__(options, environ, find_observers=None if is_observed else _find_none)
        self._text = text

    @cached_property
    def _text_place(self) -> TextPlace | None:
        return None if self._text is None else TextPlace(self._text)

    @property
    def _ledger_place(self) -> Place:
        return super()._ledger_place if self._text_place is None else self._text_place

    def _target(self) -> Target:
        target = super()._target()
        # Others start the same job with texts of their own: the only run that fits may be theirs.
        return target if self._text is None else replace(target, may_infer=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            super().close()

    def close(self) -> None:
        try:
            self.note_result()
        finally:
            super().close()


def connect(
    environment: str,
    *,
    ini_file: str | os.PathLike[str] | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    settings: Mapping[str, str] | None = None,
    ledger: str | LedgerText | None = None,
    ledger_password: str | None = None,
) -> Context:
    """Return what a program uses to start and follow jobs of an environment, for a ``with`` block.

    Nothing is sent yet. Nothing is ever printed: messages go to the logger ``almajob``. Threads may share it,
    and processes that are forked.

    Args:
        environment: its name in the configuration file, or ``demo``.
        ini_file: the configuration file; found as by the command line where not given.
        state_dir: the directory of the ledger, the locks and what else must not be lost; that of the command
            line where not given. Programs with different ones do not know of each other's starts.
        settings: what a section of a configuration file would say of the environment, in a program that has
            its own configuration. No file is read then, and no observers are called.
        ledger: the address of a database that has the ledger; or what keeps it as a text, for one piece of
            work. Where the settings say where not given.
        ledger_password: of the database, where the address alone does not do.

    Raises:
        ConfigurationError: the environment is not configured, or not well.
    """
    logger = logging.getLogger("almajob")
    if not logger.handlers:
        # Without any, Python prints warnings to stderr.
        logger.addHandler(logging.NullHandler())
    if settings is not None and ini_file is not None:
        raise ConfigurationError("connect() takes settings or the configuration file, and not both.")
    given = {
        "ALMAJOB_STATE_DIR": None if state_dir is None else _locate(state_dir),
        LEDGER: ledger if ledger is None or isinstance(ledger, str) else DIRECTORY,
        key_variables.LEDGER_PASSWORD: ledger_password,
    }
    options = Options(
        env=environment,
        ini_file=None if ini_file is None else _locate(ini_file),
        ini=None if settings is None else from_settings(environment, settings),
    )
    context = _Connected(
        options,
        key_variables.environ({name: value for name, value in given.items() if value is not None}),
        None if isinstance(ledger, str) else ledger,
        is_observed=settings is None and (ledger is None or isinstance(ledger, str)),
    )
    # A misspelt name is told here, and not where it is first used.
    _ = context.environment
    return context


def _find_none(_is_wanted: Callable[[EntryPoint], bool]) -> tuple[EntryPoint, ...]:
    """Find no observers: their processes could read neither the settings nor a text."""
    return ()


def _locate(path: str | os.PathLike[str]) -> str:
    """Return a path that stays right when the program changes its directory."""
    return str(Path(path).expanduser().absolute())
