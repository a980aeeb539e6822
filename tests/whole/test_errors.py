"""The table of exit codes is the errors', and the errors say what to do."""

from __future__ import annotations

import pytest

from almajob import errors
from almajob.errors import EXIT_CODES, AlmajobError, AlmaRefused, Refused
from almajob.text.redaction import Secret


def _classes(of: type[AlmajobError]) -> list[type[AlmajobError]]:
    return [of, *(below for child in of.__subclasses__() for below in _classes(child))]


def test_every_error_has_a_code_of_the_table() -> None:
    """And every code from 1 to 10 has an error."""
    codes = {kind.exit_code for kind in _classes(AlmajobError)}
    assert codes <= set(EXIT_CODES)
    assert codes == set(range(1, 11))


def test_an_error_is_at_most_six_lines_and_ends_with_almas_words() -> None:
    """What, why, what to do, and in brackets what Alma said."""
    shown = str(
        AlmaRefused(
            "What.",
            reason="Why.",
            hint="Do this.\nOr that.",
            code="402216",
            text="Invalid job id.",
            tracking_id="E01-x",
            http_status=400,
        )
    )
    assert shown.splitlines() == [
        *("What.", "  Why.", "  Do this.", "  Or that."),
        "  [Alma: 402216 Invalid job id.; HTTP 400; tracking id E01-x]",
    ]
    assert str(Refused("What.")) == "What."


def test_an_error_has_no_key_in_any_part() -> None:
    """Taken out before a line is cut, as half a key is not known as one; also for who reads the parts."""
    key = "odd-Canary.of~a/test"
    Secret(key)
    error = AlmajobError(f"a{key}", reason=f"b{key}", hint=f"c{key}\nd{key}", alma=f"e{key}")
    assert (error.message, error.reason, error.hint) == ("a(hidden)", "b(hidden)", "c(hidden)\nd(hidden)")
    assert (error.alma, error.args) == ("e(hidden)", ("a(hidden)",))
    assert str(AlmajobError("x" * 596 + key)) == "x" * 596 + "(hid …"


def test_what_comes_from_elsewhere_cannot_stretch_an_error() -> None:
    """An alert of many lines, or of many characters, or with escapes."""
    shown = str(
        Refused("What\x1b[2J", reason="a\nb\n" * 10 + "c" * 10_000, hint="1\n2\n3\n4", alma="x\ny" * 999)
    )
    assert len(shown.splitlines()) <= 6
    assert len(shown) < 2500
    assert "\x1b" not in shown


@pytest.mark.parametrize("kind", _classes(AlmajobError))
def test_every_error_says_what_it_is_for(kind: type[AlmajobError]) -> None:
    """In its docstring."""
    assert kind.__doc__
    assert errors.__doc__


def test_an_error_with_other_parts_is_another_of_the_same_kind() -> None:
    """With the same cause, from the same place, and without a key; the first one stays as it is."""
    canary = "l7xx0123456789abcdef0123456789abcd"
    Secret(canary)
    try:
        try:
            raise OSError("the cable")
        except OSError as cause:
            raise AlmaRefused("No.", code="1", text="x", tracking_id="", http_status=400) from cause
    except AlmaRefused as refused:
        other = refused.replace(hint=f"Use {canary}.", record="kept", is_retry_safe=False)
        assert (type(other), other.code, other.message, str(other.args)) == (
            AlmaRefused,
            "1",
            "No.",
            "('No.',)",
        )
        assert (other.hint, other.record, other.is_retry_safe) == ("Use (hidden).", "kept", False)
        assert (other.__cause__, other.__traceback__) == (refused.__cause__, refused.__traceback__)
        assert (refused.hint, refused.record, refused.is_retry_safe) == ("", None, True)
