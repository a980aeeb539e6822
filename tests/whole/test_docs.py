"""The documentation is compared with the program: what it shows is run, what it lists is complete."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from itertools import takewhile
from pathlib import Path

import pytest

from almajob.alma.models import Parameter
from almajob.cli.context import Context
from almajob.config import settings
from almajob.config.environments import ENVIRONMENT_SETTINGS, REGIONS
from almajob.config.ini_sections import FLAT_SETTINGS, GENERAL_SETTINGS, RUN_SETTINGS
from almajob.config.settings import Options
from almajob.runs.parameters import payload_file
from almajob.simulator import admin_api
from almajob.simulator.gateway import KEYS
from almajob.simulator.world.job_data import built_in_jobs
from almajob.store.ledger.record import State
from almajob.system import clock as clocks
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.store.ledger.test_record import new
from tests.support.ledgers import open_ledger, write_steps
from tests.tools.generated_docs import (
    FOLLOWING,
    MAN_PAGE,
    PAGES,
    PARAMETERS,
    PARTS,
    README,
    ROOT,
    SIMULATOR,
    with_generated_part,
)

pytest_plugins = ["pytester"]

SAMPLE = ROOT / "almajob.ini.sample"
JOB = "S9563600010000561"


def _quick_start() -> list[str]:
    section = README.read_text("utf-8").split("## Quick start\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def test_the_quick_start_is_two_commands_of_one_line() -> None:
    """The main job, and the tests; each can stand alone."""
    blocks = _quick_start()
    assert len(blocks) == 2
    for block in blocks:
        assert block.count("\n") == 1
        assert block.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert "--env demo run --job" in blocks[0]
    assert "-m pytest" in blocks[1]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("exit codes", "| 9 | unknown whether the job was started: "),
        ("faults", "| `reset-after` |"),
        ("statuses", "| `COMPLETED_FAILED` | Completed with Errors | errors | 3 |"),
        ("polling", "| 24 h |"),
    ],
)
def test_generated_parts_are_up_to_date(name: str, part: str) -> None:
    """python -m tests.tools.generated_docs writes them."""
    text = PARTS[name][0].read_text("utf-8")
    assert with_generated_part(name, text) == text
    assert part in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_pages_are_up_to_date(page: Path) -> None:
    """They tell of all commands and options as the parsers have them."""
    assert page.read_text("utf-8") == PAGES[page](), "run python -m tests.tools.generated_docs"


# Small images have a man that only says that it is none; it comes without groff.
@pytest.mark.skipif(not (shutil.which("man") and shutil.which("groff")), reason="there is no man with groff")
def test_the_manual_page_is_shown_without_a_warning() -> None:
    """By man, which tells of what it does not understand where it is asked to."""
    shown = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", MAN_PAGE],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert shown.stderr == ""
    # Bold and italics are escape sequences, or signs printed over each other.
    text = re.sub(r"\x1b\[\d*m|.\x08", "", shown.stdout)
    assert re.search(r"^ +almajob run \[--job JOB\]", text, re.MULTILINE)
    assert re.search(r"^ +--env NAME\n", text, re.MULTILINE)


def test_the_manual_page_has_every_variable() -> None:
    """All that are almajob's own."""
    text = MAN_PAGE.read_text("utf-8")
    for module in ROOT.glob("almajob/**/*.py"):
        for name in re.findall(r"\bALMAJOB_[A-Z_]+", module.read_text("utf-8")):
            assert f"\\fB{name}" in text, f"{module.name}: {name}"


def test_the_page_on_the_simulator_is_right(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tests pass as they stand there; its control calls and keys are those that there are."""
    text = SIMULATOR.read_text("utf-8")
    for name in list(os.environ):
        if name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    (suite,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    pytester.makepyfile(suite)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
    for method, path in admin_api.ROUTES:
        assert f"/simulator/{path}`" in text, (method, path)
    for key in KEYS:
        assert f"| `{key.text}` |" in text


@pytest.mark.parametrize(
    "example", re.findall(r"^(almajob --env demo [^;\n]+)", SIMULATOR.read_text("utf-8"), re.MULTILINE)
)
def test_the_demos_examples_work(almajob: Run, example: str) -> None:
    """One of them ends badly, as it says."""
    assert almajob(*shlex.split(example)[1:]).code == (3 if "FTP Dump" in example else 0)


def _page_examples() -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", FOLLOWING.read_text("utf-8"), re.DOTALL):
        yield from (line for line in block.splitlines() if line.startswith("almajob "))


def _help_examples() -> Iterator[str]:
    for point in entry_points(group="almajob.commands"):
        if point.dist and point.dist.name == "almajob":
            text = point.load().__doc__ or ""
            assert "Examples:\n" in text, f"{point.name} has no examples"
            lines = (line.strip() for line in text.splitlines())
            # Servers go on until Ctrl-C, and one is needed to be tried; they have tests of their own.
            yield from (
                line
                for line in lines
                if line.startswith("almajob ") and not re.search("(simulator|webhook) (serve|test) ?", line)
            )


IMPORT = "Metadata Import using profile Vendor Records"
REPORTING = {
    "events": "Users SYNCHRONIZE using profile SIS",
    "matches": IMPORT,
    "download": IMPORT,
    "--from-run": IMPORT,
}


@pytest.fixture
def ended_run(simulated: SimulatedAlma) -> Callable[[str], str]:
    """Make a run that has ended, of a job whose runs a command can tell of; gives its Process ID."""

    def make(command: str) -> str:
        wanted = REPORTING.get(command, "ERP export using profile FINANCE")
        job = next(item for item in built_in_jobs() if item.name == wanted)
        run = simulated.institution.sandbox.submit(job, [])
        simulated.clock.advance(3600)
        return run.id

    return make


def _start_in_doubt() -> str:
    """Leave a start without an outcome in the ledger; gives its id."""
    record = replace(new(job_id=JOB, run_key="invoices-of-may", institution="01SIM_INST"), sent_at=1.0)
    for state in (State.SENDING, State.UNKNOWN, State.ABSENT):
        record = record.advance(state, 2.0, "as an example")
    write_steps(open_ledger(Path.home() / ".local/state/almajob/ledger"), record)
    return record.id


def _make_other_ledger(almajob: Run, words: Sequence[str], directory: Path) -> dict[str, str]:
    """Make what the examples of ``almajob ledger`` read; gives what stands there for a database."""
    if words[0] != "ledger" or "init" in words:
        return {}
    other = str(directory / "other")
    assert almajob("--env", "sandbox", "run", "--job", JOB).code == 0
    assert almajob("ledger", "export", "--output", "ledger.jsonl").code == 0
    assert "--from" not in words or almajob("ledger", "copy", "--to", other).code == 0
    return {"postgresql://almajob@db.example.edu/almajob": other}


def _add_notification() -> dict[str, str]:
    """Add to the configuration file who is notified; return what an example calls that."""
    with Path(os.environ["ALMAJOB_INI"]).open("a", encoding="utf-8") as ini:
        ini.write("[notify:ops]\ntype = mail\nto = ops@example.org\nsendmail = /bin/true\n")
    return {"NAME": "ops"}


def _save_invoices(almajob: Run, words: list[str]) -> None:
    """Save the run that an example names, where it does not do that itself."""
    if "invoices" not in words or "--save" in words:
        return
    assert almajob("--env", "sandbox", "run", JOB, "--once-per", "day", "--save", "invoices").code == 0
    if "production" in words:
        job = ("run", "ERP export using profile FINANCE", "--save", "invoices")
        assert almajob("--env", "production", *job).code == 0


def _write_ids(directory: Path) -> dict[str, str]:
    """Write a file of ids; return what an example calls it."""
    path = directory / "ids.txt"
    path.write_text("99700000000561\n99700010000561\n", "utf-8")
    return {"mms-ids.txt": str(path), "barcodes.txt": str(path)}


def _make_sets(almajob: Run, directory: Path, expression: str) -> None:
    """Make the two sets that an example combines."""
    path = _write_ids(directory)["mms-ids.txt"]
    for name in expression.split(" not "):
        assert almajob("--env", "sandbox", "sets", "create", name, "--ids", path).code == 0


def _start_while_waiting(alma: SimulatedAlma, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Alma's schedule start the job an hour later, in both environments."""
    passing, at = clocks.SYSTEM, alma.clock() + 3600
    begun: list[object] = []

    def sleep(seconds: float) -> None:
        passing.sleep(seconds)
        if alma.clock() >= at and not begun:
            for world in alma.institution.worlds.values():
                job = next(job for job in world.jobs if job.name == "ERP export using profile FINANCE")
                begun.append(world.submit(job, []))

    monkeypatch.setattr("almajob.system.clock.SYSTEM", passing._replace(sleep=sleep))


def _needs_no_database(example: str) -> bool:
    """Whether it names none; those that do are tried where there is one (test_many_machines)."""
    return "postgresql://" not in example


@pytest.mark.parametrize(
    "example", sorted(filter(_needs_no_database, {*_page_examples(), *_help_examples()}))
)
def test_every_example_works(
    simulated: SimulatedAlma,
    ended_run: Callable[[str], str],
    almajob: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    example: str,
) -> None:
    """Those of the page on following and those of each command's help, as they are printed."""
    words = list(takewhile(lambda word: word not in {"<", "|"}, shlex.split(example, comments=True)[1:]))
    # The shell reads lines; here there are none. What sets a key reads one.
    kind = "sandbox" if "sandbox" in words else "production"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"simulator-{kind}-key\n" if "set-key" in words else ""))
    if "--region" in words:
        # A new environment, whose key is tried.
        monkeypatch.delenv("ALMAJOB_INI")
        monkeypatch.setitem(REGIONS, words[words.index("--region") + 1], simulated.base_url)
    run_id = ended_run(next((word for word in words if word in REPORTING), ""))
    known = {"PROCESS_ID": run_id, "9563643080000561": run_id, "/tmp/almajob": str(tmp_path / "cache")}
    known |= _add_notification() if words[:2] == ["notify", "test"] or "--mail" in words else {}
    known |= _write_ids(tmp_path) if "--ids" in words else {}
    if "--combine" in words:
        _make_sets(almajob, tmp_path, words[-1])
    if "@last" in words:
        assert almajob("--env", "sandbox", "run", "--job", JOB).code == 0
    _save_invoices(almajob, words)
    if words[:2] in (["runs", "show"], ["runs", "resolve"]):
        known["RUN"] = _start_in_doubt()
    if words[:2] == ["config", "trust"]:
        Path("almajob.ini").write_text("[sandbox]\nregion = na\n", "utf-8")
        Path("almajob.ini").chmod(0o600)
    known |= _make_other_ledger(almajob, words, tmp_path)
    if "--remove" in words:
        assert almajob("config", "trust", words[-1]).code == 0
    if "params" in words:
        assert (
            almajob("--env", "sandbox", "run", "--job", "M44", "--set", "Theses without a call number").code
            == 0
        )
    if "--fail-below" in words:
        # Alma has said how many calls are left, and its gateway how many a day has.
        simulated.institution.gateway.a_day = 100_000
        assert almajob("--env", "production", "list").code == 0
    if "--next" in words:
        _start_while_waiting(simulated, monkeypatch)
    done = almajob(*(known.get(word, word) for word in words))
    assert done.code == 0, done.err


def test_every_example_of_the_page_on_parameters_works(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, as somebody who reads it would type them, with the file that it shows."""
    text = PARAMETERS.read_text("utf-8")
    (shown,) = re.findall(r"```xml\n(.*?)```", text, re.DOTALL)
    Path("export.xml").write_text(shown, "utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(lines) > 12
    for line in lines:
        if not line.startswith("almajob "):
            assert subprocess.run(["sh", "-c", line], check=False).returncode == 0
            continue
        words = shlex.split(line)[1:]
        if words[-1].startswith("<"):
            stdin = io.TextIOWrapper(io.BytesIO(Path(words.pop()[1:]).read_bytes()))
            monkeypatch.setattr("sys.stdin", stdin)
        done = almajob(*words)
        assert done.code == 0, f"{line}\n{done.err}"
        # Alma starts a job five times an hour, and one at a time.
        simulated.clock.advance(3600)
    starts = sum(
        line.count(" run ") and not re.search("--dry-run|--save|--list-saved", line) for line in lines
    )
    assert simulated.log.count("POST /conf/jobs/*") == starts


def test_the_saved_run_of_the_page_on_parameters_is_read(write_ini: Callable[..., Path]) -> None:
    """With the settings that its table names."""
    text = PARAMETERS.read_text("utf-8")
    (section,) = re.findall(r"```ini\n(.*?)```", text, re.DOTALL)
    ini = write_ini(f"[sandbox]\napi_key = x\nregion = na\n{section}")
    Path(ini.parent / "theses.sandbox.json").write_text('{"set_id": "7"}', "utf-8")
    with Context(Options(env="sandbox")) as context:
        found = context.saved_runs.read("theses")
    assert (found.job, found.job_name, found.once_per) == ("M44", "Export Bibliographic records", "week")
    assert [str(condition) for condition in found.fail_if] == ["records < 1", "invoices == 0"]
    assert (found.accept, found.expands, found.needs_yes) == (frozenset({"COMPLETED_FAILED"}), True, True)
    assert found.parameters.sent == (
        Parameter("set_id", "7"),
        Parameter("job_name", "Theses of {date:%Y-%m-%d}"),
    )
    for name in (*RUN_SETTINGS, "param.NAME"):
        assert f"`{name}`" in text, name


@pytest.mark.parametrize("form", re.findall(r"\| `(\[?\{\".*?)` \|", PARAMETERS.read_text("utf-8")))
def test_the_forms_of_the_page_on_parameters_are_read(form: str) -> None:
    """Those that are written in one line."""
    assert payload_file.parse(form.encode(), "x").get("set_id") == "9563211250000561"


def test_the_sample_ini_shows_every_setting_and_is_read(tmp_path: Path) -> None:
    """Each setting stands in it, as a setting or as a comment; what is no comment is right."""
    text = SAMPLE.read_text("utf-8")
    for name in (*GENERAL_SETTINGS, *ENVIRONMENT_SETTINGS, *FLAT_SETTINGS, *RUN_SETTINGS):
        assert re.search(rf"^[;# ]*{name} = |\b{name}\b,? works too", text, re.MULTILINE), name
    copy = tmp_path / "almajob.ini"
    copy.write_text(text, "utf-8")
    copy.chmod(0o600)
    found = settings.load(Options(ini_file=str(copy)), {"HOME": str(tmp_path)})
    assert list(found.sections) == ["sandbox", "production", "network-zone", "lab"]
    for name in found.sections:
        assert found.environment(name).base_url
    assert found.env is not None
    assert found.env.text == "sandbox"


def test_the_predecessors_form_in_the_sample_is_read(tmp_path: Path) -> None:
    """Without the comment signs before it."""
    lines = re.findall(r"^;   (.+)$", SAMPLE.read_text("utf-8"), re.MULTILINE)
    flat = [line for line in lines if line.startswith(FLAT_SETTINGS)]
    copy = tmp_path / "almajob.ini"
    copy.write_text("\n".join(flat), "utf-8")
    copy.chmod(0o600)
    found = settings.load(Options(ini_file=str(copy)), {"HOME": str(tmp_path)})
    assert set(found.sections) == {"sandbox", "production"}


def test_no_page_has_a_part_to_be_filled_in() -> None:
    """Generated parts are there, and nothing stands in for figures."""
    for page in (README, *ROOT.glob("docs/*.md"), ROOT / "CHANGELOG.md"):
        text = page.read_text("utf-8")
        assert not re.search(r"^[A-Z]{4,}$|\bTODO\b|-->\n<!-- end", text, re.MULTILINE), page.name


def test_links_in_the_documentation_lead_somewhere() -> None:
    """Those to files of the repository."""
    for page in (README, *ROOT.glob("docs/*.md"), ROOT / "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def _anchors(page: Path) -> set[str]:
    """Return what GitHub calls the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_to_headings_lead_to_one() -> None:
    """On the same page and on others."""
    for page in (README, *ROOT.glob("docs/*.md"), ROOT / "CHANGELOG.md"):
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8")):
            assert anchor in _anchors(page.parent / target if target else page), (
                f"{page.name}: {target}#{anchor}"
            )


def test_the_architecture_names_every_layer() -> None:
    """Each module or package at the top of almajob has its line."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for path in (ROOT / "almajob").iterdir():
        if path.suffix == ".py" and not path.stem.startswith("__"):
            assert f"`{path.stem}`" in text, path.stem
        elif path.is_dir() and not path.name.startswith("__"):
            assert f"`{path.name}/`" in text, path.name
