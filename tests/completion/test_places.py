"""What completions skim of an ini is what almajob reads in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.completion.known import Places
from almajob.config import settings
from almajob.config.settings import Options

INIS = [
    "",
    "[sandbox]\napi_key = x\nregion = na\n",
    "[almajob]\nenv = lab ; a comment\ncache_dir = /tmp/a b\n[lab]\nkind = sandbox\nregion = eu\n",
    "[almajob]\nenv = \"sandbox\"\ncache_dir = '~/kept'\n[sandbox]\nregion = na\n[production]\nregion = na\n",
    "api_key_sandbox = x\napi_key_production = y\ndomain = na\n",
    "api_key_sandbox = x\ndomain = na\n[lab]\nkind = production\nregion = na\n[job:A = B]\naccept = FAILED\n",
    "# a comment\n; another\n[sandbox]\nregion = na\n[run:nightly]\njob = X\n[run:weekly]\njob = Y\n",
]


@pytest.mark.parametrize("text", INIS)
@pytest.mark.parametrize(
    "environ", [{}, {"ALMAJOB_ENV": "x", "ALMAJOB_CACHE_DIR": "~/c", "ALMAJOB_STATE_DIR": "/s"}]
)
def test_it_is_what_the_settings_say(
    write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, text: str, environ: dict[str, str]
) -> None:
    """Environments, the one that is used, the cache, the state, the saved runs."""
    write_ini(text)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = settings.load(Options(), os.environ)
    skimmed = Places(os.environ)
    assert skimmed.environments == found.environment_names()
    assert skimmed.env == (found.env.text if found.env else "")
    assert (skimmed.cache, skimmed.state) == (found.cache_dir.text, found.state_dir.text)
    assert sorted(skimmed.saved) == sorted(found.runs)
