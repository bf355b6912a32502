"""20,000 random logins by key: what is taken is what the rules of proofs say, and nothing else."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.ports import free_range
from support.raw_admin import b64, proof_request
from support.raw_peer import RawPeer, stranger
from support.stack import Certificates, hub_config

from omnyshell import AuthorizedKeysStore, LoginLimit, OmnyShellHub, PortRange, PublicKeyAuthenticator
from omnyshell.security.authorized_keys import parse_authorized_keys
from soak.attacks import how_many, show
from soak.machines import workplace
from soak.report import Figure, report

PARALLEL = 8
STRANGE = Ed25519PrivateKey.generate()

SIGNED: dict[str, tuple[Any, ...]] = {
    "nonce": ("A" * 43, ""),
    "spki": (bytes(32), b""),
    "role": ("node", "hub", ""),
    "principal": ("nobody", "", "Who0"),
    "host": ("hub.example", "localhost", "127.0.0.1", "::1", "h.", "x" * 255),
    "port": (1, 443, 8443, 65_535),
}
"""What may be signed in place of what is true."""

SENT: dict[str, tuple[Any, ...]] = {
    "host": ("elsewhere", "", "a b", "h" * 256, "\u0131", None),
    "port": (2, 0, -1, 65_536, None),
    "principal": ("nobody",),
    "publicKey": (b64(STRANGE.public_key().public_bytes_raw()),),
    "signature": (b64(bytes(64)), "", "?"),
    "binding": (b64(STRANGE.sign(b"")), "?"),
}
"""What may be sent in place of what was signed."""


@dataclass
class Person:
    """A principal with a key of its own, what it was seen to send, and whether it has made a bound proof."""

    name: str
    is_listed: bool
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    has_bound: bool = False
    seen: list[dict[str, Any]] = field(default_factory=list)

    def line(self) -> str:
        return f"{self.name} {b64(self.key.public_key().public_bytes_raw())} developer\n"


@dataclass
class Attempt:
    """A login to be, and whether it is right by what this test knows."""

    version: int
    signed: dict[str, Any]
    sent: dict[str, Any]
    is_right: bool


class Attack:
    """Makes logins, and holds what becomes of them against what is known."""

    def __init__(self, tunnels: PortRange, own_port: int, seed: int) -> None:
        self._tunnels = tunnels
        self._own_port = own_port
        self._random = random.Random(seed)
        self.outcomes = Counter[str]()
        self.problems: list[str] = []

    async def try_one(self, peer: RawPeer, who: Person) -> None:
        """Log in somehow, and judge what comes of it."""
        await peer.greet("client")
        if who.seen and self._random.random() < 0.1:
            request, expected = self._random.choice(who.seen), False
        else:
            attempt = self._attempt(who)
            request = proof_request(peer, "client", who.name, who.key, attempt.version, attempt.signed) | attempt.sent
            expected = attempt.is_right
            who.seen = [*who.seen[-20:], request]
        await peer.say("auth.request", request)
        taken = (await peer.hear())["t"] == "auth.ok"
        self.outcomes["taken" if taken else "refused"] += 1
        if taken != expected:
            self.problems.append(f"{who.name} {'was' if taken else 'was not'} let in by {request}")
        who.has_bound = who.has_bound or (taken and request.get("host") is not None)

    def _attempt(self, who: Person) -> Attempt:
        """Change nothing, something or much of a login that would be right."""
        version = self._random.choice((0, 1, 2, 2, 2))
        signed = {name: self._random.choice(SIGNED[name]) for name in self._some(SIGNED)}
        if self._random.random() < 0.3:
            signed["port"] = self._random.choice(
                (*range(self._tunnels.first - 1, self._tunnels.last + 2), self._own_port)
            )
        sent = {name: self._random.choice(SENT[name]) for name in self._some(SENT)}
        return Attempt(version, signed, sent, self._is_right(who, version, signed, sent))

    def _some(self, names: dict[str, tuple[Any, ...]]) -> list[str]:
        return self._random.sample(sorted(names), self._random.choice((0, 0, 0, 0, 1, 2)))

    def _is_right(self, who: Person, version: int, signed: dict[str, Any], sent: dict[str, Any]) -> bool:
        if sent.keys() & {"principal", "publicKey", "signature"} or "nonce" in signed:
            return False
        if version == 2:
            port = signed.get("port", self._own_port)
            is_tunnels = self._tunnels.first <= port <= self._tunnels.last and port != self._own_port
            return not (sent or signed.keys() & {"spki", "role", "principal"} or is_tunnels)
        if sent.get("host") is not None or sent.get("port") is not None or "binding" in sent:
            return False
        if version == 1 and signed.keys() & {"spki", "role", "principal"}:
            return False
        return who.is_listed or (version == 1 and not who.has_bound)


def people() -> Iterator[Person]:
    return (Person(f"who{number}", is_listed=number % 4 == 0) for number in range(10**6))


async def run(count: int, seed: int) -> Attack:
    crowd = [person for person, _ in zip(people(), range(max(PARALLEL, count // 50)), strict=False)]
    store = AuthorizedKeysStore(parse_authorized_keys("".join(who.line() for who in crowd)))
    tunnels = free_range(9)
    with workplace() as (_, certificates):
        config = hub_config(
            certificates,
            authenticator=PublicKeyAuthenticator(store),
            allow_unbound_keys=frozenset(who.name for who in crowd if who.is_listed),
            tunnel_ports=tunnels,
            port=tunnels.first + 4,
            login_limit=LoginLimit.parse("0"),
        )
        async with OmnyShellHub(config) as hub:
            attack = Attack(tunnels, hub.port, seed)
            await _attack(attack, certificates, hub.port, crowd, count)
    return attack


async def _attack(attack: Attack, certificates: Certificates, port: int, crowd: list[Person], count: int) -> None:
    turns = iter(range(count))

    async def work(mine: list[Person]) -> None:
        # One after the other for each: whether a key has made a bound proof is then known.
        for turn in turns:
            async with stranger(certificates, port) as peer:
                await attack.try_one(peer, mine[turn % len(mine)])

    async with asyncio.timeout(count / 20 + 60):
        await asyncio.gather(*(work(crowd[first::PARALLEL]) for first in range(PARALLEL)))


def main() -> None:
    options = how_many(20_000)
    # Each refusal is worth a line to an operator.
    logging.disable(logging.WARNING)
    attack = asyncio.run(run(options.count, options.seed))
    show(attack.problems, options.seed)
    report(
        "attacks.proofs",
        Figure(
            "random logins by key, with wrong fields, wrong addresses and proofs that were seen",
            "what is taken is what the rules of proofs say",
            f"{options.count} logins, {attack.outcomes['taken']} taken, {attack.outcomes['refused']} refused; "
            f"{len(attack.problems)} other than the rules say",
            not attack.problems and min(attack.outcomes.values()) > options.count // 20,
        ),
    )


if __name__ == "__main__":
    main()
