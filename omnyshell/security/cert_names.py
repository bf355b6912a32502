"""The names in a certificate: which hosts they cover, and whether two certificates share one (RFC 6125)."""

import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from omnyshell.hosts import canonical_host
from omnyshell.security.cert_chain import extension_of

_ANY = "*"


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the host names and addresses that a certificate is for. Raises `ValueError` for one that is damaged."""
    found = extension_of(certificate, x509.SubjectAlternativeName)
    return tuple(str(name.value) for name in found or () if isinstance(name, x509.DNSName | x509.IPAddress))


def common_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the common names of the subject.

    Some clients take them for host names if there are no alternative names.
    """
    return tuple(str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def covers(names: Iterable[str], host: str) -> bool:
    """Tell whether clients that dial `host` accept a certificate for these names; a star matches one whole label."""
    wanted = canonical_host(host)
    parent = wanted.partition(".")[2]
    known = {canonical_host(name) for name in names}
    # OpenSSL accepts no star right below a top-level domain.
    return wanted in known or ("." in parent and not _is_address(wanted) and f"{_ANY}.{parent}" in known)


def shared_name(ours: Iterable[str], theirs: Iterable[str]) -> str:
    """Return a name that both sets cover; "" where there is none.

    Errs on the side of finding one: a star anywhere in a label matches any label.
    """
    known = [canonical_host(name) for name in ours]
    for name in map(canonical_host, theirs):
        if any(_can_be_equal(name, other) for other in known):
            return name
    return ""


def _can_be_equal(one: str, other: str) -> bool:
    labels, others = one.split("."), other.split(".")
    if len(labels) != len(others) or _is_address(one) is not _is_address(other):
        return False
    return all(a == b or _ANY in a or _ANY in b for a, b in zip(labels, others, strict=True))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
