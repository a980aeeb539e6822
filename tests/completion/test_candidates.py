"""What can stand at the cursor: of the commands, of the ini, of the cache and of the ledger."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.alma.status_codes import STATUSES, end_problem
from almajob.store.cache import Cache
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
        (("list", "-c", ""), ["ID", "Name", "Type", "Category"]),
        (("list", "--column=N"), ["--column=Name"]),
        (("list", "--sort-column", "C"), ["Category"]),
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
    ends = [name for name in STATUSES if not end_problem(name)]
    for words in (("run", "--accept"), ("wait", "--accept", "FAILED")):
        assert complete(*words, "") == ends
    assert "RUNNING" not in ends
    assert complete("wait", "--accept", "COMPLETED_F") == ["COMPLETED_FAILED"]


def test_names_of_commands_are_arguments_too(complete: Complete) -> None:
    """Of help and of plugin check, word by word."""
    assert complete("hel") == ["help"]
    assert complete("help", "run") == ["run", "runs"]
    assert complete("help", "runs", "s") == ["settle", "show"]
    assert complete("plugin", "check", "plugin", "") == ["check", "list"]


@pytest.mark.parametrize("words", [("--env",), ("list", "--env")])
def test_environments_are_the_sections_of_the_ini(
    complete: Complete, write_ini: WriteIni, words: tuple[str, ...]
) -> None:
    """Also those of the older flat ini; the demo is always there."""
    assert complete(*words, "") == ["demo"]
    write_ini("[almajob]\nenv = test\n[ test ]\napi_key=x\n[job:A]\n[run:B]\n[live]\n")
    assert complete(*words, "") == ["test", "live", "demo"]
    write_ini(f"{FLAT}[test]\n")
    assert complete(*words, "") == ["sandbox", "production", "test", "demo"]
    assert complete(*words, "p") == ["production"]
    write_ini("api_key_sandbox = x\n; api_key_production = y\n# [none]\n")
    assert complete(*words, "") == ["sandbox", "demo"]


def test_an_ini_that_is_none_harms_nothing(complete: Complete, write_ini: WriteIni, tmp_path: Path) -> None:
    """Not text, not readable, a directory: there is still the demo."""
    write_ini("").write_bytes(b"\xff\xfe\0[\0\n[\n]x=\n=\n" + b"[a" * 5000)
    assert "demo" in complete("--env", "")
    assert complete("--ini-file", str(tmp_path), "--env", "") == ["demo"]
    assert complete("--ini-file", str(tmp_path / "none"), "--env", "") == ["demo"]


def test_the_ini_that_is_named_counts(complete: Complete, write_ini: WriteIni, tmp_path: Path) -> None:
    """By ``--ini-file`` in the words, else by the variable, else where almajob looks for one."""
    (Path.home() / ".config" / "almajob").mkdir(parents=True)
    (Path.home() / ".config" / "almajob" / "almajob.ini").write_text("[of-home]\n", "utf-8")
    assert complete("--env", "") == ["of-home", "demo"]
    Path("almajob.ini").write_text("[here]\n", "utf-8")
    assert complete("--env", "") == ["here", "demo"]
    write_ini("[of-variable]\n")
    assert complete("--env", "") == ["of-variable", "demo"]
    other = tmp_path / "an other.ini"
    other.write_text("[named]\n", "utf-8")
    assert complete("--ini-file", str(other), "--env", "") == ["named", "demo"]
    assert complete(f"--ini-file={other}", "list", "--env=") == ["--env=named", "--env=demo"]


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
    assert complete("run", "w") == ["weekly"]


def test_jobs_of_a_real_list(simulated: SimulatedAlma, almajob: Run, complete: Complete) -> None:
    """Names, then ids, as they were listed last; Alma is not asked."""
    assert complete("--env", "sandbox", "show", "ERP") == []
    assert almajob("--env", "sandbox", "list").code == 0
    calls = len(simulated.log.entries())
    assert EXPORT in complete("--env", "sandbox", "show", "ERP")
    assert complete("run", "--env", "sandbox", "--job=ERP export using profile F") == [f"--job={EXPORT}"]
    (job_id,) = [each for each in complete("show", "S95636000100") if each.startswith("S")]
    assert complete("params", job_id[:-1]) == [job_id]
    assert complete("--env", "production", "show", "ERP") == []
    assert len(simulated.log.entries()) == calls


def test_which_environments_jobs(
    complete: Complete, keep: Keep, write_ini: WriteIni, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of all where none is named; else by the words, the variable, the ini, in this order."""
    for name in ("one", "two", "three"):
        keep(name, [f"job of {name}"])
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


def test_where_the_cache_is(
    complete: Complete, keep: Keep, write_ini: WriteIni, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the words, the variable, the ini, and else where caches are kept."""
    for name in ("named", "variable", "ini", "xdg/almajob"):
        keep("sandbox", [f"in {name}"], tmp_path / name)
    assert complete("show", "in") == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert complete("show", "in") == ["in xdg/almajob"]
    write_ini("[almajob]\ncache_dir = ../ini  ; a comment\n[sandbox]\n")
    assert complete("show", "in") == ["in ini"]
    monkeypatch.setenv("ALMAJOB_CACHE_DIR", str(tmp_path / "variable"))
    assert complete("show", "in") == ["in variable"]
    assert complete("--cache-dir", str(tmp_path / "named"), "show", "in") == ["in named"]
    assert complete("show", f"--cache-dir={tmp_path / 'named'}", "in") == ["in named"]


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
    """Instance ids where a run of Alma is named, run keys and ids where one of the ledger is."""
    ids = []
    for key in ("nightly: one", "nightly two"):
        run = ("--env", "sandbox", "run", "--job", EXPORT, "--run-key", key, "--if-running", "start")
        started = almajob(*run, "-f", "value", "-c", "instance_id")
        assert started.code == 0, started.err
        ids.append(started.out.strip())
        simulated.clock.advance(60)
    for words in (
        ("status", "--id"),
        ("wait", "--id"),
        ("events", "--id"),
        ("runs", "resolve", "x", "--adopt"),
    ):
        assert complete(*words, "") == [*ids[::-1], "@last"]
    assert complete("status", "--id", ids[0], "") == [*ids[::-1], "@last"]
    assert f"--id={ids[0]}" in complete("status", f"--id={ids[0][:-1]}")
    assert complete("--env", "sandbox", "--cmd", "status", "--id", "") == [*ids[::-1], "@last"]
    found = complete("runs", "show", "")
    assert found[:2] == ["nightly two", "nightly: one"]
    assert len(found) == 4
    assert [almajob("runs", "show", each).code for each in found] == [0, 0, 0, 0]
    assert complete("run", "--run-key", "nightly:") == ["nightly: one"]
    assert complete("--env", "production", "runs", "show", "") == []


def _garbage(drawer: Path) -> None:
    (drawer / "cache.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def _empty(drawer: Path) -> None:
    (drawer / "cache.db").write_bytes(b"")


def _gone(drawer: Path) -> None:
    (drawer / "cache.db").unlink()


def _directory(drawer: Path) -> None:
    (drawer / "cache.db").unlink()
    (drawer / "cache.db").mkdir()


def _foreign(drawer: Path) -> None:
    _gone(drawer)
    with sqlite3.connect(drawer / "cache.db") as database:
        database.execute("CREATE TABLE Cache (key, value)")
    database.close()


def _values(value: object, mode: int = 1) -> Callable[[Path], None]:
    def change(drawer: Path) -> None:
        with sqlite3.connect(drawer / "cache.db") as database:
            database.execute("UPDATE Cache SET value = ?, mode = ?", (value, mode))
        database.close()

    return change


def _open_to_others(drawer: Path) -> None:
    drawer.chmod(0o777)


def _elsewhere(drawer: Path) -> None:
    drawer.rename(drawer.with_name("elsewhere"))
    drawer.symlink_to(drawer.with_name("elsewhere"))


def _file(drawer: Path) -> None:
    drawer.rename(drawer.with_name("elsewhere"))
    drawer.write_bytes(b"what the older script left")


@pytest.mark.parametrize(
    "harm",
    [
        *(_garbage, _empty, _gone, _directory, _foreign, _open_to_others, _elsewhere, _file),
        *(
            _values(value)
            for value in ("{", "7", "null", '{"id": "M1"}', "[" * 100_000, 7, None, b"\0", b"x\x9c")
        ),
        _values('[7, null, [], {"id": 7, "name": "n"}, {"id": "M1"}, {"name": "n"}]'),
        _values(b"\x80\x04\x95", mode=4),
        _values("../../secret", mode=2),
    ],
)
def test_a_cache_that_cannot_be_used_completes_nothing(
    almajob_process: Run, complete: Complete, keep: Keep, harm: Callable[[Path], None]
) -> None:
    """Damaged, foreign, open to others: no candidates, no message; and other drawers are still of use."""
    drawer = keep("sandbox", ["a job"])
    assert complete("--env", "sandbox", "show", "") == ["a job", "M1"]
    harm(drawer)
    assert complete("--env", "sandbox", "show", "") == []
    keep("test", ["another job"])
    assert complete("show", "") == ["another job", "M1"]
    done = almajob_process("__complete", "bash", "almajob --env sandbox show ", "")
    assert (done.code, done.out, done.err) == (0, "words\n", "")


def test_what_was_set_aside_is_not_looked_into(complete: Complete, keep: Keep) -> None:
    """A damaged drawer is kept under another name for a person to look at."""
    drawer = keep("sandbox", ["a job"])
    drawer.rename(drawer.with_name(f"{drawer.name}.damaged-1"))
    assert complete("show", "") == []


def test_a_locked_store_is_not_waited_for(
    simulated: SimulatedAlma, almajob: Run, complete: Complete, keep: Keep
) -> None:
    """Whoever has the ledger may take half a minute; a key is pressed now."""
    drawer = keep("sandbox", ["a job"])
    assert almajob("--env", "sandbox", "run", "--job", EXPORT, "--run-key", "nightly").code == 0
    ledger = Path.home() / ".local" / "state" / "almajob" / "ledger"
    assert complete("runs", "show", "n") == ["nightly"]
    held = [sqlite3.connect(path / "cache.db", isolation_level=None) for path in (drawer, ledger)]
    for database in held:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
    start = time.monotonic()
    assert complete("runs", "show", "n") == []
    assert "nothing" not in complete("--env", "sandbox", "show", "a")
    assert time.monotonic() - start < 10
    for database in held:
        database.close()
    assert complete("runs", "show", "n") == ["nightly"]


def test_a_list_is_of_use_while_another_process_writes_one(complete: Complete, keep: Keep) -> None:
    """The cache's readers do not wait for its writer."""
    drawer = keep("sandbox", ["a job"])
    database = sqlite3.connect(drawer / "cache.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    assert complete("show", "a") == ["a job"]
    database.close()


def test_looking_changes_nothing(complete: Complete, keep: Keep) -> None:
    """The database is as it was, and almajob goes on to use it."""
    drawer = keep("sandbox", ["a job"])
    before = (drawer / "cache.db").read_bytes()
    assert complete("show", "a") == ["a job"]
    assert (drawer / "cache.db").read_bytes() == before
    cache = Cache(drawer.parent)
    assert cache.get("jobs.sandbox", "jobs:some-alma:::") is not None
    cache.close()
