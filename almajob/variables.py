"""The environment variables that may hold API keys, kept from every child process.

What a shell's pipe, a pager, api_key_command or a plugin starts inherits this process's environment, and
needs no key. So the variables are taken out of it while almajob runs, and remembered here.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from almajob.secret import Secret

KEY_VARIABLES = "ALMAJOB_API_KEY_"
"""How the names begin of the variables that hold keys."""
_taken: dict[str, str] = {}


@contextmanager
def keys_taken_out() -> Iterator[None]:
    """Take the keys out of this process's environment for a while, and hide them from now on."""
    names = [name for name in os.environ if name.startswith(KEY_VARIABLES)]
    taken = {name: os.environ.pop(name) for name in names}
    for value in taken.values():
        Secret(value.strip())
    _taken.update(taken)
    try:
        yield
    finally:
        for name, value in taken.items():
            del _taken[name]
            os.environ[name] = value


def environ() -> Mapping[str, str]:
    """Give the variables of this process, as it was started: also those that were taken out."""
    return ChainMap(_taken, os.environ)
