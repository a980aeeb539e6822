"""``almajob`` and ``python -m almajob``."""

from __future__ import annotations

import gc
import os
import sys

from almajob import __version__
from almajob.system import stdio

_COLLECT_EVERY = 100_000
"""New objects between two looks for garbage; Python's 700 are for programs that run longer."""


def _at_once(words: list[str]) -> str | None:
    """Answer what need not wait for cliff; None where it is needed."""
    if words == ["--version"]:
        return f"almajob {__version__}\n"
    if words[:1] == ["__complete"]:
        if len(words) < 3:
            return "words\n"
        from almajob.completion.protocol import answer

        return answer(words[1], words[2:], _describe_plugins)
    if words[:1] == ["completion"] and len(words) == 2:
        from almajob.completion.shell_scripts import SHELLS, completion_script

        return completion_script(words[1]) if words[1] in SHELLS else None
    return None


def _describe_plugins(ini_file: str) -> dict[str, object]:
    import logging

    from almajob.cli.app import AlmaJob
    from almajob.cli.plugins.completion_grammar import of_plugins

    # What is wrong is told to whoever types a command, and not while one is typed.
    logging.getLogger("almajob").addHandler(logging.NullHandler())
    return of_plugins(AlmaJob(["--ini-file", ini_file] if ini_file else ()))


def _print_bug(_kind: object, error: BaseException, _trace: object) -> None:
    from almajob.cli.console import excepthook

    excepthook.report(error)


def _leave(_number: int, _frame: object) -> None:
    os._exit(130)


def main() -> int:
    """Run almajob; the version and completions are told before cliff is imported."""
    try:
        stdio.open_missing_streams()
        sys.excepthook = _print_bug
        # What is imported stays: to look through it again and again takes a tenth of a short command's time.
        gc.set_threshold(_COLLECT_EVERY)
        at_once = _at_once(sys.argv[1:])
        if at_once is not None:
            gc.freeze()
            return stdio.finish(0, at_once)
        # Not before: it takes as long to import as the version to be told.
        import signal
    except KeyboardInterrupt:
        return 130
    is_noticed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_noticed:
        # While there is nothing to say yet, Ctrl-C ends the process without a word.
        signal.signal(signal.SIGINT, _leave)
    from almajob.cli.console import excepthook
    from almajob.text.redaction import forbid_core_dumps

    # A variable may hold a key from the beginning.
    forbid_core_dumps()
    excepthook.install()
    from almajob.cli.app import main as run

    if is_noticed:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = run()
    except KeyboardInterrupt:
        # Before it was made ready to tell of one.
        return 130
    # From here on a signal would only be told with a trace.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    # As would be the last looks, when Python ends.
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(main())
