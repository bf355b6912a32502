"""Assembles what answers administrators, and joins."""

from collections.abc import Callable

from omnyshell.clock import Clock
from omnyshell.ids import IdFactory
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.admin.audit import AuditAdmin
from omnyshell.services.hub.admin.credentials import CredentialAdmin
from omnyshell.services.hub.admin.draining import Draining
from omnyshell.services.hub.admin.endings import Endings
from omnyshell.services.hub.admin.hub_members import HubMembers
from omnyshell.services.hub.admin.invites import Invites
from omnyshell.services.hub.admin.known import KnownPrincipals
from omnyshell.services.hub.admin.locks import LockAdmin
from omnyshell.services.hub.admin.node_ids import NodeIdAdmin
from omnyshell.services.hub.admin.plans import AdminMember
from omnyshell.services.hub.admin.reads import Everywhere, LiveReads
from omnyshell.services.hub.admin.service import AdminService
from omnyshell.services.hub.admin.trail_pages import TrailPages
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator, HubAuthenticator
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.event_bus import EventBus
from omnyshell.services.hub.inventory.inventory import Inventory
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.hand_over import HandOver
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.peers.login_gate import LoginGate
from omnyshell.services.hub.peers.peer import Peers
from omnyshell.services.hub.peers.proofs import ProofRules
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.tunnels.broker import TunnelBroker


def assemble_admin(
    *,
    records: HubRecords,
    certificate: HubCertificate,
    enrolled: EnrolledAuthenticator,
    authenticator: HubAuthenticator,
    locks: Locks,
    gate: LoginGate,
    proofs: ProofRules,
    inventory: Inventory,
    peers: Peers[HubPeer],
    nodes: NodeRegistry,
    sessions: SessionRouter,
    broker: HubBroker,
    tunnels: TunnelBroker,
    questions: NodeQuestions,
    eviction: Eviction,
    hand_over: HandOver,
    audit: AuditLog,
    bus: EventBus,
    clock: Clock,
    new_id: IdFactory,
    everywhere: Callable[[], Everywhere | None],
) -> AdminService:
    """Return the service with all its members; each is given its neighbours by name.

    `everywhere` returns what is live at all hubs, once there is anything that says it.
    """
    known = KnownPrincipals(store=records.enrolments, enrolled=enrolled, authenticator=authenticator)
    invites = Invites(
        known=known,
        store=records.enrolments,
        locks=locks,
        nodes=nodes,
        owners=records.owners,
        certificate=certificate,
        clock=clock,
        new_id=new_id,
    )
    hub_members = HubMembers()
    members: list[AdminMember] = [
        LiveReads(inventory, everywhere),
        AuditAdmin(audit),
        Draining(hand_over, clock),
        CredentialAdmin(known=known, store=records.enrolments, locks=locks, clock=clock, new_id=new_id),
        NodeIdAdmin(records.enrolments, records.owners, nodes),
        Endings(
            peers=peers,
            eviction=eviction,
            sessions=sessions,
            broker=broker,
            nodes=nodes,
            questions=questions,
            tunnels=tunnels,
            bus=bus,
            everywhere=everywhere,
        ),
        LockAdmin(
            locks=locks,
            known=known,
            peers=peers,
            nodes=nodes,
            owners=records.owners,
            clock=clock,
            new_id=new_id,
        ),
        invites,
        hub_members,
    ]
    return AdminService(
        members,
        invites=invites,
        pages=TrailPages(audit),
        hub_members=hub_members,
        gate=gate,
        proofs=proofs,
        eviction=eviction,
        log=records.log,
        audit=audit,
    )
