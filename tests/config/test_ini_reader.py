"""almajob.ini is read without guesses, and no error quotes what stands in it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.config import ini_reader
from almajob.config.ini_reader import Ini
from almajob.config.ini_text import TOP
from almajob.errors import ConfigurationError
from almajob.text.redaction import redact
from tests.conftest import Run
from tests.support.fake_alma import KEY

Write = Callable[..., Path]


def _texts(found: Ini) -> dict[str, dict[str, str]]:
    return {
        section: {name: value.key.reveal() if value.key else value.text for name, value in values.items()}
        for section, values in found.sections.items()
    }


def test_sections_comments_and_line_numbers(write_ini: Write) -> None:
    """Both comment signs, at the start or after a blank; every value knows its line."""
    found = ini_reader.read(
        write_ini(
            "; first\n[almajob]\nenv = sandbox   ; used when --env is not given\n\n# second\n"
            "[sandbox] ; the [copy]\nAPI_KEY = l7xx;0#1 # mine\n  region=na\nbase_url = http://127.0.0.1:1/#x\n"
        )
    )
    assert _texts(found) == {
        TOP: {},
        "almajob": {"env": "sandbox"},
        "sandbox": {"api_key": "l7xx;0#1", "region": "na", "base_url": "http://127.0.0.1:1/#x"},
    }
    assert found.sections["sandbox"]["region"].line == 8
    assert found.sections["almajob"]["env"].source.endswith("almajob.ini, line 3")


def test_the_predecessors_ini_has_no_section_and_may_have_quotes(write_ini: Write) -> None:
    """As PHP reads it: quotes around a value, a byte order mark, Windows line ends."""
    found = ini_reader.read(write_ini(f"\ufeffapi_key_sandbox = \"{KEY}\"\r\ndomain = 'na'\r\n"))
    assert _texts(found)[TOP] == {"api_key_sandbox": KEY, "domain": "na"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('x = "a # b"', "a # b"),
        ("x = 'a ; b' ; a comment", "a ; b"),
        ('x = "a" # b"', "a"),
        ('x = "a"b # c', '"a"b'),
        ('x = "a";c', '"a";c'),
        ('x = "a # b', '"a'),
        ("x = it's # c", "it's"),
        ('x = "" ; empty', ""),
        ("X = a = 'b' # c", "a = 'b'"),
    ],
)
def test_in_quotes_a_comments_sign_is_a_part_of_the_value(write_ini: Write, line: str, value: str) -> None:
    """Where the quotes are around all of it; elsewhere it is read as it always was."""
    assert _texts(ini_reader.read(write_ini(f'[a]\n; y = "z"\n{line}\n')))["a"] == {"x": value}


def test_a_long_line_of_blanks_is_read_at_once(write_ini: Write) -> None:
    """In a time that grows with its length alone, or this would take an hour."""
    assert _texts(ini_reader.read(write_ini(f"[a]\n{' ' * 500_000}x{' ' * 500_000}= 1\n")))["a"] == {"x": "1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[sandbox]\napi_key {KEY}\n", "line 2 is neither a [section] nor name = value"),
        (f"[sandbox]\napi_key = {KEY}\napi_key = {KEY}\n", "line 3 repeats a setting"),
        (f"[sandbox]\n{KEY} = 1\n{KEY} = 2\n", "line 3 repeats a setting"),
        ("[sandbox]\nregion = na\n[sandbox]\n", "line 3 repeats the heading"),
        (f"= {KEY}\n", "line 1 is neither a [section] nor name = value"),
        (f"[sandbox\napi_key = {KEY}\n", "line 1 is neither a [section] nor name = value"),
        ("\0", "is not a configuration file"),
        ("x" * (2**20 + 1), "is not a configuration file"),
    ],
)
def test_what_is_no_ini_is_refused_with_its_line(write_ini: Write, text: str, message: str) -> None:
    """File, line and the setting's name; never the content of the line."""
    with pytest.raises(ConfigurationError) as caught:
        ini_reader.read(write_ini(text))
    assert message in str(caught.value)
    assert "almajob.ini" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("sign", "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
@pytest.mark.parametrize("text", ["# a comment{}api_key_command = touch ran", "region = na{} ", "{}x = y"])
def test_what_ends_a_line_for_some_programs_only_is_refused(
    write_ini: Write, almajob: Run, text: str, sign: str
) -> None:
    """Exit code 7, with the line: what an editor shows as a comment is no setting; no command is run."""
    write_ini(f"[sandbox]\nbase_url = http://127.0.0.1:9\n{text.format(sign)}\n")
    done = almajob("--env", "sandbox", "list")
    assert done.code == 7
    assert f"almajob.ini, line 3 has a character (U+{ord(sign):04X})" in done.err
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("line", "is_hidden"),
    [
        ("api_key = {}", True),
        ("  API_Key={} ; a comment", True),
        ("api_key = ' {} '", True),
        ("apikey = {}", True),
        ("api-key = {}", True),
        ("api_key_sandbox = '{}'", True),
        ("api_key = {}\napi_key = {}", True),
        ("[a section", False),
        ("api_key = {}\n[a section", True),
        ("key = {}", False),
        ("api_key {}", False),
        ("api_key_file = {}", False),
        ("api_key_command = {}", False),
        ("no_api_key = {}", False),
    ],
)
def test_every_key_that_is_read_is_hidden_from_then_on(line: str, is_hidden: bool) -> None:
    """Whichever environment's, in whichever section, and where the file turns out to be no ini."""
    key = "odd-Canary.of~an/ini"
    with contextlib.suppress(ConfigurationError):
        ini_reader.parse(Path("x.ini"), line.replace("{}", key))
    assert redact(f"<{key}>") == ("<(hidden)>" if is_hidden else f"<{key}>")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o622])
@pytest.mark.parametrize("text", ["[sandbox]\napi_key", "api_key_sandbox", "api_key_production"])
def test_a_file_with_a_key_that_others_can_use_is_refused(write_ini: Write, text: str, mode: int) -> None:
    """As ssh does, with the chmod that cures it; in the older form, too."""
    with pytest.raises(ConfigurationError, match=f"mode {mode:04o}") as caught:
        ini_reader.read(write_ini(f"{text} = {KEY}\n", mode))
    assert "It holds an API key" in str(caught.value)
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize(
    "line", ["region = na", "api_key_file = x", "api_key_command = x", "api_key_keyring = yes"]
)
@pytest.mark.parametrize(("mode", "refused"), [(0o644, False), (0o600, False), (0o664, True), (0o666, True)])
def test_a_file_without_a_key_may_be_read_but_not_changed(
    write_ini: Write, line: str, mode: int, refused: bool
) -> None:
    """Who can change it decides where keys are sent; where a key is kept is no key."""
    path = write_ini(f"[sandbox]\n{line}\n", mode)
    if refused:
        with pytest.raises(ConfigurationError, match="chmod go-w"):
            ini_reader.read(path)
    else:
        assert list(_texts(ini_reader.read(path))["sandbox"]) == [line.partition(" ")[0]]


def test_a_file_of_somebody_else_is_refused(write_ini: Write) -> None:
    """Unless it is root's: whoever owns it could send the key elsewhere."""
    path = write_ini("[sandbox]\nregion = na\n")
    found = list(path.stat())
    for owner, refused in ((os.geteuid(), False), (0, False), (4711, True)):
        found[stat.ST_UID] = owner
        if refused:
            with pytest.raises(ConfigurationError, match="another user"):
                ini_reader.refuse_open_file(path, os.stat_result(found), holds_key=False)
        else:
            ini_reader.refuse_open_file(path, os.stat_result(found), holds_key=False)


@given(
    st.text(max_size=200)
    | st.just("[sandbox]\napi_key = \udce9\n")
    | st.lists(
        st.sampled_from(["[a]", "[b]", "x = 1", "x=2;c", " y", "=", "[", "]", "# z", "\r", "[a] ; [b]"])
    ).map("\n".join)
)
def test_any_text_is_an_ini_or_an_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """No text makes the reader fail in another way, nor what is none: Latin-1, or a picture."""
    path = tmp_path_factory.getbasetemp() / "any.ini"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    path.chmod(0o600)
    try:
        found = ini_reader.read(path)
    except ConfigurationError:
        return
    for section in found.sections.values():
        for value in section.values():
            assert value.line > 0
