"""Variables that hold keys are there for almajob, and not for what it starts."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from almajob.system import key_variables
from almajob.text.redaction import Secret, redact

ONE = "ALMAJOB_API_KEY_SANDBOX"


def test_a_key_is_taken_out_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile almajob itself still has it, without showing it, and everything else."""
    monkeypatch.setenv(ONE, "an-odd-key-of-a-test")
    monkeypatch.setenv("ALMAJOB_API_KEY", "is no key: it names no environment")
    before = dict(os.environ)
    with key_variables.keys_taken_out():
        assert ONE not in os.environ
        assert dict(os.environ) == {name: value for name, value in before.items() if name != ONE}
        assert dict(key_variables.environ()) == {**before, ONE: "(hidden)"}
        assert key_variables.environ().key(ONE) == Secret("an-odd-key-of-a-test")
    assert dict(os.environ) == before
    assert dict(key_variables.environ()) == {**before, ONE: "(hidden)"}
    # Whatever happens: whoever embeds almajob calls it again.
    with pytest.raises(KeyboardInterrupt), key_variables.keys_taken_out():
        raise KeyboardInterrupt
    assert dict(os.environ) == before


def test_an_inner_use_takes_nothing_and_puts_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a command runs almajob itself."""
    monkeypatch.setenv(ONE, "x")
    with key_variables.keys_taken_out():
        with key_variables.keys_taken_out():
            assert key_variables.environ().key(ONE) == Secret("x")
        assert ONE not in os.environ
        assert key_variables.environ().key(ONE) == Secret("x")


@pytest.mark.parametrize("is_set_again", [False, True])
def test_it_is_put_back_when_the_last_one_has_ended(
    monkeypatch: pytest.MonkeyPatch, is_set_again: bool
) -> None:
    """As of two threads, of which the one that began first ends first."""
    monkeypatch.setenv(ONE, "x")
    first, second = ExitStack(), ExitStack()
    first.enter_context(key_variables.keys_taken_out())
    if is_set_again:
        monkeypatch.setenv(ONE, "y")
    second.enter_context(key_variables.keys_taken_out())
    first.close()
    assert ONE not in os.environ
    assert key_variables.environ().key(ONE) == Secret("y" if is_set_again else "x")
    second.close()
    assert os.environ[ONE] == ("y" if is_set_again else "x")


def test_many_threads_leave_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is lost, however they overlap; and none is there while one of them runs."""
    monkeypatch.setenv(ONE, "x")
    before = dict(os.environ)
    seen = []

    def work(_number: int) -> None:
        for _time in range(50):
            with key_variables.keys_taken_out():
                seen.append((ONE in os.environ, key_variables.environ().key(ONE)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert set(seen) == {(False, Secret("x"))}
    assert dict(os.environ) == before


def test_every_key_of_a_variable_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of an environment that is not used, and one that another program left a line break behind."""
    monkeypatch.setenv("ALMAJOB_API_KEY_OTHER", "an-odd-key-of-a-test\n")
    with key_variables.keys_taken_out():
        assert redact("It is an-odd-key-of-a-test.") == "It is (hidden)."


def test_variables_that_somebody_gives_are_hidden_alike() -> None:
    """They can be listed, and printed as a whole; an empty key is none."""
    given = key_variables.hide_keys({ONE: "an-odd-key-of-a-test", "ALMAJOB_API_KEY_X": "", "HOME": "/"})
    assert dict(given) == {ONE: "(hidden)", "ALMAJOB_API_KEY_X": "(hidden)", "HOME": "/"}
    assert (len(given), repr(given)) == (3, "Variables(hidden)")
    assert given.key(ONE) == Secret("an-odd-key-of-a-test")
    assert given.key("ALMAJOB_API_KEY_X") is None
    assert key_variables.hide_keys(given) is given


@pytest.mark.parametrize(
    ("names", "secrets"),
    [
        ((), {}),
        (("ALMAJOB_PLUGIN_HELLO__",), {"ALMAJOB_PLUGIN_HELLO__TOKEN": "a-token-of-a-test"}),
        ((ONE,), {ONE: "an-odd-key-of-a-test"}),
    ],
)
@pytest.mark.parametrize("is_taken_out", [False, True])
def test_a_child_gets_the_secrets_that_are_for_it(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], secrets: dict[str, str], is_taken_out: bool
) -> None:
    """And none of the others, whether or not they are taken out here; an empty one is none."""
    monkeypatch.setattr("os.environ", {"HOME": "/"})
    monkeypatch.setenv(ONE, "an-odd-key-of-a-test")
    monkeypatch.setenv("ALMAJOB_PLUGIN_HELLO__TOKEN", "a-token-of-a-test")
    monkeypatch.setenv("ALMAJOB_PLUGIN_HELLO__EMPTY", "")
    monkeypatch.setenv("ALMAJOB_PLUGIN_OTHER__TOKEN", "another-token")
    with key_variables.keys_taken_out() if is_taken_out else ExitStack():
        assert key_variables.list_for_child(*names) == {"HOME": "/", **secrets}


def test_the_variable_of_a_plugin_s_secret_can_be_set_in_a_shell() -> None:
    """Its name begins as those of all secrets of the plugin do, and of no other plugin."""
    name = key_variables.name_plugin_variable("almajob-sets.report", "api_token")
    assert name == "ALMAJOB_PLUGIN_ALMAJOB_SETS_REPORT__API_TOKEN"
    assert name.startswith(key_variables.name_plugin_variable("almajob-sets.report"))
    for other in ("almajob-sets-rep", "almajob-sets"):
        assert not name.startswith(key_variables.name_plugin_variable(other))


def test_the_secrets_of_notifications_are_almajobs_own() -> None:
    """Their variables begin alike, and only almajob's own observer gets them."""
    name = key_variables.name_notify_variable("ops-mail", "password")
    assert name == "ALMAJOB_NOTIFY_OPS_MAIL__PASSWORD"
    assert name.startswith(tuple(key_variables.list_secret_variables("almajob")))
    assert not name.startswith(tuple(key_variables.list_secret_variables("almajob-sets")))
