"""Which addresses a hub knows, and what it says of those that it turned away."""

import sqlite3
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.clock import FakeClock

from omnyshell.errors import ConfigException
from omnyshell.services.hub import addresses
from omnyshell.services.hub.addresses import HubAddresses, KnownAddresses
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.metrics import HubMetrics
from omnyshell.services.hub.store import HubStore


class MovedClock(FakeClock):
    """A clock whose days a test moves."""

    days = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(days=self.days)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


class CountingStore(HubStore):
    """Counts writes, and can be made to fail."""

    writes = 0
    is_full = False

    def note_addresses(self, *changes: object) -> None:
        if self.is_full:
            raise ConfigException("disk full")
        self.writes += 1
        super().note_addresses(*changes)  # type: ignore[arg-type]


def keeper(store: HubStore | None, clock: FakeClock) -> HubAddresses:
    return HubAddresses(store, clock, AuditLog(clock), HubMetrics())


def test_an_address_is_known_for_a_time_after_a_good_login(clock: MovedClock) -> None:
    known = KnownAddresses(clock)
    known.logged_in("2001:db8:1:2::9", "ann")
    known.logged_in("::ffff:192.0.2.1", "ann")
    assert ["2001:db8:1:2::/64" in known, "192.0.2.1" in known, "192.0.2.2" in known] == [True, True, False]
    clock.days = 29
    known.logged_in("192.0.2.1", "bob")
    clock.days = 31
    assert ["2001:db8:1:2::/64" in known, "192.0.2.1" in known] == [False, True]


def test_they_are_kept_over_restarts_and_written_rarely(clock: MovedClock, tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    store = CountingStore(path)
    hub = keeper(store, clock)
    for second in range(60):
        for number in range(100):
            hub.known.logged_in(f"10.0.0.{number}", "box")
        hub.known.logged_in(f"10.1.0.{second // 30}", "box")
        hub.tick(float(second))
    assert store.writes == 2
    store.close()
    again = HubStore(path)
    assert len(keeper(again, clock).known) == 102
    assert "10.0.0.99" in keeper(again, clock).known
    clock.days = 31
    assert len(keeper(again, clock).known) == 0


def test_what_was_forgotten_is_gone_from_disk(clock: MovedClock, tmp_path: Path) -> None:
    store = HubStore(tmp_path / "hub.sqlite3")
    keeper_before = keeper(store, clock)
    keeper_before.known.logged_in("192.0.2.1", "ann")
    assert keeper_before.write()
    clock.days = 31
    after = keeper(store, clock)
    after.known.logged_in("192.0.2.2", "ann")
    assert after.write()
    assert [each.network for each in store.known_addresses()] == ["192.0.2.2"]


def test_a_login_from_thousands_of_networks_drives_nobody_elses_out(
    clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "MAX_KNOWN", 100)
    known = KnownAddresses(clock)
    offices = [f"192.0.2.{number}" for number in range(40)]
    for number, office in enumerate(offices):
        known.logged_in(office, f"user{number}")
    for number in range(5000):
        known.logged_in(f"2001:db8:0:{number:x}::1", "mallory")
    assert len(known) == 100
    assert all(office in known for office in offices)
    assert known._by_principal.total() == 100


def test_a_full_disk_keeps_nobody_out_and_is_tried_again(
    clock: MovedClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = CountingStore(tmp_path / "hub.sqlite3")
    hub, store.is_full = keeper(store, clock), True
    hub.known.logged_in("192.0.2.1", "ann")
    for second in range(30):
        hub.tick(float(second))
    assert "192.0.2.1" in hub.known
    assert len(caplog.records) == 1
    store.is_full = False
    hub.tick(addresses.RETRY_PERIOD)
    assert [each.network for each in store.known_addresses()] == ["192.0.2.1"]


@pytest.mark.parametrize("jump", [-400, 400])
def test_a_clock_that_jumps_leaves_the_books_right(clock: MovedClock, jump: int) -> None:
    known = KnownAddresses(clock)
    known.logged_in("192.0.2.1", "ann")
    clock.days = jump
    known.logged_in("192.0.2.1", "ann")
    assert "192.0.2.1" in known
    assert (len(known), known._by_principal.total()) == (1, 1)


def test_a_database_of_before_gets_the_table(clock: MovedClock, tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    with sqlite3.connect(path) as before:
        before.execute("CREATE TABLE node_owners (node_id TEXT PRIMARY KEY, principal TEXT NOT NULL) WITHOUT ROWID")
        before.execute("INSERT INTO node_owners VALUES ('n1', 'box')")
    before.close()
    store = HubStore(path)
    hub = keeper(store, clock)
    hub.known.logged_in("192.0.2.1", "ann")
    assert hub.write()
    assert (dict(store.owners()), "192.0.2.1" in keeper(store, clock).known) == ({"n1": "box"}, True)


def test_who_was_turned_away_is_counted_and_audited_in_sum(clock: FakeClock) -> None:
    audit, metrics = AuditLog(clock), HubMetrics()
    hub = HubAddresses(None, clock, audit, metrics)
    hub.refused(Counter({"": 7} | {f"10.0.0.{number}": 100 - number for number in range(50)}))
    hub.refused(Counter({"10.0.0.49": 1000}))
    for second in range(20):
        hub.tick(float(second))
    records = [(each.address, each.detail) for each in audit]
    assert len(records) == addresses.SHOWN + 1
    assert records[0] == ("10.0.0.49", "1051 connections from 10.0.0.49")
    assert records[-1] == ("", f"{sum(range(52, 92)) + 7} connections from other addresses")
    assert metrics.connections_refused == sum(range(51, 101)) + 1007
