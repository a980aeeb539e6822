"""An environment as commands and plugins see it: plain values, and apart from them where each came from."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.config import settings
from almajob.config.environments import Environment
from almajob.config.settings import Options
from tests.support.fake_alma import KEY

Write = Callable[[str], Path]


def _environment(name: str) -> Environment:
    return settings.load(Options(env=name), os.environ).environment()


@pytest.mark.parametrize(("name", "kind"), [("production", ""), ("live", "kind = production")])
def test_its_kind_is_a_text(write_ini: Write, name: str, kind: str) -> None:
    """So a plugin can compare it, by whatever name the environment goes."""
    write_ini(f"[{name}]\napi_key = {KEY}\nregion = eu\n{kind}\n")
    found = _environment(name)
    assert (found.name, found.kind, str(found.kind)) == (name, "production", "production")
    assert found.is_production


def test_it_knows_its_region_where_that_was_given(write_ini: Write) -> None:
    """In small letters; with an address instead there is none, and the demo has neither."""
    write_ini("[a]\nkind = sandbox\nregion = EU\n[b]\nkind = sandbox\nbase_url = http://127.0.0.1:1\n")
    first, second, demo = map(_environment, ("a", "b", "demo"))
    assert (first.region, first.base_url) == ("eu", "https://api-eu.hosted.exlibrisgroup.com")
    assert (second.region, second.base_url) == (None, "http://127.0.0.1:1")
    assert (demo.region, demo.base_url, demo.kind, demo.is_production) == (None, None, "sandbox", False)


def test_where_a_setting_came_from_is_asked_for_apart(write_ini: Write) -> None:
    """File and line; the region's for an address that comes of it; default where nobody said anything."""
    path = write_ini(f"[production]\napi_key = {KEY}\nregion = na\nread_only = yes\n")
    found = _environment("production")
    assert found.source_of("kind") == "built in"
    assert found.source_of("base_url") == found.source_of("region") == f"{path}, line 3"
    assert found.source_of("read_only") == f"{path}, line 4"
    assert found.source_of("burst") == "default"
    with pytest.raises(ValueError, match="'knd' is not a setting of an environment"):
        found.source_of("knd")


def test_it_is_a_frozen_value_and_no_tuple(write_ini: Write) -> None:
    """It equals its like, can be kept in a set and pickled, and has no items."""
    write_ini(f"[sandbox]\napi_key = {KEY}\nregion = na\n")
    found, again = _environment("sandbox"), _environment("sandbox")
    assert found == again
    assert {found, again, pickle.loads(pickle.dumps(found))} == {found}
    assert found != found.replace(name="other")
    assert KEY not in repr(found)
    with pytest.raises(TypeError):
        iter(found)  # type: ignore[call-overload]
    with pytest.raises(AttributeError, match="frozen"):
        found.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError, match="Environment takes"):
        found.replace(nmae="other")
