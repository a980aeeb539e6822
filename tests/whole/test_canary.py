"""A key is used, and searched for in every byte that is written: the cases that try to get it out.

For the rest of the suite tests/conftest.py searches what each test wrote. Here the key comes from each of its
sources, and its shape is not only that of Alma's keys, so that nothing is hidden by its look alone.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from werkzeug import Response

from almajob.cli.app import main
from tests.cli.plugins.conftest import site_packages
from tests.conftest import Result
from tests.support.canary import assert_no_key_below, key_in, spellings
from tests.support.distributions import write_plugin
from tests.support.fake_alma import FakeAlma, error, instance, job, started

__all__ = ["site_packages"]

ALMAS = "l7xx5ec4e7ca4a4115ec4e7ca4a4115ec4e7"
ODD = "Odd/key+of=a~Canary%41"
VARIABLE = "ALMAJOB_API_KEY_UNUSED"
UNUSED = "the-Canary_of.another~environment"
ERP = job("S1", "ERP export")
DEBUG = ("--debug", "-v")


@dataclass(frozen=True)
class Cage:
    """almajob with a key in use; ``run`` fails where a byte of it comes out."""

    key: str
    alma: FakeAlma
    directory: Path
    capfd: pytest.CaptureFixture[str]

    def run(self, *words: str) -> Result:
        """Run a command line in this process."""
        self.capfd.readouterr()
        code = main(list(words))
        return self.searched(Result(code, *self.capfd.readouterr()))

    def process(self, *words: str, **environ: str) -> Result:
        """Run one in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "almajob", *words],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return self.searched(Result(done.returncode, done.stdout, done.stderr))

    @property
    def parts(self) -> list[str]:
        """Half a key is a key: whatever is cut must be clean before."""
        return [part for key in (self.key, UNUSED) for part in (key, key[:12], key[-12:])]

    def searched(self, result: Result) -> Result:
        """Search what was written on streams; what is in files is searched at the end of the test."""
        for written in (result.out, result.err):
            assert not key_in(written, self.parts), written
        return result


def _in_ini(key: str, _directory: Path) -> str:
    return f"api_key = {key}"


def _in_file(key: str, directory: Path) -> str:
    path = directory / "alma.key"
    path.touch(0o600)
    path.write_text(f"{key}\n", "utf-8")
    return f"api_key_file = {path}"


def _by_command(key: str, directory: Path) -> str:
    """Make a program that tells the key, and writes down how it was started."""
    _in_file(key, directory)
    path = directory / "tell"
    path.write_text(
        f'#!/bin/sh\nenv >"{directory}/seen"\ntr "\\0" " " </proc/$PPID/cmdline >>"{directory}/seen"\n'
        f'tr "\\0" " " </proc/$$/cmdline >>"{directory}/seen"\ncat "{directory}/alma.key"\n',
        "utf-8",
    )
    path.chmod(0o700)
    return f"api_key_command = {path}"


def _in_variable(key: str, _directory: Path) -> str:
    # pytest's own takes it away again.
    os.environ["ALMAJOB_API_KEY_SANDBOX"] = key
    return ""


@pytest.fixture
def cage(
    request: pytest.FixtureRequest,
    alma: FakeAlma,
    write_ini: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Cage]:
    """A sandbox with the key, and another environment with one that is not used."""
    key, given = getattr(request, "param", (ODD, _in_ini))
    monkeypatch.setenv("ALMAJOB_API_KEY_SANDBOX", "")
    monkeypatch.setenv(VARIABLE, UNUSED)
    write_ini(
        f"[sandbox]\n{given(key, tmp_path)}\nbase_url = {alma.url}\ndeadline = 4\n"
        f"[other]\nkind = sandbox\nregion = eu\napi_key = {UNUSED}\n"
    )
    alma.jobs([ERP])
    made = Cage(key, alma, tmp_path, capfd)
    yield made
    sent = {request.headers.get("Authorization") for request in alma.requests}
    assert sent <= {f"apikey {key}"}
    assert_no_key_below(tmp_path, made.parts)


def test_the_search_finds_a_key(tmp_path: Path) -> None:
    """In each form, in a packed value, and in the name of a file."""
    for position in range(3):
        text = "x" * position + f"apikey {ODD} and more"
        assert key_in(base64.b64encode(text.encode()), [ODD]) == ODD
    assert key_in(f"x{ODD}x", [ALMAS, ODD]) == ODD
    assert key_in(quote(f"/{ODD}/", ""), [ODD]) == ODD
    assert not key_in("nothing here", [ALMAS, ODD])
    for spelled in _disguised(ALMAS, "json") + _disguised(ALMAS, "xml"):
        assert key_in(f"before {spelled} after", [ALMAS]), spelled
        assert key_in(spelled.encode("utf-16-le"), [ALMAS]), spelled
    assert key_in(ALMAS[18:], [ALMAS])
    for form in spellings(ODD):
        (tmp_path / "found").write_bytes(b"before" + form + b"after")
        with pytest.raises(AssertionError):
            assert_no_key_below(tmp_path, [ODD])


def _disguised(key: str, kind: str) -> list[str]:
    """Spell a key as a server might in JSON or in XML, so that it does not stand in the answer as it is."""
    one, two = key[:9], key[9:]
    spelled = [
        *(
            key.upper(),
            key.swapcase(),
            " ".join(key),
            f"{one}\u200b{two}",
            key[1:],
            key[:-1],
            key.encode().hex(),
        ),
        base64.b64encode(f"apikey {key}".encode()).decode(),
        *("".join(form.format(ord(each)) for each in key) for form in ("%{:02x}", "%25{:02X}", "&amp;#{};")),
    ]
    if kind == "json":
        escapes = ("\\u{:04x}", "\\\\u{:04X}", "&#{};", "&#x{:x};")
        whole = ["".join(form.format(ord(each)) for each in key) for form in escapes]
        return [*spelled, *whole, f"\\u{ord(key[0]):04x}{key[1:]}", f"{one}\\n  {two}", f"{one}\\u200b{two}"]
    parted = ("<![CDATA[]]>", "<!-- x -->", "<?p?>", "\n  ", "&#10;", "&#x200b;")
    whole = ["".join(form.format(ord(each)) for each in key) for form in ("&#{};", "&#x{:X};")]
    return [*spelled, *whole, f"{one}<![CDATA[{two}]]>", *(f"{one}{between}{two}" for between in parted)]


def _xml(document: object, name: str) -> str:
    """Write a document as Alma does where it answers in XML; what is in it is markup already."""
    if isinstance(document, list):
        return "".join(_xml(each, name) for each in document)
    inner = str(document)
    if isinstance(document, dict):
        inner = "".join(_xml(each, member) for member, each in document.items())
    return f"<{name}>{inner}</{name}>"


def _in_kind(document: object, name: str, kind: str, status: str = "200 OK") -> Response:
    """Make an answer in JSON or XML whose texts are markup already."""
    if kind == "xml":
        return _body(_xml(document, name), status, "application/xml")
    text = json.dumps(document, ensure_ascii=False).replace("\\\\", "\\")
    return _body(text, status)


def _body(document: object, status: str = "400 BAD REQUEST", kind: str = "application/json") -> Response:
    text = document if isinstance(document, str) else json.dumps(document)
    return Response(text, status, content_type=kind)


def _refusals(key: str) -> dict[str, Response]:
    """Make answers that have the key in them, as a server would that echoes what it was sent."""
    escaped = "".join(f"\\u{ord(character):04x}" for character in key)
    entities = "".join(f"&#{ord(character)};" for character in key)
    packed = _body(error("402219"))
    packed.headers["Content-Encoding"] = key
    late = _body(error("PER_SECOND_THRESHOLD", key), "429 TOO MANY")
    late.headers["Retry-After"] = key
    led = Response("", f"302 {key}", {"Location": f"http://127.0.0.1:9/{key}?apikey={quote(key, '')}"})
    dated = _body(error(key, key, key))
    dated.headers["Date"] = dated.headers["Set-Cookie"] = dated.headers["Server"] = key
    return {
        "text": _body(error("402219", f"Wrong: {key}.")),
        "cut": _body(error("402219", "x" * 480 + key)),
        "escapes": _body(json.dumps(error("1", "HERE")).replace("HERE", escaped)),
        "entities": _body(
            "<web_service_result><errorsExist>true</errorsExist><errorList><error><errorCode>1</errorCode>"
            f"<errorMessage>{entities}</errorMessage></error></errorList></web_service_result>",
            kind="application/xml",
        ),
        "unused": _body(error("402219", UNUSED)),
        "page": _body(f"<html><title>{key}</title>{key}</html>", f"200 {key}", "text/html"),
        "plain": _body(key, f"500 {key}", "text/plain"),
        "packed": packed,
        "late": late,
        "led": led,
        "dated": dated,
    }


@pytest.mark.parametrize("cage", [(ALMAS, _in_ini), (ODD, _in_variable)], indirect=True)
def test_a_server_that_echoes_the_key_in_an_error_gets_it_nowhere(
    cage: Cage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bodies, escapes and entities, headers, the reason and where it leads; read, started, looked at."""
    # Nobody waits to see that a read is tried again.
    monkeypatch.setattr("almajob.alma.http.session.nap", lambda _seconds: None)
    log = cage.directory / "almajob.log"
    calls = cage.directory / "calls.json"
    told = ("--log-file", str(log), "--log-json", str(calls), *DEBUG, "--env", "sandbox")
    refusals = _refusals(cage.key)
    # One that is in doubt stands in the way of the next start of its job.
    cage.alma.jobs([job(f"S{number}", f"Job {number}") for number in range(len(refusals))])
    for number, refusal in enumerate(refusals.values()):
        cage.alma.on(f"POST /jobs/S{number}", refusal)
        assert cage.run(*told, "run", "--job", f"S{number}").code in {4, 6, 9}
    assert len(cage.alma.calls("POST")) == len(refusals)
    for refusal in refusals.values():
        cage.alma.on("GET /jobs/ALL/instances/77", refusal)
        assert cage.run(*told, "status", "--id", "77").code in {4, 6}
    assert "(hidden)" in log.read_text("utf-8")
    assert "POST" in calls.read_text("utf-8")
    assert cage.run("runs", "list", "-f", "json").code == 0


@pytest.mark.parametrize(
    ("cage", "form"),
    [
        ((ALMAS, _in_ini), "table"),
        ((ODD, _in_ini), "yaml"),
        ((ODD, _in_file), "csv"),
        ((ODD, _by_command), "value"),
        ((ODD, _in_variable), "json"),
    ],
    indirect=["cage"],
)
def test_a_server_that_echoes_the_key_in_a_result_gets_it_nowhere(cage: Cage, form: str) -> None:
    """Neither to stdout, nor into the cache or the ledger."""
    key = cage.key
    echo = job("S1", f"{key} {'long ' * 2000}{key}", category=key)
    cage.alma.jobs([echo])
    cage.alma.on("POST /jobs/S1", started(echo, "77"))
    run = instance(
        "77", echo, "COMPLETED_SUCCESS", alert=[{"value": key}], counter=[{"type": {"value": key}}]
    )
    cage.alma.on("GET /code-tables/systemJobStatus", {"row": [{"code": key, "description": key}]})
    cage.alma.on("GET /jobs/S1/instances/77", run)
    cage.alma.on("GET /jobs/ALL/instances/77", run)
    for words in (["list"], ["show", "S1"], ["run", "--job", "S1", "--wait"], ["status", "--id", "77"]):
        done = cage.run("--env", "sandbox", *DEBUG, *words, "-f", form)
        has_no_such_form = form == "csv" and words[0] == "show"
        assert (done.code, bool(done.out)) == ((2, False) if has_no_such_form else (0, True))
    assert "(hidden)" in cage.run("--env", "sandbox", "list", "-f", form).out


FORMS = ("table", "json", "yaml", "csv", "value", "shell")


@pytest.mark.parametrize(
    ("cage", "kind"), [((ALMAS, _in_ini), "json"), ((ODD, _in_ini), "xml")], indirect=["cage"]
)
def test_a_server_that_echoes_the_key_in_disguise_gets_it_nowhere(cage: Cage, kind: str) -> None:
    """What the parser makes of it is searched: names, alerts, counters, the status table; in every format."""
    spelled = _disguised(cage.key, kind)
    echoes = [job(f"S{number}", f"x {text}", category=text) for number, text in enumerate(spelled)]
    everything = " ; ".join(spelled)
    echo = echoes[0] | {"name": everything, "description": everything}
    run = instance(
        *("77", echo, "COMPLETED_SUCCESS"),
        alert=[{"value": everything}],
        counter=[{"type": {"value": "c", "desc": everything}, "value": "1"}],
    )
    listed = {"job": [echo, *echoes[1:]], "total_record_count": len(echoes)}
    cage.alma.on("GET /jobs", _in_kind(listed, "jobs", kind))
    cage.alma.on("GET /jobs/S0", _in_kind(echo, "job", kind))
    cage.alma.on("GET /jobs/S0/instances", _in_kind({"total_record_count": 0}, "job_instances", kind))
    ids = [str(77 + number) for number in range(len(FORMS))]
    cage.alma.on("POST /jobs/S0", *(_in_kind(started(echo, run_id), "job", kind) for run_id in ids))
    cage.alma.on(
        "GET /code-tables/systemJobStatus",
        _in_kind({"row": [{"code": "COMPLETED_SUCCESS", "description": everything}]}, "code_table", kind),
    )
    for job_id in ("S0", "ALL"):
        for run_id in ids:
            shown = _in_kind(run | {"id": run_id}, "job_instance", kind)
            cage.alma.on(f"GET /jobs/{job_id}/instances/{run_id}", shown)
    files = ("--log-file", str(cage.directory / "almajob.log"), "--log-json", str(cage.directory / "calls"))
    for form in FORMS:
        for words in (
            ["list", "--refresh"],
            ["show", "S0"],
            ["run", "--job", "S0", "--wait"],
            ["status", "--id", "77"],
        ):
            key = ["--run-key", form] if words[0] == "run" else []
            done = cage.run("--env", "sandbox", *files, *DEBUG, *words, *key, "-f", form)
            has_no_such_form = (words[0], form) in {("list", "shell"), ("show", "csv")}
            assert (done.code, bool(done.out)) == ((2, False) if has_no_such_form else (0, True)), done
    assert cage.run("--env", "sandbox", "list", "-f", "json").out.count("(hidden)") >= 2 * len(spelled)
    assert len(cage.alma.calls("POST")) == len(FORMS)
    assert "POST" in (cage.directory / "calls").read_text("utf-8")


@pytest.mark.parametrize(
    ("cage", "kind"), [((ODD, _in_ini), "json"), ((ALMAS, _in_ini), "xml")], indirect=["cage"]
)
def test_a_server_that_echoes_the_key_in_disguise_in_an_error_gets_it_nowhere(cage: Cage, kind: str) -> None:
    """In the message, the code and the tracking id, which are shown, logged, and kept with the start."""
    files = ("--log-file", str(cage.directory / "almajob.log"), "--log-json", str(cage.directory / "calls"))
    spelled = _disguised(cage.key, kind)
    cage.alma.jobs([job(f"S{number}", f"Job {number}") for number in range(len(spelled))])
    for number, text in enumerate(spelled):
        refusal = error(text if number % 2 else "402219", f"Wrong: {text}.", text) | {"errorsExist": "true"}
        answered = _in_kind(refusal, "web_service_result", kind, "400 BAD REQUEST")
        cage.alma.on(f"POST /jobs/S{number}", answered)
        cage.alma.on("GET /jobs/ALL/instances/77", answered)
        form = FORMS[number % len(FORMS)]
        done = cage.run("--env", "sandbox", *files, *DEBUG, "run", "--job", f"S{number}", "-f", form)
        assert done.code in {2, 4, 9}, done
        done = cage.run("--env", "sandbox", *files, *DEBUG, "status", "--id", "77")
        assert (done.code, "(hidden)" in done.err) == (4, True), done
    assert '"tracking_id": "' in (cage.directory / "calls").read_text("utf-8")
    assert cage.run("runs", "list", "-f", "json").code == 0


def test_a_file_is_downloaded_as_it_is_and_an_error_is_not(cage: Cage) -> None:
    """A file's bytes are the library's and are not changed; the messages about it show nothing."""
    url = "GET /jobs/ALL/instances/77/download"
    cage.alma.on(url, Response(f"<file>{cage.key}</file>", content_type="application/xml"))
    words = ("--env", "sandbox", *DEBUG, "download", "--id", "77", "--output")
    done = cage.run(*words, "out.key")
    assert done.code == 0, (done.err, cage.alma.calls())
    assert Path("out.key").read_bytes() == f"<file>{cage.key}</file>".encode()
    for name, refusal in _refusals(cage.key).items():
        cage.alma.on(url, refusal)
        assert cage.run(*words, f"{name}.xml").code in {4, 6}
        assert not Path(f"{name}.xml").exists()


@pytest.mark.parametrize("words", [(), DEBUG])
@pytest.mark.parametrize(
    "where",
    [
        "almajob.cli.command.AlmajobCommand.check",
        "almajob.config.environments.from_section",
        "almajob.cli.connections.Connections.cache",
        "almajob.jobs.job_lookup.Catalogue.jobs",
        "almajob.alma.http.session.Session._send",
        "almajob.alma.http.connection.connect",
        "almajob.alma.http.body_parser.parse",
        "almajob.cli.command.Lister.produce_output",
        "almajob.cli.context.Context.note_result",
    ],
)
def test_a_bug_anywhere_shows_no_key(
    cage: Cage, words: tuple[str, ...], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and six lines at most; with --debug the whole chain of errors, without the key."""
    # Known since the settings were read, whatever fails later.
    assert cage.run("--env", "sandbox", "config", "show").code == 0

    def fail(*_given: object, **_more: object) -> None:
        failed = RuntimeError(f"it is {cage.key!r}", {"key": cage.key.encode()})
        failed.add_note(f"apikey {cage.key}")
        raise failed from KeyError(UNUSED)

    monkeypatch.setattr(where, fail)
    done = cage.run("--env", "sandbox", *words, "list", "--refresh", "-f", "json")
    assert done.code == 1
    assert "almajob: a bug in almajob: RuntimeError: " in done.err
    assert "(hidden)" in done.err
    assert ("KeyError: '(hidden)'" in done.err) is bool(words)
    assert ("Traceback" in done.err) is bool(words)
    assert words or len(done.err.splitlines()) <= 6


PLUGIN = """
import atexit, logging, subprocess, sys, threading, urllib3, warnings
from almajob.plugin import Command

class Odd(BaseException):
    pass

def fail(key):
    raise ValueError(key)

class Broken:
    def __init__(self, key):
        self.key = key
    def __del__(self):
        raise ValueError(self.key)

class Leaks(Command):
    "Tries everything."
    def take_action(self, parsed_args):
        key = self.context.alma._session._key
        print(key, repr(key), f"{key}", {"a": key}, file=self.app.stdout)
        text = key.reveal()
        own = logging.getLogger("leaks")
        own.addHandler(logging.StreamHandler())
        own.addHandler(logging.FileHandler("leaks.log"))
        try:
            fail(text)
        except ValueError:
            own.exception("own %s", text)
        own.warning("%d", text)
        logging.getLogger("some.library").warning("others' %s", text)
        logging.getLogger().error("root's %s", text)
        warnings.warn(f"warned of {text}")
        thread = threading.Thread(target=fail, args=(text,))
        thread.start()
        thread.join()
        Broken(text)
        atexit.register(fail, text)
        sys.stdout.flush()
        subprocess.run(["sh", "-c", "env; cat /proc/$PPID/cmdline"], check=True)
        raise Odd(f"escaped: {text}")
"""


@pytest.mark.parametrize(
    ("cage", "words"), [((ODD, _in_ini), ()), ((ODD, _in_variable), DEBUG)], indirect=["cage"]
)
def test_nothing_that_escapes_shows_the_key(cage: Cage, site_packages: Path, words: tuple[str, ...]) -> None:
    """A plugin's own handlers, threads, finalizers, warnings, the end of the process, what it starts."""
    write_plugin(site_packages, "almajob-leaks", "aj_leaks", PLUGIN, {"leaks": "Leaks"})
    log = cage.directory / "almajob.log"
    done = cage.process(
        *("--env", "sandbox", "--log-file", str(log), *words, "leaks"),
        PYTHONPATH=str(site_packages),
        ALMAJOB_API_KEY_OTHER=UNUSED,
    )
    assert done.code == 1
    assert done.out.startswith("Key(hidden) Key(hidden) Key(hidden) {'a': Key(hidden)}\n")
    assert "\0-m\0almajob\0--env\0sandbox\0" in done.out, "how almajob was called can be seen"
    assert "ALMAJOB_INI=" in done.out, "the environment of a child is there"
    assert "ALMAJOB_API_KEY" not in done.out
    for part in ("own (hidden)", "others' (hidden)", "root's (hidden)", "UserWarning: warned of (hidden)"):
        assert part in done.err, part
    # Of the thread, of the finalizer, at the end; and of what escaped.
    assert done.err.count("almajob: a bug in almajob: ValueError: (hidden)\n") == 3
    whose = "the command 'leaks', from almajob-leaks 1.2 (aj_leaks:Leaks)"
    assert f"almajob: a bug in {whose}: Odd: escaped: (hidden)\n" in done.err
    assert done.err.count("Traceback") == (5 if words else 1), "but its own"
    assert f"a bug in {whose}: Odd" in log.read_text("utf-8")


def test_a_bug_before_almajob_is_there_is_told_shortly(cage: Cage, tmp_path: Path) -> None:
    """As where its libraries are damaged."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "cliff.py").write_text(f"raise ValueError('apikey {ALMAS}')\n", "utf-8")
    done = cage.process("list", PYTHONPATH=str(broken))
    assert done.code == 1
    assert done.err.startswith("almajob: a bug in almajob: ValueError: apikey (hidden)\n")
    assert len(done.err.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("<>",), 2),
        (("help", "<>"), 2),
        (("--<>", "list"), 2),
        (("--env", "<>", "list"), 7),
        (("--ini-file", "<>", "list"), 7),
        (("--log-file", "/no/such/<>", "list"), 2),
        (("list", "--<>"), 2),
        (("list", "--name=<>"), 0),
        (("list", "-c", "<>"), 2),
        (("list", "-f", "<>"), 2),
        (("list", "<>"), 2),
        (("show", "<>"), 5),
        (("run", "--job", "<>"), 5),
        (("run", "<>"), 5),
        (("run", "--job", "S1", "--run-key", "<>"), 5),
        (("run", "--job", "S1", "--run-key", "x-<>-x", "--dry-run"), 5),
        (("run", "--job", "S1", "--param", "x=<>"), 5),
        (("run", "--job", "S1", "--param", "<>=x"), 5),
        (("run", "--job", "S1", "--expand", "--param", f"x={{env:{VARIABLE}}}"), 5),
        (("status", "--id", "<>"), 5),
        (("wait", "--id", "<>"), 5),
        (("runs", "show", "<>"), 5),
        (("history", "--job", "<>"), 5),
    ],
)
@pytest.mark.parametrize("extra", [(), DEBUG])
def test_a_key_that_was_typed_is_not_repeated(
    cage: Cage, words: tuple[str, ...], code: int, extra: tuple[str, ...]
) -> None:
    """Nor kept, nor sent: in the place of a command, an option, a job, a run key or a parameter."""
    os.environ["ALMAJOB_API_KEY_SANDBOX"] = cage.key
    own = () if "--env" in words else ("--env", "sandbox")
    done = cage.run(*extra, *own, *(word.replace("<>", cage.key) for word in words))
    assert done.code == code, done
    assert cage.alma.calls("POST") == []
    told = ("(hidden)", "has an API key in it", "Do not pass an API key on the command line.")
    assert code == 0 or any(part in done.err for part in told)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("api_key KEY", 7),
        ("[sandbox", 7),
        ("[almajob]\napi_key = KEY", 7),
        ("[job:S1]\napi_key = KEY", 7),
        ("[run:x]\nAPI_KEY = 'KEY' ; a comment", 7),
        ("[sandbox]\napikey = KEY", 7),
        ("[sandbox]\nKEY = api_key", 7),
        ("[sandbox]\nregion = KEY", 7),
        ("[sandbox]\nregion = eu\ndomain = KEY", 7),
        ("[sandbox]\nbase_url = https://KEY@alma.invalid", 7),
        ("[sandbox]\nbase_url = KEY", 7),
        ("[sandbox]\nread_only = KEY", 7),
        ("[sandbox]\ndeadline = KEY", 7),
        ("[sandbox]\napi_key = KEY\napi_key = KEY", 7),
        ("[sandbox]\nregion = eu\napi_key_command = KEY", 7),
        ("[sandbox]\nregion = eu\napi_key_command = 'KEY", 7),
        ("[sandbox]\nregion = eu\napi_key = KEY and more", 7),
        ("[KEY]\nregion = eu", 7),
        ("[lab]\nkind = KEY", 7),
        ("KEY", 7),
        ("= KEY", 7),
    ],
)
def test_a_key_in_the_wrong_place_of_the_ini_is_not_quoted(
    cage: Cage, write_ini: Callable[..., Path], text: str, code: int
) -> None:
    """Whatever is wrong with the line; a name is repeated, but for one that looks like a key of Alma's."""
    is_name = any(name in text for name in ("[KEY", "command", "base_url"))
    text = text.replace("KEY", ALMAS if is_name else cage.key)
    write_ini(f"{text}\n")
    env = ("--env", "lab" if "lab" in text else "sandbox")
    for words in (("list",), ("config", "show"), ("config", "check")):
        done = cage.run(*env, *DEBUG, *words)
        assert done.code in {0, code}
        assert ALMAS not in done.out + done.err
    assert done.code == code


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    "proxy", ["http://KEY:KEY@127.0.0.1:9", "http://127.0.0.1:9/KEY", "KEY", "socks5://KEY@127.0.0.1:9"]
)
def test_a_proxy_with_the_key_in_its_address_is_not_quoted(
    cage: Cage, write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str
) -> None:
    """Neither where it cannot be reached, nor where it is no address."""
    write_ini(f"[sandbox]\napi_key = {cage.key}\nbase_url = https://alma.invalid\n")
    monkeypatch.setenv(variable, proxy.replace("KEY", quote(cage.key, "")))
    done = cage.run("--env", "sandbox", *DEBUG, "list")
    assert done.code == 6


@pytest.mark.parametrize("cage", [(ODD, _by_command), (ODD, _in_variable)], indirect=True)
def test_what_the_shell_starts_gets_no_key(cage: Cage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs behind a ``|``; the commands at the prompt have it all the same."""
    lines = ["list -f json | env", f"show {cage.key}", f"run --job S1 --run-key '{cage.key}'", "list -f csv"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    done = cage.run("--env", "sandbox", "shell")
    assert done.code == 0
    assert "ALMAJOB_INI=" in done.out
    assert "ALMAJOB_API_KEY" not in done.out
    assert "ERP export" in done.out


def test_the_program_that_tells_the_key_is_started_without_one(
    cage: Cage, write_ini: Callable[..., Path]
) -> None:
    """Neither its words nor its environment have one, and neither have those of almajob."""
    os.environ["ALMAJOB_API_KEY_SANDBOX"] = cage.key
    ini = f"[sandbox]\n{_by_command(cage.key, cage.directory)}\nbase_url = {cage.alma.url}\n"
    write_ini(ini)
    assert cage.process("--env", "sandbox", "list").code == 0
    seen = (cage.directory / "seen").read_text("utf-8")
    assert "HOME=" in seen
    assert "-m almajob --env sandbox list" in seen
    assert "/tell" in seen
    assert "ALMAJOB_API_KEY" not in seen
