"""Random authorities, cross-signed and namesakes among them, with a hub and tunnels under some of them.

What the hub's rules say of two pairs is held against what TLS does: whoever can use the hub must refuse the tunnels.
"""

import random
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from support.pki import Issued, issue

from omnyshell.security.cert_chain import Authorities
from omnyshell.security.cert_separation import what_is_shared
from omnyshell.transport.tls import client_context, server_context

HOSTS = ("a.some.example", "b.some.example", "10.0.0.1")
NAMES = (*HOSTS, "*.some.example", "elsewhere.example")
SERVERS = ("hub", "tunnels")
ROUNDS = 4
"""How often each side of a handshake in memory has to be asked."""


@dataclass(frozen=True)
class _Shown:
    """A pair, and the certificates in its file."""

    pair: Issued
    file: tuple[x509.Certificate, ...]


class World:
    """One seed's authorities, and the two servers."""

    def __init__(self, seed: int, directory: Path) -> None:
        self._chooser = random.Random(seed)
        self._directory = directory
        self._keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
        self.authorities: list[Issued] = []
        for _ in range(self._chooser.randint(2, 5)):
            self.authorities.append(self._authority())
        self.hub, self.tunnels = (self._server(name) for name in SERVERS)

    @cached_property
    def is_apart(self) -> bool:
        """Whether the hub's rules let TLS tunnels be opened."""
        return not what_is_shared(self.hub.file, self.tunnels.file, (), lambda: Authorities(()))

    @cached_property
    def is_dangerous(self) -> bool:
        """Whether somebody who can use the hub takes the tunnels for it."""
        servers = [self._context(shown, name) for shown, name in zip((self.hub, self.tunnels), SERVERS, strict=True)]
        pins = [self.hub.pair, *self.authorities]
        return any(
            all(_accepted(client, server, host) for server in servers)
            for client, host in product(map(self._client, pins), HOSTS)
        )

    def _authority(self) -> Issued:
        above = self._chooser.choice([None, *self.authorities])
        name = self._chooser.choice(["one", "two", "three", "four/Some Corp", "five/Some Corp"])
        return issue(above, name, is_authority=True, key=self._chooser.choice(self._keys))

    def _server(self, name: str) -> _Shown:
        by = self._chooser.choice([None, *self.authorities, *self.authorities])
        names = self._chooser.sample(NAMES, self._chooser.randint(1, 3))
        key = self._chooser.choice([*self._keys, *(None,) * 8])
        pair = issue(by, f"the {name}", names=names, key=key, is_authority=by is None, purposes=())
        above = list(pair.chain[1:])
        if self._chooser.random() < 0.3:
            above = above[: self._chooser.randint(0, len(above))]
        if self._chooser.random() < 0.3:
            above.append(self._chooser.choice(self.authorities).certificate)
        if self._chooser.random() < 0.2:
            self._chooser.shuffle(above)
        return _Shown(pair, (pair.certificate, *above))

    def _context(self, shown: _Shown, name: str) -> ssl.SSLContext:
        pem = b"".join(found.public_bytes(Encoding.PEM) for found in shown.file)
        return server_context(*shown.pair.write(self._directory, name, pem))

    def _client(self, pinned: Issued) -> ssl.SSLContext:
        ca = self._directory / "ca.pem"
        ca.write_bytes(pinned.pem)
        return client_context(ca)


def problems(seeds: Sequence[int], directory: Path) -> tuple[list[int], int, int]:
    """Return the seeds for which the rules call apart what is not; how many were apart, and how many dangerous."""
    worlds = {seed: World(seed, directory) for seed in seeds}
    wrong = [seed for seed, world in worlds.items() if world.is_apart and world.is_dangerous]
    apart = sum(world.is_apart for world in worlds.values())
    return wrong, apart, sum(world.is_dangerous for world in worlds.values())


def _accepted(client_tls: ssl.SSLContext, server_tls: ssl.SSLContext, host: str) -> bool:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_tls.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_tls.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server) * ROUNDS:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError:
            return False
    return True
