"""A hub hands its peers over to others at an admin's word."""

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes
from omnyshell.protocol.messages.admin import HubDrain, HubDrainingRequest, HubDrainingResponse
from omnyshell.services.hub.admin.plans import AdminRefusedException, Plan, Plans, Reads, done
from omnyshell.services.hub.peers.hand_over import HandOver
from omnyshell.services.hub.peers.peer import Peer

LONGEST = 3600
"""Seconds over which it may be spread."""

NOBODY = (
    "no other hub was heard of lately that says by 'public-url' where peers reach it, and takes them: "
    "nobody could go anywhere"
)


class Draining:
    """Begins and ends the handing over, and says who is left."""

    def __init__(self, hand_over: HandOver, clock: Clock) -> None:
        self._hand_over = hand_over
        self._clock = clock
        self.reads: Reads = {HubDrainingRequest: self._remaining}
        self.plans: Plans = {HubDrain: self._drain}

    def _drain(self, ask: HubDrain, _admin: Peer) -> Plan:
        if ask.ends:
            return done("hub.drain", {"detail": "the hub takes peers again"}, ask.request_id, self._hand_over.end)
        if not 0 <= ask.within <= LONGEST:
            raise AdminRefusedException(f"within must be 0 to {LONGEST}")
        if not self._hand_over.is_any_there():
            raise AdminRefusedException(NOBODY, code=ErrorCodes.HUB_UNREACHABLE)
        remaining = self._hand_over.remaining()
        detail = f"within {ask.within} s: {remaining.nodes} nodes, {remaining.clients} clients"
        begin = self._hand_over.begin
        return done("hub.drain", {"detail": detail}, ask.request_id, lambda: begin(ask.within, self._clock.monotonic()))

    def _remaining(self, ask: HubDrainingRequest) -> HubDrainingResponse:
        nodes, clients = self._hand_over.remaining()
        return HubDrainingResponse(
            request_id=ask.request_id, drains=self._hand_over.is_under_way, nodes=nodes, clients=clients
        )
