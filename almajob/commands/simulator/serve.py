"""``almajob simulator serve``: an Alma on this machine, to try, to test against and to break."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from almajob.cli.command import Command
from almajob.cli.options.value_types import non_empty, seconds, whole_number
from almajob.errors import Refused, UsageError

if TYPE_CHECKING:
    from almajob.simulator.http.server import Simulator

LOG = logging.getLogger(__name__)


class SimulatorServe(Command):
    """Serve a simulated Alma on this machine until Ctrl-C.

    It has a sandbox and a production environment, real job names, and Alma's limits and errors.
    What it does can be seen and changed below /simulator/. It needs no configuration file.

    Examples:
      almajob simulator serve --port 8444
      almajob simulator serve --speed 60 --fault per-second --fault reset-after
    """

    environments = "none"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--port",
            type=limit_number(65_535),
            default=8444,
            help="port to listen on; 0 for a free one (default: 8444)",
        )
        parser.add_argument(
            "--host",
            type=non_empty,
            default="127.0.0.1",
            help="address to listen on; 0.0.0.0 or :: for all (default: this machine only)",
        )
        parser.add_argument(
            "--allow-host",
            metavar="HOST",
            type=non_empty,
            action="append",
            default=[],
            help="also answer requests for this host (NAME or NAME:PORT), such as a container's; may be "
            "repeated",
        )
        parser.add_argument(
            "--webhook-host",
            metavar="HOST",
            type=non_empty,
            action="append",
            default=[],
            help="also send webhooks to this host, and not only to this machine; may be repeated",
        )
        parser.add_argument(
            "--jobs",
            metavar="N",
            type=limit_number(100_000),
            help="number of jobs in each environment, up to 100,000",
        )
        parser.add_argument(
            "--speed", metavar="X", type=parse_speed, default=1.0, help="how many times as fast time passes"
        )
        parser.add_argument(
            "--run-seconds",
            metavar="S",
            type=seconds,
            help="how long every run lasts, in seconds",
        )
        parser.add_argument(
            "--activity",
            metavar="S",
            type=seconds,
            default=900.0,
            help="seconds between runs that the system and staff start (default: 900)",
        )
        parser.add_argument(
            "--fault",
            metavar="NAME",
            action="append",
            default=[],
            help="inject this fault once; may be repeated",
        )
        parser.add_argument(
            "--seed", metavar="S", type=whole_number, default=0, help="seed for random behaviour"
        )
        parser.add_argument("--tls", action="store_true", help="serve https, with a certificate made for it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        try:
            simulator = _make_simulator(parsed_args)
        except (ValueError, OverflowError) as error:
            raise UsageError(f"{error}.", hint="See almajob simulator serve --help.") from None
        except OSError as error:
            raise Refused(
                f"{parsed_args.host}, port {parsed_args.port} cannot be listened on.",
                reason=f"{error.strerror}.",
                hint="Name another port with --port (0 for a free one), or another address with --host.",
            ) from None
        with simulator:
            LOG.info(
                "Serving a simulated Alma at %s; see %s/simulator/", simulator.base_url, simulator.base_url
            )
            if not simulator.is_private:
                LOG.warning(
                    "It listens on %s: everybody who can reach this machine can use it and change it.",
                    simulator.listens_on,
                )
            for key in simulator.institution.gateway.keys.values():
                LOG.info("  key for %s: %s", key.name, key.text)
            LOG.info("Ctrl-C stops it.")
            simulator.wait()


def limit_number(most: int) -> Callable[[str], int]:
    """Make what takes a whole number from 0 to ``most``; for ``type=``."""

    def take(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) > most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {most:,}")
        return int(text)

    return take


def parse_speed(text: str) -> float:
    """Take how many times as fast time passes; for ``type=``."""
    try:
        # It would take 1_0 and digits of other scripts, too.
        found = float(text) if re.fullmatch(r"[0-9.e]+", text) else -1.0
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1_000_000:
        raise argparse.ArgumentTypeError("must be a number from 0 to 1,000,000")
    return found


def _make_simulator(parsed_args: argparse.Namespace) -> Simulator:
    from almajob.simulator.http.server import Simulator
    from almajob.simulator.http.tls import tls_context
    from almajob.simulator.institution import Institution
    from almajob.simulator.world.clock import Clock
    from almajob.simulator.world.world import Rules

    rules = Rules(seconds=parsed_args.run_seconds, activity=parsed_args.activity)
    institution = Institution(
        Clock(parsed_args.speed), rules, job_count=parsed_args.jobs, seed=parsed_args.seed
    )
    institution.webhooks.hosts.update(host.lower() for host in parsed_args.webhook_host)
    for name in parsed_args.fault:
        institution.faults.add(name)
    tls = None
    if parsed_args.tls:
        tls, certificate = tls_context()
        LOG.info("Its certificate: REQUESTS_CA_BUNDLE=%s", certificate)
    return Simulator(
        institution,
        host=parsed_args.host,
        port=parsed_args.port,
        tls=tls,
        other_hosts=parsed_args.allow_host,
    )
