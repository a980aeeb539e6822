"""Sections of an ini that are nothing of almajob's: a warning each, and the rest of the file counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.fake_alma import KEY

Write = Callable[..., Path]
LAB = "[lab]\nkind = sandbox\nbase_url = http://127.0.0.1:1\napi_key = simulator-sandbox-key\n"


@pytest.mark.parametrize(
    ("section", "shown"),
    [
        (
            "[plugn:hello]\ndays = 7\n",
            "the section [plugn:hello] is not known to almajob and is ignored. Did",
        ),
        ("[plugn:hello]\ndays = 7\n", "Did you mean [plugin:hello]?"),
        ("[Job:M44]\naccept = FAILED\n", "Did you mean [job:M44]?"),
        ("[rnu:weekly]\njob = M1\n", "Did you mean [run:weekly]?"),
        # Kinds that a later almajob may have.
        ("[inform:mail]\nto = ada@example.org\n", "the section [inform:mail] is not known"),
        ("[zone:all]\nenvironments = lab\n", "the section [zone:all] is not known"),
        ("[hello]\ndays = 7\n", "a plugin's settings belong in [plugin:NAME]."),
        ("[my notes]\n", "the section [my notes] is not known"),
        (f"[{'pasted' * 20}]\nx = 1\n", "a section is not known to almajob and is ignored."),
    ],
)
def test_an_unknown_section_is_one_warning(almajob: Run, write_ini: Write, section: str, shown: str) -> None:
    """The command goes on, however often the file is read meanwhile; stdout has the result alone."""
    ini = write_ini(LAB + section)
    done = almajob("config", "show", "-f", "json")
    assert done.code == 0
    assert " ".join(done.err.split()).count(shown) == 1
    assert done.err.count(str(ini)) == 1


@pytest.mark.parametrize(
    ("section", "message"),
    [
        # What is misspelled might have been the one that protects production.
        ("[nz]\nkidn = production\n", "kidn is not a setting in [nz]"),
        ("[nz]\nregion = na\ncolour = red\n", "this line is not a setting in [nz]"),
        ("[production]\ncolour = red\n", "this line is not a setting in [production]"),
        ("[almajob]\ncache_dri = x\n", "Did you mean cache_dir?"),
        ("[plugin:]\ndays = 7\n", "heading is not a valid name"),
        ("[plugin:a b]\ndays = 7\n", "heading is not a valid name"),
        (f"[{KEY}]\nx = 1\n", "heading is not a valid name"),
        ("[plugin:a-b]\nx = 1\n[plugin:A_b]\ny = 1\n", "has two sections of the plugin 'a-b'"),
    ],
)
def test_a_misspelt_setting_of_almajobs_is_still_an_error(
    almajob: Run, write_ini: Write, section: str, message: str
) -> None:
    """Exit code 7, and nothing of a key is shown."""
    write_ini(LAB + section)
    done = almajob("config", "show")
    assert (done.code, done.out) == (7, "")
    assert message in " ".join(done.err.split())
    assert KEY not in done.err


def test_an_unknown_section_beside_saved_runs_is_one_warning(almajob: Run, write_ini: Write) -> None:
    """A file in runs.d is read several times by a command; what belongs elsewhere is still an error."""
    ini = write_ini(LAB)
    (ini.parent / "runs.d").mkdir(mode=0o700)
    saved = ini.parent / "runs.d" / "weekly.ini"
    saved.write_text("[run:weekly]\njob = M44\n[rnu:daily]\njob = M45\n", "utf-8")
    saved.chmod(0o600)
    done = almajob("saved", "list", "-f", "value", "-c", "name")
    assert (done.code, done.out) == (0, "weekly\n")
    assert done.err.count("[rnu:daily]") == 1
    saved.write_text(f"[run:weekly]\njob = M44\n{LAB}", "utf-8")
    done = almajob("saved", "list")
    assert (done.code, "contains more than saved runs" in done.err) == (7, True)
