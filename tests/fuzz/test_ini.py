"""Any text is an ini, or an error that says where it is wrong and does not quote a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from almajob.config import ini_reader, ini_sections, ini_text
from almajob.config.ini_reader import Ini, Setting
from almajob.config.settings import Settings
from almajob.errors import ConfigurationError
from tests.fuzz.choices import NASTY, Choices
from tests.fuzz.trials import tried

SECRET = "l7xxSECRETSECRET"
PATH = Path("almajob.ini")
LINES = (
    *("[sandbox]", "[production]", "[almajob]", "[job:M44]", "[run:daily]", "[lab]", "[demo]", "[Almajob]"),
    *("[", "]", "[run:]", "[job:]", "[a b]", "[]", "[[x]]", "[sandbox] ; x", f"api_key = {SECRET}"),
    *(f'api_key = "{SECRET}"', f"api_key {SECRET}", SECRET, f"{SECRET} = 1", f"api_key_sandbox = {SECRET}"),
    *(f"API_KEY: {SECRET}", f"api_key = '{SECRET}", f"  api_key={SECRET} # x", f"api_keys = {SECRET}"),
    *(f"domain = na {SECRET}", "region = na", "region = moon", "domain = eu"),
    *("base_url = http://127.0.0.1:1", "base_url = https://[", "= x", "base_url = http://a..b"),
    *("base_url = https://x:99999", "kind = sandbox", "kind = x", "deadline = 1e99", "tag="),
    *("deadline = nan", "read_timeout = 5", "tag = maybe", "sole_starter = yes", "accept = FAILED, x"),
    *("accept =", "env = sandbox", "env = production", "cache_dir =", "cache_dir = ~x", "job = ERP"),
    *("job@sandbox = M1", "param.set_id = 1", "param. = 1", "param.A@b = 2", "PARAM.x = 3", "set = x"),
    *("once_per = day", "xml = yes", "a", "read_only = on", "# x", "; x", "", "  continued", "x = 1"),
    *("X = 2", "x@Y = 2", "\ufeff[sandbox]", "é = ß"),
)
ENVIRONMENT: Mapping[str, Sequence[str]] = {
    "api_key": (SECRET, f"'{SECRET}'", f'"{SECRET} # x"'),
    "region": ("na", "EU", "cn", "moon", ""),
    "kind": ("sandbox", "production", "", SECRET),
    "base_url": (
        *("http://127.0.0.1:1/x", "https://x", "http://[::1]:80", "https://[::1", "https://x:99999"),
        *(
            "http://x",
            "https://a..b",
            "https://u@x",
            "https://x?y",
            "https://\u0130.x",
            "ftp://x",
            "",
        ),
    ),
    "deadline": ("5", "1e99", "nan", "-1", "0.1", "3600", "9" * 400, "٣"),
    "calls_per_second": ("15", "0.1", "nan", "1001", "x"),
    "burst": ("1", "5.5", "1e3", "inf"),
    "quota_floor": ("0", "1e9", "1e99"),
    "accept": ("COMPLETED_FAILED", "x, y", "Failed", SECRET),
    "tag": ("yes", "no", "maybe"),
    "read_only": ("ON", "0", "2"),
}
SECTIONS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "almajob": {"env": ("sandbox", "lab", "production", "x"), "cache_dir": ("~/x", "", "/x")},
    "job:M44": {"accept": ("COMPLETED_FAILED", "Completed with Errors, FAILED", "RUNNING", ",")},
    "run:daily": {"job": ("ERP", "M44"), "param.set_id": ("1",), "set@lab": ("x",), "once_per": ("day",)},
    "sandbox": ENVIRONMENT,
    "production": ENVIRONMENT,
    "lab": ENVIRONMENT,
}
"""What an ini may have, with values that are right and others."""
ENDS = ("\n", "\n", "\n", "\r\n", "\r", "\x0b", "\x1c", "\x85", "\u2028", " ", "")


def _text(data: bytes) -> str:
    choices = Choices(data)
    how = choices.below(4)
    if how == 0:
        return choices.rest.decode("utf-8", "replace")
    if how == 1:
        lines = choices.some_of(LINES, 12)
        return "".join(
            line + choices.one_of(ENDS) + choices.one_of(NASTY) * (choices.below(6) == 5) for line in lines
        )
    lines = []
    for section in dict.fromkeys(choices.some_of(tuple(SECTIONS), 4)):
        names = dict.fromkeys(choices.some_of(tuple(SECTIONS[section]), 6))
        lines += [f"[{section}]", *(f"{name} = {choices.one_of(SECTIONS[section][name])}" for name in names)]
    if how == 2 and lines:
        # One line that does not belong there.
        lines.insert(choices.below(len(lines)), choices.one_of(LINES))
    return "\n".join(lines)


def _may_quote(found: Ini) -> bool:
    """Whether what looks like a key stands where nobody has one: in a heading, or as a kind."""
    named = {"kind", "accept"}
    return any(
        SECRET.casefold() in section.casefold()
        or any(SECRET in value.text for name, value in values.items() if name in named)
        for section, values in found.sections.items()
    )


@tried()
def test_any_text_is_an_ini_or_an_error(data: bytes) -> None:
    """Read, sorted, and each environment made of it; every value knows its line, no error quotes a key."""
    text = _text(data)
    found = None
    try:
        found = ini_reader.parse(PATH, text)
        lines = len(text.splitlines())
        assert all(0 < value.line <= lines for values in found.sections.values() for value in values.values())
        settings = _settings(found)
        settings.accept_of_jobs()
        for name in settings.environment_names():
            settings.environment(name)
    except ConfigurationError as error:
        assert len(str(error).splitlines()) <= 6
        assert SECRET.casefold() not in str(error).casefold() or (found is not None and _may_quote(found))


def _settings(found: Ini) -> Settings:
    sorted_ = ini_sections.sort_sections(found)
    nowhere = Setting("/nowhere", "default")
    return Settings(found, None, nowhere, nowhere, sorted_.environments, sorted_.jobs, sorted_.runs)


@tried(2000)
def test_any_text_is_a_file_of_saved_runs_or_an_error(data: bytes) -> None:
    """As those of runs.d."""
    try:
        runs, _notes = ini_sections.read_runs(ini_reader.parse(PATH, _text(data)))
    except ConfigurationError:
        return
    assert not any(ini_sections.run_name_problem(name) for name in runs)


@tried(3000)
def test_what_is_quoted_is_read_back(data: bytes) -> None:
    """Any value that a line can hold, beside others; what none can hold is refused, and only that."""
    choices = Choices(data)
    text = choices.text((*NASTY, ";", "#", " ;", " #", "'", '"', "a", "b", "=", "]", "[x]"))
    written = ini_text.quote_value(text)
    if written is None:
        needs_quotes = text != text.strip() or text[:1] in "\"'" or any(sign in text for sign in ";#")
        assert (
            len(text.splitlines()) != 1
            or text.splitlines() != [text]
            or (needs_quotes and {*"\"'"} <= {*text})
        )
        return
    found = ini_reader.parse(PATH, f"[a]\nx = {written}\n[b]\nx = 1\n").sections
    assert {name: {key: value.text for key, value in values.items()} for name, values in found.items()} == {
        ini_text.TOP: {},
        "a": {"x": text},
        "b": {"x": "1"},
    }
