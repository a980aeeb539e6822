"""The environment variables that may hold API keys, kept from every child process.

What a shell's pipe, a pager, api_key_command or a plugin starts inherits this process's environment, and
needs no key. So the variables are taken out of it while almajob runs, and remembered here.
"""

from __future__ import annotations

import os
import threading
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from almajob.text.redaction import Secret

KEY_VARIABLES = "ALMAJOB_API_KEY_"
"""How the names begin of the variables that hold keys."""
_taken: dict[str, str] = {}
_whiles: list[object] = []
_turn = threading.Lock()


@contextmanager
def keys_taken_out() -> Iterator[None]:
    """Take the keys out of this process's environment for a while, and hide them from now on.

    There may be several such whiles at once, of threads or one in another: the keys are put back at the end
    of the last one.
    """
    this = object()
    with _turn:
        _whiles.append(this)
    try:
        with _turn:
            for name in [name for name in os.environ if name.startswith(KEY_VARIABLES)]:
                _taken[name] = os.environ.pop(name)
                Secret(_taken[name].strip())
        yield
    finally:
        with _turn:
            _whiles.remove(this)
            if not _whiles:
                os.environ.update(_taken)
                _taken.clear()


def environ() -> Mapping[str, str]:
    """Return the variables of this process, as it was started: also those that were taken out."""
    return ChainMap(_taken, os.environ)
