"""The faults for which clients refuse a server's certificate, each with a message and advice for its owner.

They are reported by the hub at its start, by `cert show`, and by a client that got such a certificate.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from omnyshell.printable import printable
from omnyshell.security.cert_chain import Chain, System, extension_of, is_self_signed, path_of
from omnyshell.security.cert_names import alternative_names, covers

LONGEST_WARNING = timedelta(days=30)
"""A certificate's expiry is warned about at most this long before."""

AUTHORITY_WARNING = timedelta(days=365)
"""The same for an authority: replacing it takes longer, as every client must get the new one."""

WARNED_PART, AUTHORITY_PART = 4, 10
"""For shorter lifetimes the warning starts in the last quarter, for an authority in the last tenth."""

_SHORTEST_RSA, _SHORTEST_EC = 2048, 224
_SHOWN_NAMES, _SHOWN_LENGTH = 8, 120


class Fault(StrEnum):
    """What may be wrong with a certificate."""

    EXPIRED = "expired"
    ENDS_SOON = "ends soon"
    NOT_YET_VALID = "not yet valid"
    WITHOUT_NAMES = "without names"
    OTHER_NAME = "other name"
    INCOMPLETE = "intermediate missing"
    DISORDERED = "wrong order"
    NOT_FOR_SERVERS = "not for servers"
    WEAK = "weak"
    NO_AUTHORITY = "issuer is no authority"
    UNREADABLE = "unreadable"


OF_SERVERS = (Fault.WITHOUT_NAMES, Fault.OTHER_NAME, Fault.NOT_FOR_SERVERS, Fault.INCOMPLETE)
"""Faults of server certificates that an authority's own certificate cannot have."""

GUESSES = (Fault.INCOMPLETE,)
"""Faults that may be none: a certificate does not say whether its issuer is the root that clients trust."""

REMEDIES = {
    Fault.EXPIRED: "clients refuse it; renew it (`omnyshell cert gen` where it was made so)",
    Fault.ENDS_SOON: "clients refuse it from then on; renew it (`omnyshell cert gen` where it was made so)",
    Fault.NOT_YET_VALID: "clients refuse it until then; set the clock of this machine right, or have it made anew",
    Fault.WITHOUT_NAMES: "clients refuse it; have it made for each name by which they dial",
    Fault.OTHER_NAME: "who dials so refuses it; have it made for that name too, or say by public-url what is dialled",
    Fault.INCOMPLETE: "clients that trust an authority above that refuse it then; append the intermediate certificate",
    Fault.DISORDERED: "some clients refuse it; put the server's own first, then each one's issuer, and nothing else",
    Fault.NOT_FOR_SERVERS: "clients refuse it; have it made for TLS servers (serverAuth)",
    Fault.WEAK: "clients refuse it; have it made anew, with an elliptic-curve key or RSA of 2048 bits, and SHA-256",
    Fault.NO_AUTHORITY: "clients refuse it; have it issued by an authority",
    Fault.UNREADABLE: "clients may refuse it; have it made anew",
}
"""Advice for the certificate's owner."""


@dataclass(frozen=True, slots=True)
class CertificateFault:
    """One fault. `text` says what is wrong; its subject is "it" for the server's certificate, or an issuer's name."""

    kind: Fault
    text: str

    def __str__(self) -> str:
        return f"{self.text}: {REMEDIES[self.kind]}"


def faults_of(
    chain: Chain, now: datetime, *, hosts: Iterable[str] = (), system: System, is_start: bool = False
) -> list[CertificateFault]:
    """Return the faults for which clients refuse the chain now or soon, worst first.

    Guesses are returned only if there are no others.

    `hosts` are the names by which the server is dialled, as far as they are known; `system` returns the authorities
    that this system trusts, and is called where the chain is a single certificate. With `is_start`, any expiry within
    30 days is reported; otherwise only one in the last quarter of the lifetime, as short-lived certificates are renewed
    late.
    """
    path = path_of(chain)
    found = [*time_faults(path, now), *use_faults(path)]
    try:
        found += name_faults(chain[0], hosts)
    except ValueError:
        found.append(CertificateFault(Fault.UNREADABLE, "its names cannot be read"))
    found += _chain_faults(chain, path)
    found += _ends_soon(path, now, is_start=is_start)
    return found or list(_guesses(path[0], system) if len(path) == 1 else ())


def time_faults(path: Chain, now: datetime) -> Iterator[CertificateFault]:
    """Yield a fault for each certificate that is not valid at this time."""
    for certificate in path:
        who = _subject_of(certificate, path)
        if now > certificate.not_valid_after_utc:
            text = f"{who} expired on {shown_time(certificate.not_valid_after_utc)}"
            yield CertificateFault(Fault.EXPIRED, text)
        elif now < certificate.not_valid_before_utc:
            text = f"{who} is not valid before {shown_time(certificate.not_valid_before_utc)}"
            yield CertificateFault(Fault.NOT_YET_VALID, text)


def use_faults(path: Chain) -> Iterator[CertificateFault]:
    """Yield a fault for each certificate whose extensions do not allow its use in this path."""
    for height, certificate in enumerate(path):
        who = _subject_of(certificate, path)
        if weakness := _weakness(certificate):
            yield CertificateFault(Fault.WEAK, f"{who} has {weakness}")
        try:
            if height == 0 and not _is_for_servers(certificate):
                yield CertificateFault(Fault.NOT_FOR_SERVERS, "it is not for TLS servers")
            if height and not _may_issue(certificate, below=height - 1):
                yield CertificateFault(Fault.NO_AUTHORITY, f"{who} may not issue it")
        except ValueError:
            yield CertificateFault(Fault.UNREADABLE, f"{who} holds fields that cannot be read")


def name_faults(leaf: x509.Certificate, hosts: Iterable[str]) -> Iterator[CertificateFault]:
    """Yield a fault for hosts that the certificate does not cover.

    Raises `ValueError` where its names cannot be read.
    """
    names = alternative_names(leaf)
    if not names:
        yield CertificateFault(Fault.WITHOUT_NAMES, "it is for no host (it has no subject alternative name)")
        return
    for host in hosts:
        if not covers(names, host):
            yield CertificateFault(Fault.OTHER_NAME, f"it is for {listed(names)}, and not for {host}")


def listed(names: Iterable[str]) -> str:
    """Return names as a list in words, cut after the first few."""
    known = list(names)
    more = len(known) - _SHOWN_NAMES
    return ", ".join(printable(name[:_SHOWN_LENGTH]) for name in known[:_SHOWN_NAMES]) + (
        f" and {more} more" if more > 0 else ""
    )


def shown_name(name: x509.Name) -> str:
    """Return the name of a subject or issuer for a message."""
    return f"'{printable(name.rfc4514_string()[:_SHOWN_LENGTH])}'"


def _guesses(leaf: x509.Certificate, system: System) -> Iterator[CertificateFault]:
    """Yield possible faults of a chain that is one certificate.

    A chain with an intermediate usually leaves out the root, which clients have, so nothing is guessed there.
    """
    if not is_self_signed(leaf) and not system().issuers_of(leaf):
        text = f"if {shown_name(leaf.issuer)}, which issued it, is an intermediate, the certificate of that is missing"
        yield CertificateFault(Fault.INCOMPLETE, text)


def _chain_faults(chain: Chain, path: Chain) -> Iterator[CertificateFault]:
    if list(chain) != list(path):
        strange = next((found for found in chain if found not in path), None)
        text = f"{shown_name(strange.subject)} is no part of its chain" if strange else "its chain is out of order"
        yield CertificateFault(Fault.DISORDERED, text)


def _ends_soon(path: Chain, now: datetime, *, is_start: bool) -> Iterator[CertificateFault]:
    for certificate in path:
        end = certificate.not_valid_after_utc
        if now <= end < now + _warning_of(certificate, is_authority=certificate is not path[0], is_start=is_start):
            yield CertificateFault(Fault.ENDS_SOON, f"{_subject_of(certificate, path)} expires on {shown_time(end)}")


def _warning_of(certificate: x509.Certificate, *, is_authority: bool, is_start: bool) -> timedelta:
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if is_authority and is_self_signed(certificate):
        return min(AUTHORITY_WARNING, life / AUTHORITY_PART)
    return LONGEST_WARNING if is_start else min(LONGEST_WARNING, life / WARNED_PART)


def _is_for_servers(leaf: x509.Certificate) -> bool:
    purposes = extension_of(leaf, x509.ExtendedKeyUsage)
    usage = extension_of(leaf, x509.KeyUsage)
    allowed = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return (purposes is None or not allowed.isdisjoint(purposes)) and (
        usage is None or usage.digital_signature or usage.key_encipherment or usage.key_agreement
    )


def _may_issue(issuer: x509.Certificate, *, below: int) -> bool:
    """Tell whether a certificate may issue others; `below` is the number of intermediates under it in the path."""
    constraints = extension_of(issuer, x509.BasicConstraints)
    usage = extension_of(issuer, x509.KeyUsage)
    if constraints is None:
        # The oldest roots have no extensions at all.
        return issuer.version is x509.Version.v1 and is_self_signed(issuer)
    deepest = constraints.path_length
    return constraints.ca and (usage is None or usage.key_cert_sign) and (deepest is None or below <= deepest)


def _weakness(certificate: x509.Certificate) -> str:
    try:
        key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "a key or signature of an unknown kind"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SHORTEST_RSA:
        return f"an RSA key of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _SHORTEST_EC:
        return f"an elliptic-curve key of {key.key_size} bits"
    if isinstance(key, dsa.DSAPublicKey):
        return "a DSA key"
    if isinstance(digest, hashes.MD5 | hashes.SHA1) and not is_self_signed(certificate):
        return f"a signature by {digest.name.upper()}"
    return ""


def _subject_of(certificate: x509.Certificate, path: Chain) -> str:
    return "it" if certificate is path[0] else f"its issuer {shown_name(certificate.subject)}"


def shown_time(time: datetime) -> str:
    """Return a time for a message."""
    return f"{time:%Y-%m-%d %H:%M} UTC"
