"""The backend whose processes are the keeper's children."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.keeper import wire
from omnyshell.model.sessions import PtySpec
from omnyshell.services.node.backend import (
    Asker,
    Launch,
    LeftSession,
    OutputSink,
    PromptStart,
    ShellRequest,
    ShellSession,
)
from omnyshell.services.node.keeper.ahead import Opened
from omnyshell.services.node.keeper.client import Answer, Descriptors, KeeperClient, KeptFacts, Refusal
from omnyshell.services.node.keeper.kept_leader import KeptLeader
from omnyshell.services.node.keeper.line import close_all
from omnyshell.services.node.keeper.place import NoKeeperException
from omnyshell.services.node.keeper.whose import admitted_field, whose_field
from omnyshell.services.node.processes.ledger import KILL_TIME, POLL
from omnyshell.services.node.processes.local_backend import LocalBackend, is_quiet_shell
from omnyshell.services.node.processes.pipes import PipeSession
from omnyshell.services.node.processes.process import ProcessSession
from omnyshell.services.node.processes.process_table import HANG_UP_TIME, session_members
from omnyshell.services.node.processes.pty import MAX_CELLS, PtySession
from omnyshell.services.node.records.record import LeftRecord, SessionRecord
from omnyshell.services.node.scarce import not_started

_AS_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
"""How words and variables are bytes: as `os.fsencode` has it, which takes longer to find out for each."""

logger = logging.getLogger("omnyshell.node")


class KeptBackend:
    """Has a keeper start processes, which outlive this one; starts them itself where no keeper can be had."""

    def __init__(
        self,
        state_dir: Path,
        node_id: str,
        local: LocalBackend,
        users_file: Path | None = None,
        limits_file: Path | None = None,
    ) -> None:
        """`local` prepares requests, and starts them without a keeper.

        Where there is a `users_file`, nothing is started but as it says who becomes whom; and nothing that is not
        limited where there is a `limits_file`.
        """
        self._local = local
        self._users_file = users_file
        self._limits_file = limits_file
        self._client: KeeperClient | None = KeeperClient(
            state_dir,
            node_id,
            file=users_file or limits_file,
            exited=self._exited,
            gone=self._keeper_gone,
            reconnected=self._tell_again,
        )
        self._leaders: dict[str, KeptLeader] = {}
        """Those that run, by their sessions."""

        self._kept: set[KeptLeader] = set()
        """Those that the keeper has not forgotten."""

        self._left: dict[str, KeptFacts] = {}
        """What an earlier process has left, and nobody has taken."""

        self._awaited: set[str] | None = None
        """What an earlier process has left, and is neither taken up nor given up; None while all may be that."""

        self._unwanted: set[str] = set()
        """Sessions that end because nobody has their descriptors."""

        self._left_ended = asyncio.Event()
        self._adopt: Callable[[], Awaitable[None]] = _nobody_adopts
        self._reaching: asyncio.Task[None] | None = None
        """The attempt to reach a keeper where there was none when this node began."""

    async def begin(self) -> Sequence[str]:
        """Connect to the keeper; see `ShellBackend`."""
        # The shells are tried while the keeper starts.
        shells, self._left = await asyncio.gather(self._local.begin(), self._reach())
        return shells

    async def _reach(self) -> dict[str, KeptFacts]:
        """Connect to the keeper, and return the sessions that it has; do without where there is none."""
        try:
            found = await self._client.begin() if self._client is not None else {}
        except (NoKeeperException, TimeoutError) as exc:
            if self._needs_keeper:
                logger.error("SESSIONS ARE REFUSED UNTIL THERE IS A KEEPER: %s", exc)
            else:
                logger.warning("sessions end with this process, as there is no keeper: %s", exc)
                await self._drop_client()
            return {}
        self._say_what_is_limited()
        return found

    @property
    def _needs_keeper(self) -> bool:
        """Whether nothing is started without one, as the node's file says what only a keeper can do."""
        return self._users_file is not None or self._limits_file is not None

    def _say_what_is_limited(self) -> None:
        client = self._client
        if client is None:
            return
        if self._limits_file is not None and (client.flaw or not client.limits):
            text = client.flaw or f"the keeper that runs does not read {self._limits_file}"
            logger.error("SESSIONS ARE REFUSED, AS THEY CANNOT BE LIMITED: %s", text)
        elif client.limits:
            logger.info("each session is limited: %s", client.limits)

    @property
    def leaves(self) -> bool:
        """Whether there is a keeper, which has the sessions in any case."""
        return self._client is not None

    async def take_left(self) -> Sequence[LeftSession]:
        """Return what an earlier process has left; what has not come so far that anybody was told of it is ended."""
        left, self._left = self._left, {}
        self._awaited = set(left)
        found = await asyncio.gather(*(self._taken(name) for name in left))
        await self._end_left({name: left[name] for name, each in zip(left, found, strict=True) if each is None})
        return [each for each in found if each is not None]

    def when_late(self, adopt: Callable[[], Awaitable[None]]) -> None:
        """See `LateBackend`."""
        self._adopt = adopt

    async def _taken(self, name: str) -> LeftSession | None:
        client = self._client
        if client is None:
            return None
        try:
            descriptors = await client.take(name)
        except (Refusal, NoKeeperException, OSError) as exc:
            logger.warning("a session is lost that an earlier run of this node left: %s", exc)
            return None
        try:
            return self._left_session(client, name, descriptors, LeftRecord(descriptors.by_name["record"]))
        except (OSError, ValueError):
            close_all(descriptors.by_name.values())
            return None

    def _left_session(self, client: KeeperClient, name: str, descriptors: Descriptors, left: LeftRecord) -> LeftSession:
        def take(sink: OutputSink) -> ShellSession:
            record = left.record or SessionRecord.begin(descriptors.by_name["record"])
            leader = KeptLeader(client, name, self._forgotten)
            session = self._made(leader, descriptors.by_name, sink, record, leader_only=left.state.leader_only)
            # The record has its own mapping of that memory.
            close_all((descriptors.by_name["record"],))
            self._begun(leader, descriptors)
            return session

        checkpoint = left.record.checkpoint if left.record is not None else None
        size = PtySpec(cols=checkpoint.cols, rows=checkpoint.rows) if checkpoint is not None else left.state.pty
        return LeftSession(left.state, left.record is not None, size, take)

    def expect(self, asker: Asker, user: str) -> None:
        """Have the keeper expect a start."""
        client = self._client
        if client is not None:
            # What is wrong is said when it is started.
            with suppress(SessionRejectedException):
                client.say_soon(admitted_field(asker, user) if client.judges else b"")

    def start(self, request: ShellRequest, sink: OutputSink) -> ShellSession | Awaitable[ShellSession]:
        """Have the keeper start a process. Raises `SessionRejectedException` as `ShellBackend.start` says."""
        client = self._client
        if client is not None and self._needs_keeper and not client.was_reached:
            return self._start_late(client, request, sink)
        return self._start(request, sink)

    async def _start_late(self, client: KeeperClient, request: ShellRequest, sink: OutputSink) -> ShellSession:
        """Start a process where there was no keeper when this node began: somebody may have mended why."""
        if self._reaching is None or self._reaching.done():
            self._reaching = asyncio.create_task(self._reach_late(client))
            # Where everybody has given up, why there is none is nobody's to hear.
            self._reaching.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            # Whoever gives up waits for it no longer, and others do.
            await asyncio.shield(self._reaching)
        except NoKeeperException as exc:
            text = f"This node starts nothing without a keeper, and has none: {exc}"
            raise SessionRejectedException(text, code=ErrorCodes.NOT_AUTHORIZED) from exc
        started = self._start(request, sink)
        return await started if isinstance(started, Awaitable) else started

    async def _reach_late(self, client: KeeperClient) -> None:
        await client.reach()
        self._say_what_is_limited()
        self._left = client.known
        await self._adopt()

    def _start(self, request: ShellRequest, sink: OutputSink) -> ShellSession | Awaitable[ShellSession]:
        if self._client is not None and not self._leaders:
            self._client.seek_roots()
        self._check_keeper()
        client = self._client
        if client is None:
            return self._local.start(request, sink)
        launch = self._local.prepared_for_login(request) if client.judges else self._local.prepared(request)
        fields = _start_fields(request, launch, whose_field(request) if client.judges else b"")
        opened = None if request.wants_pty else client.ahead.take()
        if opened is not None:
            fields = (fields[0], opened.key, *fields[2:])
        leader = KeptLeader(client, request.session_id, self._forgotten)
        future = PromptStart()
        early: ProcessSession | None = None

        def answered(answer: Answer | Exception) -> None:
            try:
                session = self._session(leader, request, launch, sink, early, answer)
            except (SessionRejectedException, OSError) as exc:
                if not future.done():
                    future.set_exception(exc)
                return
            if future.done():
                session.kill()
            else:
                future.set_result(session)

        client.ask(wire.START, *fields, answered=answered)
        # The rest is done while the keeper is busy with that.
        client.ask_ahead()
        if opened is not None:
            early = self._made_early(leader, opened, sink, leader_only=request.leader_only, is_wanted=not future.done())
        return future

    def _check_keeper(self) -> None:
        """Raise `SessionRejectedException` where nothing is to be started but by a keeper that goes by the file."""
        client = self._client
        if self._users_file is not None and (client is None or not client.judges):
            text = f"No keeper goes by [users] of {self._users_file}: stop the one that runs, and start the node anew"
            raise SessionRejectedException(text, code=ErrorCodes.NOT_AUTHORIZED)
        if self._limits_file is not None and (client is None or not client.limits):
            text = f"No keeper limits sessions as {self._limits_file} says: see its log, and start it anew"
            raise SessionRejectedException(text, code=ErrorCodes.NOT_AUTHORIZED)

    def groups(self, found: Callable[[Mapping[str, str], int], None]) -> None:
        """Ask the keeper for the control groups of sessions; see `GroupingBackend`."""
        client = self._client
        if client is None:
            found({}, 0)
            return

        def answered(answer: Answer | Exception) -> None:
            told = list(map(os.fsdecode, answer)) if isinstance(answer, list) else []
            found(dict(zip(told[::2], told[1::2], strict=False)), client.pid)

        client.ask(wire.GROUPS, answered=answered)

    async def aleave(self) -> None:
        """Leave the keeper, with all that it has."""
        await self._drop_client()
        await self._local.aclose()

    async def aclose(self) -> None:
        """End all remaining processes of the sessions, and leave the keeper. Takes about 2 s at most."""
        await self._members_end()
        for leader in list(self._kept):
            leader.kill_now()
        await self._drop_client()
        await self._local.aclose()

    async def _members_end(self) -> None:
        """Wait for the processes of the sessions, which were hung up on, but not longer than those may take."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + HANG_UP_TIME
        while any(session_members(leader.pid) for leader in self._kept):
            if loop.time() >= deadline:
                return
            await asyncio.sleep(POLL)

    def _forgotten(self, leader: KeptLeader) -> None:
        self._kept.discard(leader)

    def _session(
        self,
        leader: KeptLeader,
        request: ShellRequest,
        launch: Launch,
        sink: OutputSink,
        early: ProcessSession | None,
        answer: Answer | Exception,
    ) -> ProcessSession:
        """Return the session of what the keeper has started: the one that was made early, if it has its descriptors.

        Raises `SessionRejectedException` or `OSError`.
        """
        if isinstance(answer, Descriptors) and early is not None and not answer.by_name:
            self._begun(leader, answer)
            return early
        if early is not None:
            early.leave()
        if isinstance(answer, OSError):
            self._end_unwanted(request.session_id)
        if not isinstance(answer, Descriptors):
            raise _rejection(launch, answer)
        try:
            record = SessionRecord.begin(answer.by_name["record"])
            session = self._made(leader, answer.by_name, sink, record, leader_only=request.leader_only)
        except (KeyError, OSError, ValueError) as exc:
            close_all(answer.by_name.values())
            self._end_unwanted(request.session_id)
            raise exc if isinstance(exc, OSError) else OSError(str(exc)) from exc
        # The record has its own mapping of that memory.
        close_all((answer.by_name["record"],))
        self._begun(leader, answer)
        return session

    def _made_early(
        self, leader: KeptLeader, opened: Opened, sink: OutputSink, *, leader_only: bool, is_wanted: bool
    ) -> ProcessSession | None:
        """Make a session before it is known whether it begins; None where it does not, or cannot be made."""
        with suppress(OSError):
            if is_wanted:
                return self._made(leader, opened.by_name, sink, opened.record, leader_only=leader_only)
        opened.close()
        return None

    def _made(
        self, leader: KeptLeader, by_name: dict[str, int], sink: OutputSink, record: SessionRecord, *, leader_only: bool
    ) -> ProcessSession:
        """Make a session of what the keeper has opened. Raises `OSError`."""
        if "terminal" in by_name:
            return PtySession(leader, (by_name["terminal"], os.dup(by_name["terminal"])), sink, record)
        streams = (by_name.get("stdin"), by_name.get("stdout"), by_name.get("stderr"))
        limit = self._local.drain_limit
        return PipeSession(leader, streams, sink, drain_limit=limit, leader_only=leader_only, record=record)

    def _begun(self, leader: KeptLeader, descriptors: Descriptors) -> None:
        """What a session was made of is started."""
        leader.begun(descriptors.facts.pid, descriptors.owner)
        self._leaders[leader.session_id] = leader
        self._kept.add(leader)
        if self._awaited is not None:
            self._awaited.discard(leader.session_id)
        if not descriptors.facts.is_running:
            # It ended while the connection was lost, or before there was one.
            code = descriptors.facts.return_code
            asyncio.get_running_loop().call_soon(self._exited, leader.session_id, code)

    def _exited(self, session_id: str, code: int | None) -> None:
        leader = self._leaders.pop(session_id, None)
        if leader is not None:
            leader.end(code)
        elif session_id in self._unwanted:
            self._unwanted.discard(session_id)
            self._tell_forget(session_id)
            if not self._unwanted:
                self._left_ended.set()

    def _keeper_gone(self) -> None:
        if self._leaders:
            logger.error("the keeper has ended: its %d sessions go on as long as this process does", len(self._leaders))
        leaders, self._leaders = self._leaders, {}
        for leader in leaders.values():
            leader.keeper_gone()

    def _tell_again(self, known: Collection[str], ended: set[str]) -> None:
        """Tell what may not have been heard: how far each session is, and which are forgotten here already.

        What a keeper does not know that was started after a crash goes on without one.
        """
        for name in self._leaders.keys() - known:
            self._leaders.pop(name).keeper_gone()
        for leader in list(self._kept):
            leader.tell_again()
        if self._awaited is not None:
            for name in ended - {leader.session_id for leader in self._kept} - self._unwanted - self._awaited:
                self._tell_forget(name)

    def _tell_forget(self, session_id: str) -> None:
        if self._client is not None:
            self._client.tell(wire.FORGET, session_id.encode())

    def _end_unwanted(self, session_id: str, number: int = signal.SIGKILL) -> None:
        if self._client is not None:
            self._unwanted.add(session_id)
            fields = (session_id.encode(), wire.SESSION, b"%d" % number)
            self._client.ask(wire.SIGNAL, *fields, answered=lambda _answer: None)

    async def _end_left(self, left: dict[str, KeptFacts]) -> None:
        """End what an earlier process of this node has left. Takes 1.5 s at most."""
        running = [name for name, facts in left.items() if facts.is_running]
        if self._awaited is not None:
            self._awaited -= left.keys()
        for name in running:
            self._end_unwanted(name, signal.SIGHUP)
        for name in left.keys() - set(running):
            self._tell_forget(name)
        if running:
            logger.warning("ended %d sessions that an earlier run of this node left behind", len(running))
            try:
                async with asyncio.timeout(HANG_UP_TIME):
                    await self._left_ended.wait()
            except TimeoutError:
                for name in list(self._unwanted):
                    self._end_unwanted(name)

    async def _drop_client(self) -> None:
        client = self._client
        if client is None:
            return
        if self._reaching is not None:
            self._reaching.cancel()
            await asyncio.wait({self._reaching})
        # What was asked last is done when this is answered.
        with suppress(NoKeeperException, Refusal, TimeoutError):
            async with asyncio.timeout(KILL_TIME):
                await client.request(wire.LIST)
        self._client = None
        await client.aclose()


async def _nobody_adopts() -> None:
    """Do nothing, as for who has no use for what an earlier process has left."""


def _start_fields(request: ShellRequest, launch: Launch, whose: bytes) -> tuple[bytes, ...]:
    """Return a start as the keeper takes it. Raises `SessionRejectedException` for what no program can get."""
    kind, cells = wire.PIPES, [b"1", b"1"]
    if request.wants_pty:
        kind, size = wire.QUIET_PTY if is_quiet_shell(request) else wire.PTY, request.pty or PtySpec()
        cells = [b"%d" % min(max(1, count), MAX_CELLS) for count in (size.cols, size.rows)]
    # A link stays one.
    directory = os.fsencode(launch.cwd if whose else os.path.abspath(launch.cwd))  # noqa: PTH100
    said = [*launch.argv, *map("=".join, launch.env.items())]
    rest = "\0".join(said).encode(*_AS_NAMES).split(b"\0")
    fields = (request.session_id.encode(), kind, *cells, directory, whose, b"%d" % len(launch.argv), *rest)
    try:
        if len(rest) != len(said) or "" in launch.env:
            raise wire.MalformedError
        wire.check(wire.START, fields)
    except wire.MalformedError as exc:
        text = f"Cannot start '{launch.argv[0]}': no program can have so much, or such arguments and variables"
        raise SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST) from exc
    return fields


def _rejection(launch: Launch, answer: Answer | Exception) -> Exception:
    if isinstance(answer, Refusal) and answer.code == wire.CANNOT:
        return not_started(f"Cannot start '{launch.argv[0] or 'the shell'}'", str(answer))
    if isinstance(answer, Refusal) and answer.code == wire.REFUSED:
        return SessionRejectedException(str(answer), code=ErrorCodes.NOT_AUTHORIZED)
    if isinstance(answer, Refusal | NoKeeperException):
        is_full = isinstance(answer, Refusal) and answer.code == wire.FULL
        code = ErrorCodes.CAPACITY_EXCEEDED if is_full else ErrorCodes.INTERNAL_ERROR
        return SessionRejectedException(f"The keeper starts nothing: {answer}", code=code)
    return answer if isinstance(answer, Exception) else OSError("the keeper gave no descriptors")
