"""Keeps a running hub up to date: applies edited files, renewed certificates and a new configuration."""

import logging
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from omnyshell.errors import OmnyShellException
from omnyshell.services.hub.access.policy import only_admins_expose
from omnyshell.services.hub.access_ends import AccessEnds
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.certificate_warnings import CertificateWarnings
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.watched_files import FileWatch, WatchedFiles
from omnyshell.services.hub.options import OPTIONS
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.peers.proofs import ProofRules, check_public_urls
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.transport.endpoint import WsServerEndpoint
from omnyshell.transport.introductions import Introductions

WATCH_PERIOD = 0.5
"""Seconds between checks of watched files; an edit is read after one or two periods."""

ONLY_ADMINS = (
    "tunnels: none but admins may open public ports; [[grants]] give others the right expose, "
    "open-node-tunnels gives it to whoever may use the node, as before 0.2"
)

MOST_APART = 100
"""Up to this many changed principals are checked one by one; for more, all are checked."""

MOST_SHOWN = 5
"""The most peers that one line of the log names."""

NEEDS_RESTART = {option.sets: option.toml_key for option in OPTIONS if option.restart and option.sets} | {
    "keepalive": "keepalive",
    "audit_capacity": "audit_capacity",
}
"""Settings that a reload does not change, with their names in messages: options, and settings of embedders."""

logger = logging.getLogger("omnyshell.hub")


Follow = Callable[[HubConfig], None]
"""A part's method `follow`: it uses other settings from now on."""


class HubReloading:
    """Applies changes of files and settings. Call `tick` regularly, and `reload` on request."""

    def __init__(
        self,
        config: HubConfig,
        *,
        followers: Sequence[Follow],
        endpoint: WsServerEndpoint,
        introductions: Introductions,
        certificate: HubCertificate,
        proofs: ProofRules,
        ends: AccessEnds,
        eviction: Eviction,
        peers: Iterable[Peer],
        audit: AuditLog,
    ) -> None:
        """`followers` are told of a new configuration in their order, before logins and rights are judged by it."""
        self.config = config
        """The configuration of the last reload."""

        self._at_start = config
        """The configuration at the start, whose values hold for settings that only a restart changes."""

        self._followers = followers
        self._endpoint = endpoint
        self._introductions = introductions
        self._certificate = certificate
        self._proofs = proofs
        self._ends = ends
        self._eviction = eviction
        self._peers = peers
        self._audit = audit
        self._next_look = 0.0
        self._warnings = CertificateWarnings(certificate, audit, config.clock)
        self._watch(config)

    def started(self) -> None:
        """Log what an operator should know about the settings. Call it once."""
        self._warnings.started(self.config)
        if only_admins_expose(self.config):
            logger.info(ONLY_ADMINS)

    def tick(self, now: float) -> None:
        """Check for edited files, at most once a period; `now` on the monotonic clock."""
        if now < self._next_look:
            return
        self._next_look = now + WATCH_PERIOD
        self._ends.tick()
        for files, watch in self._watches:
            if watch.poll():
                self._take_in(files, watch)
        if self._warnings.is_due(now):
            self._care_for_certificates()

    def reload(self, config: HubConfig) -> list[str]:
        """Apply a new configuration; return the changed options that take effect only at a restart.

        Raises `OmnyShellException`, and changes nothing, if its certificate or a public address cannot be used.
        """
        check_public_urls(config.public_urls, self._at_start.tunnel_ports, self._endpoint.port)
        self._show_certificates(config)
        self._endpoint.use_limits(config.endpoint)
        self._introductions.use_balancers(config.proxy_protocol_from)
        for follow in self._followers:
            follow(config)
        self.config = config
        self._watch(config)
        self._audit.record("hub.reload")
        self._eviction.enforce()
        self._tell_stranded()
        started = self._at_start
        values = ((shown, attrgetter(name)) for name, shown in NEEDS_RESTART.items())
        return [shown for shown, value in values if value(config) != value(started)]

    def _tell_stranded(self) -> None:
        """Log the peers that are connected by an address for which logins are no longer accepted."""
        address_of = self._proofs.stranded_at
        found = [f"{peer.principal.id} by {at}" for peer in self._peers if (at := address_of(peer.evidence))]
        if found:
            shown = ", ".join(found[:MOST_SHOWN]) + (", ..." if len(found) > MOST_SHOWN else "")
            text = "public-url does not name the address of %d who are connected; they cannot log in again: %s"
            logger.warning(text, len(found), shown)

    def _watch(self, config: HubConfig) -> None:
        pairs = ((config.cert, config.key), (config.tunnel_cert, config.tunnel_key))
        certificates = [
            WatchedFiles((cert, key), lambda: self._show_certificates(self.config))
            for cert, key in pairs
            if cert is not None and key is not None
        ]
        self._watches = [(files, FileWatch(files.paths)) for files in (*config.watched, *certificates)]

    def _care_for_certificates(self) -> None:
        """Renew certificates that expire soon, if that is the hub's task, and warn of faults."""
        if self.config.renew_certificates is not None:
            try:
                self.config.renew_certificates()
            except OmnyShellException as exc:
                logger.error("certificates are not renewed: %s", exc)
        self._warnings.check(self.config)

    def _show_certificates(self, config: HubConfig) -> None:
        """Read the certificates again, and use them for new connections of peers and at tunnels."""
        self._certificate.renew(config)
        self._endpoint.use_tls(self._certificate.current.tls)
        self._warnings.check(config)

    def _take_in(self, files: WatchedFiles, watch: FileWatch) -> None:
        try:
            for path in files.paths:
                self.config.strict_modes.check(path)
            changed = files.reload()
        except OmnyShellException as exc:
            logger.error("%s: not taken over, what was there before goes on: %s", files.name, exc)
            self._audit.record("hub.reload", "error", reason=str(exc), detail=files.name)
            return
        if not watch.is_unchanged():
            watch.retry()
        logger.info("%s: taken over", files.name)
        self._audit.record("hub.reload", detail=files.name)
        if changed is None or len(changed) > MOST_APART:
            self._eviction.enforce()
        else:
            for name in sorted(changed):
                self._eviction.enforce_for(name)
