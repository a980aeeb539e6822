"""The set that a job works on: found by its name, and checked before anything is sent.

A script that starts a job with an empty set when its set is not found has been published; this is why.
"""

from __future__ import annotations

import logging
import re

from almajob.alma.client import Alma
from almajob.alma.http.error_responses import BAD_QUERY, NO_SUCH_SET
from almajob.alma.models import Code, Job
from almajob.alma.pagination import read_pages
from almajob.alma.sets import Set
from almajob.errors import AlmaRefused, AmbiguousName, NotFound, ParametersRefused
from almajob.runs.run_key import takes_tag
from almajob.runs.start_request import OwnSet
from almajob.text.suggestions import find_near, fold

LOG = logging.getLogger(__name__)

# Codes of SetContentType that jobs on titles take alike: in Alma's wizard a job on bibliographic records
# offers the sets of all of these.
_TITLES = frozenset({"BIB_MMS", "BIB_MMS_DISCOVERY", "IE", "IED", "IEE", "IEP"})
_CONTENTS = _TITLES | {
    *("AUTHORITY_MMS", "COURSE", "FILE", "HOLDING", "IEC", "IEPA", "IER", "ITEM", "PO_LINE", "PORTFOLIO"),
    *("READING_LIST_CITATION", "READING_LIST", "REMOTE_REPRESENTATION", "REPRESENTATION", "RESEARCHERS"),
    *("USER", "VENDOR"),
}
_ADVICE = "--set NAME finds a set by its name, --param set_id=ID names one; Alma: Admin > Manage Sets."
_SHOWN = 5
TO_COME = "(the set that is made for it)"
"""What stands for the id of a set that is still to be made."""


def find(alma: Alma, name: str, *, is_exact: bool = False) -> Set:
    """Find the one set of exactly this name, or else the one that has it but for what is forgiven.

    Args:
        is_exact: nothing is forgiven, as for a change.

    Raises:
        Refused: there is none, or there are several.
    """
    listed = list({item.id: item for item in list_like(alma, name)}.values())
    exact = [item for item in listed if item.name == name]
    found = exact if exact or is_exact else [item for item in listed if fold(item.name) == fold(name)]
    if len(found) == 1:
        if not exact:
            LOG.info("Using the set %r (%s) for %r.", found[0].name, found[0].id, name)
        return found[0]
    if found:
        shown = "; ".join(f"{item.id} ({item.content.value})" for item in found[:_SHOWN])
        raise AmbiguousName(
            f"{len(found)} sets are called {name!r}; nothing was sent.",
            reason=f"They are: {shown}",
            hint="Choose one by its id: --param set_id=ID",
        )
    near = find_near(name, (item.name for item in listed))
    raise NotFound(
        f"There is no set {name!r}; nothing was sent.",
        reason=f"Did you mean: {', '.join(map(repr, near))}?" if near else "",
        hint=_ADVICE,
    )


def list_like(alma: Alma, name: str) -> list[Set]:
    """List the sets whose names have these words, or all where they cannot be asked for so."""
    # Alma's own examples write a blank as "_"; of other signs nobody says how they are sought.
    if re.fullmatch(r"[\w -]+", name):
        query = f"name~{name.replace(' ', '_')}"
        try:
            found = list(read_pages(lambda offset: alma.sets_page(query, offset), "sets", alma.busy))
        except AlmaRefused as refused:
            if refused.code not in BAD_QUERY:
                raise
        else:
            if any(item.name == name for item in found):
                return found
    return list(read_pages(lambda offset: alma.sets_page("", offset), "sets", alma.busy))


def check(alma: Alma, job: Job, set_id: str) -> Set:
    """Check the set that a start names.

    Raises:
        Refused: it is no id, is not there, is empty, or of records that the job does not work on.
    """
    if not re.fullmatch("[0-9]+", set_id):
        what = f"set_id is {set_id!r}, which is not the id of a set" if set_id else "set_id is empty"
        raise ParametersRefused(f"{what}; nothing was sent.", hint=_ADVICE)
    try:
        found = alma.set(set_id)
    except AlmaRefused as refused:
        if refused.code not in NO_SUCH_SET:
            raise
        raise NotFound(
            f"There is no set {set_id} here; nothing was sent.",
            reason="Ids of sets differ between environments.",
            hint=_ADVICE,
            alma=refused.alma,
        ) from None
    wanted, content = job.content.value, found.content.value
    fits = wanted == content or (wanted in _TITLES and content in _TITLES)
    # Some jobs name a content of their own, which says nothing about sets.
    if wanted in _CONTENTS and content in _CONTENTS and not fits:
        raise ParametersRefused(
            f"The set {found.name!r} ({set_id}) does not fit the job; nothing was sent.",
            reason=f"It is of {_describe(found.content.desc, content)}; {job.name!r} works on "
            f"{_describe(job.content.desc, wanted)}.",
            hint=_ADVICE,
        )
    if found.members == 0:
        raise ParametersRefused(
            f"The set {found.name!r} ({set_id}) has no members; nothing was sent.", hint=_ADVICE
        )
    return found


def check_own(alma: Alma, job: Job, set_id: str, own: OwnSet) -> Set:
    """Check the set that is made for a start: that it suits the job, and has all members once it is there.

    Args:
        set_id: its id, or ``TO_COME``.
        own: what it must be.

    Raises:
        Refused: it does not suit the job, is gone, or has more or fewer members: somebody has changed it.
    """
    if set_id == TO_COME:
        return Set("", own.name, Code(content_for(job)), own.members)
    found = check(alma, job, set_id)
    if own.members is not None and found.members != own.members:
        has = "an unknown number of" if found.members is None else str(found.members)
        raise ParametersRefused(
            f"The set {found.name!r} ({set_id}) has {has} members, not {own.members}; nothing was started.",
            reason="It was made for this start; somebody or something has changed it since.",
            hint="Look at it in Alma, Admin > Manage Sets.",
        )
    return found


def content_for(job: Job) -> str:
    """Return the code of what a set for a job must be of.

    Raises:
        Refused: the job works on no set, or Alma does not say on which.
    """
    wanted = job.content.value
    if takes_tag(job) and wanted in _CONTENTS:
        return wanted
    raise ParametersRefused(
        f"Of what a set for {job.name!r} must be is not known; nothing was sent.",
        reason=f"Alma says that it works on {_describe(job.content.desc, wanted)}."
        if wanted
        else "Alma names nothing that it works on.",
        hint="If it does work on a set: make one in Alma, and start the job with --set NAME.",
    )


def refuse_missing(job: Job) -> None:
    """Refuse a start without a set, of a job that works on one.

    Raises:
        Refused: the job's content is a kind of set.
    """
    wanted = job.content
    if takes_tag(job) and wanted.value in _CONTENTS:
        raise ParametersRefused(
            f"{job.name!r} works on a set of {_describe(wanted.desc, wanted.value)}, and none is named; "
            "nothing was sent.",
            hint=f"{_ADVICE}\n--allow-unknown sends it without one.",
        )


def _describe(description: str, code: str) -> str:
    return f"{description} ({code})" if description else code
