"""Answers the hub's requests about a principal's sessions (docs/protocol.md#detached-sessions)."""

import base64
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from omnyshell.errors import SessionRejectedException
from omnyshell.ids import normal_id
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeActiveSessionDetach,
    NodeActiveSessionDetachResponse,
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionKillResponse,
    NodeDetachedSessionsRequest,
    NodeDetachedSessionsResponse,
    NodeSessionScreenRequest,
    NodeSessionScreenResponse,
)
from omnyshell.protocol.messages.events import NodeLiveSessionsRequest, NodeLiveSessionsResponse
from omnyshell.protocol.messages.history import (
    MOST_BYTES,
    MOST_LINES,
    NodeSessionHistoryRequest,
    NodeSessionHistoryResponse,
)
from omnyshell.services.node.keeper.usage import Usage
from omnyshell.services.node.screens.pump import Painting
from omnyshell.services.node.sessions.fitting import fitting
from omnyshell.services.node.sessions.references import NOT_FOUND, find_session
from omnyshell.services.node.sessions.registry import NodeSessions, asker_of
from omnyshell.services.node.sessions.session import NodeSession
from omnyshell.services.node.sessions.usage_reader import Finish, UsageReader
from omnyshell.terminal.painting.lines import painting_lines

Reply = Callable[[ControlMessage], None]

TOO_LARGE = "The screen is too large to be shown here: resume the session"


def _read_nothing(finish: Finish) -> None:
    finish({})


class SessionAnswers:
    """Answers each request through the `reply` that comes with it, at once or when a screen has been emulated."""

    def __init__(self, sessions: NodeSessions, node_id: str, usage: UsageReader) -> None:
        self._sessions = sessions
        self._usage = usage
        self._node_id = node_id
        self.handlers: Mapping[type[ControlMessage], Callable[[Any, Reply], None]] = {
            NodeDetachedSessionsRequest: self._list,
            NodeLiveSessionsRequest: self._list_all,
            NodeDetachedSessionKillRequest: self._kill,
            NodeActiveSessionDetach: self._detach,
            NodeSessionScreenRequest: self._screen,
            NodeSessionHistoryRequest: self._history,
        }

    def _list(self, ask: NodeDetachedSessionsRequest, reply: Reply) -> None:
        def tell(infos: tuple[DetachedSessionInfo, ...]) -> None:
            reply(NodeDetachedSessionsResponse(request_id=ask.request_id, sessions=infos))

        self._describe(self._sessions.shells_of(ask.principal), tell, usage=ask.usage)

    def _list_all(self, ask: NodeLiveSessionsRequest, reply: Reply) -> None:
        found = self._sessions.running() if ask.commands else self._sessions.shells()

        def tell(infos: tuple[DetachedSessionInfo, ...]) -> None:
            reply(NodeLiveSessionsResponse(request_id=ask.request_id, sessions=infos))

        self._describe(found, tell, usage=ask.usage)

    def _describe(
        self, sessions: list[NodeSession], tell: Callable[[tuple[DetachedSessionInfo, ...]], None], *, usage: bool
    ) -> None:
        """Tell of sessions, once it is known what runs in all of them, and what they take if that is asked for."""

        def looked(found: Mapping[str, Usage]) -> None:
            running = sorted((each for each in sessions if each.is_running), key=lambda session: session.created_at)
            tells_users = self._sessions.tells_users
            infos = [session.describe(self._node_id, tells_user=tells_users) for session in running]
            tell(fitting([replace(info, **found.get(info.session_id, Usage())._asdict()) for info in infos]))

        read = self._usage.read if usage else _read_nothing
        _when_all([session.look for session in sessions], lambda: read(looked))

    def _kill(self, ask: NodeDetachedSessionKillRequest, reply: Reply) -> None:
        answer = NodeDetachedSessionKillResponse(request_id=ask.request_id)
        try:
            session = self._find_killable(ask.principal, ask.session_ref)
        except SessionRejectedException as exc:
            answer.message = exc.message
        else:
            session.kill()
            answer.ok = True
            answer.message = f"Session {session.short_id} was ended"
        reply(answer)

    def _find_killable(self, principal: str, ref: str) -> NodeSession:
        """Find a shell by any reference, or a command, which no listing shows, by its full id."""
        for session in self._sessions.running():
            if session.owner == principal and normal_id(session.id) == normal_id(ref):
                return session
        return find_session(self._sessions.shells_of(principal), ref)

    def _detach(self, ask: NodeActiveSessionDetach, reply: Reply) -> None:
        answer = NodeActiveSessionDetachResponse(request_id=ask.request_id)
        try:
            session = self._find_attached(ask.principal, ask.session_ref)
        except SessionRejectedException as exc:
            answer.message = exc.message
        else:
            session.detach(ask.timeout_seconds)
            answer.ok = True
            answer.short_id = session.short_id
        reply(answer)

    def _find_attached(self, principal: str, ref: str) -> NodeSession:
        """Find an attached session; an empty reference means the only attached shell."""
        attached = [session for session in self._sessions.shells_of(principal) if session.is_attached]
        if ref:
            return find_session(attached, ref)
        if not attached:
            raise SessionRejectedException("There is no attached session", code=NOT_FOUND)
        if len(attached) > 1:
            raise SessionRejectedException("Several sessions are attached; say which", code="ambiguous")
        return attached[0]

    def _screen(self, ask: NodeSessionScreenRequest, reply: Reply) -> None:
        try:
            session = self._find_visible(ask.principal, ask.session_ref, with_ended=ask.etag is not None)
        except SessionRejectedException as exc:
            reply(NodeSessionScreenResponse(request_id=ask.request_id, message=exc.message))
            return

        def judged(why: str) -> None:
            if why:
                reply(NodeSessionScreenResponse(request_id=ask.request_id, message=why))
            elif ask.etag and ask.etag == session.etag:
                reply(self._screen_answer(ask, session, None, session.etag))
            else:
                session.when_seen(lambda painting, etag: reply(self._screen_answer(ask, session, painting, etag)))

        session.admit(asker_of(ask.asker, ask.principal), judged)

    def _find_visible(self, principal: str, ref: str, *, with_ended: bool) -> NodeSession:
        """Find a running session or, for a client that uses etags, one that has ended."""
        try:
            return find_session(self._sessions.shells_of(principal), ref)
        except SessionRejectedException as exc:
            if not with_ended or exc.code != NOT_FOUND:
                raise
        return find_session(self._sessions.ended_shells_of(principal), ref)

    @staticmethod
    def _screen_answer(
        ask: NodeSessionScreenRequest, session: NodeSession, painting: Painting | None, etag: str
    ) -> NodeSessionScreenResponse:
        answer = NodeSessionScreenResponse(request_id=ask.request_id, ok=True)
        if painting is not None and painting.is_too_large:
            return NodeSessionScreenResponse(request_id=ask.request_id, message=TOO_LARGE)
        if painting is not None:
            answer.screen = base64.b64encode(painting.data).decode()
            answer.alt_screen = painting.alt_screen
        if ask.history and session.history is not None:
            answer.history_end = session.history.end
        if ask.etag is not None:
            answer.etag = etag
            answer.same = painting is None
            answer.exit_code = session.exit.exit_code if session.exit is not None else None
        return answer

    def _history(self, ask: NodeSessionHistoryRequest, reply: Reply) -> None:
        try:
            session = self._find_visible(ask.principal, ask.session_ref, with_ended=True)
        except SessionRejectedException as exc:
            reply(NodeSessionHistoryResponse(request_id=ask.request_id, message=exc.message))
            return

        def judged(why: str) -> None:
            failed = NodeSessionHistoryResponse(request_id=ask.request_id, message=why or "The node failed")
            if why:
                reply(failed)
            else:
                session.output_stage.when_up_to_date(self._history_answer(ask, session), reply, otherwise=failed)

        session.admit(asker_of(ask.asker, ask.principal), judged)

    @staticmethod
    def _history_answer(
        ask: NodeSessionHistoryRequest, session: NodeSession
    ) -> Generator[None, None, NodeSessionHistoryResponse]:
        answer = NodeSessionHistoryResponse(request_id=ask.request_id, ok=True)
        history = session.history
        if history is None:
            return answer
        before = history.end if ask.before is None else ask.before
        rows, start = yield from history.finding_before(before, max(1, min(ask.lines, MOST_LINES)))
        if rows:
            lines, answer.count = yield from painting_lines(rows, MOST_BYTES)
            answer.lines = base64.b64encode(lines).decode()
            start += len(rows) - answer.count
            answer.before = start if history.has_before(start) else None
        return answer


def _when_all(actions: Sequence[Callable[[Callable[[], None]], None]], then: Callable[[], None]) -> None:
    """Do what follows once all actions have called what they are given; each does that once, now or soon."""
    left = 1 + len(actions)

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            then()

    for action in actions:
        action(done)
    done()
