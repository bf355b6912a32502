"""What each log of what is true owes its hub, and what the transactions owe the log."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest
from support.in_one_test import in_one_test
from support.truth_logs import BEGIN, Made, SharedLog, SharedOrder

import omnyshell
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.model.admin import CredentialKind, InviteKind, LockInfo, LockKind
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth import tables
from omnyshell.services.hub.truth.change import Change, ChangeRefusedException
from omnyshell.services.hub.truth.changes import (
    AddCredential,
    AddInvite,
    AddPrincipal,
    AnyChange,
    ClaimNode,
    EndCredential,
    PutLock,
    ReleaseNode,
    RemoveCredential,
    RemoveLock,
    RemovePrincipal,
    SetPrincipal,
    Transaction,
    UnknownChangeException,
    UseInvite,
    together,
)
from omnyshell.services.hub.truth.log import SqliteLog, TruthLog
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal, Fleet, Invite
from omnyshell.services.hub.truth.tables import SCHEMA

TABLES = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", SCHEMA)
Rows = dict[str, list[Any]]
ANN = EnrolledPrincipal(principal="ann", roles=frozenset({"dev"}), created_at=BEGIN)


def rows(file: StateFile, *, but: tuple[str, ...] = ()) -> Rows:
    return {table: file.run(f"SELECT * FROM {table}") for table in TABLES if table not in but}


class World:
    """A log, its tables, and what lets it answer."""

    def __init__(self, log: TruthLog, file: StateFile, settle: Callable[[], None]) -> None:
        self.log, self.file, self.settle = log, file, settle

    def append(self, transaction: Transaction) -> int:
        answer = self.log.append(transaction)
        self.settle()
        return answer.now()

    def tables(self) -> Rows:
        # A refused transaction of a shared log takes its number.
        return rows(self.file, but=("applied",))


def alone() -> World:
    file = StateFile(None)
    return World(SqliteLog(file), file, lambda: None)


def shared() -> World:
    file = StateFile(None)
    log = SharedLog(SharedOrder(), file)
    return World(log, file, log.deliver)


@pytest.fixture(params=[alone, shared])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made: World = request.param()
    yield made
    made.file.close()


# The contract of a log.


def test_an_answer_has_the_number_and_comes_when_all_is_applied_and_told(world: World) -> None:
    heard: list[str] = []
    answered: list[int] = []
    for name in ("first", "second"):
        world.log.follow(lambda _, name=name: lambda: heard.append(f"{name} at {world.log.applied_seq}"))  # type: ignore[misc]
    for seq in (1, 2):
        world.log.append(together(ClaimNode(f"n{seq}", "ann"))).then(answered.append, pytest.fail)
        world.settle()
        assert (answered[-1], world.log.applied_seq) == (seq, seq)
    assert heard == ["first at 1", "second at 1", "first at 2", "second at 2"]
    assert world.tables()["node_owners"] == [("n1", "ann"), ("n2", "ann")]


def test_what_does_not_fit_changes_nothing_and_nobody_hears_of_it(world: World) -> None:
    world.append(together(ClaimNode("n1", "ann")))
    before, heard = world.tables(), []
    world.log.follow(lambda transaction: lambda: heard.append(transaction))
    with pytest.raises(ChangeRefusedException) as refused:
        world.append(together(AddPrincipal(ANN), ReleaseNode("n2", None), ClaimNode("n1", "eve")))
    assert refused.value.code == "id_taken"
    assert (world.tables(), [one.changes for one in heard if one.changes]) == (before, [])
    world.append(together(ClaimNode("n2", "eve")))
    assert heard[-1] == together(ClaimNode("n2", "eve"))


def test_where_a_follower_cannot_read_nothing_has_changed(world: World) -> None:
    before, is_failing = world.tables(), True

    def reads(_: Transaction) -> Callable[[], None]:
        assert world.file.run("SELECT 1 FROM node_owners")
        if is_failing:
            raise ConfigException("cannot use the hub's state file: disk full")
        return lambda: None

    told: list[Transaction] = []
    world.log.follow(lambda transaction: lambda: told.append(transaction))
    world.log.follow(reads)
    with pytest.raises(ConfigException, match="disk full"):
        world.append(together(ClaimNode("n1", "ann")))
    assert (world.tables(), told, world.log.applied_seq) == (before, [], 0)


async def test_who_waits_for_an_answer_gets_it(world: World) -> None:
    answer = world.log.append(together(ClaimNode("n1", "ann")))
    world.settle()
    assert await answer == 1


@pytest.mark.parametrize("fleet", [None, Fleet(3, 1)])
def test_of_two_that_use_an_invite_as_it_was_one_does(world: World, fleet: Fleet | None) -> None:
    invite = Invite(
        id="i", token_hash=b"h", kind=InviteKind.NODE, created_at=BEGIN, expires_at=BEGIN, fleet=fleet
    )  # fmt: skip
    world.append(together(AddInvite(invite)))
    use = UseInvite("i", BEGIN, fleet.used if fleet is not None else None)
    first, second = (world.log.append(together(use, ClaimNode(node_id, "ann"))) for node_id in ("n1", "n2"))
    world.settle()
    assert first.now()
    with pytest.raises(ChangeRefusedException, match="used meanwhile"):
        second.now()
    assert world.tables()["node_owners"] == [("n1", "ann")]


def test_nothing_is_given_back_by_who_has_not_heard_of_a_revocation(world: World) -> None:
    token = EnrolledCredential(id="t", principal="ann", kind="token", secret=b"s", created_at=BEGIN)  # type: ignore[arg-type]
    world.append(together(AddPrincipal(ANN), AddCredential(token)))
    world.append(together(RemovePrincipal("ann")))
    late = (SetPrincipal(ANN, ANN), AddCredential(token), EndCredential("t", "ann", None, BEGIN))
    for change in late:
        with pytest.raises(ChangeRefusedException):
            world.append(together(change))
    assert (world.tables()["principals"], world.tables()["credentials"]) == ([], [])


def _token(id_: str, principal: str, secret: bytes = b"s", *, label: str = "") -> EnrolledCredential:
    kind = CredentialKind.TOKEN
    return EnrolledCredential(
        id=id_, principal=principal, kind=kind, secret=secret, label=label, created_at=BEGIN, expires_at=LATER
    )  # fmt: skip


def _lock(id_: str) -> LockInfo:
    return LockInfo(id=id_, kind=LockKind.NODE, name="n1", created_at=BEGIN)


SOONER, LATER = BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=2)
EVE = replace(ANN, principal="eve")
STALE = {
    "an id that was given to another": (ClaimNode("n1", "eve"), ReleaseNode("n1", "ann")),
    "an id that nobody had": (ClaimNode("n1", "ann"), ReleaseNode("n1", None)),
    "a lock that a newer one replaced": (
        PutLock(_lock("old")),
        PutLock(_lock("new")),
        RemoveLock(LockKind.NODE, "n1", "old"),
    ),
    "an end that was brought forward": (
        AddCredential(_token("t", "ann")),
        EndCredential("t", "ann", LATER, SOONER),
        EndCredential("t", "ann", LATER, LATER),
    ),
    "an end of a credential that is gone": (
        AddCredential(_token("t", "ann")),
        RemoveCredential("t", "ann"),
        EndCredential("t", "ann", LATER, LATER),
    ),
    "a credential whose id another principal's has": (
        AddCredential(_token("t", "ann")),
        AddCredential(_token("t", "eve")),
    ),
    "a credential whose id another of the principal has": (
        AddCredential(_token("t", "ann")),
        AddCredential(_token("t", "ann", b"other")),
    ),
}


@pytest.mark.parametrize("changes", STALE.values(), ids=STALE)
def test_who_planned_with_what_is_no_longer_so_changes_nothing(world: World, changes: tuple[AnyChange, ...]) -> None:
    """Each change that removes or replaces says what it takes for true: another's row is never the one that is hit."""
    *before, stale = changes
    world.append(together(AddPrincipal(ANN), AddPrincipal(EVE), *before))
    known = world.tables()
    with pytest.raises(ChangeRefusedException):
        world.append(together(stale))
    assert world.tables() == known


def test_a_credential_replaces_the_principals_own_with_its_secret_alone(world: World) -> None:
    world.append(together(AddPrincipal(ANN), AddPrincipal(EVE)))
    for made in (
        _token("1", "ann"),
        _token("2", "eve"),
        _token("3", "ann", label="new"),
        _token("3", "ann", label="x"),
    ):
        world.append(together(AddCredential(made)))
    assert [(row[0], row[1], row[4]) for row in world.tables()["credentials"]] == [("2", "eve", ""), ("3", "ann", "x")]


@pytest.mark.parametrize("damage", ["x'00ff'", "x''"])
def test_what_cannot_be_read_can_be_removed_all_the_same(world: World, damage: str) -> None:
    world.append(together(ClaimNode("n1", "ann"), PutLock(_lock("old"))))
    world.file.run(f"UPDATE node_owners SET principal = {damage}")
    world.file.run(f"UPDATE locks SET id = {damage}")
    world.append(together(ReleaseNode("n1", ""), RemoveLock(LockKind.NODE, "n1", "node-n1")))
    assert (world.tables()["node_owners"], world.tables()["locks"]) == ([], [])


# Transactions, whatever they are.


def test_each_change_that_is_declared_may_be_in_a_transaction() -> None:
    assert set(get_args(AnyChange)) == set(Change.__subclasses__())


@in_one_test("seed", range(20))
def test_a_transaction_is_the_same_after_a_journey(seed: int) -> None:
    made = Made(seed)
    for change in get_args(AnyChange):
        transaction = together(made.value(change))
        raw = transaction.encode()
        assert Transaction.decode(raw) == transaction
        assert Transaction.decode(raw).encode() == raw


@in_one_test(
    "raw",
    [
        b"",
        b"{}",
        b'{"changes":[{"type":"Other"',
        b'{"changes":[7]}',
        b'{"changes":[],"more":1}',
        b'{"changes":[{"type":"Other"}]}',
        b'{"changes":[{"type":"Other","x":' + 5000 * b"[" + 5000 * b"]" + b"}]}",
        b'{"changes":[{"type":"AddMember","hub":"b","key":"AAAA","added_at":"2026-01-02T00:00:00Z"}]}',
        b'{"changes":[{"type":"ForgetInvites","before":"2026-01-02T00:00:00"}]}',
        b'{"changes":[{"type":"ForgetInvites","before":"0001-01-01T00:00:00+14:00"}]}',
        b'{"changes":[{"type":"UseInvite","id":"i","at":"2026-01-02T00:00:00Z","used":%d}]}' % 2**63,
    ],
)
def test_what_is_no_transaction_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        Transaction.decode(raw)
    assert not isinstance(caught.value, UnknownChangeException)


@in_one_test(
    "raw",
    [
        b'{"changes":[{"type":"Other"}],"level":2}',
        b'{"changes":[{"type":"RemoveMember","hub":"b","newer":1}],"level":2}',
        b'{"changes":[{"type":"RemoveMember","hub":"b"}],"newer":1,"level":3}',
    ],
)
def test_what_a_newer_version_has_made_is_told_apart(raw: bytes) -> None:
    with pytest.raises(UnknownChangeException):
        Transaction.decode(raw)


def test_changes_together_are_of_the_highest_level_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs that know less would read nothing, where others do, of what says less."""
    monkeypatch.setattr(ReleaseNode, "known_since", property(lambda _change: 2))
    claim, release = ClaimNode("n1", "ann"), ReleaseNode("n1", "ann")
    assert (together(claim).level, together(claim, release).level) == (1, 2)
    assert Transaction.decode(together(claim, release).encode()).level == 2
    with pytest.raises(ValueError, match="higher level"):
        Transaction.decode(Transaction((claim, release)).encode())


def _history(world: World, seed: int) -> tuple[list[Transaction], int]:
    """Append what comes; returns what was applied, as a follower heard it, and how many were refused."""
    heard: list[Transaction] = []
    world.log.follow(lambda transaction: lambda: heard.append(Transaction.decode(transaction.encode())))
    made, refused = Made(seed), 0
    for _ in range(400):
        before = world.tables()
        try:
            world.append(made.transaction())
        except ChangeRefusedException:
            refused += 1
            assert world.tables() == before
    return heard, refused


@pytest.mark.parametrize("seed", range(3))
def test_the_log_replayed_gives_the_same_tables_however_often_each_is_applied(world: World, seed: int) -> None:
    heard, refused = _history(world, seed)
    assert min(refused, 400 - refused) > 50
    replayed = StateFile(None)
    log = SqliteLog(replayed)
    for seq, transaction in enumerate(heard, 1):
        log.apply(seq, transaction)
        log.apply(seq, transaction)
        log.apply(1, transaction)
    assert rows(replayed) == rows(world.file)
    assert len([table for table, found in rows(replayed).items() if found]) > 4
    with pytest.raises(ValueError, match="comes after"):
        log.apply(log.applied_seq + 2, together())


@pytest.mark.parametrize("seed", range(3))
def test_hubs_that_share_a_log_hold_the_same_true_whoever_is_behind(seed: int) -> None:
    made, order = Made(seed), SharedOrder()
    files = [StateFile(None) for _ in range(3)]
    hubs = [SharedLog(order, file) for file in files]
    answers = []
    for number in range(300):
        answers.append(hubs[number % 3].append(made.transaction()))
        hubs[made.value(int)].deliver(made.value(int))
    for hub in hubs:
        hub.deliver()
    assert all(answer.is_there for answer in answers)
    assert rows(files[0]) == rows(files[1]) == rows(files[2])
    assert hubs[0].applied_seq == 300


def test_a_log_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    for seq in (1, 2, 3):
        file = StateFile(tmp_path / "hub.sqlite3")
        log = SqliteLog(file)
        assert log.append(together(ClaimNode(f"n{seq}", "ann"))).now() == seq
        file.close()
        with pytest.raises(OmnyShellException):
            log.append(together(ClaimNode("n9", "ann"))).now()
        assert log.applied_seq == seq


# Nobody else writes the tables.

_VERBS = (
    r"INSERT\s+(?:OR\s+\w+\s+)?INTO",
    r"REPLACE\s+INTO",
    r"DELETE\s+FROM",
    r"UPDATE(?:\s+OR\s+\w+)?(?!\s+SET\b)",
    r"(?:ALTER|DROP|CREATE)\s+TABLE(?:\s+IF\s+(?:NOT\s+)?EXISTS)?",
)
_WRITES = re.compile(rf"\b(?:{'|'.join(_VERBS)})\s+[\"'`\[]?(\w+|\?)", re.IGNORECASE)
_RUNS = re.compile(r"sqlite3|\.run\(|execute|LateTable")


def written(source: str) -> set[str]:
    """Return the tables that statements in a source write; `?` stands for a name that is put in."""
    found: set[str] = set()
    inside: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            inside.update(map(id, node.values))
            parts = (str(one.value) if isinstance(one, ast.Constant) else "?" for one in node.values)
            found.update(_WRITES.findall("".join(parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            found.update(_WRITES.findall(node.value))
    return found


@in_one_test(
    "statement",
    ["'DELETE FROM locks'", "'insert or replace into locks'", "f'UPDATE {table} SET a = 1'", "'drop table \"locks\"'"],
)
def test_a_statement_that_writes_is_seen(statement: str) -> None:
    assert written(f"run({statement})") <= {"locks", "?"} != set()


def test_what_is_emptied_is_all_that_is_true() -> None:
    assert {statement.removeprefix("DELETE FROM ") for statement in tables._EMPTYING} == set(TABLES)


def test_only_the_log_writes_what_is_true() -> None:
    package = Path(omnyshell.__file__).parent
    sources = {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}
    writers = {path: written(source) for path, source in sources.items() if _RUNS.search(source)}
    truth = "services/hub/truth/"
    assert set(chain.from_iterable(tables for path, tables in writers.items() if path.startswith(truth))) == set(TABLES)
    others = {path: tables & {*TABLES, "?"} for path, tables in writers.items() if not path.startswith(truth)}
    assert {path: tables for path, tables in others.items() if tables} == {}
