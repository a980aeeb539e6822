"""A payload is what somebody has: the panel's XML, JSON, a job file; or an error with its line."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from xml.parsers import expat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almajob.alma import request_body
from almajob.alma.models import Parameter
from almajob.errors import Refused
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import Given, Parameters
from tests.support.real_payloads import PART_OF_M18, PAYLOADS

XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"]), max_size=12)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_ .-]{0,10}[a-z0-9]", fullmatch=True)
ANY_PARAMETERS = st.lists(st.builds(Parameter, NAMES | st.just("xxx"), XML_TEXT), max_size=6).map(tuple)


def _read(text: str) -> Parameters:
    return payload_file.parse(text.encode(), "x.xml")


def _refused(raw: bytes) -> str:
    with pytest.raises(Refused) as caught:
        payload_file.parse(raw, "x.xml")
    assert caught.value.exit_code == 5
    return caught.value.message


# --- real payloads ---


@pytest.mark.parametrize("job_id", PAYLOADS)
def test_real_payloads_go_round(job_id: str) -> None:
    """XML and every form of JSON of one payload give the same names, values, order and fingerprint."""
    sent = PAYLOADS[job_id]
    forms = (
        request_body.to_xml(sent),
        f"POST /almaws/v1/conf/jobs/{job_id}?op=run\n{request_body.to_xml(sent)}",
        json.dumps(request_body.to_document(sent)),
        json.dumps({"parameters": {"parameter": [item.to_json() for item in sent]}}, indent=1),
        json.dumps([{"name": item.name, "value": item.value} for item in sent]),
        request_body.to_plain_json(sent),
        json.dumps(request_body.to_document(sent), indent=2),
    )
    read = [_read(form) for form in forms]
    assert [found.sent for found in read] == [sent] * len(forms)
    assert {found.canonical for found in read} == {Parameters.of(reversed(sent)).canonical}
    assert read[1].job_id == job_id


def test_fingerprints_stay_what_they_are() -> None:
    """Byte for byte: another one would be another run under the same key."""
    found = {job_id: Parameters.of(sent).fingerprint[:16] for job_id, sent in PAYLOADS.items()}
    assert found == FINGERPRINTS


FINGERPRINTS: dict[str, str] = {
    "M44": "c33c4c18b2ccdeb4",
    "M12889770000231": "dea84d390f8528fc",
    "M50215": "c25c44b26e54512d",
    "M50216": "25286a183d04b11e",
    "M7407373650006421": "68f10fe89e5d2c89",
    "M50173": "72b4068eb5e800a5",
    "M100": "63cec25acb213ff4",
    "M18": "47b6b70d1c078967",
    "M148": "96510dabfe668ca1",
}


@settings(max_examples=100)
@given(sent=ANY_PARAMETERS)
def test_any_parameters_go_round(sent: tuple[Parameter, ...]) -> None:
    """Through XML and through both forms of JSON, whatever is in the values."""
    for form in (
        request_body.to_xml(sent),
        request_body.to_plain_json(sent),
        json.dumps(request_body.to_document(sent)),
    ):
        found = _read(form)
        assert found.sent == sent
        assert found.fingerprint == Parameters.of(sent).fingerprint


@settings(max_examples=100)
@given(one=ANY_PARAMETERS, other=ANY_PARAMETERS)
def test_payloads_that_differ_have_another_fingerprint(
    one: tuple[Parameter, ...], other: tuple[Parameter, ...]
) -> None:
    """In a name, a value, or how often both are there; the order is that of the sending only."""
    same = Parameters.of(one).fingerprint == Parameters.of(other).fingerprint
    assert same is (Counter(one) == Counter(other))


# --- payloads of older wizards, and of programs ---

OF_AN_OLD_WIZARD = """<job>
<parameters>
<parameter><name>xxx</name><value/></parameter>
<parameter><name>ITEM_POLICY_isSelected</name><value>true</value></parameter>
<parameter><name>xxx</name><value>false</value></parameter>
<parameter><name>xxx</name><value/></parameter>
<parameter><name>set_id</name><value>9563211250000561</value></parameter>
</parameters>
</job>"""


def test_parameters_of_one_name_are_sent_as_they_stand() -> None:
    """In order, with a note; the run is the same in any order, and another one with one of them fewer."""
    found = _read(OF_AN_OLD_WIZARD)
    values = [(item.name, item.value) for item in found.sent]
    assert values == [
        *(("xxx", ""), ("ITEM_POLICY_isSelected", "true"), ("xxx", "false"), ("xxx", "")),
        ("set_id", "9563211250000561"),
    ]
    assert found.given[3].source == "x.xml, line 6"
    assert "sent as they stand, in order: xxx (3 times)" in found.notes[0]
    assert Parameters.of(reversed(found.sent)).fingerprint == found.fingerprint
    assert Parameters.of(found.sent[1:]).fingerprint != found.fingerprint
    for form in (request_body.to_xml, request_body.to_plain_json):
        assert _read(form(found.sent)).sent == found.sent


def test_a_note_names_the_first_few_names_that_repeat() -> None:
    """And how many more there are."""
    listed = [{"name": name, "value": ""} for name in "aabbccddee"]
    (note,) = _read(json.dumps(listed)).notes
    assert note.endswith("a (2 times), b (2 times), c (2 times) and 2 more.")


@pytest.mark.parametrize("name", ["set_id", "job_name"])
def test_what_almajob_reads_itself_is_there_once(name: str) -> None:
    """Of two sets, or two names of the run, nobody could tell which one counts."""
    parameter = f"<parameter><name>{name}</name><value>1</value></parameter>\n"
    message = _refused(f"<job><parameters>\n{parameter * 2}</parameters></job>".encode())
    assert message.startswith(f"x.xml, line 3: the parameter {name} is there twice")


def test_an_override_of_a_repeated_name_is_refused() -> None:
    """It cannot be told which of them is meant; other names are overridden where they stand."""
    found = _read(OF_AN_OLD_WIZARD)
    with pytest.raises(Refused, match="xxx is ambiguous: the payload has 3 parameters of that name"):
        found.override([Given("xxx", "true", "--param")])
    changed = found.override([Given("set_id", "7"), Given("new", "1")])
    assert [item.name for item in changed.sent] == [*(item.name for item in found.sent), "new"]
    assert (changed.get("set_id"), changed.given[4].instead_of) == ("7", "9563211250000561")


@pytest.mark.parametrize(
    "text",
    [
        '{"parameter": [{"name": {"value": "a", "desc": null}, "value": "1"}]}',
        '{"parameter": [{"name": {"value": "a"}, "value": {"value": "1", "desc": null}}]}',
        '{"parameter": [{"name": "a", "value": "1", "desc": null}]}',
        '{"id": null, "name": null, "description": null, "parameter": [{"name": "a", "value": "1"}]}',
        '{"parameters": null, "parameter": [{"name": "a", "value": "1"}]}',
        '{"parameters": {"parameter": {"name": {"value": "a", "desc": null}, "value": "1"}}, "link": null}',
        '[{"name": {"value": "a", "desc": null}, "value": "1"}]',
        '{"a": {"value": "1", "desc": null}}',
    ],
)
def test_null_is_the_same_as_nothing(text: str) -> None:
    """Wherever a text need not be there: a description, an id, the members of a job."""
    found = _read(text)
    assert (found.sent, found.job_id, found.notes) == ((Parameter("a", "1"),), "", ())


@pytest.mark.parametrize("text", ['{"parameters": null}', '{"parameters": {"parameter": null}, "id": null}'])
def test_null_parameters_are_none(text: str) -> None:
    """As an empty element is, made into JSON."""
    assert _read(text) == Parameters()


# --- anything else: tests/fuzz tries any bytes and any JSON ---


WRAPPED = "<job><parameters>\n<parameter>{}</parameter>\n</parameters></job>"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "it is empty"),
        ("\n \n", 1, "it is empty"),
        ("hello", 1, "it has no payload"),
        ("<jobs/>", 1, "begins with <job>, not with <jobs>"),
        ("\n\n<job>", 3, "not well-formed: no element found"),
        (WRAPPED.format("<name>a</name>"), 2, "a parameter has no <value>"),
        (WRAPPED.format("<value>a</value>"), 2, "a parameter has no <name>"),
        (WRAPPED.format("<name> </name><value/>"), 2, "a parameter has no name"),
        (WRAPPED.format("<name>a</name><value/><value/>"), 2, "a parameter has one value"),
        (WRAPPED.format("<name>a<b/></name><value/>"), 2, "<b> stands within a name"),
        (WRAPPED.format("<name>a</name><desc/>"), 2, "no 'desc'"),
        (WRAPPED.format("x<name>a</name><value/>"), 2, "text outside"),
        (
            "<job><parameter><name>a</name><value/></parameter></job>",
            1,
            "has <parameters> in it, not <parameter>",
        ),
        ("<job>\n<parametres/></job>", 2, "has <parameters> in it, not <parametres>"),
        ("<job>set_id=7</job>", 1, "text outside"),
        ("<job><parameters><name>a</name></parameters></job>", 1, "has <parameter>s in it, not <name>"),
        (f"<job><type>{'<a>' * 30}", 1, "nested too deep"),
        ('{"a": "1",\n "a": "2"}', 2, "'a' is there twice"),
        ('{"x": "1",\n "set_id": null}', 2, "set_id is null"),
        ('{"x": {"y": 1}}', 1, "neither text nor a number"),
        ('{"x": "1",\n "y": "\\u0000"}', 2, "the character '\\x00'"),
        ('{"x": "1",\n "y": "\\ud800"}', 2, "the character '\\ud800'"),
        ('{"x": NaN}', 1, "NaN is no JSON"),
        ('{"job_name":"set_id",\n"x":"",\n"set_id": null}', 3, "set_id is null"),
        (
            '[{"name": "a", "value": ""},\n{"name": "b"}]',
            2,
            "parameter 2 of the list is not of a name and a value",
        ),
        ('{"parameter": [\n{"name": "a", "value": "", "value": ""}]}', 2, "'value' is there twice"),
        ('{"parameters": {"parameter": [\n\n{"name": "a", "value": []}]}}', 3, "the value of a is neither"),
        ('{"parameter": [],\n"parameter": []}', 2, "'parameter' is there twice"),
        ('{"parameters": {"parameter": [],\n"parameter": []}}', 2, "'parameter' is there twice"),
        (
            '{"parameter": [{"name": {"value": "a",\n"value": "b"}, "value": ""}]}',
            2,
            "'value' is there twice",
        ),
        (
            '{"id": "M1",\n"type": {"value": "x"},\n\n"parameter": [{"name": "a", "value": []}]}',
            4,
            "the value of a",
        ),
        (
            '{"type": {"value": {"x": {}}},\n"parameter":\n{"name": "a", "value": null}}',
            3,
            "the value of a is null",
        ),
        ('{"parameter": [],\n"parameters": []}', 1, "it has parameters twice"),
        ('{"x": 1', 1, "not well-formed"),
        ("[" * 15_000, 1, "nested too deep"),
        ("[" * 100_000, 1, "it has more parts than a payload"),
        ("[" + "1," * 200_000, 1, "it has more parts than a payload"),
        (f"<job {'a=1 ' * 2000}/>", 1, "an element too many attributes"),
        (f"<job><type>{'<a/>' * 60_000}", 1, "it has too many elements"),
        ('[{"name": "a"}]', 1, "parameter 1 of the list is not of a name and a value"),
        ('[{"name": 7, "value": ""}]', 1, "is no text"),
        ('{"parameter": 7}', 1, "the parameters are no list"),
        ('{"parameter": [],\n "set_id": "7"}', 2, "'set_id' stands beside the parameters"),
        ('{"parameter": [], "id": 7}', 1, "the id of a job is text"),
        ("GET /almaws/v1/conf/jobs/M44?op=run\n<job/>", 1, "a start is a POST, not a GET"),
        ("POST /almaws/v1/conf/jobs/44?op=run\n<job/>", 1, "'44' is no job id"),
        ("POST /almaws/v1/conf/jobs/M44?op=stop\n<job/>", 1, "has ?op=run, and nothing else"),
        ("POST /almaws/v1/conf/sets\n<job/>", 1, "the call is not that of a start"),
        ("a\nb\n<job/>", 2, "it is no part of a payload"),
        ("/almaws/v1/conf/jobs/M44\n/almaws/v1/conf/jobs/M44\n<job/>", 2, "a second line names a job"),
        ("POST /almaws/v1/conf/jobs/M44\n<job><id>M45</id></job>", 2, "is of M45, the line above it of M44"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, line: int, what: str) -> None:
    """In file and line."""
    said = _refused(text.encode())
    assert said.startswith(f"x.xml, line {line}: ")
    assert what in said


# --- what is refused before it is parsed ---

BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE job [<!ENTITY a "aaaaaaaaaa">'
    '<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
    "<job><parameters><parameter><name>a</name><value>&b;</value></parameter></parameters></job>"
)
OUTSIDE = '<!DOCTYPE job [<!ENTITY x SYSTEM "file:///etc/passwd">]><job><parameters/>&x;</job>'


@pytest.mark.parametrize(
    "raw",
    [
        BOMB.encode(),
        OUTSIDE.encode(),
        BOMB.lower().encode(),
        b"\xef\xbb\xbf" + BOMB.encode(),
        BOMB.encode("utf-16"),
        BOMB.encode("utf-16-be"),
        BOMB.encode("utf-32"),
        BOMB.encode("utf-7"),
        BOMB.replace("<?xml version", "<?xml encoding='utf-16' version").encode(),
        b"POST /almaws/v1/conf/jobs/M44?op=run\n" + OUTSIDE.encode(),
        b"<!ENTITY a 'b'><job/>",
        b"<job><!ELEMENT x ANY></job>",
        b"<" + b"!" * 10,
        b"<job>" + b" " * 2**20,
        b"x" * (2**20 + 1),
    ],
)
def test_a_doctype_is_refused_before_the_parser_is_made(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in another encoding, below a line, after a mark, or in what is too large."""

    def made(*_: object) -> None:
        raise AssertionError("the parser was made")

    monkeypatch.setattr(expat, "ParserCreate", made)
    assert "x.xml, line " in _refused(raw)


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "us-ascii", "cp037", "nonsense"])
def test_a_prolog_decides_nothing(encoding: str) -> None:
    """The text is UTF-8, whatever it says of itself."""
    text = f"<?xml version='1.0' encoding='{encoding}'?>{WRAPPED.format('<name>a</name><value>é</value>')}"
    assert _read(text).get("a") == "é"


def test_a_file_without_an_end_is_refused() -> None:
    """No more is read than a payload may have."""
    with pytest.raises(Refused, match="larger than 1 MiB"):
        payload_file.read("/dev/zero")


@pytest.mark.parametrize("name", ["missing.xml", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(name: str) -> None:
    """With the reason."""
    with pytest.raises(Refused, match="cannot be read; nothing was sent") as caught:
        payload_file.read(name)
    assert caught.value.reason


def test_a_pipe_is_read_as_a_file() -> None:
    """As the shell's <(command) gives one."""
    reader, writer = os.pipe()
    os.write(writer, b'{"set_id": "7"}')
    os.close(writer)
    assert payload_file.read(f"/dev/fd/{reader}").get("set_id") == "7"
    os.close(reader)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff", "x.txt, line 1: it is not UTF-8 text"),
        (b"a\0", "x.txt, line 1: it has a NUL"),
        (b"a\x1bb", "x.txt: the value of note has the character"),
        (b"x" * (2**20 + 1), "x.txt, line 1: it is larger than 1 MiB"),
    ],
)
def test_a_value_that_cannot_be_sent_is_refused(raw: bytes, message: str) -> None:
    """--param note=@x.txt."""
    Path("x.txt").write_bytes(raw)
    with pytest.raises(Refused, match=re.escape(message)):
        payload_file.read_value("x.txt", "note")


def test_a_value_is_the_file_without_its_last_line_break() -> None:
    """One of them; those of Windows become those of Unix."""
    Path("x.txt").write_bytes(b"\xef\xbb\xbf a\r\nb\n\n")
    assert payload_file.read_value("x.txt", "note").value == " a\nb\n"


# --- what stands above, and what is passed over ---


def test_a_job_file_of_another_runner_is_read(tmp_path: Path) -> None:
    """Its name and cron line are ignored, with a note each."""
    file = tmp_path / "titles.conf"
    file.write_text(
        f"Add titles to collection\n\n45 23 * * *\n\nPOST /almaws/v1/conf/jobs/M50215?op=run\n\n"
        f"{request_body.to_xml(PAYLOADS['M50215'])}\n"
    )
    found = payload_file.read(str(file))
    assert (found.job_id, found.sent) == ("M50215", PAYLOADS["M50215"])
    assert found.job_source == f"{file}, line 5"
    assert found.given[0].source == f"{file}, line 9"
    assert "the name 'Add titles to collection' is ignored" in found.notes[0]
    assert "the cron line '45 23 * * *' is ignored" in found.notes[1]


@pytest.mark.parametrize("cron", ["0 0 1 * * *", "@daily", "*/5 8-18 * * MON-FRI"])
def test_cron_lines_are_known(cron: str) -> None:
    """With five fields or six, or a word."""
    (note,) = _read(f"{cron}\n<job/>").notes
    assert cron in note


def test_the_address_may_be_whole() -> None:
    """As a browser gives it."""
    line = "POST https://api-na.hosted.exlibrisgroup.com/almaws/v1/conf/jobs/M44?op=run"
    assert _read(f"{line}\n<job/>").job_id == "M44"


@pytest.mark.parametrize("line", ["Export all titles every night", "1 2 many words are no cron"])
def test_a_name_of_many_words_is_no_cron_line(line: str) -> None:
    """Minute and hour have digits or stars."""
    (note,) = _read(f"{line}\n<job/>").notes
    assert f"the name {line!r} is ignored" in note


@pytest.mark.parametrize("text", ["<![CDATA[x < {}]]>", "<!-- a <b {} -->x"])
def test_long_texts_may_have_signs_in_them(text: str) -> None:
    """They are no elements."""
    value = text.format("y" * 5000)
    assert _read(WRAPPED.format(f"<name>a</name><value>{value}</value>")).get("a")


def test_a_part_of_a_payload_is_one() -> None:
    """Another library sends four of the 170."""
    assert _read(request_body.to_xml(PART_OF_M18)).sent == PART_OF_M18


def test_a_job_without_parameters_is_no_plain_object() -> None:
    """As Alma answers: its members are not sent as parameters."""
    found = _read('{"id": "M44", "name": "Export", "type": {"value": "MANUAL", "desc": "Manual"}}')
    assert (found.job_id, found.sent) == ("M44", ())


def test_one_parameter_need_not_be_a_list() -> None:
    """As XML made into JSON often is."""
    found = _read('{"parameters": {"parameter": {"name": {"value": "a"}, "value": "1"}}}')
    assert found.sent == (Parameter("a", "1"),)


def test_more_than_any_job_takes_is_refused() -> None:
    """Five thousand parameters, in both forms."""
    many = tuple(Parameter(f"n{number}", "") for number in range(5001))
    for form in (
        request_body.to_xml(many),
        request_body.to_plain_json(many),
        json.dumps(request_body.to_document(many)),
    ):
        assert "more than 5000 parameters" in _refused(form.encode())
    assert len(_read(request_body.to_xml(many[1:])).given) == 5000


def test_a_job_as_alma_gives_it_is_a_payload() -> None:
    """Its id names the job; the rest is passed over, with a note: Alma does so, too."""
    text = "<job link='x'><id>M44</id><name>Export</name><type desc='Manual'>MANUAL</type><parameters/></job>"
    found = _read(text)
    assert (found.job_id, found.sent) == ("M44", ())
    assert "ignored: name, type" in found.notes[0]
    again = _read('{"id": "M44", "name": "Export", "parameter": [{"name": "a", "value": 1764806400000}]}')
    assert (again.job_id, again.get("a")) == ("M44", "1764806400000")


def test_values_stay_as_they_are_written() -> None:
    """Empty, Null, blanks, numbers of any length, words."""
    text = '{"a": "", "b": "Null", "c": " x ", "d": 12345678901234567890.10, "e": true, "f": false}'
    assert [item.value for item in _read(text).sent] == [
        "",
        "Null",
        " x ",
        "12345678901234567890.10",
        "true",
        "false",
    ]
    text = WRAPPED.format("<name> a </name><value> x &lt;y&gt;<![CDATA[ & ]]><!-- no --></value>")
    assert _read(text.replace("\n", "\r\n")).sent == (Parameter("a", " x <y> & "),)
