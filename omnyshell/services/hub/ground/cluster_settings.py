"""The settings of a hub that is one of several; who it is stands in its state directory."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

PLAIN, OVER_TLS = "nats", "tls"


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """See `[cluster]` in docs/configuration.md."""

    engine: tuple[str, ...] = ()
    """URLs of the engine's servers; if empty, those that the hub was founded or invited with."""

    stale_after: float = 300.0
    """Seconds for which a hub goes on with the nodes that it has while the engine is away."""

    engine_ca: Path | None = None
    """Certificates that are trusted for `tls://` servers in place of the system's."""


def flaw_of_engine(url: str) -> str:
    """Return what is wrong with the URL of a server of the engine; empty if nothing is."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname and parts.port) and not (parts.path or parts.query or parts.username)
    except ValueError:
        return "is no URL"
    if parts.scheme not in (PLAIN, OVER_TLS) or not is_whole:
        return f"is no server of the engine: write {OVER_TLS}://HOST:PORT"
    if parts.scheme == PLAIN and not _is_here(parts.hostname or ""):
        return f"would send all that hubs write in the clear: use {OVER_TLS}://"
    return ""


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
