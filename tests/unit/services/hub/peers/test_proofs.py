"""Logins by key from end to end without a wire: what a peer signs for a hub, and what the hub takes."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.tunnels import PortRange
from omnyshell.protocol.extensions import AUTH_BIND, AUTH_BIND_2, EVENTS
from omnyshell.protocol.messages import AuthRequest
from omnyshell.security.authenticators import PublicKeyAuthenticator
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore
from omnyshell.security.credentials import LoginContext, Proof, PublicKeyCredentialProvider, binding_message
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.login_limit import LoginLimit
from omnyshell.security.proof_choice import ProofTerms, choose_proof
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.key_counters import KeyCounters
from omnyshell.services.hub.peers.login_gate import Accepted, LoginGate, LoginRefusal
from omnyshell.services.hub.peers.proofs import BoundKeys, ProofRules, check_public_urls, parse_unbound_keys
from omnyshell.services.hub.records import HubRecords
from omnyshell.transport.connection import HubAddress

KEY = Ed25519PrivateKey.generate()
ANN = PrincipalId("ann")
NONCE = "abcDEF-_".ljust(43, "9")
SPKI = b"\x07" * 32
TUNNELS = PortRange(20_000, 20_010)
PORTS = sorted({*range(1, 65_536, 101), *range(19_900, 20_100), 443, 8443, 65_535})
"""Those around the ports of tunnels, and some of all others."""

ANNOUNCED = {
    "nothing": frozenset({EVENTS}),
    "the first": frozenset({AUTH_BIND}),
    "the second": frozenset({AUTH_BIND_2}),
    "both": frozenset({AUTH_BIND, AUTH_BIND_2, EVENTS}),
}
FALSE_NONCES = {
    "a message of ssh": "\0\0\0\x20session\x32\0\0\0\3ann",
    "a bound message": binding_message(LoginContext(NONCE, "client", SPKI), ANN).decode("latin-1"),
    "one character less": NONCE[:-1],
    "one more": NONCE + "A",
    "a line end": NONCE + "\n",
    "another alphabet": NONCE[:-1] + "+",
    "padded": NONCE[:-1] + "=",
    "letters that are no ASCII": "\u0661" * 43,
    "": "",
}


class Recorder:
    """A key that notes what it signs."""

    def __init__(self) -> None:
        self.public_key = KEY.public_key
        self.signed: list[bytes] = []

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return KEY.sign(message)


def gate_of(rules: ProofRules) -> LoginGate:
    store = AuthorizedKeysStore([AuthorizedKey(ANN, KEY.public_key, frozenset({"admin"}))])
    clock, authenticator = FakeClock(), PublicKeyAuthenticator(store)
    config = HubConfig(
        cert=Path(), key=Path(), authenticator=authenticator, login_limit=LoginLimit.parse("0"), clock=clock
    )
    return LoginGate(
        config,
        authenticator=authenticator,
        proofs=rules,
        counters=KeyCounters(),
        locks=Locks(clock),
        audit=AuditLog(clock),
        metrics=HubMetrics(),
        clock=clock,
        why_no_more=lambda _who: "",
    )


def rules_of(keys: BoundKeys | None = None, **settings: Any) -> ProofRules:
    nobody = PublicKeyAuthenticator(AuthorizedKeysStore())
    config = HubConfig(cert=Path("/nowhere"), key=Path("/nowhere"), authenticator=nobody, **settings)
    return ProofRules(config, keys or BoundKeys())


def request_by(key: Recorder, proof: Proof, *, host: str = "hub.example", port: int = 8443) -> AuthRequest:
    """What our peer sends for a proof of this kind."""
    context = LoginContext(NONCE, "client", None if proof is Proof.UNBOUND else SPKI)
    if proof is Proof.BOUND:
        context = LoginContext(NONCE, "client", SPKI, host, port)
    provider = PublicKeyCredentialProvider(ANN, key)  # type: ignore[arg-type]  # signs as a key does
    return provider.auth_request(context, bind=proof is not Proof.UNBOUND)


HERE = LoginContext(NONCE, "client", SPKI)


def may_be_signed(announced: str, *, allowed: bool, old: bool, was_bound: bool) -> Proof | None:
    """The rule in other words than the program's, row by row; None where nothing may be."""
    if "second" in announced or announced == "both":
        return Proof.BOUND
    if was_bound:
        return None
    rows = {
        ("nothing", True, True): Proof.UNBOUND,
        ("nothing", True, False): Proof.UNBOUND,
        ("the first", True, True): Proof.PAIR,
        ("the first", True, False): Proof.PAIR,
        ("the first", False, True): Proof.PAIR,
    }
    return rows.get((announced, allowed, old))


FLAGS = list(itertools.product((False, True), repeat=3))
HUBS = list(itertools.product((False, True), repeat=2))


@in_one_test("announced", ANNOUNCED)
@in_one_test(("allowed", "old", "was_bound"), FLAGS)
@in_one_test(("listed", "key_was_bound"), HUBS)
def test_every_peer_at_every_hub(
    announced: str, allowed: bool, old: bool, was_bound: bool, listed: bool, key_was_bound: bool
) -> None:
    standing = ProofTerms(hub="the hub", was_bound=was_bound, is_old_friend=old, allow_unbound=allowed)
    wanted = may_be_signed(announced, allowed=allowed, old=old, was_bound=was_bound)
    if wanted is None:
        with pytest.raises(ConfigException, match="Nothing was signed"):
            choose_proof(ANNOUNCED[announced], NONCE, standing)
        return
    proof = choose_proof(ANNOUNCED[announced], NONCE, standing)
    key = Recorder()
    request = request_by(key, proof)
    assert proof is wanted
    assert (NONCE.encode() in key.signed) == (proof is not Proof.BOUND), (
        "a bare nonce is never signed beside a bound proof"
    )
    assert len(key.signed) == (2 if proof is Proof.PAIR else 1)

    keys = BoundKeys()
    if key_was_bound:
        keys.add(KEY.public_key.raw)
    gate = gate_of(rules_of(keys, allow_unbound_keys=frozenset({ANN} if listed else ()), tunnel_ports=TUNNELS))
    verdict = gate.judge(request, HERE, "192.0.2.1")
    taken = proof is Proof.BOUND or listed or (proof is Proof.PAIR and not key_was_bound)
    assert isinstance(verdict, Accepted) == taken
    assert verdict is LoginRefusal.WRONG or taken
    assert (KEY.public_key.raw in keys) == (key_was_bound or proof is Proof.BOUND)


@in_one_test("nonce", FALSE_NONCES.values(), ids=FALSE_NONCES)
@in_one_test("announced", ["nothing", "the first"])
def test_what_is_no_nonce_is_not_signed_alone(nonce: str, announced: str) -> None:
    standing = ProofTerms(hub="the hub", is_old_friend=True, allow_unbound=True)
    with pytest.raises(ConfigException, match="is no nonce"):
        choose_proof(ANNOUNCED[announced], nonce, standing)


@pytest.mark.parametrize("proof", [Proof.UNBOUND, Proof.PAIR, Proof.BOUND])
def test_a_wrong_proof_is_refused_for_that_alone_and_notes_nothing(proof: Proof) -> None:
    keys = BoundKeys()
    gate = gate_of(rules_of(keys, public_urls=(HubAddress("elsewhere.example", 1),)))
    request = request_by(Recorder(), proof)
    assert gate.judge(request, LoginContext("another nonce", "client", SPKI), "192.0.2.1") is LoginRefusal.WRONG
    assert [record.reason for record in gate._audit] == ["wrong credential"]
    gate.judge(request, HERE, "192.0.2.1")
    assert KEY.public_key.raw not in keys


async def test_keys_are_remembered_in_the_file(tmp_path: Path) -> None:
    for is_known in (False, True):
        records = HubRecords(tmp_path)
        keys = records.bound_keys()
        assert (b"k" * 32 in keys) is is_known
        keys.add(b"k" * 32)
        await records.aclose()


@in_one_test("own_port", [None, *range(TUNNELS.first - 1, TUNNELS.last + 2)])
def test_every_port_of_tunnels_but_the_hubs_own_is_somebody_elses(own_port: int | None) -> None:
    rules = rules_of(tunnel_ports=TUNNELS)
    if own_port is not None:
        rules.port_is_bound(own_port)
    refused = {port for port in PORTS if rules.problem_with_address("hub.example", port)}
    assert refused == set(range(TUNNELS.first, TUNNELS.last + 1)) - {own_port}


def test_without_tunnels_any_port_may_lead_to_the_hub() -> None:
    rules = rules_of()
    assert not any(rules.problem_with_address("hub.example", port) for port in PORTS)


def test_the_refusal_names_the_address_so_that_it_can_be_read() -> None:
    rules = rules_of(public_urls=(HubAddress("hub.example", 8443), HubAddress("b.example", 443)))
    names = "public-url names wss://b.example:443, wss://hub.example:8443"
    assert rules.problem_with_address("x", 20_001) == f"proof for another address wss://x:20001: {names}"
    assert rules.problem_with_address("::1", 8443) == f"proof for another address wss://[::1]:8443: {names}"


def test_public_urls_outside_of_the_ports_of_tunnels() -> None:
    urls = [HubAddress("hub.example", 8443), HubAddress("hub.example", 20_005)]
    check_public_urls(urls[:1], TUNNELS, 8443)
    check_public_urls(urls, None, 8443)
    check_public_urls(urls, TUNNELS, 20_005)
    with pytest.raises(ConfigException, match=r"wss://hub\.example:20005 lies in tunnel-port-range 20000-20010"):
        check_public_urls(urls, TUNNELS, 8443)


def test_who_may_come_unbound_is_named_one_by_one() -> None:
    assert parse_unbound_keys(["ann, box", "node:db-1,"]) == {"ann", "box", "node:db-1"}
    assert parse_unbound_keys([]) == frozenset()
    for general in ("*", "ann,*", "node:*", "an?"):
        with pytest.raises(ConfigException, match="name each one"):
            parse_unbound_keys([general])
