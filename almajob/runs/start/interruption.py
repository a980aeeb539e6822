"""A start that Ctrl-C or another signal interrupts: what was started, and what was not, is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from almajob.system.signals import Terminated, defer_signals

LOG = logging.getLogger(__name__)


@contextmanager
def report_interruption(describe: Callable[[], object]) -> Iterator[None]:
    """Log a sentence if a signal ends the block, and only then."""
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        with defer_signals():
            LOG.warning("%s", describe())
        raise


def report_unsent(doing: str) -> AbstractContextManager[None]:
    """Log that nothing was started if a signal ends what comes before it.

    Args:
        doing: what is done meanwhile: ``it was still waiting for a slot``.
    """
    return report_interruption(lambda: f"Nothing was started: {doing}.")
