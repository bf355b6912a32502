"""A child process that leads a session of its own and is reaped (docs/architecture.md#children-are-cheap-and-owned)."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from omnyshell.services.node.backend import Asker, Foreground
from omnyshell.services.node.environment import own_user, why_not_own
from omnyshell.services.node.processes.leader import HangUp
from omnyshell.services.node.processes.ledger import ChildLedger
from omnyshell.services.node.processes.process_table import hang_up, identity_of, signal_session
from omnyshell.services.node.scarce import not_started

Descriptor = int


class Child:
    """Starts a program as the leader of a new session; see `Leader`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        streams: tuple[Descriptor, Descriptor, Descriptor],
        ledger: ChildLedger,
    ) -> None:
        """Raises `SessionRejectedException` where it cannot be started."""
        self._loop = asyncio.get_running_loop()
        self._ledger = ledger
        self._exited: Callable[[int | None], None] = lambda _code: None
        self._ending = HangUp(lambda: hang_up(self._identity), self._finish_off)
        line = ledger.announce(streams[:2])
        try:
            self._process = _spawn(argv, env, cwd, streams)
        except BaseException:
            ledger.withdraw(line)
            raise
        self.pid = self._process.pid
        self._identity = identity_of(self.pid)
        ledger.add(line, self._identity)

    @property
    def has_exited(self) -> bool:
        """Whether the leader has ended."""
        return self._process.returncode is not None

    def leave(self) -> None:
        """It is nobody else's, and ends with this process."""

    def kill(self) -> None:
        """Hang up on every process of the session, and kill the rest 1.5 s later. Idempotent."""
        self._ending.begin()

    def kill_now(self) -> None:
        """Kill every process of the session without delay."""
        self._ending.end_now()

    def signal_group(self, group: int, number: int) -> None:
        """Signal a process group of the session; one that has gone is ignored."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)

    def input_closed(self) -> None:
        """Nobody else holds its input."""

    def output_done(self) -> None:
        """Nobody else holds its output."""

    def forget(self) -> None:
        """Nobody else knows how it ended."""

    @property
    def user(self) -> str:
        """The node's user."""
        return own_user()

    seen = Foreground()
    """Nothing: our own processes can be looked at."""

    def admit(self, asker: Asker, answered: Callable[[str], None]) -> None:
        """Say at once whether somebody may have what is the node's user's."""
        answered(why_not_own("", asker.logins))

    def look(self, done: Callable[[], None]) -> None:
        """There is nothing to learn."""
        done()

    def _finish_off(self) -> None:
        signal_session(self._identity, signal.SIGKILL)
        if self.has_exited:
            self._ledger.remove(self._identity)

    def watch(self, exited: Callable[[int | None], None]) -> None:
        """Call `exited` with its return code."""
        self._exited = exited
        try:
            pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            # Without pidfds (not Linux), a thread waits.
            waiting = self._loop.run_in_executor(None, self._process.wait)
            waiting.add_done_callback(lambda _: self._reap())
            return
        self._loop.add_reader(pidfd, self._pidfd_ready, pidfd)

    def _pidfd_ready(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        os.close(pidfd)
        self._reap()

    def _reap(self) -> None:
        # The exit is reported first: the client waits for it, and nobody waits for the ledger.
        self._exited(self._process.wait())
        if not self._ending.is_pending:
            self._ledger.remove(self._identity)


def _spawn(
    argv: Sequence[str], env: Mapping[str, str], cwd: str, streams: tuple[Descriptor, Descriptor, Descriptor]
) -> "subprocess.Popen[bytes]":
    stdin, stdout, stderr = streams
    try:
        return subprocess.Popen(  # noqa: S603
            argv, env=dict(env), cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise not_started(f"Cannot start '{argv[0]}'", reason or str(exc)) from exc
