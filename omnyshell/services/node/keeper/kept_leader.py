"""A session's leader whose parent is the keeper."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from omnyshell.errors import SessionRejectedException
from omnyshell.keeper import wire
from omnyshell.keeper.processes import end_of
from omnyshell.keeper.users import IMPOSSIBLE_NAME
from omnyshell.services.node.backend import Asker, Foreground
from omnyshell.services.node.environment import own_user, why_not_own
from omnyshell.services.node.keeper.client import Answer, KeeperClient, Owner, Refusal
from omnyshell.services.node.keeper.whose import admitted_field
from omnyshell.services.node.processes.leader import HangUp
from omnyshell.services.node.processes.process_table import hang_up, identity_of, signal_session

UNKNOWN_USER = "Nobody knows as whom this session runs, which an earlier version of the keeper has started"

LOOKS, BETWEEN_LOOKS = 60, 0.05
"""How often it is asked how a process ended that another one has to wait for, and the seconds between."""

LOOK_TIME = 2.0
"""Seconds for which a keeper may think about a foreground; then what was before is what is known."""

NO_KEEPER = "Nobody can say who may have this session, as the keeper does not answer"


class KeptLeader:
    """See `Leader`. Once nothing of it is read or signalled, and nobody will ask for it, the keeper forgets it."""

    def __init__(
        self,
        client: KeeperClient,
        session_id: str,
        forgotten: Callable[["KeptLeader"], None],
    ) -> None:
        """`forgotten` is called when all is done; `begun` is to follow."""
        self.pid = 0
        self.seen = Foreground()
        """What the keeper said last of its foreground."""

        self._owner: Owner | None = None
        self._client = client
        self._forgotten = forgotten
        self.session_id = session_id
        self._name = session_id.encode()
        self._exited: Callable[[int | None], None] = lambda _code: None
        self._ending = HangUp(self._hang_up, self._finish_off)
        self._has_keeper = True
        self._has_ended = False
        self._is_input_closed = self._is_done = self._is_unwanted = False
        self._pidfd: int | None = None
        self._looking: list[Callable[[], None]] = []
        """Who is told when the keeper has said what runs: it is asked once for all who want to know at a time."""

    def begun(self, pid: int, owner: Owner | None) -> None:
        """It runs, as that user, None for the keeper's own."""
        self.pid, self._owner = pid, owner

    def watch(self, exited: Callable[[int | None], None]) -> None:
        """Call `exited` with the code that the keeper tells."""
        self._exited = exited

    def leave(self) -> None:
        """Hear no more of it."""
        self._exited = lambda _code: None

    def end(self, code: int | None) -> None:
        """Its end is known, and maybe how. Idempotent."""
        if not self._has_ended:
            self._has_ended = True
            self._exited(code)

    def keeper_gone(self) -> None:
        """Nobody tells any more how it will end; that it has, its pidfd tells, and where the system knows how, that."""
        self._has_keeper = False
        if self._has_ended or self._pidfd is not None:
            return
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError:
            asyncio.get_running_loop().call_soon(self.end, None)
            return
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended_without_keeper)

    def kill(self) -> None:
        """Hang up on every process of the session, and kill the rest 1.5 s later. Idempotent."""
        self._ending.begin()

    def kill_now(self) -> None:
        """Kill every process of the session without delay."""
        self._ending.end_now()

    def signal_group(self, group: int, number: int) -> None:
        """Signal the foreground; the keeper knows by itself which group that is."""
        if self._has_keeper:
            self._ask(wire.SIGNAL, wire.GROUP, b"%d" % number)
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)

    def input_closed(self) -> None:
        """Have the keeper close its copy of the input."""
        self._is_input_closed = True
        self._tell(wire.CLOSE_STDIN)

    def output_done(self) -> None:
        """Have the keeper stop to hold its output open, if nothing of it is still to be killed. Idempotent."""
        self._is_done = True
        self._settle()

    def forget(self) -> None:
        """Have the keeper forget the session, once that is so. Idempotent."""
        self._is_unwanted = True
        self._settle()

    def _settle(self) -> None:
        if not self._is_done or self._ending.is_pending:
            return
        if self._is_unwanted:
            self._forget()
        else:
            self._tell(wire.STOP_READING)

    @property
    def user(self) -> str:
        """The user as whom it runs; empty where an earlier version of the keeper has started it for somebody."""
        if self._owner is not None:
            return self._owner.name
        return "" if self._client.judges else own_user()

    def admit(self, asker: Asker, answered: Callable[[str], None]) -> None:
        """Ask the keeper whether somebody may have what runs as this user now. What it does not answer is a no."""
        if self._owner is None:
            answered(UNKNOWN_USER if self._client.judges else why_not_own("", asker.logins))
            return
        try:
            fields = (admitted_field(asker, self._owner.name), b"%d" % self._owner.uid)
            wire.check(wire.ADMIT, fields)
        except (SessionRejectedException, wire.MalformedError):
            answered(IMPOSSIBLE_NAME)
            return
        self._client.ask(wire.ADMIT, *fields, answered=lambda answer: answered(_why_not(answer)))

    def look(self, done: Callable[[], None]) -> None:
        """Ask the keeper what runs in the foreground, and where, if that is somebody else's."""
        if self.user == own_user() or not self._has_keeper:
            done()
            return
        self._looking.append(done)
        if len(self._looking) > 1:
            return

        def heard(answer: Answer | Exception) -> None:
            late.cancel()
            if isinstance(answer, list):
                _, name, directory = (field.decode(errors="replace") for field in answer[:3])
                self.seen = Foreground(name or None, directory or None)
            self._looked()

        late = asyncio.get_running_loop().call_later(LOOK_TIME, self._looked)
        self._client.ask(wire.WHERE, self._name, answered=heard)

    def _looked(self) -> None:
        told, self._looking = self._looking, []
        for each in told:
            each()

    def tell_again(self) -> None:
        """Tell what may not have reached the keeper before the connection was lost."""
        if self._is_input_closed:
            self._tell(wire.CLOSE_STDIN)
        self._settle()

    def _ask(self, verb: bytes, *fields: bytes) -> None:
        self._client.ask(verb, self._name, *fields, answered=lambda _answer: None)

    def _tell(self, verb: bytes) -> None:
        if self._has_keeper:
            # Nobody waits for what becomes of one that has ended.
            self._client.tell(verb, self._name, is_urgent=not self._has_ended)

    def _hang_up(self) -> None:
        if self._has_keeper:
            self._ask(wire.SIGNAL, wire.SESSION, b"%d" % signal.SIGHUP)
        else:
            hang_up(identity_of(self.pid))

    def _finish_off(self) -> None:
        if self._has_keeper:
            self._ask(wire.SIGNAL, wire.SESSION, b"%d" % signal.SIGKILL)
        else:
            signal_session(identity_of(self.pid), signal.SIGKILL)
        self._settle()

    def _forget(self) -> None:
        self._tell(wire.FORGET)
        self._has_keeper = False
        self._forgotten(self)

    def _ended_without_keeper(self) -> None:
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            self._look_how(self._pidfd, LOOKS)

    def _look_how(self, pidfd: int, looks: int) -> None:
        """Learn how it ended, once it was waited for by whoever is its parent now."""
        code, is_all = end_of(pidfd)
        if not is_all and looks:
            asyncio.get_running_loop().call_later(BETWEEN_LOOKS, self._look_how, pidfd, looks - 1)
            return
        os.close(pidfd)
        self._pidfd = None
        self.end(code)


def _why_not(answer: Answer | Exception) -> str:
    """Return why the keeper admits nobody; empty where it does."""
    if isinstance(answer, Refusal):
        return str(answer)
    return "" if isinstance(answer, list) else NO_KEEPER
