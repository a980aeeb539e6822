"""The page on several machines: what it shows is run, on a database that its own lines have made."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from almajob.config import settings
from almajob.config.settings import Options
from almajob.errors import EXIT_CODES
from almajob.store.postgresql.schema import VERSION
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.postgres import Cluster, need_programs
from tests.tools.generated_docs import ROOT

PAGE = (ROOT / "docs" / "many-machines.md").read_text("utf-8")
ERP = "ERP export using profile FINANCE"
_ADDRESS = "postgresql://almajob@db.example.edu/almajob"
# What PostgreSQL's own programs are told of the server; and nothing is installed.
_SUDO = """#!/bin/sh
if [ "$1" = apt-get ]; then exit 0; fi
[ "$1 $2" = "-u postgres" ] || exit 99
shift 2
PATH={programs}:$PATH PGHOST={directory} PGPORT={port} PGUSER=postgres exec "$@"
"""


def _blocks(heading: str, language: str) -> list[str]:
    section = re.split(r"\n## ", PAGE.split(f"## {heading}\n")[1])[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


SETUP, INIT = _blocks("A database on Debian", "sh")
(INI,) = _blocks("A database on Debian", "ini")
CONFIGURATION = _blocks("A database on Debian", "conf")
(COPY,) = _blocks("Bring the old ledger along", "sh")
(CRONTAB,) = _blocks("Two cron hosts", "cron")
(MANIFEST,) = _blocks("Kubernetes", "yaml")
EXPORT, IMPORT, DUMP = _blocks("Backup and restore", "sh")


@dataclass(frozen=True)
class Site:
    """A database as the page makes one, under names of its own, as others use the server, too."""

    cluster: Cluster
    name: str
    programs: Path

    @property
    def url(self) -> str:
        """Its address, for the role that starts jobs."""
        return f"postgresql://{self.name}@127.0.0.1:{self.cluster.port}/{self.name}"

    @property
    def owner_url(self) -> str:
        """Its address, for the role that makes the tables."""
        return self.url.replace(f"{self.name}@", f"{self.name}_owner@")

    def type(self, script: str, stdin: str = "") -> str:
        """Type lines into a shell of the database's machine, as root; return what they print."""
        renamed = re.sub(r"\balmajob(_owner)?\b", rf"{self.name}\1", script)
        (self.programs / "sudo").write_text(
            _SUDO.format(programs=need_programs(), directory=self.cluster.directory, port=self.cluster.port),
            "utf-8",
        )
        (self.programs / "sudo").chmod(0o755)
        done = subprocess.run(
            ["sh", "-euc", renamed],
            env={**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"},
            input=stdin,
            capture_output=True,
            text=True,
            # Without a terminal a password is read from stdin.
            start_new_session=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def run(self, statement: str) -> list[Any]:
        """Run a statement as the role that starts jobs."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[Site]:
    """What the first lines of the page make; there are no tables yet."""
    cluster.start()
    name = f"site{os.urandom(6).hex()}"
    made = Site(cluster, name, tmp_path / "programs")
    made.programs.mkdir()
    *lines, owner, user = SETUP.splitlines(keepends=True)
    made.type("".join(lines))
    for line in (owner, user):
        made.type(line, "a-password\na-password\n")
    yield made
    cluster.start()
    cluster.run(f"DROP DATABASE {name} WITH (FORCE)")
    cluster.run(f"DROP ROLE {name}, {name}_owner")


@pytest.fixture
def hosts(
    site: Site, simulated: SimulatedAlma, write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Be one host or another, with a configuration file as the page has it."""
    general, saved = INI.partition("[production]")[0], INI[INI.index("[run:") :]
    text = general.replace(_ADDRESS, site.url).replace("ledger_password_file", "; ledger_password_file")
    # The database counts calls by its own clock, which does not pass where almajob waits here.
    alma = simulated.ini.replace("api_key", "calls_per_second = 1000\nburst = 100\napi_key")
    write_ini(f"{text}{alma}\n{saved}")

    def be(name: str) -> None:
        monkeypatch.setenv("ALMAJOB_STATE_DIR", str(Path.home() / name / "state"))
        monkeypatch.setenv("ALMAJOB_CACHE_DIR", str(Path.home() / name / "cache"))

    be("host1")
    return be


@pytest.fixture
def tables(hosts: object, site: Site, almajob: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables, as the page has them made."""
    init, check = INIT.splitlines()
    variable, *words = shlex.split(init)
    assert variable == f"ALMAJOB_LEDGER={_ADDRESS.replace('almajob@', 'almajob_owner@')}"
    assert words == ["almajob", "ledger", "init", "--role", "almajob"]
    with monkeypatch.context() as patched:
        patched.setenv("ALMAJOB_LEDGER", site.owner_url)
        done = almajob(*words[1:-1], site.name)
        assert done.code == 0, done.err
    done = almajob(*shlex.split(check)[1:])
    assert done.code == 0, done.err


def _cron_commands() -> list[list[str]]:
    lines = [line for line in CRONTAB.splitlines() if line and not re.match(r"\w+=", line)]
    assert all(re.match(r"([\d*/,-]+ +){5}almajob -q ", line) for line in lines)
    commands = [re.split(r"\s+", line, maxsplit=5)[5] for line in lines]
    assert all(command.endswith(" >/dev/null") for command in commands)
    return [shlex.split(command.removesuffix(" >/dev/null"))[1:] for command in commands]


@pytest.mark.usefixtures("tables")
def test_two_hosts_with_the_same_crontab_start_a_job_once(
    hosts: Callable[[str], None], almajob: Run, simulated: SimulatedAlma
) -> None:
    """Twice on each; no line of it writes anything."""
    for host in ("host1", "host2", "host2", "host1"):
        hosts(host)
        for words in _cron_commands():
            done = almajob(*words)
            assert (done.code, done.err) == (0, ""), words
    assert simulated.log.count("POST /conf/jobs/*") == 1


@pytest.mark.usefixtures("tables", "hosts")
def test_the_role_that_starts_jobs_has_all_the_rights_that_it_needs(almajob: Run) -> None:
    """Nothing that it has no right to is tried."""
    for line in (
        "--env production run invoices",
        "--env sandbox run M44 --set 'Theses without a call number' --wait",
        "--env production runs list",
        "runs list --open",
        "runs settle",
        "--env production run invoices --dry-run",
        "--env production quota",
        "ledger show",
        "ledger check",
        "ledger export",
        "ledger archive --before 40d --output old.jsonl --yes",
        # There is nothing to be made.
        "ledger init",
    ):
        done = almajob(*shlex.split(line))
        assert done.code == 0, f"{line}\n{done.err}"


@pytest.mark.usefixtures("tables")
def test_the_role_that_starts_jobs_may_do_nothing_else(site: Site) -> None:
    """Not even to the tables that it writes to."""
    for statement in (
        "CREATE SCHEMA other",
        "CREATE TABLE almajob.other ()",
        "CREATE TABLE public.other ()",
        "CREATE TEMPORARY TABLE other ()",
        "TRUNCATE almajob.rows",
        "TRUNCATE almajob.calls",
        "DROP TABLE almajob.rows",
        "ALTER TABLE almajob.rows ADD COLUMN other text",
        "UPDATE almajob.version SET schema_version = 99",
        "DELETE FROM almajob.version",
        "DROP SCHEMA almajob CASCADE",
        "CREATE ROLE other",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            site.run(statement)
    assert site.run("SELECT schema_version FROM almajob.version") == [(VERSION,)]


@pytest.mark.usefixtures("hosts")
def test_the_role_that_starts_jobs_cannot_make_the_tables(site: Site, almajob: Run) -> None:
    """It is told who can."""
    done = almajob("ledger", "init")
    assert done.code == 5
    assert "ledger init --role" in done.err
    assert site.run("SELECT to_regnamespace('almajob')") == [(None,)]


@pytest.mark.usefixtures("tables")
def test_others_cannot_even_connect(site: Site) -> None:
    """As PUBLIC has no right to the database."""
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(site.url.replace(f"{site.name}@", "almajob@"))


def test_the_password_of_the_ini_is_not_sent_to_another_database(
    write_ini: Callable[..., Path], almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor to the same one as another user: the owner's comes from elsewhere."""
    write_ini(INI)
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(Path.home() / "state"))
    shown = {}
    for user in ("almajob", "almajob_owner"):
        monkeypatch.setenv("ALMAJOB_LEDGER", f"{_ADDRESS.replace('almajob@', f'{user}@')}?sslmode=require")
        rows = json.loads(almajob("config", "show", "-f", "json").out)
        (shown[user],) = (row["source"] for row in rows if row["setting"] == "ledger_password")
    assert "ledger_password_file" in shown["almajob"]
    assert "ledger_password_file" not in shown["almajob_owner"]


def test_the_configuration_file_is_read() -> None:
    """Each of its settings is one."""
    path = Path("almajob.ini")
    path.write_text(INI, "utf-8")
    path.chmod(0o600)
    found = settings.load(Options(ini_file=str(path)), {"HOME": str(Path.home())})
    assert str(found.database) == _ADDRESS
    assert list(found.sections) == ["production"]


def test_the_server_takes_its_settings(cluster: Cluster) -> None:
    """Lines of pg_hba.conf have five fields, and the settings of postgresql.conf are the server's own."""
    rules, lines = CONFIGURATION
    kind, databases, users, _network, way = rules.split()
    assert (kind, databases, set(users.split(","))) == ("hostssl", "almajob", {"almajob", "almajob_owner"})
    assert way == "scram-sha-256"
    cluster.start()
    names = [line.partition(" = ")[0] for line in lines.splitlines()]
    found = cluster.run("SELECT name FROM pg_settings WHERE name = ANY(%s)", [names])
    assert sorted(name for (name,) in found) == sorted(names)


@pytest.mark.usefixtures("tables")
def test_the_old_ledger_is_brought_along(
    site: Site, hosts: Callable[[str], None], almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two hosts, one after the other; what they have started is not started again."""
    starts = {"host1": ERP, "host2": "Export to bursar using profile BURSAR"}
    for host, job in starts.items():
        hosts(host)
        with monkeypatch.context() as patched:
            patched.setenv("ALMAJOB_LEDGER", "directory")
            assert almajob("--env", "sandbox", "run", job, "--run-key", job).code == 0
            for line in COPY.splitlines():
                done = almajob(*shlex.split(line.replace(_ADDRESS, site.url))[1:])
                assert done.code == 0, done.err
    hosts("host3")
    for job in starts.values():
        assert "Started before" in almajob("--env", "sandbox", "run", job, "--run-key", job).out


@pytest.mark.usefixtures("tables", "hosts")
def test_an_export_is_a_backup(site: Site, almajob: Run) -> None:
    """Of a database that is emptied as the page says."""
    assert almajob("--env", "production", "run", "invoices").code == 0
    assert almajob(*shlex.split(EXPORT)[1:]).code == 0
    with psycopg.connect(site.owner_url, autocommit=True) as owner:
        assert re.search(r"TRUNCATE\s+almajob\.rows", PAGE)
        owner.execute("TRUNCATE almajob.rows")
    for line in IMPORT.splitlines():
        done = almajob(*shlex.split(line)[1:])
        assert done.code == 0, done.err
    assert "Started before" in almajob("--env", "production", "run", "invoices").out


@pytest.mark.usefixtures("tables", "hosts")
def test_a_database_that_was_put_back_is_noticed(site: Site, almajob: Run, simulated: SimulatedAlma) -> None:
    """What was started since is found by its tag, and not started again."""
    manual = ("--env", "sandbox", "run", "M44", "--set", "Theses without a call number", "--run-key", "x")
    assert almajob("--env", "sandbox", "run", ERP).code == 0
    dump, restore = DUMP.splitlines()
    site.type(dump)
    assert almajob(*manual).code == 0
    site.type(restore)
    done = almajob(*manual)
    assert (done.code, simulated.log.count("POST /conf/jobs/*")) == (0, 2), done.err


def test_the_manifest_is_right(write_ini: Callable[..., Path], almajob: Run) -> None:
    """Its fields belong together, its words are a command line, its exit codes are almajob's."""
    job = yaml.safe_load(MANIFEST)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert re.fullmatch(r"([\d*/,-]+ ?){5}", job["spec"]["schedule"])
    run = job["spec"]["jobTemplate"]["spec"]
    pod = run["template"]["spec"]
    # https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
    assert pod["restartPolicy"] == "Never"
    ignore, fail = run["podFailurePolicy"]["rules"]
    assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    assert (fail["action"], fail["onExitCodes"]["operator"]) == ("FailJob", "NotIn")
    again = fail["onExitCodes"]["values"]
    assert sorted(again) == again
    assert set(again) - {137} <= EXIT_CODES.keys()
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume.pop("name"): volume for volume in pod["volumes"]}
    assert set(mounts.values()) == set(volumes)
    secret = volumes[mounts["/etc/almajob"]]["secret"]
    assert secret == {"secretName": "almajob", "defaultMode": 0o440}
    assert set(re.findall("/etc/almajob/(.*)", INI)) == {"ledger.password", "production.key"}
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert variables["ALMAJOB_INI"] == "/etc/almajob/almajob.ini"
    assert {name for name in variables if name.endswith("_DIR")} == {"ALMAJOB_STATE_DIR", "ALMAJOB_CACHE_DIR"}
    assert variables["TZ"] == job["spec"]["timeZone"]
    if shutil.which("kubectl"):
        _check_fields(job)
    # Up to the ledger, which is not there: the words are understood.
    write_ini(INI)
    assert container["command"] == ["almajob"]
    assert almajob(*container["args"], "--dry-run").code == 7


def _check_fields(manifest: Any) -> None:
    """Let Kubernetes' own client read a manifest, which drops the fields that it does not know."""
    Path("manifest.json").write_text(json.dumps(manifest), "utf-8")
    words = ["kubectl", "set", "env", "--local", "--filename", "manifest.json", "--output", "json", "X=Y"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert _is_part(manifest, json.loads(done.stdout))


def _is_part(some: Any, whole: Any) -> bool:
    if isinstance(some, dict):
        return all(key in whole and _is_part(value, whole[key]) for key, value in some.items())
    if isinstance(some, list):
        return all(_is_part(*pair) for pair in zip(some, whole, strict=False))
    return bool(some == whole)
