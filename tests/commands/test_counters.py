"""What a run counted, for people and programs: counters, an import's populations, an export's files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.fake_alma import STATUS_TABLE, FakeAlma, instance, job

ENV = ("--env", "sandbox")
IMPORT = "Metadata Import using profile Vendor Records"
ERP = "ERP export using profile FINANCE"


def end_run(alma: SimulatedAlma, job: str, status: str = "COMPLETED_SUCCESS") -> str:
    """Start a job without almajob, and let its run end."""
    alma.institution.rules.checks_parameters = False
    alma.set_ending(job, status, seconds=60)
    world = alma.institution.sandbox
    run_id = world.submit(next(each for each in world.jobs if each.name == job), []).id
    alma.clock.advance(3600)
    return run_id


def show(almajob: Run, *words: str) -> Any:
    """Run a command and read its JSON."""
    shown = json.loads(almajob(*ENV, *words, "-f", "json").out)
    return shown[0] if len(shown) == 1 else shown


def test_an_import_tells_how_many_records_each_population_has(simulated: SimulatedAlma, almajob: Run) -> None:
    """In JSON as Alma names them, and for people in words; other runs have none."""
    run_id = end_run(simulated, IMPORT)
    for command in ("status", "wait"):
        found = {item["population"]: item for item in show(almajob, command, "--id", run_id)["actions"]}
        assert found["MULTI_MATCHES"] == {
            "type": "CREATE_SET",
            "population": "MULTI_MATCHES",
            "text": "Multi matches",
            "members": 1,
        }
    assert "Single matches: 2" in almajob(*ENV, "status", "--id", run_id).out
    assert show(almajob, "status", "--id", end_run(simulated, ERP))["actions"] == []


def test_a_condition_names_a_population(simulated: SimulatedAlma, almajob: Run) -> None:
    """As it names a counter, alone and in a sum; the message says which part is true."""
    run_id = end_run(simulated, IMPORT)
    for condition, code in (
        ("NOT_ADDED_LOCKED > 0", 0),
        ("single_matches + multi_matches == 3", 3),
        ("NOT_ADDED_LOCKED > 0 or (MULTI_MATCHES > 0 and MULTI_MATCHES < 5)", 3),
    ):
        done = almajob(*ENV, "wait", "--id", run_id, "--fail-if", condition)
        assert (done.code, done.err.count("cannot be judged")) == (code, 0), condition
    assert "but MULTI_MATCHES > 0 and MULTI_MATCHES < 5." in done.err
    lost = almajob(*ENV, "wait", "--id", run_id, "--fail-if", "NOT_ADDED_LOCKT > 0")
    assert lost.code == 3
    assert "no counter 'NOT_ADDED_LOCKT'. Did you mean NOT_ADDED_LOCKED? It has: " in lost.err
    assert "NOT_ADDED_LOCKED" in lost.err


def test_nothing_to_do_is_a_good_end(simulated: SimulatedAlma, almajob: Run) -> None:
    """Told on stderr and in JSON, whatever --fail-if says; with -q only trouble is told."""
    run_id = end_run(simulated, IMPORT)
    judged = ("--nothing-if", "NOT_ADDED_LOCKED == 0", "--fail-if", "SINGLE_MATCHES > 0")
    for command in (("wait",), ("status", "--exit-status")):
        done = almajob(*ENV, *command, run_id, *judged, "-f", "json")
        assert (done.code, done.row["nothing"], done.row["passed"]) == (0, True, True)
        line = f"Nothing to do: {IMPORT} in sandbox (run {run_id}) ended with COMPLETED_SUCCESS"
        assert done.err.count(line) == 1
        assert ", and NOT_ADDED_LOCKED == 0." in done.err
    assert almajob(*ENV, "wait", run_id, *judged, "-q").err == ""
    not_so = ("--nothing-if", "NOT_ADDED_LOCKED > 0", *judged[2:])
    done = almajob(*ENV, "wait", run_id, *not_so, "-f", "json")
    assert (done.code, done.row["nothing"]) == (3, False)
    assert "Nothing to do" not in done.err
    assert show(almajob, "wait", run_id)["nothing"] is None


def test_nothing_if_judges_good_ends_only(simulated: SimulatedAlma, almajob: Run) -> None:
    """A bad end stays bad; one that is accepted is judged; a slip is no success; Alma's own word counts."""
    run_id = end_run(simulated, ERP, "COMPLETED_FAILED")
    condition = ("--nothing-if", "invoices >= 0")
    bad = almajob(*ENV, "wait", run_id, *condition, "-f", "json")
    assert (bad.code, bad.row["nothing"]) == (3, None)
    accepted = almajob(*ENV, "wait", run_id, *condition, "--accept", "COMPLETED_FAILED", "-f", "json")
    assert (accepted.code, accepted.row["nothing"]) == (0, True)
    assert "which is accepted here" in accepted.err
    slip = almajob(*ENV, "wait", run_id, "--accept", "COMPLETED_FAILED", "--nothing-if", "invocies == 0")
    assert slip.code == 3
    assert "--nothing-if 'invocies == 0' cannot be judged" in slip.err
    none = end_run(simulated, ERP, "COMPLETED_NO_BULKS")
    assert show(almajob, "wait", none)["nothing"] is True
    assert show(almajob, "status", none)["nothing"] is True
    done = almajob(*ENV, "wait", none, "--nothing-if", "invocies == 0", "--fail-if", "invoices == 0")
    assert (done.code, "Nothing to do: " in done.err) == (0, True)


def test_a_start_and_a_saved_run_know_when_there_is_nothing_to_do(
    simulated: SimulatedAlma, almajob: Run
) -> None:
    """The same option, kept in the ini as nothing_if, and repeated in the line to resume with."""
    simulated.set_ending(ERP, seconds=60)
    words = ("--nothing-if", "invoices >= 0 and invoices < 0", "--nothing-if", "invoices >= 0")
    done = almajob(*ENV, "run", "--job", ERP, "--wait", *words, "-f", "json")
    assert (done.code, done.row["nothing"]) == (0, True)
    simulated.clock.advance(3600)
    assert almajob(*ENV, "run", "--job", ERP, *words, "--save", "erp").code == 0
    done = almajob(*ENV, "run", "erp", "--wait", "-f", "json")
    assert (done.code, done.row["nothing"]) == (0, True)
    simulated.clock.advance(3600)
    simulated.set_ending(ERP, seconds=7200)
    done = almajob(*ENV, "run", "erp", "--wait", "--timeout", "60")
    assert done.code == 8
    assert "--nothing-if 'invoices >= 0 and invoices < 0' --nothing-if 'invoices >= 0'" in done.err
    assert almajob(*ENV, "run", "--job", ERP, *words).code == 2


def test_a_script_reads_single_counters(simulated: SimulatedAlma, almajob: Run) -> None:
    """A value a line and nothing else, in the order asked for; programs may have them with their names."""
    run_id = end_run(simulated, IMPORT)
    shown = {item["code"]: item["value"] for item in show(almajob, "status", run_id)["counters"]}
    words = ("--counter", "Records Processed", "--counter", "SINGLE_MATCHES", "--counter", "records_imported")
    done = almajob(*ENV, "status", run_id, *words)
    processed, imported = (shown[f"c.jobs.md_import.records_{name}"] for name in ("processed", "imported"))
    assert (done.code, done.out, done.err) == (0, f"{processed}\n2\n{imported}\n", "")
    assert show(almajob, "status", run_id, *words)[1] == {"counter": "SINGLE_MATCHES", "value": "2"}
    strict = almajob(*ENV, "status", run_id, *words[:2], "--exit-status", "--fail-if", "SINGLE_MATCHES > 0")
    assert (strict.code, strict.out) == (3, f"{processed}\n")
    assert almajob(*ENV, "status", run_id, run_id[:-1] + "2", *words).code == 2


def test_a_counter_that_is_not_there_is_refused(simulated: SimulatedAlma, almajob: Run) -> None:
    """With those that are, and nothing on stdout; while a run goes on it may still come."""
    run_id = end_run(simulated, ERP)
    done = almajob(*ENV, "status", run_id, "--counter", "invoices", "--counter", "bills")
    assert (done.code, done.out) == (5, "")
    assert "The report has no counter 'bills'. It has: c.jobs.erp.invoices." in done.err
    simulated.set_ending(ERP, seconds=7200)
    going_on = almajob(*ENV, "run", "--job", ERP, "-f", "json").row["instance_id"]
    done = almajob(*ENV, "status", going_on, "--counter", "invoices")
    assert (done.code, done.out) == (8, "")
    watched = almajob(*ENV, "status", going_on, "--counter", "invoices", "--watch")
    assert watched.code == 0
    assert watched.out.strip().isdigit()


def test_several_lines_of_one_counter_are_not_mixed_with_others(site: FakeAlma, almajob: Run) -> None:
    """Real reports have an error for each record; control characters in them stay within their line."""
    ours = job("S1", "Publishing")
    site.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    counter = [
        {"type": {"value": code, "desc": ""}, "value": value}
        for code, value in (
            ("Failed to process record", "1"),
            ("Failed to process record", "2\n3"),
            ("n", "2"),
        )
    ]
    ended = instance("77", ours, "COMPLETED_SUCCESS", counter=counter)
    site.on("GET /jobs/ALL/instances/77", ended)
    failed = ("--counter", "Failed to process record")
    assert almajob(*ENV, "status", "77", *failed).out == "1\n2\\n3\n"
    done = almajob(*ENV, "status", "77", *failed, "--counter", "n")
    assert (done.code, done.out) == (5, "")
    assert "'Failed to process record' has 2 values in the report of" in done.err


@pytest.mark.parametrize(
    ("name", "ending"), [("Export Bibliographic records", ""), ("Export Electronic portfolios", ".txt")]
)
def test_an_export_names_its_files(simulated: SimulatedAlma, almajob: Run, name: str, ending: str) -> None:
    """As Alma does: text files by their names, XML by what the names begin with; others have none."""
    run_id = end_run(simulated, name)
    found = show(almajob, "status", "--id", run_id)
    told = [item["value"] for item in found["counters"] if item["code"] == "c.jobs.bibExport.link"]
    assert found["result_files"] == told == [f"{name.replace(' ', '_')}_{run_id}{ending}"]
    table = almajob(*ENV, "status", "--id", run_id, "-c", "result_files")
    assert told[0] in table.out
    assert "result_files" in almajob(*ENV, "status", run_id).out
    other = almajob(*ENV, "wait", end_run(simulated, ERP)).out
    assert all(name not in other for name in ("result_files", "actions", "nothing"))
    assert show(almajob, "status", "--id", end_run(simulated, ERP))["result_files"] == []
