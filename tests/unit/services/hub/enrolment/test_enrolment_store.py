"""The hub's database: what 0.1.0 wrote is taken over, roles are given for a time, and each end is told once."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.enrolments import Enrolments, put

from omnyshell.errors import AuthException, ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.admin import CredentialKind, InviteKind
from omnyshell.security.authenticators import hash_token
from omnyshell.security.credentials import LoginContext, TokenCredential
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import AddPrincipal, ForgetInvites, SetPrincipal, UseInvite
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal, Invite

NOW = datetime(2026, 3, 14, 15, 9, 26, 535_897, tzinfo=UTC)
HOUR = timedelta(hours=1)

SCHEMA_OF_0_1_0 = """
CREATE TABLE IF NOT EXISTS principals (
    principal    TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    roles        TEXT NOT NULL,
    binds        INTEGER NOT NULL,
    created_at   TEXT NOT NULL,
    created_by   TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS credentials (
    id         TEXT PRIMARY KEY,
    principal  TEXT NOT NULL REFERENCES principals ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    secret     BLOB NOT NULL,
    label      TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    UNIQUE (principal, secret)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invites (
    id           TEXT PRIMARY KEY,
    token_hash   BLOB NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    node_id      TEXT,
    principal    TEXT,
    display_name TEXT NOT NULL,
    roles        TEXT NOT NULL,
    labels       TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    used_at      TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node_labels (
    node_id TEXT PRIMARY KEY,
    labels  TEXT NOT NULL
) WITHOUT ROWID;
"""
ROWS_OF_0_1_0 = """
INSERT INTO principals VALUES ('ann', 'Ann', '["developer"]', 1, '2026-01-01T00:00:00.000Z', 'root');
INSERT INTO credentials VALUES ('t1', 'ann', 'token', x'01', 'old', '2026-01-01T00:00:00.000Z',
    '2026-01-02T00:00:00.000Z');
INSERT INTO credentials VALUES ('t2', 'ann', 'token', x'02', '', '2026-01-01T00:00:00.000Z',
    '2999-01-01T00:00:00.000Z');
INSERT INTO credentials VALUES ('k1', 'ann', 'key', zeroblob(32), '', '2026-01-01T00:00:00.000Z', NULL);
INSERT INTO invites VALUES ('i1', x'03', 'user', NULL, 'eve', '', '["ops"]', '{}', '2026-01-01T00:00:00.000Z', 'root',
    '2999-01-01T00:00:00.000Z', NULL);
INSERT INTO node_labels VALUES ('n1', '{"env": "prod"}');
"""


class Clock:
    """A wall clock that tests move, backwards too."""

    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at

    def monotonic(self):
        return 0.0


def ann(**changes):
    return EnrolledPrincipal(**{"principal": "ann", "roles": frozenset({"developer"}), "created_at": NOW} | changes)


def token(text="token", **changes):
    values = {
        "id": "t1",
        "principal": "ann",
        "kind": CredentialKind.TOKEN,
        "secret": hash_token(text),
        "created_at": NOW,
    }
    return EnrolledCredential(**values | changes)


@pytest.fixture
def store(tmp_path):
    with closing(StateFile(tmp_path / "hub.sqlite3")) as file:
        yield Enrolments(file)


def test_a_file_of_0_1_0_is_taken_over(tmp_path):
    path = tmp_path / "hub.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(SCHEMA_OF_0_1_0 + ROWS_OF_0_1_0)
    old.close()
    file = StateFile(path)
    store = Enrolments(file)
    (principal,) = store.principals()
    assert (principal.principal, principal.roles, principal.timed_roles, principal.binds) == (
        "ann",
        frozenset({"developer"}),
        {},
        True,
    )
    # What ended before this version came is gone, and no news.
    assert [one.id for one in store.credentials()] == ["k1", "t2"]
    (invite,) = store.invites()
    assert (invite.id, invite.roles, invite.role_seconds, invite.key_seconds) == ("i1", frozenset({"ops"}), None, None)
    assert store.node_labels() == {"n1": {"env": "prod"}}
    assert store.take_ends(NOW) == []
    store.put_principal(ann(timed_roles={"ops": NOW + HOUR}))
    file.close()
    # Once more, as after each restart.
    file = StateFile(path)
    assert Enrolments(file).principal("ann").timed_roles == {"ops": NOW + HOUR}
    file.close()
    # And back: the version before reads what it knows.
    old = sqlite3.connect(path)
    assert old.execute("SELECT roles FROM principals").fetchall() == [('["developer"]',)]
    assert len(old.execute("SELECT * FROM invites").fetchone()) == 12
    assert len(old.execute("SELECT * FROM credentials").fetchone()) == 7
    old.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "hub.sqlite3"
    with closing(StateFile(path)) as file:
        Enrolments(file)
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with closing(StateFile(path)) as file, pytest.raises(ConfigException, match="newer version of OmnyShell"):
        Enrolments(file)


def test_roles_are_there_until_their_end_and_not_a_moment_longer(store):
    store.put_principal(ann(timed_roles={"ops": NOW + HOUR, "dba": NOW + 2 * HOUR}))
    found = store.principal("ann")
    assert found.roles_at(NOW) == {"developer", "ops", "dba"}
    assert found.roles_at(NOW + HOUR - timedelta(microseconds=1)) == {"developer", "ops", "dba"}
    assert found.roles_at(NOW + HOUR) == {"developer", "dba"}
    assert found.roles_at(NOW + 2 * HOUR) == {"developer"}
    store.put_principal(ann())
    assert store.principal("ann").timed_roles == {}
    store.put_principal(ann(timed_roles={"ops": NOW}))
    store.remove_principal("ann")
    store.put_principal(ann())
    assert store.principal("ann").timed_roles == {}


def test_each_end_is_told_once_and_what_has_ended_is_gone(store):
    store.put_principal(ann(timed_roles={"ops": NOW + HOUR, "dba": NOW + 3 * HOUR}))
    store.put_credential(token(expires_at=NOW + 2 * HOUR))
    store.put_credential(token("key", id="k1", kind=CredentialKind.KEY, expires_at=NOW + HOUR))
    store.put_credential(token("other", id="t2"))
    assert store.take_ends(NOW) == []
    assert store.take_ends(NOW + HOUR) == [("ann", "role ops", NOW + HOUR), ("ann", "key k1", NOW + HOUR)]
    assert store.take_ends(NOW + HOUR) == []
    assert store.take_ends(NOW + 2 * HOUR) == [("ann", "token t1", NOW + 2 * HOUR)]
    assert [one.id for one in store.credentials()] == ["t2"]
    store.put_credential(token(expires_at=NOW + 3 * HOUR))
    later = NOW + 4 * HOUR
    assert store.take_ends(later) == [
        ("ann", "role dba", NOW + 3 * HOUR),
        ("ann", "token t1", NOW + 3 * HOUR),
    ]
    assert store.take_ends(later) == []
    assert store.principal("ann").roles_at(later) == {"developer"}


def test_an_invite_keeps_its_terms_until_it_is_gone(store):
    invite = Invite(
        id="i1", token_hash=b"h", kind=InviteKind.USER, principal="eve", created_at=NOW, expires_at=NOW + HOUR,
        role_seconds=60, key_seconds=3600,
    )  # fmt: skip
    store.put_invite(invite)
    assert store.invite_of(b"h") == invite
    put(store.log, [UseInvite("i1", NOW, None)])
    assert store.invites() == [replace(invite, used_at=NOW)]
    put(store.log, [ForgetInvites(NOW + 2 * HOUR)])
    assert store.invites() == []


def test_a_change_that_fails_leaves_everything_as_it_was(store):
    store.put_principal(ann())

    with pytest.raises(ChangeRefusedException):
        put(store.log, [SetPrincipal(ann(timed_roles={"ops": NOW + HOUR}), ann()), AddPrincipal(ann())])
    assert store.principal("ann").timed_roles == {}


def test_an_end_is_noticed_though_a_change_came_first(store):
    clock = Clock()
    store.put_principal(ann(timed_roles={"ops": NOW + HOUR}))
    enrolled = EnrolledAuthenticator(store, clock)
    clock.at += HOUR
    enrolled.take("ann", enrolled.read("ann"))
    assert enrolled.expire()


def test_without_its_database_a_hub_takes_nothing_that_may_have_ended(tmp_path):
    file = StateFile(tmp_path / "hub.sqlite3")
    store, clock = Enrolments(file), Clock()
    store.put_principal(ann())
    store.put_credential(token(expires_at=NOW + HOUR))
    enrolled = EnrolledAuthenticator(store, clock)
    login, context = TokenCredential(PrincipalId("ann"), "token"), LoginContext(nonce="n", role="client")
    file.close()
    assert enrolled.authenticate(login, context).id == "ann"
    clock.at += HOUR
    with pytest.raises(AuthException):
        enrolled.authenticate(login, context)
    with pytest.raises(ConfigException):
        enrolled.expire()


def test_logins_follow_the_wall_clock_whichever_way_it_jumps(store):
    clock = Clock()
    store.put_principal(ann(timed_roles={"ops": NOW + HOUR}))
    store.put_credential(token(expires_at=NOW + 10 * HOUR))
    enrolled = EnrolledAuthenticator(store, clock)

    def roles():
        login = TokenCredential(PrincipalId("ann"), "token")
        return enrolled.authenticate(login, LoginContext(nonce="n", role="client")).roles

    assert roles() == {"developer", "ops"}
    assert not enrolled.expire()
    clock.at -= 5 * HOUR
    assert not enrolled.expire()
    assert roles() == {"developer", "ops"}
    clock.at += 7 * HOUR
    # A login does not wait for somebody to look, who is told all the same.
    assert roles() == {"developer"}
    assert enrolled.expire()
    assert not enrolled.expire()
    assert len(store.take_ends(clock.now())) == 1
    # A clock that is put back gives no role again.
    clock.at -= 7 * HOUR
    enrolled.take("ann", enrolled.read("ann"))
    assert roles() == {"developer"}
