"""What runs in sessions on a node, for their owners and for who may see others' (docs/extensions.md#vitals)."""

from collections import Counter

from msgspec.structs import replace

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException, OmnyShellTimeoutException
from omnyshell.model.vitals import SessionProcess
from omnyshell.protocol.extensions import VITALS
from omnyshell.protocol.messages.vitals import (
    LONGEST_COMMAND,
    MOST_PROCESSES,
    NodeSessionProcessesRequest,
    NodeSessionProcessesResponse,
    SessionProcessesRequest,
    SessionProcessesResponse,
)
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.rights import right_taken
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.audit.secrets import mask_line
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.looks import Looks
from omnyshell.services.hub.sessions.relayed_requests import MAX_AUDITED_REASON
from omnyshell.services.hub.sessions.request_kinds import NODE_OFFLINE, NOT_AUTHORIZED, TIMED_OUT, TOO_MANY

ACTION = "session.processes"
NOT_TOLD = "The node does not tell of processes"

MOST_ASKED = 4
"""The most questions of one client that wait for nodes."""

MOST_LEFT_OUT = 2**31 - 1
"""The largest number of left out processes. A node may say any, and what is added to it has to fit as well."""

RIGHT = right_taken(SessionProcessesRequest)


class SessionProcesses:
    """Asks nodes, and answers each client: authorizes and audits it, and hides likely secrets."""

    def __init__(
        self, *, nodes: NodeDirectory, policy: HubPolicy, questions: NodeQuestions, audit: AuditLog, clock: Clock
    ) -> None:
        self._nodes = nodes
        self._policy = policy
        self._questions = questions
        self._audit = audit
        self._looks = Looks(clock)
        self._asked: Counter[FarEnd] = Counter()

    def left(self, client: Peer) -> None:
        """Forget a connection that ended. Idempotent."""
        self._looks.left(client)
        self._asked.pop(client, None)

    def ask(self, client: Peer, request: SessionProcessesRequest, _channel: int) -> None:
        """Ask a node, or answer at once."""
        node = self._nodes.find(request.node_id)
        if node is None or not node.peer.is_open:
            self._refuse(client, request, NODE_OFFLINE)
        elif (denial := self._denial(client, request.node_id)) is not None:
            self._refuse(client, request, denial)
        elif VITALS not in node.peer.features:
            self._refuse(client, request, NOT_TOLD)
        elif self._asked[client] >= MOST_ASKED:
            self._refuse(client, request, TOO_MANY)
        else:
            self._pass_on(client, request, node)

    def _denial(self, client: Peer, node_id: str) -> str | None:
        """Why the client may not look at sessions there; None if it may."""
        node = self._nodes.find(node_id)
        decision = self._policy.decide(client.principal, RIGHT, node)
        return None if decision.allowed else NOT_AUTHORIZED + self._policy.reason(client.principal, node, decision)

    def _sees_others(self, client: Peer, node_id: str) -> bool:
        return self._policy.decide(client.principal, Action.OTHERS, self._nodes.find(node_id)).allowed

    def _pass_on(self, client: Peer, request: SessionProcessesRequest, node: ReachableNode) -> None:
        self._asked[client] += 1
        whose = "" if self._sees_others(client, request.node_id) else client.principal.id

        def take(answer: NodeSessionProcessesResponse | SessionProcessesResponse) -> None:
            if self._is_answered(client):
                self._tell(client, request, answer, is_everyones=not whose)

        def fail(error: OmnyShellException) -> None:
            if self._is_answered(client):
                self._refuse(
                    client, request, TIMED_OUT if isinstance(error, OmnyShellTimeoutException) else NODE_OFFLINE
                )

        if node.peer.hub:
            self._questions.ask(
                node.peer,
                lambda id_: replace(request, request_id=id_),
                SessionProcessesResponse,
                take,
                fail,
                lambda asked: node.ask(client, asked, asked),
            )
            return
        self._questions.ask(
            node.peer,
            lambda id_: NodeSessionProcessesRequest(request_id=id_, principal=whose),
            NodeSessionProcessesResponse,
            take,
            fail,
        )

    def _is_answered(self, client: Peer) -> bool:
        """Count a question less; return whether its client is still there."""
        if not client.is_open or client not in self._asked:
            return False
        self._asked[client] -= 1
        return True

    def _tell(
        self,
        client: Peer,
        request: SessionProcessesRequest,
        answer: NodeSessionProcessesResponse | SessionProcessesResponse,
        *,
        is_everyones: bool,
    ) -> None:
        # Rights may have changed while the node was asked.
        denial = self._denial(client, request.node_id)
        if denial is None and is_everyones and not self._sees_others(client, request.node_id):
            denial = NOT_AUTHORIZED
        if denial is not None:
            self._refuse(client, request, denial)
            return
        if not answer.ok:
            # In the node's words. Even where they read like a denial it is an error, as only the hub denies.
            self._refuse(client, request, answer.message or NOT_TOLD, "error")
            return
        told = answer.processes[:MOST_PROCESSES]
        self._record(client, request, "ok")
        client.send(
            SessionProcessesResponse(
                request_id=request.request_id,
                ok=True,
                processes=tuple(map(_masked, told)),
                left_out=min(answer.left_out + len(answer.processes) - len(told), MOST_LEFT_OUT),
            )
        )

    def _refuse(self, client: Peer, request: SessionProcessesRequest, text: str, outcome: str = "") -> None:
        """Refuse a request; what was denied is told by the text, unless the outcome is given."""
        outcome = outcome or ("denied" if text.startswith(NOT_AUTHORIZED) else "error")
        reason = NOT_AUTHORIZED if outcome == "denied" else text[:MAX_AUDITED_REASON]
        self._record(client, request, outcome, reason)
        client.send(SessionProcessesResponse(request_id=request.request_id, message=text))

    def _record(self, client: Peer, request: SessionProcessesRequest, outcome: str, reason: str = "") -> None:
        node_id = request.node_id[:LONGEST_NAME]
        if not self._looks.repeats(client, (node_id, outcome, reason)):
            self._audit.record(
                ACTION,
                outcome,
                principal=client.principal.id,
                address=client.address,
                node_id=node_id,
                reason=reason,
                detail=RIGHT if outcome == "denied" else "",
            )


def _masked(process: SessionProcess) -> SessionProcess:
    return replace(process, command=mask_line(process.command[:LONGEST_COMMAND]))
