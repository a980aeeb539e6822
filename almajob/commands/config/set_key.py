"""``almajob config set-key``: ask Alma whether an API key is right, and put it where it belongs."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from almajob.cli.command import Command
from almajob.cli.options.global_options import repeat_nothing
from almajob.cli.options.value_types import non_empty
from almajob.config.environments import KINDS, REGIONS, other_kind
from almajob.config.keys.key_location import KeyRequest
from almajob.errors import CHECK_KEY, AlmajobError, ConfigurationError, KeyRefused, UsageError

if TYPE_CHECKING:
    from almajob.alma.api_key import Key
    from almajob.config.keys.set_key import NewKey

LOG = logging.getLogger(__name__)

_ANYWAY = "--no-check stores it anyway."


class ConfigSetKey(Command):
    """Check and store an API key (typed, or read from stdin).

    At a terminal the key is asked for and not shown; otherwise it is the first line of standard
    input. It is never passed on the command line, where others can see it.

    Only the key's line of the configuration file changes, and the file becomes readable by you
    alone. If the configuration file names an api_key_file, the key goes into that file. A
    missing configuration file is made: the one that --ini-file names, or your own.

    A key that Alma does not accept, or that leads to the other kind of environment, is not stored.
    If Alma cannot be reached, the key is stored unchecked, with a warning.

    Examples:
      almajob config set-key sandbox --region na
      almajob config set-key production < key.txt
      almajob config set-key network-zone --kind production --region eu
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        repeat_nothing(parser)
        parser.add_argument(
            "environment", metavar="ENVIRONMENT", type=non_empty, help="the environment that the key is for"
        )
        parser.add_argument(
            "--region",
            metavar="REGION",
            choices=REGIONS,
            default="",
            help=f"region of a new environment: {', '.join(REGIONS)}",
        )
        parser.add_argument("--kind", choices=KINDS, default="", help="kind of a new environment")
        parser.add_argument(
            "--keyring",
            action="store_true",
            help="store the key in this machine's keyring, and note that in the configuration file",
        )
        parser.add_argument(
            "--no-check", action="store_true", help="store the key without checking it with Alma"
        )
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        named = self.context.named_environment
        if named not in ("", parsed_args.environment):
            # The other name may be a key that was typed in its place.
            raise UsageError(
                f"Whose key is it? --env names {named}, and ENVIRONMENT another one.", hint="Leave out --env."
            )

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        environment = parsed_args.environment
        request = KeyRequest(environment, parsed_args.region, parsed_args.kind, parsed_args.keyring)
        new_key = self.context.new_key(request)
        new_key.check()
        key = new_key.ask(may_be_piped=self.app.lasting is None)
        checked = "" if parsed_args.no_check else self._try(new_key, key)
        kept = new_key.keep(key)
        if kept.is_new:
            LOG.info("The key of %s is in %s.", environment, kept.where)
        else:
            LOG.info("This is the key of %s already, in %s. Nothing was changed.", environment, kept.where)
        if checked:
            LOG.info("Alma accepts it: %s.", checked)
        LOG.info("Next: %s %s", self.context.program(environment), "list" if checked else "config check")

    def _try(self, new_key: NewKey, key: Key) -> str:
        """Return where a key leads; nothing where Alma cannot be asked, which is said.

        Raises:
            ConfigurationError: it leads to the other kind of environment.
            KeyRefused: Alma does not accept it.
        """
        try:
            environment = new_key.preview(key)
            general = self.context.try_key(environment, key)
        except KeyRefused as refused:
            raise refused.replace(
                message=f"{refused.message} It was not stored.",
                hint=f"{CHECK_KEY}\n{_ANYWAY}",
            ) from None
        except KeyboardInterrupt:
            sys.stderr.write("\nNothing was changed.\n")
            raise
        except AlmajobError as error:
            LOG.warning("The key could not be checked: %s It is stored unchecked.", error.message)
            return ""
        found = other_kind(general.environment_type, environment.kind)
        if found:
            raise ConfigurationError(
                f"This key leads to {found}, not to {environment.kind}. It was not stored.",
                hint=f"Each environment has a key of its own. {_ANYWAY}",
            )
        named = " of ".join(filter(None, (general.environment_type, general.institution)))
        return f"it leads to {named}" if named else "it does not say where the key leads"
