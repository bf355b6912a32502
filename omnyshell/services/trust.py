"""Explains why a hub's certificate is not trusted, and what to do. Loaded only after a connection failed for that."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography.x509 import Certificate

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import Remedy, UntrustedHubException
from omnyshell.security.cert_chain import (
    Authorities,
    Chain,
    authorities_in,
    is_self_signed,
    key_of,
    path_of,
    read_chain,
    system_authorities,
)
from omnyshell.security.cert_faults import Fault, listed, name_faults, shown_name, shown_time, time_faults, use_faults
from omnyshell.security.cert_generator import TUNNEL_AUTHORITY
from omnyshell.security.cert_names import common_names
from omnyshell.transport.connection import HubAddress

_NAME_IT = "name the hub's own CA"
_REMEDIES = {
    Fault.EXPIRED: "the hub's operator has to renew it, unless the clock of this machine is wrong, which says {now}",
    Fault.NOT_YET_VALID: "set the clock of this machine right, which says {now}; else the hub's operator has to wait",
    Fault.WITHOUT_NAMES: "the hub's operator has to have it made for the name that you dial",
    Fault.OTHER_NAME: "dial it by a name that it is for, or have its operator add this one",
    Fault.NOT_FOR_SERVERS: "the hub's operator has to have one made for TLS servers (serverAuth)",
    Fault.WEAK: "the hub's operator has to have it made anew, with a stronger key and SHA-256",
    Fault.NO_AUTHORITY: "the hub's operator has to have it issued by an authority",
    Fault.UNREADABLE: "the hub's operator has to have it made anew",
}
"""Advice for the user of a hub, by fault; `{now}` is this machine's time. `cert_faults` has the advice for
operators."""


def explained(
    error: UntrustedHubException, address: HubAddress, ca: Path | None, clock: Clock | None = None
) -> UntrustedHubException:
    """Return the error with each cause and remedy in its text.

    `ca` has the trusted certificates; None means the system's.
    """
    now = (clock or SystemClock()).now()
    try:
        chain = read_chain(error.chain)
        causes = list(_causes(chain, address.host, ca, now)) if chain else []
    except Exception:
        # A hostile server's certificate may make the parser raise anything. It is refused in any case; this only
        # explains why.
        causes = ["it holds what cannot be read; the hub's operator has to have it made anew"]
    if not causes:
        text = f"{error}; name its CA, or check the host name"
        return UntrustedHubException(text, chain=error.chain).advising(Remedy.NAME_AUTHORITY)
    text = f"the certificate of {address} is not trusted: {'; and '.join(causes)}"
    found = UntrustedHubException(text, chain=error.chain)
    return found.advising(Remedy.NAME_AUTHORITY) if text.endswith(_NAME_IT) else found


def _causes(chain: Chain, host: str, ca: Path | None, now: datetime) -> Iterator[str]:
    trusted = authorities_in(ca) if ca is not None else system_authorities()
    path = path_of(chain)
    anchored = list(dict.fromkeys([*path, *trusted.issuers_of(path[-1])]))
    for fault in [*time_faults(anchored, now), *use_faults(path), *name_faults(chain[0], (host,))]:
        yield f"{fault.text}; {_REMEDIES[fault.kind].format(now=shown_time(now))}"
    if not any(trusted.has_key(key_of(found)) for found in anchored):
        yield _stranger(path, ca, trusted)


def _stranger(path: Chain, ca: Path | None, trusted: Authorities) -> str:
    """Explain that no certificate of the chain was issued by a trusted authority."""
    top, missing = path[-1], ""
    if not is_self_signed(top):
        what = f"it comes from {shown_name(top.issuer)}, whose certificate the hub does not show"
        missing = "if that is a missing intermediate certificate, the hub's operator has to append it; else "
    elif top is path[0]:
        what = "it is self-signed"
    else:
        what = f"it comes from {shown_name(top.subject)}"
    if _is_for_tunnels(top):
        return f"{what}: this is a tunnel's port, and not a hub's: check the address"
    if ca is None:
        return f"{what}, and this system does not trust that; {missing}{_NAME_IT}"
    if trusted.certificates and all(map(_is_for_tunnels, trusted.certificates)):
        return f"{what}, and {ca} holds the authority for tunnels, which no hub is trusted by: give the hub's ca.pem"
    known = listed(shown_name(found.subject) for found in trusted.certificates)
    return (
        f"{what}, and {ca} holds {known}; {missing}this is another hub, or its authority has changed: "
        "get its ca.pem anew, in a way that you trust"
    )


def _is_for_tunnels(authority: Certificate) -> bool:
    return any(name.startswith(TUNNEL_AUTHORITY) for name in common_names(authority))
