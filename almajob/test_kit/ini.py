"""The configuration file of a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from almajob.config.ini_text import change_setting, quote_value


class Ini:
    """The configuration file of a test.

    Args:
        path: where it is made.
        text: what stands in it at first.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")

    def add(self, section: str, settings: Mapping[str, str]) -> None:
        """Set settings of a section, which is added where it is missing.

        Example: ``ini.add("plugin:almajob-hello", {"days": "7"})``.

        Raises:
            ValueError: a value has more than one line, which no setting can have.
        """
        for name, value in settings.items():
            written = quote_value(value) if value else value
            if written is None:
                raise ValueError(f"no configuration file can hold {value!r}")
            text = self.path.read_text("utf-8")
            self.path.write_text(change_setting(text, section, name, written), "utf-8")
