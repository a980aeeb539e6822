"""A key gets to its place, is seen by nobody on its way, and changes nothing else."""

from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as NothingKept

from almajob.config import paths
from almajob.config.environments import REGIONS
from almajob.simulator.gateway import KEYS
from almajob.simulator.http.server import Simulator
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.memory_keyring import KEPT, MemoryKeyring
from tests.support.terminals import Terminal

NEW = "l8xx00112233445566778899aabbccddeeff"
INI = """\
; of the library
[almajob]
env = sandbox

[sandbox]
api_key = l7xxold0000000000 ; made in May
region = na

[production]   # careful
region = eu
"""
WINDOWS = "\ufeff; \xe4\r\n[sandbox]\r\nregion = na\r\n[b]\r\nkind = sandbox"
OLDER = "; PHP\napi_key_sandbox = 'old'\ndomain = na\n"

Set = Callable[..., Result]
Write = Callable[..., Path]


@pytest.fixture
def set_key(almajob: Run, monkeypatch: pytest.MonkeyPatch) -> Set:
    """Pipe a key into the command; no byte of what it says may be the key."""

    def set_it(
        *words: str,
        key: str = f"{NEW}\n",
        before: tuple[str, ...] = (),
        stays_open: bool = False,
        checks: bool = False,
    ) -> Result:
        unchecked = () if checks else ("--no-check",)
        reader, writer = os.pipe()
        os.write(writer, key.encode("utf-8", "surrogateescape"))
        with ExitStack() as closing:
            if stays_open:
                closing.callback(os.close, writer)
            else:
                os.close(writer)
            monkeypatch.setattr("sys.stdin", closing.enter_context(os.fdopen(reader)))
            done = almajob(*before, "config", "set-key", *unchecked, *words)
        assert NEW not in done.out + done.err
        assert done.out == ""
        return done

    return set_it


@pytest.fixture
def ini(write_ini: Write) -> Path:
    """An ini with a comment in every place."""
    return write_ini(INI)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("text", "environment", "before", "after", "line"),
    [
        (INI, "sandbox", "l7xxold0000000000", NEW, 6),
        (INI, "production", "region = eu\n", f"region = eu\napi_key = {NEW}\n", 11),
        # As the older script has it.
        (OLDER, "sandbox", "'old'", NEW, 2),
        (OLDER, "production", "domain = na\n", f"domain = na\napi_key_production = {NEW}\n", 4),
        # A byte order mark and Windows' line ends stay.
        (WINDOWS, "sandbox", "na\r\n", f"na\r\napi_key = {NEW}\r\n", 4),
    ],
)
def test_it_replaces_the_key_or_adds_it(
    write_ini: Write, set_key: Set, text: str, environment: str, before: str, after: str, line: int
) -> None:
    """One line is another; where it is, and what comes next, is told. Others cannot read it any more."""
    ini = write_ini(text)
    done = set_key(environment)
    assert (done.code, ini.read_bytes().decode()) == (0, text.replace(before, after))
    assert _mode(ini) == 0o600
    assert done.err.splitlines() == [
        f"The key of {environment} is in {ini}, line {line}.",
        f"Next: almajob --env {environment} config check",
    ]
    assert [path.name for path in ini.parent.iterdir() if "almajob" in path.name] == ["almajob.ini"]


@pytest.mark.parametrize("by", ["", "--ini-file", "ALMAJOB_INI"])
def test_the_first_ini_is_made(
    set_key: Set, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """The one that is named, or a user's own with its directories: for its owner alone, and it works."""
    own = Path.home() / ".config/almajob/almajob.ini"
    ini = tmp_path / "of the library.ini" if by else own
    before = (by, str(ini)) if by == "--ini-file" else ()
    if by == "ALMAJOB_INI":
        monkeypatch.setenv(by, str(ini))
    done = set_key("production", "--region", "eu", before=before)
    assert done.code == 0, done.err
    assert f"is in {ini}, line 4." in done.err
    assert ini.read_text("utf-8").endswith(f"\n[production]\napi_key = {NEW}\nregion = eu\n")
    assert _mode(ini) == 0o600
    assert [_mode(path) for path in (own.parent, own.parent.parent) if path.exists()] == [0o700] * 2 * (
        not by
    )
    shown = almajob(*before, "--env", "production", "config", "show", "-f", "value")
    assert "production.base_url\thttps://api-eu.hosted.exlibrisgroup.com" in shown.out
    # Another zone gets a section of its own in it, and a sandbox may be called one.
    assert set_key("zone", "--kind", "production", "--region", "eu", before=before).code == 0
    assert ini.read_text("utf-8").endswith(f"\n[zone]\napi_key = {NEW}\nkind = production\nregion = eu\n")
    assert set_key("sandbox", "--kind", "sandbox", "--region", "na", before=before).code == 0


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("prodution",), 7, "Did you mean production?"),
        (("Sandbox",), 7, "Did you mean sandbox?"),
        (("zone",), 7, "almajob config set-key zone --kind KIND --region REGION"),
        (("zone", "--region", "eu"), 7, "KIND is sandbox or production"),
        (("demo",), 2, "The demo needs no key."),
        (("almajob",), 2, "is not the name of an environment"),
        (("a b", "--kind", "sandbox", "--region", "eu"), 2, "is not the name of an environment"),
        (("sandbox", "--region", "eu"), 2, "Leave out --region"),
        (("sandbox", "--region", "moon"), 2, "invalid choice"),
        (("sandbox", "--kind", "production"), 2, "sandbox cannot be a production environment."),
        (("production", "--kind", "sandbox"), 2, "production cannot be a sandbox environment."),
        (("sandbox", "--regoin", "eu"), 2, "unrecognized arguments: --regoin. Did you mean --region?"),
        (("sandbox", "--env", "production"), 2, "--env names production, and ENVIRONMENT another one."),
        ((), 2, "ENVIRONMENT"),
    ],
)
def test_what_is_refused_changes_nothing(
    ini: Path, set_key: Set, words: tuple[str, ...], code: int, part: str
) -> None:
    """Names that are none, or two of them, and a region or a kind that is known."""
    done = set_key(*words)
    assert done.code == code, done.err
    assert part in done.err
    assert ini.read_text("utf-8") == INI


@pytest.mark.parametrize("key", [NEW, "an-odd.Key+of/a=test", "it's\"odd", "odd (choose"])
@pytest.mark.parametrize(
    "words",
    [
        ("sandbox", "KEY"),
        ("sandbox", "--key", "KEY"),
        ("sandbox", "--api-key=KEY"),
        ("sandbox", "-k", "KEY"),
        ("sandbox", "--", "KEY"),
        ("sandbox", "--regoin", "KEY"),
        ("sandbox", "--region", "KEY"),
        ("sandbox", "--kind=KEY"),
        ("sandbox", "--keyring=KEY"),
        ("KEY",),
        ("KEY", "sandbox"),
        ("KEY", "--kind", "sandbox", "--region", "na"),
        ("KEY", "--env", "sandbox"),
    ],
)
def test_a_key_on_the_command_line_is_not_repeated(
    ini: Path, set_key: Set, words: tuple[str, ...], key: str
) -> None:
    """Of whatever shape, wherever it was typed; what is surely one is told with what to type instead."""
    done = set_key(*(word.replace("KEY", key) for word in words))
    assert (done.code, ini.read_text("utf-8")) == (2, INI), done.err
    assert not [part for part in (key, repr(key), repr(key)[1:-1]) if part in done.err]
    if "--env" not in words and (key == NEW or words[:2] in [("sandbox", "KEY"), ("sandbox", "--key")]):
        assert done.err.startswith("almajob: Do not pass an API key on the command line.\n")
        assert "Type almajob config set-key sandbox, and enter the key when you are asked" in done.err


@pytest.mark.parametrize(
    ("name", "words", "part"),
    [
        ("nowhere/a.ini", ("sandbox", "--region", "na"), "a.ini cannot be created."),
        ("a-file/a.ini", ("sandbox", "--region", "na"), "There is no directory"),
        ("a-link.ini", ("sandbox", "--region", "na"), "is a symbolic link"),
        ("a.ini", ("sandbox",), "a.ini has no environment 'sandbox'."),
        (f"{'n' * 300}.ini", ("sandbox", "--region", "na"), "File name too long."),
    ],
)
def test_an_ini_that_cannot_be_made_is_told(
    set_key: Set, tmp_path: Path, name: str, words: tuple[str, ...], part: str
) -> None:
    """A directory is not made: its name may be misspelt. Nothing else is, either."""
    (tmp_path / "a-file").touch()
    (tmp_path / "a-link.ini").symlink_to(tmp_path / "victim")
    done = set_key(*words, before=("--ini-file", str(tmp_path / name)))
    assert (done.code, part in done.err) == (7, True), done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-file", "a-link.ini", "home", "work"]


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("two words\n", "has a blank"),
        ("k\u00e9y-of-mine\n", "character that no key has"),
        ("\udcff\udcfe\n", "has a blank"),
        ('"a-key-of-mine"\n', "is in quotes"),
        ("`a-key-of-mine\n", "is in quotes"),
        ("k" * 257, "has more than 256 characters"),
        (f"{' ' * 4090}key-that-is-cut\n", "has more than 256 characters"),
        # Of a pipe that is silent then.
        ("half-a-key-of-mine", "No key was read. Nothing was changed."),
    ],
)
def test_what_can_be_no_key_is_refused_and_not_shown(
    ini: Path, set_key: Set, monkeypatch: pytest.MonkeyPatch, key: str, part: str
) -> None:
    """It may be a password that was pasted by mistake."""
    monkeypatch.setattr("almajob.system.input_files.PATIENCE", 0.05)
    done = set_key("sandbox", key=key, stays_open=key.startswith("half"))
    assert (done.code, ini.read_text("utf-8")) == (7, INI)
    assert part in done.err
    assert not key.strip() or key.strip() not in done.err


@pytest.mark.parametrize(
    ("piped", "stays_open", "key"),
    [
        # A pipe that goes on, and a line that does not end; a password store prints notes below the key.
        (f"{NEW}\n", True, NEW),
        (NEW, False, NEW),
        (f"  {NEW}\r\nuser: bob\n", False, NEW),
        ("k" * 256, False, "k" * 256),
        ("k" * 8, False, "k" * 8),
        ("k" * 7, False, "k" * 7),
    ],
)
def test_the_first_line_is_the_key(ini: Path, set_key: Set, piped: str, stays_open: bool, key: str) -> None:
    """A short one is kept with a warning, as it could not be hidden; the same again changes nothing."""
    warning = "A key of fewer than 8 characters is not hidden in messages.\n"
    done = set_key("sandbox", key=piped, before=("-q",), stays_open=stays_open)
    assert (done.code, ini.read_text("utf-8")) == (0, INI.replace("l7xxold0000000000", key))
    assert done.err == (warning if len(key) < 8 else "")
    before = ini.stat()
    again = set_key("sandbox", key=piped, stays_open=stays_open)
    assert (again.code, "This is the key of sandbox already" in again.err) == (0, True)
    assert (ini.stat().st_ino, ini.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("line", "variables", "part"),
    [
        ("api_key_command = pass show x", {}, "line 2 (api_key_command)"),
        ("", {"ALMAJOB_API_KEY_LAB": "from-variable"}, "ALMAJOB_API_KEY_LAB (variable)"),
        ("", {"CREDENTIALS_DIRECTORY": "."}, "(systemd credential)"),
    ],
)
def test_a_key_from_elsewhere_is_not_written_where_it_would_not_count(
    write_ini: Write,
    set_key: Set,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    variables: dict[str, str],
    part: str,
) -> None:
    """It is said from where the key comes."""
    text = f"[lab]\n{line}\nkind = sandbox\nregion = na\n"
    ini = write_ini(text)
    Path("almajob_lab").write_text("from-credential")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = set_key("lab")
    assert (done.code, ini.read_text("utf-8")) == (7, text)
    assert part in done.err


def test_a_key_file_gets_the_key(write_ini: Write, set_key: Set, tmp_path: Path) -> None:
    """For its owner alone, and only if it is one: what a link leads to is not written to."""
    path = tmp_path / "keys" / "lab.key"
    ini = write_ini(f"[lab]\nkind = sandbox\nregion = na\napi_key_file = {path}\n")
    before = ini.read_bytes()
    for _ in range(2):
        assert set_key("lab").code == 0
        assert (path.read_text(), _mode(path), _mode(path.parent)) == (f"{NEW}\n", 0o600, 0o700)
    assert ini.read_bytes() == before
    path.write_text("another\n")
    path.rename(tmp_path / "victim")
    path.symlink_to(tmp_path / "victim")
    done = set_key("lab")
    assert (done.code, (tmp_path / "victim").read_text()) == (7, "another\n")
    assert "is a symbolic link" in done.err


def _link(ini: Path) -> None:
    ini.rename(ini.with_name("victim.ini"))
    ini.symlink_to(ini.with_name("victim.ini"))


@pytest.mark.parametrize(
    ("spoil", "user", "part"),
    [
        (_link, None, "--ini-file"),
        (lambda ini: ini.parent.chmod(0o777), None, "chmod go-w"),
        (lambda ini: ini.chmod(0o660), None, "chmod 600"),
        (lambda ini: os.chown(ini, 12345, -1), None, "belongs to another user"),
        # It may be read, as it is root's; but a file of one's own in its place would be another.
        (lambda ini: os.chown(ini, 0, -1), 12345, "belongs to another user"),
    ],
)
def test_an_unsafe_place_gets_no_key(
    ini: Path,
    set_key: Set,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], object],
    user: int | None,
    part: str,
) -> None:
    """Nobody is even asked for one; what to do is said."""
    try:
        spoil(ini)
    except PermissionError:
        pytest.skip("only root can give a file away")
    if user is not None:
        monkeypatch.setattr("os.geteuid", lambda: user)
    done = set_key("sandbox", key="")
    assert (done.code, ini.read_text("utf-8")) == (7, INI)
    assert part in done.err


def test_two_at_once_both_get_in(write_ini: Write) -> None:
    """Four processes, each with the key of another environment: none undoes what another did."""
    names = [f"lab{number}" for number in range(4)]
    ini = write_ini("".join(f"[{name}]\nkind = sandbox\nregion = na\n" for name in names))
    words = [sys.executable, "-m", "almajob", "-q", "config", "set-key", "--no-check"]
    running = [subprocess.Popen([*words, name], stdin=subprocess.PIPE, text=True) for name in names]
    for process, name in zip(running, names, strict=True):
        process.communicate(f"key-of-{name}\n", timeout=60)
    assert [process.returncode for process in running] == [0] * len(names)
    text = ini.read_text("utf-8")
    assert [text.count(f"api_key = key-of-{name}\n") for name in names] == [1] * len(names)


def test_at_a_terminal_it_is_asked_for_and_not_shown(ini: Path) -> None:
    """What is typed does not stand on the screen; Ctrl-C leaves all as it was, and says so."""
    asked = "API key of sandbox (not shown):"
    with Terminal("config", "set-key", "sandbox", "--no-check") as terminal:
        terminal.until(lambda text: asked in text)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert terminal.lines[-1] == "Nothing was changed."
    assert ini.read_text("utf-8") == INI
    with Terminal("config", "set-key", "sandbox", "--no-check") as terminal:
        terminal.until(lambda text: asked in text)
        terminal.type(f"{NEW}\r")
        assert terminal.end() == 0
        assert NEW not in terminal.text
        assert "config check" in terminal.text
    assert ini.read_text("utf-8") == INI.replace("l7xxold0000000000", NEW)


def test_a_script_of_the_shell_has_no_key(ini: Path, almajob: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next line is a command, and would be taken for one."""
    monkeypatch.setattr("sys.stdin", io.StringIO("config set-key sandbox\nconfig show\n"))
    done = almajob("shell")
    assert "A key cannot be set from a script" in done.err
    assert ini.read_text("utf-8") == INI


# --- the check of the key ---

SANDBOX_KEY, PRODUCTION_KEY = "simulator-sandbox-key", "simulator-production-key"


@pytest.fixture
def at(write_ini: Write) -> Callable[[str, str], Path]:
    """Write an ini of one environment at an address, as yet without a key."""

    def write(base_url: str, name: str = "sandbox") -> Path:
        return write_ini(f"[{name}]\nkind = {'sandbox' if name == 'lab' else name}\nbase_url = {base_url}\n")

    return write


def test_a_right_key_is_stored_and_where_it_leads_is_told(
    simulated: SimulatedAlma, at: Callable[..., Path], set_key: Set
) -> None:
    """After one call, which starts nothing; then it can be used."""
    ini = at(simulated.base_url)
    done = set_key("sandbox", key=SANDBOX_KEY, checks=True)
    assert done.code == 0, done.err
    assert f"api_key = {SANDBOX_KEY}\n" in ini.read_text("utf-8")
    assert done.err.splitlines()[1:] == [
        "Alma accepts it: it leads to SANDBOX of 01SIM_INST.",
        "Next: almajob --env sandbox list",
    ]
    assert [(entry.method, entry.path) for entry in simulated.log.requests()] == [("GET", "/conf/general")]


@pytest.mark.parametrize(
    ("environment", "key", "message"),
    [
        ("sandbox", NEW, "Alma does not accept the API key for this call. It was not stored."),
        ("sandbox", PRODUCTION_KEY, "This key leads to production, not to sandbox. It was not stored."),
        ("lab", PRODUCTION_KEY, "This key leads to production, not to sandbox. It was not stored."),
        ("production", SANDBOX_KEY, "This key leads to sandbox, not to production. It was not stored."),
    ],
)
def test_a_wrong_key_is_not_stored(
    simulated: SimulatedAlma,
    at: Callable[..., Path],
    set_key: Set,
    environment: str,
    key: str,
    message: str,
) -> None:
    """One that Alma does not take, or of the other kind; with --no-check it is, without a call."""
    ini = at(simulated.base_url, environment)
    before = ini.read_bytes()
    done = set_key(environment, key=key, checks=True)
    assert (done.code, ini.read_bytes()) == (7, before)
    assert message in done.err
    assert "--no-check stores it anyway." in done.err
    assert len(done.err.splitlines()) <= 6
    calls = simulated.log.total
    assert set_key(environment, key=key).code == 0
    assert (f"api_key = {key}\n" in ini.read_text("utf-8"), simulated.log.total) == (True, calls)


def test_a_key_that_cannot_be_checked_is_stored_and_that_is_told(
    at: Callable[..., Path], set_key: Set, write_ini: Write
) -> None:
    """Alma cannot be reached, or the configuration does not say where it is yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ini = at(f"http://127.0.0.1:{free.getsockname()[1]}")
        done = set_key("sandbox", checks=True)
    assert (done.code, f"api_key = {NEW}\n" in ini.read_text("utf-8")) == (0, True)
    assert "The key could not be checked: No connection to 127.0.0.1" in done.err
    assert "It is stored unchecked." in done.err
    assert done.err.endswith("Next: almajob --env sandbox config check\n")
    ini = write_ini("[sandbox]\nkind = sandbox\n")
    done = set_key("sandbox", checks=True)
    assert (done.code, f"api_key = {NEW}\n" in ini.read_text("utf-8")) == (0, True)
    assert "The key could not be checked: The region of sandbox is not set." in done.err


@pytest.mark.parametrize("fault", ["503", "daily"])
def test_an_alma_that_does_not_judge_the_key_keeps_nothing_from_being_stored(
    simulated: SimulatedAlma, at: Callable[..., Path], set_key: Set, fault: str
) -> None:
    """It is down, or its calls of today are used up."""
    ini = at(simulated.base_url)
    simulated.faults.add(fault, times=None)
    done = set_key("sandbox", key=SANDBOX_KEY, checks=True)
    assert (done.code, SANDBOX_KEY in ini.read_text("utf-8")) == (0, True)
    assert "The key could not be checked: " in done.err


def test_a_key_file_and_an_older_ini_are_checked_too(
    simulated: SimulatedAlma, set_key: Set, write_ini: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written there; the older form knows its region by one line for both environments."""
    path = tmp_path / "lab.key"
    write_ini(f"[lab]\nkind = sandbox\nbase_url = {simulated.base_url}\napi_key_file = {path}\n")
    assert (set_key("lab", checks=True).code, path.exists()) == (7, False)
    assert (set_key("lab", key=SANDBOX_KEY, checks=True).code, path.read_text()) == (0, f"{SANDBOX_KEY}\n")
    monkeypatch.setitem(REGIONS, "na", simulated.base_url)
    ini = write_ini(OLDER)
    assert (set_key("production", key=SANDBOX_KEY, checks=True).code, ini.read_text("utf-8")) == (7, OLDER)
    assert set_key("production", key=PRODUCTION_KEY, checks=True).code == 0
    assert f"api_key_production = {PRODUCTION_KEY}\n" in ini.read_text("utf-8")


def test_the_first_steps_are_offered_and_work(
    simulated: SimulatedAlma, set_key: Set, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a configuration file: what is to be typed makes one, and then the command works."""
    monkeypatch.delenv("ALMAJOB_INI")
    monkeypatch.setitem(REGIONS, "na", simulated.base_url)
    for words, code in ((("--env", "sandbox"), 7), ((), 2)):
        told = almajob(*words, "list")
        assert told.code == code
        assert "To make one with your API key: almajob config set-key sandbox --region na\n" in told.err
        assert "Regions: na, eu, ap, aps, ca, cn." in told.err
        assert f"All settings: {Path(__file__).parents[3] / 'almajob.ini.sample'}\n" in told.err
        assert "No configuration file was found." in told.err
        assert len(told.err.splitlines()) <= 6
    assert set_key("sandbox", "--region", "na", key=SANDBOX_KEY, checks=True).code == 0
    assert almajob("--env", "sandbox", "list").code == 0


def test_a_configuration_file_that_is_named_and_not_there_can_be_made(
    simulated: SimulatedAlma, set_key: Set, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what the message says, for the file that was named."""
    monkeypatch.delenv("ALMAJOB_INI")
    monkeypatch.setitem(REGIONS, "na", simulated.base_url)
    ini = tmp_path / "mine.ini"
    told = almajob("--ini-file", str(ini), "--env", "sandbox", "list")
    assert told.code == 7
    assert f"almajob --ini-file {ini} config set-key sandbox --region na" in told.err
    before = ("--ini-file", str(ini))
    assert set_key("sandbox", "--region", "na", key=SANDBOX_KEY, before=before, checks=True).code == 0
    assert almajob("--ini-file", str(ini), "--env", "sandbox", "list").code == 0


def test_the_sample_is_named_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a clone, where it was installed, or nowhere: then it is not named."""
    for base in ("prefix", "data", "user"):
        (tmp_path / base / "share/almajob").mkdir(parents=True)
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path / "data"))
    monkeypatch.setattr("site.USER_BASE", str(tmp_path / "user"))
    monkeypatch.setattr("almajob.config.paths.__file__", str(tmp_path / "lib/almajob/config/paths.py"))
    assert paths.see_sample() == ""
    for base in ("user", "data", "prefix"):
        sample = tmp_path / base / "share/almajob/almajob.ini.sample"
        sample.touch()
        assert paths.see_sample() == f"{sample} explains every setting."
    clone = tmp_path / "lib/almajob.ini.sample"
    clone.parent.mkdir(exist_ok=True)
    clone.touch()
    assert paths.find_sample() == str(clone)


@pytest.fixture
def memory() -> Iterator[MemoryKeyring]:
    """A keyring in memory."""
    before = keyring.get_keyring()
    made = MemoryKeyring()  # type: ignore[no-untyped-call]  # keyring's own is not typed
    keyring.set_keyring(made)
    KEPT.clear()
    yield made
    keyring.set_keyring(before)


def test_the_keyring_keeps_it(write_ini: Write, set_key: Set, almajob: Run, memory: MemoryKeyring) -> None:
    """The ini says so in the line of the key; then that is where it is read and where it is put."""
    with Simulator() as simulator:
        text = f"[sandbox]\napi_key = old-key-of-mine ; mine\nbase_url = {simulator.base_url}\n"
        ini = write_ini(text)
        done = set_key("sandbox", "--keyring")
        assert done.code == 0, done.err
        assert ini.read_text("utf-8") == text.replace("api_key = old-key-of-mine", "api_key_keyring = yes")
        assert KEPT == {("almajob", "sandbox"): NEW}
        assert almajob("--env", "sandbox", "config", "check").code == 7
        assert set_key("sandbox", key=KEYS[0].text).code == 0
        checked = almajob("--env", "sandbox", "config", "check")
        assert checked.code == 0
        assert "api_key_keyring" in checked.out
        assert "is the key of sandbox already" in set_key("sandbox", "--keyring", key=KEYS[0].text).err


def _replace_by(backend: type[KeyringBackend]) -> Callable[[MemoryKeyring, pytest.MonkeyPatch], None]:
    return lambda _memory, _patch: keyring.set_keyring(backend())


@pytest.mark.parametrize(
    ("spoil", "read", "put"),
    [
        (
            lambda memory, _: setattr(memory, "is_locked", True),
            "It is locked.",
            "The keyring did not accept the key",
        ),
        (lambda memory, _: setattr(memory, "takes_none", True), "", "The keyring did not accept the key"),
        (lambda memory, _: setattr(memory, "forgets", True), "", "The keyring did not store the key"),
        # As ``keyring --disable`` does.
        (_replace_by(NothingKept), "almajob config set-key sandbox", "The keyring did not store the key"),
        (_replace_by(NoKeyring), *["There is no keyring for this user on this machine."] * 2),
        (
            lambda _, patch: patch.setitem(sys.modules, "keyring", None),
            *["pip install keyring"] * 2,
        ),
    ],
)
def test_a_keyring_that_fails_is_told_in_our_words(
    write_ini: Write,
    set_key: Set,
    almajob: Run,
    memory: MemoryKeyring,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[MemoryKeyring, pytest.MonkeyPatch], None],
    read: str,
    put: str,
) -> None:
    """Where a key is read, and where it is put: else the ini would lose the only one there is.

    Nobody is asked for a key that none takes, where that can be known.
    """
    spoil(memory, monkeypatch)
    write_ini("[sandbox]\nregion = na\napi_key_keyring = yes\n")
    listed = almajob("--env", "sandbox", "list")
    assert (listed.code, read in listed.err) == (7, True), listed.err
    ini = write_ini(INI)
    for before in ("", "an-older-key"):
        KEPT["almajob", "sandbox"] = before
        for key in (NEW, "") if read else (NEW,):
            done = set_key("sandbox", "--keyring", key=key)
            assert (done.code, put in done.err, ini.read_text("utf-8")) == (7, True, INI), done.err


def test_the_older_form_knows_no_keyring(write_ini: Write, set_key: Set, memory: MemoryKeyring) -> None:
    """It is said how to write it anew; nothing is changed."""
    ini = write_ini("api_key_sandbox = old\ndomain = na\n")
    done = set_key("sandbox", "--keyring")
    assert (done.code, KEPT, ini.read_text("utf-8")) == (7, {}, "api_key_sandbox = old\ndomain = na\n")
    assert "[sandbox]" in done.err
