"""Whether a client could take the tunnels' certificate for the hub's.

Whoever owns a tunnel stands behind its port. A client that dials that port, and accepts what it shows, has its login
read and passed on there. So the two pairs must have two keys; and where a client may trust one authority for both,
the names must be apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from omnyshell.security.cert_chain import Authorities, Chain, System, canonical, key_of
from omnyshell.security.cert_faults import shown_name
from omnyshell.security.cert_names import alternative_names, common_names, shared_name


def what_is_shared(hub: Chain, tunnels: Chain, dialled: Iterable[str], system: System) -> str:
    """Return why a client could take one for the other; "" where it cannot.

    `dialled` are names by which the hub may be reached beside those in its certificate. Raises `ValueError` where names
    cannot be read.
    """
    if key_of(tunnels[0]) in set(map(key_of, hub)) or key_of(hub[0]) in set(map(key_of, tunnels)):
        return "both have the same key"
    name = shared_name([*_names(hub[0]), *dialled], _names(tunnels[0]))
    why = _shared_authority(hub, tunnels, system()) if name else ""
    return f"{why}, and both are for {name}" if why else ""


def _names(leaf: x509.Certificate) -> list[str]:
    return [*alternative_names(leaf), *common_names(leaf)]


@dataclass(frozen=True, slots=True)
class _Authority:
    """An issuer; its key is empty where nobody has shown it."""

    name: x509.Name
    key: bytes

    def may_be(self, other: "_Authority") -> bool:
        """Whether a client may trust the two as one.

        Authorities that share a key are one, whatever they are called. Where nobody has shown the key of one, they may
        be, or have one authority above them, where they have a name or an organization in common.
        """
        if self.key and other.key:
            return self.key == other.key
        return canonical(self.name) == canonical(other.name) or not self._organizations.isdisjoint(other._organizations)

    @property
    def _organizations(self) -> set[str]:
        return {str(found.value).casefold() for found in self.name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)}


def _shared_authority(hub: Chain, tunnels: Chain, system: Authorities) -> str:
    """Return what a client may trust about both; "" where there is nothing."""
    shown = Authorities(found.public_bytes(Encoding.DER) for found in (*hub, *tunnels))
    # Whatever the hub's file holds may have been pinned, its own certificate too.
    pinned = {_Authority(found.subject, key_of(found)) for found in hub} | _issuers_of(hub, shown, system)
    issuers = _issuers_of(tunnels[:1], shown, system)
    for issuer in issuers:
        if any(issuer.may_be(other) for other in pinned):
            return f"both come from {shown_name(issuer.name)}"
        if not issuer.key:
            # A client that holds it may find an authority of the hub above it: what cannot be told apart is not.
            who = shown_name(issuer.name)
            return f"nobody can tell whether one authority is above both while {who} is not in the tunnels' chain file"
    # A proxy in front of the hub may have another certificate from an authority that everybody trusts.
    if any(found.key and system.has_key(found.key) for found in issuers):
        return "tunnels have a certificate from an authority that this system trusts, as clients may too"
    return ""


def _issuers_of(certificates: Chain, shown: Authorities, system: Authorities) -> set[_Authority]:
    """Return all authorities above these certificates, by every way that is shown, and else by those of the system."""
    found: set[_Authority] = set()
    seen = set(certificates)
    waiting = list(certificates)
    while waiting:
        certificate = waiting.pop()
        issuers = shown.issuers_of(certificate) or system.issuers_of(certificate)
        if not issuers:
            found.add(_Authority(certificate.issuer, b""))
        found.update(_Authority(issuer.subject, key_of(issuer)) for issuer in issuers)
        waiting += [issuer for issuer in issuers if issuer not in seen]
        seen.update(issuers)
    return found
