"""Real shells: what is on the command line after the Tab key, and what arrives when it is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.completion.conftest import Keep
from tests.completion.shells import Shell

SHELLS = ("bash", "zsh", "fish")
EXPORT = "Users EXPORT using profile SIS"
COLON = "Weekly: load"
QUOTE = "Librarian's report"
SUBSTITUTION = "Pay $(touch PWNED) now"
HOSTILE = "$(touch PWNED)"
BACKTICKS = 'Back\\slash `touch PWNED`; touch PWNED & "x" | *?{a,b} #'
BANG = "Wow!now"
FOREIGN = "Straße überall"
COPIED = "Copied\u00a0from a\u3000page"
ENDS = {sign: f"{word} ends{sign}" for word, sign in (("Plural", "'"), ("Title", '"'), ("Shout", "!"))}
JOBS = (
    *(EXPORT, COLON, QUOTE, SUBSTITUTION, HOSTILE, BACKTICKS, BANG, FOREIGN, "~tilde", "--dashes", "N\tx"),
    *(COPIED, *ENDS.values()),
)

# What is typed, what stands there after Tab (where it is the same in all shells), what arrives.
Case = tuple[str, str, list[str]]
GROUPS: dict[str, list[Case]] = {
    "commands": [
        ("almajob sho", "almajob show", ["show"]),
        ("almajob runs sett", "almajob runs settle", ["runs", "settle"]),
        ("almajob --env demo simul", "almajob --env demo simulator", ["--env", "demo", "simulator"]),
        ("almajob list --ty", "almajob list --type", ["list", "--type"]),
        ("true; almajob sho", "true; almajob show", ["show"]),
    ],
    "values": [
        ("almajob list --type s", "almajob list --type scheduled", ["list", "--type", "scheduled"]),
        ("almajob list --type=s", "almajob list --type=scheduled", ["list", "--type=scheduled"]),
        ("almajob list -f y", "almajob list -f yaml", ["list", "-f", "yaml"]),
        ("almajob --env p", "almajob --env production", ["--env", "production"]),
        ("almajob list --env='sa", "", ["list", "--env=sandbox"]),
        ("almajob history --status QU", "almajob history --status QUEUED", ["history", "--status", "QUEUED"]),
    ],
    "jobs": [
        ("almajob show Us", "almajob show Users\\ EXPORT\\ using\\ profile\\ SIS", ["show", EXPORT]),
        ("almajob show Users\\ E", "almajob show Users\\ EXPORT\\ using\\ profile\\ SIS", ["show", EXPORT]),
        ("almajob show 'Us", f"almajob show '{EXPORT}'", ["show", EXPORT]),
        ("almajob show 'Users E", f"almajob show '{EXPORT}'", ["show", EXPORT]),
        ('almajob show "Us', f'almajob show "{EXPORT}"', ["show", EXPORT]),
        ('almajob show "Users E', f'almajob show "{EXPORT}"', ["show", EXPORT]),
        ("almajob run --job Us", "", ["run", "--job", EXPORT]),
        ("almajob history --job=Us", "", ["history", f"--job={EXPORT}"]),
        ("almajob history --job='Users E", "", ["history", f"--job={EXPORT}"]),
        ('almajob history --job="Us', "", ["history", f"--job={EXPORT}"]),
        (
            "almajob --env sandbox --cmd run --job Us",
            "",
            ["--env", "sandbox", "--cmd", "run", "--job", EXPORT],
        ),
    ],
    "signs": [
        ("almajob show Wee", "", ["show", COLON]),
        ("almajob show Weekly:", "", ["show", COLON]),
        ("almajob show Weekly:\\ l", "almajob show Weekly:\\ load", ["show", COLON]),
        ("almajob show 'Weekly: l", f"almajob show '{COLON}'", ["show", COLON]),
        ("almajob history --job=Weekly:", "", ["history", f"--job={COLON}"]),
        ("almajob show Lib", "almajob show Librarian\\'s\\ report", ["show", QUOTE]),
        ("almajob show 'Lib", "", ["show", QUOTE]),
        ("almajob show \"Librarian's r", f'almajob show "{QUOTE}"', ["show", QUOTE]),
        (
            "almajob runs list --job Librarian\\'s\\ report --lim",
            "",
            ["runs", "list", "--job", QUOTE, "--limit"],
        ),
        ("almajob show Str", "almajob show Straße\\ überall", ["show", FOREIGN]),
        ("almajob show Straße\\ ü", "almajob show Straße\\ überall", ["show", FOREIGN]),
        ("almajob show '~t", "almajob show '~tilde'", ["show", "~tilde"]),
        ("almajob history --job=--d", "almajob history --job=--dashes", ["history", "--job=--dashes"]),
    ],
    "blanks": [
        ("almajob show Cop", "", ["show", COPIED]),
        ("almajob show 'Cop", f"almajob show '{COPIED}'", ["show", COPIED]),
        ('almajob show "Cop', f'almajob show "{COPIED}"', ["show", COPIED]),
        ("almajob history --job=Cop", "", ["history", f"--job={COPIED}"]),
    ],
    "quotes at the end": [
        (f"almajob show {quote}{name[:4]}", "", ["show", name])
        for name in ENDS.values()
        for quote in ("", "'", '"')
    ],
    "hostile": [
        ("almajob show Pay", "almajob show Pay\\ \\$\\(touch\\ PWNED\\)\\ now", ["show", SUBSTITUTION]),
        ('almajob show "Pay', 'almajob show "Pay \\$(touch PWNED) now"', ["show", SUBSTITUTION]),
        ("almajob show 'Pay", f"almajob show '{SUBSTITUTION}'", ["show", SUBSTITUTION]),
        ("almajob history --job=Pay", "", ["history", f"--job={SUBSTITUTION}"]),
        ("almajob show '$(t", f"almajob show '{HOSTILE}'", ["show", HOSTILE]),
        ('almajob show "\\$(t', 'almajob show "\\$(touch PWNED)"', ["show", HOSTILE]),
        ("almajob show \\$\\(t", "almajob show \\$\\(touch\\ PWNED\\)", ["show", HOSTILE]),
        ("almajob show Back", "", ["show", BACKTICKS]),
        ("almajob show 'Back", "", ["show", BACKTICKS]),
        ('almajob show "Back', "", ["show", BACKTICKS]),
        ("almajob show Wow", "", ["show", BANG]),
        ("almajob show 'Wow", "", ["show", BANG]),
        ('almajob show "Wow', "", ["show", BANG]),
        ('almajob show "Wow"\\!"n', "", ["show", BANG]),
    ],
    "files": [
        ("almajob --ini-file one", "almajob --ini-file one\\ file.ini", ["--ini-file", "one file.ini"]),
        ("almajob --ini-file 'one f", "almajob --ini-file 'one file.ini'", ["--ini-file", "one file.ini"]),
        ("almajob --ini-file=one", "almajob --ini-file=one\\ file.ini", ["--ini-file=one file.ini"]),
        ('almajob --ini-file="one f', "", ["--ini-file=one file.ini"]),
        (
            "almajob run --params one\\ ",
            "almajob run --params one\\ file.ini",
            ["run", "--params", "one file.ini"],
        ),
    ],
}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, keep: Keep) -> Iterator[Shell]:
    """Each shell, with jobs in the cache, an ini and a file; everything is in one directory."""
    ini = Path.home() / ".config" / "almajob" / "almajob.ini"
    ini.parent.mkdir(parents=True)
    ini.write_text("[sandbox]\n[production]\n", "utf-8")
    keep("sandbox", JOBS)
    Path("one file.ini").write_text("", "utf-8")
    with Shell(request.param, tmp_path) as running:
        yield running


@pytest.mark.parametrize("group", GROUPS)
def test_the_tab_key(shell: Shell, group: str, tmp_path: Path) -> None:
    """What was begun is completed so that it arrives as it is; nothing in a name is run."""
    for typed, completed, arrives in GROUPS[group]:
        shell.type(typed)
        shell.press_tab(typed)
        if completed:
            assert shell.line == completed
        assert shell.run() == arrives, typed
    assert list(tmp_path.rglob("PWNED*")) == []


def test_nothing_is_put_where_nothing_fits(shell: Shell) -> None:
    """The line stays as it is, also where the completion is asked twice, and nothing is told."""
    shell.type("almajob show nothing-like-this")
    shell.press_tab()
    shell.press_tab()
    shell.type(" --utc")
    assert shell.run() == ["show", "nothing-like-this", "--utc"]


def test_several_that_fit_are_shown(shell: Shell) -> None:
    """As far as they agree they are put there."""
    shell.type("almajob run")
    shell.press_tab()
    shell.press_tab()
    shell.until_shown("runs")
