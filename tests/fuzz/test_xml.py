"""Any bytes that look like XML are a payload, an answer, an error of Alma's, or refused."""

from __future__ import annotations

from almajob.alma.http import body_parser
from almajob.alma.http.error_responses import error_in
from almajob.alma.request_body import to_xml
from almajob.errors import AlmajobError, Refused
from almajob.runs.parameters import payload_file
from tests.fuzz.choices import NASTY, Choices
from tests.fuzz.trials import tried

_OF_A_PAYLOAD = (
    *("<job>", "</job>", "<parameters>", "</parameters>", "<parameter>", "</parameter>", "<name>", "</name>"),
    *("<value>", "</value>", "<value/>", "<name/>", "<job/>", "<id>M44</id>", "<description/>", "<x>"),
    *("</x>", "<x/>", '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'),
    *('<?xml version="1.0" encoding="utf-16"?>', "<!-- x -->", "<![CDATA[", "]]>", "<!--", "-->"),
    *("<!DOCTYPE x [<!ENTITY e 'x'>]>", "<!ENTITY", "&e;", "&#0;", "&#x1F4DA;", "&", "<ns:job xmlns:ns='x'>"),
    *("<job xmlns='x'>", " a='1' a='2'", "POST /almaws/v1/conf/jobs/M44?op=run\n", "# x\n", "<?x?>", "text"),
    *("set_id", "job_name", "\n", " ", "&lt;", "&#13;", "&#10;"),
)
_TEXT = (
    *(
        "set_id",
        "job_name",
        "a",
        " ",
        "&lt;",
        "&amp;",
        "&#13;",
        "&#10;",
        "&#x1F4DA;",
        "&#xD800;",
        "\n",
        "\r\n",
        "é",
    ),
    *("<![CDATA[<b>]]>", "<!-- x -->", "\u202e", "\x85", "'", '"'),
)
_OF_AN_ANSWER = (
    *("<jobs total_record_count='1'>", "</jobs>", "<job link='x'>", "<job_instances>", "<job_instance>"),
    *("<status desc='x'>", "<web_service_result xmlns='x'>", "</web_service_result>"),
    *("<errorsExist>true</errorsExist>", "<errorList>", "</errorList>", "<error>", "</error>"),
    *("<errorCode>402216</errorCode>", "<errorMessage>x</errorMessage>", "<html>", "<alerts>", "<alert>"),
    *("</alert>", "</alerts>", "<counters>", "<counter>", "<row>", "<additional_info link='/a/1'>"),
)


def _payload(choices: Choices) -> str:
    """Make a payload as Alma's panel has it, but for what its names and values are."""
    listed = [
        f"<parameter>\n<name>{number}{choices.text(_TEXT, 2)}</name>\n"
        f"<value>{choices.text(_TEXT, 5)}</value></parameter>"
        for number in range(choices.below(4))
    ]
    above = choices.one_of(("", "<id>M44</id>", "<name>x</name><description/>"))
    return f"<job>{above}<parameters>\n{''.join(listed)}</parameters></job>"


def _body(choices: Choices) -> bytes:
    how = choices.one_of((0, 1, 2, 3, 3, 3, 4, 5))
    if how == 0:
        return b"<" + choices.rest
    pieces = (*_OF_A_PAYLOAD, *_OF_AN_ANSWER, *NASTY)
    if how < 3:
        text = choices.text(pieces, 30)
    elif how == 3:
        text = _payload(choices)
        if choices.below(3) == 0:
            at = choices.below(len(text))
            text = text[:at] + choices.one_of(pieces) + text[at:]
    elif how == 4:
        # The same again: as many, or as deep, as a hostile one.
        text = (
            choices.one_of(pieces)
            + choices.one_of(pieces) * choices.one_of((1, 20, 3000))
            + choices.text(pieces)
        )
    else:
        text = f"<web_service_result>{choices.text(_OF_AN_ANSWER)}</web_service_result>"
    return choices.damaged(text.encode(choices.one_of(("utf-8", "utf-8", "utf-8", "utf-16")), "replace"))


@tried()
def test_any_xml_is_a_payload_or_refused(data: bytes) -> None:
    """What is read can be sent, has each name once, and is the same when it is written and read again."""
    body = _body(Choices(data))
    try:
        found = payload_file.parse(body, "x.xml")
    except Refused as refused:
        assert str(refused).startswith("x.xml, line ")
        assert len(str(refused).splitlines()) <= 6
        return
    names = [item.name for item in found.sent]
    assert len(set(names)) == len(names)
    if names:
        assert payload_file.parse(to_xml(found.sent).encode(), "x.xml").sent == found.sent


@tried()
def test_any_xml_is_an_answer_or_unreadable(data: bytes) -> None:
    """As a document, and as an error with any status; what is no answer is not quoted."""
    choices = Choices(data)
    status = choices.one_of((200, 400, 401, 302, 429, 500, 503, 599))
    body = _body(choices)
    try:
        assert isinstance(body_parser.parse(body), dict)
    except body_parser.Unreadable as unreadable:
        assert len(str(unreadable)) < 60
    found = error_in(status, body, "alma.invalid")
    assert found is None or isinstance(found, AlmajobError)
    assert len(str(found or "").splitlines()) <= 6
