"""The options that almajob schedule's commands share: which saved run, when, and in what way."""

from __future__ import annotations

import argparse

from almajob.cli.options.value_types import duration, non_empty


def add_saved_argument(parser: argparse.ArgumentParser) -> None:
    """Add the name of the saved run."""
    parser.add_argument("saved", metavar="SAVED", type=non_empty, help="the name of the saved run")


def add_time_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say when a saved run is started, and with which key."""
    parser.add_argument(
        "--at",
        metavar="TIMES",
        type=non_empty,
        help="when to start it, as systemd's OnCalendar= has it: 05:15, 'Mon..Fri 05:15', '*-*-01 06:00', "
        "'*:0/30'; where not given, what the saved run says",
    )
    parser.add_argument(
        "--timezone",
        metavar="ZONE",
        type=non_empty,
        help="the time zone of --at, such as Europe/Zurich; that of the machine where not given",
    )
    parser.add_argument(
        "--splay",
        metavar="DURATION",
        type=duration,
        help="start up to this long after each time, always as long for the same machine and saved run",
    )
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        type=non_empty,
        help="the file with the API key, which systemd loads for the service; not needed where the "
        "configuration file says where the key is",
    )


def add_way_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what starts the run."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--system", action="store_true", help="by the machine, in /etc; what root does where not given"
    )
    place.add_argument(
        "--user", action="store_true", help="by your own systemd or crontab; what others do where not given"
    )
    parser.add_argument("--cron", action="store_true", help="by cron instead of systemd")


def read_times(
    parsed_args: argparse.Namespace,
) -> tuple[str | None, str | None, float | None, str | None]:
    """Read the options of ``add_time_options``, in their order; None where one is not given."""
    return parsed_args.at, parsed_args.timezone, parsed_args.splay, parsed_args.key_file
