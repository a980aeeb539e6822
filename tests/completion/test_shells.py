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
CASES: list[Case] = [
    # Commands and their options.
    ("almajob sho", "almajob show", ["show"]),
    ("almajob runs sett", "almajob runs settle", ["runs", "settle"]),
    ("almajob --env demo simul", "almajob --env demo simulator", ["--env", "demo", "simulator"]),
    ("true; almajob sho", "true; almajob show", ["show"]),
    # Values.
    ("almajob list --type=s", "almajob list --type=scheduled", ["list", "--type=scheduled"]),
    ("almajob list --env='sa", "", ["list", "--env=sandbox"]),
    # Jobs, in each of the quotes, from the beginning and behind a blank.
    ("almajob show Us", "almajob show Users\\ EXPORT\\ using\\ profile\\ SIS", ["show", EXPORT]),
    ("almajob show 'Users E", f"almajob show '{EXPORT}'", ["show", EXPORT]),
    ('almajob show "Users E', f'almajob show "{EXPORT}"', ["show", EXPORT]),
    ("almajob run --job Us", "", ["run", "--job", EXPORT]),
    ("almajob history --job=Us", "", ["history", f"--job={EXPORT}"]),
    # Signs at which a shell breaks words.
    ("almajob show Wee", "", ["show", COLON]),
    ("almajob history --job=Weekly:", "", ["history", f"--job={COLON}"]),
    ("almajob show Lib", "almajob show Librarian\\'s\\ report", ["show", QUOTE]),
    ("almajob show '~t", "almajob show '~tilde'", ["show", "~tilde"]),
    ("almajob history --job=--d", "almajob history --job=--dashes", ["history", "--job=--dashes"]),
    # Blanks that are none to a shell.
    ("almajob show Cop", "", ["show", COPIED]),
    ("almajob show 'Cop", f"almajob show '{COPIED}'", ["show", COPIED]),
    # What a shell would run.
    ("almajob show Pay", "almajob show Pay\\ \\$\\(touch\\ PWNED\\)\\ now", ["show", SUBSTITUTION]),
    ('almajob show "Pay', 'almajob show "Pay \\$(touch PWNED) now"', ["show", SUBSTITUTION]),
    ("almajob history --job=Pay", "", ["history", f"--job={SUBSTITUTION}"]),
    ('almajob show "\\$(t', 'almajob show "\\$(touch PWNED)"', ["show", HOSTILE]),
    ("almajob show Back", "", ["show", BACKTICKS]),
    ('almajob show "Back', "", ["show", BACKTICKS]),
    ("almajob show Wow", "", ["show", BANG]),
    ('almajob show "Wow', "", ["show", BANG]),
    # Files.
    ("almajob --ini-file 'one f", "almajob --ini-file 'one file.ini'", ["--ini-file", "one file.ini"]),
    ("almajob --ini-file=one", "almajob --ini-file=one\\ file.ini", ["--ini-file=one file.ini"]),
]
# More for bash, where almajob itself does what zsh and fish do with quotes.
BASH_CASES: list[Case] = [
    ("almajob list --type s", "almajob list --type scheduled", ["list", "--type", "scheduled"]),
    ("almajob show Users\\ E", "almajob show Users\\ EXPORT\\ using\\ profile\\ SIS", ["show", EXPORT]),
    ("almajob history --job='Users E", "", ["history", f"--job={EXPORT}"]),
    ('almajob history --job="Us', "", ["history", f"--job={EXPORT}"]),
    ("almajob show Weekly:\\ l", "almajob show Weekly:\\ load", ["show", COLON]),
    ("almajob show 'Weekly: l", f"almajob show '{COLON}'", ["show", COLON]),
    ("almajob show 'Lib", "", ["show", QUOTE]),
    ("almajob show \"Librarian's r", f'almajob show "{QUOTE}"', ["show", QUOTE]),
    ("almajob show Straße\\ ü", "almajob show Straße\\ überall", ["show", FOREIGN]),
    ("almajob history --job=Cop", "", ["history", f"--job={COPIED}"]),
    ("almajob show 'Pay", f"almajob show '{SUBSTITUTION}'", ["show", SUBSTITUTION]),
    ("almajob show \\$\\(t", "almajob show \\$\\(touch\\ PWNED\\)", ["show", HOSTILE]),
    ("almajob show 'Back", "", ["show", BACKTICKS]),
    ('almajob show "Wow"\\!"n', "", ["show", BANG]),
    ("almajob --ini-file one", "almajob --ini-file one\\ file.ini", ["--ini-file", "one file.ini"]),
    *((f"almajob show '{name[:4]}", "", ["show", name]) for name in ENDS.values()),
]


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


def test_the_tab_key(shell: Shell, tmp_path: Path) -> None:
    """What was begun is completed so that it arrives as it is; nothing in a name is run."""
    for typed, completed, arrives in (*CASES, *(BASH_CASES if shell.name == "bash" else ())):
        shell.type(typed)
        shell.press_tab(typed)
        assert not completed or shell.line == completed
        assert shell.run() == arrives, typed
    assert list(tmp_path.rglob("PWNED*")) == []


def test_without_one_candidate_nothing_is_put_there(shell: Shell) -> None:
    """Where nothing fits the line stays as it is, though asked twice; where several do, they are shown."""
    shell.type("almajob show nothing-like-this")
    shell.press_tab()
    shell.press_tab()
    shell.type(" --utc")
    assert shell.run() == ["show", "nothing-like-this", "--utc"]
    shell.type("almajob run")
    shell.press_tab()
    shell.press_tab()
    shell.until_shown("runs")
