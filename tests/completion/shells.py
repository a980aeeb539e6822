"""Real shells in a terminal, in which almajob's completion is loaded and the Tab key is pressed."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from types import TracebackType

import pytest

from tests.support.terminals import Terminal

PROMPT = "READY>"
# The commands that are typed are not run but recorded, with the arguments as they arrive.
_ALMAJOB = """\
#!/bin/sh
case $1 in
__complete | completion) exec {python} -m almajob "$@" ;;
esac
printf '%s\\0' "$@" >{record}
echo RECORDED
"""
# What somebody would have in the shell's own file, a plain prompt, and nothing that looks like an answer.
_RC = {
    "bash": """\
PS1='{prompt} ' PROMPT_COMMAND=
source <(almajob completion bash)
""",
    "zsh": """\
PROMPT='{prompt} ' RPROMPT= PROMPT_EOL_MARK=
autoload -U compinit
compinit -D -u
source <(almajob completion zsh)
""",
    "fish": """\
set -g fish_greeting
set -g fish_autosuggestion_enabled 0
function fish_prompt; echo -n '{prompt} '; end
function fish_right_prompt; end
almajob completion fish | source
""",
}


class Shell:
    """A shell that waits for a command.

    Args:
        name: bash, zsh or fish.
        directory: of this test, for all that the shell needs.
    """

    def __init__(self, name: str, directory: Path) -> None:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed here")
        self.name = name
        self._record = directory / "record"
        programs = directory / "programs"
        programs.mkdir()
        almajob = programs / "almajob"
        almajob.write_text(
            _ALMAJOB.format(python=shlex.quote(sys.executable), record=shlex.quote(str(self._record))),
            "utf-8",
        )
        almajob.chmod(0o700)
        rc = directory / ".zshrc"
        rc.write_text(
            f"export PATH={shlex.quote(str(programs))}:$PATH\n" + _RC[name].format(prompt=PROMPT), "utf-8"
        )
        if name == "fish":
            rc.write_text(
                f"set -gx PATH {shlex.quote(str(programs))} $PATH\n" + _RC[name].format(prompt=PROMPT),
                "utf-8",
            )
        words = {
            "bash": ["bash", "--noprofile", "--rcfile", str(rc), "-i"],
            "zsh": ["zsh", "-d", "-i"],
            "fish": ["fish", "--no-config", "--init-command", f"source {shlex.quote(str(rc))}"],
        }
        environ = {
            "ZDOTDIR": str(directory),
            "INPUTRC": "/dev/null",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        self._terminal = Terminal(program=words[name], environ=environ, size=(30, 200))

    def __enter__(self) -> Shell:
        self._terminal.until(lambda text: text.endswith(PROMPT))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._terminal.__exit__(kind, error, trace)

    @property
    def line(self) -> str:
        """The command line as it stands on the screen."""
        lines = [line for line in self._terminal.lines if line.startswith(PROMPT)]
        return lines[-1].removeprefix(PROMPT).strip() if lines else ""

    def type(self, text: str) -> None:
        """Type something, and wait until the shell shows it."""
        self._terminal.type(text)
        self._terminal.until(lambda _screen: self.line.endswith(text.strip()))

    def press_tab(self, instead_of: str = "") -> None:
        """Press Tab; where something is completed, wait until it stands instead of what was typed.

        Each shell completes before it reads another key; so what is typed behind Tab waits for it.
        """
        self._terminal.type("\t")
        if instead_of:
            self._terminal.until(lambda _screen: self.line != instead_of.strip())
            self._settle()

    def run(self) -> list[str]:
        """Press Enter, and give the arguments with which almajob was started."""
        self._terminal.type("\r")
        self._terminal.until(lambda text: text.endswith(f"RECORDED\n{PROMPT}"))
        arguments = self._record.read_bytes().decode().split("\0")[:-1]
        self._record.unlink()
        # An empty screen, for the next.
        self._terminal.type("\x0c")
        self._terminal.until(lambda text: text == PROMPT)
        return arguments

    def until_shown(self, word: str) -> None:
        """Wait until a word stands below the command line."""
        self._terminal.until(lambda text: word in text.partition("\n")[2].split())

    def _settle(self) -> None:
        """Make the shell report that it waits for a key again: what is typed is shown, and taken back."""
        completed = ""

        def has_mark(_screen: str) -> bool:
            nonlocal completed
            completed = self.line
            return completed.endswith("@@")

        self._terminal.type("@@")
        self._terminal.until(has_mark)
        self._terminal.type("\x7f\x7f")
        self._terminal.until(lambda _screen: self.line == completed.removesuffix("@@").strip())
