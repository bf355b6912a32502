"""What an IP address is counted as: one IPv4 address, or a /64 of IPv6, which is what one customer has."""

import hashlib
import ipaddress

_LONGEST_KEY = 128


def network_of(address: str) -> str:
    """Return what an address is counted as: IPv6 by its /64, IPv4-mapped IPv6 as IPv4, what is no address as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return bounded(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"


def bounded(text: str) -> str:
    """Return the text, shortened where a peer chose a very long one: what is kept by it must stay small."""
    if len(text) <= _LONGEST_KEY:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:64]}...{digest[:32]}"
