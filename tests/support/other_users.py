"""What another user of this machine would see; only root can try it."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable
from contextlib import suppress

from almajob.alma.api_key import Key
from almajob.errors import ConfigurationError
from tests.support.fake_alma import KEY

UID, GROUP = 1_000_660_000, 4711


def as_user(ask: Callable[[], str], *, group: int = GROUP, groups: tuple[int, ...] = ()) -> str:
    """Return what a function says in a process of another user.

    Args:
        ask: is called here, too.
        group: that process's own.
        groups: its further ones.
    """
    # Python itself may be out of that user's reach: what is loaded late is loaded now.
    Key(KEY)
    codecs.lookup("utf-8-sig")
    with suppress(ConfigurationError):
        ask()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups(groups)
            os.setgid(group)
            os.setuid(UID)
            text = ask()
        except ConfigurationError as refused:
            text = str(refused)
        except BaseException as error:  # noqa: BLE001  # nothing of the test may go on in this process
            text = repr(error)
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(child, 0)
    return text
