"""The forwarding headers of docs/protocol.md#tunnels: RFC 7239, RFC 9110 section 7.6.3, and the usual `X-` ones."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import h11

PSEUDONYM = b"omnyshell-hub"

APPENDED = frozenset({b"x-forwarded-for", b"forwarded", b"via"})
REPLACED = frozenset(
    {
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-omnyshell-tunnel-id",
        b"x-omnyshell-node",
        b"x-omnyshell-owner",
        b"x-request-id",
    }
)
OURS = APPENDED | REPLACED

_MORE_HTTP = (b"http", b"h2", b"h3", b"tls")
"""How the names of protocols begin that are not offered to the target: HTTP again, or what it goes on within.

Requests in such a connection would get no forwarding headers.
"""

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingHeaders:
    """The forwarding headers for the requests of one connection from the outside."""

    client_address: str
    is_secure: bool
    public_port: int
    tunnel: str
    """The first 8 characters of the tunnel's id."""

    node_id: str
    owner: str
    new_request_id: Callable[[], str]

    def added_to(self, request: h11.Request) -> Headers:
        """Return a request's headers in their original spelling and order, with ours added."""
        kept: Headers = []
        before: dict[bytes, list[bytes]] = {name: [] for name in APPENDED}
        for raw_name, value in request.headers.raw_items():
            name = raw_name.lower()
            if name in before:
                before[name].append(value)
            elif name == b"upgrade":
                kept += [(raw_name, left)] if (left := b", ".join(offered(value))) else []
            elif name != b"http2-settings" and name.replace(b"_", b"-") not in OURS:
                # A target that turns headers into variables would take an underscore for a hyphen, so these are removed
                # too.
                kept.append((raw_name, value))
        return kept + self._ours(request, before)

    def _ours(self, request: h11.Request, before: dict[bytes, list[bytes]]) -> Headers:
        host = next((value for name, value in request.headers if name == b"host"), b"")
        proto = b"https" if self.is_secure else b"http"
        address = self.client_address.encode()
        via = request.http_version + b" " + PSEUDONYM
        return [
            (b"X-Forwarded-For", _joined(before[b"x-forwarded-for"], address)),
            (b"X-Forwarded-Proto", proto),
            (b"X-Forwarded-Host", host),
            (b"X-Forwarded-Port", str(self.public_port).encode()),
            (b"Forwarded", _joined(before[b"forwarded"], _forwarded(address, host, proto))),
            (b"Via", _joined(before[b"via"], via)),
            (b"X-OmnyShell-Tunnel-Id", self.tunnel.encode()),
            (b"X-OmnyShell-Node", _plain(self.node_id)),
            (b"X-OmnyShell-Owner", _plain(self.owner)),
            (b"X-Request-Id", self.new_request_id().encode()),
        ]


def tokens(value: bytes) -> list[bytes]:
    """Return the members of a comma-separated header, in lower case."""
    return [part.strip(b" \t").lower() for part in value.split(b",")]


def offered(upgrade: bytes) -> list[bytes]:
    """Return the protocols of an `Upgrade` header that are offered to a target, as they are written."""
    protocols = (part.strip(b" \t") for part in upgrade.split(b","))
    return [protocol for protocol in protocols if protocol and not protocol.lower().startswith(_MORE_HTTP)]


def _joined(before: list[bytes], ours: bytes) -> bytes:
    return b", ".join([*filter(None, before), ours])


def _forwarded(address: bytes, host: bytes, proto: bytes) -> bytes:
    parts = [b"for=" + (b'"[' + address + b']"' if b":" in address else address)]
    if host:
        parts.append(b'host="' + host.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
    parts.append(b"proto=" + proto)
    return b";".join(parts)


def _plain(text: str) -> bytes:
    """Encode arbitrary text for a header: characters that are not plain are percent-encoded."""
    return quote(text, safe=" @:/+,=").encode()
