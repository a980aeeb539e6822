"""Commands that a site adds: one reads jobs, one starts a job and waits, one keeps something of its own."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.plugin import (
    RUN_COLUMNS,
    Command,
    Lister,
    Refused,
    ShowOne,
    StartOptions,
    display,
    non_empty,
    run_values,
)


class Hello(Lister):
    """Greet the jobs of an environment.

    Examples:
      almajob --env sandbox hello
      almajob --env sandbox hello --at-most 2 -f json
    """

    columns = ("greeting", "job_id")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--at-most", metavar="N", type=int, default=3, help="greet no more than so many")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        jobs = self.context.catalogue.jobs()[: parsed_args.at_most]
        return self.columns, [(f"Hello, {job.name}!", job.id) for job in jobs]


class Nightly(ShowOne):
    """Start a job, once a day, and wait for its end.

    Exit code 3: it ended, and not well. The same command again goes on waiting for the same run.

    Examples:
      almajob --env sandbox nightly 'ERP export using profile FINANCE'
    """

    columns = RUN_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("job", metavar="JOB", type=non_empty, help="the job's id, or its exact name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        runs = self.context.runs
        started = runs.start(parsed_args.job, options=StartOptions(once_per="day"), look=False)
        run = runs.follow(started, display=display)
        self.verdict = run.verdict
        return self.columns, run_values(run)


class Remember(ShowOne):
    """Remember a word under a name, or show what is remembered.

    Examples:
      almajob remember colour green
      almajob remember colour
    """

    columns = ("name", "word")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", type=non_empty, help="under which it is kept")
        parser.add_argument("word", metavar="WORD", nargs="?", help="what to remember; shown where not given")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        name, word = parsed_args.name, parsed_args.word
        if word is not None:
            self.context.store.set(name, word)
        found = self.context.store.get(name)
        if found is None:
            raise Refused(f"Nothing is remembered as {name!r}.", hint=f"almajob remember {name} WORD")
        return self.columns, (name, found)


class Farewell(Command):
    """Say goodbye; another plugin wants this name too.

    Examples:
      almajob farewell
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.stdout.write("Goodbye.\n")
