"""The hub's service for nodes: registration and heartbeats (docs/protocol.md#nodes), and answers of nodes."""

import logging
from collections.abc import Callable
from functools import partial

from msgspec import structs

from omnyshell.clock import Clock
from omnyshell.errors import AuthorizationException, ErrorCodes, OmnyShellException, ProtocolException
from omnyshell.model.hubs import OtherHub
from omnyshell.printable import printable
from omnyshell.protocol.extensions import EPOCHS, HUBS, PLACE_PROOFS
from omnyshell.protocol.handshake import (
    CLOSE_HEARTBEAT_TIMEOUT,
    CLOSE_REPLACED,
    CLOSE_TRY_AGAIN_LATER,
    HELD_OFF,
    REPLACED,
)
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeCapabilitiesMessage,
    NodeHeartbeat,
    NodeHeartbeatAck,
    NodeRegister,
    NodeRegistered,
    ProtocolError,
)
from omnyshell.security.place_proof import process_name
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.departed import DepartedNodes
from omnyshell.services.hub.nodes.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.nodes.held_off import HeldOff
from omnyshell.services.hub.nodes.pending import PendingRegistrations
from omnyshell.services.hub.nodes.place_questions import ask_for_proof
from omnyshell.services.hub.nodes.places import ElsewhereException, Places, Prover, Served, UnprovenException
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.nodes.takeovers import Claimant, Displacement, Takeovers
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.revocation.lock_keeper import LockKeeper
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.kept_judge import KeptSessionJudge
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.steps import step

MOST_DROPPED = 200
"""Silent nodes that are dropped in one step, of which there are two a second."""

GOING = "this hub hands its nodes over to other hubs"
LOST_PLACE = "the hub lost this node's place among the hubs"

logger = logging.getLogger("omnyshell.hub")


class NodeService:
    """Handles nodes' messages."""

    def __init__(
        self,
        *,
        registry: NodeRegistry,
        heartbeats: HeartbeatMonitor[Peer],
        broker: HubBroker,
        requests: RelayedRequests,
        tunnels: TunnelBroker,
        questions: NodeQuestions,
        kept_judge: KeptSessionJudge,
        lock_keeper: LockKeeper,
        departed: DepartedNodes,
        takeovers: Takeovers,
        audit: AuditLog,
        metrics: HubMetrics,
        clock: Clock,
        places: Places | None = None,
        others: Callable[[], tuple[OtherHub, ...]] = tuple,
        hands_over: Callable[[], bool] = lambda: False,
        on_other_labels: Callable[[str], None] = lambda _node_id: None,
    ) -> None:
        """`places` are those of a hub that is one of several; a hub alone asks nobody.

        `others` returns the other hubs, and `hands_over` whether nodes are handed over to those.
        `on_other_labels` is called to check again what is open at a node whose labels changed.
        """
        self._on_other_labels = on_other_labels
        self._registry = registry
        self._places = places
        self._others, self._hands_over = others, hands_over
        self._pending = PendingRegistrations(clock)
        self._heartbeats = heartbeats
        self._broker = broker
        self._requests = requests
        self._tunnels = tunnels
        self._questions = questions
        self._kept_judge = kept_judge
        self._lock_keeper = lock_keeper
        self._departed = departed
        self._takeovers = takeovers
        self._audit = audit
        self.held_off = HeldOff(audit)
        self._metrics = metrics
        self._clock = clock

    def left(self, peer: Peer) -> None:
        """End the sessions and tunnels of a node's connection, without those of a newer registration of the id.

        Idempotent.
        """
        self._pending.forget(peer)
        self._heartbeats.forget(peer)
        node = self._registry.remove(peer)
        self._end_routes(peer)
        displaced = self._takeovers.ended(peer, answered=peer.has_said_goodbye)
        if displaced is not None:
            self._displaced(peer, displaced)
        if node is not None:
            self._gone(node, peer)
            self._record("node.offline", peer, node.node_id)

    def postpone(self, by: float) -> None:
        """Extend nodes' deadlines by seconds, as the hub itself was blocked."""
        self._heartbeats.postpone(by)

    def drop_silent(self, now: float) -> None:
        """Drop nodes whose heartbeat, or whose answer about their id, is overdue; `now` on the monotonic clock."""
        self._pending.expire(now)
        for peer in self._heartbeats.expired(now, MOST_DROPPED):
            self._metrics.heartbeat_timeouts += 1
            node = self._registry.remove(peer)
            if node is not None:
                self._gone(node, peer)
            self._record("node.timeout", peer, node.node_id if node is not None else "", outcome="error")
            self._end_routes(peer)
            peer.close(CLOSE_HEARTBEAT_TIMEOUT, "heartbeat timeout")

    def register(self, peer: Peer, message: NodeRegister, channel: int) -> None:
        """Register a node, also again; a connection that may not have the id gets an error, or loses the id."""
        if self._pending.is_asked(peer):
            self._pending.hold(peer, partial(self.register, peer, message, channel))
            return
        if self._hands_over() and self._registry.of_peer(peer) is None:
            peer.close(CLOSE_TRY_AGAIN_LATER, GOING)
            return
        asked = message.node_id[:LONGEST_NAME]
        step(logger, "registration asked for", peer=peer.id, principal=peer.principal.id, node_id=asked)
        if self._lock_keeper.turns_away(peer, message.node_id):
            return
        try:
            checked, claim = self._registry.ask(peer, message)
        except ProtocolException as exc:
            peer.send(ProtocolError(code=ErrorCodes.BAD_REQUEST, message=str(exc)))
        except AuthorizationException as exc:
            self._reject(peer, asked, exc)
        else:
            taken, refused = partial(self._claimed, peer, checked), partial(self._unclaimed, peer, asked)
            self._pending.ask(peer, claim, taken, refused)

    def _reject(self, peer: Peer, node_id: str, why: AuthorizationException) -> None:
        self._record("node.rejected", peer, node_id, outcome="denied", reason=why.message)
        self.left(peer)
        peer.fail(ErrorCodes(why.code), why.message)

    def _unclaimed(self, peer: Peer, node_id: str, problem: OmnyShellException) -> None:
        if isinstance(problem, ChangeRefusedException):
            self._reject(peer, node_id, AuthorizationException("This node id belongs to another principal"))
            return
        if problem.code == ErrorCodes.ENGINE_AWAY:
            self.left(peer)
            peer.send_away(CLOSE_TRY_AGAIN_LATER, problem.message)
            return
        # For example a full disk: no id is given away without a record of its owner.
        logger.error("cannot register node %r: %s", node_id, problem)
        peer.fail(ErrorCodes.INTERNAL_ERROR, "The hub cannot keep its records")

    def _claimed(self, peer: Peer, message: NodeRegister, _number: int) -> None:
        """Register a node whose id belongs to its principal.

        The answer may have taken a while, so the present holder is looked up here.
        """
        if self._lock_keeper.turns_away(peer, message.node_id):
            return
        holder = self._other_holder(peer, message)
        is_alive = holder is not None and self._is_alive(holder.peer)
        if holder is not None and not self._may_take(holder, peer, message, is_alive=is_alive):
            self._hold_off(holder, peer)
            return
        if self._places is None:
            self._enter(peer, message, is_alive=is_alive)
            return
        wanted = Served(message.node_id, process_of(peer, message), message.epoch or 0)
        taken, refused = partial(self._placed, peer, message), partial(self._unplaced, peer, message)
        leaves = partial(self._let_holder_go, peer, message)
        claim = self._places.claim(wanted, self._prover(peer, message), leaves)
        self._pending.ask(peer, claim, taken, refused)

    def _let_holder_go(self, peer: Peer, message: NodeRegister) -> None:
        """End the connection of another process that has a node id, as it may be served no more from its claim on."""
        holder = self._other_holder(peer, message)
        if holder is not None and process_of(holder.peer, holder.registration) != process_of(peer, message):
            is_alive = self._is_alive(holder.peer)
            self._registry.remove(holder.peer)
            self._replace(holder.peer, holder, RegisteredNode(peer, message), is_alive=is_alive)

    def _placed(self, peer: Peer, message: NodeRegister, epoch: int) -> None:
        """Register a node that has its place among the hubs by an epoch; the answer may have taken a while."""
        message = structs.replace(message, epoch=epoch)
        if not self._lock_keeper.turns_away(peer, message.node_id):
            holder = self._other_holder(peer, message)
            self._enter(peer, message, is_alive=holder is not None and self._is_alive(holder.peer))

    def _unplaced(self, peer: Peer, message: NodeRegister, problem: OmnyShellException) -> None:
        if isinstance(problem, ElsewhereException):
            now, asks = self._clock.monotonic(), str(_claimant(RegisteredNode(peer, message)))
            self.held_off.note(message.node_id, peer.principal.id, peer.address, f"{asks}: {problem.message}", now)
        if isinstance(problem, UnprovenException):
            self._record("node.rejected", peer, message.node_id, outcome="denied", reason=problem.message)
        self.left(peer)
        is_taken = isinstance(problem, ElsewhereException)
        peer.close(CLOSE_TRY_AGAIN_LATER, HELD_OFF if is_taken else problem.message)

    def moved(self, node_id: str, process: str, hub: str) -> None:
        """End the connection of a process that this hub has no more, as it or another one is at that hub, if at any."""
        node = self._registry.find(node_id)
        if node is not None and process_of(node.peer, node.registration) == process:
            logger.info("node %s is sent away: its place is at %s", node_id, hub or "no hub")
            node.peer.send_away(CLOSE_TRY_AGAIN_LATER, HELD_OFF if hub else LOST_PLACE)

    def prover_at(self, node_id: str) -> Prover | None:
        """Return what asks a connected node to prove that it is here; None if it cannot, or is not connected."""
        node = self._registry.find(node_id)
        return self._prover(node.peer, node.registration) if node is not None else None

    def _prover(self, peer: Peer, registration: NodeRegister) -> Prover | None:
        can_prove = PLACE_PROOFS in peer.features and registration.instance
        return partial(ask_for_proof, self._questions, peer) if can_prove else None

    def process_at(self, node_id: str) -> str | None:
        """Return the process of a connected node; None if it is not connected."""
        node = self._registry.find(node_id)
        return process_of(node.peer, node.registration) if node is not None else None

    def served_at(self, node_id: str) -> Served | None:
        """Return a connected node, with its process and the epoch by which this hub took it; None if it is not."""
        node = self._registry.find(node_id)
        return Served(node_id, process_of(node.peer, node.registration), node.epoch) if node is not None else None

    def _enter(self, peer: Peer, message: NodeRegister, *, is_alive: bool) -> None:
        before = self._registry.of_peer(peer)
        node, older = self._registry.enter(peer, message)
        if before is not None and before.node_id != node.node_id:
            self._became_another(before, peer)
        self._heartbeats.register(peer, self._clock.monotonic())
        if older is not None:
            self._replace(older.peer, older, node, is_alive=is_alive)
        self._takeovers.registered(node.node_id, peer.principal.id, _claimant(node))
        self._tunnels.node_registered(peer, node)
        if before is not None and before.labels != node.labels:
            self._on_other_labels(node.node_id)
        if before is None or before.registration != node.registration:
            self._record("node.register", peer, node.node_id)
        step(logger, "node registered", peer=peer.id, principal=peer.principal.id, node_id=node.node_id)
        epoch = node.epoch if self._places is not None and EPOCHS in peer.features else None
        others = self._others() if HUBS in peer.features else ()
        peer.send(NodeRegistered(node_id=node.node_id, assigned_at=self._clock.now(), epoch=epoch, hubs=others))

    def _other_holder(self, peer: Peer, message: NodeRegister) -> RegisteredNode | None:
        """Return the node that holds the id over another connection of the same principal; None if there is none."""
        node = self._registry.find(message.node_id)
        is_other = node is not None and node.peer is not peer and node.peer.principal.id == peer.principal.id
        return node if is_other else None

    def _is_alive(self, peer: Peer) -> bool:
        """Whether anything came from a node lately. Only the time counts, as a node's messages prove nothing."""
        return peer.silent_for < self._heartbeats.alive_for

    def _may_take(self, holder: RegisteredNode, peer: Peer, message: NodeRegister, *, is_alive: bool) -> bool:
        older, newer = _claimant(holder), _claimant(RegisteredNode(peer, message))
        return self._takeovers.may_take(holder.node_id, peer.principal.id, older, newer, alive=is_alive)

    def _hold_off(self, holder: RegisteredNode, peer: Peer) -> None:
        """Refuse a node id that two processes take from each other; the present holder keeps it for now."""
        step(logger, "registration held off", peer=peer.id, node_id=holder.node_id, detail="another process has it")
        now = self._clock.monotonic()
        self.held_off.note(holder.node_id, peer.principal.id, peer.address, str(_claimant(holder)), now)
        self.left(peer)
        peer.close(CLOSE_TRY_AGAIN_LATER, HELD_OFF)

    def _replace(self, peer: Peer, older: RegisteredNode, node: RegisteredNode, *, is_alive: bool) -> None:
        """Close the connection that held a node id so far, and end its sessions and tunnels."""
        self._heartbeats.forget(peer)
        self._end_routes(peer)
        owner, claimants = peer.principal.id, (_claimant(older), _claimant(node))
        lost = self._takeovers.replaced(peer, node.node_id, owner, *claimants, alive=is_alive)
        if lost is not None:
            self._displaced(peer, lost)
        peer.close(CLOSE_REPLACED, f"{REPLACED}, from {node.peer.address}")

    def _became_another(self, before: RegisteredNode, peer: Peer) -> None:
        """End the sessions and tunnels of a connection that changed its id, as they were allowed for the old one."""
        self._gone(before, peer)
        self._record("node.offline", peer, before.node_id)
        self._broker.node_became_another(peer)
        self._requests.node_gone(peer)
        self._questions.node_gone(peer)

    def _gone(self, node: RegisteredNode, peer: Peer) -> None:
        self._departed.note(node, peer)
        self._takeovers.left(node.node_id, _claimant(node))
        if self._places is not None:
            self._places.left(node.node_id, process_of(peer, node.registration))

    def _displaced(self, older: Peer, lost: Displacement) -> None:
        self._audit.record(
            "node.displaced",
            "error",
            principal=older.principal.id,
            address=lost.newer.address,
            node_id=lost.node_id,
            reason="another process registered this node id",
            detail=str(lost),
        )
        logger.warning("two processes use the node id %s: %s", lost.node_id, lost)
        self._registry.announce(lost.node_id)

    def _end_routes(self, peer: Peer) -> None:
        self._broker.node_gone(peer)
        self._requests.node_gone(peer)
        self._questions.node_gone(peer)
        self._tunnels.exposer_gone(peer)

    def capabilities(self, peer: Peer, message: NodeCapabilitiesMessage, channel: int) -> None:
        """Store a node's capabilities. The first time, ask it for its kept sessions."""
        if self._pending.is_asked(peer):
            self._pending.hold(peer, partial(self.capabilities, peer, message, channel))
            return
        node = self._registry.of_peer(peer)
        is_new = node is not None and node.capabilities is None
        if not self._registry.set_capabilities(peer, message):
            self._metrics.frames_dropped += 1
        if is_new and node is not None:
            step(logger, "node said what it serves", peer=peer.id, node_id=node.node_id)
            self._kept_judge.came(node)

    def answered(self, peer: Peer, message: ControlMessage, _channel: int) -> None:
        """Pass an answer to the asker: the hub itself, or a client whose request was relayed."""
        if not self._questions.answered(peer, message):
            self._requests.answer(peer, message)

    def heartbeat(self, peer: Peer, message: NodeHeartbeat, channel: int) -> None:
        """Handle a heartbeat."""
        if self._pending.is_asked(peer):
            self._pending.hold(peer, partial(self.heartbeat, peer, message, channel))
            return
        if self._registry.of_peer(peer) is None:
            self._metrics.frames_dropped += 1
            return
        self._heartbeats.beat(peer, message.seq, self._clock.monotonic())
        peer.send(NodeHeartbeatAck(seq=message.seq, ts=self._clock.now()))

    def _record(self, action: str, peer: Peer, node_id: str, *, outcome: str = "ok", reason: str = "") -> None:
        self._audit.record(
            action, outcome, principal=peer.principal.id, address=peer.address, node_id=node_id, reason=reason
        )


def process_of(peer: Peer, registration: NodeRegister) -> str:
    """Return a name for the process of a registration; one that gives none is another one with each connection."""
    instance = registration.instance
    return process_name(instance) if instance else f"connection {peer.id}"


def _claimant(node: RegisteredNode) -> Claimant:
    given = node.registration
    host = printable(given.platform.hostname[:LONGEST_NAME])
    instance = process_name(given.instance) if given.instance else ""
    return Claimant(instance, node.peer.address, host, given.uid or "")
