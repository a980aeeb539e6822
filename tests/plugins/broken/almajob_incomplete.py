"""A command that needs what is not installed."""

import nowhere_to_be_found  # type: ignore[import-not-found]

from almajob.plugin import Command


class Incomplete(Command):
    """Use what is not installed."""

    def take_action(self, parsed_args: object) -> None:
        nowhere_to_be_found.use()
