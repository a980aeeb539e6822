"""Alma's answers, JSON or XML, read as one shape."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.documents import Unreadable, parse

XML_SUBMISSION = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<job link="https://api-na.hosted.exlibrisgroup.com/almaws/v1/conf/jobs/M50173">
  <id>M50173</id><name>Import Research Assets Files</name>
  <type desc="Manual">MANUAL</type>
  <parameters>
    <parameter><name>set_id</name><value>9563211250000561</value></parameter>
    <parameter><name>job_name</name><value></value></parameter>
  </parameters>
  <additional_info link="/almaws/v1/conf/jobs/M50173/instances/9563654220000561">Job no. 1</additional_info>
</job>"""


def test_xml_is_read_as_the_json_that_alma_documents() -> None:
    """Attributes become members, wrappers become arrays, the text of an element with attributes its value."""
    found = parse(XML_SUBMISSION)
    assert found["id"] == "M50173"
    assert found["type"] == {"value": "MANUAL", "desc": "Manual"}
    assert found["parameter"] == [
        {"name": "set_id", "value": "9563211250000561"},
        {"name": "job_name", "value": ""},
    ]
    assert found["additional_info"]["link"].endswith("/9563654220000561")
    assert found["link"].endswith("/M50173")


def test_a_list_in_xml_keeps_its_count_and_is_an_array_even_of_one() -> None:
    """One job is a list of one."""
    found = parse(b'<jobs total_record_count="1"><job link="x"><id>M1</id><name>A</name></job></jobs>')
    assert found == {"job": [{"id": "M1", "name": "A", "link": "x"}], "total_record_count": "1"}


def test_a_lone_element_is_an_object_of_that_name() -> None:
    """Alma's answer to conf/test is one element of text."""
    assert parse(b"<test>GET - OK</test>") == {"test": "GET - OK"}


def test_repeated_elements_become_an_array() -> None:
    """Whatever comes twice is a list, known or not."""
    assert parse(b"<r><x>1</x><x>2</x><x>3</x></r>") == {"x": ["1", "2", "3"]}


@pytest.mark.parametrize(
    ("body", "looks_like"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"<html><body>Sign in</body></html>", "HTML"),
        (b"Invalid API Key", "plain text"),
        (b'{"job": [', "breaks off"),
        (b'{"a": "\xff"}', "damaged"),
        (b"<jobs><job>", "breaks off"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "damaged"),
        (b'<?xml version="1.0" encoding="big5"?><a>x</a>', "damaged"),
        (b"[1, 2]", "plain text"),
        (b'{"a":' * 100_000, "damaged"),
    ],
)
def test_what_is_not_almas_is_named_and_not_quoted(body: bytes, looks_like: str) -> None:
    """The error says what the body looks like."""
    with pytest.raises(Unreadable, match=looks_like):
        parse(body)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_never_expanded(encoding: str) -> None:
    """A bomb of entities is refused at its DOCTYPE, in no time."""
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e0 "x">{levels}]><r>&e9;</r>'.encode(encoding)
    begun = time.monotonic()
    with pytest.raises(Unreadable):
        parse(bomb)
    assert time.monotonic() - begun < 1


def test_many_elements_of_one_name_are_read_in_a_moment() -> None:
    """A megabyte of them, where copying the list for each would take a minute."""
    begun = time.monotonic()
    assert len(parse(b"<a>" + b"<b/>" * 250_000 + b"</a>")["b"]) == 250_000
    assert time.monotonic() - begun < 10


@given(
    st.binary(max_size=300)
    | st.text(max_size=100).map(lambda text: f"<a>{text}</a>".encode("utf-8", "replace"))
)
def test_any_bytes_are_a_document_or_an_error(body: bytes) -> None:
    """No input makes the reader fail in another way."""
    try:
        assert isinstance(parse(body), dict)
    except Unreadable as error:
        assert str(error)
