"""The certificates that a hub presents to peers and at tunnels, and their renewal while connections go on."""

import hashlib
import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from omnyshell.errors import CertGeneratorException, ConfigException
from omnyshell.security.cert_chain import authority_id, read_chain, system_authorities
from omnyshell.security.cert_files import why_unusable
from omnyshell.security.cert_separation import what_is_shared
from omnyshell.security.certificates import spki_sha256_of_der
from omnyshell.security.identity import OmnyUid, UidComputer
from omnyshell.security.machine import MachineFacts
from omnyshell.security.uid_store import UidStore
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.watched_files import stamp_of
from omnyshell.transport.tls import chain_of, server_context

NOT_GIVEN = "they need a certificate of their own: set tunnel-cert and tunnel-key"
NOT_WANTED = "they are turned off"


@dataclass(frozen=True, slots=True)
class LoadedPair:
    """A certificate and its key, read as a matching pair."""

    tls: ssl.SSLContext = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    """The certificates to present, in DER, the server's own first."""


@dataclass(frozen=True, slots=True)
class LoadedCertificate(LoadedPair):
    """The hub's own pair, and values derived from it."""

    uid: str
    """The hub's UID."""

    spki_sha256: bytes
    """The hash of the public key, which proofs of `auth-bind` name."""

    @property
    def authority_fingerprint(self) -> str:
        """The fingerprint of the last certificate in the chain, which joining peers pin: `sha256:` and hexadecimal."""
        return "sha256:" + hashlib.sha256(self.chain[-1]).hexdigest()

    @property
    def authority(self) -> bytes:
        """The identifier of its authority's key; empty where the certificates do not say."""
        try:
            return authority_id(read_chain(self.chain))
        except (CertGeneratorException, ValueError):
            return b""


@dataclass(frozen=True, slots=True)
class SecureTunnels:
    """The TLS configuration of tunnels' public ports, or why there is none."""

    pair: LoadedPair | None = None
    """The configured pair, even if it is not used."""

    off: str = ""
    is_unsafe: bool = False
    """Whether TLS tunnels are off because clients could take the pair for the hub's."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context for public ports; None while TLS tunnels are off."""
        return self.pair.tls if self.pair is not None and not self.off else None


class HubCertificate:
    """Holds the certificates for new connections of peers, and of the outside to tunnels."""

    def __init__(self, config: HubConfig) -> None:
        """Load the certificates. Raises `ConfigException`."""
        self.current, self.tunnels = _load(config)

    def note_uid(self, config: HubConfig) -> None:
        """Record the hub's UID in the state directory, if there is one. Raises `ConfigException`."""
        _note_uid(config, self.current.uid)

    def renew(self, config: HubConfig) -> None:
        """Load the files again, and switch to them in one step.

        Raises `ConfigException`, and keeps the present certificates, if they are invalid. Certificate and key must
        match, and must not change while they are read.
        """
        current, tunnels = _load(config)
        _note_uid(config, current.uid)
        self.current, self.tunnels = current, tunnels


def load_pair(cert: Path, key: Path) -> LoadedPair:
    """Read a certificate and its key. Raises `ConfigException` that explains what is wrong with them."""
    before = stamp_of(cert), stamp_of(key)
    try:
        pair = LoadedPair(server_context(cert, key), chain_of(cert))
    except ConfigException as exc:
        raise ConfigException(why_unusable(cert, key) or str(exc)) from exc
    if (stamp_of(cert), stamp_of(key)) != before:
        raise ConfigException(f"{cert} or {key} changed while being read")
    return pair


def dialled_hosts(config: HubConfig) -> tuple[str, ...]:
    """Return the known names by which the hub is reached: those in its URLs, else its listening addresses."""
    public = tuple(url.host for url in config.public_urls)
    return public or tuple(filter(_is_one_place, (config.host, *config.also_on)))


def _load(config: HubConfig) -> tuple[LoadedCertificate, SecureTunnels]:
    pair = load_pair(config.cert, config.key)
    leaf = pair.chain[0]
    current = LoadedCertificate(pair.tls, pair.chain, _uid_of(leaf), spki_sha256_of_der(leaf))
    return current, _load_tunnels(config, pair)


def _load_tunnels(config: HubConfig, hub: LoadedPair) -> SecureTunnels:
    if (config.tunnel_cert is None) != (config.tunnel_key is None):
        raise ConfigException("tunnel-cert and tunnel-key go together")
    if not config.secure_tunnels:
        return SecureTunnels(off=NOT_WANTED)
    if config.tunnel_cert is None or config.tunnel_key is None:
        return SecureTunnels(off=NOT_GIVEN)
    pair = load_pair(config.tunnel_cert, config.tunnel_key)
    shared = _shared(config, hub, pair)
    return SecureTunnels(pair, shared, is_unsafe=bool(shared))


def _shared(config: HubConfig, hub: LoadedPair, tunnels: LoadedPair) -> str:
    """Return why clients could take the tunnels' pair for the hub's, or why this cannot be ruled out; "" if it can."""
    hosts = {*dialled_hosts(config), *filter(_is_one_place, (config.host, *config.also_on))}
    try:
        why = what_is_shared(read_chain(hub.chain), read_chain(tunnels.chain), hosts, system_authorities)
        return f"clients could take this certificate for the hub's: {why}" if why else ""
    except (CertGeneratorException, ValueError) as exc:
        return f"it cannot be told whether clients could take this certificate for the hub's: {exc}"


def _is_one_place(host: str) -> bool:
    """Tell whether a host to listen on is one name or address, not a wildcard."""
    try:
        return not ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return bool(host)


def _uid_of(leaf: bytes) -> str:
    return UidComputer(MachineFacts.read()).hub(leaf).value


def _note_uid(config: HubConfig, uid: str) -> None:
    if config.state_dir is not None:
        UidStore.for_hub(config.state_dir, config.clock).resolve(OmnyUid(uid))
