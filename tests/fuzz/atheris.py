"""The same properties for as long as one likes, with bytes that libFuzzer chooses by the code they reach.

``python -m tests.fuzz.atheris SUBJECT [OPTION ...]`` needs the extra ``fuzz``. The options are libFuzzer's,
such as ``-max_total_time=60``. A file that it wrote (``crash-…``), as the last word, is tried alone; a
directory keeps what was found for the next time.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import atheris

SUBJECTS = ("ini", "xml", "answers", "payloads", "times", "legacy", "kept")
_OPTIONS = ("-timeout=10", "-max_len=400", "-len_control=0", "-print_final_stats=1")


def _everything(package: str) -> None:
    """Import all of a package now, as only what is imported under atheris' eyes is watched."""
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def _properties(module: ModuleType) -> Sequence[Any]:
    return [value.hypothesis.inner_test for name, value in vars(module).items() if name.startswith("test_")]


def main() -> None:
    subject, *options = sys.argv[1:] or ["none"]
    if subject not in SUBJECTS:
        sys.exit(f"usage: python -m tests.fuzz.atheris {'|'.join(SUBJECTS)} [libFuzzer's options]")
    with atheris.instrument_imports(include=["almajob"]):
        _everything("almajob")
        properties = _properties(importlib.import_module(f"tests.fuzz.test_{subject}"))

    def try_one(data: bytes) -> None:
        # The first byte chooses the property; those behind it are for that one.
        if data:
            properties[data[0] % len(properties)](data[1:])

    atheris.Setup([sys.argv[0], *_OPTIONS, *options], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
