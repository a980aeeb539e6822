"""The lint of words finds what it is for, and leaves verbs alone."""

from __future__ import annotations

import ast

import pytest

from tests.tools.words import find_odd_docstrings, is_participle


@pytest.mark.parametrize("name", ["told", "_held", "listed", "known", "__sent"])
def test_a_bare_participle_is_found(name: str) -> None:
    """Whatever underscores stand before it."""
    assert is_participle(name)


@pytest.mark.parametrize("name", ["read", "set", "feed", "defer_signals", "is_held", "list_saved"])
def test_verbs_and_longer_names_are_none(name: str) -> None:
    """Some verbs look like participles, and a verb with an object may end in one."""
    assert not is_participle(name)


def test_docstrings_that_sound_translated_are_found() -> None:
    """Of modules, classes and functions; the help of a command is text for users."""
    source = '"""Give it."""\nclass A:\n    """Let it."""\n    def f(self):\n        """Givers may."""\n'
    command = 'class B(Lister):\n    """Say it."""\n'
    assert list(find_odd_docstrings(ast.parse(source + command))) == [1, 3]
