"""``almajob.connect``: what a command works with, for a program that is none."""

from __future__ import annotations

import encodings.idna  # noqa: F401  # see below
import logging
import os
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
from almajob.config.settings import Options
from almajob.system import key_variables


class _Connected(Context):
    """The context of a program, which has been told of its starts if its block ends without an exception."""

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
) -> Context:
    """Return what a program uses to start and follow jobs of an environment, for a ``with`` block.

    Nothing is sent yet. Nothing is ever printed: messages go to the logger ``almajob``. Threads may share it,
    and processes that are forked.

    Args:
        environment: its name in the configuration file, or ``demo``.
        ini_file: the configuration file; found as by the command line where not given.
        state_dir: the directory of the ledger, the locks and what else must not be lost; that of the command
            line where not given. Programs with different ones do not know of each other's starts.

    Raises:
        ConfigurationError: the environment is not configured, or not well.
    """
    logger = logging.getLogger("almajob")
    if not logger.handlers:
        # Without any, Python prints warnings to stderr.
        logger.addHandler(logging.NullHandler())
    place = {} if state_dir is None else {"ALMAJOB_STATE_DIR": _locate(state_dir)}
    options = Options(env=environment, ini_file=None if ini_file is None else _locate(ini_file))
    context = _Connected(options, key_variables.environ(place))
    # A misspelt name is told here, and not where it is first used.
    _ = context.environment
    return context


def _locate(path: str | os.PathLike[str]) -> str:
    """Return a path that stays right when the program changes its directory."""
    return str(Path(path).expanduser().absolute())
