"""What outlives a command: open caches, keys, sessions with Alma; the shell's commands share them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from almajob.config.environments import institution_id
from almajob.errors import Refused
from almajob.system.private_files import make_private, refuse_link

if TYPE_CHECKING:
    from almajob.alma.api_key import Key
    from almajob.alma.client import Alma
    from almajob.alma.rate_limit.limiter import Limiter
    from almajob.alma.rate_limit.quota import Quota
    from almajob.config.environments import Environment
    from almajob.config.settings import Settings
    from almajob.store.cache import Cache
    from almajob.store.plugin_store import PluginStore

LOG = logging.getLogger(__name__)

_Made = TypeVar("_Made")


class Connections:
    """Each is made on first use and closed once, by ``close``."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._closing = ExitStack()
        self._made: dict[Hashable, Any] = {}
        self._named: set[tuple[Path, str]] = set()

    def close(self) -> None:
        """Close all that was opened."""
        self._closing.close()
        self._made.clear()

    def _keep(self, name: Hashable, make: Callable[[], _Made]) -> _Made:
        """Return what is kept under a name; what is not there yet is made, and its closing registered."""
        if name not in self._made:
            self._made[name] = made = make()
            if hasattr(made, "close"):
                self._closing.callback(made.close)
        found: _Made = self._made[name]
        return found

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

    def cache(self, directory: str) -> Cache:
        """Return the cache of a directory."""
        from almajob.store.cache import Cache

        return self._keep(("cache", directory), lambda: Cache(Path(directory)))

    def plugin_store(self, state_dir: str, owner: str) -> PluginStore:
        """Return what a distribution's commands keep."""
        from almajob.store.plugin_store import PluginStore

        return self._keep(("store", state_dir, owner), lambda: PluginStore(Path(state_dir, "plugins"), owner))

    def key(self, environment: Environment) -> Key:
        """Fetch an environment's key, once: api_key_command may ask its user something.

        Raises:
            ConfigurationError: it has none, or none that can be had.
        """
        from almajob.config.keys import api_keys

        return self._keep(("key", environment), lambda: api_keys.find(environment, self._environ))

    def identity(self, environment: Environment) -> str:
        """Return what identifies an Alma: the same name may belong to another address or key tomorrow."""
        if environment.base_url is None:
            return environment.name
        import hashlib

        # One Alma, however its address is spelled.
        url = environment.base_url.text.rstrip("/").removesuffix("/almaws/v1").rstrip("/")
        address = hashlib.sha256(url.encode()).hexdigest()[:12]
        return f"{environment.name}:{address}:{self.key(environment).fingerprint}"

    def alma(self, environment: Environment, *, read_only: str, state_dir: str) -> Alma:
        """Return the session with an environment; its first call connects.

        Args:
            read_only: what forbids every POST; empty where nothing does.
            state_dir: where the world of the demo, and what is known of the institution's calls, are kept.

        Raises:
            ConfigurationError: it has no key, or none that can be had.
        """
        from almajob.alma.client import Alma
        from almajob.alma.http.session import Session

        def make() -> Alma:
            if environment.base_url is None:
                base_url, key = self._keep(("demo", state_dir), lambda: self._start_demo(state_dir))
            else:
                base_url, key = environment.base_url.text, self.key(environment)
            session = Session(
                *(base_url, key, environment.limits),
                read_only=read_only,
                limiter=self.limits(environment, state_dir),
                environment=environment.name,
            )
            return Alma(session)

        return self._keep(("alma", environment, read_only), make)

    def limits(self, environment: Environment, state_dir: str) -> Limiter | None:
        """Return the limits of the institution that an environment belongs to; the demo has none."""
        from almajob.alma.rate_limit.limiter import Limiter
        from almajob.alma.rate_limit.shared_state import SharedState
        from almajob.system import clock

        if environment.base_url is None:
            return None
        path = Path(state_dir, "limits", institution_id(environment))
        state = self._keep(("limits", path), lambda: SharedState(path))
        return Limiter(state, environment.rates, clock.system)

    def quotas(self, environments: Sequence[Environment], state_dir: str) -> list[Quota]:
        """Return what is known of the calls of each institution of these environments, each once."""
        from almajob.alma.rate_limit.quota import quota_of

        together: dict[str, list[Environment]] = {}
        for environment in environments:
            if environment.base_url is not None:
                together.setdefault(institution_id(environment), []).append(environment)
        return [
            quota_of(limits, [environment.name for environment in found])
            for found in together.values()
            if (limits := self.limits(found[0], state_dir)) is not None
        ]

    def _start_demo(self, state_dir: str) -> tuple[str, Key]:
        from almajob.alma.api_key import Key
        from almajob.simulator.http.server import Simulator
        from almajob.simulator.institution import demo

        path = Path(state_dir, "demo", "world.jsonl")
        try:
            make_private(path.parent)
            refuse_link(path.parent)
            simulator = Simulator(demo(path))
        except (OSError, ValueError) as error:
            raise Refused(
                f"The demo's world {path} cannot be used.",
                reason=f"{getattr(error, 'strerror', None) or error}.",
                hint="Remove it, or set ALMAJOB_STATE_DIR to a directory that you can write to.",
            ) from None
        self._closing.enter_context(simulator)
        return simulator.base_url, Key(simulator.key)
