"""Dials a lost hub again, and resumes the sessions that were open (docs/extensions.md#resume-offset)."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from weakref import WeakKeyDictionary

from omnyshell.errors import (
    AuthException,
    ConfigException,
    ErrorCodes,
    NodeUnavailableException,
    OmnyShellException,
    SessionRejectedException,
    TransportException,
)
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import ChannelClose, ChannelMessage, SessionOpened, SessionRejected
from omnyshell.services.client.futures import fail_future
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import LinkState
from omnyshell.steps import step
from omnyshell.transport.backoff import Backoff, BackoffTimes
from omnyshell.transport.channels import Channel
from omnyshell.transport.connection import OmnyShellConnection

logger = logging.getLogger("omnyshell.client")

TIMES = BackoffTimes(shortest=0.1, first_ceiling=0.5, last_ceiling=4.0)
"""Delays of dialing. The first attempts come quickly, as a user is waiting."""

NODE_TIMES = BackoffTimes(
    shortest=0.2,
    first_ceiling=0.2,
    last_ceiling=4.0,
    short_outage=10.0,
    short_outage_ceiling=0.5,
    long_outage_ceiling=60.0,
)
"""Delays while the hub is connected but a session's node is not, which is back soon where it was started anew. Each
attempt counts in the hub's audit trail, so there is one for all sessions of a node."""

STEADY = 1.0
"""Seconds of connection after which the next attempts come quickly again."""

LIVED = 10.0
"""Seconds of connection after which a loss counts as a new one. Before that delays continue, and so does the timeout
unless a session got on meanwhile."""

ATTEMPT_TIMEOUT = 10.0
"""Seconds for the answer to one attempt to resume a session."""

SOON = 1.0
"""Seconds after which the sessions of a node are asked for though the first of them is not answered, and other nodes
are asked again though this one has not answered yet."""

ELSEWHERE_AFTER = 2.0
"""Seconds after which a hub is left that cannot reach the hub of a node; it may be one that the node comes back to."""

_NO_NODE = frozenset((ErrorCodes.UNKNOWN_NODE, ErrorCodes.NODE_OFFLINE, ErrorCodes.HUB_UNREACHABLE))
_LATER = _NO_NODE | {ErrorCodes.TIMEOUT, ErrorCodes.CAPACITY_EXCEEDED}
"""Rejections that may not last: the node may have to reconnect too."""

DROPPED = "the hub takes the session up and drops it again"

NODE_GONE = "the node did not come back in time"

Dial = Callable[[], Awaitable[OmnyShellConnection]]


class Resumer:
    """Runs a task until the hub is connected and every suspended session is resumed or given up.

    `timeout` is for how many seconds it tries, `node_timeout` for how many if only a session's node is missing. `dial`
    connects and returns the connection; `connection` returns the present one, or None. `leave` drops that for another
    hub, where it can. `has_untried` says whether a hub is left to which `dial` may go at once.
    """

    def __init__(
        self,
        *,
        timeout: float,
        node_timeout: float,
        dial: Dial,
        connection: Callable[[], OmnyShellConnection | None],
        leave: Callable[[], bool],
        has_untried: Callable[[], bool],
        on_state: Callable[[LinkState], None],
    ) -> None:
        self._timeout = timeout
        self._node_timeout = min(timeout, node_timeout)
        self._dial = dial
        self._connection = connection
        self._leave = leave
        self._has_untried = has_untried
        self._on_state = on_state
        self._unreached_since: float | None = None
        self._suspended: dict[RemoteSession, float] = {}
        """Each with the time until which to wait for its node, while the hub is connected."""

        self._progress: WeakKeyDictionary[RemoteSession, int] = WeakKeyDictionary()
        """How far each was when it was lost, at most."""

        self._deadline = 0.0
        self._backoff, self._node_backoff = Backoff(times=TIMES), Backoff(times=NODE_TIMES)
        self._back_since: float | None = None
        """When the hub was last connected, or a session last resumed."""

        self._task: asyncio.Task[None] | None = None
        self._asked: dict[str, asyncio.Task[None]] = {}
        """For each node that is asked at present, what does that."""

    @property
    def is_working(self) -> bool:
        """Whether the hub or a session is still missing."""
        return self._task is not None and not self._task.done()

    def add(self, session: RemoteSession) -> bool:
        """Add a suspended session; return False if sessions are not resumed."""
        if self._timeout <= 0:
            return False
        is_alone = isinstance(session.lost_by, NodeUnavailableException)
        self._suspended[session] = self._now() + self._node_timeout if is_alone else math.inf
        self._note_progress(session)
        self.start()
        return True

    def _note_progress(self, session: RemoteSession) -> None:
        """Begin the timeout anew where a session is further than at any loss before: so the hub is of use."""
        if session.progress > self._progress.get(session, 0):
            self._progress[session] = session.progress
            self._deadline = self._now() + self._timeout

    def start(self) -> None:
        """Start reconnecting, if the timeout is not 0; the timeout counts from the last loss. Idempotent.

        A loss shortly after a reconnect counts as the same loss where no session got on in between, so that a hub that
        keeps resuming and dropping sessions is given up too.
        """
        if self._is_new_loss():
            self._back_since = None
            self._deadline = self._now() + self._timeout
            self._backoff.reset()
            self._node_backoff.begin_outage()
        elif not self.is_working and self._lived() >= STEADY:
            self._node_backoff.begin_outage()
        if self._timeout > 0 and not self.is_working:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and give up suspended sessions. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._asked.values(), return_exceptions=True)
            self._task = None
        self._give_up(TransportException("the client was closed"))

    async def _run(self) -> None:
        try:
            await (self._work() if self._back_since is None else self._work_again())
        finally:
            # Not waited for, as who is suspended from now on needs a task anew.
            for asked in self._asked.values():
                asked.cancel()

    async def _work_again(self) -> None:
        """Continue after a reconnect that did not last."""
        if self._connection() is not None or not self._has_untried():
            await self._rest()
        if self._is_late():
            self._give_up(TransportException(DROPPED))
        else:
            await self._work()

    async def _work(self) -> None:
        while True:
            try:
                await self._connect()
                await self._resume_all()
            except (AuthException, ConfigException) as exc:
                self._give_up(exc)
                return
            except OmnyShellException as exc:
                if self._is_late():
                    self._give_up(exc)
                    return
            connected = self._connection() is not None
            if connected:
                self._give_up_overdue()
                if not self._suspended:
                    return
            if self._is_late():
                self._give_up(TransportException(NODE_GONE))
                return
            if not connected:
                self._node_backoff.begin_outage()
            await self._rest()

    async def _rest(self) -> None:
        backoff = self._node_backoff if self._connection() is not None else self._backoff
        await asyncio.sleep(backoff.next_delay())

    def _is_new_loss(self) -> bool:
        return self._lived() >= min(LIVED, self._timeout)

    def _lived(self) -> float:
        """For how many seconds it was connected before the loss."""
        return self._now() - self._back_since if self._back_since is not None else math.inf

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _is_late(self) -> bool:
        return self._now() >= self._deadline

    async def _connect(self) -> None:
        if self._connection() is not None:
            return
        self._on_state(LinkState.RECONNECTING)
        await self._dial()
        self._back_since = self._now()
        # No node can be back before its hub is.
        until = self._back_since + self._node_timeout
        self._suspended = {session: max(until, before) for session, before in self._suspended.items()}
        self._on_state(LinkState.CONNECTED)

    async def _resume_all(self) -> None:
        """Ask each node that is not being asked; one that is slow to answer holds up the others for a moment only."""
        self._forget_answered()
        by_node: dict[str, list[RemoteSession]] = {}
        for session in self._suspended:
            by_node.setdefault(session.node_id, []).append(session)
        for node_id in by_node.keys() - self._asked.keys():
            self._asked[node_id] = asyncio.create_task(self._resume_at_node(by_node[node_id]))
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=SOON)
        self._forget_answered()
        self._leave_where_unreached()

    def _forget_answered(self) -> None:
        for node_id, asked in list(self._asked.items()):
            if asked.done():
                del self._asked[node_id]
                if not asked.cancelled():
                    asked.result()
        self._forget_resumed()

    def _leave_where_unreached(self) -> None:
        """Go to another hub where this one has not reached the hub of a node for a while."""
        since = self._unreached_since
        if since is not None and self._now() - since >= ELSEWHERE_AFTER and self._leave():
            self._unreached_since = None

    async def _resume_at_node(self, sessions: list[RemoteSession]) -> None:
        """Try to resume the sessions of a node: the others unless the first one hears soon that it is not there."""
        async with asyncio.TaskGroup() as tasks:
            first, *others = sessions
            asked = tasks.create_task(self._resume(first))
            await asyncio.wait({asked}, timeout=SOON)
            if not asked.done() or asked.result():
                for session in others:
                    tasks.create_task(self._resume(session))

    def _forget_resumed(self) -> None:
        self._suspended = {session: until for session, until in self._suspended.items() if session.is_suspended}

    async def _resume(self, session: RemoteSession) -> bool:
        """Try to resume a session once; return False where its node is not there."""
        connection = self._connection()
        if connection is None or not session.is_suspended:
            return False
        which = {"session_id": session.id, "node_id": session.node_id}
        step(logger, "resume asked for", **which)
        try:
            await Resumption(session, connection).run()
            self._back_since = self._now()
            self._unreached_since = None
            step(logger, "session taken up", **which)
        except SessionRejectedException as exc:
            step(logger, "resume rejected", reason=exc.code, **which)
            if exc.code != ErrorCodes.HUB_UNREACHABLE:
                self._unreached_since = None
            elif self._unreached_since is None:
                self._unreached_since = self._now()
            if exc.code not in _LATER:
                session.give_up(_reason(session, exc))
            return exc.code not in _NO_NODE
        except OmnyShellException:
            # The hub is lost again, or silent: the next round tries again.
            pass
        return True

    def _give_up_overdue(self) -> None:
        now = self._now()
        _fail([session for session, until in self._suspended.items() if now >= until], TransportException(NODE_GONE))
        self._forget_resumed()

    def _give_up(self, error: OmnyShellException) -> None:
        sessions, self._suspended = self._suspended, {}
        if self._connection() is None:
            self._on_state(LinkState.LOST)
        _fail(sessions, error)


def _fail(sessions: Iterable[RemoteSession], error: OmnyShellException) -> None:
    """Give up sessions; each fails with the error that suspended it, if known."""
    for session in sessions:
        if session.is_suspended:
            session.give_up(session.lost_by or error)


class Resumption:
    """One attempt to resume a session, which handles the channel until the answer comes."""

    can_go_on = True
    """Whether another attempt can be made where the connection is lost."""

    def __init__(self, session: RemoteSession, connection: OmnyShellConnection) -> None:
        self._session = session
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._channel: Channel = connection.channels.open(self)
        connection.send(session.resume_request(connection.features), self._channel.id)

    async def run(self) -> None:
        """Return once the session goes on.

        Raises `SessionRejectedException`, or another exception if the hub is lost.
        """
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                await self._answer
        except TimeoutError as exc:
            raise TransportException("the hub did not answer in time") from exc
        finally:
            if not self._answer.done() or self._answer.cancelled() or self._answer.exception() is not None:
                # With this reason, a session that was resumed meanwhile is detached, not ended.
                self._channel.close(ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED))

    def data_received(self, _opcode: DataOpcode, _payload: bytes | memoryview) -> None:
        """Ignore data: none comes before the answer."""

    def message_received(self, message: ChannelMessage) -> None:
        """Handle the answer; later messages go to the session."""
        if isinstance(message, SessionOpened) and not self._answer.done() and self._session.is_suspended:
            self._session.resumed(self._channel, message)
            self._answer.set_result(None)
        elif isinstance(message, SessionRejected):
            fail_future(self._answer, SessionRejectedException(message.message, code=message.reason))
        elif isinstance(message, ChannelClose):
            fail_future(self._answer, TransportException(message.message or "the channel was closed"))

    def budget_available(self) -> None:
        """Do nothing: no data waits to be sent."""

    def channel_lost(self, error: OmnyShellException) -> None:
        """Fail the attempt: the hub is lost again."""
        fail_future(self._answer, error)


def _reason(session: RemoteSession, rejected: SessionRejectedException) -> OmnyShellException:
    if isinstance(session.lost_by, NodeUnavailableException):
        return session.lost_by
    text = f"the session could not be taken up again: {rejected.message}"
    return SessionRejectedException(text, code=rejected.code)
