"""The client: `async with OmnyShellClient(config) as client: ...`."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import (
    AuthException,
    ImproperValueException,
    OmnyShellException,
    TransportException,
)
from omnyshell.ids import new_id
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.model.sessions import CloseReason, DetachedSessionInfo, PtySpec, SessionMode, ShellFamily
from omnyshell.model.tunnels import LOCAL_EXPOSER, TunnelInfo, TunnelProtocol
from omnyshell.protocol.extensions import (
    KEPT_TUNNELS,
    LEADER_ONLY,
    LOGINS,
    OF_CLIENT,
    OTHERS_SESSIONS,
    RESUME_OFFSET,
)
from omnyshell.protocol.messages import (
    AuthOk,
    ControlMessage,
    NodeListRequest,
    NodeListResponse,
    Ping,
    SessionOpen,
    TunnelOpenRequest,
)
from omnyshell.protocol.messages.base import Role
from omnyshell.protocol.messages.detached import ClientRequest
from omnyshell.services.client.asked import check_kind, check_nodes
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.hubs import ClientHubs
from omnyshell.services.client.openings import SessionOpenings
from omnyshell.services.client.requests import PendingRequests
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import StateListener, ignore_state
from omnyshell.transport.connection import OmnyShellConnection

if TYPE_CHECKING:
    from omnyshell.services.client.forwarding.requests import ForwardRequests
    from omnyshell.services.client.node_sessions import NodeSessionRequests, SessionScreen
    from omnyshell.services.client.resumer import Resumer
    from omnyshell.services.client.tunnels import ClientTunnels
    from omnyshell.services.client.whole_commands import ExecResult

T = TypeVar("T")
A = TypeVar("A", bound=ControlMessage)


class OmnyShellClient:
    """A connection to a hub for listing nodes and opening sessions; an async context manager that connects and closes.

    Every request raises `OmnyShellTimeoutException` when its deadline has passed, `TransportException` if there is no
    connection to the hub or it is lost, and `ProtocolException` for an answer that does not fit the request. Other
    exceptions are documented with each method.

    A client that loses its hub dials again for as long as its configuration says, and resumes its sessions: see
    `LinkState`, and `on_state` here and on sessions.
    """

    def __init__(self, config: ClientConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._connection: OmnyShellConnection | None = None
        self._requests = PendingRequests(config.request_timeout)
        self._hubs = ClientHubs(
            config.access, self._requests, lambda: self._tunnels, self._dial, lambda: self._ensure_resumer().start()
        )
        self._openings = SessionOpenings(config.open_timeout, self._link, self._take_up_later, self._hubs.ask_elsewhere)
        self._lost: OmnyShellException | None = None
        self.on_state: StateListener = ignore_state
        """Called in the event loop with each new state of the connection; it must not block or raise."""

        self._resumer: Resumer | None = None
        self._lost_event = asyncio.Event()
        self._tunnels: ClientTunnels | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def connect(self) -> AuthOk:
        """Connect and log in; return the identity that the hub confirms.

        Raises `AuthException` for a refused credential; `ConfigException` for unusable files, and for a hub to which
        the key must not be proved; `UntrustedHubException` for an untrusted certificate, other `TransportException`s if
        the hub cannot be reached; `ProtocolException` if it is no hub of a known version. It can be called again then.
        """
        await self._dial()
        return self.identity

    async def close(self) -> None:
        """End the connection, and with it the tunnels to this machine. Idempotent.

        Open sessions are left as if the client were lost; `RemoteSession.close` ends one.
        """
        if self._resumer is not None:
            await self._resumer.close()
        await self._hubs.close()
        connection, self._connection = self._connection, None
        if self._tunnels is not None:
            await self._tunnels.close()
        if connection is not None:
            await connection.close()

    @property
    def identity(self) -> AuthOk:
        """The identity that the hub confirmed. Raises `TransportException` when not connected."""
        welcome = self._link().handshake.welcome
        if welcome is None:
            raise TransportException("not logged in")
        return welcome

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the hub."""
        return self._open_connection() is not None

    @property
    def hub_features(self) -> frozenset[str]:
        """The extensions that the hub announced. Raises `TransportException` when not connected."""
        return self._link().features

    def take_up_again(self) -> bool:
        """Drop the connection and dial anew, so that terminals are painted (`repaints`); False where a hub cannot."""
        connection = self._open_connection()
        if connection is None or RESUME_OFFSET not in connection.features:
            return False
        connection.link.abort()
        return True

    async def wait_lost(self) -> OmnyShellException:
        """Wait until the connection to the hub has ended, and return why."""
        await self._lost_event.wait()
        return self._lost or TransportException("the connection to the hub has ended")

    async def ping(self) -> float:
        """Return the round trip to the hub and back, in seconds."""
        ping = Ping(id=new_id(), ts=self._clock.now())
        _, answer = self._requests.begin(ping.id)
        started = self._clock.monotonic()
        try:
            self._link().send(ping)
            await self._requests.answered(answer)
        finally:
            self._requests.end(ping.id)
        return self._clock.monotonic() - started

    async def list_nodes(self, labels: Mapping[str, str] | None = None) -> tuple[NodeDescriptor, ...]:
        """Return the connected nodes with these labels, sorted by id; the key `platform` means the operating system."""
        return (await self.ask_nodes(labels)).nodes

    async def ask_nodes(self, labels: Mapping[str, str] | None = None) -> NodeListResponse:
        """Return the same as `list_nodes`, with the numbers of nodes that the hub shortened or left out."""
        connection, wanted = self._link(), dict(labels or {})
        connection.send(NodeListRequest(filter=wanted))
        answered = await self._requests.answered(self._requests.begin_list())
        check_nodes(answered.nodes, wanted)
        return answered

    async def open_session(
        self,
        node_id: str,
        *,
        mode: SessionMode = SessionMode.EXEC,
        command: str | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        pty: PtySpec | None = None,
        shell_family: ShellFamily | None = None,
        interactive: bool = False,
        leader_only: bool = False,
        user: str = "",
    ) -> RemoteSession:
        """Open a session on a node; returns when its program runs.

        `command` alone is a line for a shell on the node, in the language `shell_family` if given. With `args` it is a
        program, run with these arguments without a shell; with `args` alone the first one is the program. `env` is
        added to the environment, as far as the node allows, and `cwd` is the working directory; bytes that are no UTF-8
        stand in all of these as in `sys.argv`. With `pty` the program gets a terminal of that size. A session of
        `SessionMode.SHELL` can be detached and resumed; `interactive` asks for a login shell, see `open_shell`. A
        command on pipes ends with its output, or, with `leader_only`, with its own process. `user` is whose it is to
        be on the node's machine; the first whom this principal may become there, if not given. Raises
        `SessionRejectedException`, with the hub's or node's reason in `code`, or where a hub is too old.
        """
        needed = (LEADER_ONLY,) if leader_only else ()
        request = SessionOpen(
            node_id=node_id,
            mode=mode,
            command=command,
            args=tuple(args),
            env=dict(env or {}),
            cwd=cwd,
            pty=pty,
            shell_family=shell_family,
            interactive=interactive,
            leader_only=leader_only,
            user=user or None,
        )
        return await self.open_as_asked(request, *needed, *((LOGINS,) if user else ()))

    async def open_as_asked(self, request: SessionOpen, *extensions: str) -> RemoteSession:
        """Open the session of a request, fitted to what the hub can do; it needs these extensions of the hub.

        Raises as `open_session` does.
        """
        return await self._openings.open(request, *extensions)

    def ask_to_open(self, request: SessionOpen, *extensions: str) -> RemoteSession:
        """Ask for a session as `open_as_asked` does, and return it before it is open: `until_open` tells.

        Raises as `open_session` does, for what is known at once.
        """
        return self._openings.ask(request, *extensions)

    async def until_open(self, session: RemoteSession) -> None:
        """Return when a session that was asked for is open; raises as `open_session` does.

        Where it is not waited for any more, the hub is told to close it.
        """
        await self._openings.until_open(session, CloseReason.CLIENT_CLOSED)

    async def resume(self, node_id: str, session_ref: str, *, pty: PtySpec, owner: str = "") -> RemoteSession:
        """Resume a session on a node, named by its id, its short id or another beginning of its id.

        Its present screen is painted first, at the size of `pty`. If it is attached elsewhere, it is detached there.
        `owner` is the principal whose it is, if that is another one. Raises as `open_session` does, with the reason
        `not_found` or `ambiguous` if the reference does not name exactly one session.
        """
        return await self._openings.resume(node_id, session_ref, pty, self._other(owner))

    async def list_sessions(self, node_id: str, *, usage: bool = False) -> tuple[DetachedSessionInfo, ...]:
        """Return this principal's shells on a node, attached or not; empty if the node is not connected.

        With `usage` they have `memory`, `cpu_millis` and `processes` where hub and node know of that.
        Raises `AuthorizationException` if the principal may not list them, and the hub has the extension `rights`.
        """
        return await self.sessions_of(node_id).list(usage=usage)

    async def kill_session(self, node_id: str, session_ref: str) -> str:
        """End a session on a node; return the node's message.

        Raises `NodeUnavailableException`, `AuthorizationException`, `OmnyShellTimeoutException`, or
        `SessionRejectedException` if the reference does not name exactly one session.
        """
        return await self.sessions_of(node_id).kill(session_ref)

    async def detach_session(self, node_id: str, session_ref: str = "", *, timeout_seconds: int | None = None) -> str:
        """Detach a session from its client, and leave it running; return its short id.

        Without a reference, the only attached session is detached. Raises as `kill_session` does.
        """
        return await self.sessions_of(node_id).detach(session_ref, timeout_seconds)

    async def peek(
        self, node_id: str, session_ref: str, *, etag: str = "", with_history: bool = False
    ) -> "SessionScreen":
        """Return a session's present screen.

        With the `etag` of an earlier one, the answer may be only that it is unchanged. `with_history` asks for
        `history_end`. Raises as `kill_session` does.
        """
        return await self.sessions_of(node_id).peek(session_ref, etag, with_history=with_history)

    def history(self, node_id: str, session_ref: str, end: int, lines: int) -> AsyncIterator[bytes]:
        """Yield up to `lines` of the lines above a session's screen in parts, the newest part first.

        `end` is `history_end` of a screen or of a resumed session; see docs/extensions.md#history. Raises as
        `kill_session` does, and `ProtocolException`.
        """
        return self.sessions_of(node_id).history(session_ref, end, lines)

    async def open_shell(
        self,
        node_id: str,
        *,
        pty: PtySpec,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str = "",
    ) -> RemoteSession:
        """Open an interactive login shell on a node, also on one without the extension `interactive`.

        The rest is as in `open_session`.
        """
        # Imported by those that use it: a cold `exec` does not need it.
        from omnyshell.services.client.login_shells import open_login_shell

        return await open_login_shell(self, node_id, pty=pty, env=env, cwd=cwd, user=user)

    async def execute(
        self,
        node_id: str,
        command: str | None = None,
        *,
        args: Sequence[str] = (),
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str = "",
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> "ExecResult":
        """Run a command to its end, with `stdin` as input; return all its output, and how it ended.

        The rest is as in `open_session`. After `timeout` seconds the command is ended, and `OmnyShellTimeoutException`
        raised. Raises also as `open_session` and as iterating over a `RemoteSession` do: a result is returned only if
        the command ended by itself and all its output arrived.
        """
        # Imported by those that use it: a cold `omnyshell exec` does not need it.
        from omnyshell.services.client.whole_commands import whole

        opening = self.open_session(node_id, command=command, args=args, env=env, cwd=cwd, user=user)
        return await whole(opening, stdin, timeout)

    async def open_tunnel(
        self,
        node_id: str = LOCAL_EXPOSER,
        *,
        target_port: int,
        target_host: str = "localhost",
        public_port: int | None = None,
        secure: bool = False,
        protocol: TunnelProtocol = TunnelProtocol.TCP,
        persist: bool = False,
    ) -> TunnelInfo:
        """Have the hub open a public port that leads to a target that a node reaches, or with `@local` this client.

        A tunnel on a node stays open when this client disconnects, and with `persist` comes back with the hub, and with
        its node; one to this machine ends with the connection. Raises `TunnelRejectedException` with the reason in
        `code`, `SessionRejectedException` where the hub is too old for `persist`, `OmnyShellTimeoutException` or
        `TransportException`.
        """
        if persist:
            self._link().require(KEPT_TUNNELS)
        request = TunnelOpenRequest(
            request_id=new_id(),
            node_id=node_id or LOCAL_EXPOSER,
            target_host=target_host,
            target_port=target_port,
            public_port=public_port,
            secure=secure,
            protocol=protocol.value,
            persist=persist,
        )
        return await self._tunnel_requests().open(self._link(), request)

    async def close_tunnel(self, ref: str) -> None:
        """Close a tunnel, named by its id or how that begins. Raises `TunnelRejectedException` if that is not one."""
        await self._tunnel_requests().close_one(self._link(), ref)

    async def list_tunnels(self) -> tuple[TunnelInfo, ...]:
        """Return the tunnels of this principal, over whichever connection they were opened."""
        return await self._tunnel_requests().list(self._link())

    def tell_clipboard(self, session: RemoteSession, size: int, refused: str = "") -> None:
        """Have the hub record in its audit trail that the session's program put `size` bytes on the clipboard.

        `refused` is the reason if it was not allowed to. Does nothing without a connection, or at a hub without
        `clipboard-audit`.
        """
        # Imported where a program copies: a cold `exec` does not need it.
        from omnyshell.services.client.clipboards import tell

        tell(self._open_connection(), session, size, refused)

    def sessions_of(self, node_id: str, owner: str = "") -> "NodeSessionRequests":
        """Return requests about another principal's sessions on a node, or this one's.

        Raises `SessionRejectedException` for another one at an older hub.
        """
        # Imported by those that use it: a cold `exec` does not need it.
        from omnyshell.services.client.node_sessions import NodeSessionRequests

        return NodeSessionRequests(node_id, self._ask, self._link, self._other(owner))

    @property
    def forwards(self) -> "ForwardRequests":
        """Requests about this principal's forwards."""
        # Imported by those that use it: a cold `exec` does not need it.
        from omnyshell.services.client.forwarding.requests import ForwardRequests

        return ForwardRequests(self._ask, self._link)

    def _other(self, owner: str) -> str:
        """Return the owner to name to the hub; "" for this principal, whose sessions need no name."""
        if owner in ("", self.identity.principal):
            return ""
        self._link().require(OTHERS_SESSIONS)
        return owner

    def _tunnel_requests(self) -> "ClientTunnels":
        if self._tunnels is None:
            # Imported by those that use it: a cold `exec` does not need it.
            from omnyshell.services.client.tunnels import ClientTunnels

            self._tunnels = ClientTunnels(self._config.request_timeout, self._clock)
        return self._tunnels

    def _ensure_resumer(self) -> "Resumer":
        if self._resumer is None:
            # Imported where a hub was lost: a cold `exec` does not need it.
            from omnyshell.services.client.resumer import Resumer

            self._resumer = Resumer(
                timeout=self._config.reconnect_timeout,
                node_timeout=self._config.node_timeout,
                dial=self._dial,
                connection=self._open_connection,
                leave=self._hubs.leave,
                has_untried=self._hubs.has_untried,
                on_state=lambda state: self.on_state(state),
            )
        return self._resumer

    def _take_up_later(self, session: RemoteSession) -> bool:
        """Register a session to be resumed that lost its channel; return False if it will not be, as after `close`."""
        return self._connection is not None and self._ensure_resumer().add(session)

    async def _dial(self) -> OmnyShellConnection:
        self._lost_event.clear()
        self._connection = await self._hubs.dial(
            role=Role.CLIENT,
            features=OF_CLIENT,
            incoming="stdout",
            on_message=self._message_received,
            on_lost=self._connection_lost,
            on_improper=self._refused,
        )
        self._lost = None
        return self._connection

    async def _ask(self, request: ClientRequest, expected: type[A]) -> A:
        """Send a request under a fresh id, and return the answer, if it is of the expected type."""
        connection = self._link()
        request.request_id, answer = self._requests.begin()
        try:
            connection.send(request)
            return check_kind(request, await self._requests.answered(answer), expected)
        finally:
            self._requests.end(request.request_id)

    def _open_connection(self) -> OmnyShellConnection | None:
        connection = self._connection
        return connection if connection is not None and connection.is_open else None

    def _link(self) -> OmnyShellConnection:
        connection = self._open_connection()
        if connection is None:
            raise self._lost or TransportException("not connected to a hub")
        return connection

    def _message_received(self, message: ControlMessage, channel: int | None) -> None:
        tunnels, connection = self._tunnels, self._connection
        if tunnels is not None and connection is not None and tunnels.message_received(connection, message, channel):
            return
        self._requests.settle(message)

    def _refused(self, error: ImproperValueException) -> None:
        """Fail the request or session that waits for a message with an improper value."""
        connection, channel = self._connection, error.channel
        handler = connection.channels.handler_of(channel) if connection is not None and channel is not None else None
        if isinstance(handler, RemoteSession):
            handler.refuse(error)
        self._requests.refuse(error)
        if self._tunnels is not None:
            self._tunnels.refuse(error)

    def _connection_lost(self, error: OmnyShellException) -> None:
        self._lost = error if isinstance(error, TransportException) else TransportException(str(error))
        self._requests.fail(self._lost)
        if self._connection is not None and not self._hubs.is_going and not isinstance(error, AuthException):
            self._ensure_resumer().start()
        self._lost_event.set()
        if self._tunnels is not None:
            self._tunnels.connection_lost(self._lost)
