"""Which files of a current directory their user trusts: to run commands, and to say where keys go.

Whoever unpacks or clones something gets its files, and an almajob.ini among them is found first. So trust is
given once, to one content at one place, as direnv does it. The state directory keeps it, which no ini names.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, NoReturn

from almajob.config import ini_reader as ini_file
from almajob.config.paths import without_links
from almajob.errors import ConfigurationError, Refused
from almajob.system.input_files import read_given
from almajob.system.private_files import hint_of, make_private, read_own, refuse_link, refuse_open_directory

WHAT_IT_MAY = "Once trusted, it may run commands and say where keys go."
_RECORD_SIZE = 2**16
_SUFFIX = ".json"
_LAST_TIME = 2.5e11
"""Late in the year 9892: whatever the clock says, it can be shown."""
_RELATIVE = "ALMAJOB_STATE_DIR is a relative path, so what it leads to may be somebody else's."


class UntrustedFile(NamedTuple):
    """A file that was found in the current directory, and that its user has not trusted as it is now.

    Attributes:
        digest: of its content.
        problem: what is wrong with the record of its trust; empty where nothing is.
        ini: the ini that it belongs to, which may be itself.
    """

    path: Path
    digest: str
    problem: str = ""
    ini: Path = Path()

    def refuse(self, message: str) -> NoReturn:
        """Refuse what only a trusted file may do: a sentence that begins with "It would".

        Raises:
            ConfigurationError: with the command that trusts the file.
        """
        import shlex

        path, ini = shlex.quote(str(self.path)), shlex.quote(str(self.ini))
        raise ConfigurationError(
            f"{self.path} is not trusted. Nothing was run or sent.",
            reason=f"{message} It was found in the current directory, and may be somebody else's.",
            hint=f"Look at the file, then type: almajob config trust {path}\n"
            f"Or name the configuration file yourself: --ini-file {ini}, or ALMAJOB_INI.",
        )


class Trusted(NamedTuple):
    """The record of a file that is trusted.

    Attributes:
        path: of the file, without links; of the record itself where that is damaged.
        state: ``trusted``; ``changed``, ``gone`` or ``unreadable`` since; or ``damaged``, the record itself.
        trusted_at: when, in UTC; None where that is not known.
    """

    path: Path
    state: str
    trusted_at: datetime | None


class _Kept(NamedTuple):
    """What a record has in it."""

    path: str
    digest: str
    trusted_at: float
    """Seconds since the epoch."""


class TrustedFiles:
    """The files that a user trusts, each with a record of its own, so that many can be trusted at once.

    Args:
        directory: of the records; None where there is no such place, or where it is a relative one, which
            leads to wherever somebody unpacked something, too.
        problem: why there is none.
    """

    def __init__(self, directory: Path | None, problem: str = _RELATIVE) -> None:
        self._directory = directory
        self._problem = problem

    def check(self, path: Path, digest: str) -> UntrustedFile | None:
        """Return None where a file is trusted as it is now."""
        if self._directory is None:
            return UntrustedFile(path, digest, self._problem)
        try:
            found = without_links(path)
            self._refuse_open()
            kept = _parse(read_own(self._record(found), _RECORD_SIZE))
        except FileNotFoundError:
            return UntrustedFile(path, digest)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is damaged"
            return UntrustedFile(path, digest, f"The record of its trust cannot be used: {why}.")
        is_trusted = (kept.path, kept.digest) == (str(found), digest)
        return None if is_trusted else UntrustedFile(path, digest)

    def trust(self, path: Path, now: float) -> Trusted:
        """Trust a file as it is now.

        Raises:
            ConfigurationError: it cannot be read, or others can change it.
            Refused: that cannot be kept.
        """
        try:
            raw, mode = _read(path)
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read, so it was not trusted.", reason=f"{error.strerror}."
            ) from None
        if len(raw) > ini_file.SIZE_LIMIT:
            raise ConfigurationError(f"{path} is larger than 1 MiB, so it was not trusted.")
        ini_file.refuse_open_file(path, mode, holds_key=False, reason=WHAT_IT_MAY)
        ini_file.refuse_open_place(path, WHAT_IT_MAY)
        return self.keep(path, ini_file.digest_of(raw), now)

    def keep(self, path: Path, digest: str, now: float) -> Trusted:
        """Keep that a file is trusted with a certain content.

        Raises:
            Refused: it cannot be kept.
        """
        # Most only check, and what writes files takes long to import.
        from almajob.system.atomic_write import new_file

        if self._directory is None:
            raise Refused(
                f"{path} was not trusted.",
                reason=self._problem,
                hint="Set ALMAJOB_STATE_DIR to an absolute path.",
            )
        found = without_links(path)
        kept = _Kept(str(found), digest, now)
        try:
            make_private(self._directory)
            self._refuse_open()
            with new_file(self._record(found), overwrite=True, mode=0o600) as file:
                file.write(f"{json.dumps(kept._asdict())}\n".encode())
        except OSError as error:
            raise _not_kept(f"{path} was not trusted", self._directory, error) from None
        return Trusted(found, "trusted", datetime.fromtimestamp(now, UTC))

    def remove(self, path: Path) -> Trusted:
        """Trust a file no more, whatever it is now.

        Raises:
            Refused: it was not trusted, or that cannot be changed.
        """
        from almajob.system.atomic_write import reach_disk

        found = without_links(path)
        try:
            if self._directory is None:
                raise FileNotFoundError
            self._record(found).unlink()
            reach_disk(self._directory)
        except FileNotFoundError:
            raise Refused(
                f"{found} is not trusted. Nothing was changed.",
                hint="almajob config trust --list shows the files that are.",
            ) from None
        except OSError as error:
            raise _not_kept(f"{found} is still trusted", self._directory, error) from None
        return Trusted(found, "removed", None)

    def all(self) -> list[Trusted]:
        """List the files that are trusted, and how each of them is now."""
        if self._directory is None:
            return []
        try:
            self._refuse_open()
            records = [path for path in self._directory.iterdir() if path.suffix == _SUFFIX]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _not_kept("The list of trusted files cannot be read", self._directory, error) from None
        return sorted(map(self._read_record, records), key=lambda each: each.path)

    def _read_record(self, record: Path) -> Trusted:
        try:
            kept = _parse(read_own(record, _RECORD_SIZE))
        except (OSError, ValueError):
            return Trusted(record, "damaged", None)
        path = Path(kept.path)
        if self._record(path) != record:
            return Trusted(record, "damaged", None)
        return Trusted(path, _state(path, kept.digest), datetime.fromtimestamp(kept.trusted_at, UTC))

    def _record(self, path: Path) -> Path:
        """Name the record of a file; its path has no links in it."""
        assert self._directory is not None
        return self._directory / f"{ini_file.digest_of(os.fsencode(path))}{_SUFFIX}"

    def _refuse_open(self) -> None:
        """Refuse a directory into which others can put records.

        Raises:
            OSError: it is one, or it is a link.
        """
        assert self._directory is not None
        refuse_link(self._directory)
        refuse_open_directory(self._directory)


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    return read_given(path, ini_file.SIZE_LIMIT + 1, may_be_pipe=False)


def _state(path: Path, digest: str) -> str:
    try:
        return "trusted" if ini_file.digest_of(_read(path)[0]) == digest else "changed"
    except FileNotFoundError:
        return "gone"
    except OSError:
        return "unreadable"


def _parse(raw: bytes) -> _Kept:
    """Read a record.

    Raises:
        ValueError: it is none.
    """
    try:
        kept = _Kept(**json.loads(raw))
    except (TypeError, RecursionError):
        raise ValueError from None
    is_path = isinstance(kept.path, str) and kept.path.startswith("/") and "\0" not in kept.path
    is_time = isinstance(kept.trusted_at, (int, float)) and 0 <= kept.trusted_at < _LAST_TIME
    if not (is_path and is_time and isinstance(kept.digest, str)):
        raise ValueError
    return kept


def _not_kept(message: str, directory: Path | None, error: OSError) -> Refused:
    return Refused(
        f"{message}: {directory} cannot be used.",
        reason=f"{error.strerror}.",
        hint=hint_of(error) or "Set ALMAJOB_STATE_DIR to another place.",
    )
