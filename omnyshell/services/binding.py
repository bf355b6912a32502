"""How a key's logins are bound to the dialled hub, by what is known of that hub (docs/extensions.md#auth-bind-2)."""

from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException, ProtocolException
from omnyshell.protocol.extensions import AUTH_BIND_2
from omnyshell.security.credentials import LoginContext, Proof
from omnyshell.security.proof_choice import ProofTerms, check_not_weaker, choose_proof
from omnyshell.services.bound_hubs import BoundHubs
from omnyshell.transport.connection import HubAddress, OmnyShellConnection
from omnyshell.transport.tls import leaf_of_chain


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What the user and the saved files say about one hub."""

    certificate: Path | None = None
    """The hub's own certificate, where a proxy terminates TLS; a key's proof names its key instead of the proxy's."""

    allow_unbound: bool = False
    """Whether a key may give this hub the weaker proofs of version 0.1 and of the original."""

    is_old_friend: bool = False
    """Whether the login, or the node's state, was saved by a version without `auth-bind-2`: then the pair of
    `auth-bind` is enough."""

    hubs: BoundHubs = msgspec.field(default_factory=BoundHubs)
    """Remembers the hubs that announced `auth-bind-2`."""

    def note(self, address: HubAddress, announced: frozenset[str]) -> None:
        """Remember that a hub announced `auth-bind-2`."""
        if AUTH_BIND_2 in announced:
            self.hubs.add(address)

    def choose(self, address: HubAddress, announced: frozenset[str], nonce: str) -> Proof:
        """Return the kind of proof for a login. Raises `ConfigException` where nothing may be signed."""
        if AUTH_BIND_2 in announced:
            return Proof.BOUND
        return choose_proof(announced, nonce, self._terms(address))

    def choose_to_join(self, address: HubAddress, announced: frozenset[str]) -> Proof:
        """Return the kind of proof for a join.

        The older form needs no permission: it is tagged, names the hub's key, and is made with a new key. Raises
        `ConfigException` for a hub that took the newer one before.
        """
        if AUTH_BIND_2 in announced:
            return Proof.BOUND
        check_not_weaker(self._terms(address))
        return Proof.PAIR

    def _terms(self, address: HubAddress) -> ProofTerms:
        return ProofTerms(
            hub=f"the hub at {address}",
            was_bound=address in self.hubs,
            is_old_friend=self.is_old_friend,
            allow_unbound=self.allow_unbound,
            record=str(self.hubs.path or ""),
        )

    def context(self, proof: Proof, nonce: str, role: str, connection: OmnyShellConnection) -> LoginContext:
        """Return what the proof is made from. Raises `ConfigException` for a `certificate` that cannot be read."""
        if proof is Proof.UNBOUND:
            return LoginContext(nonce=nonce, role=role)
        spki = self._hub_key_hash(connection)
        if proof is Proof.PAIR:
            return LoginContext(nonce=nonce, role=role, spki_sha256=spki)
        host, port = dialled_host(connection.address.host), connection.address.port
        return LoginContext(nonce=nonce, role=role, spki_sha256=spki, host=host, port=port)

    def _hub_key_hash(self, connection: OmnyShellConnection) -> bytes:
        # Imported only for key logins: it loads all of `cryptography`, which a token does not need.
        from omnyshell.security.certificates import spki_sha256_of_der

        if self.certificate is not None:
            try:
                return spki_sha256_of_der(leaf_of_chain(self.certificate))
            except ConfigException as exc:
                exc.about("bind_certificate")
                raise
        shown = connection.link.peer_certificate
        if shown is None:
            raise ProtocolException("TLS showed no certificate to bind the login to")
        return spki_sha256_of_der(shown)


def dialled_host(host: str) -> str:
    """Return a host as a proof names it: in lower case, and in ASCII as the resolver was asked (IDNA 2003)."""
    host = host.lower()
    return host if host.isascii() else host.encode("idna").decode()
