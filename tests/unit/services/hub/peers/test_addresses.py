"""Which addresses a hub knows, and what it says of those that it turned away."""

import logging
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.clock import FakeClock

from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.peers import addresses
from omnyshell.services.hub.peers.addresses import HubAddresses, KnownAddresses
from omnyshell.services.hub.records import HubRecords


class MovedClock(FakeClock):
    """A clock whose days a test moves."""

    days = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(days=self.days)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


def test_an_address_is_known_for_a_time_after_a_good_login(clock: MovedClock) -> None:
    known = KnownAddresses(clock)
    known.logged_in("2001:db8:1:2::9", "ann")
    known.logged_in("::ffff:192.0.2.1", "ann")
    assert ["2001:db8:1:2::/64" in known, "192.0.2.1" in known, "192.0.2.2" in known] == [True, True, False]
    clock.days = 29
    known.logged_in("192.0.2.1", "bob")
    clock.days = 31
    assert ["2001:db8:1:2::/64" in known, "192.0.2.1" in known] == [False, True]


async def test_they_are_kept_over_restarts(clock: MovedClock, tmp_path: Path) -> None:
    records = HubRecords(tmp_path)
    known = records.known_addresses(clock)
    for number in range(100):
        known.logged_in(f"10.0.0.{number}", "box")
    await records.aclose()
    records = HubRecords(tmp_path)
    again = records.known_addresses(clock)
    assert (len(again), "10.0.0.99" in again) == (100, True)
    clock.days = 31
    assert len(records.known_addresses(clock)) == 0
    await records.aclose()


async def test_what_was_forgotten_is_gone_from_disk(clock: MovedClock, tmp_path: Path) -> None:
    for day, address in ((0, "192.0.2.1"), (31, "192.0.2.2")):
        clock.days = day
        records = HubRecords(tmp_path)
        records.known_addresses(clock).logged_in(address, "ann")
        await records.aclose()
    with closing(sqlite3.connect(tmp_path / STATE_FILE)) as database:
        assert list(database.execute("SELECT network FROM known_addresses")) == [("192.0.2.2",)]


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


@pytest.mark.parametrize("jump", [-400, 400])
def test_a_clock_that_jumps_leaves_the_books_right(clock: MovedClock, jump: int) -> None:
    known = KnownAddresses(clock)
    known.logged_in("192.0.2.1", "ann")
    clock.days = jump
    known.logged_in("192.0.2.1", "ann")
    assert "192.0.2.1" in known
    assert (len(known), known._by_principal.total()) == (1, 1)


async def test_a_database_of_before_gets_the_table(clock: MovedClock, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / STATE_FILE) as before:
        before.execute("CREATE TABLE node_owners (node_id TEXT PRIMARY KEY, principal TEXT NOT NULL) WITHOUT ROWID")
        before.execute("INSERT INTO node_owners VALUES ('n1', 'box')")
    before.close()
    records = HubRecords(tmp_path)
    records.known_addresses(clock).logged_in("192.0.2.1", "ann")
    await records.aclose()
    records = HubRecords(tmp_path)
    assert (dict(records.owners.owners()), "192.0.2.1" in records.known_addresses(clock)) == ({"n1": "box"}, True)
    await records.aclose()


def test_who_was_turned_away_is_counted_and_audited_in_sum(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "omnyshell.hub")
    audit, metrics = AuditLog(clock), HubMetrics()
    hub = HubAddresses(KnownAddresses(clock), audit, metrics)
    hub.refused(Counter({"198.51.100.1": 3}), 0.0)
    assert [(each.address, each.detail) for each in audit] == [("198.51.100.1", "3 connections from 198.51.100.1")]
    told = next(record for record in caplog.records if record.message == "connections refused before login")
    assert (told.__dict__["address"], told.__dict__["detail"]) == ("198.51.100.1", "3 times")
    hub.refused(Counter({"": 7} | {f"10.0.0.{number}": 100 - number for number in range(50)}), 0.0)
    hub.refused(Counter({"10.0.0.49": 1000}), 1.0)
    for second in range(20):
        hub.summarize(float(second))
    records = [(each.address, each.detail) for each in audit][1:]
    assert len(records) == addresses.SHOWN + 1
    assert records[0] == ("10.0.0.49", "1051 connections from 10.0.0.49")
    assert records[-1] == ("", f"{sum(range(52, 92)) + 7} connections from other addresses")
    assert metrics.connections_refused == sum(range(51, 101)) + 1007 + 3
