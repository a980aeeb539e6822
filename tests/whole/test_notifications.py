"""Notifications from a start to where they arrive, with every process real: once each, whatever breaks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from almajob.runs.observers.announcer import Announcer, InstalledObserver
from almajob.store.ledger.record import State
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.store.ledger.test_record import new
from tests.support.canary import assert_no_key_below, key_in
from tests.support.distributions import write_distribution
from tests.support.ledgers import open_ledger, write_steps
from tests.support.mail_server import PASSWORD, USER, MailServer
from tests.support.thoroughness import IN_CI, sample
from tests.whole.mortal import deliver_killed, write_found_start

JOB = "ERP export using profile FINANCE"
OTHER = "Users EXPORT using profile SIS"
RUN = ("--env", "sandbox", "run", "--job", JOB)
TOKEN = "T0K3N-of.a~webhook/B0123456789"
IN_FULL = pytest.mark.skipif(not IN_CI, reason="each takes seconds; CI runs them")
OBSERVER = InstalledObserver("notify", "almajob.notify.observer:Notifications", "almajob", "1")


class Hook:
    """A server that takes what is posted to it, and answers with the statuses that a test wants.

    Attributes:
        seen: what it was sent, the oldest first.
        statuses: of the next answers; then 200.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for(f"/hook/{TOKEN}")
        self.seen: list[dict[str, object]] = []
        self.statuses: list[int] = []
        self.taken = threading.Event()
        server.expect_request(f"/hook/{TOKEN}").respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.seen.append(json.loads(request.get_data()))
            self.taken.set()
        return Response("", status)

    @property
    def kinds(self) -> list[object]:
        return [each["kind"] for each in self.seen]


@pytest.fixture
def hook() -> Iterator[Hook]:
    with HTTPServer(host="127.0.0.1") as server:
        yield Hook(server)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory; a command waits for observers for as long as it takes."""
    path = tmp_path / "state"
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(path))
    monkeypatch.setattr("almajob.runs.observers.announcer.PATIENCE", 60.0)
    return path


@pytest.fixture
def add_ini(simulated: SimulatedAlma, write_ini: Callable[..., Path]) -> Callable[..., Path]:
    """Add settings to the sandbox, and sections to the configuration file."""

    def add(of_sandbox: str, sections: str) -> Path:
        begun = simulated.ini.replace("[sandbox]\n", f"[sandbox]\n{of_sandbox}\n", 1)
        assert begun != simulated.ini
        return write_ini(f"{begun}\n{sections}")

    return add


def _hook(hook: Hook, name: str = "hook", on: str = "start, good, warning, bad, unknown, late") -> str:
    return f"[notify:{name}]\ntype = webhook\nurl = {hook.url}\non = {on}\n"


def test_a_bad_end_is_a_mail_in_the_box(
    simulated: SimulatedAlma, almajob: Run, state: Path, add_ini: Callable[..., Path]
) -> None:
    """Of the environment that names it; a good one is none, and the exit code is as it would be."""
    with MailServer() as server:
        add_ini(
            "notify = ops",
            f"[notify:ops]\ntype = mail\nto = ada@example.org\nfrom = jobs@example.org\n"
            f"smtp = 127.0.0.1:{server.port}\nsecurity = none\n",
        )
        assert almajob(*RUN, "--run-key", "a", "--wait").code == 0
        simulated.set_ending(JOB, "COMPLETED_FAILED", seconds=90)
        done = almajob(*RUN, "--run-key", "b", "--wait", "-f", "json")
    assert done.code == 3
    (mail,) = server.mails
    assert mail["Subject"] == f"FAILED: {JOB} (sandbox)"
    body = mail.get_content()
    assert done.row["instance_id"] in body
    assert "COMPLETED_FAILED" in body
    assert "status " + done.row["instance_id"] in body


def test_each_event_comes_once_to_each_who_is_named(
    simulated: SimulatedAlma, almajob: Run, state: Path, hook: Hook, add_ini: Callable[..., Path]
) -> None:
    """At the environment, at the job, at the saved run and on the command line; one named twice gets one."""
    add_ini(
        "notify = hook",
        f"[job:{JOB}]\nnotify = hook, job\n[run:nightly]\njob = {JOB}\nnotify = saved\n"
        + "".join(_hook(hook, name, "good") for name in ("job", "saved", "typed", "unused"))
        + _hook(hook),
    )
    assert almajob("--env", "sandbox", "run", "nightly", "--notify", "typed", "--wait").code == 0
    assert hook.kinds == ["start", *["good"] * 4]
    again = almajob("--env", "sandbox", "wait", str(hook.seen[0]["instance_id"]))
    assert (again.code, again.err.count("Observer")) == (0, 0)
    assert len(hook.seen) == 5
    refused = almajob(*RUN, "--notify", "typo")
    assert refused.code == 7
    assert "has no section [notify:typo]" in refused.err
    assert "Did you mean 'typed'?" in refused.err or "typed" in refused.err


def test_what_cannot_be_sent_is_a_warning_and_comes_with_the_next_command(
    simulated: SimulatedAlma, almajob: Run, state: Path, hook: Hook, add_ini: Callable[..., Path]
) -> None:
    """In order, to those alone who have not got it; exit codes and starts are as without it."""
    add_ini("notify = hook, other", _hook(hook) + _hook(hook, "other", "good"))
    hook.statuses = [503]
    done = almajob(*RUN)
    assert done.code == 0
    assert "HTTP 503. The next command tries again, for a day." in " ".join(done.err.split())
    pending = almajob("notify", "pending", "-f", "json")
    assert hook.kinds == ["start"]
    assert almajob("notify", "pending", "-f", "json").out.strip() == "[]"
    # Whether it was listed depends on whether it was sent meanwhile.
    assert pending.code == 0
    hook.statuses = [503, 200]
    assert almajob("--env", "sandbox", "wait", "@last").code == 0
    assert hook.kinds == ["start", "good"]
    assert almajob("runs", "list").code == 0
    assert hook.kinds == ["start", "good", "good"]
    assert almajob("runs", "list").code == 0
    assert len(hook.seen) == 3


def _make_older(state: Path, age: timedelta) -> None:
    """Let what is pending have happened earlier."""
    ledger = open_ledger(state / "ledger")
    (pending,) = ledger.announcements()
    event = pending.message["event"]
    at = datetime.fromisoformat(event["at"]) - age
    ledger.postpone_call(pending, {**pending.message, "event": {**event, "at": at.isoformat()}})


@IN_FULL
def test_after_a_day_it_is_given_up(
    simulated: SimulatedAlma, almajob: Run, state: Path, hook: Hook, add_ini: Callable[..., Path]
) -> None:
    """With a second warning; meanwhile there is none."""
    add_ini("notify = hook", _hook(hook, on="start"))
    hook.statuses = [500] * 3
    assert "tries again" in almajob(*RUN).err
    assert "Observer" not in almajob("runs", "list").err
    assert len(json.loads(almajob("notify", "pending", "-f", "json").out)) == 1
    _make_older(state, timedelta(hours=27))
    hook.statuses = [500]
    assert "given up, after a day" in almajob("runs", "list").err
    assert almajob("notify", "pending", "-f", "json").out.strip() == "[]"


@IN_FULL
def test_a_name_without_a_section_loses_nothing(
    simulated: SimulatedAlma, almajob: Run, state: Path, hook: Hook, add_ini: Callable[..., Path]
) -> None:
    """Once the section is there, what happened is sent."""
    add_ini("notify = hoko", _hook(hook))
    assert "has no section [notify:hoko]" in almajob(*RUN).err
    checked = almajob("--env", "sandbox", "config", "check")
    assert checked.code == 7
    assert "hoko" in checked.out
    add_ini("notify = hoko", _hook(hook, "hoko"))
    almajob("runs", "list")
    assert hook.kinds == ["start"]


@IN_FULL
def test_another_command_with_another_file_sends_it_as_the_first_would(
    simulated: SimulatedAlma,
    almajob: Run,
    state: Path,
    hook: Hook,
    add_ini: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Cron has a file of its own; whoever types a command meanwhile need not know it."""
    path = add_ini("notify = hook", _hook(hook))
    hook.statuses = [500]
    almajob(*RUN)
    other = tmp_path / "other.ini"
    other.write_text(simulated.ini, "utf-8")
    other.chmod(0o600)
    almajob("--ini-file", str(other), "runs", "list")
    assert hook.kinds == []
    almajob("--ini-file", str(path), "runs", "list")
    assert hook.kinds == ["start"]


@IN_FULL
def test_a_file_that_is_not_trusted_calls_no_program(
    simulated: SimulatedAlma,
    almajob: Run,
    state: Path,
    add_ini: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It came with a directory that somebody unpacked."""
    section = f"[notify:x]\ntype = command\ncommand = /usr/bin/touch {tmp_path}/called\non = start\n"
    path = add_ini("notify = x", section)
    path.rename(tmp_path / "work" / "almajob.ini")
    monkeypatch.delenv("ALMAJOB_INI")
    assert "not trusted" in almajob(*RUN).err
    assert not (tmp_path / "called").exists()
    assert almajob("notify", "test", "x").code == 7
    assert not (tmp_path / "called").exists()


def test_no_byte_of_a_secret_is_written(
    simulated: SimulatedAlma,
    almajob: Run,
    state: Path,
    hook: Hook,
    add_ini: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Neither of an address nor of a password: in no log, message, table or file of ours."""
    add_ini(
        "notify = hook, ops, apprise",
        _hook(hook)
        + "[notify:ops]\ntype = mail\nto = a@example.org\nsmtp = 127.0.0.1:9\nsecurity = none\n"
        + f"user = {USER}\npassword = {PASSWORD}\non = start\n"
        + f"[notify:apprise]\ntype = apprise\nurl = json://127.0.0.1:9/{TOKEN}\non = start\n",
    )
    hook.statuses = [500] * 20
    log = str(tmp_path / "log")
    for words in (
        (*RUN, "--debug", "-v", "--log-file", log),
        ("notify", "pending", "-f", "json"),
        ("notify", "list", "-f", "json"),
        *(("notify", "test", name) for name in ("hook", "ops", "apprise")),
        ("config", "show"),
        ("config", "show", "-f", "json"),
        ("--env", "sandbox", "config", "check"),
    ):
        done = almajob(*words)
        for secret in (TOKEN, PASSWORD):
            assert not key_in(done.out + done.err, [secret]), words
    assert_no_key_below(tmp_path, [TOKEN, PASSWORD])


@IN_FULL
def test_a_secret_comes_from_a_variable_too(
    simulated: SimulatedAlma,
    almajob: Run,
    state: Path,
    hook: Hook,
    add_ini: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through the process that delivers, to the one that sends."""
    add_ini("notify = hook", "[notify:hook]\ntype = webhook\non = start\n")
    monkeypatch.setenv("ALMAJOB_NOTIFY_HOOK__URL", hook.url)
    almajob(*RUN)
    assert hook.kinds == ["start"]


@IN_FULL
def test_a_site_adds_a_notifier_of_its_own(
    simulated: SimulatedAlma,
    almajob: Run,
    state: Path,
    add_ini: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Like almajob's own; what it raises is a warning, and it is tried again."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    write_distribution(site, "pager", {"almajob.notifiers": {"pager": "pager:Pager"}})
    (site / "pager.py").write_text(
        "from dataclasses import dataclass\n"
        "from pathlib import Path\n"
        "from almajob.plugin import Notifier, SendFailed\n"
        "@dataclass(frozen=True)\n"
        "class Settings:\n"
        "    file: Path = Path('none')\n"
        "class Pager(Notifier):\n"
        "    on = ('start',)\n"
        "    def send(self, notification):\n"
        "        path = self.context.options(Settings()).file\n"
        "        if not path.exists():\n"
        "            raise SendFailed('the pager is off')\n"
        "        path.write_text(notification.subject)\n",
        "utf-8",
    )
    add_ini("notify = night", f"[notify:night]\ntype = pager\nfile = {tmp_path}/pages\n")
    assert "[notify:night] the pager is off" in almajob(*RUN).err
    (tmp_path / "pages").touch()
    almajob("runs", "list")
    assert (tmp_path / "pages").read_text() == f"Started: {JOB} (sandbox)"


def test_without_a_section_nothing_is_loaded_written_or_started(
    simulated: SimulatedAlma, state: Path
) -> None:
    """A start costs what it cost."""
    program = (
        "import json, sys\nfrom almajob.cli.app import main\ncode = main(json.loads(sys.argv[1]))\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"
    )
    words = [sys.executable, "-c", program, json.dumps([*RUN, "-q"])]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert not [name for name in modules if name.startswith(("almajob.notify", "almajob.runs.observers.a"))]
    assert not (state / "observers").exists()
    assert open_ledger(state / "ledger").announcements() == []


@pytest.mark.parametrize("count", sample([2, 1]))
def test_a_delivery_that_dies_anywhere_loses_no_message(tmp_path: Path, hook: Hook, count: int) -> None:
    """Once for each event; once more alone where it was taken, and the process died before it knew."""
    for moment in sample(range(1, 13)):
        hook.seen.clear()
        place = tmp_path / str(moment)
        state = place / "state"
        (state / "observers").mkdir(mode=0o700, parents=True)
        ini = place / "almajob.ini"
        names = ["hook", "other"][:count]
        text = "".join(_hook(hook, name) for name in names)
        ini.write_text(f"[sandbox]\nregion = na\nnotify = {', '.join(names)}\n{text}", "utf-8")
        ini.chmod(0o600)
        announcer = Announcer([OBSERVER], str(state), str(ini))
        announcer.wake = lambda: None  # type: ignore[method-assign]
        ledger = open_ledger(state / "ledger", announcer)
        write_found_start(ledger)
        assert deliver_killed(state, moment) == [-signal.SIGKILL, 0]
        number, step = divmod(moment - 1, 6)
        expected = [kind for kind in ("unknown", "start") for _each in names]
        # After the call itself, and before it was noted.
        if step in (3, 4):
            expected[number * count : number * count] = [expected[number * count]] * count
        assert sorted(map(str, hook.kinds)) == sorted(expected), moment
        assert ledger.announcements() == []


def test_a_sample_is_sent_at_once(
    simulated: SimulatedAlma, almajob: Run, state: Path, hook: Hook, add_ini: Callable[..., Path]
) -> None:
    """And says what is wrong where it cannot be."""
    add_ini("", _hook(hook))
    for kind in ("start", "good", "warning", "bad", "unknown", "late"):
        assert almajob("notify", "test", "hook", "--kind", kind).code == 0
        assert hook.seen[-1]["kind"] == kind
        assert "test" in str(hook.seen[-1]["text"])
    hook.statuses = [404]
    failed = almajob("notify", "test", "hook")
    assert failed.code == 6
    assert "127.0.0.1: HTTP 404" in failed.err
    assert almajob("notify", "test", "hok").code == 7
    (row,) = json.loads(almajob("notify", "list", "-f", "json").out)
    assert (row["name"], row["type"], row["used_by"], row["problem"]) == ("hook", "webhook", [], None)


@IN_FULL
def test_a_notification_of_yesterday_is_kept_for_today(
    simulated: SimulatedAlma, almajob: Run, state: Path, hook: Hook, add_ini: Callable[..., Path]
) -> None:
    """The next command may be the one that cron starts a day later."""
    add_ini("notify = hook", _hook(hook, on="start"))
    hook.statuses = [500]
    almajob(*RUN)
    _make_older(state, timedelta(hours=24, minutes=30))
    almajob("runs", "list")
    assert hook.kinds == ["start"]


def test_a_check_sees_ends_that_nobody_waited_for(
    simulated: SimulatedAlma, almajob: Run, state: Path, hook: Hook, add_ini: Callable[..., Path]
) -> None:
    """Each once, with its verdict; where all is well it prints nothing."""
    add_ini("notify = hook", _hook(hook, on="good, bad, late"))
    assert almajob("check") == Result(0, "", "")
    assert almajob(*RUN).code == 0
    assert almajob("check") == Result(0, "", "")
    simulated.clock.advance(86400)
    assert almajob("check") == Result(0, "", "")
    simulated.set_ending(JOB, "COMPLETED_FAILED", seconds=90)
    failed = almajob(*RUN, "-f", "json").row["instance_id"]
    simulated.clock.advance(3600)
    found = almajob("check", "-f", "json")
    assert found.code == 3
    assert (found.row["instance_id"], found.row["problem"]) == (failed, "ended badly")
    assert "COMPLETED_FAILED" in found.row["detail"]
    assert "One run needs attention." in found.err
    assert almajob("check") == Result(0, "", "")
    assert hook.kinds == ["good", "bad"]


def test_a_check_lists_a_late_run_as_long_as_it_goes_on(
    simulated: SimulatedAlma, almajob: Run, state: Path, hook: Hook, add_ini: Callable[..., Path]
) -> None:
    """And notifies of it once; a job may have a limit of its own."""
    add_ini("notify = hook\nlate_after = never", f"[job:{JOB}]\nlate_after = 2h\n" + _hook(hook, on="late"))
    for job in (JOB, OTHER):
        simulated.set_ending(job, "COMPLETED_SUCCESS", seconds=5 * 3600)
        assert almajob("--env", "sandbox", "run", "--job", job).code == 0
    simulated.clock.advance(3600)
    assert almajob("--env", "sandbox", "check").code == 0
    simulated.clock.advance(2 * 3600)
    for _again in range(2):
        found = almajob("check", "-f", "json")
        assert found.code == 3
        assert (found.row["job_name"], found.row["problem"]) == (JOB, "late")
    assert hook.kinds == ["late"]
    assert "was to end within 2 h 00 min" in str(hook.seen[0]["text"])
    simulated.clock.advance(86400)
    assert almajob("check") == Result(0, "", "")


def test_a_check_says_what_cannot_be_seen(
    simulated: SimulatedAlma, almajob: Run, state: Path, write_ini: Callable[..., Path]
) -> None:
    """An Alma that is down is no run that has failed; a start without an outcome is not well."""
    assert almajob(*RUN).code == 0
    write_ini(simulated.ini.replace(simulated.base_url, "http://127.0.0.1:9"))
    assert almajob("--env", "sandbox", "check").code == 6
    record = replace(new(job_id="M44", environment="sandbox"), sent_at=1.0)
    for step in (State.SENDING, State.UNKNOWN):
        record = record.advance(step, record.created_at, "so")
    write_steps(open_ledger(state / "ledger"), record)
    found = almajob("--env", "sandbox", "check", "-f", "json")
    assert found.code == 3
    problems = {row["run_id"]: row["problem"] for row in json.loads(found.out)}
    assert problems[record.id] == "unknown whether started"
    assert sorted(problems.values())[0] == "cannot be seen"


@pytest.mark.parametrize("said", ["0x", "2", "soon", "-1h", "0.5x"])
def test_a_limit_that_is_none_is_refused(
    almajob: Run, state: Path, add_ini: Callable[..., Path], said: str
) -> None:
    """With its place."""
    add_ini(f"late_after = {said}", "")
    done = almajob("--env", "sandbox", "list")
    assert done.code == 7
    assert "late_after is neither a length of time nor a factor" in done.err
