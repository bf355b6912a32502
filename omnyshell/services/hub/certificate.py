"""The certificate that a hub shows, and its renewal while connections go on."""

import hashlib
import ssl
from dataclasses import dataclass, field

from omnyshell.errors import ConfigException
from omnyshell.security.certificates import spki_sha256_of_der
from omnyshell.security.identity import UidComputer
from omnyshell.security.machine import MachineFacts
from omnyshell.security.uid_store import UidStore
from omnyshell.services.hub.config import HubConfig
from omnyshell.services.hub.watch import stamp_of
from omnyshell.transport.tls import chain_of, server_context


@dataclass(frozen=True, slots=True)
class LoadedCertificate:
    """A certificate in use, and what follows from it."""

    tls: ssl.SSLContext = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    """The certificates that are shown, in DER, the hub's own first."""

    uid: str
    """The hub's UID."""

    spki_sha256: bytes
    """What `auth-bind` signs."""

    @property
    def authority_fingerprint(self) -> str:
        """Of the last certificate shown, which joining peers pin: `sha256:` and hexadecimal."""
        return "sha256:" + hashlib.sha256(self.chain[-1]).hexdigest()


class HubCertificate:
    """Holds the certificate that new connections get."""

    def __init__(self, config: HubConfig) -> None:
        """Load it. Raises `ConfigException`."""
        self.current = _load(config)

    def renew(self, config: HubConfig) -> None:
        """Take the files' contents in one step.

        Raises `ConfigException`, and keeps what it has, where they are wrong. Certificate and key must match, and must
        not change while they are read.
        """
        self.current = _load(config)


def _load(config: HubConfig) -> LoadedCertificate:
    before = _stamps(config)
    tls = server_context(config.cert, config.key)
    chain = chain_of(config.cert)
    if _stamps(config) != before:
        raise ConfigException(f"{config.cert} or {config.key} changed while being read")
    return LoadedCertificate(tls, chain, _resolve_uid(config, chain[0]), spki_sha256_of_der(chain[0]))


def _stamps(config: HubConfig) -> tuple[object, object]:
    return stamp_of(config.cert), stamp_of(config.key)


def _resolve_uid(config: HubConfig, leaf: bytes) -> str:
    computed = UidComputer(MachineFacts.read()).hub(leaf)
    if config.state_dir is None:
        return computed.value
    return UidStore.for_hub(config.state_dir, config.clock).resolve(computed).uid.value
