"""What a run left behind in Alma: the users that it rejected, the records that it met, the file it loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from almajob.alma.client import Alma
from almajob.alma.http.file_download import NotWritten
from almajob.alma.http.session import ATTEMPTS
from almajob.alma.job_instances import Event, Match, Page
from almajob.alma.models import Job
from almajob.alma.pagination import read_pages
from almajob.errors import AlmaRefused, BrokenOff, Refused, ResultLost
from almajob.system import clock as clocks
from almajob.system.atomic_write import AlreadyThere, new_file

LOG = logging.getLogger(__name__)

POPULATIONS = {"single": "SINGLE_MATCHES", "multi": "MULTI_MATCHES"}
LINE_TYPE = "TOTAL_RECORDS_IMPORTED"
_PAUSE = 5.0


def has_events(job: Job) -> bool:
    """Whether a job's runs have events: a user job of an integration profile, not a manual one."""
    is_users = job.category.value == "USERS" and job.type.value not in ("", "MANUAL")
    return is_users or (job.name.startswith("Users ") and " using profile " in job.name)


def has_matches(job: Job) -> bool:
    """Whether a job's runs have matches: a metadata import."""
    return job.name.startswith("Metadata Import")


def read_events(alma: Alma, instance_id: str) -> Iterator[Event]:
    """List what a run of the Student Information System reports, as soon as each page is there."""
    return read_pages(partial(alma.events_page, instance_id), "events", alma.busy)


def read_matches(alma: Alma, instance_id: str, population: str) -> Iterator[Match]:
    """List what a metadata import found to be there already; population is one of POPULATIONS."""
    kind = POPULATIONS[population]

    def page_at(offset: int) -> Page[Match]:
        with _only_imports("matches"):
            return alma.matches_page(instance_id, kind, offset)

    return read_pages(page_at, "matches", alma.busy)


@contextmanager
def _only_imports(message: str) -> Iterator[None]:
    """Add to an error what Alma leaves out: it calls the run of another job no run, or just fails."""
    try:
        yield
    except AlmaRefused as refused:
        hint = f"Only runs of metadata imports have {message}. {refused.hint}"
        raise refused.replace(hint=hint) from None


def download_file(
    alma: Alma, instance_id: str, path: Path, *, form: str, line_type: str, overwrite: bool = False
) -> int:
    """Save the file of records that a metadata import loaded; it is there completely or not at all.

    Alma documents no way to go on in the middle: a download that breaks off begins anew, and says so.

    Args:
        form: XML or BINARY.
        line_type: which line of the report.
        overwrite: whether a file that is there may be replaced.

    Returns:
        The number of bytes.

    Raises:
        Refused: the file cannot be made, or is there.
        ResultLost: it cannot be written to its end.
        AlmaError, Unreachable: it could not be had.
    """
    try:
        with new_file(path, overwrite=overwrite) as file:
            read = partial(alma.download, instance_id, form=form, line_type=line_type)
            return _receive(read, file)
    except AlreadyThere:
        raise Refused(
            f"{path} is there already.", hint="--overwrite replaces it; --force only means --refresh."
        ) from None
    except NotWritten as failed:
        why = f"{failed.cause.strerror or failed.cause}."
        raise ResultLost(f"{path} cannot be written.", reason=why, hint="Make room for it.") from None
    except OSError as error:
        raise Refused(
            f"{path} cannot be written.",
            reason=f"{error.strerror or error}.",
            hint="Name another place with --output.",
        ) from None


def _receive(read: Callable[..., int], file: IO[bytes]) -> int:
    attempt = 1
    while True:
        try:
            with _only_imports("a file"):
                return read(write=file.write)
        except BrokenOff as broken:
            if attempt == ATTEMPTS:
                raise
            came = file.tell()
            LOG.warning("%s %s bytes had come; it begins again.", broken.message, f"{came:,}")
            file.seek(0)
            file.truncate()
            clocks.system().sleep(_PAUSE * attempt)
            attempt += 1
