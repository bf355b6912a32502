"""A connection to the engine's servers, made anew when it is lost.

The library's own reconnecting is not used: it would send later what was given up meanwhile.
"""

import asyncio
import base64
import logging
import random
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.extras import needs
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.members.engine_access import inbox_of
from omnyshell.services.hub.cluster.nats.attempts import ended, first_of
from omnyshell.services.hub.cluster.order.order import (
    EngineAwayException,
    MisplacedException,
    NotPermittedException,
    Place,
    Stored,
)

with needs("cluster"):
    import nats.errors
    from nats.aio.client import Client
    from nats.js.errors import APIError
    from nats.js.manager import JetStreamManager

CONNECT_TIMEOUT = 3.0
SILENT = 0.7
"""Seconds after which the next server is tried beside one that has said nothing, as one that is stopped."""

CLOSE_TIMEOUT = 1.0
"""Seconds for which a server is waited for that is left: the next one is only gone to after that."""

REQUEST_TIMEOUT = 2.0
"""Seconds within which a request is answered. Where no leader orders, servers say so at once; one that has just died
says nothing."""

LEAST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Bounds, in seconds, of the pause before the next attempt to connect."""

UNANSWERED = 10.0
"""Seconds in which nothing that was asked over a connection is answered before another server is tried: longer than an
election, in which no server does better."""

PING_INTERVAL = 5
_NOT_FOUND = 404
WRONG_LAST = (10071, 10164)
"""JetStream's codes for a record that is not at its place."""

_VIOLATION = re.compile(r'permissions violation for publish to "([^"]+)"', re.IGNORECASE)

Answer = TypeVar("Answer", bound=msgspec.Struct)

_UNKNOWN_HERE = "Authorization Violation"

logger = logging.getLogger("omnyshell.cluster")


@dataclass(frozen=True, slots=True)
class Credential:
    """How a hub shows its servers who it is."""

    jwt: str = field(repr=False)
    key: Ed25519PrivateKey

    def signature(self, nonce: str) -> bytes:
        """Return the signature over a server's nonce, as the protocol has it."""
        return base64.b64encode(self.key.sign(nonce.encode()))


class _Found(msgspec.Struct):
    time: datetime
    subject: str
    seq: int
    data: bytes = b""


class _Problem(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Published(msgspec.Struct):
    seq: int | None = None
    error: _Problem | None = None


class EngineConnection:
    """Keeps a connection to one of several servers. `start` it, and `aclose` it."""

    def __init__(
        self, servers: tuple[str, ...], credential: Credential, name: str, authorities: Path | None = None
    ) -> None:
        """`name` is the hub's id: its inbox and consumers are called so.

        `authorities` is a file of certificates to trust in place of the system's. Raises `ConfigException` if it cannot
        be used.
        """
        self._servers = list(servers)
        random.shuffle(self._servers)
        self._credential = credential
        self.name = name
        self._tls = _context(authorities) if any(map(_is_secure, servers)) else None
        self._client: Client | None = None
        self._answered_at = float("-inf")
        self.problems: dict[str, str] = {}
        """Why servers could not be reached at the last attempt."""

        self._is_lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._refusals: dict[str, list[asyncio.Future[OmnyShellException]]] = {}
        self.on_connected: list[Callable[[Client], Awaitable[None]]] = []
        """Called with each new connection; each runs until it is lost, or has to be made anew."""

    @property
    def is_connected(self) -> bool:
        """Whether a server is connected."""
        return self._client is not None and self._client.is_connected

    def answered(self) -> None:
        """Note that who leads a stream has answered over this connection, or that it is new.

        Its server is in touch with the others.
        """
        self._answered_at = asyncio.get_running_loop().time()

    def has_answered_within(self, seconds: float) -> bool:
        """Whether that was so in the last seconds."""
        return asyncio.get_running_loop().time() - self._answered_at < seconds

    def start(self) -> None:
        """Connect, and stay connected."""
        self._task = asyncio.create_task(self._stay_connected())

    async def aclose(self) -> None:
        """Close the connection. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            await ended(task)

    async def publish(self, subject: str, data: bytes, place: Place) -> int:
        """Write a record to the stream of its subject. See `Order.publish`."""
        said = _read(await self.ask(subject, data, _headers(place)), _Published)
        if said.error is not None:
            if said.error.err_code in WRONG_LAST:
                raise MisplacedException(said.error.description)
            raise EngineAwayException(f"the engine refused a record: {said.error.description}")
        if said.seq is None:
            raise EngineAwayException("the engine does not say where it has written a record")
        self.answered()
        return said.seq

    async def last_of(self, stream: str, subject: str) -> tuple[bytes, datetime] | None:
        """Return the last record of a subject, and when the engine took it; None if there is none.

        Raises `EngineAwayException` and `NotPermittedException`.
        """
        found = await self._found(stream, last_by_subj=subject)
        return None if found is None else (found.data, found.time)

    async def now(self, stream: str) -> datetime:
        """Return the time of the engine's clock, which says when records were taken, as who leads a stream has it.

        Raises `EngineAwayException` and `NotPermittedException`.
        """
        answer = await self.ask(f"$JS.API.STREAM.INFO.{stream}")
        try:
            return msgspec.convert(answer.get("ts"), datetime)
        except msgspec.ValidationError as exc:
            raise EngineAwayException(f"the engine does not say what time it is: {exc}") from exc

    async def next_of(self, stream: str, seq: int) -> Stored | None:
        """Return the first record from a number on; None if there is none yet.

        Raises `EngineAwayException` and `NotPermittedException`.
        """
        found = await self._found(stream, seq=seq, next_by_subj=">")
        return None if found is None else Stored(found.seq, found.subject, found.data, found.time.timestamp())

    async def _found(self, stream: str, **which: str | int) -> _Found | None:
        answer = await self.ask(f"$JS.API.STREAM.MSG.GET.{stream}", msgspec.json.encode(which))
        problem = answer.get("error")
        if problem is not None and problem.get("code") != _NOT_FOUND:
            raise EngineAwayException(f"the engine does not say what it has: {problem.get('description')}")
        self.answered()
        if problem is not None:
            return None
        return _read(answer.get("message"), _Found)

    async def ask(self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Send a request, and return its answer. Raises `EngineAwayException` and `NotPermittedException`."""
        client = self._client
        if client is None or not client.is_connected:
            raise EngineAwayException("no server of the engine is connected")
        refusal = asyncio.get_running_loop().create_future()
        self._refusals.setdefault(subject, []).append(refusal)
        request = asyncio.ensure_future(client.request(subject, data, timeout=REQUEST_TIMEOUT, headers=headers))
        try:
            await asyncio.wait({request, refusal}, return_when=asyncio.FIRST_COMPLETED)
            if refusal.done():
                raise refusal.result()
            return _decoded((await request).data)
        except (nats.errors.Error, TimeoutError, OSError) as exc:
            if client is self._client and not self.has_answered_within(UNANSWERED):
                self.drop()
            raise EngineAwayException(f"the engine did not answer: {str(exc) or type(exc).__name__}") from exc
        finally:
            self._refusals[subject].remove(refusal)
            if not self._refusals[subject]:
                del self._refusals[subject]
            await ended(request)

    def drop(self) -> None:
        """Give this connection up, as its server does not do what it should, and go to another one."""
        self._is_lost.set()

    async def _stay_connected(self) -> None:
        pause = LEAST_PAUSE
        while True:
            try:
                server, client = await first_of(self._servers, self._connect, close, SILENT)
                await self._use(server, client)
                pause = LEAST_PAUSE
            except Exception as exc:
                logger.debug("the engine is not reached: %s", str(exc) or type(exc).__name__)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # spreads attempts, decides nothing
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _connect(self, server: str) -> Client:
        client = Client()
        failure: Exception | None = None

        async def failed(problem: Exception) -> None:
            nonlocal failure
            failure = problem
            await self._failed(problem)

        def signature(nonce: str) -> bytes:
            # The library speaks TLS where the server asks for it, whatever the URL says; and who signs what comes in
            # the clear may sign for somebody in between.
            _check_secrecy(server, client)
            return self._credential.signature(nonce)

        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await client.connect(
                    server,
                    name=f"omnyshell hub {self.name}",
                    error_cb=failed,
                    closed_cb=partial(self._closed, client),
                    allow_reconnect=False,
                    # Else it would go on with a server that refuses it until the time is over.
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=int(CONNECT_TIMEOUT),
                    ping_interval=PING_INTERVAL,
                    user_jwt_cb=lambda: bytearray(self._credential.jwt.encode()),
                    signature_cb=signature,
                    inbox_prefix=inbox_of(self.name),
                    tls=self._tls if _is_secure(server) else None,
                )
            _check_secrecy(server, client)
        except BaseException as exc:
            if isinstance(exc, nats.errors.Error | OSError | TimeoutError | OmnyShellException):
                self._tell(server, _why(exc, failure))
            elif isinstance(exc, Exception):
                # The library trusts what a server says, and anything may listen in the place of one.
                self._tell(server, f"it says what is not understood: {str(exc) or type(exc).__name__}")
            await close(client)
            raise
        self.problems.pop(server, None)
        return client

    def _tell(self, server: str, problem: str) -> None:
        """Log why a server cannot be reached, aloud when that is new."""
        level = logging.DEBUG if self.problems.get(server) == problem else logging.WARNING
        self.problems[server] = problem
        logger.log(level, "the engine's server %s cannot be reached: %s", server, problem)

    async def _use(self, server: str, client: Client) -> None:
        """Have a connection be the one that is used, until it is lost."""
        # The next time it is the last one that is tried.
        self._servers.sort(key=lambda each: each == server)
        self._is_lost.clear()
        self._client = client
        try:
            self.answered()
            logger.info("connected with the engine's server %s", server)
            await self._serve(client)
        finally:
            self._client = None
            await close(client)

    async def _serve(self, client: Client) -> None:
        tasks = [asyncio.ensure_future(each(client)) for each in self.on_connected]
        lost = asyncio.create_task(self._is_lost.wait())
        try:
            await asyncio.wait({lost, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            logger.warning("the connection with the engine is lost")
        finally:
            self._give_up_what_is_asked()
            await ended(lost, *tasks)
            for task in tasks:
                if not task.cancelled() and (problem := task.exception()) is not None:
                    logger.error("what goes over the connection with the engine has failed", exc_info=problem)

    async def _closed(self, client: Client) -> None:
        if client is self._client:
            self._is_lost.set()

    def _give_up_what_is_asked(self) -> None:
        """What was not answered over a connection that is lost is not answered later: it may be asked anew at once."""
        for subject in self._refusals:
            self._refuse(subject, EngineAwayException("the connection with the engine was lost meanwhile"))

    def _refuse(self, subject: str, problem: OmnyShellException) -> None:
        for refusal in self._refusals.get(subject, ()):
            if not refusal.done():
                refusal.set_result(problem)

    async def _failed(self, problem: Exception) -> None:
        if (found := _VIOLATION.search(str(problem))) is not None:
            # To the library, what is not permitted is a request that nobody answers.
            said = f"the engine does not let hub '{self.name}' publish to {found[1]}"
            self._refuse(found[1], NotPermittedException(said))
        else:
            logger.debug("the engine: %s", str(problem) or type(problem).__name__)


async def close(client: Client) -> None:
    """Close a connection, also where the library has begun to and failed, on what was still to be sent.

    It takes such a one for closed and does nothing more, which would leave the socket open. A server that
    says nothing any more is not waited for long: for its goodbye, TLS would wait for 30 s.
    """
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await client.close()
    except TimeoutError:
        logger.debug("the engine's server does not take leave")
    finally:
        if client._transport is not None:
            client._transport.close()  # type: ignore[no-untyped-call]


def _check_secrecy(server: str, client: Client) -> None:
    """Raise `EngineAwayException` where a server is spoken to in the clear, and its URL says otherwise."""
    writer = getattr(client._transport, "_io_writer", None)
    if _is_secure(server) and (writer is None or writer.get_extra_info("ssl_object") is None):
        raise EngineAwayException("it does not ask for TLS: give it `tls` in its configuration, or ask who answers")


def _why(problem: Exception, cause: Exception | None) -> str:
    """Return why an attempt to connect failed; `cause` is what the library has met last on the way."""
    if isinstance(problem, nats.errors.NoServersError | TimeoutError) and cause is not None:
        problem = cause
    if _UNKNOWN_HERE in str(problem):
        return "it does not know this hub: its engine.conf is another cluster's, or older, or bars this hub"
    return str(problem) or ("it says nothing" if isinstance(problem, TimeoutError) else type(problem).__name__)


def _is_secure(server: str) -> bool:
    return server.startswith("tls://")


def _context(authorities: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(authorities) if authorities is not None else None)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigException(f"cannot use {authorities}, which is to say whom to trust: {exc}") from exc


def manager(client: Client, timeout: float = REQUEST_TIMEOUT) -> JetStreamManager:
    """Return what asks a connection's server about streams, and waits for so many seconds."""
    return client.jsm(timeout=timeout)


def why(problem: APIError) -> str:
    """Return what the engine says of a request that it refused."""
    return f"{problem.description} ({problem.err_code})"


def _headers(place: Place) -> dict[str, str] | None:
    headers = {}
    if place.last is not None:
        headers["Nats-Expected-Last-Sequence"] = str(place.last)
    if place.last_of_subject is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(place.last_of_subject)
        if place.subjects:
            headers["Nats-Expected-Last-Subject-Sequence-Subject"] = place.subjects
    return headers or None


def _read(answer: Any, kind: type[Answer]) -> Answer:
    """Return an answer as what it has to be. Raises `EngineAwayException`."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as exc:
        raise EngineAwayException(f"the engine answered what cannot be read: {exc}") from exc


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as exc:
        raise EngineAwayException(f"the engine answered what cannot be read: {exc}") from exc
