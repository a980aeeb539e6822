"""Alma's error bodies in every form that has been seen, as one typed error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.http.error_responses import ADVICE, Refusal, error_in, refusal_in
from almajob.errors import AlmaError, AlmaFailed, AlmaRefused, KeyRefused, NotAlma, QuotaUsedUp
from almajob.runs.evidence.start_outcome import REFUSAL_CODES
from almajob.text.redaction import Secret
from tests.support.fake_alma import error

HOST = "api-na.hosted.exlibrisgroup.com"
XML_ERROR = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<web_service_result xmlns="http://com/exlibris/urm/general/xmlbeans"><errorsExist>true</errorsExist>'
    "<errorList><error><errorCode>{code}</errorCode><errorMessage>{text}</errorMessage>{tracking}</error>"
    "</errorList></web_service_result>"
)


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "tracking"),
    [
        pytest.param(400, _json(error("402216")), AlmaRefused, "402216", True, id="A json"),
        pytest.param(
            400,
            XML_ERROR.format(code="402218", text="t", tracking="<trackingId>E01-x</trackingId>").encode(),
            AlmaRefused,
            "402218",
            True,
            id="B xml",
        ),
        pytest.param(
            400,
            _json(
                {"errorsExist": "true", "errorList": {"error": {"errorCode": "402215", "errorMessage": "m"}}}
            ),
            AlmaRefused,
            "402215",
            False,
            id="C an object for the list, text for the boolean, no result",
        ),
        pytest.param(
            400,
            _json(
                {"web_service_result": {"errorsExist": True, "errorList": {"error": {"errorCode": "402229"}}}}
            ),
            AlmaRefused,
            "402229",
            False,
            id="D wrapped",
        ),
        pytest.param(
            400,
            XML_ERROR.format(code="UNAUTHORIZED", text="API-key not defined", tracking="").encode(),
            KeyRefused,
            "UNAUTHORIZED",
            False,
            id="E gateway, xml",
        ),
        pytest.param(400, b"Invalid API Key", KeyRefused, "", False, id="F plain text"),
        pytest.param(
            401,
            b"<!doctype html><html><title>HTTP Status 401</title></html>",
            KeyRefused,
            "",
            False,
            id="G html of Alma's own host",
        ),
        pytest.param(
            429, _json(error("PER_SECOND_THRESHOLD")), AlmaRefused, "PER_SECOND_THRESHOLD", True, id="H rate"
        ),
        pytest.param(
            401,
            _json(
                {
                    "errorsExist": True,
                    "errorList": {"error": [{"errorCode": "UNAUTHORIZED", "errorMessage": ""}]},
                }
            ),
            KeyRefused,
            "UNAUTHORIZED",
            False,
            id="I cloud app",
        ),
        pytest.param(429, _json(error("DAILY_THRESHOLD")), QuotaUsedUp, "DAILY_THRESHOLD", True, id="daily"),
        pytest.param(403, _json(error("FORBIDDEN")), KeyRefused, "FORBIDDEN", True, id="address"),
        pytest.param(500, _json(error("402224")), AlmaFailed, "402224", True, id="inner error"),
        pytest.param(200, _json(error("402216")), AlmaRefused, "402216", True, id="an error with HTTP 200"),
        pytest.param(400, _json({"errorsExist": True}), AlmaRefused, "", False, id="no list at all"),
        pytest.param(400, _json({"errorList": {"error": []}}), AlmaRefused, "", False, id="an empty list"),
    ],
)
def test_every_form_of_an_error_becomes_one_typed_error(
    status: int, body: bytes, kind: type[AlmaError], code: str, tracking: bool
) -> None:
    """Alma's code, text and tracking id and the HTTP status are in the error, and in its message."""
    found = error_in(status, body, HOST)
    assert type(found) is kind
    assert isinstance(found, AlmaError)
    assert (found.code, found.http_status, bool(found.tracking_id)) == (code, status, tracking)
    assert f"HTTP {status}" in str(found)
    assert code in str(found)
    assert len(str(found).splitlines()) <= 6


@pytest.mark.parametrize("form", ["json", "xml"])
def test_all_errors_of_an_answer_are_told(form: str) -> None:
    """The first in full, the others by code and text, each once; with the advice that there is."""
    errors = [("401999", "Something is wrong."), ("402229", "Invalid parameter."), ("402229", "No set.")]
    errors.append(errors[0])
    if form == "json":
        listed = [
            {"errorCode": code, "errorMessage": text, "trackingId": f"E01-{number}"}
            for number, (code, text) in enumerate(errors)
        ]
        body = _json({"errorsExist": True, "errorList": {"error": listed}, "result": None})
    else:
        bodies = "".join(
            f"<error><errorCode>{code}</errorCode><errorMessage>{text}</errorMessage>"
            f"<trackingId>E01-{number}</trackingId></error>"
            for number, (code, text) in enumerate(errors)
        )
        body = f"<r><errorsExist>true</errorsExist><errorList>{bodies}</errorList></r>".encode()
    found = error_in(400, body, HOST)
    assert isinstance(found, AlmaRefused)
    assert (found.code, found.tracking_id) == ("401999", "E01-0")
    assert found.codes == ("401999", "402229", "402229", "401999")
    assert found.hint == ADVICE["402229"]
    assert str(found).splitlines()[-1].strip() == (
        "[Alma: 401999 Something is wrong.; HTTP 400; tracking id E01-0; and 402229 Invalid parameter.; "
        "and 402229 No set.]"
    )


def test_a_long_error_hides_no_other() -> None:
    """Texts are cut, each for itself; what Alma sends may be long."""
    listed = [{"errorCode": str(number), "errorMessage": "x" * 9000} for number in (1, 2)]
    lines = str(error_in(400, _json({"errorList": {"error": listed}}), HOST)).splitlines()
    assert "; and 2 xxx" in lines[-1]
    assert len(lines) <= 6


def test_errors_with_nulls_are_errors() -> None:
    """A code, a text, a tracking id, or a whole one of them."""
    listed = [None, {"errorCode": None, "errorMessage": None, "trackingId": None}, {"errorCode": "402216"}]
    found = error_in(400, _json({"errorsExist": True, "errorList": {"error": listed}}), HOST)
    assert isinstance(found, AlmaRefused)
    assert (found.code, found.codes, found.hint) == ("", ("", "402216"), ADVICE["402216"])


OTHERS = "did not answer as Alma does"
NO_CODE = "answered HTTP {} without one of Alma's error codes"
ELSEWHERE = "redirects the request (HTTP {})"


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        *((200, body, OTHERS) for body in (b"<html>Please sign in</html>", b'{"job": [', b"", b"{]")),
        (200, b"Invalid API Key", OTHERS),
        (299, b"plain", OTHERS),
        (299, b"{]", OTHERS),
        *((400, body, OTHERS) for body in (b"plain", b"Go away", b"An invalid API key")),
        (404, b"Not Found", OTHERS),
        (408, b"Gateway timed out; request with API key was forwarded on.", OTHERS),
        (500, b"Invalid API Key", OTHERS),
        (503, b"<html>Maintenance</html>", OTHERS),
        *((status, b"{}", NO_CODE) for status in (199, 400, 401, 500)),
        (401, b'{"error": "sign in"}', NO_CODE),
        (404, b'{"error": "not found"}', NO_CODE),
        *((status, b"", ELSEWHERE) for status in (300, 302, 399)),
        (300, b"{}", ELSEWHERE),
        (302, b"<html>Moved</html>", ELSEWHERE),
        (399, b"plain", ELSEWHERE),
    ],
)
def test_what_did_not_come_from_alma_is_told_so(status: int, body: bytes, what: str) -> None:
    """A proxy, a portal or a wrong address answers: the error names the host, and what to check."""
    found = error_in(status, body, HOST)
    assert isinstance(found, NotAlma)
    assert found.message.startswith(HOST)
    assert what.format(status) in found.message
    assert found.hint


@pytest.mark.parametrize(
    "document",
    [
        {"total_record_count": 0},
        {"job": []},
        {"errorsExist": False},
        {"errorsExist": "false", "errorList": {}},
    ],
)
def test_a_success_is_no_error(document: dict[str, object]) -> None:
    """An empty list is an answer, and so is an explicit "no errors"."""
    assert error_in(200, _json(document), HOST) is None


def test_every_documented_code_carries_advice() -> None:
    """Each code that the calls document, and each that proves a refusal, says what to do."""
    documented = {
        *("402215", "402216", "402217", "402218", "402219", "402220", "402221", "402222", "402223"),
        *("402224", "402225", "402226", "402228", "402229", "402231", "402248", "402249", "60347"),
        *("40166410", "40166411", "402119", "60332", "60333"),
    }
    assert documented | REFUSAL_CODES <= set(ADVICE)
    for code in ADVICE:
        found = error_in(400, _json(error(code)), HOST)
        assert found is not None
        assert found.hint
        assert len(str(found).splitlines()) <= 6


@pytest.mark.parametrize(("length", "told"), [(491, "(hidden)"), (495, "(hidd"), (500, "")])
def test_a_key_is_taken_out_of_a_message_before_it_is_cut(length: int, told: str) -> None:
    """Half a key would not be known as one."""
    Secret("odd-Canary.of~a/test")
    refused = error_in(400, json.dumps(error("402219", "x" * length + "odd-Canary.of~a/test")).encode(), "x")
    assert isinstance(refused, AlmaRefused)
    assert refused.text == "x" * length + told


def test_a_message_stays_one_line() -> None:
    """Line breaks in Alma's text cannot break ours, nor can its length."""
    refusal = refusal_in(error("402216", text="a\nb\r\n" + "c" * 10_000))
    assert refusal is not None
    assert "\n" not in refusal.text
    assert len(refusal.text) <= 500


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["errorsExist", "errorList", "error", "errorCode", "web_service_result", "x"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["errorsExist", "errorList", "web_service_result"]), _ANYTHING))
def test_any_shape_is_a_refusal_or_none(document: dict[str, object]) -> None:
    """No JSON makes the search for the error fail."""
    assert isinstance(refusal_in(document), Refusal | None)


@pytest.mark.parametrize("status", [201, 203, 204, 206, 299])
def test_only_200_is_an_answer_of_almas(status: int) -> None:
    """Where the body can be read and has no error; a part of an answer may lack what counts."""
    assert error_in(200, b"{}", HOST) is None
    found = error_in(status, b"{}", HOST)
    assert isinstance(found, NotAlma)
    assert f"HTTP {status}, which is not a complete answer" in found.message


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (499, "402216", AlmaRefused),
        (500, "402216", AlmaFailed),
        (501, "402216", AlmaFailed),
        (500, "UNAUTHORIZED", KeyRefused),
        (503, "DAILY_THRESHOLD", QuotaUsedUp),
    ],
)
def test_a_code_of_its_own_counts_more_than_the_status(status: int, code: str, kind: type[AlmaError]) -> None:
    """A key or a quota is refused whatever the status; else 5xx is Alma's own failure."""
    assert type(error_in(status, _json(error(code)), HOST)) is kind


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        ({"errorsExist": True}, Refusal("", "", "")),
        ({"errorsExist": "TRUE"}, Refusal("", "", "")),
        ({"errorsExist": None}, None),
        ({"errorsExist": "unknown"}, None),
        ({"errorsExist": "a"}, None),
        ({"errorList": None}, None),
        ({"web_service_result": "x", "errorsExist": True}, None),
        ({"errorList": {"error": [[{"errorCode": 7}]]}}, Refusal("7", "", "", ("7",))),
        ({"errorList": [{"errorCode": "7"}, {"errorCode": "8"}]}, Refusal("7", "", "", ("7", "8"), ("8",))),
        ({"errorList": "x"}, Refusal("", "", "")),
        ({"errorList": {"error": "x"}}, Refusal("", "", "")),
        ({"errorsExist": False, "errorList": {"error": []}}, None),
        ({"errorsExist": "False", "errorList": {"error": {"errorCode": "7"}}}, Refusal("7", "", "", ("7",))),
        ({"errorsExist": True, "errorList": {"error": []}}, Refusal("", "", "")),
        (
            {"errorList": {"error": {"errorCode": None, "errorMessage": "m", "trackingId": "t"}}},
            Refusal("", "m", "t", ("",)),
        ),
    ],
)
def test_the_first_error_counts(document: dict[str, object], refusal: Refusal | None) -> None:
    """However deep it is nested; an error that says nothing is one, unless the same answer denies it.

    The codes of all are kept.
    """
    assert refusal_in(document) == refusal


def test_a_text_of_500_characters_is_told_whole() -> None:
    """And no more than that."""
    for length, told in ((499, 499), (500, 500), (501, 500)):
        refusal = refusal_in(error("402216", text="c" * length))
        assert refusal is not None
        assert len(refusal.text) == told
