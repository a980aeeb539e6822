"""Alma's answers, JSON or XML, read as one shape."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.api_key import Key
from almajob.alma.http.body_parser import Unreadable, parse
from tests.support.canary import key_in

KEY = "l7xx5ec4e7ca4a4115ec4e7cb9d0113f7a62"

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


@pytest.mark.parametrize(
    ("key", "body"),
    [
        (KEY, f"<r><a>{KEY[:9]}<![CDATA[{KEY[9:]}]]></a></r>"),
        (KEY, f"<r><a><![CDATA[{KEY[:9]}]]><![CDATA[{KEY[9:]}]]></a></r>"),
        (KEY, f"<r><a>{KEY[:9]}<!-- x -->{KEY[9:]}</a></r>"),
        (KEY, f"<r><a>{KEY[:9]}<?p?>{KEY[9:]}</a></r>"),
        (KEY, f"<r><a>&#108;{KEY[1:]}</a></r>"),
        (KEY, f"<r><a>&#x6C;{KEY[1:]}</a></r>"),
        (KEY, f"<r><a>{KEY[:9]}\n  {KEY[9:]}</a></r>"),
        (KEY, f'<r><a value="{KEY[:9]}&#10;{KEY[9:]}"/></r>'),
        (KEY, f'<r {KEY}="a"/>'),
        (KEY, f"<{KEY}>a</{KEY}>"),
        (KEY, f"<r><a>&amp;#108;{KEY[1:]}</a></r>"),
        (KEY, f'{{"a": "\\u006c{KEY[1:]}"}}'),
        (KEY, f'{{"a": "{KEY[:-1]}\\u0032"}}'),
        (KEY, f'{{"a": "{KEY[:9]}\\u200b{KEY[9:]}"}}'),
        (KEY, f'{{"a": "{KEY[:9]}\\n{KEY[9:]}"}}'),
        (KEY, f'{{"{KEY}": 1}}'),
        (KEY, f'{{"a": "%6c{KEY[1:]}"}}'),
        (KEY, f'{{"a": [{{"b": "{KEY.upper()}"}}]}}'),
        ("a/key/of/slashes", '{"a": "a\\/key\\/of\\/slashes"}'),
        ('a"key"of"quotes', '{"a": "a\\"key\\"of\\"quotes"}'),
        ("a\\key\\of\\backslashes", '{"a": "a\\\\key\\\\of\\\\backslashes"}'),
        ("a&key&of&ands", "<r><a>a&amp;key&amp;of&amp;ands</a></r>"),
        ("a'key<of>all", "<r><a>a&apos;key&lt;of&gt;all</a></r>"),
        ("exports!", '{"a": "all \\u0065xports!"}'),
    ],
)
def test_a_key_that_comes_back_is_redacted_once_it_is_parsed(key: str, body: str) -> None:
    """However the answer spells it: what the parser makes of it is searched, names of members as well."""
    Key(key)
    told = json.dumps(parse(body.encode()))
    assert "(hidden)" in told
    assert not key_in(told, [key])


@pytest.mark.parametrize(
    "text", ["P&I; 100%, 50%25", "\u00e9 &#233; &amp; \\/", r"C:\u0041", "\u4e2d\u6587", KEY[4:18], "exports"]
)
def test_what_is_no_key_stays_as_it_is(text: str) -> None:
    """Other escapes, too, and a word that is too short for a key."""
    Key(KEY)
    Key("exports")
    for source in (json.dumps({"a": text}), json.dumps({"a": text}, ensure_ascii=False)):
        assert parse(source.encode()) == {"a": text}


SPLITS = st.sampled_from(["", "", "", "<![CDATA[]]>", "<!-- x -->", "<?p q?>", "\n", " ", "\u200b"])
IN_XML = st.sampled_from(["{0}", "{0}", "&#{1};", "&#x{1:X};", "<![CDATA[{0}]]>", "%{1:02x}", "&amp;#{1};"])
IN_JSON = st.sampled_from(["{0}", "{0}", "\\u{1:04x}", "\\u{1:04X}", "%{1:02x}", "&#{1};", "\\\\u{1:04x}"])


def _spelled(forms: list[str], capitals: list[bool]) -> list[str]:
    letters = [each.upper() if capital else each for each, capital in zip(KEY, capitals, strict=True)]
    return [form.format(each, ord(each)) for form, each in zip(forms, letters, strict=True)]


def _for_each(kind: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(kind, min_size=len(KEY), max_size=len(KEY))


CAPITALS = st.lists(st.booleans(), min_size=len(KEY), max_size=len(KEY))


@given(_for_each(IN_XML), _for_each(SPLITS), CAPITALS)
def test_no_way_to_split_a_key_in_xml_keeps_it(
    forms: list[str], splits: list[str], capitals: list[bool]
) -> None:
    """Each character in a form of its own, and something or nothing between any two."""
    Key(KEY)
    text = "".join(split + each for split, each in zip(splits, _spelled(forms, capitals), strict=True))
    document = parse(f"<jobs><job><name>x {text}</name><id>1</id></job></jobs>".encode())
    assert "(hidden)" in document["job"][0]["name"]
    assert document["job"][0]["name"].startswith("x ")
    assert document["job"][0]["id"] == "1"
    assert not key_in(json.dumps(document, ensure_ascii=False), [KEY])


@given(_for_each(IN_JSON), CAPITALS, st.booleans())
def test_no_way_to_escape_a_key_in_json_keeps_it(
    forms: list[str], capitals: list[bool], is_name: bool
) -> None:
    """In a value or in a member's name."""
    Key(KEY)
    text = "".join(_spelled(forms, capitals))
    document = parse(f'{{"a": {{"{text if is_name else "b"}": "x {text}"}}, "c": 1}}'.encode())
    told = json.dumps(document, ensure_ascii=False)
    assert told.count("(hidden)") == 1 + is_name
    assert not key_in(told, [KEY])
