"""An ini is changed in one place, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from almajob.config import ini_reader as ini_file
from almajob.config.ini_reader import Ini
from almajob.config.ini_text import TOP, change_setting
from almajob.errors import ConfigurationError

PATH = Path("almajob.ini")


def _edited(text: str, section: str, setting: str, value: str, instead_of: str | None = None) -> str:
    return change_setting(text, section, setting, value, instead_of=instead_of)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # The value alone changes: indents, blanks, capitals, comments and line ends stay.
        ("[a]\napi_key = old\nregion = na\n", "[a]\napi_key = NEW\nregion = na\n"),
        ("[a]\r\n\tAPI_Key=old  ; of Bob\r\nregion=na", "[a]\r\n\tAPI_Key=NEW  ; of Bob\r\nregion=na"),
        ("[a]\napi_key =\n", "[a]\napi_key = NEW\n"),
        ("[a]\napi_key = # none yet\n", "[a]\napi_key = NEW # none yet\n"),
        ("[a]\napi_key = 'old ; it' ; of Bob\n", "[a]\napi_key = NEW ; of Bob\n"),
        ("[a]\napi_key = old", "[a]\napi_key = NEW"),
        # Of two sections the one that is meant, although a comment looks like it.
        ("; [a]\n[b]\napi_key = b\n[a]\napi_key = old\n", "; [a]\n[b]\napi_key = b\n[a]\napi_key = NEW\n"),
        # Added behind the last setting; the comments before the next section belong to that.
        ("[a]\nregion = na\n\n; of b\n[b]\n", "[a]\nregion = na\napi_key = NEW\n\n; of b\n[b]\n"),
        ("[a] ; empty\n; of b\n[b]\n", "[a] ; empty\napi_key = NEW\n; of b\n[b]\n"),
        ("[a]\r\nregion = na", "[a]\r\nregion = na\r\napi_key = NEW\r\n"),
        # Made at the end.
        ("[b]\nregion = na", "[b]\nregion = na\n\n[a]\napi_key = NEW\n"),
        ("", "[a]\napi_key = NEW\n"),
    ],
)
def test_only_the_place_of_the_setting_changes(before: str, after: str) -> None:
    """As an editor would do it."""
    assert _edited(before, "a", "api_key", "NEW") == after


def test_a_line_can_be_given_to_another_setting() -> None:
    """With its indent and its comment."""
    text = "[a]\n  api_key  =  old # of Bob\nregion = na\n"
    assert (
        _edited(text, "a", "api_key_keyring", "yes", "api_key")
        == "[a]\n  api_key_keyring  =  yes # of Bob\nregion = na\n"
    )


def test_what_stands_before_any_section_can_be_changed_and_added_to() -> None:
    """As the older script has it."""
    text = "; mine\napi_key_sandbox = old\ndomain = na\n\n[b]\n"
    assert _edited(text, TOP, "api_key_sandbox", "NEW") == text.replace("old", "NEW")
    assert _edited(text, TOP, "api_key_production", "NEW") == text.replace(
        "domain = na\n", "domain = na\napi_key_production = NEW\n"
    )


NAMES = st.sampled_from(["a", "b", "api_key", "region", "deadline"])
VALUES = st.sampled_from(["", "old", "'x ; y'", '"q"', "a;b", "l7xx # no", "x = y"])
LINES = st.one_of(
    st.builds("{} = {}{}".format, NAMES, VALUES, st.sampled_from(["", " ; c", "  "])),
    st.builds("\t{}={}".format, NAMES, VALUES),
    st.builds("[{}]{}".format, st.sampled_from(["a", "b", "c"]), st.sampled_from(["", " ; c"])),
    st.sampled_from(["", "; comment", "# [a]", "   "]),
)


def _texts(ini: Ini) -> dict[str, dict[str, str]]:
    return {
        heading: {name: value.key.reveal() if value.key else value.text for name, value in section.items()}
        for heading, section in ini.sections.items()
    }


@given(
    lines=st.lists(LINES, max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    is_ended=st.booleans(),
    section=st.sampled_from(["a", "c", TOP]),
)
def test_all_else_is_read_as_before(lines: list[str], end: str, is_ended: bool, section: str) -> None:
    """Whatever the ini is like; and no line but the one of the setting is another."""
    text = end.join(lines) + (end if is_ended else "")
    try:
        before = ini_file.parse(PATH, text)
    except ConfigurationError:
        reject()
    new = change_setting(text, section, "api_key", "l8xx0123")
    wanted = _texts(before)
    wanted.setdefault(section, {})["api_key"] = "l8xx0123"
    assert _texts(ini_file.parse(PATH, new)) == wanted
    was_there = "api_key" in before.sections.get(section, {})
    assert len(set(text.splitlines()) - set(new.splitlines())) <= was_there
