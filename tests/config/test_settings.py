"""The command line, the environment and the ini as one value, each setting with its source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from almajob.config import settings
from almajob.config.ini_reader import Setting
from almajob.config.settings import Options, Settings
from almajob.errors import ConfigurationError
from almajob.text.redaction import Secret
from tests.support.fake_alma import KEY

Write = Callable[..., Path]
TWO = f"[sandbox]\napi_key = {KEY}\nregion = na\n[production]\napi_key = {KEY}\nregion = eu\n"


def _load(environ: Mapping[str, str] | None = None, **options: str) -> Settings:
    return settings.load(Options(**options), {**os.environ, **(environ or {})})  # type: ignore[arg-type]


def _text(setting: Setting | None) -> str:
    return setting.text if setting else ""


def test_the_environment_is_chosen_by_option_then_variable_then_ini(write_ini: Write) -> None:
    """The nearer wins, and its source is known."""
    write_ini("[almajob]\nenv = sandbox\n" + TWO)
    assert _load().env == Setting("sandbox", f"{os.environ['ALMAJOB_INI']}, line 2", 2)
    assert _load({"ALMAJOB_ENV": "production"}).env == Setting("production", "ALMAJOB_ENV")
    assert _load({"ALMAJOB_ENV": "production"}, env="lab").env == Setting("lab", "--env")


@pytest.mark.parametrize(
    "text",
    [
        "[almajob]\nenv = production\n" + TWO,
        "[almajob]\nenv = production\n",
        "[almajob]\nenv = production\n[production]\nkind = sandbox\nregion = na\n",
        f"[almajob]\nenv = nz\n[nz]\nkind = production\nregion = eu\napi_key = {KEY}\n",
    ],
)
def test_production_is_never_the_default(write_ini: Write, text: str) -> None:
    """An ini that would make it so is refused, whatever the environment is called."""
    write_ini(text)
    with pytest.raises(ConfigurationError, match="would make production the default"):
        _load()
    assert _load(env="sandbox").env


@pytest.mark.parametrize(
    ("text", "env", "message"),
    [
        (None, "sandbox", "No configuration file was found"),
        (TWO, "sandbocks", "has no environment 'sandbocks'"),
        ("[sandbox]\nregion = mars\n", "sandbox", "there is no such region"),
        (f"[sandbox]\napi_key = {KEY}\n", "sandbox", "The region of sandbox is not set"),
        ("[nz]\nregion = na\n", "nz", "is nz a sandbox or production"),
        ("[nz]\nregion = na\nkind = test\n", "nz", "line 3: is nz a sandbox or production"),
        ("[production]\nkind = sandbox\nregion = na\n", "production", "cannot be a sandbox environment"),
        ("[sandbox]\nregion = na\ndomain = eu\n", "sandbox", "domain and region differ"),
        ("[sandbox]\nregion = na\ndeadline = soon\n", "sandbox", "not a number of seconds"),
        ("[sandbox]\nregion = na\ndeadline = 0\n", "sandbox", "not a number of seconds"),
        ("[sandbox]\nregion = na\ntag = perhaps\n", "sandbox", "line 3: tag must be yes or no"),
        # What is misspelled might have been the one that protects production.
        (
            "[sandbox]\napi_kye = x\n",
            "",
            r"line 2: api_kye is not .* in \[sandbox\].\n.*Did you mean api_key\?",
        ),
        ("[almajob]\nregion = na\n", "", "Known settings: env, cache_dir"),
        (f"[sandbox]\n{KEY} = x\n", "", "this line is not a setting"),
        ("[sandbox]\nsecretpassphrase = x\n", "", "this line is not a setting"),
        (f"[{KEY}{KEY}]\nx = 1\n", "", "heading is not a valid name"),
        ("[Almajob]\nenv = x\n", "", "small letters"),
        ("[demo]\nkind = sandbox\n", "", "built-in simulator"),
        ("[a b]\nregion = na\n", "", "heading is not a valid name"),
        ("[../x]\nregion = na\n", "", "heading is not a valid name"),
    ],
)
def test_what_is_not_well_configured_is_refused(
    write_ini: Write, text: str | None, env: str, message: str
) -> None:
    """Before anything is done; a key that stands in the wrong place is not shown."""
    if text is not None:
        write_ini(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        _load(env=env).environment()
    assert KEY not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("na", "https://api-na.hosted.exlibrisgroup.com"),
        ("APS", "https://api-aps.hosted.exlibrisgroup.com"),
        ("cn", "https://api-cn.hosted.exlibrisgroup.com.cn"),
    ],
)
@pytest.mark.parametrize("name", ["region", "domain"])
def test_a_region_is_its_gateway(write_ini: Write, name: str, region: str, url: str) -> None:
    """Under its own name or the predecessor's."""
    write_ini(f"[sandbox]\napi_key = {KEY}\n{name} = {region}\n")
    found = _load(env="sandbox").environment()
    assert found.base_url is not None
    assert found.base_url == url


def test_the_predecessors_ini_is_both_environments(
    write_ini: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys without a section, one domain for both; what it does not know is ignored, and said so."""
    write_ini(f"api_key_production = {KEY}\napi_key_sandbox = other\ndomain = na\napi_key_test = red\n")
    with caplog.at_level("WARNING", "almajob"):
        found = _load(env="production")
    assert "line 4: api_key_test is not a setting and is ignored" in caplog.text
    for name, key in (("production", KEY), ("sandbox", "other")):
        access = found.access(name)
        assert access.environment.kind == name
        assert access.api_key is not None
        assert access.api_key.text == "(hidden)"
        assert access.api_key.key == Secret(key)
    assert KEY not in repr(found)


def test_the_ini_is_looked_for_where_the_design_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by option, by variable, in the working directory, in XDG_CONFIG_HOME; the first one counts."""
    places = {
        "option": tmp_path / "option.ini",
        "variable": tmp_path / "variable.ini",
        "here": Path("almajob.ini").absolute(),
        "config": tmp_path / "xdg" / "almajob" / "almajob.ini",
        "home": Path.home() / ".config" / "almajob" / "almajob.ini",
    }
    for name, path in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[{name}]\nkind = sandbox\n", "utf-8")
        path.chmod(0o600)
    xdg = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}

    def first(environ: Mapping[str, str], **options: str) -> str:
        return next(iter(_load(environ, **options).sections))

    variable = {"ALMAJOB_INI": str(places["variable"]), **xdg}
    assert first(variable, ini_file=str(places["option"])) == "option"
    assert first(variable) == "variable"
    assert first(xdg) == "here"
    places["here"].unlink()
    assert first(xdg) == "config"
    assert first({"XDG_CONFIG_HOME": "relative/is/ignored"}) == "home"


def test_the_cache_directory_has_its_order_too(write_ini: Write, tmp_path: Path) -> None:
    """Option, variable, ini, XDG."""
    write_ini("[almajob]\ncache_dir = ~/mine\n")
    named = {"ALMAJOB_CACHE_DIR": str(tmp_path / "variable")}
    assert _text(_load(named, cache_dir="relative").cache_dir) == str(Path("relative").absolute())
    assert _text(_load(named).cache_dir) == str(tmp_path / "variable")
    assert _text(_load().cache_dir) == str(Path.home() / "mine")
    write_ini("")
    assert _text(_load({"XDG_CACHE_HOME": "/x"}).cache_dir) == "/x/almajob"
    assert _load().cache_dir == Setting(str(Path.home() / ".cache/almajob"), "default")
    write_ini("[almajob]\ncache_dir =\n")
    with pytest.raises(ConfigurationError, match="no name"):
        _load()


def test_without_a_home_the_user_database_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A systemd service has no HOME; a container's user may not even be in the database."""
    found = settings.load(Options(), {})
    assert _text(found.cache_dir).endswith("/.cache/almajob")
    assert _text(found.state_dir).endswith("/.local/state/almajob")

    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    found = settings.load(Options(), {})
    assert (found.cache_dir, found.state_dir) == (None, None)
    with pytest.raises(ConfigurationError, match="no place for the ledger") as caught:
        found.need_state_dir("the ledger")
    assert "ALMAJOB_STATE_DIR" in caught.value.hint
    named = {"ALMAJOB_CACHE_DIR": "/x", "ALMAJOB_STATE_DIR": "/y"}
    found = settings.load(Options(), named)
    assert (_text(found.cache_dir), _text(found.state_dir)) == ("/x", "/y")


@pytest.mark.parametrize(("text", "is_set"), [("yes", True), ("No", False), ("true", True), ("off", False)])
def test_yes_and_no_are_read_as_people_write_them(
    write_ini: Callable[..., Path], text: str, is_set: bool
) -> None:
    """As configparser reads them."""
    path = write_ini(f"[sandbox]\nregion = na\ntag = {text}\nsole_starter = {text}\n")
    environment = settings.load(Options(ini_file=str(path)), {"HOME": "/"}).environment("sandbox")
    assert (environment.has_tags, environment.is_sole_starter) == (is_set, is_set)


GROUPS = f"{TWO}[group:both]\nenvironments = production, sandbox\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sandbox,production", ["sandbox", "production"]),
        ("@both", ["production", "sandbox"]),
        ("sandbox, @both,demo", ["sandbox", "production", "demo"]),
    ],
)
def test_several_environments_are_listed_once_in_their_order(
    write_ini: Write, text: str, found: list[str]
) -> None:
    """By their names and by groups, with blanks where somebody wrote some."""
    write_ini(GROUPS)
    assert _load().list_environments(text) == found


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("", "is empty"),
        ("environments =\n", "is empty"),
        ("environments = sandbox sandbox\n", "sandbox is named twice"),
        ("environments = sandbox @both\n", "@both is a group"),
        ("environments = sandbox other\n", "there is no environment 'other'"),
    ],
)
def test_a_group_that_is_wrong_is_refused(write_ini: Write, section: str, message: str) -> None:
    """Where it is used; another one can be used all the same."""
    write_ini(f"{GROUPS}[group:odd]\n{section}")
    with pytest.raises(ConfigurationError, match=message):
        _load().group("odd")
    assert _load().group("both")


@pytest.mark.parametrize("section", ["[group:]\n", "[group:a b]\n", "[group:both]\nenvironment = x\n"])
def test_a_groups_section_is_read_as_strictly_as_others(write_ini: Write, section: str) -> None:
    """Its heading and its one setting."""
    write_ini(f"{TWO}{section}")
    with pytest.raises(ConfigurationError):
        _load()
