"""``almajob report``: what ran, what failed and what did not run, as a page or as JSON."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, timedelta, tzinfo
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from almajob.cli.command import Lister, Result
from almajob.cli.context import Context
from almajob.cli.options.global_options import pace_of
from almajob.cli.options.name_options import choose_jobs, jobs_of
from almajob.cli.options.value_types import non_empty
from almajob.commands.history import RunsOfJobs, add_run_filters, read_runs, refuse_odd_filters
from almajob.errors import AlmajobError, ConfigurationError, UsageError
from almajob.jobs.history import Period
from almajob.output.columns import Time
from almajob.output.formats import ARRAY_FORMATS, report_lost_result
from almajob.report.facts import EnvironmentFacts, build_facts
from almajob.report.summary import word_headline, write_summary
from almajob.report.views import BRIEF_COLUMNS, REPORT_COLUMNS, report_values
from almajob.text.calendar_times import is_timezone

if TYPE_CHECKING:
    from almajob.notify.mail import Mail
    from almajob.store.ledger.record import Record

LOG = logging.getLogger(__name__)
_STDOUT = "-"
_PERIOD = timedelta(days=30)


class Report(Lister):
    """Report on the runs of jobs: a page, or facts as JSON.

    The page is one HTML file that needs nothing else: totals, what did not end well and what to do,
    starts without a known outcome, what did not run though it usually does, a timeline, each job's
    success rate and durations, and the API calls that are left. Runs of the last 30 days are
    reported, unless --since says otherwise. The options that choose them are those of history.

    Pages need the package jinja2. With -f json the same facts are printed instead, or as well.

    Exit codes: 0 the report is made, whatever ran. 3 the runs of some jobs could not be read. 5 the file
    is there already or cannot be written, or there is no such job. 6 Alma could not be reached, or the
    mail not be sent. 7 the key, the configuration file, or jinja2 is missing or wrong.
    An environment of several that cannot be read is named in the report, and ends it with its code.

    Examples:
      almajob --env demo report -o report.html
      almajob --env demo report -f json
      almajob --env sandbox report --since 7d --timezone Asia/Tokyo -o week.html
      almajob --env sandbox report -o index.html --overwrite
      almajob --env sandbox,production report -o both.html
      almajob --env sandbox report --since 1d --mail NAME
    """

    environments = "all"
    columns = REPORT_COLUMNS
    brief: Sequence[str] = BRIEF_COLUMNS
    least_needed = ("success_rate", "warning", "running", "good", "total", "bad")
    _page = ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "-o",
            "--output",
            metavar="FILE",
            type=non_empty,
            help="write the page to this file; - for stdout",
        )
        parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
        parser.add_argument(
            "--mail",
            metavar="NAME",
            type=non_empty,
            help="send the page by mail, as the section [notify:NAME] says",
        )
        parser.add_argument(
            "--timezone",
            metavar="ZONE",
            type=time_zone,
            help="show times as in this time zone, such as Europe/Zurich (default: this machine's)",
        )
        add_run_filters(parser)
        parser.set_defaults(limit=0)
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        refuse_odd_filters(parsed_args)
        if parsed_args.output == _STDOUT and parsed_args.formatter != "table":
            raise UsageError(
                f"-o - and -f {parsed_args.formatter} both write to stdout.",
                hint="Name a file, or leave out one.",
            )
        if parsed_args.overwrite and parsed_args.output in (None, _STDOUT):
            raise UsageError("--overwrite needs a file.", hint="Add -o FILE.")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        # What would be found out only after many calls.
        render = _load_render() if parsed_args.output or parsed_args.mail else None
        mail = _find_mail(self.context, parsed_args.mail) if parsed_args.mail else None
        zone = parsed_args.timezone or (UTC if Time.in_utc else None)
        now = self.context.now()
        if parsed_args.since is None:
            parsed_args.since = min(now, parsed_args.until or now) - _PERIOD
        with _open_file(parsed_args) as file:
            facts = self._collect_all(parsed_args, zone)
            self._page = render(facts) if render else ""
            if file is not None:
                file.write(self._page.encode())
        if mail is not None:
            self._send(mail, parsed_args.mail, facts)
        is_for_programs = parsed_args.formatter in ARRAY_FORMATS
        return REPORT_COLUMNS, [report_values(each) for each in facts if is_for_programs or not each.error]

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        if parsed_args.output != _STDOUT:
            return super().produce_output(parsed_args, column_names, data)
        with report_lost_result(self.app.stdout):
            # Whatever the encoding of stdout.
            self.app.stdout.write(self._page.encode("ascii", "xmlcharrefreplace").decode("ascii"))
        return 0

    def _collect_all(self, parsed_args: argparse.Namespace, zone: tzinfo | None) -> list[EnvironmentFacts]:
        """Collect the facts of each environment; of several, one that cannot be read is reported as such."""
        contexts = self.contexts
        if len(contexts) == 1:
            facts, self.verdict = collect(parsed_args, contexts[0], zone)
            return [facts]
        from almajob.cli.many.each import do_in_each
        from almajob.cli.many.outcome import combine_outcomes

        def read(context: Context) -> tuple[EnvironmentFacts, AlmajobError | None]:
            return collect(parsed_args, context, zone)

        outcomes = do_in_each(contexts, read, pace_of(parsed_args), doing="Reading")
        problem = combine_outcomes(outcomes)
        if problem is not None and all(each.value is None for each in outcomes):
            raise problem
        self.verdict = problem
        period = Period(parsed_args.since, parsed_args.until)
        return [
            each.value
            or EnvironmentFacts(each.environment, "", self.context.now(), zone, period, error=each.error)
            for each in outcomes
        ]

    def _send(self, mail: Mail, name: str, facts: Sequence[EnvironmentFacts]) -> None:
        from almajob.notify.mail import Page
        from almajob.notify.observer import explain_unsent

        environments = ", ".join(each.name for each in facts)
        page = Page(
            subject=f"Alma jobs in {environments}: {word_headline(facts)}",
            text=write_summary(facts),
            html=self._page,
            file_name=f"almajob-{facts[0].now.astimezone(facts[0].zone):%Y-%m-%d}.html",
        )
        with explain_unsent("The report", name, f"To try the section: almajob notify test {name}"):
            mail.send_page(page)
        LOG.info("Sent the report to %s.", name)


@contextmanager
def _open_file(parsed_args: argparse.Namespace) -> Iterator[IO[bytes] | None]:
    """Open the file for the page, where one is named; it is put there when the block ends well.

    Raises:
        Refused: it is there already, or cannot be written; before the block, as a rule.
    """
    if parsed_args.output in (None, _STDOUT):
        yield None
        return
    from almajob.store.upkeep.export_file import explain_failure
    from almajob.system.atomic_write import new_file

    path = Path(parsed_args.output)
    with (
        explain_failure(path, "written", "--overwrite replaces it."),
        new_file(path, overwrite=parsed_args.overwrite) as file,
    ):
        yield file
        size = file.tell()
    LOG.info("Wrote %s (%s KiB).", path, f"{-(-size // 1024):,}")


def collect(
    parsed_args: argparse.Namespace, context: Context, zone: tzinfo | None
) -> tuple[EnvironmentFacts, AlmajobError | None]:
    """Read all that a report has of an environment, from Alma and the ledger.

    Returns:
        The facts, and which jobs could not be read; None where all could.

    Raises:
        AlmajobError: something of it cannot be read.
    """
    from almajob.runs.ledger_queries import Wanted, list_runs, read_known
    from almajob.runs.wait.missed_starts import list_expected
    from almajob.store.ledger.record import OPEN

    environment, now = context.environment, context.now()
    period = Period(parsed_args.since, parsed_args.until)
    jobs = choose_jobs(parsed_args, context)
    if not jobs:
        LOG.warning("No job matches.")
    found = read_runs(parsed_args, context, jobs) if jobs else RunsOfJobs([], {}, None)
    runs = found.runs
    names = {text for job in jobs for text in (job.id, job.name)}
    read = {text for job in jobs if job not in found.unread for text in (job.id, job.name)}
    chosen = names if _chooses_jobs(parsed_args) else None
    ended = min(now, period.until or now)
    expected = list_expected(context.settings, environment.name, parsed_args.since, ended)
    failed = [run.instance.id for run in runs if run.passed is False]
    records: dict[str, Record] = {}
    open_starts: list[Record] = []
    if context.ledger.place.is_there:
        wanted = Wanted(environment.name, jobs=tuple(chosen or ()), states=OPEN)
        open_starts = list(list_runs(context.ledger, wanted)) if chosen is None or chosen else []
        records, _durations = read_known(
            *(context.ledger, failed, []), environment=environment.name, now=now.timestamp()
        )
    facts = build_facts(
        name=environment.name,
        kind=environment.kind,
        now=now,
        zone=zone,
        period=period,
        runs=runs,
        filters=_list_filters(parsed_args),
        records=records.values(),
        open_starts=open_starts,
        # Of a job that was not read, or that Alma lists under another name, such as its profile's, nobody
        # sees here whether it ran.
        expected=[each for each in expected if not read.isdisjoint({each.job_id, each.job_name})],
        unread=found.unread,
        quota=next((each for each in context.quotas() if environment.name in each.environments), None),
        late_after=context.runs.follower().late_after,
        program=context.program(environment.name),
    )
    return facts, found.verdict


def time_zone(text: str) -> ZoneInfo:
    """Take the name of a time zone."""
    if not is_timezone(text):
        raise argparse.ArgumentTypeError(f"there is no time zone {text!r}; write, for example, Europe/Zurich")
    return ZoneInfo(text)


def _chooses_jobs(parsed_args: argparse.Namespace) -> bool:
    filters = (parsed_args.type, parsed_args.category, parsed_args.name)
    return bool(jobs_of(parsed_args, may_be_none=True)) or any(each is not None for each in filters)


def _list_filters(parsed_args: argparse.Namespace) -> list[str]:
    """List the options that leave out some of a job's runs: their numbers are not those of the job."""
    found = [f"--status {parsed_args.status}"] if parsed_args.status else []
    found += [f"--passed {parsed_args.passed}"] if parsed_args.passed else []
    found += [f"--{name}" for name in ("running", "ended") if getattr(parsed_args, name)]
    found += [f"--limit {parsed_args.limit}"] if parsed_args.limit else []
    return found


def _load_render() -> Callable[[Sequence[EnvironmentFacts]], str]:
    try:
        from almajob.report.page import render
    except ImportError:
        raise ConfigurationError(
            "A report as a page needs the package jinja2, which is not installed.",
            hint="Type: pip install jinja2\nWithout it, almajob report -f json prints the same facts.",
        ) from None
    return render


def _find_mail(context: Context, name: str) -> Mail:
    """Return the notifier of a section [notify:NAME] that sends mails.

    Raises:
        ConfigurationError: there is none, it is of another type, or a setting is wrong.
    """
    from almajob.notify.mail import Mail
    from almajob.notify.targets import read_target
    from almajob.system import key_variables

    target = read_target(context.settings, name, key_variables.environ())
    notifier = target.make()
    if not isinstance(notifier, Mail):
        raise ConfigurationError(
            f"[notify:{name}] is of the type {target.type}, and a report is sent by mail only.",
            hint="Name a section with type = mail; almajob notify list shows all.",
        )
    notifier.check()
    return notifier
