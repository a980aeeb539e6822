"""Command lines that are broken: pasted, they are the same command."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.text.command_line import fold_command, name_ini_file

WORDS = st.lists(st.text("ab '\"\\é界/", min_size=1, max_size=20), min_size=1, max_size=8)


@given(words=WORDS, width=st.integers(10, 60))
def test_what_is_folded_is_the_same_command(words: list[str], width: int) -> None:
    """A shell takes out a backslash with the line break behind it, but not within quotes."""
    line = f"  almajob {shlex.join(words)}"
    folded = "\n".join(fold_command(line, width))
    assert shlex.split(folded.replace("\\\n", "")) == ["almajob", *words]


@pytest.mark.parametrize("width", [20, 40, 60])
def test_a_shell_reads_the_lines_as_one(width: int) -> None:
    """The name of a job in them keeps its blanks, and is not broken."""
    words = [
        "--job",
        "ERP export using profile FINANCE",
        "--run-key",
        "it's",
        "/a/rather/long/path/to/a/file",
    ]
    lines = fold_command(shlex.join(["printf", "%s|", *words]), width)
    done = subprocess.run(["sh", "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"{word}|" for word in words)
    assert len(lines) > 1


def test_a_command_that_fits_stays_as_it_is() -> None:
    """Its blanks, too."""
    assert fold_command("  almajob  list", 15) == ["  almajob  list"]


def test_a_quote_that_nothing_closes_is_kept() -> None:
    """Nothing that is shown gets lost."""
    assert fold_command("almajob run Alma's", 16) == ["almajob run \\", "    Alma's"]


def test_a_configuration_file_is_named_where_a_command_line_is() -> None:
    """In each of them that names none; the program's name within a sentence stays."""
    text = (
        "Leave it out: almajob itself tries.\nalmajob --env a list --name X; see almajob runs list.\n"
        "almajob --ini-file 'b c' --env a list, or almajob runs-away."
    )
    assert name_ini_file(text, "d e", ["list", "runs"]) == (
        "Leave it out: almajob itself tries.\n"
        "almajob --ini-file 'd e' --env a list --name X; see almajob --ini-file 'd e' runs list.\n"
        "almajob --ini-file 'b c' --env a list, or almajob runs-away."
    )
