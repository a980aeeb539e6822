"""The interactive shell: almajob's commands at a prompt, with one session and one store for all of them.

It is cliff's, on cmd2; quoting, redirection, completion, exit codes and the prompt are put right here.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import sys
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import cmd2
from cliff.interactive import InteractiveApp

from almajob.cli.connections import Connections
from almajob.cli.console.pager import show_page
from almajob.cli.help import format_all
from almajob.cli.options.global_options import options_in
from almajob.cli.plugins.completion_grammar import of_plugins
from almajob.completion import quoting
from almajob.completion.candidates import FILES, find_candidates
from almajob.completion.grammar import Grammar, load_grammar
from almajob.completion.local_values import Places
from almajob.config import settings
from almajob.config.environments import names_several
from almajob.config.settings import Settings
from almajob.errors import AlmajobError, Refused, ResultLost, UsageError
from almajob.system import key_variables
from almajob.system.private_files import make_private, open_own, refuse_open_directory
from almajob.system.signals import rearm
from almajob.system.stdin import Script, open_script
from almajob.system.terminal import fit_message, in_colour, mark_error
from almajob.text.redaction import is_shown_in, redact
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.cli.application import Application

INTRO = "Tab completes, help lists the commands, env NAME switches, Ctrl-D leaves."
_HISTORY = "shell-history"
_OWN = {
    "env": "Switch to another environment (env NAME), or show the current one",
    "exit": "Leave the shell",
    "quit": "Leave the shell",
}
"""Its own words; ``names.RESERVED`` keeps them from being a command's."""
_END = "_eof"
_INTERRUPTED, _CLOSED_PIPE = 130, 141


class Shell(InteractiveApp):
    """One session at the prompt, or one script.

    Args:
        lines: where they come from; a terminal gets a prompt, completion and history.
        errexit: leave at the first command whose exit code is not 0.

    Attributes:
        exit_code: of the last command.
        is_attended: somebody types the lines.
    """

    def __init__(self, app: Application, lines: TextIO | Script, *, errexit: bool = False) -> None:
        self.app = app
        self.parent_app = app  # type: ignore[assignment]  # as in command.py
        self.command_manager = app.command_manager
        self._lasting = app.lasting or argparse.Namespace()
        self.errexit = errexit
        self.is_attended = lines.isatty() and app.stdout.isatty()
        self._has_run = self._must_end = False
        self._line = 0
        self._grammar: Grammar | None = None
        # Not cliff's: it passes on what cmd2 would take from the command line.
        cmd2.Cmd.__init__(
            self,
            # A script has of a stream what cmd2 uses.
            stdin=cast(TextIO, lines),
            stdout=app.stdout,
            allow_cli_args=False,
            allow_clipboard=False,
            auto_suggest=False,
            persistent_history_file=self._history_file() if self.is_attended else "",
            shortcuts={"?": "help "},
            terminators=[],
        )
        # What was kept before this was looked for goes now.
        self.history[:] = [item for item in self.history if not self._may_hold_key(item.raw)]
        self._show_environment()

    def precmd(self, statement: cmd2.Statement | str) -> cmd2.Statement:
        """Leave a line as it was parsed: cliff's own puts it together anew, without its quotes."""
        return cmd2.Cmd.precmd(self, statement)

    def onecmd_plus_hooks(self, line: str, **given: Any) -> bool:
        """Run a line, and say of a script where it failed; Ctrl-C and a wrong ``env`` end a script."""
        # What was printed so far comes before what a pipe prints.
        with suppress(OSError, ValueError):
            self.app.stdout.flush()
        self._line += 1
        self._has_run = self._must_end = False
        # The last command may have ended by it.
        rearm()
        if _chains_commands(line):
            stop = self._refuse_chain(line)
        else:
            stop = super().onecmd_plus_hooks(line, **given)
        # The ini may say something else by now, as the commands read it anew.
        self._show_environment()
        if not line.strip() or line.lstrip().startswith("#") or line == _END:
            return stop
        if not self._has_run:
            self.exit_code = Refused.exit_code
            try:
                self.statement_parser.parse(line)
            except cmd2.exceptions.Cmd2ShlexError:
                self.exit_code = UsageError.exit_code
        if self.exit_code and not self.is_attended:
            shown = "" if self._may_hold_key(line) else f": {line.strip()}"
            self.app.stderr.write(sanitize(redact(f"  in line {self._line}{shown}")) + "\n")
            stop = stop or self._must_end or self.exit_code == _INTERRUPTED
        return stop or (self.errexit and self.exit_code != 0)

    def _refuse_chain(self, line: str) -> bool:
        """Refuse several commands on one line, before any of them is run or a file is opened for them."""
        self._has_run = True
        # In a script, what comes next would go to another environment than was meant.
        self._must_end = "env" in re.split(r"[\s;&|]+", line)
        if not self._may_hold_key(line):
            with suppress(cmd2.exceptions.Cmd2ShlexError):
                self.history.append(self.statement_parser.parse(line))
        refusal = UsageError(
            "The shell takes one command per line; nothing was run.",
            hint="Type each command on its own line, or quote ; && || where they are part of a name.\n"
            "Instead of &&: a script that runs with --errexit stops at the first failure.",
        )
        self.exit_code = self.app.report(refusal)
        return False

    def perror(self, *objects: Any, **_given: Any) -> None:
        """Report what cmd2 refuses as almajob reports its own errors; nothing was run."""
        causes = [getattr(each, "__cause__", None) for each in objects]
        problem = sanitize(redact(": ".join(str(each) for each in (*objects, *causes) if each)))
        if "Clipboard" in problem:
            # What cmd2 makes of a ">" with nothing behind it.
            problem = "A file must be named behind '>'."
        told = f"almajob: {problem}\n  Nothing was run.\n"
        self.app.stderr.write(mark_error(fit_message(told, self.app.stderr), self.app.stderr))

    def pexcept(self, exception: BaseException, **_given: Any) -> None:
        """Report output that could not be written to where it was sent; cmd2 would show how to debug it."""
        if isinstance(exception, OSError):
            exception = ResultLost(
                "The output cannot be written.", reason=f"{exception.strerror or exception}."
            )
        self.exit_code = self.app.report(exception)

    def onecmd(self, statement: cmd2.Statement | str, *, add_to_history: bool = True) -> bool:
        """Run a command of almajob's, or one of the shell's own; none of cmd2's."""
        if not isinstance(statement, cmd2.Statement):
            statement = self.statement_parser.parse(statement)
        self._has_run = True
        if statement.command == _END:
            if self.is_attended:
                self.stdout.write("\n")
            return True
        # A key that was typed here by mistake must not stay on disk.
        if add_to_history and not self._may_hold_key(statement.raw):
            self.history.append(statement)
        try:
            return self._dispatch(statement.command_and_args)
        except Exception as error:  # noqa: BLE001  # cmd2 would go on as if nothing had been
            is_closed_pipe = isinstance(error, BrokenPipeError)
            self.exit_code = _CLOSED_PIPE if is_closed_pipe else self.app.report(error)
            return False

    def _may_hold_key(self, line: str) -> bool:
        """Whether a line may have a key in it, of whatever shape: then it is neither kept nor repeated.

        That is one with what looks like a key, also in pieces; one with a setting or a variable for a key;
        and any ``config set-key`` but that of an environment that is there, with nothing else.
        """
        text = re.sub(r"""["'\\]""", "", line)
        words = text.split()
        if any(map(is_shown_in, (line, text, "".join(words)))) or re.search(r"(?i)api[-_]?key", text):
            return True
        if not re.search(r"(?i)set[-_]?key|config set key", " ".join(words)):
            return False
        while words[0] in ("almajob", "help"):
            del words[0]
        harmless = [[], *([name] for name in self._environment_names())]
        return words[:2] != ["config", "set-key"] or words[2:] not in harmless

    def _environment_names(self) -> list[str]:
        try:
            return self._settings.environment_names()
        except AlmajobError:
            return []

    def _dispatch(self, line: str) -> bool:
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"This is not a command line: {error}.") from None
        # As it stands in the README, and in what almajob advises.
        words = (words[1:] or ["help"]) if words[:1] == ["almajob"] else words
        own = {"env": self._env, "exit": self._exit, "quit": self._exit, "help": self._help}
        return own.get(words[0], self._run_words)(words)

    def _run_words(self, words: list[str]) -> bool:
        kept, self.app.stdout = self.app.stdout, self.stdout
        try:
            self.exit_code = self.app.run(words)
        except SystemExit as end:
            self.exit_code = self.app.report(end)
        finally:
            self.app.stdout = kept
        return False

    def _help(self, words: list[str]) -> bool:
        self.exit_code = 0
        if not words[1:]:
            page = partial(format_all, self.app, also={"in the shell": _OWN.items()})
            show_page(page, self.stdout)
        elif words[1] in _OWN:
            self.stdout.write(f"{words[1]}: {_OWN[words[1]]}\n")
        else:
            self._run_words(words)
        return False

    def _exit(self, words: list[str]) -> bool:
        if len(words) > 1:
            raise UsageError(f"{words[0]} takes nothing.")
        return True

    def _env(self, words: list[str]) -> bool:
        # In a script, what comes next would go to another environment than was meant.
        self._must_end = len(words) > 1
        if len(words) > 2:
            raise UsageError(
                "env takes one word.", hint="env NAME switches there; env A,B or env @GROUP to several."
            )
        for name in words[1:]:
            # Refuses a name that is not there.
            if names_several(name):
                self._settings.list_environments(name)
            else:
                self._settings.environment(name)
            self._lasting.almajob_env = name
        if not words[1:]:
            self.stdout.write(f"{self._environment()[0] or '(none)'}\n")
        self.exit_code = 0
        self._must_end = False
        self._show_environment()
        return False

    def _show_environment(self) -> None:
        """Make the prompt say where commands go; production looks like nothing else."""
        if not self.is_attended:
            self.prompt = ""
            return
        name, is_production = self._environment()
        if is_production:
            marked = f"PRODUCTION {name}" if name != "production" else "PRODUCTION"
            self.prompt = f"{in_colour(f'({marked})', '1;97;41', self.app.stdout)} almajob# "
        else:
            self.prompt = f"({name or 'no environment'}) almajob> "

    @property
    def _settings(self) -> Settings:
        return settings.load(options_in(self._lasting), os.environ)

    def _environment(self) -> tuple[str, bool]:
        """Name the environment that is used, and say whether it is a production; nothing where none is.

        Of several, one that is a production makes all of them one.
        """
        try:
            found = self._settings
            if found.env is None:
                return "", False
            text = found.env.text
            names = found.list_environments(text) if names_several(text) else [text]
            return text, any(found.environment(name).is_production for name in names)
        except AlmajobError:
            return "", False

    def _history_file(self) -> str:
        """Make the file of the history for its owner alone; without one where that cannot be."""
        try:
            path = Path(self._settings.need_state_dir("the history")) / _HISTORY
            # cmd2 opens it by its name, later.
            refuse_open_directory(path.parent)
            make_private(path.parent)
            os.close(open_own(path, os.O_RDONLY))
        except (AlmajobError, OSError):
            return ""
        return str(path)

    def complete(
        self, text: str, line: str, begidx: int, endidx: int, custom_settings: Any = None
    ) -> cmd2.Completions:
        """Complete as the scripts for other shells do, from the same words and the same store."""
        found = quoting.read_line(line[:endidx], text)
        if self._grammar is None:
            cache, ini = self._settings.cache_dir, self._settings.ini
            self._grammar = load_grammar(
                cache.text if cache else os.devnull,
                lambda: of_plugins(self.app),
                Places(os.environ, str(ini.path) if ini else "").chosen_plugins,
            )
        environment = self._environment()[0]
        kind, values = find_candidates(self._grammar, found.words, found.beginning, os.environ, environment)
        if not found.words:
            values += [(word, what) for word, what in _OWN.items() if word.startswith(text)]
        elif found.words == ["env"]:
            kind, values = find_candidates(self._grammar, ["--env"], found.beginning, os.environ)
        if kind == FILES:
            return self.path_complete(text, line, begidx, endidx)
        items = [
            cmd2.CompletionItem(
                value,
                text=quoting.in_quotes(value.removeprefix(found.head), found.quote),
                display=value,
                display_meta=what,
            )
            for value, what in values
            if value.startswith(found.head)
        ]
        return cmd2.Completions(items=items, is_sorted=True)


def _chains_commands(line: str) -> bool:
    """Whether a line has several commands, as other shells take them."""
    outside_quotes = re.sub(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"|^\s*#.*""", "", line)
    return bool(re.search(r";|&&|\|\|", outside_quotes))


def run_shell(app: Application, parsed_args: argparse.Namespace, *, errexit: bool) -> int:
    """Read and run lines until they end, or until one fails where ``errexit`` says so.

    Returns:
        The exit code of the last command.

    Raises:
        UsageError: this is the shell already, or a line of the script is damaged.
    """
    if app.lasting is not None:
        raise UsageError("This is almajob's shell already.", hint="env NAME switches to another environment.")
    given = {name: value for name, value in vars(parsed_args).items() if name.startswith("almajob_")}
    app.lasting = argparse.Namespace(**{**vars(app.options), **given})
    app.connections = Connections(key_variables.environ())
    # Closed, as some that start programs leave it, it is an empty script.
    stdin = sys.stdin if sys.stdin and not sys.stdin.closed else io.StringIO()
    try:
        with nullcontext(stdin) if stdin.isatty() else open_script(stdin) as lines:
            shell = Shell(app, lines, errexit=errexit)
            if shell.is_attended:
                app.stderr.write(f"{fit_message(INTRO, app.stderr)}\n")
            shell.cmdloop()
            return shell.exit_code
    finally:
        app.connections.close()
        app.lasting = app.connections = None
