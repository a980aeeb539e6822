"""``docs/almajob.1``: the manual page, in the macros of man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from almajob import __version__
from almajob.cli.app import _SHORT_HELP
from almajob.errors import EXIT_CODES
from tests.tools.reference import GENERAL, OUTPUT, Command, Group, Option, read, split_at_options

_DESCRIPTION = (
    "almajob lists, runs and follows the jobs of Ex Libris Alma (exports, publishing, ERP and bursar feeds, "
    "changes of records) by hand and from cron, in a sandbox and in production.",
    "A job is never started twice: a start is written to a ledger on disk before it is sent, is sent once, "
    "and is looked for where its answer is lost. A job that failed is never called a success. Nothing "
    "defaults to production.",
    "Results go to stdout, everything else to stderr. --env demo is a built-in simulator of Alma, which "
    "needs neither a key nor a configuration file.",
)
_ENVIRONMENT = {
    "ALMAJOB_ENV": "The environment where --env names none.",
    "ALMAJOB_INI": "The configuration file, if --ini-file names none.",
    "ALMAJOB_CACHE_DIR": "The cache directory, if --cache-dir names none; wins over cache_dir of the "
    "configuration file.",
    "ALMAJOB_STATE_DIR": "The directory of the ledger of starts, and of the demo's world.",
    "ALMAJOB_LEDGER": "The PostgreSQL database of the ledger, such as postgresql://USER@HOST/DATABASE; or "
    "directory, for the state directory. Wins over ledger of the configuration file.",
    "ALMAJOB_LEDGER_PASSWORD": "The password of that database. In the configuration file, "
    "ledger_password_command, ledger_password_file and ledger_password_keyring win over it.",
    "ALMAJOB_API_KEY_<ENV>": "The API key of an environment, such as ALMAJOB_API_KEY_SANDBOX; any sign "
    "but letters and digits becomes _. In the configuration file, api_key_command and api_key_file win "
    "over it.",
    "ALMAJOB_WEBHOOK_SECRET_<ENV>": "The secret of an environment's webhook messages; with __OLD added, the "
    "one before. In the configuration file, webhook_secret_command, webhook_secret_file and "
    "webhook_secret_keyring win over it.",
    "ALMAJOB_DEMO_SECONDS": "How long a job of the demo runs, in seconds.",
    "ALMAJOB_NOTIFY_<NAME>__<SETTING>": "A secret of a section [notify:NAME]; any sign but letters and "
    "digits becomes _.",
    "ALMAJOB_EVENT_<FACT>": "Set for the program of a section [notify:NAME] with type = command.",
    "ALMAJOB_PLUGIN_<PLUGIN>__<NAME>": "A secret in the settings of a plugin; any sign but letters and "
    "digits becomes _. In the configuration file, NAME_command, NAME_file and NAME_keyring win over it.",
    "ALMAJOB_PLUGINS": "With none, no plugin is listed, loaded or used.",
    "ALMAJOB_READ_ONLY": "With 1, nothing is started and nothing is changed in Alma.",
    "CREDENTIALS_DIRECTORY": "Set by systemd; a file almajob_<env> there is an environment's key, and "
    "almajob_ledger_password the password of the ledger's database.",
    "XDG_CONFIG_HOME, XDG_CACHE_HOME, XDG_STATE_HOME": "Absolute paths, instead of ~/.config, ~/.cache and "
    "~/.local/state below.",
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE": "How Alma is reached from behind a "
    "proxy, and the certificate of one that looks into the traffic.",
    "TZ": "The time zone of times in tables, and of the hours and days of --once-per.",
    "TERM, NO_COLOR": "No bars and no colours where TERM is dumb, no colours where NO_COLOR is set.",
    "CLIFF_MAX_TERM_WIDTH, CLIFF_FIT_WIDTH": "What holds where --max-width and --fit-width are not given.",
}
_FILES = {
    "./almajob.ini, ~/.config/almajob/almajob.ini, /etc/almajob/almajob.ini": "The configuration file: the "
    "first of these that exists, unless --ini-file or ALMAJOB_INI names one. See config trust for what one "
    "in the current directory may do without trust. If there is a key in it, only its owner may be able to "
    "read it. almajob.ini.sample, in share/almajob, explains every setting.",
    "runs.d/*.ini": "Saved runs, beside the configuration file, as run --save writes them.",
    "~/.cache/almajob": "The cache: job lists and the status table, for a day, in the directories "
    ".cache.jobs.<env> and .cache.codetable.systemJobStatus. They can be removed at any time.",
    "~/.local/state/almajob/trusted": "The files that were trusted with config trust.",
    "~/.local/state/almajob/ledger": "The ledger of starts. Keep it: without it a job could start twice.",
}
_SEE_ALSO = (
    "crontab(5), and systemd.exec(5) on credentials. README.md and docs/ in almajob's sources tell more. "
    "API keys are made at https://developers.exlibrisgroup.com/manage/keys/."
)


def text() -> str:
    """Write the page."""
    found = read()
    usages = (("[global options]", "command", "[options]"), ("help", "[command]"), ("--version",))
    sections = {
        "NAME": ["almajob \\- list, run and follow the jobs of Ex Libris Alma"],
        "SYNOPSIS": [line for usage in usages for line in _synopsis("almajob", usage)],
        "DESCRIPTION": _paragraphs(_DESCRIPTION),
        "COMMANDS": [line for command in found.commands for line in _command(command)],
        "OPTIONS": [
            *(".SS Global options", *_paragraphs([GENERAL]), *_options(found.general)),
            *(".SS Output options", *_paragraphs([OUTPUT]), *_options(found.output)),
        ],
        "EXIT STATUS": _items({str(code): meaning for code, meaning in EXIT_CODES.items()}),
        "ENVIRONMENT": _items(_ENVIRONMENT),
        "FILES": _items(_FILES),
        "EXAMPLES": [*_examples()],
        "SEE ALSO": _paragraphs([_SEE_ALSO]),
    }
    lines = [
        ".\\\" Generated from the commands' help by python -m tests.tools.generated_docs",
        # Words are not divided, not even after a synopsis, which brings that back; lines are not stretched.
        ".nr HY 0",
        f'.TH ALMAJOB 1 "" "almajob {__version__}" "User Commands"',
        ".nh",
        ".ad l",
    ]
    for title, body in sections.items():
        lines += [f".SH {title}", *body]
    return "\n".join(lines) + "\n"


def _command(command: Command) -> Iterator[str]:
    yield f".SS {escaped(command.name)}"
    yield from _paragraphs([command.summary])
    yield from _synopsis(f"almajob {command.name}", command.usage)
    yield from _paragraphs(command.text)
    yield from _groups(command.groups)
    if command.examples:
        yield from (".PP", "Examples:", *_verbatim(command.examples))


def _synopsis(name: str, pieces: Iterable[str]) -> Iterator[str]:
    yield f'.SY "{escaped(name)}"'
    # A line ends between two pieces, or two options that exclude each other; a full stop at an end of input
    # would end a sentence.
    yield " ".join(escaped(piece).replace(" ", "\\ ").replace("|\\ ", "| ") for piece in pieces)
    yield ".YS"


def _groups(groups: Iterable[Group]) -> Iterator[str]:
    for group in groups:
        yield from (".PP", f"{escaped(group.title)}:")
        yield from _options(group.options)


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        yield from (".TP", _called(option), _prose(option.help))


def _called(option: Option) -> str:
    names = ", ".join(map(_bold, option.names))
    return " ".join(filter(None, [names, _italic(option.value)]))


def _items(meanings: Mapping[str, str]) -> list[str]:
    return [line for name, what in meanings.items() for line in (".TP", _bold(name), _prose(what))]


def _examples() -> Iterator[str]:
    """Return those that almajob shows without a command."""
    for example, what in re.findall(r"^  (almajob .*?)  +(.+)$", _SHORT_HELP, re.MULTILINE):
        yield from _paragraphs([f"{what[0].upper()}{what[1:]}:"])
        yield from _verbatim([example])


def _verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield from (".PP", ".RS 4", ".EX", *map(escaped, lines), ".EE", ".RE")


def _paragraphs(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in (".PP", _prose(text))]


def _prose(text: str) -> str:
    """Write a paragraph, with the names of options in bold."""
    pieces = (_bold(piece) if is_option else _signs(piece) for is_option, piece in split_at_options(text))
    return _guarded("".join(pieces))


def _bold(text: str) -> str:
    return f"\\fB{_signs(text)}\\fP"


def _italic(text: str) -> str:
    return f"\\fI{_signs(text)}\\fP" if text else ""


def escaped(text: str) -> str:
    """Write plain text so that roff prints it as it is."""
    return _guarded(_signs(text))


def _guarded(line: str) -> str:
    """Keep a line from being taken for a request, or for a blank one."""
    return f"\\&{line}" if not line or line.startswith((".", "'")) else line


_SIGNS = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}


def _signs(text: str) -> str:
    """Write each sign that roff takes for another, or cannot read."""
    return "".join(_SIGNS.get(sign) or (sign if sign.isascii() else f"\\[u{ord(sign):04X}]") for sign in text)
