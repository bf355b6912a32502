"""Keeps a running hub up to date: edited files, renewed certificates, a new configuration. No session notices."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.model.schema import write_timestamp
from omnyshell.security.authenticators import CompositeAuthenticator
from omnyshell.security.login_limit import LoginLimiter
from omnyshell.services.hub.access.policy import HubPolicy, only_admins_expose
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.certificate_warnings import CertificateWarnings
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.enrolment.store import Ended, EnrolmentStore
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.watched_files import FileWatch, WatchedFiles
from omnyshell.services.hub.nodes.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.options import OPTIONS
from omnyshell.services.hub.pages.pages import HubPages
from omnyshell.services.hub.peers.hub_peer import HubContext
from omnyshell.services.hub.peers.login_gate import LoginGate
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.peers.proofs import check_public_urls
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.truth.changes import Transaction
from omnyshell.services.hub.truth.log import TruthLog
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.transport.endpoint import WsServerEndpoint

WATCH_PERIOD = 0.5
"""Seconds between looks at watched files: an edit is taken in after one or two."""

ONLY_ADMINS = (
    "tunnels: none but admins may open public ports; [[grants]] give others the right expose, "
    "open-node-tunnels gives it to whoever may use the node, as before 0.2"
)

MOST_APART = 100
"""Principals whose change is taken in one by one; more are judged with everybody."""

MOST_SHOWN = 5
"""Peers that a line of the log names."""

NEEDS_RESTART = {option.sets: option.toml_key for option in OPTIONS if option.restart and option.sets} | {
    "keepalive": "keepalive",
    "audit_capacity": "audit_capacity",
}
"""Settings that a reload leaves as they are, and what they are called: options, and what embedders alone set."""

logger = logging.getLogger("omnyshell.hub")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustable:
    """The parts of a hub that settings can change while it runs."""

    context: HubContext
    certificate: HubCertificate
    endpoint: WsServerEndpoint
    gate: LoginGate
    policy: HubPolicy
    nodes: NodeRegistry
    heartbeats: HeartbeatMonitor[Peer]
    pages: HubPages
    audit: AuditLog
    eviction: Eviction
    log: TruthLog
    store: EnrolmentStore
    enrolled: EnrolledAuthenticator
    tunnels: TunnelBroker
    peers: Iterable[Peer]


def ceilings(config: HubConfig, store: EnrolmentStore) -> dict[str, dict[str, str]]:
    """Return the labels that the hub sets for node ids: by its configuration, which comes first, and by admins."""
    labels = store.node_labels()
    return {id_: ceiling(config, id_, labels.get(id_, {})) for id_ in {*labels, *config.node_labels}}


def ceiling(config: HubConfig, node_id: str, labels: dict[str, str]) -> dict[str, str]:
    """Return the labels that the hub sets for a node id, of which those were set by admins."""
    return labels | config.node_labels.get(node_id, {})


class HubUpkeep:
    """Takes in what changes. Call `tick` now and then, `reload` when somebody asks for it."""

    def __init__(self, config: HubConfig, parts: Adjustable) -> None:
        self.config = config
        self._in_force = config
        """What the hub was started with: settings that only a restart changes are those."""

        self._parts = parts
        self._clock: Clock = config.clock
        self._next_look = 0.0
        self._owes_ends, self._could_not_tell = True, False
        self._warnings = CertificateWarnings(parts.certificate, parts.audit, config.clock)
        self._watch(config)

    def started(self) -> None:
        """Say what an operator should know of the settings. Call it once."""
        self._warnings.started(self.config)
        if only_admins_expose(self.config):
            logger.info(ONLY_ADMINS)

    def tick(self, now: float) -> None:
        """Look for edited files, at most once a period; `now` on the monotonic clock."""
        if now < self._next_look:
            return
        self._next_look = now + WATCH_PERIOD
        self._expire_credentials()
        for files, watch in self._watches:
            if watch.poll():
                self._take_in(files, watch)
        if self._warnings.is_due(now):
            self._care_for_certificates()

    def reload(self, config: HubConfig) -> list[str]:
        """Take a whole new configuration; returns the options that differ from what is in force till a restart.

        Raises `OmnyShellException` where its certificate or a public address cannot be used: nothing has changed then.
        """
        parts, before = self._parts, self.config
        check_public_urls(config.public_urls, self._in_force.tunnel_ports, parts.endpoint.port)
        self._show_certificates(config)
        parts.endpoint.use_limits(config.endpoint)
        parts.gate.authenticator = CompositeAuthenticator([config.authenticator, parts.enrolled])
        if config.login_limit != before.login_limit:
            parts.gate.limiter = LoginLimiter(config.login_limit, self._clock)
        parts.gate.proofs.follow(config)
        parts.heartbeats.timeout = config.heartbeat_timeout
        parts.policy.follow(config)
        parts.nodes.set_hub_labels(ceilings(config, parts.store))
        parts.pages.set_metrics(config.metrics_token, is_for_loopback=config.metrics_from_loopback)
        parts.audit.commands = config.audit_commands
        if parts.audit.writer is not None:
            parts.audit.writer.retention = config.audit_retention
        parts.context.config = self.config = config
        self._watch(config)
        parts.audit.record("hub.reload")
        parts.eviction.enforce()
        self._tell_stranded()
        started = self._in_force
        values = ((shown, attrgetter(name)) for name, shown in NEEDS_RESTART.items())
        return [shown for shown, value in values if value(config) != value(started)]

    def _tell_stranded(self) -> None:
        """Say who is connected by an address for which no login is taken any more."""
        address_of = self._parts.gate.proofs.stranded_at
        found = [f"{peer.principal.id} by {at}" for peer in self._parts.peers if (at := address_of(peer.evidence))]
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

    def _expire_credentials(self) -> None:
        """End what had its time. What ended while no hub ran is told by the first look."""
        parts = self._parts
        try:
            expired = parts.enrolled.expire()
        except OmnyShellException as exc:
            logger.error("credentials and roles whose time is up may go on: %s", exc)
            return
        for name in expired:
            parts.eviction.enforce_for(name)
        if expired or self._owes_ends:
            self._tell_ends()

    def _tell_ends(self) -> None:
        parts, self._owes_ends = self._parts, False
        try:
            ends = parts.store.ended(self._clock.now())
        except OmnyShellException as exc:
            self._cannot_tell(exc)
            return
        if ends:
            forgetting = Transaction(tuple(each.change for each in ends))
            parts.log.append(forgetting).then(lambda _: self._told(ends), self._cannot_tell)

    def _told(self, ends: Iterable[Ended]) -> None:
        self._could_not_tell = False
        for ended in ends:
            logger.info("the %s of %s has ended", ended.what, ended.principal)
            at = write_timestamp(ended.at)
            self._parts.audit.record("access.ended", principal=ended.principal, detail=f"{ended.what} until {at}")

    def _cannot_tell(self, problem: OmnyShellException) -> None:
        # Nobody keeps what has ended: it is told as soon as that can be noted.
        self._owes_ends = True
        logger.log(logging.DEBUG if self._could_not_tell else logging.ERROR, "ends cannot be noted yet: %s", problem)
        self._could_not_tell = True

    def _care_for_certificates(self) -> None:
        """Renew what ends soon, where that is the hub's task, and say what is wrong."""
        if self.config.renew_certificates is not None:
            try:
                self.config.renew_certificates()
            except OmnyShellException as exc:
                logger.error("certificates are not renewed: %s", exc)
        self._warnings.check(self.config)

    def _show_certificates(self, config: HubConfig) -> None:
        """Read the certificates anew, and show them to new connections, inside and outside."""
        parts = self._parts
        parts.certificate.renew(config)
        parts.endpoint.use_tls(parts.certificate.current.tls)
        self._warnings.check(config)

    def _take_in(self, files: WatchedFiles, watch: FileWatch) -> None:
        audit = self._parts.audit
        try:
            for path in files.paths:
                self.config.strict_modes.check(path)
            changed = files.reload()
        except OmnyShellException as exc:
            logger.error("%s: not taken over, what was there before goes on: %s", files.name, exc)
            audit.record("hub.reload", "error", reason=str(exc), detail=files.name)
            return
        if not watch.is_unchanged():
            watch.retry()
        logger.info("%s: taken over", files.name)
        audit.record("hub.reload", detail=files.name)
        if changed is None or len(changed) > MOST_APART:
            self._parts.eviction.enforce()
        else:
            for name in sorted(changed):
                self._parts.eviction.enforce_for(name)
