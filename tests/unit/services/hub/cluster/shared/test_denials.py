"""What is denied beside the tables: whose word counts, how long it holds, and that it is done once."""

from datetime import UTC, datetime

import pytest
from support.in_one_test import in_one_test

from omnyshell.clock import SystemClock
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.access.lock_store import LockStore
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.cluster.members.signing import denial_message
from omnyshell.services.hub.cluster.shared import denials as denials_of_hubs
from omnyshell.services.hub.cluster.shared.denials import Denial, Denials, apply_held, what_it_denies
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.changes import (
    AddPrincipal,
    ClaimNode,
    Once,
    PutLock,
    RemoveLock,
    RemovePrincipal,
    Transaction,
    together,
)
from omnyshell.services.hub.truth.log import SqliteLog
from omnyshell.services.hub.truth.records import EnrolledPrincipal

BEGIN = datetime(2026, 1, 2, tzinfo=UTC)
KEYS = {hub: Ed25519PrivateKey.generate() for hub in "ab"}
REVOKED = together(RemovePrincipal("ann"))


def put(id_: str, name: str = "ann") -> PutLock:
    return PutLock(LockInfo(id=id_, kind=LockKind.PRINCIPAL, name=name, created_at=BEGIN, created_by="admin"))


class OneHub:
    """A hub's tables, locks and denials; what the log has is applied by hand."""

    def __init__(self, hub: str, file: StateFile | None = None, generation: str = "g") -> None:
        self.file = file or StateFile(None)
        self.log = SqliteLog(self.file, generation)
        self.locks = Locks(SystemClock())
        self.log.follow(self.locks.follow)
        self.denials = Denials(self.file, generation, hub, KEYS[hub])
        self.told: list[Denial] = []
        self.denials.on_taken = self.told.append
        self.denials.begin(lambda locks: self.locks.follow(locks)(), self._lift)

    def _lift(self, locks: Transaction) -> None:
        self.locks.follow(locks)()
        self.locks.begin(LockStore(self.file).locks())

    def deny(self, *changes) -> Denial:
        self.denials.take(self.denials.numbered(together(*changes)))
        return self.told[-1]

    def hears(self, denial: Denial) -> bool:
        return self.denials.hear(denial, KEYS[denial.hub].public_key)

    def has(self, transaction: Transaction) -> None:
        """The log has a transaction."""
        self.log.append(transaction).now()
        self.denials.applied(transaction)

    def locked(self) -> list[str]:
        return [lock.id for lock in self.locks]


def test_what_another_hub_denies_holds_once_until_the_log_has_it() -> None:
    a, b = OneHub("a"), OneHub("b")
    denial = a.deny(RemovePrincipal("ann"))
    assert (what_it_denies(denial), a.locked()) == ("principal ann", ["revoked-ann"])
    assert (b.hears(denial), b.hears(denial), b.locked()) == (True, False, ["revoked-ann"])
    assert OneHub("b", b.file).locked() == ["revoked-ann"]
    for hub in (a, b):
        hub.has(denial.transaction)
        assert (hub.locked(), hub.denials.held()) == ([], [])
        # Neither is it done again, nor does it hold again, whoever says it.
        with pytest.raises(OmnyShellException, match="done already"):
            hub.has(denial.transaction)
        assert not hub.hears(denial)
    assert a.deny(RemovePrincipal("ann")).body != denial.body


def _signed(body: bytes, hub: str = "a", by: str = "a", generation: str = "g") -> Denial:
    return Denial(hub, body, KEYS[by].sign(denial_message(generation, hub, body)))


_ONCE = Once("1")


@in_one_test(
    ("denial", "why"),
    [
        (_signed(together(_ONCE, put("l")).encode(), by="b"), "not signed"),
        (_signed(together(_ONCE, put("l")).encode(), generation="other"), "not signed"),
        (_signed(together(_ONCE, put("l"), ClaimNode("n", "eve")).encode()), "more than"),
        (_signed(together(put("l")).encode()), "more than"),
        (_signed(together(_ONCE, Once("2"), put("l")).encode()), "more than"),
        (_signed(together(_ONCE).encode()), "more than"),
        (_signed(b"{}"), "changes"),
        (_signed(together(_ONCE, put("l", "x" * 20_000)).encode()), "not signed"),
    ],
)
def test_what_is_no_denial_of_that_hub_is_refused(denial: Denial, why: str) -> None:
    hub = OneHub("b")
    with pytest.raises(ValueError, match=why):
        hub.hears(denial)
    assert (hub.locked(), hub.denials.held()) == ([], [])


def test_one_that_is_lifted_leaves_what_else_holds() -> None:
    hub = OneHub("a")
    hub.has(together(put("of-log")))
    first, second = hub.deny(put("first")), hub.deny(RemovePrincipal("ann"))
    # The log's changes of that lock do not lift what holds beside it.
    hub.has(together(RemoveLock(LockKind.PRINCIPAL, "ann", "of-log")))
    assert hub.locked() == ["revoked-ann"]
    hub.has(second.transaction)
    assert hub.locked() == ["first"]
    hub.has(first.transaction)
    assert hub.locked() == ["first"]
    hub.has(together(RemoveLock(LockKind.PRINCIPAL, "ann", "first")))
    assert hub.locked() == []


def test_a_hub_holds_so_many_of_another_and_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials_of_hubs, "MOST_OF_A_HUB", 2)
    a, b = OneHub("a"), OneHub("b")
    for number in range(2):
        b.hears(a.deny(put(f"l{number}", f"p{number}")))
    with pytest.raises(OmnyShellException, match="too many"):
        a.deny(put("l3", "p3"))
    with pytest.raises(ValueError, match="too much"):
        b.hears(_signed(together(Once("3"), put("l3", "p3")).encode()))
    assert b.deny(put("l4", "p4"))


def test_what_waits_is_the_hub_s_own_in_another_generation_and_in_the_tables_where_they_count() -> None:
    a, b = OneHub("a"), OneHub("b")
    b.has(together(AddPrincipal(EnrolledPrincipal(principal="ann", created_at=BEGIN))))
    b.hears(a.deny(RemovePrincipal("ann"), put("l", "bob")))
    later = OneHub("b", b.file, "later")
    (held,) = later.denials.held()
    assert (held.hub, sorted(later.locked())) == ("b", ["l", "revoked-ann"])
    assert held.signature != _signed(held.body).signature
    apply_held(b.file)
    assert b.file.run("SELECT principal FROM principals") == []
    assert [lock.id for lock in LockStore(b.file).locks()] == ["l"]
    assert OneHub("b", b.file, "later").denials.held() == []


def test_what_cannot_be_forgotten_on_disk_is_lifted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = OneHub("a")
    denial = hub.deny(RemovePrincipal("ann"))
    hub.log.append(denial.transaction).now()
    run = hub.file.run

    def full(statement: str, *values: object) -> list:
        if statement.startswith("DELETE FROM held"):
            raise ConfigException("the disk is full")
        return run(statement, *values)

    monkeypatch.setattr(hub.file, "run", full)
    with pytest.raises(ConfigException, match="full"):
        hub.denials.applied(denial.transaction)
    assert (hub.locked(), hub.denials.held(), hub.hears(denial)) == ([], [], False)
