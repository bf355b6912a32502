"""Names of this machine, and one spelling for each host."""

import re

LOCALHOST = "localhost"
LOOPBACK = (LOCALHOST, "127.0.0.1", "::1")
"""How a machine calls itself."""


def canonical_host(host: str) -> str:
    """Return a host as hosts are compared: lower case, in IDNA form, without brackets, zone and the last dot.

    All forms of one IP address are the same, short ones (`127.1`) and an IPv4 address in IPv6 form too. What is neither
    a name nor an address stays as it is.
    """
    bare = host.strip().removeprefix("[").removesuffix("]").partition("%")[0].lower().removesuffix(".")
    return _address(bare) if bare[:1].isdigit() or ":" in bare else _in_ascii(bare)


def dialled_host(host: str) -> str:
    """Return a host as it is dialled: this machine and addresses in one spelling, other names as they are.

    Those may depend on their last dot; an address with a zone is left as it is too.
    """
    canonical = canonical_host(host)
    is_address = ":" in canonical or canonical.replace(".", "").isdigit()
    return canonical if (is_address and "%" not in host) or is_loopback(canonical) else host


def host_and_port(host: str, port: int) -> str:
    """Return both as people write them: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether a canonical host is this machine itself, by name or by address."""
    return host in (LOCALHOST, "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


LONGEST_NAME = 253
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)


def is_name_or_address(host: str) -> bool:
    """Tell whether that can be the name of a host (RFC 1123, underscores too, or IDNA), or is an IP address."""
    import ipaddress

    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return False
    labels = name.removesuffix(".").split(".")
    # A host name never ends in a label of digits alone: that would be a malformed IPv4 address.
    return len(name) <= LONGEST_NAME and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _address(bare: str) -> str:
    # Imported only for addresses: most hosts are names, and a cold command is measured in milliseconds.
    import ipaddress
    import socket

    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        try:
            # Other forms that a resolver accepts as an address: 127.1, 0x7f000001.
            return socket.inet_ntoa(socket.inet_aton(bare))
        except (OSError, ValueError):
            return _in_ascii(bare)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _in_ascii(name: str) -> str:
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return name
