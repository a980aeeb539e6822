"""The fixtures that come with almajob, in a test suite of somebody else."""

from __future__ import annotations

import inspect
import os
import re
from operator import attrgetter
from typing import Any

import pytest

from almajob import testing
from tests.support.environments import ROOT

pytest_plugins = ["pytester"]

SUITE = """
import json
from datetime import UTC, datetime

import pytest

JOB = "ERP export using profile FINANCE"


def test_a_job_that_takes_eight_hours(alma, almajob):
    alma.set_ending(JOB, "COMPLETED_FAILED", seconds=8 * 3600)
    started = json.loads(almajob("--env", "sandbox", "run", "--job", JOB, "-f", "json").stdout)
    alma.clock.advance(8 * 3600)
    done = almajob("--env", "sandbox", "status", "--id", started["instance_id"], "-f", "json")
    assert done.code == 0
    assert json.loads(done.stdout)[0]["status"] == "COMPLETED_FAILED"
    assert alma.log.count("POST /conf/jobs/*") == 1


def test_the_environments_are_two(alma, almajob):
    assert almajob("--env", "production", "run", "--yes", "--job", JOB).code == 0
    assert len(alma.institution.production.runs()) == 1
    assert alma.institution.sandbox.runs() == []


def test_a_lost_answer_is_looked_for(alma, almajob):
    alma.faults.add("reset-after", "POST /conf/jobs/*")
    assert almajob("--env", "sandbox", "run", "--job", JOB).code == 0
    alma.faults.add("reset-before", "POST /conf/jobs/*")
    begun = alma.clock()
    done = almajob("--env", "sandbox", "run", "--job", JOB, "--if-running", "start")
    assert (done.code, done.stdout) == (9, "")
    assert "starts nothing until that is settled" in done.stderr
    assert alma.clock() - begun > 110


@pytest.mark.parametrize("alma_begins", [datetime(2026, 12, 31, 23, 58)])
def test_a_year_ends(alma, almajob):
    started = json.loads(almajob("--env", "sandbox", "run", "--job", JOB, "-f", "json").stdout)
    assert started["submit_time"].startswith(datetime(2026, 12, 31, 23, 58).astimezone(UTC).isoformat()[:16])


def test_what_a_test_prints_is_not_lost(almajob, capfd):
    print("mine")
    assert "mine" not in almajob("--version").stdout
    print("later")
    assert "mine" not in almajob("--version").stdout
    assert capfd.readouterr().out.split() == ["mine", "later"]


def test_an_unused_fault_fails(alma):
    alma.faults.add("503", "GET /conf/never")


def test_an_unexpected_call_fails(alma):
    import urllib.error, urllib.request

    try:
        urllib.request.urlopen(alma.base_url + "/almaws/v1/users")
    except urllib.error.HTTPError:
        pass
"""


KIT = """
import logging
import os
import signal
import sys
import urllib.request

import pytest

JOB = "ERP export using profile FINANCE"
WAIT = ("--env", "sandbox", "run", JOB, "--wait", "--once-per", "day")


@pytest.fixture
def own_variable(monkeypatch):
    monkeypatch.setenv("ALMAJOB_HELLO_URL", "https://hello.example")


def get(alma, path, key="simulator-sandbox-key"):
    request = urllib.request.Request(alma.base_url + "/almaws/v1" + path)
    request.add_header("Authorization", "apikey " + key)
    request.add_header("X-Mine", "1")
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status, response.read().decode()


def test_the_tests_own_variables_stay(own_variable, almajob):
    assert os.environ["ALMAJOB_HELLO_URL"] == "https://hello.example"
    assert "ALMAJOB_OF_THE_DEVELOPER" not in os.environ


def test_the_configuration_file_can_be_added_to(ini, almajob, alma):
    ini.add("sandbox", {"read_only": "yes"})
    ini.add("job:" + JOB, {"accept": "COMPLETED_FAILED"})
    assert almajob("--env", "sandbox", "run", JOB).code == 5
    assert "accept = COMPLETED_FAILED" in ini.path.read_text()
    assert alma.log.count("POST *") == 0
    with pytest.raises(ValueError):
        ini.add("sandbox", {"api_key": "two" + chr(10) + "lines"})


def test_a_command_reads_from_stdin(almajob):
    done = almajob("--env", "sandbox", "shell", stdin="list -f value -c id" + chr(10))
    assert (done.code, len(done.stdout.split())) == (0, 88)
    assert almajob("--env", "sandbox", "shell").stdout == ""


def test_a_slash_in_an_id_separates_nothing(alma, context, answers):
    answers.add("GET /users/a%2Fb/loans", {"total_record_count": 0})
    assert context.alma.call("GET", "/users/{id}/loans", {"id": "a/b"}) == {"total_record_count": 0}
    from almajob.plugin import AlmaRefused

    with pytest.raises(AlmaRefused, match="Set not found"):
        context.alma.call("GET", "/conf/sets/{id}/members", {"id": "a/b"})
    assert alma.log.count("GET /conf/sets/a%2Fb/members") == 1


def test_requests_are_kept_without_the_key(alma, almajob):
    almajob("--env", "sandbox", "run", JOB)
    (sent,) = alma.log.requests("POST /conf/jobs/*")
    assert (sent.json, sent.body, sent.raw) == ({}, "{}", b"{}")
    assert sent.headers["content-type"] == "application/json"
    assert "simulator-sandbox-key" not in repr(sent)


@pytest.mark.parametrize(("moment", "runs"), [("before", 0), ("after", 1)])
def test_ctrl_c_comes_while_a_start_is_sent(alma, almajob, moment, runs):
    alma.interrupt("POST /conf/jobs/*", moment)
    assert almajob(*WAIT).code == 130
    assert len(alma.institution.sandbox.runs()) == runs


def test_a_signal_comes_at_the_third_look(alma, almajob):
    alma.set_ending(JOB, seconds=8 * 3600)
    alma.interrupt("GET /conf/jobs/*/instances/*", nth=3, number=signal.SIGTERM)
    done = almajob(*WAIT)
    assert (done.code, alma.log.count("GET /conf/jobs/*/instances/*")) == (143, 3)
    assert "Resume: almajob --env sandbox wait" in done.stderr
    assert almajob(*WAIT).code == 0
    assert alma.log.count("POST /conf/jobs/*") == 1


def test_the_context_is_the_sandboxs(context, alma):
    assert len(context.catalogue.jobs()) == 88
    assert context.of("production").environment.name == "production"
    alma.clock.advance(3600)
    assert context.now().hour == 10


@pytest.mark.parametrize("plugin_name", ["almajob-hello"])
def test_the_context_is_the_plugins(context, tmp_path, plugin_name):
    context.store.set("colour", "green")
    assert (tmp_path / "state" / "plugins" / plugin_name).is_dir()


def test_answers_are_added(alma, answers):
    answers.add("GET /users/1", {"primary_id": "1"}, params={"view": "full"}, headers={"X-More": "1"})
    answers.add("GET /users/*", lambda call: {"path": call.path, "x": call.headers["x-mine"]}, times=1)
    answers.add_error("GET /users/*", "401861", "There is no such user.")
    assert get(alma, "/users/1?view=full&more=1") == (200, '{"primary_id": "1"}')
    assert get(alma, "/users/1") == (200, '{"path": "/users/1", "x": "1"}')
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(alma, "/users/1")
    assert refused.value.code == 400
    assert "401861" in refused.value.read().decode()
    answers.add_list("GET /sets", "set", [{"id": number} for number in range(12)])
    last = '{"set": [{"id": 10}, {"id": 11}], "total_record_count": 12}'
    assert get(alma, "/sets?offset=10") == (200, last)
    # They come before the simulator's own, and behind its gateway.
    answers.add("GET /conf/general", "none of yours")
    assert get(alma, "/conf/general") == (200, "none of yours")
    with pytest.raises(urllib.error.HTTPError):
        get(alma, "/conf/general", key="no-such-key")


@pytest.mark.parametrize("wrong", ["/users/1", "get /users", "GET users"])
def test_no_call_is_no_answer(answers, wrong):
    with pytest.raises(ValueError):
        answers.add(wrong, {})


def test_a_person_is_asked(terminal, alma):
    shown = terminal("--env", "production", "run", JOB)
    assert "This starts a job in production." in shown.wait_for("Type the job's id")
    assert all(len(line) <= 80 for line in shown.lines)
    shown.type("S9570600010000561" + chr(10))
    assert shown.wait() == 0
    assert alma.log.count("POST /conf/jobs/*") == 1


def test_hours_pass_on_a_terminal(terminal, alma):
    alma.set_ending(JOB, seconds=3600)
    shown = terminal(*WAIT)
    assert shown.wait() == 0
    assert "COMPLETED_SUCCESS" in shown.text


def test_a_terminal_says_what_it_needs(terminal, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyte", None)
    with pytest.raises(ModuleNotFoundError, match="The fixture terminal needs the package pyte: pip install"):
        terminal("--version")


def test_ctrl_c_on_a_terminal(terminal, alma):
    alma.set_ending(JOB, seconds=3600)
    alma.interrupt("GET /conf/jobs/*/instances/*")
    shown = terminal(*WAIT)
    assert shown.wait() == 130
    assert "Resume: almajob --env sandbox wait" in shown.text
    asked = terminal("--env", "production", "run", JOB)
    asked.wait_for("Type the job's id")
    asked.press_ctrl_c()
    assert asked.wait() == 130
    with pytest.raises(AssertionError, match="it ended without 'never'"):
        asked.wait_for("never")


def test_ctrl_d_on_a_terminal(terminal, alma):
    asked = terminal("--env", "production", "run", JOB)
    asked.wait_for("Type the job's id")
    asked.press_ctrl_d()
    assert asked.wait() == 5
    assert alma.log.count("POST /conf/jobs/*") == 0


def test_a_command_takes_over_logging(almajob):
    assert almajob("--env", "sandbox", "list").code == 0


def test_it_is_put_back_for_the_next_test(context, caplog):
    logging.getLogger("almajob.x").warning("to be seen")
    assert caplog.messages == ["to be seen"]


def test_an_unused_answer_fails(answers):
    answers.add("GET /users/never")


def test_a_second_call_is_unexpected(alma, answers):
    answers.add("GET /users/1", times=1)
    get(alma, "/users/1")
    with pytest.raises(urllib.error.HTTPError):
        get(alma, "/users/1")


def test_an_unused_interruption_fails(alma):
    alma.interrupt("GET /users/never", "before")
"""


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Like that of somebody who works on a plugin, and not on almajob."""
    for name in list(os.environ):
        if name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ALMAJOB_OF_THE_DEVELOPER", "1")
    return pytester


def test_the_fixtures_work_in_any_suite(pytester: pytest.Pytester) -> None:
    """Found by pytest itself; unexpected calls and unused faults fail the test that made them."""
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=7, errors=2)
    told = result.stdout.str()
    assert "faults that never happened: ['503 on GET /conf/never']" in told
    assert "calls that the simulator does not know: ['GET /users']" in told


def test_the_kit_reaches_what_a_command_meets(pytester: pytest.Pytester) -> None:
    """Settings, stdin, requests, signals, a terminal, other endpoints; what is planned in vain fails."""
    pytester.makepyfile(KIT)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=24, errors=3)
    told = result.stdout.str()
    assert "answers that nobody asked for: ['GET /users/never']" in told
    assert "calls that the simulator does not know: ['GET /users/1']" in told
    assert "interruptions that never happened: ['before GET /users/never']" in told


def test_the_page_on_testing_is_right(pytester: pytest.Pytester) -> None:
    """Its examples are one file of tests, which pass as they stand there."""
    page = (ROOT / "docs" / "testing-a-plugin.md").read_text("utf-8")
    suite = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    pytester.makepyfile(suite)
    tests = suite.count("\ndef test_")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=tests)
    fixtures = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert all(hasattr(testing, name) for name in fixtures)


def test_the_page_on_testing_has_all_calls(simulated: testing.SimulatedAlma) -> None:
    """Each with its arguments, and each of what the fixtures are."""
    page = (ROOT / "docs" / "testing-a-plugin.md").read_text("utf-8")
    rows = "\n".join(re.findall(r"^\| (`[^|]*\)`) \|", page, re.MULTILINE))
    calls = dict(re.findall(r"`([\w.]+)\(([\w, ]*)\)`", rows))
    named: dict[str, Any] = {
        "alma": simulated,
        "answers": simulated.answers,
        "ini": testing.Ini,
        "shown": testing.Terminal,
        "almajob": testing.RunAlmajob.__call__,
        "terminal": testing.OpenTerminal.__call__,
        "check_command": testing.check_command,
    }
    for call, arguments in calls.items():
        first, _, rest = call.partition(".")
        found = attrgetter(rest)(named[first]) if rest else named[first]
        names = [name for name in inspect.signature(found).parameters if name != "self"]
        assert f"{call}({arguments})" == f"{call}({', '.join(names)})"
    # What only almajob's own fixtures call.
    own = {"check", "knows", "take", "list_unused", "clear"}
    for first, kind in (
        ("alma", testing.SimulatedAlma),
        ("answers", testing.PlannedAnswers),
        ("ini", testing.Ini),
        ("shown", testing.Terminal),
    ):
        public = {name for name, found in vars(kind).items() if name[0] != "_" and callable(found)}
        assert public - own == {call.split(".")[1] for call in calls if re.fullmatch(rf"{first}\.\w+", call)}
