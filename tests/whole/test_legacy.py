"""The predecessor's command line, in any order, means today's."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.cli.app import AlmaJob
from almajob.legacy import translate

JOB = "ERP export using profile FINANCE"


def _translate(*argv: str) -> list[str]:
    return translate(argv, AlmaJob().parser.takes_value)  # type: ignore[attr-defined]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("equals", [False, True])
def test_any_order_and_either_spelling(order: tuple[int, ...], equals: bool) -> None:
    """With a blank or an equals sign."""
    options = [("--env", "sandbox"), ("--cmd", "run"), ("--job", JOB), ("--cache_dir", "/tmp/x")]
    argv = [
        word
        for index in order
        for word in ([f"{options[index][0]}={options[index][1]}"] if equals else options[index])
    ]
    found = _translate(*argv)
    command = found.index("run")
    job = [f"--job={JOB}"] if equals else ["--job", JOB]
    assert found[command + 1 :] == job
    assert set(found[:command]) >= ({"--env=sandbox"} if equals else {"--env", "sandbox", "--cache_dir"})


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--cmd", "list"], ["list"]),
        (["--cmd=list", "-f", "json"], ["list", "-f", "json"]),
        (
            ["--cmd", "status", "--job", "-5 degrees", "--id", "7"],
            ["status", "--job", "-5 degrees", "--id", "7"],
        ),
        (["--job", "--env", "--cmd", "run"], ["run", "--job", "--env"]),
        (["-q", "--cmd", "list", "--force"], ["-q", "--force", "list"]),
        (["--cmd", "cache show"], ["cache", "show"]),
        (["list", "--env", "x"], ["list", "--env", "x"]),
        (["exec", "--cmd", "ls"], ["exec", "--cmd", "ls"]),
        (["--env", "x", "exec", "--cmd", "ls"], ["--env", "x", "exec", "--cmd", "ls"]),
        (["--job", "x"], ["--job", "x"]),
        (["--cmd"], ["--cmd"]),
        (["--cmd="], ["--cmd="]),
        ([], []),
    ],
)
def test_what_it_becomes(argv: list[str], expected: list[str]) -> None:
    """A plugin's own --cmd is its own; a job's name may look like an option."""
    assert _translate(*argv) == expected


@given(
    st.lists(
        st.sampled_from(
            ["--cmd", "--env", "--job", "--id", "-q", "-f", "list", "run", "x", "", "--", "-", "--cmd=run"]
        )
    )
)
def test_no_word_is_lost(argv: list[str]) -> None:
    """But --cmd itself; and without --cmd nothing changes at all."""
    found = _translate(*argv)
    if not any(word.startswith("--cmd") for word in argv):
        assert found == argv
    assert all(word.startswith("--cmd") for word in Counter(argv) - Counter(found))
    assert all(word in ("run",) for word in Counter(found) - Counter(argv))
