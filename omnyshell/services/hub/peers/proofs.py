"""Which proofs of a key a hub accepts, once the signature is verified (docs/extensions.md#auth-bind-2).

A bound proof is accepted only for an address of this hub. A pair of `auth-bind` is accepted until its key has given a
bound proof. An unbound proof is accepted only from principals that the operator named.
"""

from collections.abc import Iterable

from omnyshell.errors import ConfigException
from omnyshell.hosts import canonical_host
from omnyshell.ids import PrincipalId
from omnyshell.model.tunnels import PortRange
from omnyshell.security.authenticators import Evidence
from omnyshell.security.credentials import Credential, Proof, PublicKeyCredential, SecurityKeyCredential
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.transport.connection import HubAddress

OUTGROWN = (
    "proof of version 1 by a key that has used version 2: update this client or node too, "
    "or name its principal in allow-unbound-keys"
)


class BoundKeys:
    """The keys that have given a bound proof; other proofs of theirs are no longer accepted."""

    def __init__(self, records: LateTable[bytes, bytes] | None = None, remembered: Iterable[bytes] = ()) -> None:
        """`remembered` are the stored ones; `records` is the table for changes."""
        self._records = records
        self._known = set(remembered)

    def __contains__(self, key: bytes) -> bool:
        return key in self._known

    def add(self, key: bytes) -> None:
        """Remember a key."""
        if key not in self._known:
            self._known.add(key)
            if self._records is not None:
                self._records.put(key, key)


class ProofRules:
    """Judges the kind of proof of a key. No I/O."""

    def __init__(self, config: HubConfig, keys: BoundKeys) -> None:
        self._own_port: int | None = None
        self._tunnel_ports = config.tunnel_ports
        self._keys = keys
        self.follow(config)

    def follow(self, config: HubConfig) -> None:
        """Use new settings; the range of tunnels' ports changes only at a restart."""
        self._unbound = config.allow_unbound_keys
        self._must_verify = config.verify_required
        self._public = frozenset(map(_canonical, config.public_urls))

    def port_is_bound(self, port: int) -> None:
        """Accept proofs for this port, the hub's own, even if it lies in the range of tunnels."""
        self._own_port = port

    def problem(self, credential: Credential) -> str:
        """Return why a verified credential is not accepted; "" if it is."""
        if isinstance(credential, SecurityKeyCredential):
            if self._must_verify and credential.proof is not Proof.VERIFIED:
                return "the hardware key did not verify its owner, and verify-required is set"
            return self.problem_with_address(credential.host, credential.port)
        if not isinstance(credential, PublicKeyCredential):
            return ""
        if credential.proof is Proof.BOUND:
            return self.problem_with_address(credential.host, credential.port)
        if credential.principal in self._unbound:
            return ""
        if credential.proof is Proof.UNBOUND:
            return "unbound proof, and the principal is not in allow-unbound-keys"
        return OUTGROWN if credential.public_key.raw in self._keys else ""

    def problem_with_address(self, host: str, port: int) -> str:
        """Return why a proof for this address is not accepted; "" if it is.

        A port of tunnels' range is never accepted, whether or not a tunnel is open there: its owner could relay proofs
        made for it.
        """
        dialled = HubAddress(host, port)
        if self._tunnel_ports is not None and port in self._tunnel_ports and port != self._own_port:
            return f"proof for another address {dialled}: its port is one of tunnel-port-range"
        if self._public and _canonical(dialled) not in self._public:
            taken = ", ".join(sorted(str(HubAddress(*address)) for address in self._public))
            return f"proof for another address {dialled}: public-url names {taken}"
        return ""

    def stranded_at(self, evidence: Evidence | None) -> str:
        """Return the address of an earlier login, if logins for it are no longer accepted; else ""."""
        if evidence is None or evidence.dialled is None or not self.problem_with_address(*evidence.dialled):
            return ""
        return str(HubAddress(*evidence.dialled))

    def taken(self, credential: Credential) -> None:
        """Note that a credential was accepted."""
        if isinstance(credential, PublicKeyCredential) and credential.proof is Proof.BOUND:
            self._keys.add(credential.public_key.raw)

    def note_bound(self, key: bytes) -> None:
        """Note that a key was enrolled by a bound proof."""
        self._keys.add(key)

    def upholds(self, evidence: Evidence) -> bool:
        """Tell whether the proof of an earlier login would still be accepted: the settings for it can change."""
        if evidence.proof is Proof.TOUCHED and self._must_verify:
            return False
        return evidence.proof is not Proof.UNBOUND or evidence.principal in self._unbound


def check_public_urls(urls: Iterable[HubAddress], tunnels: PortRange | None, own_port: int) -> None:
    """Raise `ConfigException` if the hub would refuse every proof for one of its own URLs."""
    for url in urls:
        if tunnels is not None and url.port in tunnels and url.port != own_port:
            text = f"public-url {url} lies in tunnel-port-range {tunnels}: no login is taken for a port of tunnels"
            raise ConfigException(text)


def parse_unbound_keys(names: Iterable[str]) -> frozenset[PrincipalId]:
    """Read names of principals from texts that may each hold several, separated by commas. Raises `ConfigException`."""
    found = frozenset(name.strip() for text in names for name in text.split(",") if name.strip())
    for name in found:
        if "*" in name or "?" in name:
            text = f"'{name}' is no principal: name each one that has to log in unbound, there is no pattern for all"
            raise ConfigException(text)
    return frozenset(map(PrincipalId, found))


def _canonical(address: HubAddress) -> tuple[str, int]:
    return canonical_host(address.host), address.port
