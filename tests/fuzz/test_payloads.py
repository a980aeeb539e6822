"""Any JSON that somebody could put into a file is a payload that can be sent, or refused with its line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from almajob.alma.request_body import to_document, to_plain_json
from almajob.errors import Refused
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import problem_with
from tests.fuzz.choices import NASTY, Choices
from tests.fuzz.trials import tried

_NAMES = (
    *("set_id", "job_name", "name", "value", "parameter", "parameters", "id", "desc", "description", "x"),
    *NASTY,
)
_VALUES: Sequence[Any] = (
    *(None, True, False, 0, -1, 10**20, 1.5, "M44", "1"),
    {"value": "x"},
    {"value": "x", "desc": "y"},
    [],
    {},
    *NASTY,
)
_REAL = (
    {
        "parameter": [
            {"name": {"value": "set_id"}, "value": "1"},
            {"name": {"value": "job_name"}, "value": "x"},
        ]
    },
    {"id": "M44", "name": "Export", "parameters": {"parameter": [{"name": "set_id", "value": 1}]}},
    {"parameters": {"parameter": {"name": "set_id", "value": "1"}}},
    [{"name": "set_id", "value": "1"}, {"name": "job_name", "value": "x"}],
    {"set_id": "1", "job_name": "x", "flag": True},
    {"id": "M44", "name": "Export", "type": {"value": "MANUAL"}},
)
_TEXT = (
    *('{"a":', '"b"', ":", ",", "{", "}", "[", "]", "1e5", "NaN", "-Infinity", "// x", "\\u0000"),
    *('"\\ud83d"', "true"),
)
_ABOVE = (
    *("", "", "", "# x\n", "POST /almaws/v1/conf/jobs/M44?op=run\n", "GET /almaws/v1/conf/jobs/M44\n"),
    *("a\nb\n", "0 3 * * *\n"),
)


def _text(choices: Choices) -> str:
    how = choices.below(5)
    if how == 0:
        return choices.text((*_TEXT, *NASTY), 30)
    if how == 1:
        document = choices.document(_NAMES, _VALUES)
    else:
        document = choices.changed(choices.one_of(_REAL), _NAMES, _VALUES)
    if how == 2:
        # A member that is there twice, which no dictionary can have.
        document = {"x": 1, "y": document}
        return json.dumps(document).replace('"y"', choices.one_of(('"y"', '"x"', '"\\u0078"')))
    indent = choices.one_of((None, 1))
    return choices.one_of(_ABOVE) + json.dumps(document, indent=indent, ensure_ascii=bool(choices.below(2)))


@tried()
def test_any_json_is_a_payload_or_refused(data: bytes) -> None:
    """What is read can be sent, and is the same in Alma's form and in the plain one."""
    choices = Choices(data)
    try:
        found = payload_file.parse(choices.damaged(_text(choices).encode("utf-8", "replace")), "x.json")
    except Refused as refused:
        assert str(refused).startswith("x.json, line ")
        assert len(str(refused).splitlines()) <= 6
        return
    assert not any(problem_with(item.name, item.value) for item in found.sent)
    again = payload_file.parse(json.dumps(to_document(found.sent)).encode(), "x.json")
    assert again.sent == found.sent
    assert payload_file.parse(to_plain_json(found.sent).encode(), "x.json").sent == found.sent
    assert again.fingerprint == found.fingerprint
