"""One of many processes that list the jobs at the same moment; imports little, as each of them does so."""

from __future__ import annotations

import os
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

from almajob.cli.app import main

LIST = ("--env", "sandbox", "list", "-f", "json")


def list_twice(directory: Path, number: int, all_ready: Barrier) -> None:
    """List when all are ready, and once more; what is printed goes to files."""
    os.environ["ALMAJOB_INI"] = str(directory / "almajob.ini")
    os.environ["ALMAJOB_CACHE_DIR"] = str(directory / "cache")
    for turn in ("cold", "warm"):
        for name, stream in (("out", 1), ("err", 2)):
            opened = os.open(directory / f"{turn}.{number}.{name}", os.O_CREAT | os.O_WRONLY, 0o600)
            os.dup2(opened, stream)
        sys.stdout, sys.stderr = (os.fdopen(of, "w", encoding="utf-8", closefd=False) for of in (1, 2))
        all_ready.wait()
        code = main(list(LIST))
        sys.stdout.flush()
        sys.stderr.flush()
        all_ready.wait()
        if code:
            sys.exit(code)
