"""Whether a client could take the tunnels' certificate for the hub's.

The owner of a tunnel controls what answers at its port. If a client dials that port and accepts its certificate as the
hub's, the owner can read and relay the client's login. So the pairs must have different keys; and where a client may
trust one authority for both, they must not share names.
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
    """Return why a client could take the tunnels' certificate for the hub's; "" where it cannot.

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
    """An issuer; its key is empty where its certificate is not known."""

    name: x509.Name
    key: bytes

    def may_be(self, other: "_Authority") -> bool:
        """Whether a client may trust the two as one.

        Authorities with the same key are the same, whatever their names. Where one of the keys is not known, they may
        be the same, or have a common authority above them, if they have a name or an organization in common.
        """
        if self.key and other.key:
            return self.key == other.key
        return canonical(self.name) == canonical(other.name) or not self._organizations.isdisjoint(other._organizations)

    @property
    def _organizations(self) -> set[str]:
        return {str(found.value).casefold() for found in self.name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)}


def _shared_authority(hub: Chain, tunnels: Chain, system: Authorities) -> str:
    """Return the name of an authority that a client may trust for both; "" where there is none."""
    shown = Authorities(found.public_bytes(Encoding.DER) for found in (*hub, *tunnels))
    # Clients may have pinned any certificate in the hub's file, its own included.
    pinned = {_Authority(found.subject, key_of(found)) for found in hub} | _issuers_of(hub, shown, system)
    issuers = _issuers_of(tunnels[:1], shown, system)
    for issuer in issuers:
        if any(issuer.may_be(other) for other in pinned):
            return f"both come from {shown_name(issuer.name)}"
        if not issuer.key:
            # A client that has this issuer may find an authority of the hub above it. As this cannot be ruled out, it
            # is refused.
            who = shown_name(issuer.name)
            return f"nobody can tell whether one authority is above both while {who} is not in the tunnels' chain file"
    # A proxy in front of the hub may present another certificate, from an authority that everybody trusts.
    if any(found.key and system.has_key(found.key) for found in issuers):
        return "tunnels have a certificate from an authority that this system trusts, as clients may too"
    return ""


def _issuers_of(certificates: Chain, shown: Authorities, system: Authorities) -> set[_Authority]:
    """Return all authorities above these certificates.

    Issuers are looked for among `shown`, or else in the system's.
    """
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
