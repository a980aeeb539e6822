"""``almajob notify test``: send a sample, to see whether it arrives."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from almajob.cli.command import Result, ShowOne
from almajob.errors import UsageError
from almajob.notify.notification import KINDS, Notification, make_notification
from almajob.notify.observer import explain_unsent
from almajob.notify.targets import read_target
from almajob.output.columns import Identifier, Sentence
from almajob.runs.observers.events import (
    Event,
    Late,
    ObservedAlert,
    ObservedCounter,
    ObservedEnvironment,
    ObservedRun,
    ObservedVerdict,
    RunEnded,
    StartRecorded,
    StartUnknown,
)
from almajob.system import key_variables


class NotifyTest(ShowOne):
    """Send a sample of a notification.

    It is about a job that does not exist, and says that it is a test. It is sent once, whatever
    the setting on of the section says. A healthchecks check takes it for a real ping.

    Exit codes: 0 it was sent. 6 it could not be sent. 7 the section is missing or wrong.

    Examples:
      almajob notify test NAME
      almajob notify test NAME --kind good
    """

    columns = ("name", "type", "kind", "subject")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("notify", metavar="NAME", help="of the section [notify:NAME]")
        parser.add_argument(
            "--kind", choices=KINDS, default="bad", help="what the sample is about (default: %(default)s)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        name, kind = parsed_args.notify, parsed_args.kind
        if not name:
            raise UsageError("Which section [notify:NAME]?", hint="almajob notify list lists them.")
        target = read_target(self.context.settings, name, key_variables.environ())
        sample = make_sample(kind, self.context.now())
        again = "A notification that cannot be sent is tried again by the next command, for a day."
        with explain_unsent("The sample", name, again):
            target.make().send(sample)
        values = (Identifier(name), Identifier(target.type), Identifier(kind), Sentence(sample.subject))
        return self.columns, values


def make_sample(kind: str, now: datetime) -> Notification:
    """Make a notification about a job that does not exist."""
    at = now.astimezone(UTC)
    run = ObservedRun(
        *("test", "S0", "Test of notifications", "test", "0", "STARTED", "confirmed"),
        created_at=at,
        submit_time=at,
    )
    shared: dict[str, Any] = {"id": f"test:{at.timestamp()}", "at": at, "run": run}
    shared["environment"] = ObservedEnvironment("test", "sandbox")
    return make_notification(_make_event(kind, shared))


def _make_event(kind: str, shared: dict[str, Any]) -> Event:
    test = "This is a test of almajob notify test."
    if kind == "start":
        return StartRecorded(reason=test, **shared)
    if kind == "unknown":
        return StartUnknown(reason=test, **shared)
    if kind == "late":
        return Late(seconds=7200.0, usual=1800.0, **shared)
    statuses = {"good": "COMPLETED_SUCCESS", "warning": "COMPLETED_WARNING", "bad": "COMPLETED_FAILED"}
    is_good = kind != "bad"
    message, hint = ("", "") if is_good else (f"{test} Nothing has failed.", "Nothing: this is a test.")
    return RunEnded(
        status=statuses[kind],
        description=test,
        verdict=ObservedVerdict(is_good, message, hint=hint),
        counters=(ObservedCounter("c.test.records", "Records in this test", "3"),),
        alerts=(ObservedAlert("test", test),),
        seconds=1900.0,
        usual=1800.0,
        **shared,
    )
