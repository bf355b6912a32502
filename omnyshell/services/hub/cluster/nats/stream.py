"""A stream of the engine: the port `Order`, and the loop by which it is read.

The library's own watching is not used: it can stay silent after a server was restarted, and for ever where a stream's
numbers went back.
"""

import asyncio
import logging
from contextlib import suppress
from itertools import cycle

from omnyshell.errors import OmnyShellException
from omnyshell.extras import needs
from omnyshell.services.hub.cluster.members.engine_access import consumers_of
from omnyshell.services.hub.cluster.nats.asking import first_answer
from omnyshell.services.hub.cluster.nats.attempts import ended
from omnyshell.services.hub.cluster.nats.connection import EngineConnection, manager, why
from omnyshell.services.hub.cluster.nats.delivery import Delivery
from omnyshell.services.hub.cluster.nats.streams import as_origin, origin_of
from omnyshell.services.hub.cluster.nats.taking import Taking
from omnyshell.services.hub.cluster.order.order import (
    EngineAwayException,
    MisplacedException,
    NotPermittedException,
    Place,
    Reader,
    Stored,
    UncertainException,
)

with needs("cluster"):
    import nats.errors
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
    from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError
    from nats.js.manager import JetStreamManager

HEARTBEAT = 1.0
"""Seconds between the engine's heartbeats to who reads."""

SILENCE = 2.5
"""Seconds without a heartbeat after which the consumer is made anew."""

LEAST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Bounds, in seconds, of the pause before reading is tried again, after it failed: while hubs found, soon."""

ASK_TIMEOUT = 1.0
"""Seconds for an answer to a question about a stream. What is asked during an election is not answered later either."""

ASK_AGAIN = 0.25
"""Seconds after which it is asked again, whether or not there may still be an answer."""

PATIENCE = 5.0
"""Seconds without any answer after which another server is tried: an election takes as long, and a server that is cut
off from the others would never answer."""

CONSUME_AGAIN = 1.0
"""Seconds after which another consumer is asked for, while none is made: until then records are asked for."""

LATE = 0.25
"""Seconds after which a record is asked for that is in the stream, and was not delivered; nor was anything else."""

LOOK = 3.0
"""Seconds between looks whether the engine still has what was read last: servers that lost their power may come back
without what they had acknowledged, beside one that this hub stays connected with."""

SHORTLY = 1.0
"""Seconds: who was away for no longer has missed no hub that joined, and says already who is where."""

MOST_MISSED = 5
"""How often the engine says that it has no such stream before its reader is told: while hubs found, it has none yet."""

LEFT_BEHIND = 10.0
"""Seconds after which the engine removes a consumer whose hub is gone, or has gone on to another one."""

_HEARTBEAT, _LAST_DELIVERED, _STALLED = "100", "Nats-Last-Consumer", "Nats-Consumer-Stalled"
_IS_THERE = (10012, 10013)
"""JetStream's codes for a consumer of that name that reads from elsewhere, as before this hub was started."""

_PASSING = (UncertainException, EngineAwayException, NotPermittedException)
"""What reading begins anew for, without anything being wrong yet."""

logger = logging.getLogger("omnyshell.cluster")


class _ReadAgainException(Exception):
    """Something is missing in what came: the consumer has to be made anew."""


class NatsOrder:
    """One stream, read by one reader over a connection: make it before the connection is started."""

    def __init__(
        self, connection: EngineConnection, stream: str, reader: Reader, behind: "NatsOrder | None" = None
    ) -> None:
        """`behind` is a stream by which records of this one are judged.

        Over each connection that one is read to its end first, where that takes seconds and no longer.
        """
        self._behind = behind
        self._connection = connection
        self._stream = stream
        self._reader = reader
        self._taking = Taking(connection, stream, reader)
        self._reads = asyncio.Event()
        """Set while the stream is read as it comes."""

        self._told = ""
        self._read_until = float("-inf")
        self._names = cycle(consumers_of(connection.name))
        self._consumer = ""
        connection.on_connected.append(self._read_on)
        connection.on_connected.append(self._ask_for_what_is_late)
        connection.on_connected.append(self._look_on)

    @property
    def is_there(self) -> bool:
        """Whether the engine is reached, and the stream is read as it comes."""
        return self._reads.is_set() and self._connection.is_connected

    @property
    def away_for(self) -> float:
        """For how many seconds that has not been so; 0 while it is, infinity if it never was."""
        return 0.0 if self._reads.is_set() else asyncio.get_running_loop().time() - self._read_until

    async def publish(self, subject: str, data: bytes, place: Place) -> int:
        """Write a record. See `Order.publish`."""
        before = self._taking.seq
        try:
            seq = await self._connection.publish(subject, data, place)
        except MisplacedException:
            self._taking.want(self._taking.seq + 1, LATE)
            raise
        if seq <= before:
            self._taking.doubt = f"the engine has given number {seq} once more"
        self._taking.want(seq, LATE)
        return seq

    async def _read_on(self, client: Client) -> None:
        """Read, over consumers that are made anew where one falls silent. Returns where the connection does not do."""
        if self._behind is not None:
            await self._behind._is_read_by(PATIENCE)
        missed, pause = 0, LEAST_PAUSE
        while client.is_connected:
            try:
                await self._read(client)
            except _ReadAgainException as exc:
                logger.info("%s is read anew: %s", self._stream, exc)
                continue
            except OmnyShellException as exc:
                self._tell(logging.INFO if isinstance(exc, _PASSING) else logging.ERROR, f"{self._stream}: {exc}")
            except NotFoundError as exc:
                self._tell(logging.WARNING, f"the engine has no stream {self._stream}: {why(exc)}")
                missed += 1
                if missed == MOST_MISSED:
                    self._reader.gone()
            except APIError as exc:
                self._tell(logging.WARNING, f"{self._stream} cannot be read: {why(exc)}")
            except nats.errors.TimeoutError:
                # This stream has no leader yet, or nobody has made a consumer: no reason to leave its server.
                continue
            except (nats.errors.Error, OSError) as exc:
                logger.warning("the engine's server does not answer: %s", str(exc) or type(exc).__name__)
                return
            finally:
                pause = LEAST_PAUSE if self._reads.is_set() else pause
                self._is_read_no_more()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _tell(self, level: int, problem: str) -> None:
        """Log why the stream is not read, aloud when that is new since it was read last: it is tried each second."""
        logger.log(logging.DEBUG if problem == self._told else level, "%s", problem)
        self._told = problem

    async def _is_read_by(self, seconds: float) -> None:
        """Wait until the stream is read, no longer than it has been away for so many seconds, or if it was shortly.

        As long as records of it are taken, however many they are, it is waited for.
        """
        away = self.away_for
        if away < SHORTLY:
            return
        left = max(0.0, seconds - away) if away != float("inf") else seconds
        taken = -1
        while not self._reads.is_set() and self._taking.seq > taken:
            taken = self._taking.seq
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._reads.wait()
            left = seconds

    async def _ask_for_what_is_late(self, client: Client) -> None:
        """Ask for records that are in the stream and are not delivered, while nobody has noticed that none are."""
        while True:
            await self._taking.late()
            try:
                origin = await origin_of(client, self._stream)
                if origin is not None and origin.created == self._taking.created:
                    await self._taking.catch_up()
            except (EngineAwayException, NotPermittedException) as exc:
                logger.debug("%s: what is late is asked for again: %s", self._stream, exc)
            except OmnyShellException as exc:
                self._taking.doubt = str(exc)

    async def _look_on(self, _client: Client) -> None:
        """Look again and again whether the engine still has what was read last, while it is read."""
        while True:
            await asyncio.sleep(LOOK)
            if self._reads.is_set():
                with suppress(OmnyShellException):
                    await self._taking.look(LATE)

    def _is_read_no_more(self) -> None:
        if self._reads.is_set():
            self._reads.clear()
            self._told = ""
            self._read_until = asyncio.get_running_loop().time()

    async def _read(self, client: Client) -> None:
        streams = manager(client, ASK_TIMEOUT)
        await _check_alive(client)
        try:
            info = await first_answer(lambda: streams.stream_info(self._stream), ASK_AGAIN, PATIENCE)
        except nats.errors.TimeoutError as exc:
            if self._connection.has_answered_within(PATIENCE):
                raise
            raise nats.errors.Error(f"it has said nothing for {PATIENCE:.0f} s") from exc
        self._connection.answered()
        self._taking.begin(as_origin(info))
        # The last one that was taken before is compared, as who leads the stream has it: other servers may differ.
        await self._taking.take_next()
        consuming = asyncio.ensure_future(self._consume(client, streams))
        try:
            await self._ask_until(consuming)
            await self._take_all(client, consuming.result())
        finally:
            await ended(consuming)
            if not consuming.cancelled() and consuming.exception() is None:
                await consuming.result().end()

    async def _ask_until(self, consuming: "asyncio.Future[Delivery]") -> None:
        """Ask for one record after another until they are delivered, where that is not at once."""
        while not (await asyncio.wait({consuming}, timeout=ASK_AGAIN))[0]:
            try:
                await self._taking.ask_on(consuming.done)
            except (EngineAwayException, NotPermittedException) as exc:
                logger.debug("%s: the next record is asked for again: %s", self._stream, exc)
                self._is_read_no_more()
            else:
                self._is_read()

    def _is_read(self) -> None:
        """Tell the reader, once, when all was taken that there was."""
        if self._taking.is_at_end and not self._reads.is_set():
            self._reads.set()
            self._reader.at_end()

    async def _consume(self, client: Client, streams: JetStreamManager) -> Delivery:
        """Make a consumer; return what it delivers to.

        The one before is not deleted, as its server may be dead, which takes the engine a while: it goes by itself.
        Where nobody answers for one, its server may have died, which the engine learns late, and has one made there
        again: so another attempt is made soon. Raises `nats.errors.TimeoutError` where none is answered.
        """
        tried: list[Delivery] = []
        used = None
        try:
            used, self._consumer = await first_answer(
                lambda: self._tried(client, streams, tried), CONSUME_AGAIN, PATIENCE
            )
        finally:
            for delivery in tried:
                if delivery is not used:
                    await delivery.end()
        return used

    async def _tried(self, client: Client, streams: JetStreamManager, tried: list[Delivery]) -> tuple[Delivery, str]:
        """Make a consumer by the next name that is free; return what it delivers to, and its name.

        Raises `nats.errors.TimeoutError` where none is free, or the servers have no leader, after a moment.
        """
        try:
            for _ in consumers_of(self._connection.name):
                name = next(self._names)
                # One of its own, as an old consumer goes on there.
                delivery = await Delivery.begin(client)
                tried.append(delivery)
                if await self._is_made(streams, _consumer(name, delivery.subject, self._taking.seq + 1)):
                    return delivery, name
            logger.info("consumers of all names for %s are left from before, and have yet to go", self._stream)
        except ServiceUnavailableError as exc:
            logger.debug("nobody makes a consumer of %s: %s", self._stream, why(exc))
        await asyncio.sleep(CONSUME_AGAIN)
        raise nats.errors.TimeoutError

    async def _is_made(self, streams: JetStreamManager, wanted: ConsumerConfig) -> bool:
        """Make a consumer; return False for an old one, which reads from elsewhere, or goes on where it was."""
        try:
            made = await streams.add_consumer(self._stream, wanted)
        except APIError as exc:
            if exc.err_code in _IS_THERE:
                return False
            raise
        return not (made.delivered and made.delivered.consumer_seq)

    async def _take_all(self, client: Client, delivery: Delivery) -> None:
        delivered = 0
        while True:
            self._is_read()
            try:
                message = await delivery.next(SILENCE)
            except TimeoutError as exc:
                raise _ReadAgainException("its heartbeats have ended") from exc
            if self._taking.doubt:
                raise _ReadAgainException(self._taking.doubt)
            self._taking.heard()
            headers = message.header or {}
            if headers.get("Status") == _HEARTBEAT:
                if int(headers.get(_LAST_DELIVERED, delivered)) != delivered:
                    raise _ReadAgainException("records are missing")
                await self._let_it_go_on(client, message.reply or headers.get(_STALLED, ""))
                continue
            numbers = self._numbers(message)
            if numbers is None:
                continue
            seq, number, nanoseconds = numbers
            delivered += 1
            if number != delivered:
                raise _ReadAgainException("records are missing")
            self._taking.take(Stored(seq, message.subject, message.data, nanoseconds / 1e9))

    async def _let_it_go_on(self, client: Client, subject: str) -> None:
        """Tell the engine that all before this was taken, where it asks; anybody else may ask for another subject."""
        if subject.startswith(f"$JS.FC.{self._stream}.{self._consumer}."):
            await client.publish(subject)

    def _numbers(self, message: Msg) -> tuple[int, int, int] | None:
        """Return a record's number in the stream, and in what this hub's consumer was given, and its time.

        None for what another consumer sends here: whoever may make one may have it deliver anywhere.
        """
        words = message.reply.split(".")
        # "$JS.ACK.STREAM.CONSUMER.TRIES.SEQ.NUMBER.TIME.PENDING", with two words more behind ACK for some servers
        words = words[-7:] if len(words) == 9 else words[-8:-1]
        if words[:2] != [self._stream, self._consumer]:
            return None
        return int(words[3]), int(words[4]), int(words[5])


async def _check_alive(client: Client) -> None:
    """Raise `nats.errors.Error` where the server itself does not answer, as one that is stopped or cut off."""
    try:
        await client.flush(ASK_TIMEOUT)  # type: ignore[arg-type]  # any number of seconds does
    except nats.errors.TimeoutError as exc:
        raise nats.errors.Error("it answers no ping") from exc


def _consumer(name: str, inbox: str, begin: int) -> ConsumerConfig:
    return ConsumerConfig(
        name=name,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=begin,
        ack_policy=AckPolicy.NONE,
        idle_heartbeat=HEARTBEAT,
        # Else the engine sends all at once, and cuts off who does not take 64 MiB in time.
        flow_control=True,
        deliver_subject=inbox,
        inactive_threshold=LEFT_BEHIND,
        mem_storage=True,
        num_replicas=1,
    )
