"""The parts of the docs that the program knows better; ``python -m tests.generated_docs`` writes them."""

from __future__ import annotations

import re
from pathlib import Path

from almajob.errors import EXIT_CODES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
_BLOCK = re.compile(r"(<!-- exit codes: [^\n]*-->\n).*?(<!-- end of exit codes -->)", re.DOTALL)


def exit_codes() -> str:
    """Write the table of exit codes in Markdown."""
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["| code | meaning for a script |", "|---:|---|", *rows])


def with_generated_parts(text: str) -> str:
    """Put the generated parts into a page."""
    return _BLOCK.sub(lambda block: f"{block[1]}{exit_codes()}\n{block[2]}", text)


if __name__ == "__main__":
    README.write_text(with_generated_parts(README.read_text("utf-8")), "utf-8")
