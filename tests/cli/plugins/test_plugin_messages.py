"""What a plugin logs goes where almajob's own messages go, and what it takes for now is almajob's time."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.distributions import write_plugin

MODULE = "aj_talkative"
SOURCE = '''
import logging
from datetime import datetime

from almajob.plugin import Command, Lister, ShowOne

LOG = logging.getLogger(__name__)

class Talk(Command):
    """Talk."""
    def take_action(self, parsed_args):
        self.context.alma.general()
        LOG.debug("a detail")
        LOG.info("what happens, with apikey l7xx00canary00canary00canary00canary and \\x1b[31m")
        logging.getLogger(__name__ + ".below").warning("a warning")
        self.log.info("by self.log")
        logging.getLogger("some.library").info("of a library")

class List(Lister):
    """List."""
    columns = ("logger",)
    def take_action(self, parsed_args):
        return self.columns, [(self.log.name,)]

class Now(ShowOne):
    """Show what time it is."""
    columns = ("now", "offset")
    def take_action(self, parsed_args):
        now = self.context.now()
        return self.columns, (now, now.utcoffset() is not None)
'''
LINES = ("what happens, with apikey (hidden) and \\x1b[31m", "a warning", "by self.log")


@pytest.fixture
def talkative(site_packages: Path) -> None:
    write_plugin(
        site_packages, "almajob-talkative", MODULE, SOURCE, {"talk": "Talk", "now": "Now", "names": "List"}
    )


@pytest.mark.usefixtures("talkative")
@pytest.mark.parametrize(
    ("options", "shown"),
    [((), [*LINES]), (("-q",), ["a warning"]), (("-v",), ["a detail", *LINES])],
)
def test_a_plugins_messages_are_shown_as_ours_are(
    simulated: SimulatedAlma, almajob: Run, options: tuple[str, ...], shown: list[str]
) -> None:
    """Once each, as -v and -q say, without a key and without what steers a terminal; no library's."""
    for before, after in ((options, ()), ((), options)):
        done = almajob(*before, "--env", "sandbox", "talk", *after)
        told = [line for line in done.err.splitlines() if not line.startswith("GET ")]
        assert (done.code, told) == (0, shown)
    assert simulated.log.count("POST /conf/jobs/*") == 0


@pytest.mark.usefixtures("talkative", "simulated")
def test_a_plugins_messages_are_in_the_log_file(almajob: Run, tmp_path: Path) -> None:
    """All of them, whatever stderr shows, under the name of their module; the log of calls has calls only."""
    log, calls = tmp_path / "log", tmp_path / "calls"
    files = ("--log-file", str(log), "--log-json", str(calls))
    assert almajob("--env", "sandbox", "talk", "-q", *files).err == "a warning\n"
    lines = [line for line in log.read_text("utf-8").splitlines() if MODULE in line]
    assert [line.split(f" {MODULE}")[1].split(" ", 1)[1] for line in lines] == ["a detail", *LINES]
    assert "library" not in log.read_text("utf-8")
    assert {json.loads(line)["method"] for line in calls.read_text("utf-8").splitlines()} == {"GET"}


@pytest.mark.usefixtures("talkative", "simulated")
def test_whoever_listens_to_the_root_logger_hears_a_plugin_too(
    almajob: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """As pytest's caplog does; on stderr each message is there once all the same."""
    for _turn in range(2):
        caplog.clear()
        done = almajob("--env", "sandbox", "talk")
        assert done.err.count("by self.log") == 1
        assert [record.message for record in caplog.records].count("by self.log") == 1


@pytest.mark.usefixtures("talkative", "simulated")
def test_a_level_that_a_plugin_sets_itself_stays(almajob: Run) -> None:
    """Its author knows what is worth a line."""
    logger = logging.getLogger(MODULE)
    logger.handlers.clear()
    logger.setLevel(logging.WARNING)
    assert almajob("--env", "sandbox", "talk", "-v").err.splitlines()[-1] == "a warning"


@pytest.mark.usefixtures("talkative")
def test_now_is_by_almajobs_clock(simulated: SimulatedAlma, almajob: Run) -> None:
    """In a test the simulated Alma's; it has an offset."""
    simulated.clock.advance(3600)
    shown = almajob("--env", "sandbox", "now", "-f", "json").row
    assert shown["offset"] is True
    assert abs(_seconds(shown["now"]) - simulated.clock()) < 1


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.usefixtures("talkative", "simulated")
def test_every_kind_of_command_logs_under_its_own_name(almajob: Run) -> None:
    """Also those of which cliff has a logger of its own."""
    assert almajob("names", "-f", "value").out == f"{MODULE}\n"
