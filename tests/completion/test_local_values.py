"""What completions skim of an ini is what almajob reads in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.completion.local_values import Places
from almajob.config import settings
from almajob.config.saved_runs import read_all
from almajob.config.settings import Options
from almajob.errors import ConfigurationError

INIS = [
    "",
    "[sandbox]\napi_key = x\nregion = na\n",
    "[almajob]\nenv = lab ; a comment\ncache_dir = /tmp/a b\n[lab]\nkind = sandbox\nregion = eu\n",
    "[almajob]\nenv = \"sandbox\"\ncache_dir = '~/kept'\n[sandbox]\nregion = na\n[production]\nregion = na\n",
    "api_key_sandbox = x\napi_key_production = y\ndomain = na\n",
    "api_key_sandbox = x\ndomain = na\n[lab]\nkind = production\nregion = na\n[job:A = B]\naccept = FAILED\n",
    "# a comment\n; another\n[sandbox]\nregion = na\n[run:nightly]\njob = X\n[run:weekly]\njob = Y\n",
    "[hello]\ndays = 7\n[plugin:hello]\ndays = 7\n[plugn:x]\n[lab]\nkind = sandbox\nregion = eu\n[zone]\n",
]


# Those of str.splitlines, https://docs.python.org/3/library/stdtypes.html#str.splitlines
HALF_BREAKS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("sign", HALF_BREAKS)
def test_a_file_with_lines_within_lines_names_nothing(write_ini: Callable[..., Path], sign: str) -> None:
    """As almajob refuses it, be it the ini or one of saved runs."""
    ini = write_ini("[sandbox]\r\r\nregion = na\r\n[run:weekly]\njob = X\n")
    saved = ini.parent / "runs.d" / "nightly.ini"
    saved.parent.mkdir(mode=0o700)
    saved.write_text(f"# a comment{sign}[run:nightly]\njob = X\n", "utf-8")
    found = settings.load(Options(), os.environ)
    with pytest.raises(ConfigurationError, match="line 1 has a character"):
        read_all(found)
    assert Places(os.environ).environments == found.environment_names() == ["sandbox", "demo"]
    assert Places(os.environ).saved_runs == list(found.runs) == ["weekly"]
    write_ini(f"[sandbox]\nregion = na\n# a comment{sign}[hidden]\n")
    with pytest.raises(ConfigurationError, match="line 3 has a character"):
        settings.load(Options(), os.environ)
    assert Places(os.environ).environments == ["demo"]


def _assert_same(**options: str) -> None:
    found = settings.load(Options(**options), os.environ)  # type: ignore[arg-type]
    skimmed = Places(os.environ, **options)
    assert skimmed.environments == found.environment_names()
    assert skimmed.env == (found.env.text if found.env else "")
    assert found.cache_dir is not None
    assert (skimmed.cache, skimmed.state) == (found.cache_dir.text, found.need_state_dir(""))
    assert sorted(skimmed.saved_runs) == sorted(found.runs)


@pytest.mark.parametrize("text", INIS)
@pytest.mark.parametrize(
    "environ",
    [
        {"XDG_CACHE_HOME": "/x", "XDG_STATE_HOME": "/y"},
        {"ALMAJOB_ENV": "x", "ALMAJOB_CACHE_DIR": "~/c", "ALMAJOB_STATE_DIR": "/s"},
    ],
)
def test_it_is_what_the_settings_say(
    write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, text: str, environ: dict[str, str]
) -> None:
    """Environments, the one that is used, cache, state, saved runs; by default, variable, option."""
    write_ini(text)
    _assert_same()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    _assert_same()
    _assert_same(cache_dir="/named")


def test_the_same_ini_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest one: of the home directory, of the configuration's, here, and one that is named."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    for place in (Path.home() / ".config/almajob", tmp_path / "xdg/almajob", Path(), tmp_path):
        place.mkdir(parents=True, exist_ok=True)
        (place / "almajob.ini").write_text(f"[lab-{place.name}]\nkind = sandbox\nregion = na\n", "utf-8")
        (place / "almajob.ini").chmod(0o600)
        _assert_same()
    _assert_same(ini_file=str(tmp_path / "almajob.ini"))
    monkeypatch.setenv("ALMAJOB_INI", str(tmp_path / "almajob.ini"))
    _assert_same()
