"""An almajob.ini that came with what somebody cloned or unpacked runs nothing and gets no key, until trusted.

Each command runs in a directory that has the ini; a server on this machine sees whether anybody connects, and
a marker whether a command was run.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import keyring
import pytest

from almajob.config import settings
from almajob.config.keys import api_keys
from almajob.config.settings import Options
from almajob.errors import ConfigurationError
from almajob.simulator.gateway import KEYS
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.memory_keyring import KEPT, MemoryKeyring
from tests.support.raw_server import RawServer, saying

OURS = "a-key-of-our-own"
THEIRS = "a-key-of-the-ini"
VARIABLE = {"ALMAJOB_API_KEY_SANDBOX": OURS}
JOB = "S9563600010000561"
MARKER = Path("marker")
INI = Path("almajob.ini")
GATEWAY = "https://api-na.hosted.exlibrisgroup.com"
COMMANDS = (
    ("list",),
    ("-q", "list", "--refresh"),
    ("show", JOB),
    ("run", "--job", JOB, "--yes"),
    ("run", "--job", JOB, "--dry-run"),
    ("status", "--id", "1"),
    ("wait", "--id", "1", "--timeout", "1", "--outage", "1"),
    ("history", "--job", JOB),
    ("events", "--id", "1"),
    ("params", JOB),
    ("config", "check"),
    ("--cmd", "list"),
)

Trust = Callable[..., Result]


@pytest.fixture
def run(almajob: Run) -> Run:
    """Run a command line, with further variables."""

    def run(*words: str, environ: Mapping[str, str] = MappingProxyType({})) -> Result:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in environ.items():
                patched.setenv(name, value)
            return almajob(*words)

    return run


@pytest.fixture
def server() -> Iterator[RawServer]:
    """Somebody's server on this machine, which is no Alma."""
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with RawServer(saying(answer)) as running:
        yield running


def _plant(text: str, path: Path = INI, mode: int = 0o600) -> str:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return text


def _command(server: RawServer) -> str:
    """Write an ini whose command leaves a marker."""
    script = f"touch {MARKER}; echo {THEIRS}"
    return f"[sandbox]\nbase_url = {server.url}\napi_key_command = sh -c '{script}'\n"


def _change() -> None:
    """Change one byte that means nothing."""
    INI.write_text(INI.read_text("utf-8").rstrip("\n") + " ", "utf-8")


def _is_refused(done: Result, *parts: str) -> None:
    """Fail where it is not said which file it is, what it would do, why not, and what to type."""
    said = done.out + done.err
    path = str(INI.absolute())
    assert done.code == 7, said
    for part in (f"{path} is not trusted", *parts, "somebody else's", f"almajob config trust {path}"):
        assert part in said, said


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_is_run_and_no_key_sent_until_it_is_trusted(
    run: Run, server: RawServer, words: tuple[str, ...]
) -> None:
    """Whatever is typed; a variable's key would count, although the ini has one itself."""
    environment = ("--env", "sandbox", *words)
    _plant(_command(server))
    _is_refused(run(*environment), "'sh'", "line 3: api_key_command")
    _plant(f"[sandbox]\napi_key = {THEIRS}\nbase_url = {server.url}\n")
    refused = run(*environment, environ=VARIABLE)
    _is_refused(refused, "ALMAJOB_API_KEY_SANDBOX", server.url, "line 3: base_url")
    assert (MARKER.exists(), server.connections) == (False, 0)


@pytest.mark.parametrize(
    ("is_command", "environ", "key"),
    [(True, {}, THEIRS), (False, VARIABLE, OURS)],
    ids=["a command", "a variable"],
)
def test_trust_lasts_until_the_next_change(
    run: Run, server: RawServer, is_command: bool, environ: dict[str, str], key: str
) -> None:
    """One byte of it is enough, and nobody is connected to any more."""
    own = f"[sandbox]\napi_key = {THEIRS}\nbase_url = {server.url}\n"
    _plant(_command(server) if is_command else own)
    assert run("config", "trust", str(INI)).code == 0
    # The server is no Alma; but the key was fetched, and sent to it.
    assert run("--env", "sandbox", "list", environ=environ).code != 0
    assert MARKER.exists() is is_command
    assert f"apikey {key}".encode() in server.received[0]
    MARKER.unlink(missing_ok=True)
    connections = server.connections
    _change()
    _is_refused(run("--env", "sandbox", "list", environ=environ))
    assert (MARKER.exists(), server.connections) == (False, connections)


@pytest.mark.parametrize(
    ("line", "environ", "part"),
    [
        ("api_key_file = elsewhere/sandbox.key", {}, "elsewhere/sandbox.key"),
        ("", {"CREDENTIALS_DIRECTORY": "elsewhere"}, "systemd credential"),
    ],
)
def test_a_key_in_a_file_goes_nowhere_until_it_is_trusted(
    run: Run, server: RawServer, line: str, environ: Mapping[str, str], part: str
) -> None:
    """Whether the ini names the file, or systemd."""
    for name in ("sandbox.key", "almajob_sandbox"):
        _plant(OURS, Path("elsewhere", name))
    _plant(f"[sandbox]\nbase_url = {server.url}\n{line}\n")
    _is_refused(run("--env", "sandbox", "list", environ=environ), part)
    assert server.connections == 0
    assert run("config", "trust").code == 0
    assert run("--env", "sandbox", "list", environ=environ).code != 0
    assert f"apikey {OURS}".encode() in server.received[0]


def test_the_keyring_is_not_asked_until_it_is_trusted(almajob: Run, server: RawServer) -> None:
    """It may want to be unlocked."""
    before = keyring.get_keyring()
    memory = MemoryKeyring()  # type: ignore[no-untyped-call]  # keyring's own is not typed
    memory.is_locked = True
    keyring.set_keyring(memory)
    try:
        _plant(f"[sandbox]\nbase_url = {server.url}\napi_key_keyring = yes\n")
        _is_refused(almajob("--env", "sandbox", "list"), "your keyring", "line 3: api_key_keyring")
        assert almajob("config", "trust").code == 0
        assert "It is locked." in almajob("--env", "sandbox", "list").err
        memory.is_locked = False
        KEPT["almajob", "sandbox"] = OURS
        assert almajob("--env", "sandbox", "list").code != 0
    finally:
        keyring.set_keyring(before)
        KEPT.clear()
    assert f"apikey {OURS}".encode() in server.received[0]


@pytest.mark.parametrize(
    ("text", "variables", "part"),
    [
        # Its own key, at its own address: the predecessor's case.
        (f"[sandbox]\napi_key = {THEIRS}\nbase_url = http://127.0.0.1:1\n", (), ""),
        (f"[sandbox]\napi_key = {THEIRS}\nregion = na\n", (), ""),
        (f"api_key_sandbox = {THEIRS}\ndomain = na\n", (), ""),
        (f"[lab]\nkind = sandbox\napi_key = {THEIRS}\nregion = na\n", (), ""),
        # Alma's own gateways.
        ("[sandbox]\nregion = na\n", ("SANDBOX",), ""),
        ("[sandbox]\ndomain = APS\n", ("SANDBOX",), ""),
        (f"api_key_sandbox = {THEIRS}\ndomain = na\n", ("SANDBOX",), ""),
        (f"[sandbox]\nbase_url = {GATEWAY}\n", ("SANDBOX",), ""),
        (f"[sandbox]\nbase_url = {GATEWAY}/almaws/v1/\n", ("SANDBOX",), ""),
        ("[production]\nregion = eu\n", ("PRODUCTION",), ""),
        ("[zone]\nkind = production\nregion = eu\n", ("ZONE",), ""),
        # What only looks like one.
        (f"[sandbox]\nbase_url = {GATEWAY}.evil.example\n", ("SANDBOX",), "evil.example"),
        (f"[sandbox]\nbase_url = {GATEWAY}:8443\n", ("SANDBOX",), ":8443"),
        (f"[sandbox]\nbase_url = {GATEWAY}/a/path\n", ("SANDBOX",), "/a/path"),
        ("[sandbox]\nbase_url = http://127.0.0.1:1\n", ("SANDBOX",), "127.0.0.1"),
        # What would take a production's key for that of a sandbox, where no start is confirmed.
        ("[zone]\nkind = sandbox\nregion = eu\n", ("ZONE",), "line 2: kind"),
        ("[Production]\nkind = sandbox\nregion = eu\n", ("PRODUCTION",), "treat Production as a sandbox"),
        # Nor is a key of the user's read for a gateway.
        ("[sandbox]\nregion = na\napi_key_command = echo x\n", (), "'echo'"),
        ("[sandbox]\nregion = na\napi_key_command = '\n", (), "run a command"),
        ("[sandbox]\nregion = na\napi_key_file = /etc/hostname\n", (), "/etc/hostname"),
        ("[sandbox]\nregion = na\napi_key_keyring = yes\n", (), "keyring"),
    ],
)
def test_what_is_harmless_needs_no_trust(text: str, variables: tuple[str, ...], part: str) -> None:
    """A key that stands in the ini goes where that says; one from elsewhere to Alma's gateways alone."""
    _plant(text)
    environ = {**os.environ, **{f"ALMAJOB_API_KEY_{name}": OURS for name in variables}}
    found = settings.load(Options(), environ)
    access = found.access(next(iter(found.sections)))
    if not part:
        assert api_keys.find(access, environ).reveal() == (OURS if variables else THEIRS)
        return
    with pytest.raises(ConfigurationError, match="is not trusted") as caught:
        api_keys.find(access, environ)
    assert part in caught.value.reason


@pytest.mark.parametrize("words", [("--env", "sandbox", "list"), ("--env", "sandbox", "--cmd", "list")])
@pytest.mark.parametrize("is_quiet", [False, True])
def test_an_ini_with_its_own_key_works_as_ever(
    simulated: SimulatedAlma, run: Run, words: tuple[str, ...], is_quiet: bool
) -> None:
    """In one line it is said which one is used; -q leaves that out."""
    del os.environ["ALMAJOB_INI"]
    _plant(simulated.ini)
    done = run(*(["-q"] if is_quiet else []), *words)
    assert (done.code, JOB in done.out) == (0, True), done.err
    note = f"Using the configuration file {INI.absolute()} of the current directory.\n"
    assert done.err == ("" if is_quiet else note)


def _named_by_option(_ini: Path) -> tuple[str, ...]:
    return ("--ini-file", str(INI))


def _named_by_variable(_ini: Path) -> tuple[str, ...]:
    os.environ["ALMAJOB_INI"] = str(INI)
    return ()


def _in_its_own_directory(ini: Path) -> tuple[str, ...]:
    INI.replace(ini)
    os.chdir(ini.parent)
    return ()


def _a_link_to_it(ini: Path) -> tuple[str, ...]:
    INI.replace(ini)
    INI.symlink_to(ini)
    return ()


@pytest.mark.parametrize("use", [_named_by_option, _named_by_variable, _in_its_own_directory, _a_link_to_it])
def test_the_users_own_ini_needs_no_trust(
    run: Run, server: RawServer, use: Callable[[Path], tuple[str, ...]]
) -> None:
    """One that is named; or is in ~/.config, also where that is the current directory, or is linked to."""
    ini = Path.home() / ".config/almajob/almajob.ini"
    ini.parent.mkdir(mode=0o700, parents=True)
    _plant(_command(server))
    done = run(*use(ini), "--env", "sandbox", "list")
    assert MARKER.exists()
    assert server.connections > 0
    assert "current directory" not in done.err


def test_a_link_to_the_users_own_ini_brings_no_saved_runs(almajob_process: Run) -> None:
    """They are beside the ini itself; a completion knows that, too."""
    ini = Path.home() / ".config/almajob/almajob.ini"
    ini.parent.mkdir(mode=0o700, parents=True)
    _plant("[sandbox]\nregion = na\n[run:mine]\njob = M1\n", ini)
    INI.symlink_to(ini)
    _plant("[run:theirs]\njob = M1\nconfirm = no\n", Path("runs.d/theirs.ini"))
    listed = almajob_process("run", "--list-saved", "-f", "value", "-c", "name")
    assert (listed.code, listed.out) == (0, "mine\n"), listed.err
    completed = almajob_process("__complete", "fish", "almajob", "run", "")
    assert "mine\t" in completed.out
    assert "theirs" not in completed.out


def test_nothing_is_said_or_run_while_somebody_types(almajob_process: Run, server: RawServer) -> None:
    """A completion knows the environments of the ini."""
    _plant(_command(server))
    for words in (("--env", "s"), ("--env", "sandbox", "show", ""), ("config", "trust", "")):
        done = almajob_process("__complete", "fish", "almajob", *words, environ=VARIABLE)
        assert (done.code, done.err) == (0, "")
    assert almajob_process("completion", "bash").err == ""
    assert (MARKER.exists(), server.connections) == (False, 0)


def test_the_settings_are_shown_without_trust(run: Run, server: RawServer) -> None:
    """And whether there is any."""
    _plant(_command(server))
    for state in ("not trusted", "trusted"):
        done = run("config", "show", "-f", "json")
        rows = {row["setting"]: row for row in json.loads(done.out)}
        assert rows["ini_file"]["source"] == f"found in the current directory, {state}"
        assert not MARKER.exists()
        assert run("config", "trust").code == 0


def test_a_link_is_trusted_as_what_it_leads_to(run: Run, server: RawServer) -> None:
    """A change of that withdraws the trust."""
    _plant(_command(server), Path("real/x.ini"))
    INI.symlink_to("real/x.ini")
    _is_refused(run("--env", "sandbox", "list"))
    trusted = run("config", "trust", "-f", "value", "-c", "file")
    assert trusted.out == f"{Path('real/x.ini').absolute()}\n"
    assert run("--env", "sandbox", "list").code != 7
    MARKER.unlink()
    _change()
    _is_refused(run("--env", "sandbox", "list"))
    assert not MARKER.exists()


def test_trust_is_for_one_place(run: Run, server: RawServer, tmp_path: Path) -> None:
    """The same content elsewhere has its own surroundings."""
    _plant(_command(server))
    assert run("config", "trust").code == 0
    other = tmp_path / "other"
    _plant(_command(server), other / INI)
    os.chdir(other)
    _is_refused(run("--env", "sandbox", "list"))
    assert not MARKER.exists()


RECORDS = Path(".local/state/almajob/trusted")


def _record() -> Path:
    (found,) = (Path.home() / RECORDS).iterdir()
    return found


def _spoil_by_link(record: Path) -> None:
    INI.with_name("planted.json").write_bytes(record.read_bytes())
    record.unlink()
    record.symlink_to(INI.absolute().with_name("planted.json"))


def _spoil_by_pipe(record: Path) -> None:
    record.unlink()
    os.mkfifo(record, 0o600)


def _spoil_by_directory_link(record: Path) -> None:
    moved = record.parent.rename(Path("moved").absolute())
    record.parent.symlink_to(moved)


def _spoil_owner(record: Path) -> None:
    try:
        os.chown(record, 12345, -1)
    except PermissionError:
        pytest.skip("only root can give a file away")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.write_bytes(record.read_bytes()[:-9]),
        lambda record: record.write_bytes(b""),
        lambda record: record.write_bytes(b"\xff"),
        lambda record: record.write_bytes(b"[" * 60000),
        lambda record: record.write_bytes(b'["path", "digest", "trusted_at"]'),
        lambda record: record.write_text(record.read_text("utf-8").replace('"path": "', '"path": "x')),
        lambda record: record.write_text(record.read_text("utf-8").replace('at": ', 'at": NaN, "at": ')),
        lambda record: record.chmod(0o620),
        lambda record: record.parent.chmod(0o770),
        lambda record: Path("second").hardlink_to(record),
        _spoil_owner,
        _spoil_by_link,
        _spoil_by_pipe,
        _spoil_by_directory_link,
    ],
)
def test_a_record_that_is_not_believed_is_no_trust(
    run: Run, server: RawServer, spoil: Callable[[Path], object]
) -> None:
    """Damaged or planted: a warning says so, and nothing is run. What is there does not fail a list of it."""
    _plant(_command(server))
    assert run("config", "trust").code == 0
    spoil(_record())
    done = run("-q", "--env", "sandbox", "list")
    _is_refused(done, "The record of its trust cannot be used")
    assert (MARKER.exists(), server.connections) == (False, 0)
    assert run("config", "trust", "--list").code in (0, 5)


def test_a_state_directory_that_is_anywhere_is_not_believed(run: Run, server: RawServer) -> None:
    """One that is relative leads into what was unpacked; trust cannot be put there, either."""
    _plant(_command(server))
    relative = {"ALMAJOB_STATE_DIR": "state"}
    assert run("config", "trust", environ={"ALMAJOB_STATE_DIR": f"{Path.cwd()}/state"}).code == 0
    _is_refused(run("--env", "sandbox", "list", environ=relative), "is a relative path")
    assert not MARKER.exists()
    done = run("config", "trust", environ=relative)
    assert (done.code, "is a relative path" in done.err) == (5, True)
    assert run("config", "trust", "--list", environ=relative).code == 0
    assert run("config", "trust", "--remove", str(INI), environ=relative).code == 5


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda path: path.chmod(0o620), "chmod go-w"),
        (lambda path: path.parent.chmod(0o777), "can be replaced by others"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b";" * 2**21), "larger than 1 MiB"),
        (_spoil_owner, "belongs to another user"),
        (_spoil_by_pipe, "It is not a file"),
    ],
)
def test_what_others_could_change_is_not_trusted(
    run: Run, spoil: Callable[[Path], object], part: str
) -> None:
    """Exit code 7; nothing is kept."""
    path = Path("other.ini")
    _plant("[sandbox]\nregion = na\n", path)
    spoil(path)
    done = run("config", "trust", str(path))
    assert (done.code, part in done.err) == (7, True), done.err
    assert not (Path.home() / RECORDS).exists()


def test_trust_that_cannot_be_kept_is_refused(run: Run) -> None:
    """With what to do; nothing claims to be trusted."""
    _plant("[sandbox]\nregion = na\n")
    Path("a-file").touch()
    state = Path("shared")
    state.mkdir()
    state.chmod(0o777)
    for directory, part in ((Path("a-file"), "ALMAJOB_STATE_DIR"), (state, "chmod go-w")):
        environ = {"ALMAJOB_STATE_DIR": str(directory.absolute())}
        done = run("config", "trust", environ=environ)
        assert (done.code, done.out, part in done.err) == (5, "", True), done.err
    done = run("config", "trust", "--list", "-f", "value")
    assert (done.code, done.out, "No file is trusted." in done.err) == (0, "", True)


def test_what_is_trusted_can_be_seen_and_withdrawn(run: Run, server: RawServer) -> None:
    """Whatever became of the files; a name that is not there is no success."""
    paths = {name: Path(name, "almajob.ini").absolute() for name in ("changed", "gone", "trusted")}
    for path in paths.values():
        _plant(_command(server), path)
        assert run("config", "trust", str(path)).code == 0
    paths["changed"].write_text("[sandbox]\n", "utf-8")
    paths["gone"].unlink()
    done = run("config", "trust", "--list", "-f", "json")
    rows = json.loads(done.out)
    assert {row["state"]: row["file"] for row in rows} == {name: str(path) for name, path in paths.items()}
    assert all(row["trusted_at"].endswith("Z") for row in rows)
    for path in paths.values():
        assert run("config", "trust", "--remove", str(path)).code == 0
        assert run("config", "trust", "--remove", str(path)).code == 5
    os.chdir(paths["trusted"].parent)
    _is_refused(run("--env", "sandbox", "list"))
    assert not MARKER.exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--list", "--remove", "x"), 2),
        (("x", "--list"), 2),
        (("x", "--remove", "y"), 2),
        (("x", "y"), 2),
        ((), 7),
        (("",), 2),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, words: tuple[str, ...], code: int) -> None:
    """Or where there is nothing to trust."""
    assert run("config", "trust", *words).code == code


def test_many_trust_at_once(run: Run, server: RawServer) -> None:
    """The same file and others; none of them is lost."""
    paths = [Path(f"place-{number % 4}", "almajob.ini") for number in range(8)]
    for path in paths:
        _plant(_command(server), path)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "almajob", "config", "trust", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for path in paths
    ]
    assert [(each.communicate()[1], each.returncode) for each in processes] == [(b"", 0)] * 8
    done = run("config", "trust", "--list", "-f", "value", "-c", "state")
    assert done.out.split() == ["trusted"] * 4


@pytest.mark.parametrize("by", ["a change", "a command"])
def test_trust_that_is_withdrawn_counts_in_a_shell_that_runs(
    simulated: SimulatedAlma, server: RawServer, by: str
) -> None:
    """Although it has the key already; and it says once which ini it uses."""
    del os.environ["ALMAJOB_INI"]
    key = shlex.quote(KEYS[0].text)
    # The key stands in a file of its own, which may hold one.
    _plant(KEYS[0].text, Path("sandbox.key"))
    _plant(f"[sandbox]\nbase_url = {simulated.base_url}\napi_key_command = cat sandbox.key\n")
    assert key not in INI.read_text("utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "almajob", "--env", "sandbox", "shell", "--errexit"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as shell:
        assert shell.stdin
        assert shell.stdout
        line = f"show {JOB} -f value -c id\n"
        shell.stdin.write(f"config trust -f value -c state\n{line}")
        assert shell.stdout.readline() == "trusted\n"
        assert shell.stdout.readline() == f"{JOB}\n"
        calls = simulated.log.total
        if by == "a change":
            _change()
        else:
            shell.stdin.write(f"config trust --remove {INI} -f value -c state\n")
        out, err = shell.communicate(line)
    assert (shell.returncode, out) == (7, "" if by == "a change" else "removed\n"), err
    assert f"{INI.absolute()} is not trusted" in err
    assert err.count("Using the configuration file") == 1
    assert simulated.log.total == calls


@pytest.fixture
def set_key() -> Trust:
    """Pipe a key into ``config set-key``."""

    def run(*words: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "almajob", "config", "set-key", "--no-check", *words],
            input=f"{OURS}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[sandbox]\nbase_url = https://evil.example\n", "https://evil.example"),
        (f"[sandbox]\napi_key = {THEIRS}\nbase_url = http://127.0.0.1:1\n", "http://127.0.0.1:1"),
        ("[sandbox]\nregion = na\napi_key_file = victim\n", "victim"),
    ],
)
def test_no_key_is_set_where_somebody_else_says(set_key: Trust, text: str, part: str) -> None:
    """It would be sent to another's server, or take the place of another file."""
    _plant(text)
    _plant("precious", Path("victim"))
    _is_refused(set_key("sandbox"), part)
    assert (INI.read_text("utf-8"), Path("victim").read_text("utf-8")) == (text, "precious")


def test_a_key_is_set_into_the_ini_that_is_named(set_key: Trust, run: Run) -> None:
    """Also one of the current directory; that it is trusted stays so, as nothing else has changed."""
    _plant("[sandbox]\nregion = na\n[lab]\nkind = sandbox\nregion = na\napi_key_command = echo a-key\n")
    done = set_key("sandbox")
    assert done.code == 0, done.err
    note, kept, _next = done.err.splitlines()
    assert note == f"Using the configuration file {INI.absolute()} of the current directory."
    assert kept == f"The key of sandbox is in {INI.absolute()}, line 3."
    states = []
    for words in (("trust",), ("trust", "--list")):
        states.append(run("config", *words, "-f", "value", "-c", "state").out)
        INI.write_text(INI.read_text("utf-8").replace(OURS, "another-key") + "; more\n", "utf-8")
        assert set_key("sandbox").code == 0
    # The first change was not the command's alone.
    assert states == ["trusted\n", "changed\n"]
    assert run("config", "trust").code == 0
    assert set_key("production", "--region", "na").code == 0
    assert run("config", "trust", "--list", "-f", "value", "-c", "state").out == "trusted\n"


SET = "set = Theses without a call number"


def _saved_runs(simulated: SimulatedAlma, text: str) -> None:
    del os.environ["ALMAJOB_INI"]
    _plant(simulated.ini + text)


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("param.job_name = {env:A_SECRET}", "a variable of yours as the parameter job_name"),
        ("params = payload.json", "a variable of yours as the parameter job_name"),
        ("params = linked.json", "linked.json"),
        ("params = elsewhere/secrets.json", "elsewhere/secrets.json"),
    ],
)
def test_a_saved_run_sends_no_secret_until_it_is_trusted(
    simulated: SimulatedAlma, run: Run, setting: str, part: str
) -> None:
    """Neither a variable nor a file from elsewhere, to an address and with a key of the ini's own."""
    _saved_runs(simulated, f"[run:x]\njob = M44\n{SET}\nexpand = yes\n{setting}\n")
    _plant('{"job_name": "{env:A_SECRET}"}', Path("payload.json"))
    _plant('{"job_name": "a-secret"}', Path("elsewhere/secrets.json"))
    Path("linked.json").symlink_to("elsewhere/secrets.json")
    for words in (("run", "x"), ("run", "x", "--dry-run"), ("run", "x", "--expand"), ("config", "check")):
        done = run("--env", "sandbox", *words, environ={"A_SECRET": "a-secret"})
        said = done.out + done.err
        assert (done.code, part in said, "config trust" in said) == (7, True, True), said
        assert simulated.log.count("POST /conf/jobs/*") == 0
    for path in ("almajob.ini", "payload.json"):
        assert run("config", "trust", path).code == 0
    done = run("--env", "sandbox", "run", "x", "--allow-unknown", environ={"A_SECRET": "a-secret"})
    assert done.code == 0, done.err
    (sent,) = simulated.log.requests("POST /conf/jobs/*")
    assert "a-secret" in sent.body


def test_a_saved_run_with_a_date_needs_no_trust(simulated: SimulatedAlma, run: Run) -> None:
    """As saved runs are written: parameters beside them, in runs.d too."""
    _saved_runs(simulated, f"[run:x]\njob = M44\n{SET}\nexpand = yes\nparams = payload.json\n")
    _plant('{"job_name": "{date:%Y}"}', Path("payload.json"))
    done = run("--env", "sandbox", "run", "x", "--allow-unknown")
    assert done.code == 0, done.err
    theses = ("--job", "M44", "--set", "Theses without a call number", "--param", "job_name=a")
    simulated.clock.advance(7200)
    assert run("--env", "sandbox", "run", *theses, "--save", "y").code == 0
    done = run("--env", "sandbox", "run", "y", "--allow-unknown")
    assert done.code == 0, done.err


@pytest.mark.parametrize("place", ["almajob.ini", "runs.d/x.ini"])
@pytest.mark.parametrize("is_own_key", [True, False])
def test_a_saved_run_starts_nothing_unasked_in_production_until_it_is_trusted(
    simulated: SimulatedAlma, run: Run, place: str, is_own_key: bool
) -> None:
    """Unless it stands beside the key that it uses."""
    saved = "[run:x]\njob = ERP export using profile FINANCE\nconfirm = no\n"
    _saved_runs(simulated, saved if place == "almajob.ini" else "")
    if place != "almajob.ini":
        _plant(saved, Path(place))
    environ = {} if is_own_key else {"ALMAJOB_API_KEY_PRODUCTION": KEYS[3].text}
    if not is_own_key:
        # Its own address is trusted; what else it says then is, too, but not the other file.
        assert run("config", "trust").code == 0
        if place == "almajob.ini":
            INI.write_text(INI.read_text("utf-8") + "\n", "utf-8")
    words = ("--env", "production", "run", "x")
    done = run(*words, environ=environ)
    if is_own_key and place == "almajob.ini":
        assert done.code == 0, done.err
        return
    assert (done.code, f"almajob config trust {Path(place).absolute()}" in done.err) == (7, True), done.err
    assert simulated.log.count("POST /conf/jobs/*") == 0
    for path in ("almajob.ini", place):
        assert run("config", "trust", path).code == 0
    assert run(*words, environ=environ).code == 0
    assert simulated.log.count("POST /conf/jobs/*") == 1
