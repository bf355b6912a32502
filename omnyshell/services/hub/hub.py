"""The hub: `async with OmnyShellHub(config): ...`."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from omnyshell.protocol.handshake import CLOSE_HUB_STOPPING
from omnyshell.services.hub.access.audit_sums import AuditAdmission
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.assembly import HubServices
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.offline_notes import OfflineNotes
from omnyshell.services.hub.audit.trail import open_trail
from omnyshell.services.hub.ground.certificate import HubCertificate, SecureTunnels
from omnyshell.services.hub.ground.cluster_settings import ALONE, ClusterSettings, is_one_of_several
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.event_bus import LocalEventBus, PeerEvent
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.ground.running_time import RunningTime
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_lock import StateLock
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.nodes.places import ServedNodes
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.peers.peer import Peers
from omnyshell.services.hub.peers.proofs import check_public_urls
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.reloading import HubReloading
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.services.hub.tunnels.public_ports import PublicPorts
from omnyshell.services.hub.tunnels.registry import TunnelRegistry
from omnyshell.sums import ToldInSums
from omnyshell.transport.endpoint import LinkOwner, WsServerEndpoint
from omnyshell.transport.introductions import Introductions
from omnyshell.transport.keepalive import Keepalive

if TYPE_CHECKING:
    from types import TracebackType

    from omnyshell.services.hub.cluster.across.across import Across
    from omnyshell.services.hub.cluster.hub_in_cluster import HubInCluster
    from omnyshell.services.hub.cluster.shared.hub_clock import HubClock

STOP_TIMEOUT = 3.0
"""Seconds in which peers may close their side when the hub stops."""

SWEEP_PERIOD = 0.5
"""Seconds between checks for silent nodes and unanswered requests."""

logger = logging.getLogger("omnyshell.hub")


class OmnyShellHub:
    """A hub. `start` and `stop` it, or use it as an async context manager. It can be started once.

    Its attributes exist before it is started, and are empty then.
    """

    def __init__(self, config: HubConfig) -> None:
        self._hub_clock = _hub_clock(config)
        config = self._config = replace(config, clock=self._hub_clock or config.clock)
        self.metrics = HubMetrics()
        """Counters and histograms, for Prometheus too."""

        self.bus = LocalEventBus()
        """Publishes changes to listeners."""

        self._quota = Quota.of(config)
        self._audit_admission = AuditAdmission(self._quota, config.clock)
        self.audit = AuditLog(config.clock, config.audit_capacity, self._audit_admission.admits)
        """The audit log; a sink that is added before the start misses no record of it."""

        self.audit.follow(config)
        self._locks = Locks(config.clock)
        self._policy = HubPolicy.of(config, self._locks)
        self.nodes = NodeRegistry(None, {}, self.bus, self._quota.why_no_more_ids)
        """The nodes that are connected."""

        self._across = self._make_across()
        self._all_nodes: NodeDirectory = self.nodes if self._across is None else self._across.nodes
        self._directory: NodeDirectory = self._all_nodes
        if self._hub_clock is not None:
            self._directory = ServedNodes(self._all_nodes, self._is_serving)
        self.sessions = SessionRouter()
        """The sessions that are open through this hub."""

        self._introductions = Introductions(config.proxy_protocol_from)
        self._ports = PublicPorts()
        self.tunnels = self._make_tunnels()
        """The tunnels that are open."""

        self._certificate: HubCertificate | None = None
        self._assembled: HubServices | None = None
        self._reloading: HubReloading | None = None
        self._lock: StateLock | None = None
        self._records: HubRecords | None = None
        self._cluster: HubInCluster | None = None
        self._notes: OfflineNotes | None = None
        self._endpoint: WsServerEndpoint | None = None
        self._keepalive: Keepalive | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._peers: Peers[HubPeer] = Peers()
        self._all_gone = asyncio.Event()
        self._is_stopping = False

    def _make_across(self) -> "Across | None":
        """Return what goes over two hubs, if the hub is one of several; a hub alone loads nothing of it."""
        if self._hub_clock is None:
            return None
        from omnyshell.services.hub.cluster.across.across import Across

        return Across(self.nodes, self.metrics)

    def _is_serving(self) -> bool:
        return self._cluster is not None and self._cluster.is_serving()

    def _make_tunnels(self) -> TunnelBroker:
        config = self._config
        return TunnelBroker(
            registry=TunnelRegistry(config.tunnel_ports),
            ports=self._ports,
            public_host=config.tunnel_public_host,
            secure=self._tunnel_certificate,
            introductions=self._introductions,
            nodes=self._directory,
            policy=self._policy,
            quota=self._quota,
            audit=self.audit,
            metrics=self.metrics,
            bus=self.bus,
            clock=config.clock,
            new_id=config.new_tunnel_id,
            new_request_id=config.new_id,
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _type: "type[BaseException] | None",
        _value: "BaseException | None",
        _traceback: "TracebackType | None",
    ) -> None:
        await self.stop()

    @property
    def config(self) -> HubConfig:
        """The settings of the last reload."""
        return self._reloading.config if self._reloading is not None else self._config

    @property
    def port(self) -> int:
        """The port that is bound. Raises `RuntimeError` before `start`."""
        if self._endpoint is None:
            raise RuntimeError("the hub is not started")
        return self._endpoint.port

    @property
    def connections(self) -> int:
        """The number of connections, logged in or not."""
        return self._endpoint.connections if self._endpoint is not None else 0

    async def start(self) -> None:
        """Bind the port and serve.

        Raises `ConfigException` for an unusable certificate, key, address or state directory, and `TransportException`
        if the port is not available. Nothing is left open then.
        """
        if self._endpoint is not None:
            raise RuntimeError("the hub is started already")
        config = self._config
        check_public_urls(config.public_urls, config.tunnel_ports, config.port)
        certificate = self._certificate = HubCertificate(config)
        try:
            records = await self._open_records(certificate)
            if config.tunnel_ports is not None:
                await self._ports.resolve(_hosts_of_tunnels(config))
            services = self._assemble(records, certificate)
            if self._cluster is not None:
                await self._cluster.start()
            self._tell_notes()
            endpoint = await self._listen(services, certificate)
            if records.tunnels is not None:
                self.tunnels.begin(records.tunnels, services.gate.standing)
        except BaseException as exc:
            self.audit.record("hub.stop", "error", reason=f"it could not start: {exc}")
            await self._close_records()
            raise
        self._endpoint = endpoint
        self._keepalive = Keepalive(config.keepalive)
        self._assembled = services
        reloading = self._reloading = services.reloading(endpoint, self._introductions)
        services.admin.start()
        self._sweeper = asyncio.create_task(self._sweep(services, reloading))
        reloading.started()
        logger.info("hub %s listens on %s:%d", certificate.current.uid, config.host, endpoint.port)
        if config.also_on:
            self._tell_listening(config, endpoint)

    async def _open_records(self, certificate: HubCertificate) -> HubRecords:
        """Open the records on disk, and use them. Raises as `start` does."""
        config = self._config
        if config.state_dir is not None:
            self._lock = StateLock(config.state_dir)
            # Opened first, as existing files show whether there was a trail before.
            await open_trail(self.audit, config)
            certificate.note_uid(config)
        others = self._cluster = self._find_others(config)
        records = self._records = HubRecords(config.state_dir, others.make_log if others is not None else None)
        if config.state_dir is not None:
            self._notes = OfflineNotes(config.state_dir / STATE_FILE, self.audit)
        self._locks.begin(records.locks.locks())
        records.log.follow(self._locks.follow)
        return records

    def _find_others(self, config: HubConfig) -> "HubInCluster | None":
        """Return what makes the hub one of several, if it is; a hub alone loads nothing of it."""
        directory = config.state_dir
        if directory is None or self._hub_clock is None:
            if config.cluster is not None:
                logger.warning(ALONE)
            return None
        from omnyshell.services.hub.cluster.hub_in_cluster import HubInCluster

        return HubInCluster(directory, config.cluster or ClusterSettings(), self._tell_refused, self._hub_clock)

    def _tell_refused(self, hub: str, why: str) -> None:
        """Tell of something in the hubs' log that nobody may have written."""
        logger.error("refused in the hubs' log%s: %s", f", of hub {hub}" if hub else "", why)
        self.audit.record("cluster.refused", "denied", reason=why, detail=hub)

    def _assemble(self, records: HubRecords, certificate: HubCertificate) -> HubServices:
        others = self._cluster
        services = HubServices(
            config=self._config,
            certificate=certificate,
            records=records,
            locks=self._locks,
            policy=self._policy,
            quota=self._quota,
            peers=self._peers,
            nodes=self.nodes,
            directory=self._directory,
            all_nodes=self._all_nodes,
            visitors=(self._across.visitors,) if self._across is not None else (),
            places=others.make_places(records.own) if others is not None else None,
            sessions=self.sessions,
            tunnels=self.tunnels,
            audit=self.audit,
            admission=self._audit_admission,
            metrics=self.metrics,
            bus=self.bus,
            not_ready=self._why_not_ready,
        )
        if others is not None and self._across is not None:
            self._serve_others(others, self._across, services)
        return services

    def _serve_others(self, others: "HubInCluster", across: "Across", services: HubServices) -> None:
        from omnyshell.services.hub.across_assembly import assemble_across

        assemble_across(
            across,
            others,
            services,
            nodes=self.nodes,
            sessions=self.sessions,
            audit=self.audit,
            metrics=self.metrics,
            bus=self.bus,
        )
        services.events.join(others.views(self._config.clock))

    async def _listen(self, services: HubServices, certificate: HubCertificate) -> WsServerEndpoint:
        """Bind the port. Raises as `start` does."""
        config = self._config
        make_peer = services.peer_maker(on_login=self._peer_logged_in, on_closed=self._peer_closed)
        endpoint = WsServerEndpoint(
            config.host,
            config.port,
            certificate.current.tls,
            lambda: self._enter(make_peer()),
            config.endpoint,
            responder=services.pages.answer,
            is_known=services.addresses.known.__contains__,
            introductions=self._introductions,
            also_on=config.also_on,
        )
        await endpoint.start()
        # Tunnels may not use the hub's port on any address.
        services.proofs.port_is_bound(endpoint.port)
        self.tunnels.reserve(endpoint.port)
        return endpoint

    def reload(self, config: HubConfig) -> list[str]:
        """Apply new settings without dropping a session; return the changed options that take effect only at a restart.

        Raises `OmnyShellException`, and changes nothing, if the certificate cannot be used, and `RuntimeError` before
        `start`.
        """
        if self._reloading is None:
            raise RuntimeError("the hub is not started")
        return self._reloading.reload(config)

    async def listen(self, config: HubConfig) -> None:
        """Apply new settings as `reload` does, and listen on their `also_on` too; no connection is affected.

        Tunnels that are opened from now on have their ports there, and their `tunnel_public_host`.

        Raises as `reload` does, and `TransportException`, listening where it did before, if an address is not
        available.
        """
        endpoint = self._endpoint
        if endpoint is None:
            raise RuntimeError("the hub is not started")
        # Whoever reaches it by another name from now on is shown a certificate for that.
        self.reload(config)
        await endpoint.listen_also(config.also_on)
        if config.tunnel_ports is not None:
            await self._ports.resolve(_hosts_of_tunnels(config))
        self.tunnels.name_host(config.tunnel_public_host)
        self._tell_listening(config, endpoint)

    def _tell_listening(self, config: HubConfig, endpoint: WsServerEndpoint) -> None:
        where = f"port {endpoint.port} of {' and '.join(host or '*' for host in (config.host, *config.also_on))}"
        logger.info("the hub listens on %s", where)
        self.audit.record("hub.listen", detail=where)

    async def stop(self) -> None:
        """Tell every peer, close every connection, and end every task, within 5 s. Idempotent.

        Where other hubs are there, peers are handed over to those before, which takes as long again at most; a second
        call ends that.
        """
        if self._assembled is not None and not self._is_stopping:
            self._is_stopping = True
            await self._assembled.hand_over.hand_all_over(self._config.clock.monotonic())
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is None:
            return
        await endpoint.stop_accepting()
        self._services.events.close()
        await self.tunnels.close()
        await self._introductions.aclose()
        for peer in list(self._peers):
            peer.close(CLOSE_HUB_STOPPING, "hub stopping")
        if self._peers:
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._all_gone.wait()
            except TimeoutError:
                endpoint.abort_all()
                await asyncio.sleep(0)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        if self._keepalive is not None:
            self._keepalive.close()
        await self._services.admin.aclose()
        for sums in self._sums():
            sums.flush()
        self.audit.record("hub.stop")
        await self._close_records()
        logger.info("hub stopped")

    @property
    def _services(self) -> HubServices:
        if self._assembled is None:
            raise RuntimeError("the hub is not started")
        return self._assembled

    def _tunnel_certificate(self) -> SecureTunnels:
        return self._certificate.tunnels if self._certificate is not None else SecureTunnels()

    def _note_addresses(self, now: float) -> None:
        if self._endpoint is not None:
            self._services.addresses.refused(self._endpoint.strangers.take_refused(), now)

    def _sums(self) -> tuple[ToldInSums, ...]:
        """The parts that audit in sums, in order: the last one also sums up records of the others."""
        services = self._services
        return (
            services.gate,
            services.addresses,
            services.node_service.held_off,
            self.tunnels.refusals,
            services.audit_sums,
        )

    def _why_not_ready(self) -> str:
        if self._endpoint is None:
            return "the hub does not accept connections"
        if self.audit.writer is not None and self.audit.writer.is_failing:
            return "the audit trail cannot be written"
        return ""

    def _enter(self, peer: HubPeer) -> LinkOwner:
        self._peers.add(peer)
        self._all_gone.clear()
        return peer

    def _peer_logged_in(self, peer: HubPeer) -> None:
        self._peers.logged_in(peer)
        self.tunnels.principal_seen(peer.principal, peer.evidence)
        self._services.addresses.known.logged_in(peer.address, peer.principal.id)
        self.bus.publish(PeerEvent(peer.describe(), is_connected=True))
        if self._endpoint is not None and self._keepalive is not None:
            self._endpoint.logged_in(peer.link)
            self._keepalive.watch(peer.link)

    def _peer_closed(self, peer: HubPeer) -> None:
        self._peers.discard(peer)
        if self._across is not None:
            self._across.left(peer)
        if peer.is_logged_in:
            self.bus.publish(PeerEvent(peer.describe(), is_connected=False))
        if not self._peers:
            self._all_gone.set()
        if self._endpoint is not None:
            self._endpoint.closed(peer.link)
        if self._keepalive is not None:
            self._keepalive.forget(peer.link)

    def _tell_notes(self) -> None:
        if self._notes is not None:
            self._notes.tell()

    async def _close_records(self) -> None:
        if self._cluster is not None:
            await self._cluster.aclose()
        await self.audit.aclose()
        if self._notes is not None:
            self._notes.close()
        if self._records is not None:
            await self._records.aclose()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def _sweep(self, services: HubServices, reloading: HubReloading) -> None:
        clock = self._config.clock
        ran = RunningTime(clock.monotonic(), SWEEP_PERIOD)
        steps: tuple[Callable[[float], Iterable[None] | None], ...] = (
            services.hand_over.tick,
            services.node_service.drop_silent,
            services.broker.expire,
            services.requests.expire,
            services.questions.expire,
            services.kept_judge.tick,
            lambda _now: services.records.tick(),
            services.lock_keeper.tick,
            lambda _now: self._tell_notes(),
            self._note_addresses,
            *(each.summarize for each in self._sums()),
            lambda now: services.messages.sweep(ran.of(now)),
            services.relay.sweep,
            lambda now: services.sending.sweep(ran.of(now)),
            self.tunnels.sweep,
            lambda _now: services.quota.forget_quiet(asyncio.get_running_loop().time()),
            reloading.tick,
        )
        while True:
            before = clock.monotonic()
            await asyncio.sleep(SWEEP_PERIOD)
            now = clock.monotonic()
            self.metrics.loop_lag_seconds.observe(max(0.0, now - before - SWEEP_PERIOD))
            services.probe.arm()
            if passed := ran.wake(now):
                services.node_service.postpone(passed)
            if ran.has_to_read_first:
                continue
            for step in steps:
                try:
                    for _ in step(now) or ():
                        # Others have their turn.
                        await asyncio.sleep(0)
                except Exception:
                    # A failing task, as with an embedder's authorizer, must not prevent the others.
                    logger.exception("the hub's upkeep failed")


def _hub_clock(config: HubConfig) -> "HubClock | None":
    """Return the clock of one of several hubs, as its state directory says; a hub alone loads nothing of it."""
    if not is_one_of_several(config.state_dir):
        return None
    from omnyshell.services.hub.cluster.shared.hub_clock import HubClock

    return HubClock(config.clock)


def _hosts_of_tunnels(config: HubConfig) -> tuple[str, ...]:
    return (config.host if config.tunnel_bind_host is None else config.tunnel_bind_host, *config.also_on)
