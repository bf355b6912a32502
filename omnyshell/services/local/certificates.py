"""The certificates of this machine's own hub: made at the first start, and renewed before they expire."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.errors import CertGeneratorException
from omnyshell.hosts import LOOPBACK
from omnyshell.security.cert_generator import (
    CA_CERT_FILE,
    HUB_CERT_FILE,
    HUB_KEY_FILE,
    TUNNEL_CA_CERT_FILE,
    TUNNEL_CERT_FILE,
    TUNNEL_KEY_FILE,
    CertGenerator,
)
from omnyshell.security.cert_names import covers
from omnyshell.security.certificates import CertificateIdentity

MOST_NAMES = 32
"""The most names in a certificate: addresses that the machine had long ago are left out."""

RENEWED_BEFORE = timedelta(days=60)
"""How long before its expiry a certificate is renewed: well before anybody is warned about it."""


@dataclass(frozen=True, slots=True)
class LocalCertificates:
    """One directory with both pairs and their authorities."""

    directory: Path
    clock: Clock
    hosts: tuple[str, ...] = LOOPBACK
    """What the certificates have to be for."""

    @property
    def cert(self) -> Path:
        """The hub's certificate."""
        return self.directory / HUB_CERT_FILE

    @property
    def key(self) -> Path:
        """The hub's key."""
        return self.directory / HUB_KEY_FILE

    @property
    def tunnel_cert(self) -> Path:
        """The certificate of TLS tunnels."""
        return self.directory / TUNNEL_CERT_FILE

    @property
    def tunnel_key(self) -> Path:
        """Its key."""
        return self.directory / TUNNEL_KEY_FILE

    def renew(self) -> None:
        """Make certificates that are missing, invalid now, about to expire, or not for one of the hosts.

        Keys and authorities are kept, so logins stay valid, and so are the names that a certificate has already.

        Raises `CertGeneratorException` where that is not possible.
        """
        pairs = ((HUB_CERT_FILE, CA_CERT_FILE), (TUNNEL_CERT_FILE, TUNNEL_CA_CERT_FILE))
        now = self.clock.now()
        is_whole = self.key.is_file() and self.tunnel_key.is_file()
        if not is_whole or any(self._is_due(self.directory / cert, self.directory / ca, now) for cert, ca in pairs):
            names = dict.fromkeys((*self.hosts, *self._names()))
            CertGenerator(clock=self.clock).generate(self.directory, list(names)[:MOST_NAMES], keep_key=True)

    def _names(self) -> tuple[str, ...]:
        """The names in the hub's present certificate, by which nodes may dial that joined."""
        try:
            return CertificateIdentity.from_file(self.cert).names
        except CertGeneratorException:
            return ()

    def _is_due(self, cert: Path, authority: Path, now: datetime) -> bool:
        try:
            shown, issuer = CertificateIdentity.from_file(cert), CertificateIdentity.from_file(authority)
        except CertGeneratorException:
            return True
        if not shown.not_before <= now < shown.not_after or not all(covers(shown.names, host) for host in self.hosts):
            return True
        # A certificate that expires with its authority cannot be renewed for longer.
        return shown.not_after - now < RENEWED_BEFORE and shown.not_after < issuer.not_after
