"""Serves the extension `admin`: checks, audits, does and answers each action, one after another."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from msgspec import structs

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.protocol.extensions import ADMIN, WHOLE_VIEW
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.admin import (
    AdminRequest,
    AdminResult,
    AuditPageRequest,
    JoinAccepted,
    JoinRefused,
    JoinRequest,
)
from omnyshell.security.credentials import LoginContext, dialled_in
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.admin.hub_members import HubMembers
from omnyshell.services.hub.admin.invites import Invites, JoinRefusedException
from omnyshell.services.hub.admin.plans import AdminMember, AdminRefusedException, Plan
from omnyshell.services.hub.admin.trail_pages import TrailPages
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.peers.login_gate import LoginGate
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.peers.proofs import ProofRules
from omnyshell.services.hub.peers.reception import Reception
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import together
from omnyshell.services.hub.truth.log import TruthLog
from omnyshell.services.hub.truth.records import Invite

TOGETHER = 0.1
"""Seconds in which what one connection looks at makes one record."""

QUEUE_LIMIT = 256
"""Actions that may wait for their turn."""

TARGETS = ("hub", "kind", "name", "principal", "roles", "credentialId", "peerId", "sessionRef", "tunnelRef", "inviteId")
"""Fields that name the target of a request, for the audit record of its refusal."""

UNWRITTEN = "The hub cannot keep its records"

logger = logging.getLogger("omnyshell.hub")


class AdminService:
    """Handles requests of admins, and requests to join. Call `start` before use; `aclose` ends its task."""

    def __init__(
        self,
        members: Iterable[AdminMember],
        *,
        invites: Invites,
        pages: TrailPages,
        hub_members: HubMembers,
        gate: LoginGate,
        proofs: ProofRules,
        eviction: Eviction,
        log: TruthLog,
        audit: AuditLog,
    ) -> None:
        """`members`, with `invites` and `hub_members` among them, handle the requests.

        Raises `ValueError` if two handle the same one.
        """
        self._invites = invites
        self.pages = pages
        """Reads the audit trail."""

        self.hub_members = hub_members

        self._gate = gate
        self._proofs = proofs
        self._eviction = eviction
        self._log = log
        self._audit = audit
        self._reads: dict[type[ControlMessage], Callable[[Any], ControlMessage | Answer[ControlMessage]]] = {}
        self._plans: dict[type[ControlMessage], Callable[[Any, Peer], Plan]] = {}
        for member in members:
            self._admit(member)
        self._queue: asyncio.Queue[Callable[[], Any]] = asyncio.Queue(QUEUE_LIMIT)
        self._worker: asyncio.Task[None] | None = None
        self._looks: dict[Peer, dict[str, None]] = {}
        """The requests by which administrators look at lists now."""

    def _admit(self, member: AdminMember) -> None:
        doubles = {*self._reads, *self._plans} & {*member.reads, *member.plans}
        if doubles:
            raise ValueError(f"dealt with twice: {', '.join(sorted(kind.TYPE for kind in doubles))}")
        self._reads.update(member.reads)
        self._plans.update(member.plans)

    @property
    def requests(self) -> tuple[type[ControlMessage], ...]:
        """The requests of administrators, for all of which `requested` is the handler."""
        return (*self._reads, *self._plans, AuditPageRequest)

    def start(self) -> None:
        """Start the task that carries out actions."""
        self._worker = asyncio.create_task(self._work())

    async def aclose(self) -> None:
        """End the task; waiting actions are dropped. Idempotent."""
        for peer in tuple(self._looks):
            self._record_look(peer)
        await self.pages.aclose()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    def join(self, arrival: Reception, request: JoinRequest, context: LoginContext) -> None:
        """Check a request to join. A wrong token is refused like any wrong credential.

        A valid one is accepted despite failed logins from its address: its 256 random bits cannot be guessed.
        """
        if self._invite_for(arrival, request, context) is None:
            return
        # Requests to join leave half of the queue to administrators.
        is_busy = self._queue.qsize() >= QUEUE_LIMIT // 2
        if is_busy or not self._put(lambda: self._join(arrival, request, context)):
            arrival.answer_join(JoinRefused(reason=ErrorCodes.CAPACITY_EXCEEDED, message="The hub is busy; try again"))

    def requested(self, peer: Peer, message: AdminRequest, _channel: int) -> None:
        """Answer a read request at once, and queue an action; both only for administrators."""
        if not peer.principal.is_admin:
            self._record(message.TYPE, "denied", peer, reason=ErrorCodes.NOT_AUTHORIZED, **_target(message))
            _refuse(peer, message, ErrorCodes.NOT_AUTHORIZED, "Only administrators may do this")
        elif isinstance(message, AuditPageRequest):
            self._note_read(peer, message.TYPE)
            self.pages.asked(message, peer).then(partial(_send, peer), partial(_tell_refused, peer, message))
        elif type(message) in self._reads:
            self._read(peer, message)
        elif not self._put(lambda: self._act(peer, message)):
            self._record(message.TYPE, "error", peer, reason=ErrorCodes.CAPACITY_EXCEEDED, **_target(message))
            _refuse(peer, message, ErrorCodes.CAPACITY_EXCEEDED, "Too many requests at once")

    def _read(self, peer: Peer, message: AdminRequest) -> None:
        self._note_read(peer, message.TYPE)
        try:
            answer = self._reads[type(message)](message)
        except OmnyShellException as exc:
            _refuse(peer, message, ErrorCodes.INTERNAL_ERROR, exc.message)
            return
        if isinstance(answer, Answer):
            # Other hubs are asked, of which none can make this fail.
            answer.then(partial(_send, peer), lambda _problem: None)
        else:
            _send(peer, answer)

    def _note_read(self, peer: Peer, kind: str) -> None:
        """Record what somebody looks at, once for all that is asked for together."""
        if peer in self._looks:
            self._looks[peer][kind] = None
        else:
            self._looks[peer] = {kind: None}
            asyncio.get_running_loop().call_later(TOGETHER, self._record_look, peer)

    def _record_look(self, peer: Peer) -> None:
        kinds = self._looks.pop(peer, None)
        if kinds:
            self._record("admin.read", "ok", peer, detail=", ".join(kinds))

    def _put(self, action: Callable[[], Any]) -> bool:
        try:
            self._queue.put_nowait(action)
        except asyncio.QueueFull:
            return False
        return True

    async def _work(self) -> None:
        while True:
            action = await self._queue.get()
            try:
                await action()
            except Exception:
                # A failed action must not prevent the next ones.
                logger.exception("an administrative action failed")

    async def _act(self, peer: Peer, message: AdminRequest) -> None:
        try:
            if not self._eviction.upholds(peer):
                # The admin was locked or revoked while the request waited, so of two admins who lock each other only
                # one is locked.
                raise AdminRefusedException("This login is not good any more", code=ErrorCodes.NOT_AUTHORIZED)
            plan = self._plans[type(message)](message, peer)
        except OmnyShellException as exc:
            target = _target(message)
            target["detail"] = ": ".join(filter(None, (target["detail"], exc.message)))
            self._record(message.TYPE, "error", peer, reason=exc.code, **target)
            _refuse(peer, message, exc.code, exc.message)
            return
        fields = {"principal": peer.principal.id, "address": peer.address, **plan.fields}
        try:
            await self._audit.commit(plan.action, **fields)
        except OmnyShellException as exc:
            _refuse(peer, message, ErrorCodes.INTERNAL_ERROR, exc.message)
            return
        with self._eviction.sparing(peer):
            try:
                answer = await self._do(plan, fields)
            except ChangeRefusedException as exc:
                self._audit.record(plan.action, "error", **{**fields, "reason": exc.code})
                _refuse(peer, message, ErrorCodes.BAD_REQUEST, f"{exc.message}: try again")
            except OmnyShellException as exc:
                _refuse(peer, message, *_unwritten(exc, plan.meanwhile))
            else:
                if answer is not None and peer.is_open:
                    peer.send(answer)

    async def _join(self, arrival: Reception, request: JoinRequest, context: LoginContext) -> None:
        # Look the invite up again: an earlier request in the queue may have used it.
        invite = self._invite_for(arrival, request, context) if arrival.is_open else None
        if invite is None:
            return
        fields = {"address": arrival.address}
        try:
            plan = self._invites.use(request, invite, arrival.role)
            fields.update(plan.fields)
            await self._audit.commit(plan.action, **fields)
        except JoinRefusedException as exc:
            self._audit.record("invite.refused", "denied", **fields, reason=exc.code, detail=invite.id)
            arrival.answer_join(JoinRefused(reason=exc.code, message=exc.message))
            return
        except OmnyShellException as exc:
            arrival.answer_join(JoinRefused(reason=ErrorCodes.INTERNAL_ERROR, message=exc.message))
            return
        try:
            answer = await self._do(plan, fields)
        except ChangeRefusedException as exc:
            # Another use of the invite came first, while this one was being audited.
            self._audit.record("invite.refused", "denied", **{**fields, "reason": exc.code, "detail": invite.id})
            answer = JoinRefused(reason=exc.code, message=f"{exc.message}: try again")
        except OmnyShellException as exc:
            code, text = _unwritten(exc)
            answer = JoinRefused(reason=code, message=text)
        if isinstance(answer, JoinAccepted) and request.host is not None:
            self._proofs.note_bound(Ed25519PublicKey.from_base64(request.public_key).raw)
        arrival.answer_join(answer)  # type: ignore[arg-type]  # the plan of a join makes its answer

    def _invite_for(self, arrival: Reception, request: JoinRequest, context: LoginContext) -> Invite | None:
        """Return the invite of a request to join; if there is none, refuse the arrival."""
        try:
            invite = self._invites.find(request, context) if ADMIN in arrival.features else None
        except OmnyShellException as exc:
            arrival.answer_join(JoinRefused(reason=ErrorCodes.INTERNAL_ERROR, message=exc.message))
            return None
        problem = "wrong join token" if invite is None else self._problem_with_address(request)
        if problem:
            arrival.refuse(self._gate.failed("", arrival.address, problem))
            return None
        return invite

    def _problem_with_address(self, request: JoinRequest) -> str:
        host, port = dialled_in(request.host, request.port)
        return self._proofs.problem_with_address(host, port) if host else ""

    async def _do(self, plan: Plan, fields: dict[str, str]) -> ControlMessage | None:
        """Carry out a plan that was audited.

        Raises `ChangeRefusedException` if the state has changed so that the plan no longer fits, else
        `OmnyShellException` if the hub's state cannot be written.
        """
        try:
            if plan.changes:
                await self._log.append(together(*plan.changes))
            return plan.do()
        except ChangeRefusedException:
            raise
        except OmnyShellException as exc:
            logger.error("%s was audited and could not be done: %s", plan.action, exc)
            self._audit.record(plan.action, "error", **{**fields, "reason": exc.message})
            raise

    def _record(self, action: str, outcome: str, peer: Peer, **fields: str) -> None:
        self._audit.record(action, outcome, principal=peer.principal.id, address=peer.address, **fields)


def _target(message: AdminRequest) -> dict[str, str]:
    """The target of a request, for the audit record of its refusal: its fields with their names, of bounded length."""
    given = message.to_wire()
    node_id = str(given.get("nodeId", ""))[:LONGEST_NAME]
    named = ((name, given[name]) for name in TARGETS if given.get(name))
    shown = ((name, ",".join(value) if isinstance(value, list | tuple) else str(value)) for name, value in named)
    return {"node_id": node_id, "detail": " ".join(f"{name}={text[:LONGEST_NAME]}" for name, text in shown)}


def _unwritten(problem: OmnyShellException, meanwhile: str = "") -> tuple[str, str]:
    """Return the code and the text that say why a change was not written, and what holds while none is."""
    if problem.code == ErrorCodes.ENGINE_AWAY:
        return problem.code, f"{problem.message}; {meanwhile}" if meanwhile else problem.message
    return ErrorCodes.INTERNAL_ERROR, UNWRITTEN


def _send(peer: Peer, answer: ControlMessage) -> None:
    if peer.is_open:
        peer.send(answer if WHOLE_VIEW in peer.features else _without_hubs(answer))


def _without_hubs(answer: ControlMessage) -> ControlMessage:
    """Return a list without the hubs at which its items are."""
    name = getattr(answer, "LISTS", "")
    items = getattr(answer, name, ())
    if not any(getattr(item, "hub", "") for item in items):
        return answer
    return structs.replace(answer, **{name: tuple(structs.replace(item, hub="") for item in items)})


def _tell_refused(peer: Peer, message: AdminRequest, problem: OmnyShellException) -> None:
    _refuse(peer, message, problem.code, problem.message)


def _refuse(peer: Peer, message: AdminRequest, code: str, text: str) -> None:
    if peer.is_open:
        peer.send(AdminResult(request_id=message.request_id, code=code, message=text))
