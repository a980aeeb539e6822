"""What outlives a command: open caches, keys, sessions with Alma; the shell's commands share them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from almajob.config.environments import institution_id
from almajob.errors import Refused
from almajob.system.private_files import make_private, refuse_link

if TYPE_CHECKING:
    from almajob.alma.api_key import Key
    from almajob.alma.client import Alma
    from almajob.alma.rate_limit.limiter import Limiter
    from almajob.alma.rate_limit.quota import Quota
    from almajob.alma.rate_limit.shared_state import SharedState
    from almajob.config.environments import Environment
    from almajob.config.settings import Settings
    from almajob.store.cache import Cache
    from almajob.store.plugin_store import PluginStore

LOG = logging.getLogger(__name__)


class Connections:
    """Each is made on first use and closed once, by ``close``.

    Args:
        environ: the environment variables.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._closing = ExitStack()
        self._caches: dict[str, Cache] = {}
        self._stores: dict[tuple[str, str], PluginStore] = {}
        self._keys: dict[Environment, Key] = {}
        self._almas: dict[tuple[Environment, str], Alma] = {}
        self._accounts: dict[Path, SharedState] = {}
        self._demos: dict[str, tuple[str, Key]] = {}
        self._named: set[tuple[Path, str]] = set()

    def close(self) -> None:
        """Close all that was opened."""
        self._closing.close()
        for made in (self._caches, self._stores, self._keys, self._almas, self._demos):
            made.clear()

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

        if directory not in self._caches:
            self._caches[directory] = Cache(Path(directory))
            self._closing.callback(self._caches[directory].close)
        return self._caches[directory]

    def plugin_store(self, state_dir: str, owner: str) -> PluginStore:
        """Return what a distribution's commands keep.

        Args:
            state_dir: where all of them are kept.
            owner: the distribution's name.
        """
        from almajob.store.plugin_store import PluginStore

        wanted = (state_dir, owner)
        if wanted not in self._stores:
            self._stores[wanted] = PluginStore(Path(state_dir, "plugins"), owner)
            self._closing.callback(self._stores[wanted].close)
        return self._stores[wanted]

    def key(self, environment: Environment) -> Key:
        """Fetch an environment's key, once: api_key_command may ask its user something.

        Raises:
            ConfigurationError: it has none, or none that can be had.
        """
        from almajob.config.keys import api_keys

        if environment not in self._keys:
            self._keys[environment] = api_keys.find(environment, self._environ)
        return self._keys[environment]

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
            environment: which.
            read_only: what forbids every POST; empty where nothing does.
            state_dir: where the world of the demo, and what is known of the institution's calls, are kept.

        Raises:
            ConfigurationError: it has no key, or none that can be had.
        """
        from almajob.alma.client import Alma
        from almajob.alma.http.session import Session

        wanted = (environment, read_only)
        if wanted not in self._almas:
            if environment.base_url is None:
                base_url, key = self._demo(state_dir)
            else:
                base_url, key = environment.base_url.text, self.key(environment)
            session = Session(
                base_url,
                key,
                environment.limits,
                read_only=read_only,
                limiter=self.limits(environment, state_dir),
                environment=environment.name,
            )
            made = Alma(session)
            self._almas[wanted] = made
            self._closing.callback(made.close)
        return self._almas[wanted]

    def limits(self, environment: Environment, state_dir: str) -> Limiter | None:
        """Return the limits of the institution that an environment belongs to; the demo has none.

        Args:
            environment: one of its environments.
            state_dir: where all of this user's processes find them.
        """
        from almajob.alma.rate_limit.limiter import Limiter
        from almajob.alma.rate_limit.shared_state import SharedState
        from almajob.system import clock

        if environment.base_url is None:
            return None
        path = Path(state_dir, "limits", institution_id(environment))
        account = self._accounts.setdefault(path, SharedState(path))
        return Limiter(account, environment.rates, clock.system)

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

    def _demo(self, state_dir: str) -> tuple[str, Key]:
        if state_dir not in self._demos:
            self._demos[state_dir] = self._start_demo(Path(state_dir, "demo", "world.jsonl"))
        return self._demos[state_dir]

    def _start_demo(self, path: Path) -> tuple[str, Key]:
        from almajob.alma.api_key import Key
        from almajob.simulator.http.server import Simulator
        from almajob.simulator.institution import demo

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
