"""``almajob.connect``: silent, shared by threads, and as careful with starts as the commands are."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import almajob as library
from almajob.alma.job_instances import Counter, Instance
from almajob.alma.models import Code
from almajob.errors import ConfigurationError, NotConfirmed
from almajob.jobs.counters import Counters
from almajob.plugin import Context, StartOptions
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.fake_alma import KEY, FakeAlma
from tests.support.ledgers import list_records, open_ledger
from tests.support.places import prepare
from tests.support.postgres import Database
from tests.support.thoroughness import sample

ERP = "ERP export using profile FINANCE"
_STARTS = "POST /conf/jobs/*"
_LEAVES_ALL_AS_IT_IS = """
import logging, os, signal, sys, threading
def surroundings():
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    hooks = (sys.excepthook, sys.unraisablehook, threading.excepthook, logging.getLogRecordFactory())
    return dict(os.environ), handlers, hooks, logging.lastResort, list(logging.getLogger().handlers)
before = surroundings()
import almajob
with almajob.connect("sandbox", state_dir=sys.argv[1]) as alma:
    run = alma.runs.follow(alma.runs.start(sys.argv[2]))
    assert run.passed
    assert surroundings() == before
assert surroundings() == before
assert threading.enumerate() == [threading.main_thread()]
"""


def _run_program(text: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", text, *argv],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_is_left_as_it_is(simulated: SimulatedAlma, tmp_path: Path) -> None:
    """Nothing on stdout and stderr, no handler, no thread; and the ledger is where the program says."""
    simulated.institution.sandbox.rules.seconds = 0.0
    done = _run_program(_LEAVES_ALL_AS_IT_IS, str(tmp_path / "place"), ERP)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list_records(open_ledger(tmp_path / "place" / "ledger"))) == 1
    assert not (tmp_path / "home" / ".local" / "state").exists()


def test_the_import_costs_nothing() -> None:
    """Of almajob nothing is loaded before it is used, and completion at a prompt names it."""
    names = "sorted(name for name in sys.modules if name.startswith('almajob'))"
    done = _run_program(f"import sys, almajob\nprint({names}, 'connect' in dir(almajob))")
    assert done.stdout == "['almajob'] True\n"
    with pytest.raises(AttributeError, match="no 'conect'"):
        _ = library.conect  # type: ignore[attr-defined]


def test_the_ini_is_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the program changes its directory; a misspelt environment is told at once."""
    ini = tmp_path / "other.ini"
    ini.touch(mode=0o600)
    ini.write_text(f"[lab]\napi_key = {KEY}\nregion = eu\nkind = sandbox\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    with library.connect("lab", ini_file="other.ini") as context:
        monkeypatch.chdir("/")
        assert (context.environment.name, context.of("lab").environment.region) == ("lab", "eu")
        assert context.of("demo").environment.kind == "sandbox"
    with pytest.raises(ConfigurationError, match=r"other\.ini has no environment 'labb'"):
        library.connect("labb", ini_file=ini)


def test_production_needs_consent(simulated: SimulatedAlma) -> None:
    """In code; what lacks it sends nothing, and the error says how to consent."""
    with library.connect("production") as alma:
        with pytest.raises(NotConfirmed) as refused:
            alma.runs.start(ERP)
        assert simulated.log.count(_STARTS) == 0
        assert (refused.value.exit_code, refused.value.kind) == (5, "not_confirmed")
        assert "is_confirmed=True" in refused.value.hint
        alma.runs.start(ERP, options=StartOptions(is_confirmed=True))
    assert simulated.log.count(_STARTS) == 1


def test_a_key_may_be_in_a_variable(
    simulated: SimulatedAlma, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is still there afterwards, also where the state directory is named in the code."""
    ini = tmp_path / "other.ini"
    ini.touch(mode=0o600)
    ini.write_text(f"[sandbox]\nbase_url = {simulated.base_url}\n", "utf-8")
    monkeypatch.setenv("ALMAJOB_API_KEY_SANDBOX", "simulator-sandbox-key")
    for place in (None, tmp_path / "state"):
        with library.connect("sandbox", ini_file=ini, state_dir=place) as alma:
            assert alma.catalogue.find(ERP).name == ERP
    assert os.environ["ALMAJOB_API_KEY_SANDBOX"] == "simulator-sandbox-key"


def test_a_start_counts_as_reported_when_the_block_has_ended(simulated: SimulatedAlma) -> None:
    """What ended with an exception takes up its run when it is called again; what ended well starts anew."""
    simulated.set_ending(ERP, seconds=1.0)
    with pytest.raises(ZeroDivisionError), library.connect("sandbox") as alma:
        first = alma.runs.start(ERP).instance.id
        _ = 1 / 0
    found = []
    for _ in range(2):
        alma = library.connect("sandbox")
        found.append(alma.runs.follow(alma.runs.start(ERP)).instance.id)
        alma.close()
    assert found[0] == first
    assert found[1] != first
    assert simulated.log.count(_STARTS) == 2


_WAITS = """
import logging, os, sys
import almajob
logging.getLogger("almajob").addHandler(logging.FileHandler("log"))
try:
    with almajob.connect("sandbox") as alma:
        alma.runs.follow(alma.runs.start(sys.argv[1], report=lambda _: print("started", flush=True)))
except KeyboardInterrupt:
    sys.exit(5)
"""


def test_who_is_interrupted_finds_in_the_log_how_to_go_on(simulated: SimulatedAlma) -> None:
    """Nothing of it is on stderr, and the program decides how it ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITS, ERP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (5, "", "")
    assert "almajob --env sandbox wait " in Path("log").read_text("utf-8")


def test_threads_share_a_context(site: FakeAlma, write_ini: Callable[..., Path]) -> None:
    """Eight of them, with 500 reads each: every answer is about the run that was asked for."""
    write_ini(f"[sandbox]\napi_key = {KEY}\nbase_url = {site.url}\ncalls_per_second = 1000\nburst = 100\n")
    of_run = site.many_runs(40)
    barrier = threading.Barrier(8)
    with library.connect("sandbox") as alma:

        def look(number: int) -> list[tuple[str, str]]:
            barrier.wait()
            wrong = []
            for turn in sample(sample(range(500))):
                asked = list(of_run)[(turn * 7 + number) % len(of_run)]
                run = alma.runs.look(asked)
                if (run.instance.id, run.instance.job and run.instance.job.id) != (asked, of_run[asked]):
                    wrong.append((asked, run.instance.id))
            return wrong

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(look, range(8))) == [[]] * 8


def test_threads_start_one_run_key_once(simulated: SimulatedAlma) -> None:
    """All of them get the run."""
    barrier = threading.Barrier(8)
    with library.connect("sandbox") as alma:

        def start(_number: int) -> str:
            barrier.wait()
            return alma.runs.start(ERP, options=StartOptions(run_key="tonight")).instance.id

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(start, range(8)))) == 1
    assert simulated.log.count(_STARTS) == 1


def test_threads_make_one_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they use the demo for the first time, all at once."""
    barrier = threading.Barrier(8)
    with library.connect("demo") as alma:

        def ask(_number: int) -> Context:
            barrier.wait()
            alma.catalogue.jobs()
            return alma.of("demo")

        before = threading.active_count()
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(8))) == {alma}
        # The server's two threads, and those of connections that are kept.
        servers = [thread for thread in threading.enumerate() if "serve_forever" in thread.name]
    assert len(servers) == 1
    assert threading.active_count() <= before + 20


@pytest.mark.parametrize(
    "factory", [logging.LogRecord, lambda *given, **more: logging.LogRecord(*given, **more)]
)
def test_keys_are_redacted_in_any_log(
    factory: Callable[..., logging.LogRecord], caplog: pytest.LogCaptureFixture
) -> None:
    """In messages, arguments and tracebacks, whatever makes the records; other messages stay as they are."""
    logging.setLogRecordFactory(factory)
    library.redact_logs()
    library.redact_logs()
    log = logging.getLogger("somebody.else")
    log.warning("with %s and %s", KEY, 2)
    log.warning("with %d", KEY)
    try:
        raise ValueError(f"apikey {KEY}")
    except ValueError:
        log.exception("failed", stack_info=True)
    log.warning("harmless %s", 3)
    log.warning("no exception", exc_info=True)
    assert KEY not in caplog.text
    assert "ValueError" in caplog.text
    first, *_, last, _none = caplog.records
    assert KEY not in first.getMessage()
    assert (last.msg, last.args) == ("harmless %s", (3,))


def test_counters_are_found_as_conditions_find_them(almajob: Run) -> None:
    """By code, end of code or text; numbers are numbers, and what is not there names what is."""
    counted = (
        ("c.jobs.a.done", "Done", "12"),
        ("c.jobs.a.rate", "", "0.5"),
        ("c.jobs.a.file", "", "x_1.xml"),
    )
    report = Instance("1", counters=tuple(Counter(Code(code, text), value) for code, text, value in counted))
    counters = Counters(report)
    assert (counters["c.jobs.a.done"], counters["done"], counters["Done"]) == (12, 12, 12)
    assert dict(counters) == {"c.jobs.a.done": 12, "c.jobs.a.rate": 0.5, "c.jobs.a.file": "x_1.xml"}
    first = report.counters[0]
    assert (first.code, first.text) == ("c.jobs.a.done", "Done")
    assert "dona" not in counters
    with pytest.raises(KeyError, match=r"c\.jobs\.a\.rate"):
        counters["dona"]
    assert counters.get("dona", 0) == 0
    assert repr(counters).startswith("Counters({'c.jobs.a.done': 12")


def test_a_program_may_bring_its_settings(simulated: SimulatedAlma, tmp_path: Path) -> None:
    """As an engine's connections do: no configuration file is read, and a wrong setting is named."""
    settings = {"base_url": simulated.base_url, "api_key": "simulator-production-key", "kind": "production"}
    Path("almajob.ini").write_text("this is none", "utf-8")
    with library.connect("acme", settings=settings, state_dir=tmp_path / "state") as alma:
        assert alma.environment.is_production
        assert alma.environment.source_of("kind") == "the settings of the program: kind"
        assert alma.runs.start(ERP, options=StartOptions(is_confirmed=True)).instance.id
    for wrong, message in (
        ({"regoin": "eu"}, "regoin is not a setting"),
        ({**settings, "kind": "test"}, "sandbox or production"),
        ({**settings, "api_key": ""}, "no API key|is empty"),
    ):
        with (
            pytest.raises(ConfigurationError, match=message),
            library.connect("acme", settings=wrong) as alma,
        ):
            alma.catalogue.jobs()
    with pytest.raises(ConfigurationError, match="not both"):
        library.connect("acme", settings=settings, ini_file="almajob.ini")


def test_a_program_may_name_the_ledgers_database(simulated: SimulatedAlma, database: Database) -> None:
    """With its password apart; a second program on another host finds the run."""
    prepare(database)
    settings = {"base_url": simulated.base_url, "api_key": "simulator-sandbox-key"}
    found = []
    for host in ("one", "two"):
        with library.connect(
            "sandbox", settings=settings, ledger=database.url, ledger_password="unused", state_dir=host
        ) as alma:
            found.append(alma.runs.start(ERP, options=StartOptions(run_key="tonight")).instance.id)
    assert found[0] == found[1]
    assert simulated.log.count(_STARTS) == 1


def test_a_program_makes_a_set_and_starts_on_ids(simulated: SimulatedAlma) -> None:
    """Each once, also when it is called again; the set of a run goes with its good end."""
    simulated.institution.sandbox.rules.seconds = 1.0
    ids, sets = [f"997000{number}0000561" for number in range(3)], simulated.institution.sandbox.sets
    before = {each.id for each in sets}
    with library.connect("sandbox") as alma:
        made = [alma.make_set("Titles of the week", ids, "BIB_MMS") for _ in range(2)]
        assert (made[0].id, made[0].count) == (made[1].id, 3)
        options = StartOptions(run_key="week", allow_unknown=True)
        job = "Export Bibliographic records"
        for _ in range(2):
            run = alma.runs.follow(alma.start_on_ids(job, ids, options=options, delete_set="good"))
            alma.settle_set(run)
    assert run.passed
    assert {each.id for each in simulated.institution.sandbox.sets} - before == {made[0].id}
    assert simulated.log.count(_STARTS) == 1
    with library.connect("production") as alma, pytest.raises(NotConfirmed, match="must be confirmed"):
        alma.make_set("Titles of the week", ids, "BIB_MMS")
