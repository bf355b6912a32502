"""Warns the operator of faults for which clients refuse the hub's certificates.

Checks at start, at changes and once a day.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.errors import CertGeneratorException
from omnyshell.hosts import LOOPBACK
from omnyshell.security.cert_chain import Chain, key_of, path_of, read_chain, system_authorities
from omnyshell.security.cert_faults import GUESSES, Fault, faults_of, listed
from omnyshell.security.cert_names import alternative_names, covers
from omnyshell.security.certificates import CertificateIdentity
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.certificate import NOT_GIVEN, HubCertificate, LoadedPair, dialled_hosts
from omnyshell.services.hub.ground.config import HubConfig

DAY = 86_400.0
ACTION = "certificate.warning"
NOT_APART, TAKEN_PORT = "tunnels not apart", "tunnels on a port of authorities"
CHECKED_PORTS = (80, 443)
"""Ports at which public authorities validate the control of a name (RFC 8555 section 8.3, RFC 8737)."""

logger = logging.getLogger("omnyshell.hub")


@dataclass(frozen=True, slots=True)
class _Warning:
    file: Path | None
    kind: str
    text: str


class CertificateWarnings:
    """Logs faults each time, and audits them once a day; guesses are only logged."""

    def __init__(self, certificate: HubCertificate, audit: AuditLog, clock: Clock) -> None:
        self._certificate = certificate
        self._audit = audit
        self._clock = clock
        self._next_check = 0.0
        self._audited: dict[_Warning, float] = {}

    def started(self, config: HubConfig) -> None:
        """Warn at a start, also if TLS tunnels are off because there is no certificate for them."""
        if config.tunnel_ports is not None and self._certificate.tunnels.off == NOT_GIVEN:
            text = "TLS tunnels are off: %s; `omnyshell cert gen` makes tunnel.pem and tunnel.key"
            logger.warning(text, NOT_GIVEN)
        with suppress(CertGeneratorException):
            names = CertificateIdentity.from_der(self._certificate.current.chain[0]).names
            logger.info("the hub's certificate is for %s", listed(names) or "no host")
        self.check(config, is_start=True)

    def is_due(self, now: float) -> bool:
        """Tell whether a day has passed; `now` on the monotonic clock."""
        return now >= self._next_check

    def check(self, config: HubConfig, *, is_start: bool = False) -> None:
        """Check the certificates in use."""
        now = self._clock.monotonic()
        self._next_check = now + DAY
        self._audited = {known: at for known, at in self._audited.items() if now < at + DAY}
        for warning in self._warnings(config, is_start=is_start):
            logger.warning("certificate %s: %s", warning.file, warning.text)
            if warning not in self._audited and warning.kind not in GUESSES:
                self._audited[warning] = now
                detail = f"{warning.file}: {warning.text}"
                self._audit.record(ACTION, "error", reason=warning.kind, detail=detail)

    def _warnings(self, config: HubConfig, *, is_start: bool) -> Iterator[_Warning]:
        certificate = self._certificate
        yield from self._faults(config.cert, certificate.current, dialled_hosts(config), is_start=is_start)
        yield from _borrowed_ports(config, certificate.current)
        tunnels = certificate.tunnels
        if tunnels.pair is None:
            return
        if tunnels.is_unsafe:
            text = f"TLS tunnels are off: {tunnels.off}"
            remedy = "give tunnels a key and an authority of their own, as `omnyshell cert gen` makes them"
            yield _Warning(config.tunnel_cert, NOT_APART, f"{text}; {remedy}, or under a public one another name")
        hosts = (config.tunnel_public_host,) if config.tunnel_public_host else ()
        yield from self._faults(config.tunnel_cert, tunnels.pair, hosts, is_start=is_start)

    def _faults(
        self, file: Path | None, pair: LoadedPair, hosts: tuple[str, ...], *, is_start: bool
    ) -> Iterator[_Warning]:
        try:
            chain = read_chain(pair.chain)
        except CertGeneratorException as exc:
            yield _Warning(file, Fault.UNREADABLE.value, f"{exc}; clients may refuse it")
            return
        hosts = tuple(host for host in hosts if not _is_reached_otherwise(chain, host))
        now = self._clock.now()
        for fault in faults_of(chain, now, hosts=hosts, system=system_authorities, is_start=is_start):
            yield _Warning(file, fault.kind.value, str(fault))


def _borrowed_ports(config: HubConfig, hub: LoadedPair) -> Iterator[_Warning]:
    """Yield a warning if tunnels may take a port at which public authorities validate the control of the hub's name."""
    ports = [port for port in CHECKED_PORTS if config.tunnel_ports is not None and port in config.tunnel_ports]
    if not ports:
        return
    try:
        top = path_of(read_chain(hub.chain))[-1]
    except CertGeneratorException:
        return
    system = system_authorities()
    if system.has_key(key_of(top)) or system.issuers_of(top):
        text = f"whoever opens a tunnel on port {ports[0]} can have a public certificate for the hub's name"
        yield _Warning(config.cert, TAKEN_PORT, f"{text}: leave that port out of tunnel-port-range")


def _is_reached_otherwise(chain: Chain, host: str) -> bool:
    """Tell whether a hub on the loopback has a certificate for another name of the loopback.

    It is dialled by that then.
    """
    try:
        return host in LOOPBACK and any(covers(alternative_names(chain[0]), other) for other in LOOPBACK)
    except ValueError:
        return False
