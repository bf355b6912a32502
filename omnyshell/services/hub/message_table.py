"""The table of all messages that a hub accepts from peers, and their handlers.

A row maps a role and a message to a method of the room that handles it, which gets the peer, the message and its
channel. If a message that a role may send has no row, the hub does not start (`whole_table`).
"""

from omnyshell.protocol.codec import FrameCodec, standard_messages
from omnyshell.protocol.messages import (
    ActiveSessionDetachRequest,
    AiConfigRequest,
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelPaint,
    ChannelResize,
    ChannelSignal,
    ChannelWindow,
    DetachedSessionKillRequest,
    DetachedSessionsRequest,
    DriveCredentialRequest,
    HttpProxyRequest,
    NodeActiveSessionDetachResponse,
    NodeCapabilitiesMessage,
    NodeDetachedSessionKillResponse,
    NodeDetachedSessionsResponse,
    NodeHeartbeat,
    NodeListRequest,
    NodeRegister,
    NodeSessionDetached,
    NodeSessionOpened,
    NodeSessionRejected,
    NodeSessionScreenResponse,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
    SessionDetachRequest,
    SessionOpen,
    SessionScreenRequest,
    TunnelCloseRequest,
    TunnelListRequest,
    TunnelOpenRequest,
)
from omnyshell.protocol.messages.admin import AccessRequest
from omnyshell.protocol.messages.base import Role
from omnyshell.protocol.messages.clipboard import SessionClipboard
from omnyshell.protocol.messages.events import EventsSubscribe, EventsUnsubscribe, NodeLiveSessionsResponse
from omnyshell.protocol.messages.extending import extension_messages
from omnyshell.protocol.messages.forwards import ForwardCloseRequest, ForwardDial, ForwardsRequest
from omnyshell.protocol.messages.history import NodeSessionHistoryResponse, SessionHistoryRequest
from omnyshell.protocol.messages.places import NodePlaceResponse
from omnyshell.protocol.messages.vitals import (
    NodeSessionProcessesResponse,
    NodeVitalsResponse,
    SessionProcessesRequest,
    VitalsLook,
)
from omnyshell.services.hub.admin.access_answers import AccessAnswers
from omnyshell.services.hub.admin.service import AdminService
from omnyshell.services.hub.client_service import ClientService
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.node_service import NodeService
from omnyshell.services.hub.peers.handlers import Handlers, MessageTable, to_owner, whole_table
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.forwards import ForwardAnswers
from omnyshell.services.hub.sessions.processes import SessionProcesses
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.tunnels.broker import TunnelBroker

EXTENDING = extension_messages()
"""The messages of extensions that a hub decodes, besides those that every codec knows."""

KNOWN = (*standard_messages(), *EXTENDING)

MAX_VALUES_TO_HUB = 100_000
"""JSON values in one message: a list of 5,000 sessions has half as many. Decoding more would block the hub for over 10
ms."""


def hub_codec() -> FrameCodec:
    """Return a codec for all messages of the table."""
    return FrameCodec(max_values=MAX_VALUES_TO_HUB).learn(EXTENDING)


def message_table(
    *,
    node_service: NodeService,
    client_service: ClientService,
    broker: HubBroker,
    relayed: RelayedRequests,
    processes: SessionProcesses,
    forwards: ForwardAnswers,
    tunnels: TunnelBroker,
    metrics: HubMetrics,
    events: EventsService,
    admin: AdminService,
    access: AccessAnswers,
) -> MessageTable:
    """Return the handlers of each role's messages. Raises `ValueError` as `whole_table` does."""
    owner = to_owner(metrics)
    of_nodes: Handlers = {
        NodeRegister: node_service.register,
        NodeCapabilitiesMessage: node_service.capabilities,
        NodeHeartbeat: node_service.heartbeat,
        NodeSessionOpened: owner,
        NodeSessionRejected: owner,
        NodeSessionDetached: owner,
        NodeTunnelConnected: owner,
        NodeTunnelConnectFailed: owner,
        ChannelClose: owner,
        ChannelEof: owner,
        ChannelExit: owner,
        ChannelPaint: owner,
        ChannelWindow: owner,
        NodeDetachedSessionsResponse: node_service.answered,
        NodeDetachedSessionKillResponse: node_service.answered,
        NodeActiveSessionDetachResponse: node_service.answered,
        NodeSessionScreenResponse: node_service.answered,
        NodeSessionHistoryResponse: node_service.answered,
        NodeLiveSessionsResponse: node_service.answered,
        NodeVitalsResponse: node_service.answered,
        NodePlaceResponse: node_service.answered,
        NodeSessionProcessesResponse: node_service.answered,
    }
    of_clients: Handlers = {
        NodeListRequest: client_service.list_nodes,
        SessionOpen: broker.open,
        SessionDetachRequest: owner,
        SessionClipboard: owner,
        ChannelClose: owner,
        ChannelEof: owner,
        ChannelResize: owner,
        ChannelSignal: owner,
        ChannelWindow: owner,
        DetachedSessionsRequest: relayed.ask,
        DetachedSessionKillRequest: relayed.ask,
        ActiveSessionDetachRequest: relayed.ask,
        SessionScreenRequest: relayed.ask,
        SessionHistoryRequest: relayed.ask,
        ForwardsRequest: forwards.list_requested,
        ForwardCloseRequest: forwards.close_requested,
        ForwardDial: owner,
        TunnelOpenRequest: tunnels.open,
        TunnelCloseRequest: tunnels.close_requested,
        TunnelListRequest: tunnels.list_requested,
        NodeTunnelConnected: owner,
        NodeTunnelConnectFailed: owner,
        EventsSubscribe: events.subscribe,
        EventsUnsubscribe: events.unsubscribe,
        VitalsLook: events.look,
        SessionProcessesRequest: processes.ask,
        AccessRequest: access.asked,
        AiConfigRequest: client_service.configure_ai,
        HttpProxyRequest: client_service.proxy_http,
        DriveCredentialRequest: client_service.give_drive_credential,
    }
    of_admins: Handlers = dict.fromkeys(admin.requests, admin.requested)
    return whole_table(KNOWN, [{Role.NODE: of_nodes}, {Role.CLIENT: of_clients}, {Role.CLIENT: of_admins}])
