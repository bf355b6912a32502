"""What a login is worth at an address at which others keep failing."""

import itertools
from collections.abc import Callable, Hashable
from pathlib import Path

import pytest
from support.clock import FakeClock
from support.enrolments import Enrolments

from omnyshell.errors import ErrorCodes
from omnyshell.ids import PrincipalId, new_typed_token
from omnyshell.model.admin import CredentialKind
from omnyshell.protocol.messages import AuthRequest
from omnyshell.security.authenticators import (
    CompositeAuthenticator,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
    hash_token,
)
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore
from omnyshell.security.credentials import LoginContext, PublicKeyCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.login_limit import LoginLimit
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.peers.key_counters import KeyCounters
from omnyshell.services.hub.peers.login_gate import Accepted, LoginGate, LoginRefusal, NotNow
from omnyshell.services.hub.peers.proofs import BoundKeys, ProofRules
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"
KEY, STRANGE_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
MADE, ENROLLED, CHOSEN = new_typed_token(), new_typed_token(), "hunter2"
CONTEXT = LoginContext("n" * 43, "client", b"\x07" * 32, "hub.example", 8443)


def enrolments(clock: FakeClock) -> EnrolledAuthenticator:
    store, now = Enrolments(StateFile(None)), clock.now()
    store.put_principal(EnrolledPrincipal(principal="eve", created_at=now, created_by="admin"))
    store.put_credential(
        EnrolledCredential(
            id="c1", principal="eve", kind=CredentialKind.TOKEN, secret=hash_token(ENROLLED), label="", created_at=now
        )
    )
    return EnrolledAuthenticator(store, clock)


def gate_of(audit: AuditLog, why_nobody: Callable[[], str] = lambda: "") -> LoginGate:
    clock = FakeClock()
    keys = AuthorizedKeysStore([AuthorizedKey(PrincipalId("ann"), KEY.public_key, frozenset())])
    granted = [
        TokenGrant.parse(f"bob:{CHOSEN}:developer"),
        TokenGrant(PrincipalId("owner"), hash_token(MADE), is_random=True),
    ]
    configured = CompositeAuthenticator([TokenAuthenticator(granted), PublicKeyAuthenticator(keys)])
    authenticator = CompositeAuthenticator([configured, enrolments(clock)])
    config = HubConfig(
        cert=Path("/nowhere"), key=Path("/nowhere"), authenticator=authenticator, login_limit=LoginLimit.parse("10/min")
    )
    return LoginGate(
        config,
        authenticator=authenticator,
        proofs=ProofRules(config, BoundKeys()),
        counters=KeyCounters(),
        locks=Locks(clock),
        audit=audit,
        metrics=HubMetrics(),
        clock=clock,
        why_no_more=lambda _who: "",
        why_nobody=why_nobody,
    )


@pytest.fixture
def gate() -> LoginGate:
    return gate_of(AuditLog(FakeClock()))


def token(principal: str, text: str) -> AuthRequest:
    return AuthRequest(principal=principal, method="token", token=text)


def proof(principal: str, key: Ed25519PrivateKey, context: LoginContext = CONTEXT) -> AuthRequest:
    return PublicKeyCredentialProvider(PrincipalId(principal), key).auth_request(context, bind=True)


def test_logins_are_told_apart_by_credential_and_by_no_words_of_the_peers() -> None:
    told: list[Hashable] = []
    gate = gate_of(AuditLog(FakeClock(), admits=lambda _record, alike: told.append(alike) is None))
    for role in ("client", "node", "own words", "others"):
        context = LoginContext("n" * 43, role, b"\x07" * 32, "hub.example", 8443)
        for request in (token("eve", ENROLLED), token("bob", CHOSEN), proof("ann", KEY, context)):
            assert isinstance(gate.judge(request, context, HERE), Accepted)
    assert len(told) == 12
    # The roles that are none are one.
    assert len(set(told)) == 9


def test_where_nobody_may_log_in_now_a_right_login_is_told_why_and_a_wrong_one_nothing() -> None:
    audit = AuditLog(FakeClock())
    gate = gate_of(audit, lambda: "out of touch")
    assert gate.judge(token("eve", ENROLLED), CONTEXT, HERE) == NotNow("out of touch", ErrorCodes.ENGINE_AWAY)
    assert gate.judge(token("eve", "wrong"), CONTEXT, HERE) is LoginRefusal.WRONG
    assert next((record.action, record.reason) for record in audit) == ("auth.limited", "engine_away")


RIGHT_AND_NOT_GUESSED = {
    "a key": proof("ann", KEY),
    "a token of the database": token("eve", ENROLLED),
    "a token that the program made for its owner": token("owner", MADE),
}
WRONG = {
    "a wrong token": token("bob", "hunter3"),
    "a token of somebody else": token("bob", ENROLLED),
    "a token of nobody": token("nobody", "hunter2"),
    "no token": token("bob", ""),
    "a key that is not listed": proof("ann", STRANGE_KEY),
    "a key of somebody else": proof("bob", KEY),
    "a proof for another connection": proof("ann", KEY, LoginContext("m" * 43, "client", b"\x07" * 32, "hub", 8443)),
    "a key that is none": AuthRequest(principal="ann", method="publicKey", public_key="?", signature="?"),
    "a method of its own": AuthRequest(principal="ann", method="magic"),
}


def lock_out(gate: LoginGate) -> None:
    for number in range(14):
        gate.judge(token(f"guess{number}", "wrong"), CONTEXT, HERE)


@pytest.mark.parametrize("name", RIGHT_AND_NOT_GUESSED)
def test_what_nobody_guesses_is_let_in_whatever_failed_at_its_address(gate: LoginGate, name: str) -> None:
    lock_out(gate)
    for _ in range(50):
        assert isinstance(gate.judge(RIGHT_AND_NOT_GUESSED[name], CONTEXT, HERE), Accepted)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_counts_and_is_not_answered_at_a_blocked_address(gate: LoginGate, name: str) -> None:
    refusals = [gate.judge(WRONG[name], CONTEXT, HERE) for _ in range(14)]
    first = LoginRefusal.UNKNOWN_METHOD if name == "a method of its own" else LoginRefusal.WRONG
    assert refusals == [first] * 10 + [LoginRefusal.LIMITED] * 4
    assert gate.judge(token("bob", CHOSEN), CONTEXT, HERE) is LoginRefusal.LIMITED
    assert isinstance(gate.judge(token("bob", CHOSEN), CONTEXT, ELSEWHERE), Accepted)


def test_a_token_that_somebody_chose_is_not_told_from_a_wrong_one_while_its_address_is_blocked(
    gate: LoginGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_out(gate)
    before = len(gate._audit)
    judged: list[object] = []
    monkeypatch.setattr(gate._authenticator, "authenticate", lambda *asked: judged.append(asked))
    assert {gate.judge(token("bob", text), CONTEXT, HERE) for text in (CHOSEN, "hunter3")} == {LoginRefusal.LIMITED}
    assert (judged, len(gate._audit)) == ([], before)
    assert gate._metrics.login_failures == 16
    assert [(each.key, each.count) for each in gate._limiter.take_suppressed()] == [(HERE, 6)]


def test_right_ones_end_no_block_and_leave_no_trace_in_it(gate: LoginGate) -> None:
    lock_out(gate)
    for request in itertools.chain(RIGHT_AND_NOT_GUESSED.values(), WRONG.values()):
        gate.judge(request, CONTEXT, HERE)
    assert gate.judge(token("bob", CHOSEN), CONTEXT, HERE) is LoginRefusal.LIMITED


def test_a_role_that_nobody_knows_is_not_written_into_the_audit() -> None:
    """Anybody who can log in may say any, as long as a name may be."""
    audit = AuditLog(FakeClock())
    gate = gate_of(audit)
    for role in ("client", "node", "x" * 1000, "admin\x1b[2J"):
        context = LoginContext("n" * 43, role, b"\x07" * 32, "hub.example", 8443)
        judged = gate.judge(AuthRequest(method="token", principal="bob", token=CHOSEN), context, HERE)
        assert isinstance(judged, Accepted)
    assert [record.detail for record in audit] == ["client", "node", "", ""]
