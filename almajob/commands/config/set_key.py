"""``almajob config set-key``: put an API key where it belongs, seen by nobody."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Command
from almajob.cli.options.global_options import repeat_nothing
from almajob.cli.options.value_types import non_empty
from almajob.config.environments import KINDS, REGIONS
from almajob.config.keys.key_location import KeyRequest
from almajob.errors import UsageError

LOG = logging.getLogger(__name__)


class ConfigSetKey(Command):
    """Put an environment's API key into the ini, typed or piped, and shown nowhere.

    At a terminal it is asked for and not shown; else it is the first line of stdin. It is never a
    part of the command line, which others see. In the ini only its line changes, and the file is
    readable by you alone then. Where the ini names an api_key_file, the key goes into that file.
    An ini that is not there yet is made: the one that --ini-file names, or your own.

    Examples:
      almajob config set-key production
      almajob config set-key sandbox < key.txt
      almajob config set-key network-zone --kind production --region eu
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        repeat_nothing(parser)
        parser.add_argument(
            "environment", metavar="ENVIRONMENT", type=non_empty, help="whose key it is, as --env names it"
        )
        parser.add_argument(
            "--region",
            metavar="REGION",
            choices=REGIONS,
            default="",
            help=f"of an environment that is new: {', '.join(REGIONS)}",
        )
        parser.add_argument("--kind", choices=KINDS, default="", help="of an environment that is new")
        parser.add_argument(
            "--keyring", action="store_true", help="keep it in this machine's keyring; the ini says so"
        )
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        named = self.context.named_environment
        if named not in ("", parsed_args.environment):
            # The other name may be a key that was typed in its place.
            raise UsageError(
                f"Whose key is it? --env says {named}, and then another is named.", hint="Leave out --env."
            )

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        environment = parsed_args.environment
        request = KeyRequest(environment, parsed_args.region, parsed_args.kind, parsed_args.keyring)
        new_key = self.context.new_key(request)
        new_key.check()
        kept = new_key.keep(new_key.ask(may_be_piped=self.app.lasting is None))
        if kept.is_new:
            LOG.info("The key of %s is in %s.", environment, kept.where)
        else:
            LOG.info("This is the key of %s already, in %s; nothing was changed.", environment, kept.where)
        LOG.info("Next: %s config check", self.context.program(environment))
