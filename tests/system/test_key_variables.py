"""Variables that hold keys are there for almajob, and not for what it starts."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from almajob.system import key_variables
from almajob.text.redaction import redact

ONE = "ALMAJOB_API_KEY_SANDBOX"


def test_a_key_is_taken_out_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile almajob itself still sees it, and everything else."""
    monkeypatch.setenv(ONE, "an-odd-key-of-a-test")
    monkeypatch.setenv("ALMAJOB_API_KEY", "is no key: it names no environment")
    before = dict(os.environ)
    with key_variables.keys_taken_out():
        assert ONE not in os.environ
        assert dict(os.environ) == {name: value for name, value in before.items() if name != ONE}
        assert dict(key_variables.environ()) == before
    assert dict(os.environ) == dict(key_variables.environ()) == before
    # Whatever happens: whoever embeds almajob calls it again.
    with pytest.raises(KeyboardInterrupt), key_variables.keys_taken_out():
        raise KeyboardInterrupt
    assert dict(os.environ) == before


def test_an_inner_use_takes_nothing_and_puts_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a command runs almajob itself."""
    monkeypatch.setenv(ONE, "x")
    with key_variables.keys_taken_out():
        with key_variables.keys_taken_out():
            assert key_variables.environ()[ONE] == "x"
        assert ONE not in os.environ
        assert key_variables.environ()[ONE] == "x"


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
    assert key_variables.environ()[ONE] == ("y" if is_set_again else "x")
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
                seen.append((ONE in os.environ, key_variables.environ()[ONE]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert set(seen) == {(False, "x")}
    assert dict(os.environ) == dict(key_variables.environ()) == before


def test_every_key_of_a_variable_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of an environment that is not used, and one that another program left a line break behind."""
    monkeypatch.setenv("ALMAJOB_API_KEY_OTHER", "an-odd-key-of-a-test\n")
    with key_variables.keys_taken_out():
        assert redact("It is an-odd-key-of-a-test.") == "It is (hidden)."
