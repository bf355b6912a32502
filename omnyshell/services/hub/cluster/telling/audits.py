"""Asks other hubs for pages of their audit trails, and decides here what those of other hubs' administrators get."""

import asyncio
from collections.abc import Callable
from itertools import count

import msgspec

from omnyshell.errors import ErrorCodes, OmnyShellException, ProtocolException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.admin import AdminResult, AuditPageRequest, AuditPageResponse
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.cluster.links.link import AnyLink
from omnyshell.services.hub.cluster.links.links import HubLinks
from omnyshell.services.hub.cluster.links.words import AuditAsked, AuditShown
from omnyshell.services.hub.peers.login_gate import AsNow
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.answer import Answer

ANSWER_TIMEOUT = 8.0
"""Seconds in which the other hub answers: less than a client waits."""

Own = Callable[[AuditPageRequest], Answer[AuditPageResponse]]


class AuditsAsked:
    """Between the administrators of a hub, its trail, and the links."""

    def __init__(
        self, links: HubLinks, own: Own, standing: Callable[[], AsNow], audit: AuditLog, codec: FrameCodec
    ) -> None:
        """`own` reads this hub's trail, and `standing` says who somebody is by this hub's own tables."""
        self._links, self._own, self._standing = links, own, standing
        self._audit, self._codec = audit, codec
        self._numbers = count(1)
        self._waiting: dict[int, tuple[AnyLink, Answer[AuditPageResponse], asyncio.TimerHandle]] = {}
        links.on(AuditAsked, self._asked)
        links.on(AuditShown, self._shown)
        links.on_down.append(self._lost)

    def ask(self, ask: AuditPageRequest, peer: Peer) -> Answer[AuditPageResponse]:
        """Ask another hub. Fails with `hub_unreachable` where that is not to be had."""
        answer, link = Answer[AuditPageResponse](), self._links.to(ask.hub)
        if link is None:
            answer.fail(_unreachable(ask.hub))
            return answer
        number, who = next(self._numbers), peer.principal
        timer = asyncio.get_running_loop().call_later(ANSWER_TIMEOUT, self._give_up, number)
        self._waiting[number] = link, answer, timer
        request = msgspec.Raw(encode_control(ask))
        link.say(AuditAsked(number, who.id, tuple(sorted(who.roles)), peer.address, request))
        return answer

    def _give_up(self, number: int) -> None:
        link, answer, timer = self._waiting.pop(number)
        timer.cancel()
        answer.fail(_unreachable(link.hub))

    def _lost(self, link: AnyLink) -> None:
        for number in [number for number, (of, _, _) in self._waiting.items() if of is link]:
            self._give_up(number)

    def _shown(self, link: AnyLink, word: AuditShown) -> None:
        if word.number not in self._waiting or self._waiting[word.number][0] is not link:
            return
        _, answer, timer = self._waiting.pop(word.number)
        timer.cancel()
        try:
            said = self._codec.decode_control(bytes(word.answer)).message
        except ProtocolException as exc:
            answer.fail(exc)
            return
        if isinstance(said, AuditPageResponse) and said.hub == link.hub:
            answer.give(said)
        elif isinstance(said, AdminResult):
            answer.fail(OmnyShellException(said.message or "the hub refused", code=said.code))
        else:
            answer.fail(ProtocolException(f"hub '{link.hub}' answered something else"))

    # What other hubs' administrators ask

    def _asked(self, link: AnyLink, word: AuditAsked) -> None:
        try:
            ask = self._codec.decode_control(bytes(word.request)).message
        except ProtocolException:
            return
        if not isinstance(ask, AuditPageRequest):
            return
        claimed = Principal(PrincipalId(word.principal), frozenset(word.roles))
        known = self._standing()(claimed, None)
        may = known is not None and Principal(known.id, known.roles & claimed.roles).is_admin
        if ask.after == 0 or not may:
            self._audit.record(
                "admin.read" if may else ask.TYPE,
                "ok" if may else "denied",
                principal=word.principal,
                address=word.address,
                detail=f"{ask.TYPE}, over hub {link.hub}",
            )
        if not may:
            text = "only administrators of that hub may read its audit"
            self._answer(link, word, _refusal(ask, OmnyShellException(text, code=ErrorCodes.NOT_AUTHORIZED)))
            return
        self._own(ask).then(
            lambda page: self._answer(link, word, page),
            lambda problem: self._answer(link, word, _refusal(ask, problem)),
        )

    @staticmethod
    def _answer(link: AnyLink, word: AuditAsked, message: ControlMessage) -> None:
        link.say(AuditShown(word.number, msgspec.Raw(encode_control(message))))


def _refusal(ask: AuditPageRequest, problem: OmnyShellException) -> AdminResult:
    return AdminResult(request_id=ask.request_id, code=problem.code, message=problem.message)


def _unreachable(hub: str) -> OmnyShellException:
    return OmnyShellException(
        f"hub '{hub}' cannot be reached from the one that was asked", code=ErrorCodes.HUB_UNREACHABLE
    )
