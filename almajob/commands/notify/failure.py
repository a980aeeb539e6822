"""``almajob notify failure``: notify of a scheduled start that failed; systemd's OnFailure= calls it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import non_empty
from almajob.errors import Unreachable
from almajob.notify.notification import Notification
from almajob.notify.observer import describe_failure
from almajob.notify.targets import Target, read_target
from almajob.output.columns import Identifier, Sentence
from almajob.schedule.failure import TOLD_BY_RUN, list_names, read_exit_code
from almajob.schedule.failure import describe_failure as make_notification
from almajob.system import key_variables


class NotifyFailure(Lister):
    """Notify of a scheduled start that failed.

    The services of almajob schedule install call this where they have failed for good. Whoever
    is notified of the saved run's bad ends is notified: what notify says in its environment, its
    job and the saved run. systemd's $MONITOR_EXIT_STATUS tells the exit code. Of exit codes 3
    and 9 the run itself has notified, so nothing is sent.

    Exit codes: 0 it was sent, or nobody is to be notified. 6 it could not be sent. 7 a section
    [notify:NAME] is wrong.

    Examples:
      almajob --env production notify failure invoices
    """

    columns = ("name", "type", "subject")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("saved", metavar="SAVED", type=non_empty, help="the name of the saved run")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        context, environ = self.context, key_variables.environ()
        environment = context.environment.name
        saved = context.saved_runs.find(parsed_args.saved)
        code = read_exit_code(environ)
        if code in TOLD_BY_RUN:
            self.note_if_empty = f"Nothing was sent: the run has notified that {TOLD_BY_RUN[code]}."
            return self.columns, []
        names = list_names(context.settings, saved, environment)
        found = [read_target(context.settings, name, environ) for name in names]
        targets = [target for target in found if "bad" in target.on]
        if not targets:
            self.note_if_empty = f"Nobody is notified of bad ends of {saved.name} in {environment}."
        notification = make_notification(context.settings, saved, environment, environ, context.now())
        failures = dict(_send(targets, notification))
        if failures:
            self.verdict = Unreachable(
                f"{len(failures)} of {len(targets)} could not be notified.",
                reason=f"{'; '.join(f'[notify:{name}] {why}' for name, why in failures.items())}.",
                hint="The service tries again.",
            )
        sent = [target for target in targets if target.name not in failures]
        rows = [
            (Identifier(each.name), Identifier(each.type), Sentence(notification.subject)) for each in sent
        ]
        return self.columns, rows


def _send(targets: list[Target], notification: Notification) -> Iterable[tuple[str, str]]:
    """Send it to each; return whom it could not be sent to, and why."""
    for target in targets:
        try:
            target.make().send(notification)
        # Whatever a notifier of another distribution raises.
        except Exception as error:  # noqa: BLE001
            yield target.name, describe_failure(error)
