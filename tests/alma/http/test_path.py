"""What varies in a path is one segment of it, whatever it is made of."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from almajob.alma.api_key import Key
from almajob.alma.http.path import Params, check_id, fill_path
from almajob.alma.http.session import Session
from almajob.errors import NotAlma, Refused
from tests.support.fake_alma import KEY
from tests.support.raw_server import RawServer, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.mark.parametrize(
    ("path", "params", "filled", "query"),
    [
        ("/conf/sets", {}, "/conf/sets", {}),
        ("/almaws/v1/conf/sets", {"q": "name~A b"}, "/conf/sets", {"q": "name~A b"}),
        ("/users/{user_id}/loans", {"user_id": "ada", "limit": 5}, "/users/ada/loans", {"limit": "5"}),
        ("/users/{user_id}", {"user_id": "a/b?c#d %2e"}, "/users/a%2Fb%3Fc%23d%20%252e", {}),
        ("/users/{user_id}", {"user_id": "ada@example.org"}, "/users/ada%40example.org", {}),
        ("/analytics/paths/{path}", {"path": "/shared/A"}, "/analytics/paths/%2Fshared%2FA", {}),
        ("/bibs/{mms_id}", {"mms_id": 991234, "view": True}, "/bibs/991234", {"view": "true"}),
        ("/a/{x}/b/{x}", {"x": "é"}, "/a/%C3%A9/b/%C3%A9", {}),
        ("/a/{a}", {"a": "\uff01\U0001f4d6"}, "/a/%EF%BC%81%F0%9F%93%96", {}),
    ],
)
def test_a_path_is_filled_as_alma_documents_it(
    path: str, params: Params, filled: str, query: dict[str, str]
) -> None:
    """Names in braces are put into the path, escaped; all else is the query."""
    assert fill_path(path, params) == (filled, query)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            "users",
            "//users",
            "/users/",
            "/users//loans",
            "/users/../conf",
            "/./users",
            "/..",
            "/%2e%2e",
        ),
        *(
            "/users?op=x",
            "/users#x",
            "/users/a b",
            "/users\n",
            "/users\x00",
            "https://elsewhere.invalid/users",
        ),
        *(
            "//elsewhere.invalid/users",
            "/users\\loans",
            "/users;x",
            "/users/123",
            "/Users",
            "/users/{",
            "/users/{}",
        ),
        *(
            "/users/{user_id",
            "/users/{user id}",
            "/users/x{user_id}",
            "/users/@elsewhere.invalid",
            "/almaws/v1",
        ),
        *("/almaws/v2/users", "/users/{missing}", "/kéys", "/users/\u2028"),
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    """Also an id that was written into it: the next one may have a slash."""
    with pytest.raises(Refused, match="nothing was sent") as caught:
        fill_path(path, {"user_id": "ada"})
    assert "{user_id}" in caught.value.hint


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "\t",
            ".",
            "..",
            " .. ",
            "a/..",
            "../users",
            "..\\users",
            "a/./b",
            "..;x",
            "a;..",
            "a\nb",
            "a\x00",
        ),
        *("\x7f", "\x85", "\ud800", "\udcff", "\udfff"),
    ],
)
def test_an_id_that_could_lead_elsewhere_is_refused(value: str) -> None:
    """Escaped, too: requests undoes the escapes of dots, and servers those of slashes."""
    with pytest.raises(Refused, match="nothing was sent"):
        fill_path("/users/{user_id}", {"user_id": value})


def test_a_key_is_no_parameter() -> None:
    """It would stand in the address, where every proxy writes it down."""
    with pytest.raises(Refused) as caught:
        fill_path("/users", {"apiKey": KEY})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("value", [None, 1.5, ["a"], b"a"])
def test_what_is_neither_text_nor_number_is_a_bug(value: object) -> None:
    """It would be sent in a form that nobody meant."""
    with pytest.raises(TypeError, match="the parameter q is a"):
        fill_path("/users", {"q": value})  # type: ignore[dict-item]


def test_any_id_is_one_segment_on_the_wire() -> None:
    """Sent by requests, and read off the socket: below the path, as one segment, and the same text."""
    with RawServer(saying(OK)) as server:
        session = Session(server.url, Key(KEY))

        @given(st.text(st.characters(), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
        @example("%2e%2e%2f", "a&b=c#d")
        @example("..%2f", "\r\n")
        @example("%", "%")
        @example("~", "+ ")
        def send(text: str, sought: str) -> None:
            try:
                path, query = fill_path("/users/{user_id}/loans", {"user_id": text, "q": sought})
            except Refused:
                return
            session.get(path, query)
            line = server.received[-1].partition(b"\r\n")[0].decode("ascii")
            found = re.fullmatch(r"GET /almaws/v1/users/([^/?#\s]+)/loans\?q=([^&#\s]*) HTTP/1.1", line)
            assert found, line
            assert unquote(found[1]) == text
            assert unquote(found[2].replace("+", " ")) == sought

        send()
        session.close()


@pytest.mark.parametrize(
    "text", ["../../users", "a/b", "a?op=run", "..", ".", "", "a b", "M44#x", "\u00e9", "7\n"]
)
def test_an_id_of_almas_has_only_letters_and_digits(text: str) -> None:
    """What is one is not escaped, and nothing else is sent."""
    assert check_id("M44") == "M44"
    with pytest.raises(NotAlma, match="not an Alma id"):
        check_id(text)
