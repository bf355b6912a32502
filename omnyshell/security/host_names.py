"""Host names and addresses as certificates carry them (RFC 5280 section 4.2.1.6, RFC 6125 section 6.4.3)."""

import ipaddress
import re

from cryptography import x509

from omnyshell.errors import CertGeneratorException

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_NAME = 253


def host_to_general_name(host: str) -> x509.GeneralName:
    """Read a host: a name, a wildcard name, an IPv4 address, or an IPv6 address with or without brackets.

    Names beyond ASCII are written in their IDNA form. Raises `CertGeneratorException` for anything else, such
    as a host with a port.
    """
    host = host.strip()
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return x509.DNSName(_dns_name(host))
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise CertGeneratorException(f"{host}: an address with a zone means something on one machine only")
    return x509.IPAddress(address)


def _dns_name(host: str) -> str:
    wildcard = "*." if host.startswith("*.") else ""
    try:
        ascii_name = host.removeprefix(wildcard).removesuffix(".").encode("idna").decode().lower()
    except UnicodeError as exc:
        raise _unusable(host) from exc
    labels = ascii_name.split(".")
    if len(wildcard + ascii_name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise _unusable(host)
    return wildcard + ascii_name


def _unusable(host: str) -> CertGeneratorException:
    return CertGeneratorException(f"{host!r} is neither a host name nor an IP address (give no scheme and no port)")
