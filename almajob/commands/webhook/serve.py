"""``almajob webhook serve``: take Alma's messages on the ends of runs."""

from __future__ import annotations

import argparse
import logging
import os
import re
import socket
from typing import TYPE_CHECKING, NamedTuple

from almajob.cli.command import Command
from almajob.commands.metrics import add_counter_option
from almajob.errors import AlmajobError, ConfigurationError, Refused
from almajob.text.host_names import is_loopback

if TYPE_CHECKING:
    from almajob.runs.wait.end_messages import EndMessages
    from almajob.text.redaction import Secret

LOG = logging.getLogger(__name__)

_STOP_SECONDS = 35.0
_HIGHEST_PORT = 65_535


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class WebhookServe(Command):
    """Take Alma's messages on the ends of runs.

    Alma sends a message at the end of each run of the institution, whoever started it. Each is
    kept on disk before it is answered. Then Alma is asked about the run, with one call. A
    command that waits for it ends within a second, and observers are called.

    It speaks plain HTTP, for a proxy on this machine that speaks HTTPS: docs/webhooks.md shows
    how to set up nginx, Caddy, systemd and Alma. SIGTERM ends it after what has begun.

    Exit codes: 0 ended by SIGTERM. 5 the address is in use, or another listener runs. 7 there
    is no webhook secret, or the package waitress is missing.

    Examples:
      almajob --env sandbox webhook serve
      almajob --env production webhook serve --listen 127.0.0.1:8766
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--listen",
            metavar="HOST:PORT",
            type=parse_address,
            default=Address("127.0.0.1", 8765),
            help="address to listen on; port 0 for a free one (default: 127.0.0.1:8765)",
        )
        add_counter_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        try:
            from almajob.webhook.server import NoSocket, open_socket, take_socket
        except ImportError:
            raise ConfigurationError(
                "The webhook listener needs the package waitress, which is not installed.",
                hint="Type: pip install waitress",
            ) from None
        from almajob.system.file_lock import LockHeld

        state_dir = self.context.settings.need_state_dir("webhook messages")
        secrets = self.context.webhook_secrets()
        messages = self.context.runs.messages
        if messages is None:
            # Why there is no key.
            self.context.connect()
            raise Refused(f"Messages cannot be kept in {state_dir}.")
        try:
            listening = take_socket(os.environ) or open_socket(*parsed_args.listen)
        except NoSocket as error:
            raise ConfigurationError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
        except OSError as error:
            raise Refused(
                f"{parsed_args.listen} cannot be listened on.",
                reason=f"{error.strerror}.",
                hint="Name another address with --listen HOST:PORT.",
            ) from None
        with listening:
            try:
                with messages.listen():
                    self._serve(messages, secrets, listening, parsed_args.counters)
            except LockHeld as held:
                name = self.context.environment.name
                raise Refused(
                    f"Another listener runs for {name} ({held.holder}).", hint="End it first."
                ) from None

    def _serve(
        self,
        messages: EndMessages,
        secrets: tuple[Secret, ...],
        listening: socket.socket,
        counters: list[str],
    ) -> None:
        from almajob.cli.metrics import write_metrics
        from almajob.system.signals import stop_at_signal
        from almajob.webhook.application import Application
        from almajob.webhook.decider import Decider
        from almajob.webhook.server import Server

        context = self.context
        environment, runs = context.environment, context.runs
        follower = runs.follower()
        decider = Decider(
            messages,
            lambda: context.alma,
            lambda instance: follower.judge(runs.describe(instance)),
            context.ledger,
            environment=environment.name,
            kind=environment.kind,
        )

        def show_metrics() -> str:
            try:
                return write_metrics(context, counters)
            except AlmajobError as error:
                LOG.warning("There are no metrics at the moment: %s", error.message)
                return ""

        application = Application(
            messages,
            secrets,
            wake=decider.wake,
            is_healthy=lambda: decider.is_alive,
            write_metrics=show_metrics,
        )
        server = Server(application, listening, messages.note_alive)
        address = Address(*listening.getsockname()[:2])
        with stop_at_signal(server.stop):
            decider.start()
            LOG.info("Listening on http://%s/ for messages of %s.", address, environment.name)
            if not is_loopback(address.host):
                LOG.warning("It speaks plain HTTP: put a proxy with HTTPS between it and the internet.")
            server.serve()
            LOG.info("It ends; messages that are not decided yet are kept.")
            decider.stop(_STOP_SECONDS)


def parse_address(text: str) -> Address:
    """Take an address such as ``127.0.0.1:8765`` or ``[::1]:8765``; for ``type=``."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", text)
    if found is None or int(found[3]) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError("must be HOST:PORT, such as 127.0.0.1:8765")
    return Address(found[1] or found[2], int(found[3]))
