"""The part of a hub's assembly that has sessions go over two hubs; a hub alone does not load it."""

from functools import partial

from omnyshell.protocol.extensions import OF_HUB
from omnyshell.protocol.messages import (
    ActiveSessionDetachRequest,
    ControlMessage,
    DetachedSessionKillRequest,
    DetachedSessionsRequest,
    SessionScreenRequest,
)
from omnyshell.protocol.messages.admin import register
from omnyshell.protocol.messages.history import SessionHistoryRequest
from omnyshell.protocol.messages.vitals import SessionProcessesRequest
from omnyshell.services.hub.assembly import HubServices
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.cluster.across.about import written
from omnyshell.services.hub.cluster.across.across import Across
from omnyshell.services.hub.cluster.across.clients_away import AwayServices
from omnyshell.services.hub.cluster.across.visitors import HereServices
from omnyshell.services.hub.cluster.hub_in_cluster import HubInCluster
from omnyshell.services.hub.cluster.telling.audits import AuditsAsked
from omnyshell.services.hub.ground.event_bus import EventBus, HubEvent, NodeEvent
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.message_table import hub_codec
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.handlers import Handler
from omnyshell.services.hub.sessions.router import SessionRouter

_RELAYED: tuple[type[ControlMessage], ...] = (
    DetachedSessionsRequest,
    DetachedSessionKillRequest,
    ActiveSessionDetachRequest,
    SessionScreenRequest,
    SessionHistoryRequest,
)


def assemble_across(
    across: Across,
    others: HubInCluster,
    services: HubServices,
    *,
    nodes: NodeRegistry,
    sessions: SessionRouter,
    audit: AuditLog,
    metrics: HubMetrics,
    bus: EventBus,
) -> None:
    """Have this hub say what it has, hear of the others, and have sessions go over links."""
    others.serve(
        connected=nodes.online,
        served=services.node_service.served_at,
        moved=services.node_service.moved,
        described=partial(_describe, nodes),
        prover=services.node_service.prover_at,
        keys_of=services.keys_of_owner,
        is_owned=services.records.owners.owners().__contains__,
        deny=services.deny,
        lift=services.lift,
        own_files=services.digests_of_files,
        audit=audit,
    )
    others.clock.on_found.append(services.judge_ends_anew)
    places = others.places

    def epoch_of(node_id: str) -> int | None:
        process = services.node_service.process_at(node_id)
        return places.epoch_here(node_id, process) if process is not None else None

    requests: dict[type[ControlMessage], Handler] = dict.fromkeys(_RELAYED, services.requests.ask)
    requests[SessionProcessesRequest] = services.processes.ask
    here = HereServices(
        hub=others.hub,
        standing=services.gate.standing,
        applied=others.known,
        catch_up=others.knows,
        epoch_of=epoch_of,
        open=services.broker.open_as,
        lacks_right=services.broker.lacks_right,
        requests=requests,
        left=services.client_service.left,
        audit=audit,
        metrics=metrics,
        codec=hub_codec(),
    )
    away = AwayServices(
        broker=services.broker,
        router=sessions,
        requests=services.requests,
        questions=services.questions,
        applied=others.known,
    )
    others.reach(across, here, away)
    pages = services.admin.pages
    pages.hub, pages.hubs = others.hub, others.hubs
    services.admin.hub_members.membership = others.membership()
    # With the answers too, which a hub hears from no peer.
    codec = register(hub_codec())
    pages.elsewhere = AuditsAsked(others.links, pages.own, services.gate.standing, audit, codec).ask
    bus.listen(partial(_tell_others, others))


def _describe(nodes: NodeRegistry, node_id: str) -> bytes:
    """Return what other hubs are told of a node of this hub; nothing if it is not connected."""
    node = nodes.find(node_id)
    return written(node, OF_HUB) if node is not None else b""


def _tell_others(others: HubInCluster, event: HubEvent) -> None:
    if isinstance(event, NodeEvent):
        others.places.changed(event.node_id)
