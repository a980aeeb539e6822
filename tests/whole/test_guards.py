"""The wrong start is hard: slips that people make, each with its exit code and its cure, and no POST.

And one start in production that is meant, from cron.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from almajob.alma.models import Code, Job
from almajob.jobs.kept_jobs import to_parts
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

ERP = "ERP export using profile FINANCE"
EXPORT = "Export Bibliographic records"
THESES = "9563211250000561"
PAYLOAD = {"task_ExportBibParams_outputFormat_string": "MARC21_XML", "set_id": THESES, "job_name": "Theses"}
PRODUCTION = ("--env", "production", "run", "--job", ERP)
SANDBOX = ("--env", "sandbox", "run")


@pytest.fixture
def files(simulated: SimulatedAlma, almajob: Run) -> SimulatedAlma:
    """A payload in the working directory, and a job that was started with it an hour ago."""
    Path("export.json").write_text(json.dumps(PAYLOAD))
    Path("bare.xml").write_text("<job><parameter><name>set_id</name><value>7</value></parameter></job>")
    line = "POST /almaws/v1/conf/jobs/M44?op=run\n"
    Path("export.txt").write_text(line + json.dumps(PAYLOAD))
    assert almajob(*SANDBOX, "--job", "M44", "--params", "export.json").code == 0
    simulated.clock.advance(3600)
    simulated.log.clear()
    return simulated


def _with(**changes: str) -> str:
    Path("changed.json").write_text(json.dumps({**PAYLOAD, **changes}))
    return "changed.json"


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        # Wrong environment.
        (PRODUCTION, 5, "add --yes to the same command"),
        ((*PRODUCTION, "--no-input"), 5, "add --yes to the same command"),
        (("run", "--job", ERP), 2, "Which environment?"),
        (("--env", "prodution", "run", "--job", ERP), 7, "Did you mean production?"),
        (("--env", "Production", "run", "--job", ERP), 7, "Did you mean production?"),
        (
            ("--env", "production", "run", "--job", "S9563600010000561", "--yes"),
            5,
            "No job has the name or id",
        ),
        (
            ("--env", "production", "run", "--params", "export.txt", "--yes"),
            5,
            f"There is no set {THESES} here",
        ),
        # A confirmation that is none.
        ((*PRODUCTION, "--ye"), 2, "unrecognized arguments: --ye"),
        ((*PRODUCTION, "-y"), 2, "unrecognized arguments: -y"),
        ((*PRODUCTION, "--yes=S9570600010000561"), 2, "ignored explicit argument"),
        ((*PRODUCTION, "--run-key", "nightly"), 5, "was not confirmed"),
        ((*PRODUCTION, "--once-per", "day", "--wait"), 5, "was not confirmed"),
        # Swapped ids, and names that nearly fit.
        ((*SANDBOX, "--job", "M18", "--params", "export.txt"), 5, "The payload is of the job M44"),
        ((*SANDBOX, "--job", "export bibliographic records"), 5, f"'{EXPORT}' (M44)"),
        ((*SANDBOX, EXPORT), 5, "and this one has none"),
        ((*SANDBOX, "--params", "export.json"), 2, "Which job?"),
        # Parameters.
        ((*SANDBOX, "--job", "M44", "--params", "exprot.json"), 5, "exprot.json cannot be read"),
        (
            (*SANDBOX, "--job", "M44", "--params", "export.json", "--param", "setid=7"),
            5,
            "did you mean set_id?",
        ),
        ((*SANDBOX, "--job", "M44", "--param", "job_name=Theses"), 5, "and this one has none"),
        ((*SANDBOX, "--job", "M46"), 5, "works on a set of All Titles"),
        ((*SANDBOX, "--job", "M44", "--param", "set_id=@"), 2, "@ names no file"),
        (
            (*SANDBOX, "--job", "M44", "--params", "bare.xml"),
            5,
            "<job> has <parameters> in it, not <parameter>",
        ),
        ((*SANDBOX, "--job", "M44", "--save", ""), 2, "may have only letters"),
        ((*PRODUCTION, "--older-spelling"), 2, "unrecognized arguments"),
        (("--env", "production", "--cmd", "run", "--job", ERP, "--no-input"), 5, "add --yes"),
        (("--env", "production", "--cmd", "run", "--job", ERP, "--set", "x"), 5, "There is no set 'x'"),
        (
            (*SANDBOX, "--job", "M44", "--params", "export.json", "--param", "set_id="),
            5,
            "had a value for set_id",
        ),
        ((*SANDBOX, "--job", "M44", "--param", "set_id"), 2, "'set_id' is not NAME=VALUE"),
        ((*SANDBOX, "--job", "M44", "--param", "set_id=1", "--param", "set_id=2"), 2, "is given twice"),
        ((*SANDBOX, "--job", "M44", "--param", "set_id=1", "--set", "x"), 2, "both name a set"),
        ((*SANDBOX, "--job", "M44", "--params", "-", "--param", "set_id=@-"), 2, "can be read once only"),
        ((*SANDBOX, "--job", ERP, "--params", "export.json"), 5, "takes no parameters"),
        ((*SANDBOX, "--job", "M44", "--param", "set_id={env:SET}", "--expand"), 5, "'SET' is not set"),
        # Sets.
        ((*SANDBOX, "--job", "M44", "--set", "An empty set"), 5, "has no members"),
        ((*SANDBOX, "--job", "M44", "--set", "Lost items"), 5, "does not fit the job"),
        (
            (*SANDBOX, "--job", "M44", "--set", "Theses without a cal number"),
            5,
            "'Theses without a call number'",
        ),
        ((*SANDBOX, "--job", "M44", "--param", "set_id=9999"), 5, "There is no set 9999 here"),
        # Saved runs.
        ((*SANDBOX, "nightly"), 5, "No job has the name or id 'nightly'"),
        ((*SANDBOX, "nightly", "--job", "M44"), 2, "are both named"),
    ],
)
def test_a_slip_starts_nothing(
    files: SimulatedAlma, almajob: Run, words: tuple[str, ...], code: int, part: str
) -> None:
    """Neither does the same slip with an answer for programs."""
    for form in ((), ("-f", "json")):
        done = almajob(*words, *form)
        assert done.code == code, done.err
        assert part in done.err
        # What happened, and what to do.
        assert 2 <= len(done.err.strip().splitlines()) <= 6, done.err
    assert files.log.count("POST *") == 0


def test_an_override_counts_wherever_it_stands(files: SimulatedAlma, almajob: Run) -> None:
    """Before or after the file; it keeps the place of what it overrides, and what is new comes last."""
    given = ("--params", "export.json"), ("--param", "job_name=Mine"), ("--param", "new=1")
    plans = []
    for words in (given, given[::-1]):
        flat = [word for pair in words for word in pair]
        done = almajob(*SANDBOX, "--job", "M44", "--allow-unknown", "--dry-run", "-f", "json", *flat)
        plans.append(json.loads(done.out))
    for plan in plans:
        assert [item["name"] for item in plan["parameters"]] == [*PAYLOAD, "new"]
        mine = plan["parameters"][2]
        assert (mine["value"], mine["source"], mine["instead_of"]) == ("Mine", "--param", "Theses")
        sent = json.loads(plan["body"])["parameter"]
        assert [item["name"]["value"] for item in sent] == [*PAYLOAD, "new"]
    assert [plan["overrides"] for plan in plans] == [["job_name", "new"], ["new", "job_name"]]
    assert files.log.count("POST *") == 0


def test_a_piped_yes_is_no_answer(files: SimulatedAlma, almajob_process: Run) -> None:
    """Nor is the job's id, where nobody sits at a terminal."""
    for typed in ("y\n" * 100, "yes\n", "S9570600010000561\n"):
        done = subprocess.run(
            [sys.executable, "-m", "almajob", *PRODUCTION],
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (5, "")
        assert "was not confirmed" in done.stderr
    assert files.log.count("POST *") == 0


@pytest.mark.parametrize("given", ["@- </dev/null", "@- <&-", "@- < <(false)", "@empty", "@<(false)"])
def test_a_value_that_never_came_is_not_an_empty_value(files: SimulatedAlma, given: str) -> None:
    """Exit code 5, nothing is sent, and it is said how an empty value is."""
    Path("empty").touch()
    command = f"'{sys.executable}' -m almajob --env sandbox run --job M44 --param note="
    done = subprocess.run(
        ["bash", "-c", f"{command}{given}"], stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    assert done.returncode == 5, done.stderr
    assert "is empty, so there is no value for note" in done.stderr
    assert "--param note=\n" in done.stderr
    assert files.log.count("POST *") == 0


def test_a_stale_cache_starts_nothing(
    files: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of yesterday gives the name another id."""
    yesterday = to_parts([Job("M28", ERP, Code("MANUAL"))])
    with monkeypatch.context() as patched:
        patched.setattr("almajob.jobs.job_lookup.to_parts", lambda _jobs: yesterday)
        almajob("--env", "production", "list")
    done = almajob(*PRODUCTION, "--yes")
    assert done.code == 5
    assert "M28 is not the job that was asked for" in done.err
    assert files.log.count("POST *") == 0


@pytest.mark.parametrize(
    ("ini", "code", "part"),
    [
        ("[production]\napi_key = simulator-sandbox-key\nbase_url = {url}\n", 7, "leads to sandbox"),
        ("[sandbox]\napi_key = simulator-production-key\nbase_url = {url}\n", 7, "leads to production"),
        (
            "[production]\napi_key = simulator-production-key\nbase_url = {url}\nread_only = yes\n",
            5,
            "line 4",
        ),
        (
            "[production]\napi_key = simulator-production-key\nbase_url = {url}\nread_only = Yep\n",
            7,
            "yes or no",
        ),
        ("[almajob]\nenv = production\n[production]\napi_key = k\nregion = na\n", 7, "the default"),
    ],
)
def test_a_wrong_or_careful_ini_starts_nothing(
    simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path], ini: str, code: int, part: str
) -> None:
    """An old key, read_only, production as the default."""
    write_ini(ini.format(url=simulated.base_url))
    name = "sandbox" if ini.startswith("[sandbox]") else "production"
    environment = () if "[almajob]" in ini else ("--env", name)
    done = almajob(*environment, "run", "--job", ERP, "--yes")
    assert done.code == code
    assert part in done.err
    assert simulated.log.count("POST *") == 0


@pytest.mark.parametrize(("value", "code"), [("1", 5), ("yes", 5), ("0", 0), ("", 0), ("perhaps", 7)])
def test_a_variable_makes_everything_read_only(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, value: str, code: int
) -> None:
    """Whatever the command line says; a plan says so, config check tries no POST, and reading goes on."""
    monkeypatch.setenv("ALMAJOB_READ_ONLY", value)
    for environment in ("sandbox", "production"):
        words = ("--env", environment, "run", "--job", ERP)
        assert almajob(*words, "--yes").code == code
        simulated.clock.advance(3600)
        if code == 5:
            plan = json.loads(almajob(*words, "--dry-run", "-f", "json").out)
            assert plan["action"].startswith("refuse: the environment is read-only here (the variable ALMA")
            checked = almajob("--env", environment, "config", "check")
            assert checked.code == 0
            assert "not tried: read-only" in checked.out
            assert almajob("--env", environment, "list").code == 0
    assert simulated.log.count("POST *") == (0 if code else 2)


def test_what_is_running_already_can_be_followed_read_only(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that only finds its run sends nothing, so it needs neither --yes nor leave to write."""
    named = (*PRODUCTION, "--run-key", "k")
    assert almajob(*named, "--yes").code == 0
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "1")
    assert almajob(*named, "--wait").code == 0
    assert simulated.log.count("POST *") == 1


def test_nobody_waits_for_a_slot_to_be_refused_then(simulated: SimulatedAlma, almajob: Run) -> None:
    """What lacks --yes is refused at once; and what Alma would not take, nobody is asked to agree to."""
    for _ in range(5):
        assert almajob(*PRODUCTION, "--yes", "--if-running", "start").code == 0
        simulated.clock.advance(600)
    before = simulated.clock()
    done = almajob(*PRODUCTION, "--if-running", "start", "--wait-for-slot", "2h")
    assert done.code == 5
    assert "was not confirmed" in done.err
    assert simulated.clock() - before < 60
    full = almajob(*PRODUCTION, "--if-running", "start")
    assert full.code == 5
    assert "started 5 times" in full.err
    assert simulated.log.count("POST *") == 5


def test_one_start_in_production_from_cron(simulated: SimulatedAlma, almajob_process: Run) -> None:
    """One flag, one name for the run, no question; the second time it is the same run."""
    words = ("-q", *PRODUCTION, "--run-key", "nightly-2026-11-22", "--yes", "-f", "json")
    first, second = (json.loads(almajob_process(*words).out) for _ in range(2))
    assert first["instance_id"] == second["instance_id"]
    assert simulated.log.count("POST *") == 1


def test_a_saved_run_may_say_that_it_need_not_be_confirmed(
    simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path]
) -> None:
    """For production alone, if so."""
    section = (
        f"[run:invoices]\njob = {ERP}\nonce_per = hour\nconfirm@production = no\n[run:careful]\njob = {ERP}\n"
    )
    write_ini(simulated.ini + section)
    assert almajob("--env", "production", "run", "careful").code == 5
    assert almajob("--env", "production", "run", "invoices").code == 0
    simulated.clock.advance(3600)
    # What was agreed to is the run as it was saved.
    for words in (
        ("--param", "x=y"),
        ("--set", "Theses without a call number"),
        ("--allow-unknown",),
        ("--expand",),
        ("--xml",),
        ("--if-running", "start"),
        ("--run-key", "another"),
    ):
        changed = almajob("--env", "production", "run", "invoices", *words)
        assert changed.code == 5, words
        assert "not confirmed" in changed.err or "not a manual job" in changed.err
    assert simulated.log.count("POST *") == 1


def test_cron_lines_of_the_older_script_keep_working(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They know no --yes; read-only holds for them, too."""
    words = ("--env", "production", "--cmd", "run", "--job", ERP)
    for option in (
        *(("--run-key", "k"), ("--once-per", "day"), ("--if-running", "start"), ("--wait",), ("--expand",)),
        *(("--xml",), ("--allow-unknown",), ("--wait-for-slot", "1s"), ("--lock-wait", "1s")),
    ):
        assert almajob(*words, *option).code == 5, option
    assert almajob(*words).code == 0
    simulated.clock.advance(3600)
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "1")
    assert almajob(*words).code == 5
    assert simulated.log.count("POST *") == 1


def test_a_job_file_of_another_runner_starts_its_job(simulated: SimulatedAlma, almajob: Run) -> None:
    """What is ignored of it is told."""
    Path("export.conf").write_text(
        "Nightly export\n\n0 3 * * *\n\nPOST /almaws/v1/conf/jobs/M44?op=run\n\n"
        f"<job><parameters><parameter><name>set_id</name><value>{THESES}</value></parameter></parameters></job>"
    )
    done = almajob(*SANDBOX, "--params", "export.conf")
    assert done.code == 0
    assert "export.conf: the name 'Nightly export' is ignored" in done.err
    assert "export.conf: the cron line '0 3 * * *' is ignored" in done.err
    assert simulated.log.count("POST /conf/jobs/M44") == 1


def test_the_same_payload_as_xml_and_as_json_is_the_same_run(files: SimulatedAlma, almajob: Run) -> None:
    """Under one key: attached to, and not started again; what crossed the wire is what was written."""
    listed = "".join(
        f"<parameter><name>{name}</name><value>{value}</value></parameter>" for name, value in PAYLOAD.items()
    )
    Path("export.xml").write_text(f"<job><parameters>{listed}</parameters></job>")
    command = (*SANDBOX, "--job", "M44", "--run-key", "k", "-f", "json")
    first = json.loads(almajob(*command, "--params", "export.xml", "--xml").out)
    second = json.loads(almajob(*command, "--params", "export.json").out)
    assert first["instance_id"] == second["instance_id"]
    run = files.institution.sandbox.run(first["instance_id"])
    assert run is not None
    assert [name for name, _value in run.parameters] == list(PAYLOAD)
    assert files.log.count("POST *") == 1
    other = almajob(*command, "--params", _with(job_name="Other"))
    assert other.code == 5


# --- at a terminal ---


@pytest.fixture
def live(write_ini: Callable[..., Path]) -> Iterator[SimulatedAlma]:
    """A simulator for processes of their own, whose time is the real one."""
    with Simulator(Institution(Clock())) as simulator:
        running = SimulatedAlma(simulator)
        write_ini(running.ini)
        yield running


def _production_set(alma: SimulatedAlma) -> str:
    world = alma.institution.production
    return next(item.id for item in world.sets if item.name == "Theses without a call number")


def test_a_person_sees_everything_and_types_the_id(live: SimulatedAlma) -> None:
    """Parameters, set and members, institution, environment, job and id; then it is started, once."""
    set_id = _production_set(live)
    words = ("--env", "production", "run", "--job", EXPORT, "--param", f"set_id={set_id}")
    with Terminal(*words, "--param", "note=a\u202eb") as terminal:
        seen = terminal.until(lambda text: "anything else starts nothing:" in text)
        for part in (
            f"set_id = {set_id}",
            "note = a\\u202eb",
            f"Theses without a call number ({set_id}): 120 members, All Titles",
            "Institution  01SIM_INST",
            "Environment  production",
            f"Job          {EXPORT}",
            "Id           M44",
        ):
            assert part in seen, part
        assert live.log.count("POST *") == 0
        terminal.type(" M44 \n")
        assert terminal.end() == 0
    assert live.log.count("POST *") == 1


@pytest.mark.parametrize("typed", ["y\n", "yes\n", "\n", "M4\n", "m44\n", "M44M44\n", "\x04", "production\n"])
def test_anything_else_starts_nothing(live: SimulatedAlma, typed: str) -> None:
    """y, Enter, half of the id, Ctrl-D: exit code 5, and what the id is."""
    words = ("--env", "production", "run", "--job", EXPORT, "--param", f"set_id={_production_set(live)}")
    with Terminal(*words) as terminal:
        terminal.until(lambda text: "anything else starts nothing:" in text)
        terminal.type(typed)
        assert terminal.end() == 5
        assert "nothing was sent" in terminal.text
        assert "the id to type is M44" in terminal.text
    assert live.log.count("POST *") == 0


def test_what_was_typed_before_the_question_is_no_answer(live: SimulatedAlma) -> None:
    """Nor what was pasted with the command."""
    with Terminal(*PRODUCTION[:3], "--job", EXPORT, "--param", f"set_id={_production_set(live)}") as terminal:
        terminal.type("M44\n")
        terminal.until(lambda text: "starts nothing:" in text)
        terminal.type("n\n")
        assert terminal.end() == 5
    assert live.log.count("POST *") == 0


def test_ctrl_c_at_the_question_starts_nothing(live: SimulatedAlma) -> None:
    """Exit code 130."""
    with Terminal(*PRODUCTION) as terminal:
        terminal.until(lambda text: "anything else starts nothing:" in text)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert "Nothing was sent." in terminal.text
    assert live.log.count("POST *") == 0


def test_no_input_and_yes_ask_nothing(live: SimulatedAlma) -> None:
    """The one refuses, the other starts."""
    with Terminal(*PRODUCTION, "--no-input") as terminal:
        assert terminal.end() == 5
    assert live.log.count("POST *") == 0
    with Terminal(*PRODUCTION, "--yes") as terminal:
        assert terminal.end() == 0
    assert live.log.count("POST *") == 1


def test_at_a_terminal_the_older_spelling_asks_too(live: SimulatedAlma) -> None:
    """Somebody is there who can answer."""
    with Terminal("--env", "production", "--cmd", "run", "--job", ERP) as terminal:
        terminal.until(lambda text: "anything else starts nothing:" in text)
        terminal.type("\n")
        assert terminal.end() == 5
    assert live.log.count("POST *") == 0


def test_a_sandbox_asks_nothing(live: SimulatedAlma) -> None:
    """Also at a terminal."""
    with Terminal("--env", "sandbox", "run", "--job", ERP) as terminal:
        assert terminal.end() == 0
    assert live.log.count("POST *") == 1


def test_what_is_sent_is_what_was_shown(live: SimulatedAlma) -> None:
    """The set grows while a person thinks: it is asked again, and the number is another one."""
    set_id = _production_set(live)
    world = live.institution.production
    with Terminal(*PRODUCTION[:3], "--job", EXPORT, "--param", f"set_id={set_id}") as terminal:
        terminal.until(lambda text: "120 members" in text and "starts nothing:" in text)
        world.happen(
            lambda: {"kind": "members", "id": set_id, "members": [str(number) for number in range(9)]}
        )
        terminal.type("M44\n")
        terminal.until(lambda text: "9 members" in text and text.count("starts nothing:") == 2)
        assert live.log.count("POST *") == 0
        terminal.type("M44\n")
        assert terminal.end() == 0
    assert live.log.count("POST *") == 1


def test_a_long_name_cannot_look_like_another_line(live: SimulatedAlma) -> None:
    """Lines are broken here, not by the terminal, and what goes on is marked."""
    padded = f"note=x{' ' * 95}  Id           M18"
    words = (
        *PRODUCTION[:3],
        "--job",
        EXPORT,
        "--param",
        f"set_id={_production_set(live)}",
        "--param",
        padded,
    )
    with Terminal(*words, "--param", f"long={'y' * 150}Id M18") as terminal:
        terminal.until(lambda text: "starts nothing:" in text)
        shown = [line for line in terminal.lines if line.strip().startswith("Id ")]
        assert shown == ["  Id           M44"]
        assert any(line.startswith("    | ") and line.endswith("Id M18") for line in terminal.lines)
        terminal.type("\n")
        assert terminal.end() == 5


def test_what_changes_while_a_person_thinks_is_seen(live: SimulatedAlma) -> None:
    """The job is started by somebody else meanwhile: it is not started beside itself."""
    with Terminal(*PRODUCTION) as terminal:
        seen = terminal.until(lambda text: "anything else starts nothing:" in text)
        world = live.institution.production
        job = next(item for item in world.jobs if item.name == ERP)
        world.submit(job, [], by=("someone", "Some One"))
        assert f"Id           {job.id}" in seen
        terminal.type(f"{job.id}\n")
        assert terminal.end() == 5
        assert "is running already" in terminal.text
    assert live.log.count("POST *") == 0
