"""The settings of a hub that is one of several; who it is stands in its state directory."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from omnyshell.errors import ConfigException
from omnyshell.model.hubs import USUAL_WEIGHT
from omnyshell.model.targets import Target
from omnyshell.services.hub.ground.state_names import CLUSTER_DIRECTORY, CLUSTER_FILE

PLAIN, OVER_TLS = "nats", "tls"

ALONE = (
    "[cluster] says nothing to a hub that is alone: `omnyshell cluster init` makes it the first of several, "
    "and `omnyshell hub join` a further one"
)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """See `[cluster]` in docs/configuration.md."""

    engine: tuple[str, ...] = ()
    """URLs of the engine's servers; if empty, those that the hub was founded or invited with."""

    stale_after: float = 300.0
    """Seconds for which a hub goes on with the nodes that it has while the engine is away."""

    engine_ca: Path | None = None
    """Certificates that are trusted for `tls://` servers in place of the system's."""

    weight: int = USUAL_WEIGHT
    """How many nodes and clients come to this hub when another one ends, beside the weights of others."""

    links: Target | None = None
    """Where the hub listens for links of other hubs; None if they do not dial it."""

    links_at: Target | None = None
    """Where other hubs reach that."""

    require_place_proofs: bool = False
    """Whether nodes have to prove by their keys at which hub they are."""


def is_one_of_several(state_dir: Path | None) -> bool:
    """Whether the hub of a state directory shares what is true with others."""
    return state_dir is not None and (state_dir / CLUSTER_DIRECTORY / CLUSTER_FILE).exists()


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


def flaw_of_links(text: str) -> str:
    """Return what is wrong with where a hub listens for links, or is reached; empty if nothing is."""
    try:
        target = Target.parse(text)
    except ConfigException as exc:
        return f"is no place of a hub's links: {exc}"
    return "is a path: write HOST:PORT" if target.is_path else ""


def is_everywhere(target: Target) -> bool:
    """Whether that means all addresses of the machine, so that nobody else knows where it is."""
    try:
        return ip_address(target.host).is_unspecified
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
