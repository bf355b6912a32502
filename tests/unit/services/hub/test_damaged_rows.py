"""A row of the hub's state file that is damaged harms nothing but what it says, and grants nothing that it did not."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.clock import FakeClock
from support.enrolments import put
from support.stack import Certificates, hub_config

from omnyshell import OmnyShellHub
from omnyshell.errors import AuthException, ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.admin import CredentialKind, InviteKind, LockInfo, LockKind
from omnyshell.model.principals import Principal
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.security.authenticators import Evidence, hash_token
from omnyshell.security.authorizer import Action, NodeResource, RoleBasedAuthorizer
from omnyshell.security.credentials import TOKEN_METHOD, LoginContext, TokenCredential
from omnyshell.services.hub import records as records_module
from omnyshell.services.hub.access.lock_store import offline_locks
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.ground.store import DoubtedPlace, ProvenNode, doubted_places
from omnyshell.services.hub.nodes.takeovers import Claimant
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.sessions.kept import KeptSession
from omnyshell.services.hub.truth.changes import (
    AddCredential,
    AddInvite,
    AddPrincipal,
    ClaimNode,
    PutLock,
    RemovePrincipal,
    SetLabels,
)
from omnyshell.services.hub.truth.member_changes import AddMember
from omnyshell.services.hub.truth.records import MOST_USES, EnrolledCredential, EnrolledPrincipal, Fleet, Invite
from omnyshell.services.hub.tunnels.kept_store import KeptTunnel

CLOCK = FakeClock()
LATER = CLOCK.now() + timedelta(hours=1)
NAMES = ("bad", "good")
NOT_UTF_8 = "CAST(x'ff41' AS TEXT)"
WRONG_JSON = ("'[1]'", "'{\"a\": 1}'", f"'{'[' * 100_000}'")
DAMAGE = (NOT_UTF_8, "x'00ff'", "'nonsense'", "''", "-1", "9e999", "1 << 62", *WRONG_JSON)
KEYS = {
    "principals": "principal",
    "credentials": "id",
    "invites": "id",
    "invite_terms": "id",
    "fleet_invites": "id",
    "node_labels": "node_id",
    "timed_roles": "principal",
    "locks": "name",
    "offline_notes": "id",
    "node_owners": "node_id",
    "members": "hub",
    "member_levels": "hub",
    "applied": "log",
    "once": "id",
    "guests": "node_id",
    "bound_keys": "key",
    "key_counters": "key",
    "known_addresses": "network",
    "first_holders": "node_id",
    "proven_nodes": "node_id",
    "proving_hubs": "hub",
    "doubted_places": "node_id",
    "kept_sessions": "session_id",
    "kept_tunnels": "tunnel_id",
}
CONTEXT = LoginContext("n" * 43, "client", b"\x07" * 32, "hub.example", 8443)


def _fill(records: HubRecords) -> None:
    now = CLOCK.now()
    takeovers, kept = records.takeovers(CLOCK), records.kept_sessions(CLOCK)
    for name in NAMES:
        owner = EnrolledPrincipal(
            principal=name, roles=frozenset({"dev"}), timed_roles={"ops": LATER}, binds=True, created_at=now
        )
        secret = hash_token(name)
        token = EnrolledCredential(
            id=name, principal=name, kind=CredentialKind.TOKEN, secret=secret, created_at=now, expires_at=LATER
        )
        invite = Invite(
            id=name,
            token_hash=secret,
            kind=InviteKind.NODE,
            labels={"a": "b"},
            created_at=now,
            expires_at=LATER,
            role_seconds=60,
            key_seconds=60,
            fleet=Fleet(3, 1, "web-"),
        )
        lock = LockInfo(id=name, kind=LockKind.NODE, name=f"locked-{name}", created_at=now, expires_at=LATER)
        made = [AddPrincipal(owner), AddCredential(token), AddInvite(invite), SetLabels(name, {"allow-roles": "ops"})]
        put(records.log, [*made, PutLock(lock), ClaimNode(name, name), AddMember(name, secret, now)])
        records.bound_keys().add(name.encode() * 8)
        records.key_counters().note(name.encode() * 8, 7)
        records.own.proven_nodes.put(name, ProvenNode(name, name.encode() * 8, 7, secret))
        records.own.proving_hubs.put(name, name)
        records.own.doubts.put(name, DoubtedPlace(name, name))
        records.known_addresses(CLOCK).logged_in(f"192.0.2.{len(name)}", name)
        takeovers.registered(name, name, Claimant("i", "192.0.2.1", "host", "uid"))
        evidence = Evidence(PrincipalId(name), TOKEN_METHOD, secret)
        kept.put(KeptSession("n1", name, Principal(PrincipalId(name)), Action.SHELL, evidence))
        assert records.tunnels is not None
        info = TunnelInfo(tunnel_id=name, node_id="n1", target_port=80, public_port=len(name), created_at=now)
        records.tunnels.put(KeptTunnel(info, Principal(PrincipalId(name)), evidence))


async def _made(directory: Path) -> None:
    records = HubRecords(directory)
    _fill(records)
    for name in NAMES:
        gone = LockInfo(id=name, kind=LockKind.PRINCIPAL, name=name, created_at=CLOCK.now())
        put(records.log, [PutLock(gone)])
    await records.aclose()
    for name in NAMES:
        with offline_locks(directory) as locks:
            assert locks.remove(LockKind.PRINCIPAL, name, CLOCK.now(), "root")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state file that has each table's rows twice, of which tests damage one."""
    directory = tmp_path_factory.mktemp("state")
    asyncio.run(_made(directory))
    with closing(sqlite3.connect(directory / STATE_FILE)) as database:
        database.execute("INSERT INTO applied VALUES ('older', 1)")
        database.execute("INSERT INTO member_levels VALUES ('bad', 2), ('good', 2)")
        database.execute("INSERT INTO once VALUES ('bad'), ('good')")
        database.execute("INSERT INTO guests VALUES ('bad', 'bad'), ('good', 'good')")
        database.commit()
        database.execute("PRAGMA journal_mode = DELETE")
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == set(KEYS)
        assert all(database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] >= 2 for name in tables)
    return directory


def _columns(path: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(path / STATE_FILE)) as database:
        for table in KEYS:
            yield from ((table, row[1]) for row in database.execute(f"PRAGMA table_info({table})"))


def _damage(database: sqlite3.Connection, table: str, column: str, value: str) -> None:
    """Damage the first row of a table. Raises `sqlite3.IntegrityError` where SQLite does not let that happen."""
    key = KEYS[table]
    (first,) = database.execute(f"SELECT {key} FROM {table} ORDER BY {key} LIMIT 1").fetchone()
    database.execute(f"UPDATE {table} SET {column} = {value} WHERE {key} = ?", (first,))


def _copy(state: Path, directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    for name in (STATE_FILE, "sessions.key"):
        (directory / name).write_bytes((state / name).read_bytes())
        (directory / name).chmod(0o600)
    return directory


def _roles(enrolled: EnrolledAuthenticator, name: str) -> frozenset[str] | None:
    """What a login gives; None where it is refused."""
    try:
        return enrolled.authenticate(TokenCredential(PrincipalId(name), name), CONTEXT).roles
    except AuthException:
        return None


def _check(records: HubRecords, where: str) -> None:
    """Read everything: what is whole is there, and what is damaged gives no more than it did."""
    enrolled = EnrolledAuthenticator(records.enrolments, CLOCK)
    assert _roles(enrolled, "good") == {"dev", "ops"}, where
    if not where.startswith("timed_roles.role"):
        # That one is another role then, as good as any.
        assert (_roles(enrolled, "bad") or frozenset()) <= {"dev", "ops"}, where
    assert "good" in [found.id for found in records.enrolments.invites()], where
    for name in NAMES:
        found = records.enrolments.invite_of(hash_token(name))
        assert found is None or (found.fleet is None) or 0 <= found.fleet.left < MOST_USES, where
    assert records.owners.owners()["good"] == "good", where
    locks = Locks(CLOCK, records.locks.locks())
    assert locks.of_node("locked-good") is not None, where
    labels = records.enrolments.node_labels()
    resource = NodeResource("bad", {"allow-roles": "dev,ops"}, labels.get("bad", {}))
    policy = HubPolicy(RoleBasedAuthorizer(), locks)
    if "bad" in labels:
        dev = Principal(PrincipalId("dev"), frozenset({"dev"}))
        assert not policy.judge(dev, Action.SHELL, resource).allowed, where
    known = records.kept_sessions(CLOCK)
    assert {session.id for session in known.at("n1")} >= {"good"}, where
    assert records.tunnels is not None
    for tunnel in records.tunnels.tunnels():
        # What leads elsewhere than it did is in nobody's name.
        is_whole = (tunnel.info.target_host, tunnel.info.target_port) == ("localhost", 80)
        assert is_whole or (tunnel.evidence is not None and not tunnel.evidence.method), where
    assert "good" in {tunnel.info.tunnel_id for tunnel in records.tunnels.tunnels()}, where
    records.takeovers(CLOCK)
    records.known_addresses(CLOCK)
    records.bound_keys()
    records.earlier_shell_owners()
    proven, proving = records.own.known_proofs()
    assert ("good", b"good" * 8, 7) in {(node.node_id, node.key, node.epoch) for node in proven}, where
    assert "good" in proving, where
    assert DoubtedPlace("good", "good") in doubted_places(records.own._file), where
    assert records.enrolments.ended(CLOCK.now()) == [], where


@pytest.fixture
def opened(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[sqlite3.Connection, HubRecords]]:
    """Records that are a copy in memory, which a test opens anew as often as it likes, and their database."""
    file = StateFile(None)
    file.path = state / STATE_FILE
    idle = SimpleNamespace(release=lambda: None)
    monkeypatch.setattr(records_module, "StateFile", lambda _path: file)
    monkeypatch.setattr(records_module, "LateWriter", lambda _path, _tables: idle)
    file._db.execute("PRAGMA foreign_keys = OFF")
    with closing(file), closing(sqlite3.connect(state / STATE_FILE)) as whole:
        whole.backup(file._db)
        yield file._db, HubRecords(state)


@pytest.mark.parametrize("value", DAMAGE, ids=[value[:12] for value in DAMAGE])
def test_each_column_of_each_table_may_hold_anything(
    state: Path, opened: tuple[sqlite3.Connection, HubRecords], value: str
) -> None:
    database, records = opened
    for table, column in _columns(state):
        where = f"{table}.{column} = {value[:20]}"
        database.execute("SAVEPOINT whole")
        try:
            _damage(database, table, column, value)
            _check(records, where)
        except ConfigException as exc:
            assert table == "locks", where
            assert "nobody can tell whom it locks" in exc.message  # noqa: PT017
        except sqlite3.IntegrityError:
            assert value in ("1 << 62", "''", "-1") or column == "id", where
        database.execute("ROLLBACK TO whole")
        database.execute("RELEASE whole")


async def test_a_hub_with_a_damaged_row_in_each_table_starts_and_says_what_it_left_out(
    state: Path, tmp_path: Path, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    directory = _copy(state, tmp_path / "hub")
    last = dict(_columns(state))
    with closing(sqlite3.connect(directory / STATE_FILE)) as database:
        for table, column in last.items():
            _damage(database, table, column, NOT_UTF_8)
        database.commit()
    async with OmnyShellHub(hub_config(certificates, state_dir=directory)) as hub:
        locked = hub._locks.of_node("locked-bad")
        assert locked is not None
        assert (locked.expires_at, locked.why) == (None, "what it says is damaged")
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert not any(record.exc_info for record in caplog.records)
    assert any("the principal bad is damaged" in text for text in said), said
    assert any("the lock of node locked-bad is damaged: it holds until it is removed" in text for text in said), said


def test_what_is_said_of_a_principal_and_cannot_be_read_is_no_free_name(
    opened: tuple[sqlite3.Connection, HubRecords],
) -> None:
    database, records = opened
    database.execute("PRAGMA foreign_keys = ON")
    _damage(database, "principals", "roles", "'nonsense'")
    with pytest.raises(ConfigException, match="revoke it"):
        records.enrolments.principal("bad")
    put(records.log, [RemovePrincipal("bad")])
    assert records.enrolments.principal("bad") is None
    assert [found.principal for found in records.enrolments.credentials()] == ["good"]
