"""What outlives a command: open caches, keys, sessions with Alma; the shell's commands share them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from almajob.config.environments import institution_id
from almajob.errors import ConfigurationError, Refused
from almajob.system import key_variables
from almajob.system.private_files import make_private, refuse_link
from almajob.system.sharing.forks import forget_in_children
from almajob.system.sharing.made_once import Making
from almajob.text.redaction import Sealed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from almajob.alma.api_key import Key
    from almajob.alma.client import Alma
    from almajob.alma.models import General
    from almajob.alma.rate_limit.call_account import CallAccount
    from almajob.alma.rate_limit.limiter import Limiter
    from almajob.alma.rate_limit.quota import Quota
    from almajob.config.environments import Access, Environment
    from almajob.config.settings import Settings
    from almajob.runs.observers.announcer import Announcer
    from almajob.store.cache import Cache
    from almajob.store.ledger.place import Place
    from almajob.store.plugin_store import PluginStore
    from almajob.text.busy import Busy
    from almajob.text.redaction import Secret

LOG = logging.getLogger(__name__)

_Made = TypeVar("_Made")
_TRY_SECONDS = 15.0
_DEMO_SECONDS = "ALMAJOB_DEMO_SECONDS"
_LONGEST_DEMO = 86400.0


class Connections(Sealed):
    """Each is made on first use and closed once, by ``close``."""

    def __init__(self, environ: Mapping[str, str], *, is_quiet: bool = False) -> None:
        self._environ = key_variables.hide_keys(environ)
        self._is_quiet = is_quiet
        self._closing = ExitStack()
        self._making = Making()
        self._turns: dict[Hashable, Making] = {}
        self._made: dict[Hashable, Any] = {}
        self._named: set[tuple[Path, str]] = set()
        self._warned: set[str] = set()

    @property
    def busy(self) -> Busy:
        """Shows people what is waited for, unless this is a program that prints nothing."""
        if self._is_quiet:
            from almajob.text.busy import show_nothing

            return show_nothing
        from almajob.cli.console.sign_of_life import show_busy

        return show_busy

    def close(self) -> None:
        """Close all that was opened."""
        self._closing.close()
        self._made.clear()

    def _keep(self, name: Hashable, make: Callable[[], _Made]) -> _Made:
        """Return what is kept under a name; what is not there yet is made, and its closing registered."""
        with self._making.lock:
            turn = self._turns[name] = self._turns.get(name) or Making()
        # A program that one environment's key comes from must not hold up the others.
        with turn.lock:
            if name not in self._made:
                self._made[name] = made = make()
                if hasattr(made, "close"):
                    self._closing.callback(made.close)
            found: _Made = self._made[name]
        return found

    def warn(self, text: str) -> None:
        """Log a warning, once: several contexts read the same configuration file."""
        if text not in self._warned:
            self._warned.add(text)
            LOG.warning("%s", text)

    def name_ini(self, settings: Settings) -> None:
        """Log, once, which ini is used, where it only happens to be in the current directory."""
        if settings.ini is None or settings.trusted is None:
            return
        untrusted = settings.untrusted_ini()
        problem = untrusted.problem if untrusted else ""
        if (settings.ini.path, problem) in self._named:
            return
        self._named.add((settings.ini.path, problem))
        LOG.info("Using the configuration file %s of the current directory.", settings.ini.path)
        if problem:
            LOG.warning("%s is not trusted. %s", settings.ini.path, problem)

    def cache(self, directory: str | None) -> Cache:
        """Return the cache of a directory; without one, a cache that keeps nothing."""
        from almajob.store.cache import Cache

        return self._keep(("cache", directory), lambda: Cache(Path(directory) if directory else None))

    def plugin_store(self, state_dir: str, owner: str, environment: str = "") -> PluginStore:
        """Return what a distribution's commands keep, for all environments or for one."""
        from almajob.store.plugin_store import PluginStore

        return self._keep(
            ("store", state_dir, owner, environment),
            lambda: PluginStore(Path(state_dir, "plugins"), owner, environment),
        )

    def ledger_place(self, settings: Settings) -> Place:
        """Return where the ledger is kept; a database is connected with when it is used.

        Raises:
            ConfigurationError: a configuration file that is not trusted names it.
        """
        from almajob.runs.ledger_place import place_of

        where = (settings.state_dir and settings.state_dir.text, settings.database, settings.ledger)
        return self._keep(("ledger", where), lambda: place_of(settings, self._environ, self.busy))

    def ledger_place_named(self, text: str, settings: Settings) -> Place:
        """Return the place of a ledger that the command line names; it is closed with all that is kept.

        Raises:
            UsageError: there can be none.
        """
        from almajob.runs.ledger_place import place_named

        return self._keep(("ledger named", text), lambda: place_named(text, settings, self._environ))

    def announcer(
        self,
        observers: Sequence[EntryPoint],
        state_dir: str,
        ini_file: str,
        find_place: Callable[[], Place],
        *,
        finish_with: ExitStack,
    ) -> Announcer:
        """Return what announces to observers.

        Args:
            ini_file: that counts; empty where it is to be found again.
            find_place: returns the place of the ledger.
            finish_with: with whose end they are waited for, for a moment.
        """
        from almajob.runs.observers.announcer import Announcer, make_observer

        def make() -> Announcer:
            made = Announcer(list(map(make_observer, observers)), state_dir, ini_file, find_place)
            finish_with.callback(made.finish)
            return made

        return self._keep(("announcer", state_dir, ini_file), make)

    def secret(self, name: object, read: Callable[[], Secret]) -> Secret:
        """Fetch a plugin's secret, once: its program may ask somebody something."""
        return self._keep(("secret", name), read)

    def key(self, access: Access) -> Key:
        """Fetch an environment's key, once: api_key_command may ask its user something.

        Raises:
            ConfigurationError: it has none, or none that can be had.
        """
        from almajob.config.keys import api_keys

        return self._keep(("key", access), lambda: api_keys.find(access, self._environ))

    def identity(self, access: Access) -> str:
        """Return what identifies an Alma: the same name may belong to another address or key tomorrow."""
        environment = access.environment
        if environment.base_url is None:
            return environment.name
        import hashlib

        # One Alma, however its address is spelled.
        url = environment.base_url.rstrip("/").removesuffix("/almaws/v1").rstrip("/")
        address = hashlib.sha256(url.encode()).hexdigest()[:12]
        return f"{environment.name}:{address}:{self.key(access).fingerprint}"

    def alma(self, access: Access, settings: Settings, *, read_only: str) -> Alma:
        """Return the session with an environment; its first call connects.

        Args:
            settings: say where the world of the demo, and what is known of the institution's calls, are kept;
                where there is no place for them, each process is on its own.
            read_only: what forbids everything but reads; empty where nothing does.

        Raises:
            ConfigurationError: it has no key, or none that can be had.
        """
        from almajob.alma.client import Alma
        from almajob.alma.http.session import Session

        environment = access.environment
        state_dir = settings.state_dir.text if settings.state_dir else None

        def make() -> Alma:
            if environment.base_url is None:
                base_url, key = self._keep(("demo", state_dir), lambda: self._start_demo(state_dir))
            else:
                base_url, key = environment.base_url, self.key(access)
            session = Session(
                *(base_url, key, environment.limits),
                read_only=read_only,
                limiter=self.limits(environment, settings),
                environment=environment.name,
                busy=self.busy,
            )
            return Alma(session, is_production=environment.is_production)

        return self._keep(("alma", access, read_only), make)

    def try_key(self, environment: Environment, key: Key, settings: Settings) -> General:
        """Ask Alma, with one call, where a key leads that is not kept yet.

        Raises:
            AlmajobError: Alma does not take it, or cannot be asked.
        """
        from almajob.alma.client import Alma
        from almajob.alma.http.session import Session

        assert environment.base_url is not None
        session = Session(
            *(environment.base_url, key, environment.limits),
            limiter=self.limits(environment, settings),
            environment=environment.name,
        )
        with closing(Alma(session)) as alma:
            return alma.general(patience=_TRY_SECONDS)

    def limits(self, environment: Environment, settings: Settings) -> Limiter | None:
        """Return the limits of the institution that an environment belongs to; the demo has none."""
        from almajob.alma.rate_limit.limiter import Limiter
        from almajob.system import clock

        if environment.base_url is None:
            return None
        institution = institution_id(environment)
        path = Path(settings.state_dir.text, "limits", institution) if settings.state_dir else None
        account = self._keep(
            ("limits", path, institution, settings.database),
            lambda: self._open_account(institution, path, settings),
        )
        return Limiter(account, environment.rates, clock.system)

    def _open_account(self, institution: str, path: Path | None, settings: Settings) -> CallAccount:
        """Return where the calls of an institution are counted: with the ledger, where several share that."""
        from almajob.alma.rate_limit.shared_state import SharedState

        local = SharedState(path)
        if settings.database is None:
            return local
        from almajob.runs.ledger_place import share_calls

        try:
            return share_calls(self.ledger_place(settings), institution, local)
        except ConfigurationError:
            # Whoever needs the ledger hears of it.
            return local

    def quotas(self, environments: Sequence[Environment], settings: Settings) -> list[Quota]:
        """Return what is known of the calls of each institution of these environments, each once."""
        from almajob.alma.rate_limit.quota import quota_of

        together: dict[str, list[Environment]] = {}
        for environment in environments:
            if environment.base_url is not None:
                together.setdefault(institution_id(environment), []).append(environment)
        return [
            quota_of(limits, [environment.name for environment in found])
            for found in together.values()
            if (limits := self.limits(found[0], settings)) is not None
        ]

    def _start_demo(self, state_dir: str | None) -> tuple[str, Key]:
        from almajob.alma.api_key import Key
        from almajob.simulator.http.server import Simulator
        from almajob.simulator.institution import DEMO_SECONDS, demo

        path = Path(state_dir, "demo", "world.jsonl") if state_dir else None
        seconds = _read_seconds(self._environ.get(_DEMO_SECONDS) or str(DEMO_SECONDS))
        try:
            if path is not None:
                make_private(path.parent)
                refuse_link(path.parent)
            simulator = Simulator(demo(path, seconds))
        except (OSError, ValueError) as error:
            raise Refused(
                f"The demo's world {path} cannot be used.",
                reason=f"{getattr(error, 'strerror', None) or error}.",
                hint="Remove it, or set ALMAJOB_STATE_DIR to a directory that you can write to.",
            ) from None
        self._closing.enter_context(simulator)
        # Children use their parent's, as long as it runs.
        forget_in_children(simulator)
        return simulator.base_url, Key(simulator.key)


def _read_seconds(text: str) -> float:
    """Read how long a run of the demo lasts.

    Raises:
        ConfigurationError: it is no number of seconds.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_DEMO:
        raise ConfigurationError(
            f"{_DEMO_SECONDS} is {text!r}.",
            reason=f"It is how long a job of the demo runs: a number of seconds, up to {_LONGEST_DEMO:,.0f}.",
            hint="Correct the variable, or unset it.",
        )
    return seconds
