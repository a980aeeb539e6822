"""The calls of an institution, counted in a database by all machines; and by each where it is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from almajob.alma.rate_limit.daily_quota import HOUR
from almajob.alma.rate_limit.limiter import Limiter
from almajob.alma.rate_limit.rate_state import RateState
from almajob.alma.rate_limit.rates import Rates
from almajob.alma.rate_limit.shared_state import SharedState
from almajob.errors import CallsUsedUp, QuotaUsedUp
from almajob.runs.ledger_place import share_calls
from almajob.store.ledger.ledger import Ledger
from almajob.store.postgresql import call_account
from almajob.store.postgresql.call_account import SharedCalls
from almajob.store.postgresql.postgres_place import PostgresPlace
from almajob.system import clock
from tests.support.places import Home
from tests.support.postgres import Database
from tests.support.processes import PROCESSES, exit_codes
from tests.support.tcp_relay import TcpRelay

HOST = "api-na.hosted.exlibrisgroup.com"
NAME = "it's an \\ institution"
RATES = Rates(rate=50.0, burst=5, floor=0)


class Site:
    """One machine that counts its calls with others.

    Attributes:
        calls: where it counts them.
        limiter: that keeps to what is counted.
    """

    def __init__(self, home: Home, name: str) -> None:
        place = home.on_another_host(name).open()
        assert isinstance(place, PostgresPlace)
        self.place = place
        self.local = SharedState(None)
        found = share_calls(place, NAME, self.local)
        assert isinstance(found, SharedCalls)
        self.calls = found
        self.limiter = Limiter(found, RATES, clock.system)

    @property
    def known(self) -> RateState:
        return self.limiter.read_state()[0]


@pytest.fixture
def sites(postgresql_home: Home) -> Iterator[tuple[Site, Site]]:
    """Two machines."""
    both = Site(postgresql_home, "host1"), Site(postgresql_home, "host2")
    yield both
    for site in both:
        site.place.close()


def _used_up() -> QuotaUsedUp:
    return QuotaUsedUp("Used up.", code="DAILY_THRESHOLD", text="", tracking_id="", http_status=429)


def test_what_one_machine_learns_the_other_knows(sites: tuple[Site, Site]) -> None:
    """The calls that are left; and that none is, so that the other one does not ask."""
    ours, theirs = sites
    assert ours.known == RateState()
    ours.limiter.admit(HOST, 1.0)
    ours.limiter.report(HOST, None, "900", 200)
    assert theirs.known.quota.left == 900
    assert theirs.known.bucket == ours.known.bucket
    theirs.limiter.report(HOST, _used_up(), None, 429)
    with pytest.raises(CallsUsedUp):
        ours.limiter.admit(HOST, 1.0)
    # Nothing was counted on either machine for itself.
    assert ours.local.read().state == theirs.local.read().state == RateState()


def test_times_are_those_of_the_database(sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines' clocks differ; what is kept is right by one."""
    ours, theirs = sites
    ahead = clock.Clock(now=lambda: time.time() + 7 * HOUR, since_boot=lambda: 17.0)
    monkeypatch.setattr(theirs.limiter, "_clock", lambda: ahead)
    ours.limiter.report(HOST, _used_up(), None, 429)
    quota, moment = theirs.limiter.read_state()[0].quota, theirs.limiter.read_state()[1]
    assert quota.used_up_at == ours.known.quota.used_up_at
    assert 0 <= moment.booted - quota.used_up_at < 60.0
    assert moment.booted == moment.now
    with pytest.raises(CallsUsedUp):
        theirs.limiter.admit(HOST, 0.0)


def _call(home: Home, name: str, all_ready: Barrier, times: int) -> None:
    site = Site(home, name)
    all_ready.wait()
    for _ in range(times):
        site.limiter.admit(HOST, 60.0)
        site.limiter.report(HOST, None, "1000", 200)
    site.place.close()


def test_no_call_of_many_machines_is_left_uncounted(postgresql_home: Home) -> None:
    """All keep to one rate: as many calls as there were are due by it."""
    count, times = 6, 10
    all_ready = PROCESSES.Barrier(count)
    site = Site(postgresql_home, "host9")
    site.limiter.admit(HOST, 1.0)
    begun = site.known.bucket.free_at
    each = [(postgresql_home, f"host{number}", all_ready, times) for number in range(count)]
    assert exit_codes(_call, each) == [0] * count
    # Each call takes at least its share of the time.
    assert site.known.bucket.free_at >= begun + count * times / RATES.rate
    site.place.close()


def test_where_the_database_is_away_each_counts_for_itself(
    far_home: Home, relay: TcpRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For half a minute it is not even asked; then it is again."""
    site = Site(far_home, "host1")
    site.limiter.admit(HOST, 1.0)
    relay.is_down = True
    relay.break_connections()
    site.limiter.admit(HOST, 1.0)
    assert site.local.read().state.bucket.free_at > 0
    sent = relay.sent
    site.limiter.report(HOST, None, "77", 200)
    assert site.known.quota.left == 77
    relay.is_down = False
    site.limiter.admit(HOST, 1.0)
    assert relay.sent == sent
    monkeypatch.setattr(site.calls, "_away_until", 0.0)
    site.limiter.admit(HOST, 1.0)
    assert relay.sent > sent
    assert site.known.quota.left is None
    site.place.close()


def test_a_database_that_swallows_everything_holds_up_no_call(
    far_home: Home, relay: TcpRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_STATEMENT", "_GRACE"):
        monkeypatch.setattr(call_account, name, 0.1)
    site = Site(far_home, "host1")
    site.limiter.admit(HOST, 1.0)
    relay.is_silent = True
    site.limiter.report(HOST, None, "77", 200)
    assert site.known.quota.left == 77
    site.limiter.admit(HOST, 0.0)
    relay.is_silent = False
    site.place.close()


@pytest.mark.parametrize("change", ["DROP TABLE almajob.calls CASCADE", "DROP SCHEMA almajob CASCADE"])
def test_a_ledger_that_was_not_made_is_no_reason_to_fail(
    sites: tuple[Site, Site], ledger_database: Database, change: str
) -> None:
    ledger_database.run(change)
    sites[0].limiter.admit(HOST, 1.0)
    sites[0].limiter.report(HOST, None, "77", 200)
    assert sites[0].known.quota.left == 77


@pytest.mark.parametrize("planted", ["", "{", "[]", "null", '{"free_at": 1}', "[" * 100_000])
def test_what_is_no_account_is_nothing_known(
    sites: tuple[Site, Site], ledger_database: Database, planted: str
) -> None:
    sites[0].limiter.admit(HOST, 1.0)
    ledger_database.run("UPDATE almajob.calls SET state = %s", [planted])
    assert sites[0].known == RateState()
    sites[1].limiter.admit(HOST, 1.0)
    assert sites[0].known.bucket.free_at > 0


def test_who_keeps_it_locked_is_not_waited_for(sites: tuple[Site, Site], ledger_database: Database) -> None:
    """A command goes on by itself; and the locks of its start are not lost for that."""
    ours, _ = sites
    ours.limiter.admit(HOST, 1.0)
    with ours.place.locks.lock("sandbox:S1", 1.0):
        with ledger_database.cluster.connect(ledger_database.name) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM almajob.calls FOR UPDATE")
            ours.limiter.report(HOST, None, "77", 200)
            assert ours.local.read().state.quota.left == 77
        with ours.place.change(1.0, is_of_start=True) as rows:
            rows.put({"a": 1})


def test_a_thread_that_uses_the_ledger_holds_up_no_call(sites: tuple[Site, Site]) -> None:
    """It counts here, for this once."""
    ours, _ = sites
    is_used, is_over = threading.Event(), threading.Event()

    def use() -> None:
        with ours.place.read(1.0):
            is_used.set()
            is_over.wait(30.0)

    using = threading.Thread(target=use)
    using.start()
    is_used.wait(30.0)
    ours.limiter.admit(HOST, 1.0)
    assert ours.local.read().state.bucket.free_at > 0
    is_over.set()
    using.join()
    ours.limiter.admit(HOST, 1.0)
    assert ours.known.bucket.free_at > 0


def test_what_fails_in_the_middle_keeps_nothing(sites: tuple[Site, Site]) -> None:
    """And leaves no transaction behind."""
    ours, theirs = sites
    with pytest.raises(ZeroDivisionError), ours.calls.edit(1.0) as known:
        known.state = known.state._replace(quota=known.state.quota._replace(left=7))
        raise ZeroDivisionError
    assert theirs.known == RateState()
    Ledger(ours.place).keep_fact("x", 1)


def test_without_psycopg_each_counts_for_itself(
    tmp_path: Path, postgresql_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    site = Site(postgresql_home, "host1")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    site.limiter.admit(HOST, 1.0)
    assert site.local.read().state.bucket.free_at > 0


def test_two_institutions_are_counted_apart(postgresql_home: Home) -> None:
    site = Site(postgresql_home, "host1")
    other: Any = share_calls(site.place, "another", SharedState(None))
    site.limiter.report(HOST, None, "77", 200)
    assert other.read().state == RateState()
    site.place.close()
