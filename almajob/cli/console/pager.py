"""Pages of help at a terminal: in a pager, as git shows them; elsewhere as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO

# Of cliff, which pages its own help with it.
from autopage import AutoPager

from almajob.system import stdio
from almajob.system.terminal import has_colour, is_capable


def show_page(make: Callable[[bool], str], stream: TextIO) -> None:
    """Write a page to a stream, at a terminal through ``PAGER`` or less.

    Args:
        make: writes it, with bold headings where they can be seen.
    """
    if os.environ.get("PAGER") == "" or not is_capable(stream):
        stdio.write(make(False), stream)
        return
    stream.flush()
    with AutoPager(stream, line_buffering=False) as out:
        out.write(make(has_colour(stream)))
