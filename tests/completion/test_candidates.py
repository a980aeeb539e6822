"""What can stand at the cursor: of the commands, of the ini, of the cache and of the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from almajob.alma.status_codes import GOING_ON, STATUSES
from almajob.testing import SimulatedAlma
from tests.completion.conftest import Complete, Keep
from tests.conftest import Run

WriteIni = Callable[..., Path]
EXPORT = "ERP export using profile FINANCE"
FLAT = "api_key_sandbox = x\napi_key_production = y\ndomain = z\n"


def test_a_commands_name(complete: Complete) -> None:
    """By its beginning; a name of several words is completed word by word."""
    assert {"list", "run", "runs", "show", "config"} <= set(complete(""))
    assert complete("sho") == ["show"]
    assert complete("run") == ["run", "runs"]
    assert complete("runs", "") == ["list", "resolve", "settle", "show"]
    assert complete("runs", "se") == ["settle"]
    assert complete("--env", "demo", "--utc", "conf") == ["config"]
    assert complete("nothing", "like", "th") == []


def test_options(complete: Complete) -> None:
    """Before a command the global ones; behind it also its own, and none of another's."""
    assert {"--env", "--ini-file", "--help", "-h", "--version"} <= set(complete("-"))
    assert "--type" not in complete("--")
    assert complete("list", "--ty") == ["--type"]
    assert complete("list", "--en") == ["--env"]
    assert complete("show", "--ty") == []
    # A group of commands has help of its own.
    assert complete("runs", "--he") == ["--help"]
    assert not [name for name in complete("run", "--") if "_" in name]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("list", "--type", ""), ["manual", "scheduled", "other"]),
        (("list", "--type", "s"), ["scheduled"]),
        (("list", "--type=s"), ["--type=scheduled"]),
        (("list", "--type="), ["--type=manual", "--type=scheduled", "--type=other"]),
        (("list", "-f", "j"), ["json"]),
        (("list", "--format=y"), ["--format=yaml"]),
        (("run", "--once-per", "w"), ["week"]),
        (("run", "--if-running", ""), ["refuse", "attach", "start"]),
        (("completion", ""), ["bash", "fish", "zsh"]),
        (("completion", "z"), ["zsh"]),
        (("completion", "zsh", ""), []),
        (("list", "--quote", "nonn"), ["nonnumeric"]),
        (("list", "-c", ""), ["id", "name", "type", "category"]),
        (("list", "--column=n"), ["--column=name"]),
        (("list", "--sort-column", "c"), ["category"]),
        (("runs", "list", "-c", "job"), ["job_id", "job_name"]),
        (("list", "--type", "manual", "-c", "ID", "-f", "v"), ["value"]),
        (("list", "--name", ""), []),
        (("list", "--utc=", ""), []),
    ],
)
def test_values_that_are_fixed(complete: Complete, words: tuple[str, ...], expected: list[str]) -> None:
    """Choices and columns, behind a space as behind an equals sign."""
    assert complete(*words) == expected


def test_statuses(complete: Complete) -> None:
    """Those of Alma's code table; of those that may count as a good end, only these."""
    assert complete("history", "--status", "") == list(STATUSES)
    ends = [name for name in STATUSES if name not in GOING_ON]
    for words in (("run", "--accept"), ("wait", "--accept", "FAILED", "--accept")):
        assert complete(*words, "") == ends
    assert "RUNNING" not in ends
    assert complete("wait", "--accept", "COMPLETED_F") == ["COMPLETED_FAILED"]


def test_names_of_commands_are_arguments_too(complete: Complete) -> None:
    """Of help and of plugin check, word by word."""
    assert complete("hel") == ["help"]
    assert complete("help", "run") == ["run", "runs"]
    assert complete("help", "runs", "s") == ["settle", "show"]
    assert complete("plugin", "check", "plugin", "") == ["check", "list", "new"]


def test_environments_are_the_sections_of_the_ini(complete: Complete, write_ini: WriteIni) -> None:
    """Also those of the older flat ini; the demo is always there."""
    for words in (("--env",), ("list", "--env")):
        assert complete(*words, "") == ["demo"]
    write_ini(f"{FLAT}[test]\n[job:A]\n[run:B]\n")
    for words in (("--env",), ("list", "--env")):
        assert complete(*words, "") == ["sandbox", "production", "test", "demo"]
        assert complete(*words, "p") == ["production"]


def test_an_ini_that_is_none_harms_nothing(complete: Complete, write_ini: WriteIni, tmp_path: Path) -> None:
    """Not text, not readable, a directory: there is still the demo."""
    write_ini("").write_bytes(b"\xff\xfe\0[\0\n[\n]x=\n=\n" + b"[a" * 5000)
    assert "demo" in complete("--env", "")
    assert complete("--ini-file", str(tmp_path), "--env", "") == ["demo"]
    assert complete("--ini-file", str(tmp_path / "none"), "--env", "") == ["demo"]


def test_what_the_words_name_counts(
    complete: Complete, keep: Keep, write_ini: WriteIni, tmp_path: Path
) -> None:
    """The ini and the cache, before a command or behind it."""
    write_ini("[of-variable]\n")
    other, cache = tmp_path / "an other.ini", tmp_path / "named"
    other.write_text("[named]\n", "utf-8")
    keep("sandbox", ["in named"], cache)
    assert complete("--ini-file", str(other), "--env", "") == ["named", "demo"]
    assert complete(f"--ini-file={other}", "list", "--env=") == ["--env=named", "--env=demo"]
    assert complete("--cache-dir", str(cache), "show", "in") == ["in named"]
    assert complete("show", f"--cache-dir={cache}", "in") == ["in named"]


def test_files(complete: Complete) -> None:
    """The shell itself knows best which there are."""
    for words in (("--ini-file", ""), ("--ini-file=x",), ("run", "--params", ""), ("--cache-dir", "x")):
        assert complete(*words) == ["FILES"]


def test_saved_runs(complete: Complete, write_ini: WriteIni) -> None:
    """Those of the ini and of the files in runs.d beside it."""
    ini = write_ini("[sandbox]\n[run:nightly]\njob = A\n")
    assert complete("run", "") == ["nightly"]
    (ini.parent / "runs.d").mkdir()
    (ini.parent / "runs.d" / "weekly.ini").write_text("[run:weekly]\njob = B\n", "utf-8")
    assert complete("run", "") == ["nightly", "weekly"]
    assert complete("run", "w") == complete("run", "--saved", "w") == ["weekly"]


def test_environments_and_groups(complete: Complete, write_ini: WriteIni) -> None:
    """Behind a comma those that are not in the list yet; then there are the jobs of any of them."""
    write_ini("[east]\nkind = sandbox\n[west]\nkind = sandbox\n[group:all]\nenvironments = east west\n")
    assert complete("--env", "") == ["east", "west", "demo", "@all"]
    assert complete("--env", "@") == ["@all"]
    assert complete("--env", "west,") == ["west,east", "west,demo", "west,@all"]
    assert complete("list", "--env=east,w") == ["--env=east,west"]


def test_notifications(complete: Complete, write_ini: WriteIni) -> None:
    """Names of the sections [notify:NAME], where a start or a test names one."""
    write_ini("[sandbox]\n[notify:night]\ntype = mail\n[notify:office]\ntype = slack\n")
    assert complete("run", "--notify", "") == complete("notify", "test", "") == ["night", "office"]
    assert complete("run", "--notify=o") == ["--notify=office"]


def test_run_takes_saved_runs_and_jobs(complete: Complete, keep: Keep, write_ini: WriteIni) -> None:
    """Saved runs first, as there are few; behind the options that name one of both only that."""
    write_ini("[sandbox]\n[run:nightly]\njob = A\n")
    keep("sandbox", ["a job"])
    assert complete("--env", "sandbox", "run", "") == ["nightly", "a job", "M1"]
    assert complete("--env", "sandbox", "run", "--job", "") == ["a job", "M1"]
    assert complete("--env", "sandbox", "run", "--saved", "") == ["nightly"]
    assert complete("--env", "sandbox", "history", "M1", "a") == ["a job"]


def test_jobs_of_a_real_list(simulated: SimulatedAlma, almajob: Run, complete: Complete) -> None:
    """Names, then ids, as they were listed last; Alma is not asked."""
    assert complete("--env", "sandbox", "show", "ERP") == []
    assert almajob("--env", "sandbox", "list").code == 0
    calls = len(simulated.log.requests())
    assert EXPORT in complete("--env", "sandbox", "show", "ERP")
    assert complete("run", "--env", "sandbox", "--job=ERP export using profile F") == [f"--job={EXPORT}"]
    (job_id,) = [each for each in complete("show", "S95636000100") if each.startswith("S")]
    assert complete("params", job_id[:-1]) == [job_id]
    assert complete("--env", "production", "show", "ERP") == []
    assert len(simulated.log.requests()) == calls


def test_which_environments_jobs(
    complete: Complete, keep: Keep, write_ini: WriteIni, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of all where none is named; else by the words, the variable, the ini, in this order."""
    for name in ("one", "two", "three"):
        cache_dir = keep(name, [f"job of {name}"])
    assert complete("show", "job") == ["job of one", "job of three", "job of two"]
    write_ini("[almajob]\nenv = one\n[one]\n[two]\n[three]\n")
    assert complete("show", "") == ["job of one", "M1"]
    monkeypatch.setenv("ALMAJOB_ENV", "two")
    assert complete("show", "") == ["job of two", "M1"]
    for words in (
        ("--env", "three", "show"),
        ("show", "--env=three"),
        ("history", "--env", "three", "--job"),
    ):
        assert complete(*words, "job") == ["job of three"]
    assert complete("--env", "../../.cache.jobs.one", "show", "job") == []
    # A damaged cache directory is kept under another name for a person to look at.
    cache_dir.rename(cache_dir.with_name(f"{cache_dir.name}.damaged-1"))
    assert complete("--env", "three", "show", "job") == []


def test_the_older_spelling(complete: Complete, keep: Keep, write_ini: WriteIni) -> None:
    """Its options stood before the command, which was one of them."""
    write_ini(FLAT)
    keep("sandbox", ["A job", "Another job"])
    keep("production", ["A job of production"])
    assert complete("--env", "sandbox", "--cmd", "") == ["list", "run", "status"]
    assert complete("--env", "sandbox", "--cmd=r") == ["--cmd=run"]
    assert complete("--env", "sandbox", "--cmd", "run", "--job", "A j") == ["A job"]
    assert complete("--env", "sandbox", "--cmd", "run", "--job=A j") == ["--job=A job"]
    assert complete("--env", "sandbox", "--job", "An") == ["Another job"]


def test_names_that_mean_something_to_a_shell_are_left_as_they_are(complete: Complete, keep: Keep) -> None:
    """They are quoted for a shell later; what cannot be typed or printed is left out."""
    names = [
        "$(touch x)",
        "`x`",
        'it\'s "so"',
        "a;b|c&d",
        "*?#~!",
        "back\\slash",
        "{a,b}",
        "Straße 日本",
        "-x",
    ]
    hostile = ["new\nline", "a\ttab", "\x1b[31mred", "\u202edesrever", "nul\0", "c1\x9b", "sep\u2028x", ""]
    keep("sandbox", [*hostile, *names])
    found = complete("history", "--job", "")
    assert found[: len(names)] == names
    assert found[len(names) :] == [f"M{number}" for number in range(1, len(hostile) + len(names) + 1)]
    assert complete("show", "it's \"") == ['it\'s "so"']
    assert complete("history", "--job=-") == ["--job=-x"]


def test_runs_of_a_real_ledger(simulated: SimulatedAlma, almajob: Run, complete: Complete) -> None:
    """Process IDs, the last one, run keys and ids of the ledger wherever a run is named."""
    ids = []
    for key in ("nightly: one", "nightly two"):
        run = ("--env", "sandbox", "run", "--job", EXPORT, "--run-key", key, "--if-running", "start")
        started = almajob(*run, "-f", "value", "-c", "instance_id")
        assert started.code == 0, started.err
        ids.append(started.out.strip())
        simulated.clock.advance(60)
    process_ids = [*ids[::-1], "@last"]
    found = complete("events", "")
    assert found[:5] == [*process_ids, "nightly two", "nightly: one"]
    assert len(found) == 7
    for words in (("status", "--id"), ("wait", "--id"), ("matches",), ("runs", "show")):
        assert complete(*words, "") == found
    # Where a job may stand for its run, jobs come after the runs.
    for words in (("status",), ("status", ids[0]), ("wait",)):
        assert complete(*words, "")[:7] == found
        assert EXPORT in complete(*words, "")[7:]
    assert [almajob("runs", "show", each).code for each in found] == [0] * 7
    assert complete("runs", "resolve", "x", "--adopt", "") == process_ids
    assert f"--id={ids[0]}" in complete("status", f"--id={ids[0][:-1]}")
    assert complete("--env", "sandbox", "--cmd", "status", "--id", "")[:7] == found
    assert complete("run", "--run-key", "nightly:") == ["nightly: one"]
    assert complete("--env", "production", "runs", "show", "") == []


def _kept_as(value: object) -> Callable[[Path], object]:
    def change(cache_dir: Path) -> None:
        with closing(sqlite3.connect(cache_dir / "cache.db")) as database, database:
            database.execute("UPDATE Cache SET value = ?", (value,))

    return change


@pytest.mark.parametrize(
    "harm",
    [
        lambda cache_dir: (cache_dir / "cache.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000),
        lambda cache_dir: cache_dir.chmod(0o777),
        *(_kept_as(value) for value in ("{", "7", "null", '{"id": "M1"}', "[" * 100_000, 7, b"x\x9c")),
        _kept_as('[7, null, [], {"id": 7, "name": "n"}, {"id": "M1"}, {"name": "n"}]'),
    ],
)
def test_a_cache_that_cannot_be_used_completes_nothing(
    complete: Complete, keep: Keep, capfd: pytest.CaptureFixture[str], harm: Callable[[Path], object]
) -> None:
    """Damaged, open to others, or no list of jobs: no candidates, no message; others are of use."""
    cache_dir = keep("sandbox", ["a job"])
    assert complete("--env", "sandbox", "show", "") == ["a job", "M1"]
    harm(cache_dir)
    assert complete("--env", "sandbox", "show", "") == []
    keep("test", ["another job"])
    assert complete("show", "") == ["another job", "M1"]
    assert capfd.readouterr() == ("", "")


def test_a_list_is_of_use_while_another_process_writes_one(complete: Complete, keep: Keep) -> None:
    """The cache's readers do not wait for its writer."""
    cache_dir = keep("sandbox", ["a job"])
    with closing(sqlite3.connect(cache_dir / "cache.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        assert complete("show", "a") == ["a job"]
