"""``almajob webhook test``: send a listener what Alma would send, and show what came back."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import non_empty
from almajob.errors import ListenerFailed, Unreachable, UsageError
from almajob.output.columns import Identifier, Length, Sentence, Tone, Word
from almajob.text.sanitize import sanitize

_SHOWN = 200


class WebhookTest(Lister):
    """Send sample messages to a listener; show what came back.

    Sends a challenge, a message of a good and of a bad end, signed with the webhook secret (and
    with the old one, if there is one), and one that is signed wrongly. The run in them does not
    exist: almajob's own listener keeps nothing of it. Makes no API call.

    Exit codes: 0 the listener answers as Alma needs it. 3 it does not. 6 it cannot be reached.
    7 there is no webhook secret.

    Examples:
      almajob --env sandbox webhook test http://127.0.0.1:8765/
      almajob --env production webhook test https://example.edu/alma-webhook
    """

    columns = ("sent", "result", "http_status", "seconds", "response")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("url", metavar="URL", type=non_empty, help="of the listener, as Alma has it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.webhook.sample import check_listener, refuse_url

        problem = refuse_url(parsed_args.url)
        if problem:
            raise UsageError(
                f"A listener cannot have this address: {problem}.",
                hint="Write it as https://HOST/PATH",
            )
        checks = list(check_listener(parsed_args.url, self.context.webhook_secrets()))
        failed = [check for check in checks if not check.is_passed]
        if all(check.status is None for check in checks):
            raise Unreachable(
                "The listener cannot be reached.",
                reason=f"{sanitize(checks[0].response[:_SHOWN]).rstrip('.')}.",
                hint="Check its address, that it runs (almajob webhook serve), and the proxy before it.",
            )
        if failed:
            first = failed[0]
            came = "no response" if first.status is None else f"HTTP {first.status}"
            self.verdict = ListenerFailed(
                f"{len(failed)} of {len(checks)} checks failed.",
                reason=f"{first.name}: {came}; expected: {first.expected}.",
                hint="Check that it has the same webhook secret, and that the proxy changes no message.",
            )
        return self.columns, [
            (
                Identifier(check.name),
                Word(
                    "as needed" if check.is_passed else "wrong", {"as needed": Tone.GOOD, "wrong": Tone.BAD}
                ),
                check.status,
                Length(check.seconds),
                Sentence(check.response[:_SHOWN]),
            )
            for check in checks
        ]
