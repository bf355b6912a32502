"""Keeps a `HubState` up to date over a connection of its own, across reconnects and with hubs of all versions."""

import asyncio
from collections.abc import Collection

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import (
    AuthException,
    AuthorizationException,
    ConfigException,
    ImproperValueException,
    OmnyShellException,
    ProtocolException,
    TransportException,
)
from omnyshell.ids import new_id
from omnyshell.model.live import Part
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import EVENTS, OF_LIVE_FEED, VITALS
from omnyshell.protocol.messages import ControlMessage, Ping, Pong
from omnyshell.protocol.messages.base import Role
from omnyshell.protocol.messages.events import EventsSubscribe, EventsUnsubscribe, register
from omnyshell.protocol.messages.vitals import MESSAGES as VITALS_MESSAGES, VitalsLook
from omnyshell.services.client.futures import fail_future
from omnyshell.services.client.live.reader import Progress, SubscriptionReader
from omnyshell.services.client.live.state import HubState, Link
from omnyshell.services.client.resumer import TIMES
from omnyshell.services.dial import HubAccess
from omnyshell.services.failover import HubDialler
from omnyshell.transport.backoff import Backoff
from omnyshell.transport.connection import OmnyShellConnection

PING_PERIOD = 5.0
"""Seconds between measurements of the round trip."""

POLL_PERIOD = 2.0
"""Seconds between polls of a hub without the extension `events`."""

ANSWER_TIMEOUT = 15.0

MAX_GAPS = 8
"""How many gaps one connection's messages may have before it is dropped; a correct hub makes none."""


class LiveFeed:
    """Fills a state until it is closed: by the extension `events`, or by polling if the hub does not have it.

    The caller runs `run` in a task, which `aclose` ends. A lost hub is dialed again with backoff; `state.link` shows
    that. `parts` are the requested parts: a principal that is no admin gets only its own items, and no figures.
    `poll_period` is in seconds.
    """

    def __init__(
        self,
        access: HubAccess,
        state: HubState,
        *,
        parts: Collection[Part] = tuple(Part),
        poll_period: float = POLL_PERIOD,
        clock: Clock | None = None,
    ) -> None:
        self._access = access
        self._hubs = HubDialler(access, self._leave)
        self._state = state
        self._parts = frozenset(parts)
        self._poll_period = poll_period
        self._clock = clock or SystemClock()
        self._connection: OmnyShellConnection | None = None
        self._reader = SubscriptionReader("", state)
        self._lost: asyncio.Future[None] | None = None
        self._pinged: dict[str, float] = {}
        self._runner: asyncio.Task[None] | None = None
        self._backoff = Backoff(times=TIMES)
        self._is_complete = False
        self._looks = False
        self._gaps = 0
        self.complete = asyncio.Event()
        """Set once the whole state has arrived for the first time."""

        self.error: OmnyShellException | None = None
        """Why the hub was last lost, or last refused."""

    async def run(self) -> None:
        """Fill the state until `aclose`, or until the link is `REFUSED`, which raises nothing."""
        self._runner = asyncio.current_task()
        try:
            while await self._serve():
                # The delay grows with each attempt that does not get the whole state.
                delay = self._backoff.next_delay()
                await asyncio.sleep(delay)
        finally:
            await self._hang_up()

    async def aclose(self) -> None:
        """End `run` and the connection. Idempotent."""
        runner, self._runner = self._runner, None
        if runner is not None and runner is not asyncio.current_task():
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)

    def look(self, *, looks: bool) -> None:
        """Have nodes' vitals told from now on, or no longer: nodes are asked for them while somebody looks.

        Toward a hub without the extension `vitals` this does nothing. Idempotent.
        """
        if looks != self._looks:
            self._looks = looks
            self._say_look()

    def _say_look(self) -> None:
        connection = self._connection
        if connection is not None and connection.is_open and VITALS in connection.features and self._reader.id:
            connection.send(VitalsLook(subscription_id=self._reader.id, looks=self._looks))
            if self._looks:
                self._state.forget_vitals()

    async def _serve(self) -> bool:
        """Dial once, and fill the state until the hub is lost; return whether to try again."""
        try:
            connection = await self._dial()
        except (AuthException, AuthorizationException, ConfigException, ProtocolException) as exc:
            self._failed(Link.REFUSED, exc)
            return False
        except OmnyShellException as exc:
            self._failed(Link.LOST, exc)
            return True
        try:
            if EVENTS in connection.features:
                await self._follow(connection)
            else:
                await self._poll()
        except OmnyShellException as exc:
            # This includes the loss of a role: the next login shows which rights are left.
            self._failed(Link.LOST, exc)
        finally:
            await self._hang_up()
        return True

    async def _dial(self) -> OmnyShellConnection:
        self._lost = asyncio.get_running_loop().create_future()
        self._connection = await self._hubs.dial(
            role=Role.CLIENT,
            features=OF_LIVE_FEED,
            incoming="stdout",
            on_message=self._message_received,
            on_lost=self._connection_lost,
            on_improper=self._refused,
            codec=register(FrameCodec()).learn(VITALS_MESSAGES),
        )
        self._state.elsewhere = "" if self._hubs.is_at_home else str(self._hubs.at)
        return self._connection

    def _leave(self) -> None:
        self._hubs.leave()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _follow(self, connection: OmnyShellConnection) -> None:
        """Subscribe, and measure the round trip, until the connection is lost."""
        self._is_complete = False
        self._gaps = 0
        self._subscribe(connection)
        subscribed_at = self._clock.monotonic()
        while True:
            self._pinged = {new_id(): self._clock.monotonic()}
            connection.send(Ping(id=next(iter(self._pinged)), ts=self._clock.now()))
            await self._wait_lost(PING_PERIOD)
            if not self._is_complete and self._clock.monotonic() - subscribed_at > ANSWER_TIMEOUT:
                raise TransportException("the hub did not send its state in time")

    async def _wait_lost(self, seconds: float) -> None:
        """Wait `seconds`; raises if the connection is lost meanwhile."""
        assert self._lost is not None  # noqa: S101  # set before each dial
        done, _ = await asyncio.wait((self._lost,), timeout=seconds)
        if done:
            self._lost.result()

    async def _poll(self) -> None:
        """Poll a hub without `events`, over a client of its own, until it is lost."""
        # Imported late: most hubs have `events`.
        from omnyshell.services.client.client import OmnyShellClient
        from omnyshell.services.client.config import ClientConfig
        from omnyshell.services.client.live.polling import Poller

        await self._hang_up()
        self._state.forget_sources()
        async with OmnyShellClient(ClientConfig(access=self._access, reconnect_timeout=0)) as client:
            poller = Poller(client, self._state, self._parts)
            while True:
                await poller.poll()
                self._completed()
                await asyncio.sleep(self._poll_period)

    def _subscribe(self, connection: OmnyShellConnection) -> None:
        self._reader = SubscriptionReader(new_id(), self._state)
        records = self._state.audit
        connection.send(
            EventsSubscribe(
                subscription_id=self._reader.id,
                parts=tuple(part.value for part in Part if part in self._parts),
                audit_since=records[-1].at if records else None,
            )
        )
        if self._looks:
            self._say_look()

    def _begin_anew(self, connection: OmnyShellConnection) -> None:
        """Subscribe again after a gap. After `MAX_GAPS`, drop the connection, or this would repeat for ever."""
        self._gaps += 1
        if self._gaps > MAX_GAPS and self._lost is not None:
            fail_future(self._lost, TransportException("the hub leaves out messages again and again"))
            return
        connection.send(EventsUnsubscribe(subscription_id=self._reader.id))
        self._subscribe(connection)

    def _message_received(self, message: ControlMessage, _channel: int | None) -> None:
        if isinstance(message, Pong):
            sent_at = self._pinged.pop(message.id, None)
            if sent_at is not None:
                self._state.set_round_trip(self._clock.monotonic() - sent_at)
            return
        progress = self._reader.receive(message)
        if progress is Progress.COMPLETE:
            self._completed()
        elif progress is Progress.BROKEN and self._connection is not None and self._connection.is_open:
            self._begin_anew(self._connection)
        elif progress is Progress.ENDED and self._lost is not None:
            ended = self._reader.ended
            text = ended.message or ended.code if ended is not None else ""
            fail_future(self._lost, TransportException(f"the hub ended the subscription: {text}"))

    def _refused(self, error: ImproperValueException) -> None:
        """Drop the connection after an improper value, as its state cannot be trusted.

        Each next attempt waits longer.
        """
        if self._lost is not None:
            fail_future(self._lost, error)

    def _failed(self, link: Link, error: OmnyShellException) -> None:
        self.error = error
        self._state.set_link(link, str(error))

    def _completed(self) -> None:
        self._is_complete = True
        self._backoff.reset()
        self._state.set_link(Link.UP)
        self.complete.set()

    def _connection_lost(self, error: OmnyShellException) -> None:
        if self._lost is not None:
            fail_future(self._lost, error)
