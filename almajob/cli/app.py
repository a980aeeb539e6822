"""The cliff application: global options, one command's life, errors as messages and exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stdout, suppress
from functools import partial
from inspect import getfullargspec
from typing import TYPE_CHECKING, Any

import cliff.app
from cliff.commandmanager import EntryPointWrapper

from almajob import __version__, legacy
from almajob.cli.console import excepthook, log_setup
from almajob.cli.console.pager import show_page
from almajob.cli.help import HelpCommand, format_all, format_group, group_in
from almajob.cli.help_format import GLOBAL_OPTIONS
from almajob.cli.options.global_options import (
    MESSAGE_DESTS,
    add_global_options,
    options_in,
    refuse_other_options,
    shorten_errors,
)
from almajob.cli.options.help_option import add_help_option
from almajob.cli.options.parse_words import parse_words, refuse_contradictions, repeat_words
from almajob.cli.other_words import explain_command
from almajob.cli.plugins.command_manager import Commands, Installed
from almajob.entry_points import is_core, origin
from almajob.errors import AlmajobError, OutcomeUnknown, ResultLost, UsageError
from almajob.output.columns import Time
from almajob.output.formats import report_lost_result
from almajob.system import key_variables, stdio
from almajob.system.signals import Terminated, defer_signals, raise_signals
from almajob.system.terminal import is_attended
from almajob.text.command_line import find_value, name_ini_file
from almajob.text.redaction import redact
from almajob.text.suggestions import find_near

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from almajob.cli.command import AlmajobCommand
    from almajob.cli.connections import Connections
    from almajob.cli.context import Context
    from almajob.config.plugin_choice import PluginChoice
    from almajob.config.settings import Options
    from almajob.runs.invocation import Invocation
    from almajob.store.ledger.record import Record

LOG = logging.getLogger(__name__)

_NAME = "almajob"
_SHORT_HELP = """\
almajob lists, runs and follows the jobs of Ex Libris Alma.

  almajob --env demo list                        try it, without a key
  almajob --env sandbox list --name '*export*'   find a job
  almajob --env sandbox run JOB --wait           start it and wait for it to end
  almajob --env sandbox status PROCESS_ID        see how a run is doing
  almajob --env sandbox wait PROCESS_ID          wait for any run to end

See almajob --help for all commands and options.
"""


class _OptionParser(argparse.ArgumentParser):
    """The global options, which stop at the first word that is no option: the command's name.

    The older script's command lines are read, too: ``has_older_spelling`` says that it was one of them.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        given = list(args or ())
        words = legacy.translate(given, self.takes_value)
        end = 0
        while end < len(words) and words[end].startswith("-") and words[end] not in ("-", "--"):
            end += 1 + ("=" not in words[end] and bool(self.takes_value(words[end])))
        # argparse's parse_args would come back here.
        with refuse_contradictions(self):
            found, unknown = super().parse_known_args(words[:end], namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        found.has_older_spelling = words != given
        return found, words[end:]

    def takes_value(self, option: str) -> bool | None:
        """Whether the next word is this option's value; None where there is no such option."""
        action = self._option_string_actions.get(option)
        return None if action is None else action.nargs is None


class AlmaJob(cliff.app.App):
    """almajob's application; ``run(argv)`` gives the exit code.

    Args:
        words: the command line; it may name a configuration file that chooses plugins.
    """

    NAME = _NAME
    LOG = logging.getLogger(_NAME)
    command_manager: Commands
    connections: Connections | None = None
    """What the commands of a shell share; None where there is only one command."""
    lasting: argparse.Namespace | None = None
    """The shell's own options, which hold for each of its commands that says nothing else."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        self._words = words
        super().__init__(
            description="Lists, runs and follows the jobs of Ex Libris Alma.",
            version=__version__,
            command_manager=Commands(),
        )
        self.command_manager.choose = self._choose_plugins
        self.command_manager.commands["help"] = EntryPointWrapper("help", HelpCommand)
        # Closed when all is printed.
        self.afterwards = ExitStack()
        # Until the command line is read.
        self.options = argparse.Namespace(debug=False)
        # What stands before the command's name in this line, without what a shell adds.
        self._typed = argparse.Namespace()

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        parser = _OptionParser(prog=_NAME, description=description, add_help=False, allow_abbrev=False)
        # The name under which cliff looks for it.
        parser.set_defaults(debug=False)
        shorten_errors(parser)
        add_global_options(parser, after_command=False)
        add_help_option(parser, self.stdout, partial(format_all, self))
        parser.add_argument_group(GLOBAL_OPTIONS).add_argument(
            "--version", action="version", version=f"{_NAME} {version}", help="show the version and exit"
        )
        return parser

    def configure_logging(self) -> None:
        """Begin to tell; cliff calls this once the global options are parsed."""
        self._typed = argparse.Namespace(**vars(self.options))
        for name, value in vars(self.lasting or argparse.Namespace()).items():
            if getattr(self.options, name, None) is None:
                setattr(self.options, name, value)
        try:
            self.configure_output(self.options)
        except AlmajobError as error:
            raise SystemExit(self.report(error)) from None

    def configure_output(self, options: argparse.Namespace) -> None:
        """Set how much is logged and how times are shown; what the options leave open stays as it was."""
        for name in MESSAGE_DESTS:
            value = getattr(options, name, None)
            if value is not None:
                setattr(self.options, name, value)
        self.options.debug = bool(self.options.almajob_debug)
        Time.in_utc = bool(self.options.almajob_utc)
        verbosity = self.options.almajob_verbosity
        log_setup.configure(
            self.stderr,
            1 if verbosity is None else verbosity,
            self.options.almajob_log_file,
            self.options.almajob_log_json,
        )

    def _choose_plugins(self) -> PluginChoice:
        """Read which plugins are used."""
        from almajob.config.plugin_choice import read_choice

        # The option may come after the command's name, which nobody knows yet.
        return read_choice(find_value(self._words, "--ini-file"), key_variables.environ())

    def initialize_app(self, argv: list[str]) -> None:
        """Refuse what is no command, on stderr, before cliff guesses on stdout."""
        if not argv:
            if not (is_attended() and self.stdout.isatty()):
                stdio.write_stderr(_SHORT_HELP)
                raise SystemExit(UsageError.exit_code)
            # cliff goes on with this list; its own shell is another.
            argv.append("shell")
            self.interactive_mode = False
        words = argv[1:] if argv[0] == "help" and argv[1:] and not argv[1].startswith("-") else argv
        try:
            self.command_manager.find_command(words)
        except ValueError:
            raise SystemExit(self._answer_without_command(words, is_asked=words is not argv)) from None
        except Exception as error:  # noqa: BLE001  # cliff would tell a bug without a word of what it is
            raise SystemExit(self.report(error)) from None

    def _answer_without_command(self, words: list[str], *, is_asked: bool) -> int:
        """Show the help of a group of commands, or refuse what names no command; return the exit code.

        Args:
            is_asked: the words stood after ``help``.
        """
        group = group_in(self, words)
        rest = words[len(group.split()) :]
        if not group or (rest and not rest[0].startswith("-")):
            return self.report(self._unknown_command(words, group))
        if is_asked or {"-h", "--help"}.intersection(rest):
            show_page(partial(format_group, self, group), self.stdout)
            return 0
        stdio.write_stderr(format_group(self, group))
        return UsageError.exit_code

    def run_subcommand(self, argv: list[str]) -> int:
        """Run one command, from its name to its exit code; whatever it raises is told with its name."""
        from almajob.cli.command import AlmajobCommand

        name = command = None
        try:
            factory, name, words = self.command_manager.find_command(argv)
            named = {"cmd_name": name} if "cmd_name" in getfullargspec(factory.__init__).args else {}
            command = factory(self, self.options, **named)
            parser = command.get_parser(f"{self.NAME} {name}")
            parsed_args = parse_words(parser, words)
            refuse_other_options(self._typed, parsed_args)
            if not isinstance(command, AlmajobCommand):
                return int(command.run(parsed_args))
            with closing(command):
                self.configure_output(parsed_args)
                log_setup.adopt_logger(type(command).__module__)
                invocation = partial(self._make_invocation, command, name, parser, words)
                options = options_in(self.options, parsed_args)
                with self._open_context(options, name, invocation) as command.context:
                    command = self._join(command, name, parser, words)
                    command.check(parsed_args)
                    with self._report_if_lost(command), self._redact_output(name):
                        code = command.run(parsed_args)
                        if not isinstance(code, int):
                            raise TypeError(f"take_action returned no exit code, but {code!r}")
                        # What only waits to be written is lost if the process dies.
                        with report_lost_result(self.stdout):
                            self.stdout.flush()
                    command.context.note_result()
                    code = command.context.admit_code(code)
                if command.verdict is not None:
                    raise command.verdict
        except BrokenPipeError:
            if not getattr(command, "has_unknown_outcome", False):
                raise
            # The end of the process would try to write it once more, and end with 141.
            stdio.discard(self.stdout)
            return OutcomeUnknown.exit_code
        except (KeyboardInterrupt, Terminated):
            raise
        # Whatever a plugin raises ends as a message and an exit code.
        except BaseException as error:  # noqa: BLE001
            code = self.report(self._complete(error, command), name)
            return OutcomeUnknown.exit_code if getattr(command, "has_unknown_outcome", False) else code
        # A process gives only the last eight bits of its exit code.
        return code if 0 <= code <= 255 else 1

    def _join(
        self, command: AlmajobCommand, name: str, parser: argparse.ArgumentParser, words: Sequence[str]
    ) -> AlmajobCommand:
        """Return what does a command in all environments that are named; where that is one, itself.

        Raises:
            UsageError: several are named, and it is done in one.
        """
        from almajob.cli.command import Lister, ShowOne

        context = command.context
        if command.environments in ("all", "none") or not context.several:
            return command
        if command.environments == "one" or not isinstance(command, Lister | ShowOne):
            raise self._refuse_several(name)
        import shlex

        from almajob.cli.many.result import InEach
        from almajob.runs.run_reference import LAST

        again = [*name.split(), *repeat_words(parser, words)]

        def word_again(last: Sequence[str]) -> str:
            # Whatever is started meanwhile, @last is what it was.
            named = [each for word in again for each in (last if last and word == LAST else [word])]
            return f"{context.program(context.environment_name)} {shlex.join(named)}"

        return InEach(command, word_again)

    def _refuse_several(self, name: str) -> UsageError:
        from almajob.cli.command import AlmajobCommand

        own = [each for each in self.command_manager.installed if is_core(each.claims[0])]
        classes = {each.name: each.load() for each in own}
        able = [
            each
            for each, found in classes.items()
            if issubclass(found, AlmajobCommand) and found.environments in ("each", "all")
        ]
        return UsageError(
            f"almajob {name} works in one environment at a time.",
            hint=f"Name one with --env. These take several: {', '.join(able)}.",
        )

    @contextmanager
    def _report_if_lost(self, command: AlmajobCommand) -> Iterator[None]:
        """Report what is known where a closed pipe, a signal or a bug keeps a result from being shown."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, ResultLost) or not isinstance(error, AlmajobError):
                with defer_signals():
                    command.context.note_result(is_lost=True)
                    if command.verdict is not None:
                        self.report(command.verdict, command.cmd_name)
            raise

    def _unknown_command(self, words: list[str], group: str) -> UsageError:
        """Refuse words that name no command.

        Args:
            group: with which they begin; empty where they begin with none.
        """
        begun = f"{group} " if group else ""
        written = words[len(group.split())]
        names = [name for name, _entry in self.command_manager if name.startswith(begun)]
        other = "" if group else explain_command(written)
        if other:
            return UsageError(f"There is no command {written!r}.", hint=other)
        near = find_near(written, (name.removeprefix(begun) for name in names))
        meant = f"Did you mean: {', '.join(begun + name for name in near)}?\n" if near else ""
        return UsageError(
            f"There is no command {begun + written!r}.",
            hint=f"{meant}See almajob {begun}--help for all commands.",
        )

    def _report_exit(self, end: SystemExit) -> int:
        """Read ``sys.exit(…)`` as Python does: nothing is 0, a text is told and 1."""
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) if 0 <= (end.code or 0) <= 255 else 1
        self.LOG.error("almajob: %s", end.code)
        return 1

    @contextmanager
    def _redact_output(self, cmd_name: str) -> Iterator[None]:
        """Keep keys out of what a plugin's command prints, also by itself."""
        if self._find_plugin(cmd_name) is None:
            yield
            return
        from almajob.cli.console.redacted_stdout import redact_stream

        before = self.stdout
        try:
            with redirect_stdout(redact_stream(sys.stdout)):
                self.stdout = redact_stream(before)
                yield
        finally:
            self.stdout = before

    def _find_plugin(self, cmd_name: str | None) -> EntryPoint | None:
        """Return the entry point of a command that is not almajob's own; None where it is."""
        installed = self.command_manager.commands.get(cmd_name or "")
        if isinstance(installed, Installed) and not is_core(installed.claims[0]):
            return installed.claims[0]
        return None

    def _open_context(
        self, options: Options, cmd_name: str | None, invocation: Callable[[], Invocation]
    ) -> Context:
        """Return what a command works with, for the length of that command."""
        from almajob.cli.context import Context

        installed = self.command_manager.commands.get(cmd_name or "")
        return Context(
            options,
            connections=self.connections,
            owner=lambda: getattr(installed, "plugin", "almajob"),
            invocation=invocation,
            find_observers=self.command_manager.find_observers,
            afterwards=self.afterwards,
        )

    def _make_invocation(
        self, command: AlmajobCommand, name: str, parser: argparse.ArgumentParser, words: Sequence[str]
    ) -> Invocation:
        """Return how messages name the command line: a plugin's is repeated, as it knows what is next."""
        import shlex

        from almajob.runs.invocation import Invocation
        from almajob.runs.run_key import find_base_key

        if self._find_plugin(name) is None:
            return Invocation()

        def resume(asked_for: Sequence[Record]) -> str:
            again = [*name.split(), *repeat_words(parser, words, find_base_key(asked_for))]
            program = command.context.program(command.context.environment_name)
            return redact(f"{program} {shlex.join(command.resume or again)}")

        return Invocation(resume, parser._option_string_actions)

    def _complete(self, error: BaseException, command: object) -> BaseException:
        """Return what ends a command with what it has started, and with command lines that can be typed."""
        context: Context | None = getattr(command, "context", None)
        if context is not None and isinstance(error, SystemExit) and isinstance(error.code, int):
            return SystemExit(context.admit_code(error.code))
        if context is None or not isinstance(error, AlmajobError):
            from almajob.cli.command import explain_odd_result

            return explain_odd_result(error)
        if isinstance(error, OutcomeUnknown):
            # What else was started is known.
            context.note_result(is_lost=True)
        ended = context.admit_starts(error, is_shown=error is getattr(command, "verdict", None))
        if not context.named_ini_file:
            return ended
        commands = {name.split()[0] for name, _entry in self.command_manager}
        return ended.replace(hint=name_ini_file(ended.hint, context.named_ini_file, commands))

    def report(self, error: BaseException, cmd_name: str | None = None) -> int:
        """Print an error, of a command if one is named, on stderr and return its exit code."""
        if isinstance(error, SystemExit):
            return self._report_exit(error)
        if isinstance(error, BrokenPipeError | KeyboardInterrupt):
            return 141 if isinstance(error, BrokenPipeError) else 130
        if isinstance(error, Terminated):
            return error.exit_code
        if self.options.debug:
            import traceback

            self.LOG.error("%s", "".join(traceback.format_exception(error)))
        if isinstance(error, AlmajobError):
            self.LOG.error("almajob: %s", error)
            return error.exit_code
        self.LOG.error("%s", self._word_bug(error, cmd_name))
        return 1

    def _word_bug(self, error: BaseException, cmd_name: str | None) -> str:
        """Format a bug: whose it is, whom to tell, and with what."""
        point = self._find_plugin(cmd_name)
        if point is not None:
            whose = f"the command {cmd_name!r}, from {origin(point)}"
            whom = "  Please tell its authors, with the output of the same command and --debug."
            return excepthook.describe_bug(error, whose, whom)
        return excepthook.describe_bug(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Run almajob.

    Args:
        argv: the words after the program's name; those of the process where not given.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    stdio.open_missing_streams()
    app = AlmaJob(words)
    # For what is told before the options are known.
    log_setup.configure(app.stderr, 1, None)
    try:
        with raise_signals(), key_variables.keys_taken_out():
            code = app.run(words)
    # argparse's and cliff's help end with SystemExit.
    except (SystemExit, BrokenPipeError, KeyboardInterrupt, Terminated) as end:
        code = app.report(end)
    code = stdio.finish(code)
    # It has its exit code, whatever ends this.
    with suppress(KeyboardInterrupt, Terminated), raise_signals():
        app.afterwards.close()
    return code
