"""The sessions of a node, which outlive its connections to the hub (docs/protocol.md#detached-sessions)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, OmnyShellException, SessionRejectedException
from omnyshell.model.sessions import PtySpec, SessionAsker, SessionMode
from omnyshell.protocol.byte_text import from_wire, shown
from omnyshell.protocol.messages import NodeSessionOpen, NodeSessionRejected
from omnyshell.services.node.agents.service import AgentService
from omnyshell.services.node.backend import (
    Asker,
    ExpectingBackend,
    LateBackend,
    LeavingBackend,
    PromptStart,
    ShellBackend,
    ShellRequest,
    ShellSession,
)
from omnyshell.services.node.config import NodeConfig
from omnyshell.services.node.files.service import FileService
from omnyshell.services.node.forwards.backend import Forwards
from omnyshell.services.node.keeper.place import keepers_directories
from omnyshell.services.node.records.record import NotedState
from omnyshell.services.node.scarce import not_started
from omnyshell.services.node.screens.pump import ScreenFollower
from omnyshell.services.node.sessions.adoption import adopt
from omnyshell.services.node.sessions.channel_end import ChannelEnd
from omnyshell.services.node.sessions.ended_sessions import EndedSessions
from omnyshell.services.node.sessions.references import NOT_FOUND, find_session
from omnyshell.services.node.sessions.session import NodeSession
from omnyshell.services.node.sessions.stage import Stage
from omnyshell.services.node.sessions.terminal_names import stated_widths
from omnyshell.services.node.ssh.service import SshService
from omnyshell.steps import step
from omnyshell.transport.connection import OmnyShellConnection
from omnyshell.transport.written_together import together

CLOSE_TIMEOUT = 3.0
"""Seconds for all sessions to end when the node stops: they are hung up, and killed 1.5 s later."""

MOST_FORWARDS = 4096
"""The most forwards, and connections of these, at once; no more than that with those that are not used."""

_STOPPING = SessionRejectedException("The node stops", code=ErrorCodes.NODE_OFFLINE)

ScreenFactory = Callable[[int, int, str], ScreenFollower]
"""Makes the screen of a terminal, from its columns, rows and TERM."""

logger = logging.getLogger("omnyshell.node")


class _Start(NamedTuple):
    """A session whose process, or connection, is on its way."""

    session: NodeSession
    future: asyncio.Future[ShellSession]


class NodeSessions:
    """All sessions of a node, across all its connections to the hub."""

    def __init__(self, config: NodeConfig, backend: ShellBackend, clock: Clock, new_screen: ScreenFactory) -> None:
        """The sessions own the backend from now on."""
        self._config = config
        self._backend = backend
        self._expecting = backend if isinstance(backend, ExpectingBackend) else None
        self._forwards = Forwards(config.reachable, keepers_directories(config.state_dir))
        self._ssh = SshService(
            config.node_id,
            config.state_dir,
            config.access.credentials,
            config.refused_variables,
            config.ssh_include,
        )
        self._files = FileService(config.files)
        self.offers_files = self._files.is_offered and not config.commands.is_restricted
        """Whether files can be copied."""

        self._agents = AgentService(is_allowed=config.allow_agent)
        self.offers_agents = config.allow_agent and not config.commands.is_restricted
        """Whether clients may forward their agents."""

        self._clock = clock
        self._new_screen = new_screen
        self._sessions: dict[str, NodeSession] = {}
        self._starting: dict[str, _Start] = {}
        self._ahead: set[str] = set()
        """The ids of connections that were asked for ahead, and are not used yet."""

        self._forwards_now = 0
        """How many forwards, and connections of these, there are."""

        self._ended_sessions = EndedSessions(config.keeping.exec_timeout)
        self._all_ended = asyncio.Event()
        self.tells_users = False
        """Whether the present hub is told as whom sessions run."""

        if isinstance(backend, LateBackend):
            backend.when_late(self.adopt)

    def __len__(self) -> int:
        return len(self._sessions)

    def shells_of(self, principal: str) -> list[NodeSession]:
        """Return the principal's shells, attached or not."""
        return [session for session in self.shells() if session.owner == principal]

    def shells(self) -> list[NodeSession]:
        """Return everyone's shells, attached or not."""
        return [session for session in self.running() if session.is_shell]

    def running(self) -> list[NodeSession]:
        """Return everyone's shells and commands, attached or not."""
        return [session for session in self._sessions.values() if session.is_running]

    def ended_shells_of(self, principal: str) -> list[NodeSession]:
        """Return the principal's shells that ended a short while ago."""
        return [session for session in self._ended_sessions if session.is_shell and session.owner == principal]

    def open(self, connection: OmnyShellConnection, channel_id: int, request: NodeSessionOpen) -> None:
        """Start what the hub asks for, and answer it."""
        asked = {"session_id": request.session_id, "principal": request.principal, "channel": channel_id}
        verb = "resume" if request.resume_session_id is not None else "session"
        step(logger, f"{verb} asked for", mode=request.mode, **asked)
        try:
            self._open(connection, channel_id, request)
        except OmnyShellException as exc:
            step(logger, f"{verb} rejected", reason=exc.code, **asked)
            connection.send(_rejection(request, exc), channel_id)

    async def adopt(self) -> None:
        """Take what an earlier process of this node has left."""
        if not isinstance(self._backend, LeavingBackend):
            return
        left = await self._backend.take_left()
        for each in left:
            request = _as_asked(each.state)
            session = self._new_session(request, self._screen_for(request, each.screen_size))
            self._sessions[session.id] = session
            adopt(session, each)
        if left:
            logger.info("took up %d sessions that an earlier run of this node left", len(left))

    async def close(self) -> None:
        """End every session, and wait until no process of theirs is left; or leave them, where they are kept."""
        await self._finish_starts()
        if isinstance(self._backend, LeavingBackend) and self._backend.leaves:
            await self._leave_all(self._backend)
        else:
            await self._end_all()

    async def _leave_all(self, backend: LeavingBackend) -> None:
        if self._sessions:
            logger.info("sessions that go on without this process: %d", len(self._sessions))
        for session in list(self._sessions.values()):
            if session.mode is SessionMode.FORWARD:
                session.kill_now()
                continue
            if session.stage is Stage.ENDING:
                # Nobody after this process knows that somebody has ended it.
                session.kill_now()
            session.leave_behind()
        self._sessions.clear()
        self._ended_sessions.leave_behind()
        await backend.aleave()

    async def _end_all(self) -> None:
        self._all_ended.clear()
        for session in list(self._sessions.values()):
            session.stop()
        try:
            if self._sessions:
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self._all_ended.wait()
        except TimeoutError:
            for session in list(self._sessions.values()):
                session.kill_now()
        for session in list(self._sessions.values()):
            session.close()
        self._ended_sessions.close()
        await self._backend.aclose()

    async def _finish_starts(self) -> None:
        """Wait for what is being started, as it can only then be ended; not for long. The rest is given up.

        Connections that are being made are given up at once: nothing is left of them.
        """
        self._give_up_starts(SessionMode.FORWARD)
        await self._await_starts()
        self._give_up_starts(*SessionMode)
        await self._await_starts()

    def _give_up_starts(self, *modes: SessionMode) -> None:
        for start in list(self._starting.values()):
            if start.session.mode in modes:
                start.future.cancel()

    async def _await_starts(self) -> None:
        if self._starting:
            await asyncio.wait([start.future for start in self._starting.values()], timeout=CLOSE_TIMEOUT)

    def _open(self, connection: OmnyShellConnection, channel_id: int, request: NodeSessionOpen) -> None:
        if request.resume_session_id is not None:
            found = self._find_resumable(request)
            self._resume(found, _channel_end(found, connection, channel_id, request), connection, request)
            return
        self._check_room(request)
        if self._expecting is not None and request.mode is not SessionMode.FORWARD:
            self._expecting.expect(Asker(request.principal, request.roles, request.logins), request.user or "")
        # Of what serves a mode nothing that matters comes after its own end, whoever still holds its output.
        request.leader_only = request.leader_only or request.mode in _OUR_OWN
        if request.ahead:
            self._forwards.check(request)
        session = self._new_session(request, self._screen_for(request, request.pty))
        end = _channel_end(session, connection, channel_id, request)
        if request.ahead:
            self._ahead.add(session.id)
            end.hold_until_used(lambda is_used: self._use(session, end, request, connection, is_used=is_used))
        else:
            self._start(session, end, request, connection)

    def _use(
        self,
        session: NodeSession,
        end: ChannelEnd,
        request: NodeSessionOpen,
        connection: OmnyShellConnection,
        *,
        is_used: bool,
    ) -> None:
        """Make a connection that was asked for ahead, by what is allowed now; or forget it, where it is not used."""
        self._ahead.discard(session.id)
        request.ahead = False
        if not is_used:
            end.channel.end()
            return
        try:
            self._check_room(request)
            self._start(session, end, request, connection)
        except SessionRejectedException as exc:
            end.channel.end()
            connection.send(_rejection(request, exc), end.channel.id)

    def _start(
        self, session: NodeSession, end: ChannelEnd, request: NodeSessionOpen, connection: OmnyShellConnection
    ) -> None:
        try:
            with _said_to_client():
                started = self._started(request, session)
                session.ssh_answer = self._ssh.answer(request) if request.mode is SessionMode.SSH else None
        except SessionRejectedException:
            end.channel.end()
            raise
        if isinstance(started, Awaitable):
            self._begin_later(session, started, end, request, connection)
        else:
            self._begin(session, started, end, request)
            session.budget_available()

    def _started(self, request: NodeSessionOpen, session: NodeSession) -> ShellSession | Awaitable[ShellSession]:
        if request.mode is SessionMode.FORWARD:
            return self._forwards.start(request, session)
        asked = _shell_request(request)
        if request.mode is SessionMode.SSH:
            asked = replace(asked, of_node=self._ssh.variables(request))
        elif request.mode is SessionMode.SFTP:
            asked = _without_wishes(asked, self._files.variables())
        elif request.mode is SessionMode.AGENT:
            asked = _without_wishes(asked, self._agents.variables())
        return self._backend.start(asked, session)

    def _resume(
        self, session: NodeSession, end: ChannelEnd, connection: OmnyShellConnection, request: NodeSessionOpen
    ) -> None:
        """Have a session taken up by whoever may have what runs as its user."""

        def judged(why: str) -> None:
            if not why:
                session.resume(end, request)
            else:
                _reject(end, connection, request, SessionRejectedException(why, code=ErrorCodes.NOT_AUTHORIZED))

        session.admit(asker_of(request.asker, request.principal), judged)

    def _new_session(self, request: NodeSessionOpen, follower: ScreenFollower | None) -> NodeSession:
        return NodeSession(
            request,
            keeping=self._config.keeping,
            clock=self._clock,
            follower=follower,
            on_end=self._session_ended,
            on_confirmed=self._ended_sessions.settle,
        )

    def _check_room(self, request: NodeSessionOpen) -> None:
        known = (self._sessions, self._starting, self._ahead)
        if any(request.session_id in each for each in known) or self._ended_sessions.has(request.session_id):
            raise SessionRejectedException("This node has a session of that id", code=ErrorCodes.BAD_REQUEST)
        if request.mode is SessionMode.FORWARD:
            # What nobody uses takes no place of what is used.
            unused = len(self._ahead) if request.ahead else 0
            if self._forwards_count() + unused >= MOST_FORWARDS:
                text = f"This node has its {MOST_FORWARDS} forwarded connections"
                raise SessionRejectedException(text, code=ErrorCodes.CAPACITY_EXCEEDED)
        elif self._attached_count() >= self._config.max_sessions:
            text = f"This node has its {self._config.max_sessions} sessions"
            raise SessionRejectedException(text, code=ErrorCodes.CAPACITY_EXCEEDED)

    def _begin(self, session: NodeSession, process: ShellSession, end: ChannelEnd, request: NodeSessionOpen) -> None:
        self._sessions[session.id] = session
        self._forwards_now += session.mode is SessionMode.FORWARD
        if end.channel.is_closed:
            # Nobody waits for it any more, or the other side has heard that it failed.
            session.start_alone(process)
            session.kill()
        else:
            session.start(process, end, offsets=request.offsets)

    def _begin_later(
        self,
        session: NodeSession,
        started: Awaitable[ShellSession],
        end: ChannelEnd,
        request: NodeSessionOpen,
        connection: OmnyShellConnection,
    ) -> None:
        """Begin once the process is there, without delaying others; what arrives on the channel until then waits."""
        end.hold()

        def settled(future: asyncio.Future[ShellSession]) -> None:
            if self._starting.get(session.id) != start:
                return
            del self._starting[session.id]
            try:
                with _said_to_client():
                    process = future.result()
            except (SessionRejectedException, asyncio.CancelledError) as exc:
                # One that is cancelled was too slow for a node that stops.
                _reject(end, connection, request, exc if isinstance(exc, SessionRejectedException) else _STOPPING)
                return
            with together:
                # What has waited for the process is its own before the answer wakes the hub.
                self._begin(session, process, end, request)
                end.release()
            session.budget_available()

        start = self._starting[session.id] = _Start(session, asyncio.ensure_future(started))
        start.future.add_done_callback(settled)
        if isinstance(started, PromptStart):
            started.told = lambda: settled(started)

    def _screen_for(self, request: NodeSessionOpen, size: PtySpec | None) -> ScreenFollower | None:
        """Return the screen of a shell, of this size; a command has none."""
        if request.mode is not SessionMode.SHELL:
            return None
        pty, size = request.pty or PtySpec(), size or PtySpec()
        screen = self._new_screen(size.cols, size.rows, pty.term)
        screen.count_columns(stated_widths(pty))
        return screen

    def _attached_count(self) -> int:
        """How many sessions count toward the limit: those with a client, as the hub counts them."""
        starting = sum(start.session.mode is not SessionMode.FORWARD for start in self._starting.values())
        counted = (session for session in self.running() if session.mode is not SessionMode.FORWARD)
        return starting + sum(session.is_attached for session in counted)

    def _forwards_count(self) -> int:
        starting = sum(start.session.mode is SessionMode.FORWARD for start in self._starting.values())
        return starting + self._forwards_now

    def _find_resumable(self, request: NodeSessionOpen) -> NodeSession:
        """Find the session to resume, among detached ones first, then among attached ones.

        Commands and ended sessions can be resumed only by a client that uses offsets and names the full id, as their
        client does. Such a client gets the mode that it names and no other: the hub has checked its right for that
        mode.
        """
        ref = request.resume_session_id or ""
        is_shell = request.mode is SessionMode.SHELL or not request.offsets
        shells = self.shells_of(request.principal) if is_shell else []
        try:
            return find_session((shell for shell in shells if not shell.is_attached), ref)
        except SessionRejectedException as exc:
            if exc.code != NOT_FOUND:
                raise
        if request.offsets:
            exact = self._sessions.get(ref) or next((gone for gone in self._ended_sessions if gone.id == ref), None)
            is_theirs = exact is not None and exact.owner == request.principal and _is_of_kind(exact, request)
            if exact is not None and is_theirs and exact.stage is not Stage.ENDING:
                return exact
        return find_session((shell for shell in shells if shell.is_attached), ref)

    def _session_ended(self, session: NodeSession) -> None:
        del self._sessions[session.id]
        self._forwards_now -= session.mode is SessionMode.FORWARD
        if session.is_shell or session.output_stage.replay.is_keeping:
            self._ended_sessions.add(session)
        else:
            session.close()
        if not self._sessions:
            self._all_ended.set()


_OUR_OWN = (SessionMode.SSH, SessionMode.SFTP, SessionMode.AGENT)
"""The modes that a program of ours serves."""


def _is_of_kind(session: NodeSession, request: NodeSessionOpen) -> bool:
    """Whether a session is what the hub has judged, as each kind takes a right of its own."""
    kinds = (SessionMode.SHELL, SessionMode.FORWARD, *_OUR_OWN)
    return all((session.mode is kind) is (request.mode is kind) for kind in kinds)


def _without_wishes(asked: ShellRequest, of_node: Mapping[str, str]) -> ShellRequest:
    """Return a request for a process of ours, which gets nothing of its client's, who may perhaps run nothing."""
    return replace(asked, command=None, args=(), env={}, cwd=None, pty=None, of_node=of_node)


def asker_of(said: SessionAsker | None, owner: str) -> Asker:
    """Return who wants a session; its owner, of whom nothing is known, where an older hub does not say."""
    return Asker(owner) if said is None else Asker(said.principal, said.roles, said.logins)


def _reject(
    end: ChannelEnd, connection: OmnyShellConnection, request: NodeSessionOpen, exc: OmnyShellException
) -> None:
    """Refuse a request after its channel was taken up."""
    if not end.channel.is_closed:
        end.channel.end()
        connection.send(_rejection(request, exc), end.channel.id)


def _rejection(request: NodeSessionOpen, exc: OmnyShellException) -> NodeSessionRejected:
    """Refuse a request; `request.ahead` is True until what was asked for ahead is used."""
    text = shown(exc.message)
    return NodeSessionRejected(session_id=request.session_id, reason=exc.code, message=text, unused=request.ahead)


def _channel_end(
    session: NodeSession, connection: OmnyShellConnection, channel_id: int, request: NodeSessionOpen
) -> ChannelEnd:
    """Take up the channel of a request. Raises `ChannelException` where its id is in use."""
    window = None if session.is_shell else request.max_input_window
    return ChannelEnd(session, connection, channel_id, window)


@contextmanager
def _said_to_client() -> Iterator[None]:
    """Have a client hear why its session could not be started."""
    try:
        yield
    except SessionRejectedException:
        raise
    except OSError as exc:
        raise not_started("The node cannot start a process", exc.strerror or str(exc)) from exc
    except Exception:
        logger.exception("a session could not be started")
        raise SessionRejectedException("The node failed", code=ErrorCodes.INTERNAL_ERROR) from None


def _as_asked(state: NotedState) -> NodeSessionOpen:
    """Return what an earlier process was asked for, as far as it matters."""
    return NodeSessionOpen(
        session_id=state.id, principal=state.owner, mode=state.mode, pty=state.pty, leader_only=state.leader_only
    )


def _shell_request(request: NodeSessionOpen) -> ShellRequest:
    return ShellRequest(
        session_id=request.session_id,
        principal=request.principal,
        roles=request.roles,
        user=request.user or "",
        logins=request.logins,
        mode=request.mode,
        command=request.command and from_wire(request.command),
        args=tuple(map(from_wire, request.args)),
        env={from_wire(name): from_wire(value) for name, value in request.env.items()},
        cwd=request.cwd and from_wire(request.cwd),
        pty=request.pty,
        shell_family=request.shell_family,
        interactive=request.interactive,
        leader_only=request.leader_only,
    )
