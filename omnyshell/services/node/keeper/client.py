"""What a node asks of its keeper, through connections that may be lost, as they are when the keeper is upgraded."""

import asyncio
import itertools
import logging
import os
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from omnyshell.keeper import wire
from omnyshell.services.node.keeper.ahead import PipesAhead
from omnyshell.services.node.keeper.line import KeeperLine, close_all
from omnyshell.services.node.keeper.other_process import end_of
from omnyshell.services.node.keeper.place import (
    NoKeeperException,
    NoneServesHereException,
    connect,
    is_roots,
    is_roots_there,
    is_to_return,
)
from omnyshell.services.node.keeper.starting import start_own

PROMPT = 10.0
"""Seconds for an answer that a node waits for when it connects."""

UPGRADE_TIME = 60.0
"""Seconds for a keeper to be what is installed: it tries that for 30 at most, waits 5 for what it is starting, and then
starts anew. Sessions are out of reach of a node that does not wait so long on a busy machine."""

HELD_TIME = 30.0
"""Seconds to wait for the end of another process that has the node's sessions."""

RETURN_TIME = 15.0
"""Seconds in which a keeper is there again that its service manager starts, if it is to be at all."""

TRIES, BETWEEN_TRIES = 3, 0.1
"""How often a keeper is looked for, or started, and the seconds between two attempts."""

_PIPES = wire.MOST_DESCRIPTORS // wire.MOST_OPENED
"""How many descriptors a command has here."""

logger = logging.getLogger("omnyshell.node")


class Refusal(Exception):
    """A keeper's `no`: a code of the wire, a sentence, and what else it says."""

    def __init__(self, code: bytes, text: str, *facts: bytes) -> None:
        super().__init__(text)
        self.code = code
        self.facts = facts


class KeptFacts(NamedTuple):
    """A session as a keeper lists it."""

    pid: int
    is_running: bool
    return_code: int | None
    """As `Popen.returncode` has it; None while it runs, and where nobody can know it."""

    kind: bytes


class Owner(NamedTuple):
    """The user of this machine as whom a session runs."""

    name: str
    uid: int


class Descriptors(NamedTuple):
    """A session that was started or taken: what is known of it, and descriptors by name, which are the receiver's.

    There are none where those were used that had been opened before.
    """

    facts: KeptFacts
    owner: Owner | None
    """None where it runs as the keeper's own user."""

    by_name: dict[str, int]


class PipesOpened(NamedTuple):
    """Pipes for the next commands: descriptors by name, which are the receiver's."""

    by_name: list[dict[str, int]]


Answer = list[bytes] | Descriptors | PipesOpened
Answered = Callable[[Answer | Exception], None]


class _Pending(NamedTuple):
    verb: bytes
    fields: tuple[bytes, ...]
    answered: Answered


class KeeperClient:
    """Asks the keeper of a state directory, root's or our own, and starts one where there is none.

    `exited` is called for each session that ends; `gone` when the keeper has ended, and nobody knows how its sessions
    will. What was asked while the connection was lost is asked again over the next one, after `reconnected` was called
    with all sessions that the keeper has, and the ended ones among them that nobody has asked for.
    """

    def __init__(
        self,
        state_dir: Path,
        node_id: str,
        *,
        file: Path | None = None,
        exited: Callable[[str, int | None], None],
        gone: Callable[[], None],
        reconnected: Callable[[Collection[str], set[str]], None],
    ) -> None:
        """A keeper that is started reads in the node's `file` who becomes whom, and what sessions may take.

        Where there is one, nothing is started in place of a keeper of root's: ours could not do what it says.
        """
        self._file = file
        self._needs_roots = False
        self.pid = 0
        """The keeper's process; an upgrade leaves it the same."""

        self.judges = False
        """Whether the keeper decides whose the programs are, and has to be told for whom each is."""

        self.limits = ""
        """What it lets sessions take; empty for all there is."""

        self.flaw = ""
        """Why sessions are in no control groups, or cannot be limited as the node's file says."""

        self.tells_users = False
        """Whether the keeper tells as whom sessions run; one that does not is of an earlier version."""

        self.ahead = PipesAhead()
        """Pipes for the next commands; see `ask_ahead`."""

        self._state_dir = state_dir
        self._node_id = node_id.encode()
        self._exited = exited
        self._gone = gone
        self._reconnected = reconnected
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._line: KeeperLine | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._boot = b""
        self._known: dict[str, KeptFacts] = {}
        self._was_connected = self._is_closed = self._opens_ahead = False

    async def begin(self) -> dict[str, KeptFacts]:
        """Connect, have the keeper be what is installed, and return the node's sessions that it has.

        Raises `NoKeeperException` where no keeper can be had, or another process has the sessions for too long.
        """
        self._reconnect()
        if self._connecting is not None:
            await self._connecting
        async with asyncio.timeout(UPGRADE_TIME):
            try:
                await self.request(wire.UPGRADE)
            except Refusal as exc:
                logger.warning("the keeper goes on as it is: %s", exc)
            return _listed(await self.request(wire.LIST))

    @property
    def was_reached(self) -> bool:
        """Whether a keeper has ever answered."""
        return self._was_connected

    @property
    def known(self) -> dict[str, KeptFacts]:
        """The sessions that the keeper had when it was connected."""
        return dict(self._known)

    async def reach(self) -> None:
        """Look for a keeper where there was none so far; who asks meanwhile waits for the same attempt.

        Raises `NoKeeperException`.
        """
        if self._connecting is None and self._line is None and not self._is_closed:
            self._reconnect()
        if self._connecting is not None:
            await asyncio.shield(self._connecting)

    def ask(self, verb: bytes, *fields: bytes, answered: Answered) -> None:
        """Ask; `answered` gets what the keeper said, or why not: a `Refusal`, or `NoKeeperException`.

        A start waits for a keeper that is not there; other requests do not, as they are about what it had.
        """
        number = next(self._numbers)
        self._pending[number] = _Pending(verb, fields, answered)
        if self._connecting is not None:
            return
        if self._line is not None:
            self._send(number)
        elif verb == wire.START and not self._is_closed:
            self._reconnect()
        else:
            self._settle(number, NoKeeperException("the keeper has ended"))

    def seek_roots(self) -> None:
        """Go to root's keeper, if that has come since ours took its place; to be called where ours has nothing."""
        line, has_ours = self._line, self._file is not None and not self._needs_roots
        if line is None or not has_ours or self._connecting is not None or self._is_starting:
            return
        if is_roots_there(self._state_dir):
            line.close()
            self._lost()

    @property
    def _is_starting(self) -> bool:
        """Whether something was asked for that another keeper would start once more."""
        return any(each.verb == wire.START for each in self._pending.values())

    def tell(self, verb: bytes, name: bytes, *, is_urgent: bool = False) -> None:
        """Ask for what of a session needs no answer, now or soon; lost where the connection is."""
        if self._connecting is not None or self._line is None:
            return
        frame = wire.pack(verb, wire.UNANSWERED, name)
        if is_urgent:
            self._line.send(frame)
        else:
            self._line.send_soon(frame, name, is_last=verb == wire.FORGET)

    def say_soon(self, whose: bytes) -> None:
        """Say that a start is being prepared, and for whom, unless the keeper is busy; an earlier one does not mind."""
        if self._connecting is None and self._line is not None and not self._pending and len(whose) <= wire.MOST_USER:
            self._line.send_ahead(wire.pack(wire.SOON, wire.UNANSWERED, whose))

    async def request(self, verb: bytes, *fields: bytes) -> list[bytes]:
        """Ask, and return the answer's fields. Raises what `ask` passes on."""
        return _fields(await self._answer(verb, *fields))

    async def take(self, session_id: str) -> Descriptors:
        """Return the descriptors of a session that an earlier process has started. Raises `Refusal` and `OSError`."""
        answer = await self._answer(wire.TAKE, session_id.encode())
        if not isinstance(answer, Descriptors):
            raise NoKeeperException("the keeper has no descriptors")
        return answer

    def _answer(self, verb: bytes, *fields: bytes) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.ask(verb, *fields, answered=lambda answer: _resolve(future, answer))
        return future

    async def aclose(self) -> None:
        """Leave the keeper, and all that it has. Idempotent."""
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            with suppress(asyncio.CancelledError, NoKeeperException):
                await self._connecting
        if self._line is not None:
            self._line.close()
            self._line = None
        self._fail_all()
        self.ahead.drop()

    # Connections

    def _reconnect(self) -> None:
        self._connecting = asyncio.create_task(self._connect())
        self._connecting.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._ask_again()
        else:
            if self._line is not None:
                self._line.close()
                self._line = None
            if not isinstance(error, NoKeeperException):
                logger.error("the keeper cannot be reached: %r", error)
            self._gone()
            self._fail_all()

    async def _connect(self) -> None:
        """Say hello to a keeper, and learn what it has. Raises `NoKeeperException`."""
        try:
            async with asyncio.timeout(HELD_TIME + PROMPT):
                listed = await self._greeted()
        except TimeoutError as exc:
            raise NoKeeperException("the keeper does not answer, or gives the sessions to another process") from exc
        except Refusal as exc:
            raise NoKeeperException(str(exc)) from exc
        for name, facts in listed.items():
            if not facts.is_running:
                self._exited(name, facts.return_code)
        self._known = listed

    async def _greeted(self) -> dict[str, KeptFacts]:
        """Say hello, and return what the keeper has; once more where that one was just about to end."""
        for _ in range(TRIES - 1):
            try:
                await self._say_hello(await self._reached())
                return _listed(await self._direct(wire.LIST))
            except NoneServesHereException:
                raise
            except NoKeeperException:
                pass
            await asyncio.sleep(BETWEEN_TRIES)
        await self._say_hello(await self._reached())
        return _listed(await self._direct(wire.LIST))

    async def _reached(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RETURN_TIME
        while True:
            with suppress(NoKeeperException):
                channel = connect(self._state_dir)
                if not self._needs_roots or is_roots(channel):
                    return channel
                # It is ours, of before root's was there, and just about to end.
                channel.close()
            if loop.time() >= deadline or not is_to_return(self._state_dir):
                break
            await asyncio.sleep(BETWEEN_TRIES)
        if self._needs_roots:
            raise NoKeeperException("root's keeper has ended, and has to be started again")
        await start_own(self._state_dir, self._file)
        return connect(self._state_dir)

    async def _say_hello(self, channel: socket.socket) -> None:
        self._line = KeeperLine(channel, self._heard, self._lost, self._opening)
        while True:
            try:
                answer = await self._direct(wire.HELLO, b"%d" % wire.VERSION, self._node_id)
            except Refusal as exc:
                if exc.code != wire.HELD:
                    raise
                logger.warning("%s; waiting for its end", exc)
                await end_of(int(exc.facts[0]))
            else:
                break
        self._needs_roots = self._file is not None and is_roots(channel)
        # An earlier keeper knows of no control groups.
        version, pid, boot, judges, _, flaw, limits = [*answer, b"", b"", b""][:7]
        self.tells_users = int(version) >= wire.WITH_USERS
        self._opens_ahead = int(version) >= wire.WITH_OPENED
        if self._boot not in (b"", boot):
            self._gone()
        self.pid, self._boot, self.judges = int(pid), boot, judges == wire.JUDGES
        self.flaw, self.limits = os.fsdecode(flaw), os.fsdecode(limits)

    async def _direct(self, verb: bytes, *fields: bytes) -> list[bytes]:
        """Ask over a connection that is being made."""
        if self._line is None:
            raise NoKeeperException("the keeper has ended")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        number = next(self._numbers)
        self._pending[number] = _Pending(verb, fields, lambda answer: _resolve(future, answer))
        self._send(number)
        try:
            return _fields(await future)
        finally:
            self._pending.pop(number, None)

    def _ask_again(self) -> None:
        """Ask what was not answered; a session that was started after all is taken."""
        of_sessions = (each for each in self._pending.values() if each.fields and each.verb != wire.ADMIT)
        asked = {each.fields[0].decode() for each in of_sessions}
        if self._was_connected:
            ended = {name for name, facts in self._known.items() if not facts.is_running}
            self._reconnected(self._known, ended - asked)
        self._was_connected = True
        for number, (verb, fields, answered) in list(self._pending.items()):
            if verb in (wire.UPGRADE, wire.OPEN):
                self._settle(number, [])
                continue
            if verb == wire.START and fields[0].decode() in self._known:
                self._pending[number] = _Pending(wire.TAKE, fields[:1], answered)
            elif verb == wire.START and fields[1] not in wire.KINDS:
                # What was opened for it went with the connection.
                self._pending[number] = _Pending(verb, (fields[0], wire.PIPES, *fields[2:]), answered)
            self._send(number)
        self.ask_ahead()

    def ask_ahead(self) -> None:
        """Have pipes opened soon, in place of those that were taken."""
        if self._opens_ahead and self._line is not None:
            self._line.ask_soon()

    def _opening(self) -> bytes:
        """Return the request for what is missing; nothing where that is nothing."""
        count = self.ahead.missing() if self._opens_ahead else 0
        if not count:
            return b""
        number, field = next(self._numbers), b"%d" % count
        self._pending[number] = _Pending(wire.OPEN, (field,), lambda answer: self._opened(number, count, answer))
        return wire.pack(wire.OPEN, b"%d" % number, field)

    def _opened(self, number: int, count: int, answer: Answer | Exception) -> None:
        self.ahead.came(number, count, answer.by_name if isinstance(answer, PipesOpened) else [])

    def _send(self, number: int) -> None:
        verb, fields, _ = self._pending[number]
        if self._line is not None:
            # What becomes of sessions that have ended can wait until one is started.
            send = self._line.send_ahead if verb == wire.START else self._line.send
            send(wire.pack(verb, b"%d" % number, *fields))

    def _lost(self) -> None:
        self._line = None
        self.ahead.drop()
        if self._connecting is not None:
            for number, (verb, _, _) in list(self._pending.items()):
                if verb in (wire.HELLO, wire.LIST):
                    self._settle(number, NoKeeperException("the keeper has ended"))
        elif not self._is_closed:
            self._reconnect()

    def _fail_all(self) -> None:
        for number in list(self._pending):
            self._settle(number, NoKeeperException("the keeper has ended"))

    # What the keeper says

    def _heard(self, words: list[bytes]) -> None:
        if words[0] == wire.EXIT:
            self._exited(words[1].decode(), _code(words[2]))
            return
        number = int(words[1])
        pending = self._pending.get(number)
        if pending is None or words[0] not in (wire.OK, wire.NO):
            raise wire.MalformedError
        if words[0] == wire.NO:
            self._settle(number, Refusal(words[2], os.fsdecode(words[3]), *words[4:]))
        elif pending.verb in (wire.START, wire.TAKE):
            self._settle(number, self._started(words[2:]))
        elif pending.verb == wire.OPEN:
            self._settle(number, self._pipes_opened(words[2:]))
        else:
            self._settle(number, words[2:])

    def _started(self, fields: list[bytes]) -> Descriptors | OSError:
        facts, names, owner = _facts(*fields[:3]), fields[3:], None
        if self.tells_users:
            name, uid, *names = names
            owner = Owner(os.fsdecode(name), int(uid)) if name else None
        came = self._named(names)
        return came if isinstance(came, OSError) else Descriptors(facts, owner, dict(came))

    def _pipes_opened(self, names: list[bytes]) -> PipesOpened | OSError:
        came = self._named(names)
        if isinstance(came, OSError):
            return came
        return PipesOpened([dict(came[at : at + _PIPES]) for at in range(0, len(came), _PIPES)])

    def _named(self, names: list[bytes]) -> list[tuple[str, int]] | OSError:
        """Return the descriptors that came with an answer, each with its name."""
        came = self._line.descriptors() if names and self._line is not None else []
        if len(came) != len(names):
            close_all(came)
            return OSError("Too many open files")
        return list(zip(map(bytes.decode, names), came, strict=True))

    def _settle(self, number: int, answer: Answer | Exception) -> None:
        pending = self._pending.pop(number, None)
        if pending is not None:
            pending.answered(answer)


def _fields(answer: Answer) -> list[bytes]:
    return answer if isinstance(answer, list) else []


def _resolve(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if future.done():
        if isinstance(answer, Descriptors):
            close_all(answer.by_name.values())
    elif isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _listed(fields: list[bytes]) -> dict[str, KeptFacts]:
    return {fields[at].decode(): _facts(*fields[at + 1 : at + 4]) for at in range(0, len(fields), 4)}


def _facts(pid: bytes, state: bytes, kind: bytes) -> KeptFacts:
    return KeptFacts(int(pid), state == wire.RUNNING, _code(state), kind)


def _code(state: bytes) -> int | None:
    return None if state in (wire.RUNNING, wire.UNKNOWN) else int(state)
