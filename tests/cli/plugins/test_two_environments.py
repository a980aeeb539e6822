"""A plugin's command that works in two environments, and keeps what it knows of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.distributions import write_plugin

JOB = "ERP export using profile FINANCE"
SOURCE = '''
from almajob.plugin import Lister, StartOptions

class Compare(Lister):
    """Compare what two environments have."""
    columns = ("environment", "kind", "jobs", "seen", "seen_everywhere", "refresh")
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("names", metavar="NAME", nargs="+", help="an environment")
        return parser
    def take_action(self, parsed_args):
        rows = []
        for name in parsed_args.names:
            context = self.context.of(name)
            jobs = len(context.catalogue.jobs())
            seen = [store.update("seen", lambda times: times + 1, default=0)
                    for store in (context.environment_store, context.store)]
            kind, refresh = context.environment.kind, context.settings.refresh
            rows.append((context.environment.name, kind, jobs, *seen, refresh))
        return self.columns, rows

class Both(Lister):
    """Start a job in two environments."""
    columns = ("id",)
    def take_action(self, parsed_args):
        options = StartOptions(is_confirmed=True)
        for name in ("sandbox", "production"):
            self.context.of(name).runs.start("ERP export using profile FINANCE", options=options)
        self.context.of("sandbox").runs.start("no such job")
        return self.columns, []
'''


@pytest.fixture(autouse=True)
def _plugin(site_packages: Path) -> None:
    commands = {"compare": "Compare", "both": "Both"}
    write_plugin(site_packages, "almajob-two", "aj_two", SOURCE, commands)


def _read_rows(done: Result) -> list[str]:
    return [line.replace("\t", " ") for line in done.out.splitlines()]


def test_each_environment_has_its_own(simulated: SimulatedAlma, almajob: Run) -> None:
    """Jobs and store of their own, and a store that both share; --env is not needed."""
    done = almajob("compare", "sandbox", "production", "sandbox", "-f", "value")
    assert (done.code, _read_rows(done)) == (
        0,
        [
            "sandbox sandbox 88 1 1 false",
            "production production 88 1 2 false",
            "sandbox sandbox 88 2 3 false",
        ],
    )
    again = almajob("--env", "production", "compare", "sandbox", "production", "--refresh", "-f", "value")
    assert _read_rows(again) == ["sandbox sandbox 88 3 4 true", "production production 88 2 5 true"]


def test_an_environment_that_is_not_there_is_refused(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 7, with what was meant."""
    refused = almajob("compare", "sandbox", "sandbx")
    assert (refused.code, refused.out) == (7, "")
    assert "sandbx" in refused.err


def test_what_was_started_in_either_is_named(simulated: SimulatedAlma, almajob: Run) -> None:
    """Half done in two environments: both runs, and no promise that nothing was started."""
    done = almajob("both")
    assert (done.code, simulated.log.count("POST /conf/jobs/*")) == (3, 2)
    assert f"of '{JOB}' in sandbox, run " in done.err
    assert f"of '{JOB}' in production." in done.err
