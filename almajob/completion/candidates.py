"""What can stand at the cursor: commands, options and their values, jobs and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from almajob.completion import local_values
from almajob.completion.grammar import Grammar, Value
from almajob.completion.local_values import Found, Places
from almajob.completion.parsed_words import ParsedWords

WORDS, FILES = "words", "files"
"""The two kinds of answers: candidates, or that the shell itself knows best which files there are."""

Answer = tuple[str, Found]

_FIND: dict[str, Callable[[Places, str, str], Found]] = {
    "JOB": local_values.jobs,
    "PROCESS_ID": lambda places, env, _: local_values.instances(places, env),
    "RUN": lambda places, env, _: [*local_values.instances(places, env), *local_values.runs(places, env)],
    "RUN|JOB": lambda places, env, beginning: [
        *local_values.instances(places, env),
        *local_values.runs(places, env),
        *local_values.jobs(places, env, beginning),
    ],
    "SET": local_values.sets,
    "KEY": lambda places, env, _: local_values.run_keys(places, env),
    "ENVIRONMENT": lambda places, *_: [(name, "environment") for name in places.environments],
    "ENVIRONMENTS": lambda places, _env, beginning: _list_environments(places, beginning),
    "STATUS": lambda *_: _statuses(),
    "END_STATUS": lambda *_: _ends(),
    "SAVED": lambda places, *_: _saved_runs(places),
    "NOTIFICATION": lambda places, *_: [(name, "notification") for name in places.notifications],
    "JOB|SAVED": lambda places, env, beginning: [
        *_saved_runs(places),
        *local_values.jobs(places, env, beginning),
    ],
}
"""Where values come from, by the word that stands for them in the help; a plugin may use these words.

Each is given where things are, the environment and the beginning of what is sought.
"""
# As they come with names that were copied from a page or a document; each is one character of a word.
_BLANKS = str.maketrans(
    dict.fromkeys("\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))), " ")
)
_ARE_FILES = {"FILE", "DIR", "@FILE"}


def find_candidates(
    grammar: Grammar, words: Sequence[str], beginning: str, environ: Mapping[str, str], env: str = ""
) -> Answer:
    """Return what can stand at the cursor.

    Args:
        words: those before the cursor, without the program's name.
        beginning: of the word at the cursor.
        env: the environment that is used where the words name none.

    Returns:
        The kind of the answer; and values that begin with what was typed, each with what it is.
    """
    before = ParsedWords(grammar, words)
    if before.awaited:
        return _values(before.awaited, before, beginning, environ, env)
    name, equals, value = beginning.partition("=")
    option = before.option(name) if equals else None
    if option and option.value:
        kind, found = _values(option.value, before, value, environ, env)
        return kind, [(f"{name}={text}", what) for text, what in found]
    if beginning.startswith("-"):
        return WORDS, _fitting(
            beginning, ((name, each.help) for each in before.options for name in each.names)
        )
    following = _fitting(beginning, before.next_words())
    argument = before.argument()
    if argument is None:
        return WORDS, following
    kind, found = _values(argument, before, beginning, environ, env)
    return kind, [*following, *found]


def _values(
    value: Value, before: ParsedWords, beginning: str, environ: Mapping[str, str], env: str
) -> Answer:
    if value.choices:
        return WORDS, _fitting(beginning, ((choice, "") for choice in value.choices))
    if value.word == "COMMAND":
        return WORDS, _fitting(beginning, before.commands())
    if value.word in _ARE_FILES:
        return FILES, []
    if value.word not in _FIND:
        return WORDS, []
    places = Places(environ, before.value_of("--ini-file"), before.value_of("--cache-dir"))
    environment = before.value_of("--env") or env or places.env
    if "," in environment or environment.startswith("@"):
        # What is there in any of several.
        environment = ""
    return WORDS, _fitting(beginning, _FIND[value.word](places, environment, beginning))


def _list_environments(places: Places, beginning: str) -> Found:
    """Name environments and groups; behind a comma, those that are not in the list yet."""
    before, comma, _rest = beginning.rpartition(",")
    found = [(name, "environment") for name in places.environments]
    found += [(f"@{name}", "group of environments") for name in places.groups]
    chosen = before.split(",")
    return [(f"{before}{comma}{name}", what) for name, what in found if name not in chosen]


def _saved_runs(places: Places) -> Found:
    return [(name, "saved run") for name in places.saved_runs]


def _statuses() -> Found:
    from almajob.alma.status_codes import STATUSES

    return [(code, description) for code, (description, _meaning) in STATUSES.items()]


def _ends() -> Found:
    from almajob.alma.status_codes import GOING_ON

    return [(code, what) for code, what in _statuses() if code not in GOING_ON]


def _fitting(beginning: str, found: Iterable[tuple[str, str]]) -> Found:
    """Keep what begins so, each once; and nothing that cannot be typed."""
    fitting: dict[str, str] = {}
    for text, what in found:
        if text.startswith(beginning) and text and (text.isprintable() or _is_printable(text)):
            fitting.setdefault(text, what)
    return list(fitting.items())


def _is_printable(text: str) -> bool:
    return text.translate(_BLANKS).isprintable()
