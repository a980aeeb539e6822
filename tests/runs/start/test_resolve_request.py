"""From what was typed to an intention: job, set and parameters, also where Alma cannot be asked just now."""

from __future__ import annotations

import pytest
from werkzeug import Response

from almajob.alma.models import Job, Parameter
from almajob.errors import Refused, Unreachable, UsageError
from almajob.jobs.job_lookup import Catalogue
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.start.resolve_request import find_job, make_request
from almajob.runs.start_request import Deps, StartOptions, StartRequest
from tests.store.ledger.test_record import new
from tests.support.fake_alma import FakeAlma

EXPORT = Job("M44", "Export records")
THESES = {"id": "7", "name": "Theses", "content": {"value": "BIB_MMS"}}


def _request(
    deps: Deps, job: str = "M44", given: Parameters | None = None, options: StartOptions | None = None
) -> StartRequest:
    return make_request(job, given or Parameters(), options or StartOptions(), lambda _text: EXPORT, deps)


def test_a_set_is_found_again_where_alma_is_away(alma: FakeAlma, deps: Deps) -> None:
    """So that a start whose answer was lost is the same one; a name that was never found is not guessed."""
    alma.on("GET /sets", {"set": [THESES], "total_record_count": 1}, Response("<html>", 500))
    first = _request(deps, options=StartOptions(set_name="Theses", run_key="k"))
    assert first.parameters.sent == (Parameter("set_id", "7"),)
    assert _request(deps, options=StartOptions(set_name="Theses", run_key="k")) == first
    with pytest.raises(Unreachable):
        _request(deps, options=StartOptions(set_name="Other"))


def test_a_set_by_its_name_stands_instead_of_an_id(alma: FakeAlma, deps: Deps) -> None:
    """In its place, and told so."""
    alma.on("GET /sets", {"set": [THESES], "total_record_count": 1})
    given = Parameters.of([Parameter("set_id", "1"), Parameter("x", "")])
    found = _request(deps, given=given, options=StartOptions(set_name="Theses")).parameters
    assert [(item.name, item.value, item.instead_of) for item in found.given] == [
        ("set_id", "7", "1"),
        ("x", "", None),
    ]


def test_a_payload_can_name_the_job(deps: Deps) -> None:
    """Where nothing else does; another job's is refused, and so is an id that is another job's now."""
    payload = Parameters((), "M44", "x.xml, line 1")
    assert _request(deps, "", payload).job == EXPORT
    with pytest.raises(UsageError, match="Which job"):
        _request(deps, "")
    with pytest.raises(Refused, match="The payload is of the job M45") as caught:
        _request(deps, given=Parameters((), "M45", "x.xml, line 1"))
    assert caught.value.reason == "That id is from x.xml, line 1."
    with pytest.raises(Refused, match="M44 is not the job that was saved"):
        _request(deps, options=StartOptions(job_name="Delete records"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([Parameter("set_id", "1"), Parameter("set_id", "2")], "The parameter set_id is there twice"),
        ([Parameter(" ", "1")], "A parameter has no name"),
        ([Parameter("a" * 501, "1")], "has more than 500 characters"),
        ([Parameter("a\n", "1")], "has a blank at its end"),
        ([Parameter("a", "\x00")], "which Alma cannot keep"),
    ],
)
def test_a_plugins_parameters_are_checked_too(deps: Deps, parameters: list[Parameter], message: str) -> None:
    """As names and values; they are a usage error."""
    with pytest.raises(UsageError, match=message):
        make_request("M44", parameters, StartOptions(), lambda _text: EXPORT, deps)


@pytest.mark.parametrize("text", ["ERP", "S1", " erp", "s1"])
def test_the_ledger_forgives_what_the_job_list_does(deps: Deps, text: str) -> None:
    """A start whose answer was lost is found again under the name with which it was typed."""

    def no_list() -> Catalogue:
        raise Unreachable("Alma is away.")

    deps.ledger.write(new(job_id="S1", job_name="ERP", environment="sandbox"))
    assert find_job(text, no_list, deps.ledger, "sandbox") == Job("S1", "ERP")
    with pytest.raises(Unreachable):
        find_job("ER", no_list, deps.ledger, "sandbox")
    with pytest.raises(Unreachable):
        find_job(text, no_list, deps.ledger, "production")


@pytest.mark.parametrize(
    ("text", "typed", "is_confirmed"),
    [
        ("M44", "", True),
        ("Export records", "", True),
        ("m44", "m44", True),
        (" EXPORT records", " EXPORT records", True),
        ("records", "records", False),
    ],
)
def test_what_was_typed_goes_with_a_request_that_names_the_job_otherwise(
    deps: Deps, text: str, typed: str, is_confirmed: bool
) -> None:
    """For the question in production; what is more than forgiven is not agreed to beforehand."""
    found = _request(deps, text, options=StartOptions(is_confirmed=True))
    assert (found.typed_job, found.options.is_confirmed) == (typed, is_confirmed)
