"""``docs/commands.md``: all commands and options, as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

from tests.tools.reference import GENERAL, OUTPUT, Command, Group, Option, Reference, read, split_at_options

_HEAD = """\
# Commands

<!-- generated from the commands' help by python -m tests.tools.generated_docs -->

`almajob COMMAND --help` shows the same in a terminal, and `man almajob` all of it.
[Exit codes](../README.md#exit-codes) are the same for all commands.
"""


def text() -> str:
    """Write the page."""
    found = read()
    lines = [
        _HEAD,
        *(_link(name, "") for name in ("Global options", "Output options")),
        *_index(found),
        "\n## Global options\n",
        f"{escaped(GENERAL)}\n",
        *map(_option, found.general),
        "\n## Output options\n",
        f"{escaped(OUTPUT)}\n",
        *map(_option, found.output),
        "",
        *(line for each in found.commands for line in _command(each)),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _index(found: Reference) -> Iterator[str]:
    summaries = {each.name: each.summary for each in found.commands}
    for heading, names in found.headings.items():
        yield f"\n**{heading}**\n"
        yield from (_link(f"almajob {name}", summaries[name]) for name in names)


def _heading(command: Command) -> str:
    return f"almajob {command.name}"


def _link(heading: str, what: str) -> str:
    # GitHub makes a heading's address so.
    address = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
    return f"* [{heading.removeprefix('almajob ')}](#{address})" + (f": {escaped(what)}" if what else "")


def _command(command: Command) -> Iterator[str]:
    yield f"## {_heading(command)}\n\n{escaped(command.summary)}\n"
    yield f"```text\n{_usage(command)}\n```\n"
    yield from (f"{escaped(paragraph)}\n" for paragraph in command.text)
    yield from _groups(command.groups)
    if command.examples:
        yield "\n".join(["```sh", *command.examples, "```\n"])


def _usage(command: Command) -> str:
    start = f"{_heading(command)} "
    # A line ends between two pieces, not within one.
    pieces = " ".join(piece.replace(" ", "\xa0") for piece in command.usage)
    lines = textwrap.fill(
        pieces,
        100,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace("\xa0", " ")


def _groups(groups: Iterable[Group]) -> Iterator[str]:
    for group in groups:
        yield "\n".join([f"**{group.title}**\n", *map(_option, group.options), ""])


def _option(option: Option) -> str:
    called = f"{', '.join(option.names)} {option.value}".strip()
    return f"* `{called}`" + (f": {escaped(option.help)}" if option.help else "")


def escaped(text: str) -> str:
    """Write plain text so that Markdown shows it as it is, and the names of options as code."""
    return "".join(
        f"`{piece}`" if is_option else re.sub(r"[\\`*\[]|<(?=[a-zA-Z/!?])|\b_|_\b", r"\\\g<0>", piece)
        for is_option, piece in split_at_options(text)
    )
