"""A key gets to its place, is seen by nobody on its way, and changes nothing else."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as NothingKept

from almajob.simulator.gateway import KEYS
from almajob.simulator.http.server import Simulator
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

Set = Callable[..., Result]
Write = Callable[..., Path]


@pytest.fixture
def set_key(almajob: Run, monkeypatch: pytest.MonkeyPatch) -> Set:
    """Pipe a key into the command; no byte of what it says may be the key."""

    def set_it(
        *words: str, key: str = f"{NEW}\n", before: tuple[str, ...] = (), stays_open: bool = False
    ) -> Result:
        reader, writer = os.pipe()
        os.write(writer, key.encode("utf-8", "surrogateescape"))
        with ExitStack() as closing:
            if stays_open:
                closing.callback(os.close, writer)
            else:
                os.close(writer)
            monkeypatch.setattr("sys.stdin", closing.enter_context(os.fdopen(reader)))
            done = almajob(*before, "config", "set-key", *words)
        assert NEW not in done.out + done.err
        assert done.out == ""
        return done

    return set_it


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("environment", "before", "after", "line"),
    [
        ("sandbox", "l7xxold0000000000", NEW, 6),
        ("production", "region = eu\n", f"region = eu\napi_key = {NEW}\n", 11),
    ],
)
def test_it_replaces_the_key_or_adds_it(
    write_ini: Write, set_key: Set, environment: str, before: str, after: str, line: int
) -> None:
    """One line is another; where it is, and what comes next, is told."""
    ini = write_ini(INI)
    done = set_key(environment)
    assert done.code == 0
    assert ini.read_text("utf-8") == INI.replace(before, after)
    assert done.err.splitlines() == [
        f"The key of {environment} is in {ini}, line {line}.",
        f"Next: almajob --env {environment} config check",
    ]
    assert [path.name for path in ini.parent.iterdir() if "almajob" in path.name] == ["almajob.ini"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_bytes_and_mode(write_ini: Write, set_key: Set, umask: int) -> None:
    """A byte order mark and Windows' line ends stay; others cannot read it, whatever the umask."""
    raw = b"\xef\xbb\xbf; \xc3\xa4\r\n[sandbox]\r\nregion = na\r\n[b]\r\nkind = sandbox"
    ini = write_ini("", mode=0o644)
    ini.write_bytes(raw)
    mask = os.umask(umask)
    try:
        assert set_key("sandbox").code == 0
    finally:
        os.umask(mask)
    assert ini.read_bytes() == raw.replace(b"na\r\n", b"na\r\napi_key = " + NEW.encode() + b"\r\n")
    assert _mode(ini) == 0o600


@pytest.mark.parametrize("name", ["sandbox", "production"])
def test_the_older_scripts_ini_keeps_its_form(write_ini: Write, set_key: Set, name: str) -> None:
    """The key is replaced, or added behind what stands there, at the same region."""
    text = "; PHP\napi_key_sandbox = 'old'\ndomain = na\n"
    ini = write_ini(text)
    assert set_key(name).code == 0
    added = text.replace("domain = na\n", f"domain = na\napi_key_production = {NEW}\n")
    assert ini.read_text("utf-8") == (text.replace("'old'", NEW) if name == "sandbox" else added)


def test_the_first_ini_of_a_user(set_key: Set, almajob: Run) -> None:
    """It is made with its directories, for its owner alone; and it is one that works."""
    assert set_key("production", "--region", "eu").code == 0
    ini = Path.home() / ".config/almajob/almajob.ini"
    assert ini.read_text("utf-8").endswith(f"\n[production]\napi_key = {NEW}\nregion = eu\n")
    assert [_mode(path) for path in (ini, ini.parent, ini.parent.parent)] == [0o600, 0o700, 0o700]
    shown = almajob("--env", "production", "config", "show", "-f", "value")
    assert "production.base_url https://api-eu.hosted.exlibrisgroup.com" in shown.out
    # Another zone gets a section of its own in it.
    assert set_key("zone", "--kind", "production", "--region", "eu").code == 0
    assert ini.read_text("utf-8").endswith(f"\n[zone]\napi_key = {NEW}\nkind = production\nregion = eu\n")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("prodution",), 7, "Did you mean production?"),
        (("Sandbox",), 7, "Did you mean sandbox?"),
        (("zone",), 7, "almajob config set-key zone --kind KIND --region REGION"),
        (("zone", "--region", "eu"), 7, "KIND is sandbox or production"),
        (("demo",), 2, "The demo needs no key."),
        (("almajob",), 2, "names no environment"),
        (("a b", "--kind", "sandbox", "--region", "eu"), 2, "names no environment"),
        (("sandbox", "--region", "eu"), 2, "Leave out --region"),
        (("sandbox", "--region", "moon"), 2, "invalid choice"),
        (("sandbox", "--kind", "production"), 2, "sandbox cannot be a production environment."),
        (("production", "--kind", "sandbox"), 2, "production cannot be a sandbox environment."),
        (("sandbox", "--regoin", "eu"), 2, "unrecognized arguments: --regoin. Did you mean --region?"),
        ((), 2, "ENVIRONMENT"),
    ],
)
def test_what_is_refused_changes_nothing(
    write_ini: Write, set_key: Set, words: tuple[str, ...], code: int, part: str
) -> None:
    """Names that are none, a region that is known, a key on the command line."""
    ini = write_ini(INI)
    done = set_key(*words)
    assert done.code == code, done.err
    assert part in done.err
    assert ini.read_text("utf-8") == INI


@pytest.mark.parametrize(
    "words",
    [
        (NEW,),
        ("sandbox", NEW),
        ("sandbox", "--key", NEW),
        ("sandbox", f"--key={NEW}"),
        ("sandbox", "--region", NEW),
        (NEW, "--kind", "sandbox", "--region", "na"),
    ],
)
@pytest.mark.parametrize("text", [INI, None])
def test_a_key_on_the_command_line_is_no_secret_any_more(
    write_ini: Write, set_key: Set, words: tuple[str, ...], text: str | None
) -> None:
    """It is said why, and what to type instead; with an ini and without one."""
    ini = write_ini(text) if text else Path.home() / ".config/almajob/almajob.ini"
    done = set_key(*words)
    assert done.code == 2, done.err
    assert done.err.startswith("almajob: A key does not stand on the command line.\n")
    assert "Type almajob config set-key sandbox, and enter it when asked." in done.err
    assert (ini.read_text("utf-8") if ini.exists() else None) == text


@pytest.mark.parametrize(
    "key", ["an-odd.Key+of/a=test", "it's\"odd", "0a1b2c3d4e5f60718293a4b5", "odd (choose"]
)
@pytest.mark.parametrize(
    ("before", "words"),
    [
        ((), ("sandbox", "KEY")),
        ((), ("sandbox", "--key", "KEY")),
        ((), ("sandbox", "--api-key=KEY")),
        ((), ("sandbox", "-k", "KEY")),
        ((), ("sandbox", "--", "KEY")),
        ((), ("sandbox", "--regoin", "KEY")),
        ((), ("sandbox", "--region", "KEY")),
        ((), ("sandbox", "--kind=KEY")),
        ((), ("sandbox", "--keyring=KEY")),
        ((), ("KEY",)),
        ((), ("KEY", "sandbox")),
        (("--env", "sandbox"), ("KEY",)),
    ],
)
def test_a_key_of_another_shape_is_not_repeated(
    write_ini: Write, set_key: Set, before: tuple[str, ...], words: tuple[str, ...], key: str
) -> None:
    """Wherever it was typed, and whatever is wrong with that."""
    ini = write_ini(INI)
    done = set_key(*(word.replace("KEY", key) for word in words), before=before)
    assert done.code == 2, done.err
    assert not [part for part in (key, repr(key), repr(key)[1:-1]) if part in done.err]
    assert ini.read_text("utf-8") == INI
    if words[-1] == "KEY" and words[:-1] in (("sandbox",), ("sandbox", "--key"), ("sandbox", "-k")):
        assert done.err.startswith("almajob: A key does not stand on the command line.\n")


@pytest.mark.parametrize("by_option", [True, False])
def test_an_ini_that_is_named_is_made(
    set_key: Set, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_option: bool
) -> None:
    """In a directory that is there, for its owner alone; and it is one that works."""
    ini = tmp_path / "of the library.ini"
    before = ("--ini-file", str(ini)) if by_option else ()
    if not by_option:
        monkeypatch.setenv("ALMAJOB_INI", str(ini))
    done = set_key("sandbox", "--region", "na", before=before)
    assert done.code == 0, done.err
    assert f"is in {ini}, line 4." in done.err
    assert ini.read_text("utf-8").endswith(f"\n[sandbox]\napi_key = {NEW}\nregion = na\n")
    assert _mode(ini) == 0o600
    assert not (Path.home() / ".config").exists()
    assert almajob(*before, "--env", "sandbox", "config", "show").code == 0
    assert set_key("production", "--region", "na", before=before).code == 0


@pytest.mark.parametrize(
    ("name", "words", "part"),
    [
        ("nowhere/a.ini", ("sandbox", "--region", "na"), "a.ini cannot be made."),
        ("a-file/a.ini", ("sandbox", "--region", "na"), "There is no directory"),
        ("a-link.ini", ("sandbox", "--region", "na"), "is a link"),
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


def test_a_new_sandbox_is_no_production(set_key: Set) -> None:
    """Nor is the contrary said without being heard; its own kind may be said."""
    ini = Path.home() / ".config/almajob/almajob.ini"
    done = set_key("sandbox", "--kind", "production", "--region", "na")
    assert (done.code, ini.exists()) == (2, False)
    assert "sandbox cannot be a production environment." in done.err
    assert set_key("sandbox", "--kind", "sandbox", "--region", "na").code == 0


def test_the_help_names_the_regions(almajob: Run) -> None:
    """Nobody knows them by heart."""
    assert (
        "of an environment that is new: na, eu, ap, aps, ca, cn\n" in almajob("config", "set-key", "-h").out
    )


def test_two_environments_are_not_one(write_ini: Write, set_key: Set) -> None:
    """A key of production must not get to the sandbox by a slip."""
    ini = write_ini(INI)
    assert set_key("sandbox", before=("--env", "production")).code == 2
    assert ini.read_text("utf-8") == INI
    assert set_key("sandbox", before=("--env", "sandbox")).code == 0


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("two words\n", "has a blank"),
        ("k\u00e9y-of-mine\n", "character that no key has"),
        ("\udcff\udcfe\n", "has a blank"),
        ('"a-key-of-mine"\n', "stands in quotes"),
        ("'a-key-of-mine'\n", "stands in quotes"),
        ('a-key-of-mine"', "stands in quotes"),
        ("`a-key-of-mine`\n", "stands in quotes"),
        ("k" * 257, "has more than 256 characters"),
        ("k" * 5000, "has more than 256 characters"),
        (f"{' ' * 4090}key-that-is-cut\n", "has more than 256 characters"),
    ],
)
def test_what_can_be_no_key_is_refused_and_not_shown(
    write_ini: Write, set_key: Set, key: str, part: str
) -> None:
    """It may be a password that was pasted by mistake."""
    ini = write_ini(INI)
    done = set_key("sandbox", key=key)
    assert (done.code, ini.read_text("utf-8")) == (7, INI)
    assert part in done.err
    assert not key.strip() or key.strip() not in done.err


@pytest.mark.parametrize("key", ["", "half-a-key-of-mine"])
def test_a_silent_pipe_is_given_up(
    write_ini: Write, set_key: Set, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Whether nothing comes, or no end of the line; half a key is none, and not shown."""
    monkeypatch.setattr("almajob.system.input_files.PATIENCE", 0.05)
    ini = write_ini(INI)
    done = set_key("sandbox", key=key, stays_open=True)
    assert (done.code, ini.read_text("utf-8")) == (7, INI)
    assert "No key came; nothing was changed." in done.err
    assert "was silent for" in done.err
    assert not key or key not in done.err


def test_a_line_is_enough(write_ini: Write, set_key: Set) -> None:
    """Nobody waits for the end of a pipe after a line, nor for that of a line after the pipe's."""
    ini = write_ini(INI)
    assert set_key("sandbox", stays_open=True).code == 0
    assert ini.read_text("utf-8") == INI.replace("l7xxold0000000000", NEW)
    assert "is the key of sandbox already" in set_key("sandbox", key=NEW).err


def test_a_program_may_give_it_from_memory(
    write_ini: Write, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that calls almajob in its own process has a stdin of its own; or has closed it."""
    ini = write_ini(INI)
    given = io.StringIO(f"{NEW}\n")
    monkeypatch.setattr("sys.stdin", given)
    assert almajob("config", "set-key", "sandbox").code == 0
    assert ini.read_text("utf-8") == INI.replace("l7xxold0000000000", NEW)
    given.close()
    done = almajob("config", "set-key", "sandbox")
    assert (done.code, "is empty" in done.err) == (7, True), done.err


@pytest.mark.parametrize(("key", "is_warned_of"), [("k" * 7, True), ("k" * 8, False), ("k" * 256, False)])
def test_a_short_key_is_kept_with_a_warning(
    write_ini: Write, set_key: Set, key: str, is_warned_of: bool
) -> None:
    """It may be that of a test server; it could not be blanked out of messages without spoiling them."""
    ini = write_ini(INI)
    done = set_key("sandbox", key=key, before=("-q",))
    assert (done.code, ini.read_text("utf-8")) == (0, INI.replace("l7xxold0000000000", key))
    warning = "A key of fewer than 8 characters is not hidden in messages.\n"
    assert done.err == (warning if is_warned_of else "")


def test_only_the_first_line_counts(write_ini: Write, set_key: Set) -> None:
    """As a password store prints a key, and notes below it."""
    ini = write_ini(INI)
    assert set_key("sandbox", key=f"  {NEW}\r\nuser: bob\n").code == 0
    assert ini.read_text("utf-8") == INI.replace("l7xxold0000000000", NEW)


def test_the_same_key_again_is_told(write_ini: Write, set_key: Set) -> None:
    """And the file is left alone."""
    ini = write_ini(INI.replace("l7xxold0000000000", NEW))
    before = ini.stat()
    done = set_key("sandbox")
    assert done.code == 0
    assert "This is the key of sandbox already" in done.err
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
    assert "is a link" in done.err


def _link(ini: Path) -> None:
    ini.rename(ini.with_name("victim.ini"))
    ini.symlink_to(ini.with_name("victim.ini"))


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (_link, "--ini-file"),
        (lambda ini: os.chown(ini, 12345, -1), "belongs to another user"),
        (lambda ini: ini.parent.chmod(0o777), "chmod go-w"),
        (lambda ini: ini.chmod(0o660), "chmod 600"),
    ],
)
def test_an_unsafe_place_gets_no_key(
    write_ini: Write, set_key: Set, spoil: Callable[[Path], object], part: str
) -> None:
    """Nobody is even asked for one; what to do is said."""
    ini = write_ini(INI)
    try:
        spoil(ini)
    except PermissionError:
        pytest.skip("only root can give a file away")
    done = set_key("sandbox", key="")
    assert (done.code, ini.read_text("utf-8")) == (7, INI)
    assert part in done.err


def test_an_ini_of_roots_is_not_replaced_by_its_reader(
    write_ini: Write, set_key: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be read, as it is root's; but a file of one's own in its place would be another."""
    ini = write_ini(INI)
    if os.geteuid() != 0:
        pytest.skip("only root has files of root's")
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    done = set_key("sandbox")
    assert (done.code, ini.read_text("utf-8")) == (7, INI)
    assert "belongs to another user" in done.err


def test_what_cannot_be_written_is_named(
    write_ini: Write, set_key: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ini where its disk fails; the lock only where it is the lock, and with what cures that."""
    ini, state = write_ini(INI), Path.home() / ".local/state/almajob"

    def read_bytes(path: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", read_bytes)
        done = set_key("sandbox")
    assert done.code == 7
    assert f"{ini} cannot be written; the key is as it was.\n  Input/output error.\n" in done.err
    state.chmod(0o770)
    done = set_key("sandbox")
    assert done.code == 7
    assert f"{state / 'set-key.lock'} cannot be written; the key is as it was.\n" in done.err
    assert done.err.endswith(f"  Type: chmod go-w {state}\n")
    assert ini.read_text("utf-8") == INI


def test_two_at_once_both_get_in(write_ini: Write) -> None:
    """Four processes, each with the key of another environment: none undoes what another did."""
    names = [f"lab{number}" for number in range(4)]
    ini = write_ini("".join(f"[{name}]\nkind = sandbox\nregion = na\n" for name in names))
    words = [sys.executable, "-m", "almajob", "-q", "config", "set-key"]
    running = [subprocess.Popen([*words, name], stdin=subprocess.PIPE, text=True) for name in names]
    for process, name in zip(running, names, strict=True):
        process.communicate(f"key-of-{name}\n", timeout=60)
    assert [process.returncode for process in running] == [0] * len(names)
    text = ini.read_text("utf-8")
    assert [text.count(f"api_key = key-of-{name}\n") for name in names] == [1] * len(names)


def test_at_a_terminal_it_is_asked_for_and_not_shown(write_ini: Write) -> None:
    """What is typed does not stand on the screen; Ctrl-C leaves all as it was, and says so."""
    ini = write_ini(INI)
    asked = "The API key of sandbox (it is not shown):"
    with Terminal("config", "set-key", "sandbox") as terminal:
        terminal.until(lambda text: asked in text)
        terminal.press_ctrl_c()
        assert terminal.end() == 130
        assert terminal.lines[-1] == "Nothing was changed."
    assert ini.read_text("utf-8") == INI
    with Terminal("config", "set-key", "sandbox") as terminal:
        terminal.until(lambda text: asked in text)
        terminal.type(f"{NEW}\r")
        assert terminal.end() == 0
        assert NEW not in terminal.text
        assert "config check" in terminal.text
    assert ini.read_text("utf-8") == INI.replace("l7xxold0000000000", NEW)


def test_a_script_of_the_shell_has_no_key(
    write_ini: Write, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next line is a command, and would be taken for one."""
    ini = write_ini(INI)
    monkeypatch.setattr("sys.stdin", io.StringIO("config set-key sandbox\nconfig show\n"))
    done = almajob("shell")
    assert "A script has no place for a key" in done.err
    assert ini.read_text("utf-8") == INI


def test_then_it_works(write_ini: Write, set_key: Set, almajob: Run) -> None:
    """As config check says, which is the next step."""
    with Simulator() as simulator:
        write_ini(f"[sandbox]\nbase_url = {simulator.base_url}\n")
        assert almajob("--env", "sandbox", "config", "check").code == 7
        assert set_key("sandbox", key=f"{KEYS[0].text}\n").code == 0
        assert almajob("--env", "sandbox", "config", "check").code == 0


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


def _lock(memory: MemoryKeyring, _monkeypatch: pytest.MonkeyPatch | None) -> None:
    memory.is_locked = True


def _remove(_memory: MemoryKeyring, _monkeypatch: pytest.MonkeyPatch | None) -> None:
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]  # keyring's own is not typed


def _uninstall(_memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)


def _empty(_memory: MemoryKeyring, _monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave it as it is: nothing was put in."""


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (_lock, "It is locked."),
        (_remove, "There is no keyring for this user on this machine."),
        (_uninstall, "pip install 'almajob[keyring]'"),
        (_empty, "almajob config set-key sandbox"),
    ],
)
def test_a_keyring_that_fails_is_told_in_our_words(
    write_ini: Write,
    set_key: Set,
    almajob: Run,
    memory: MemoryKeyring,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[MemoryKeyring, pytest.MonkeyPatch], None],
    part: str,
) -> None:
    """Where it is read, and where it is to keep a key: the ini stays as it was."""
    spoil(memory, monkeypatch)
    ini = write_ini("[sandbox]\nregion = na\napi_key_keyring = yes\n")
    listed = almajob("--env", "sandbox", "list")
    assert (listed.code, part in listed.err) == (7, True), listed.err
    if spoil is not _empty:
        text = "[sandbox]\nregion = na\n"
        ini.write_text(text, "utf-8")
        done = set_key("sandbox", "--keyring")
        assert (done.code, part in done.err, ini.read_text("utf-8")) == (7, True, text), done.err


def _disable(_memory: MemoryKeyring) -> None:
    """As ``keyring --disable`` does."""
    keyring.set_keyring(NothingKept())  # type: ignore[no-untyped-call]  # keyring's own is not typed


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (_disable, "The keyring did not keep the key; nothing was changed."),
        (lambda memory: _lock(memory, None), "The keyring took no key; nothing was changed."),
        (lambda memory: _remove(memory, None), "There is no keyring for this user on this machine."),
    ],
)
def test_nobody_is_asked_for_a_key_that_no_keyring_takes(
    write_ini: Write,
    set_key: Set,
    memory: MemoryKeyring,
    spoil: Callable[[MemoryKeyring], None],
    part: str,
) -> None:
    """What can be known before is told before: that what comes is no key is not even seen."""
    spoil(memory)
    ini = write_ini(INI)
    done = set_key("sandbox", "--keyring", key="")
    assert (done.code, part in done.err, ini.read_text("utf-8")) == (7, True, INI), done.err


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        ("forgets", "The keyring did not keep the key; nothing was changed."),
        ("takes_none", "The keyring took no key; nothing was changed."),
    ],
)
@pytest.mark.parametrize("before", ["", "an-older-key"])
def test_a_key_is_kept_only_where_it_can_be_read_back(
    write_ini: Write, set_key: Set, memory: MemoryKeyring, fault: str, part: str, before: str
) -> None:
    """Else the ini would lose the only one there is."""
    setattr(memory, fault, True)
    if before:
        KEPT["almajob", "sandbox"] = before
    ini = write_ini(INI)
    done = set_key("sandbox", "--keyring")
    assert (done.code, part in done.err, ini.read_text("utf-8")) == (7, True, INI), done.err


def test_a_disabled_keyring_of_a_process(write_ini: Write, almajob_process: Run) -> None:
    """As a machine's administrator may have chosen it."""
    ini = write_ini(INI)
    disabled = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    done = almajob_process("config", "set-key", "sandbox", "--keyring", environ=disabled)
    assert (done.code, ini.read_text("utf-8")) == (7, INI)
    assert "The keyring did not keep the key; nothing was changed." in done.err


def test_the_older_form_knows_no_keyring(write_ini: Write, set_key: Set, memory: MemoryKeyring) -> None:
    """It is said how to write it anew; nothing is changed."""
    ini = write_ini("api_key_sandbox = old\ndomain = na\n")
    done = set_key("sandbox", "--keyring")
    assert (done.code, KEPT, ini.read_text("utf-8")) == (7, {}, "api_key_sandbox = old\ndomain = na\n")
    assert "[sandbox]" in done.err
