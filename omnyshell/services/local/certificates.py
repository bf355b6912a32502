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
from omnyshell.security.certificates import CertificateIdentity

RENEWED_BEFORE = timedelta(days=60)
"""How long before its expiry a certificate is renewed: well before anybody is warned about it."""


@dataclass(frozen=True, slots=True)
class LocalCertificates:
    """One directory with both pairs and their authorities."""

    directory: Path
    clock: Clock

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
        """Make certificates that are missing, invalid now or about to expire.

        Keys and authorities are kept, so logins stay valid.

        Raises `CertGeneratorException` where that is not possible.
        """
        pairs = ((HUB_CERT_FILE, CA_CERT_FILE), (TUNNEL_CERT_FILE, TUNNEL_CA_CERT_FILE))
        now = self.clock.now()
        is_whole = self.key.is_file() and self.tunnel_key.is_file()
        if not is_whole or any(self._is_due(self.directory / cert, self.directory / ca, now) for cert, ca in pairs):
            CertGenerator(clock=self.clock).generate(self.directory, LOOPBACK, keep_key=True)

    @staticmethod
    def _is_due(cert: Path, authority: Path, now: datetime) -> bool:
        try:
            shown, issuer = CertificateIdentity.from_file(cert), CertificateIdentity.from_file(authority)
        except CertGeneratorException:
            return True
        if not shown.not_before <= now < shown.not_after:
            return True
        # A certificate that expires with its authority cannot be renewed for longer.
        return shown.not_after - now < RENEWED_BEFORE and shown.not_after < issuer.not_after
