"""Saved runs: written by hand or with ``--save``, one for each environment, read as they were meant."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.alma.models import Code, Job, Parameter
from almajob.cli.context import Context
from almajob.config.saved_runs import directory, find_saved
from almajob.config.settings import Options, load
from almajob.errors import ConfigurationError, Refused
from almajob.runs import saved_run
from almajob.system.private_files import make_private
from almajob.testing import SimulatedAlma
from tests.conftest import Run

Write = Callable[..., Path]
ENVIRONMENTS = "[sandbox]\napi_key = x\nregion = na\n[production]\napi_key = y\nregion = na\n"
THESES = "Theses without a call number"
SAVE = ("--env", "sandbox", "run", "--job", "M44", "--set", THESES)


def _read(environment: str = "sandbox", name: str = "a") -> saved_run.SavedRun:
    with Context(Options(env=environment)) as context:
        return context.saved_runs.read(name)


def _runs_d(path: Path, name: str, text: str, mode: int = 0o600) -> Path:
    directory = path.parent / "runs.d"
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(text, "utf-8")
    file.chmod(mode)
    return file


def test_what_is_said_for_an_environment_counts_there(write_ini: Write) -> None:
    """Instead of what is said for all."""
    write_ini(
        f"{ENVIRONMENTS}[run:a]\njob = Export\njob@production = M7 Export records\nonce_per = day\n"
        "param.COLLECTION_ID = 1\nparam.COLLECTION_ID@production = 2\nconfirm@production = no\n"
    )
    here, there = _read(), _read("production")
    assert (here.job, here.job_name, there.job, there.job_name) == ("Export", "", "M7", "Export records")
    assert (here.once_per, there.once_per) == ("day", "day")
    assert (here.needs_yes, there.needs_yes) == (True, False)
    assert here.parameters.sent == (Parameter("COLLECTION_ID", "1"),)
    assert there.parameters.sent == (Parameter("COLLECTION_ID", "2"),)


def test_an_empty_override_empties(write_ini: Write) -> None:
    """It is no setting that is not said."""
    path = write_ini(f"{ENVIRONMENTS}[run:a]\njob = M1\nparams = p.json\nparam.x =\n")
    (path.parent / "p.json").write_text('{"x": "1"}')
    (path.parent / "p.json").chmod(0o600)
    assert _read().parameters.sent == (Parameter("x", ""),)


def test_a_name_in_small_letters_is_another_parameter(write_ini: Write) -> None:
    """Settings may be written in any case; the names of parameters are Alma's."""
    write_ini(f"{ENVIRONMENTS}[run:a]\nJob = M1\nPARAM.Ab = 1\nparam.aB = 2\n")
    assert _read().parameters.sent == (Parameter("Ab", "1"), Parameter("aB", "2"))


def test_the_parameters_are_beside_the_file_that_names_them(write_ini: Write) -> None:
    """Wherever almajob is called from; overrides count before the file."""
    path = write_ini(ENVIRONMENTS)
    _runs_d(path, "b.ini", "[run:a]\njob = M1\nparams = p.json\nparam.x = 2\nparam.z = 3\n")
    _runs_d(path, "p.json", '{"x": "1", "y": "1"}')
    found = _read().parameters
    assert [(item.name, item.value, item.instead_of) for item in found.given] == [
        ("x", "2", "1"),
        ("y", "1", None),
        ("z", "3", None),
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("[run:a]\njob = M1\nonce_per = year\n", "line 9: once_per is one of hour, day"),
        ("[run:a]\njob = M1\nfail_if = x\n", "line 9: fail_if: a condition is COUNTER OP VALUE"),
        ("[run:a]\njob = M1\nnothing_if = a >\n", "line 9: nothing_if: a condition is COUNTER OP VALUE"),
        ("[run:a]\njob = M1\nconfirm = maybe\n", "line 9: confirm must be yes or no"),
        ("[run:a]\njob = M1\naccept = RUNNING\n", "line 9: accept: "),
        ("[run:a]\njob = M1\nparam. = x\n", "line 9: param. is not a setting"),
        ("[run:a]\njob@prodution = M1\n", "line 8: there is no environment 'prodution'"),
        ("[run:a]\njob@production = M1\n", "names no job for sandbox"),
        ("[run:a]\nonceper = day\n", "line 8: onceper is not a setting in [run:a]"),
        ("[run:a b]\njob = M1\n", "heading is not a valid name"),
        ("[run:a]\njob = M1\n[run: a]\njob = M2\n", "has two sections of the run 'a'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(write_ini: Write, section: str, message: str) -> None:
    """Exit code 7, and what may have been meant."""
    write_ini(ENVIRONMENTS + section)
    with pytest.raises(ConfigurationError) as caught:
        _read()
    assert message in str(caught.value)


def test_files_of_runs_d_have_nothing_but_saved_runs(write_ini: Write) -> None:
    """A key there, a name that is taken, a file that others can change: each is refused."""
    path = write_ini(f"{ENVIRONMENTS}[run:a]\njob = M1\n")
    file = _runs_d(path, "b.ini", "[sandbox]\napi_key = z\n")
    with pytest.raises(ConfigurationError, match="contains more than saved runs"):
        _read()
    file.write_text("[run:a]\njob = M2\n")
    with pytest.raises(ConfigurationError, match="both have a saved run a"):
        _read()
    file.write_text("[run:c]\njob = M2\n")
    file.chmod(0o666)
    with pytest.raises(ConfigurationError, match="can be changed by other users"):
        _read()
    file.chmod(0o600)
    assert _read(name="c").job == "M2"


def test_a_directory_that_others_can_change_is_refused(write_ini: Write) -> None:
    """They could put another file there; what is no file is passed over."""
    path = write_ini(ENVIRONMENTS)
    file = _runs_d(path, "b.ini", "[run:a]\njob = M1\n")
    (file.parent / "x.ini").mkdir()
    os.mkfifo(file.parent / "y.ini")
    assert _read().job == "M1"
    file.parent.chmod(0o777)
    with pytest.raises(ConfigurationError, match="It says what is started") as caught:
        _read()
    assert f"chmod go-w {file.parent}" in caught.value.hint


def test_a_set_is_named_once(write_ini: Write) -> None:
    """By its name or by its id; an empty setting says nothing."""
    write_ini(f"{ENVIRONMENTS}[run:a]\njob = M1\nset = Theses\nparam.set_id@sandbox = 7\nset@production =\n")
    with pytest.raises(ConfigurationError, match="both name a set"):
        _read()
    assert _read("production").set_name == ""


def test_parameters_that_others_can_change_are_refused(write_ini: Write) -> None:
    """Nobody else says what a saved run deletes."""
    path = write_ini(f"{ENVIRONMENTS}[run:a]\njob = M1\nparams = p.json\n")
    (path.parent / "p.json").write_text("{}")
    (path.parent / "p.json").chmod(0o666)
    with pytest.raises(ConfigurationError, match=r"p\.json can be changed"):
        _read()


def test_a_saved_run_that_is_not_there_names_the_nearest(write_ini: Write) -> None:
    """Exit code 5."""
    write_ini(f"{ENVIRONMENTS}[run:nightly]\njob = M1\n")
    with pytest.raises(Refused, match="There is no saved run 'nigthly'") as caught:
        _read(name="nigthly")
    assert "Did you mean nightly?" in caught.value.hint


# --- saving ---


@pytest.mark.parametrize(
    "name",
    [
        "Export records",
        "x #1 y",
        "Add 245 sf h [Video]",
        " a ",
        "it's",
        "a = b",
        "both ' and \"",
        "a  b",
        "é\u202ex",
    ],
)
def test_what_is_saved_is_what_is_run(write_ini: Write, name: str) -> None:
    """Id, name, parameters and settings; a name that no ini can hold is left out, the id is not."""
    write_ini(ENVIRONMENTS)
    settings = load(Options(), os.environ)
    make_private(directory(settings))
    sent = (Parameter("a", " x\n# y"), Parameter("B", ""), Parameter("parameter", "\u202e'\""))
    said = {"set": "Lost; items", "once_per": "day", "fail_if": "a > 0 or b == x"}
    path = saved_run.write(
        settings, saved_run.Wanted("n", "sandbox"), Job("M44", name, Code("MANUAL")), sent, said
    )
    found = saved_run.read(find_saved(settings, "n"), "sandbox", settings.check_trust)
    assert (found.job, found.parameters.sent) == ("M44", sent)
    assert found.job_name in (name, "")
    assert bool(found.job_name) is (name not in (" a ", "é\u202ex"))
    assert (found.set_name, found.once_per, len(found.fail_if)) == ("Lost; items", "day", 2)
    assert [file.stat().st_mode & 0o777 for file in path.parent.iterdir()] == [0o600, 0o600]
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_run_is_saved_for_each_environment(simulated: SimulatedAlma, almajob: Run) -> None:
    """The second time adds to the first; the same environment twice is refused, and nothing is changed."""
    assert almajob(*SAVE, "--save", "theses", "--once-per", "day").code == 0
    (directory,) = Path(os.environ["ALMAJOB_INI"]).parent.glob("runs.d")
    before = (directory / "theses.ini").read_text()
    again = almajob(*SAVE, "--save", "theses")
    assert again.code == 5
    assert "There is a saved run theses for sandbox" in again.err
    assert (directory / "theses.ini").read_text() == before
    production = ("--env", "production", *SAVE[2:], "--param", "job_name=P", "--save", "theses")
    assert almajob(*production).code == 0
    assert (directory / "theses.ini").read_text().startswith(before)
    listed = json.loads(almajob("run", "--list-saved", "-f", "json").out)
    assert [(row["name"], row["environment"], row["once_per"]) for row in listed] == [
        ("theses", "sandbox", "day"),
        ("theses", "production", None),
    ]
    assert simulated.log.count("POST *") == 0
    assert almajob("--env", "sandbox", "run", "theses").code == 0
    assert almajob("--env", "production", "run", "theses", "--yes").code == 0
    (run,) = simulated.institution.production.runs()
    assert dict(run.parameters)["job_name"].endswith("] P")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("--job", "M44", "--set", "An empty set", "--save", "x"), 5, "has no members"),
        (("--job", "M44", "--set", "Lost items", "--save", "x"), 5, "does not fit the job"),
        (("--job", "no such job", "--save", "x"), 5, "No job has the name"),
        (("--job", "M44", "--save", "a b"), 2, "argument --save: may have only letters"),
        (("--job", "M44", "--save", "../x"), 2, "argument --save: may have only letters"),
        (("--job", "M44", "--save", "x", "--run-key", "k"), 2, "--save does not go with --run-key"),
        (("--job", "M44", "--save", "x", "--dry-run"), 2, "not allowed with"),
        (("--saved", "x", "--save", "y"), 2, "--save does not go with --saved"),
        (("--job", "M44", "--save", "x", "--wait"), 2, "--save does not go with --wait"),
        (("--job", "M44", "--save", "x", "--yes"), 2, "--save does not go with --yes"),
        (("--job", "M44", "--save", ""), 2, "argument --save: may have only letters"),
        (("--list-saved", "--job", "M44"), 2, "--list-saved does not go with --job"),
        (("--job", "M44", "--save", "x", "--allow-unknown"), 2, "--save does not go with --allow-unknown"),
        (("--list-saved", "--xml"), 2, "--list-saved does not go with --xml"),
        (("--list-saved", "--yes"), 2, "--list-saved does not go with --yes"),
    ],
)
def test_what_could_not_be_started_is_not_saved(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...], code: int, part: str
) -> None:
    """The same checks, and no file."""
    done = almajob("--env", "sandbox", "run", *words)
    assert (done.code, done.out) == (code, "")
    assert part in done.err
    assert list(Path(os.environ["ALMAJOB_INI"]).parent.glob("runs.d/*")) == []


def test_a_directory_that_cannot_be_written_is_an_error(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 5, no traceback, nothing half-written."""
    Path(os.environ["ALMAJOB_INI"]).with_name("runs.d").write_text("")
    done = almajob(*SAVE, "--save", "x")
    assert done.code == 5
    assert "runs.d cannot be written" in done.err


def test_a_saved_id_that_became_another_jobs_starts_nothing(simulated: SimulatedAlma, almajob: Run) -> None:
    """A sandbox is made anew from production, and ids change."""
    almajob(*SAVE, "--save", "theses")
    (file,) = Path(os.environ["ALMAJOB_INI"]).parent.glob("runs.d/theses.ini")
    file.write_text(file.read_text().replace("M44 Export Bibliographic", "M44 Delete Bibliographic"))
    done = almajob("--env", "sandbox", "run", "theses")
    assert done.code == 5
    assert "M44 is not the job that was saved" in done.err
    assert simulated.log.count("POST *") == 0


def test_the_command_line_counts_before_what_is_saved(simulated: SimulatedAlma, almajob: Run) -> None:
    """Period, set and parameters."""
    almajob(*SAVE, "--once-per", "day", "--save", "theses")
    plan = ("--env", "sandbox", "run", "theses", "--dry-run", "-f", "json")
    assert json.loads(almajob(*plan).out)["run_key"].startswith("once-per-day:sandbox:M44:")
    changed = json.loads(almajob(*plan, "--run-key", "k", "--set", "All electronic theses").out)
    assert changed["run_key"] == "k"
    assert changed["set"].startswith("All electronic theses (")
    by_id = json.loads(almajob(*plan, "--param", "set_id=9563211250000561").out)
    assert by_id["set"].startswith(f"{THESES} (9563211250000561)")
    assert by_id["overrides"] == ["set_id"]


def test_a_saved_run_judges_its_end(simulated: SimulatedAlma, almajob: Run) -> None:
    """By the statuses and conditions that it was saved with."""
    simulated.set_ending("M44", "COMPLETED_FAILED", seconds=60)
    almajob(*SAVE, "--accept", "COMPLETED_FAILED", "--save", "good")
    almajob(*SAVE, "--save", "strict")
    assert almajob("--env", "sandbox", "run", "good", "--wait").code == 0
    simulated.clock.advance(3600)
    assert almajob("--env", "sandbox", "run", "strict", "--wait").code == 3


def test_a_name_with_capitals_is_an_environment_of_its_own(
    simulated: SimulatedAlma, almajob: Run, write_ini: Write
) -> None:
    """Settings are known in any case; the environment behind the @ is not."""
    section = simulated.ini.partition("[production]")[0].replace("[sandbox]", "[NZ]\nkind = sandbox")
    write_ini(simulated.ini + section)
    assert almajob("--env", "NZ", *SAVE[2:], "--save", "x").code == 0
    assert almajob("--env", "NZ", "run", "x").code == 0
    assert almajob("--env", "NZ", "config", "check").code == 0


def test_what_could_not_be_read_back_is_not_written(simulated: SimulatedAlma, almajob: Run) -> None:
    """A setting that would stand there twice; the file stays as it was."""
    almajob(*SAVE, "--save", "theses")
    (file,) = Path(os.environ["ALMAJOB_INI"]).parent.glob("runs.d/theses.ini")
    file.write_text(text := f"{file.read_text()}once_per@production = week\n")
    words = ("--env", "production", *SAVE[2:], "--once-per", "day", "--save", "theses")
    done = almajob(*words)
    assert done.code == 5
    assert "nothing was changed" in done.err
    assert file.read_text() == text
    assert almajob("--env", "sandbox", "run", "theses").code == 0


def test_a_file_with_several_runs_is_left_to_its_writer(simulated: SimulatedAlma, almajob: Run) -> None:
    """Nothing is added to the wrong one."""
    almajob(*SAVE, "--save", "theses")
    (file,) = Path(os.environ["ALMAJOB_INI"]).parent.glob("runs.d/theses.ini")
    file.write_text(text := f"{file.read_text()}[run:other]\njob = M44\n")
    done = almajob("--env", "production", *SAVE[2:], "--save", "theses")
    assert done.code == 5
    assert "more in it than the saved run theses" in done.err
    assert file.read_text() == text


def test_what_a_killed_save_left_behind_does_not_block_the_next(
    simulated: SimulatedAlma, almajob: Run
) -> None:
    """The parameters were written, the section was not: the same command again finishes it."""
    words = (*SAVE, "--param", "job_name=Theses", "--save", "theses")
    assert almajob(*words).code == 0
    (file,) = Path(os.environ["ALMAJOB_INI"]).parent.glob("runs.d/theses.ini")
    file.unlink()
    assert almajob(*words).code == 0
    file.unlink()
    other = almajob(*words[:-2], "--param", "extra=1", "--save", "theses")
    assert other.code == 5
    assert "not part of a saved run" in other.err


def test_parameters_of_another_environment_are_not_meant(write_ini: Write) -> None:
    """A job alone, added by hand, would start with none."""
    write_ini(f"{ENVIRONMENTS}[run:a]\njob = M1\nparams@production = p.json\n")
    with pytest.raises(ConfigurationError, match="names no parameters for sandbox"):
        _read()
    write_ini(f"{ENVIRONMENTS}[run:a]\njob = M1\nparams@production = p.json\nparams@sandbox =\n")
    assert _read().parameters.given == ()


def test_nothing_saved_is_an_empty_list(almajob: Run) -> None:
    """Also without an ini."""
    assert almajob("run", "--list-saved", "-f", "json").out.strip() == "[]"


def test_config_shows_and_checks_saved_runs(simulated: SimulatedAlma, almajob: Run) -> None:
    """Each setting with its line; a wrong one is found."""
    almajob(*SAVE, "--save", "theses")
    shown = almajob("config", "show").out
    assert "run:theses.job@sandbox" in shown
    almajob("--env", "production", *SAVE[2:], "--save", "theses")
    assert "1 can be read" in almajob("--env", "sandbox", "config", "check").out
    (file,) = Path(os.environ["ALMAJOB_INI"]).parent.glob("runs.d/theses.ini")
    file.write_text(f"{file.read_text()}jbo@sandbox = M1\n")
    checked = almajob("--env", "sandbox", "config", "check")
    assert checked.code == 7
    assert "jbo is not a setting" in checked.out
