"""The keeper replaced by a newer one: it executes itself, with the same id, children and descriptors.

What it knows is written into memory that the new one inherits, as frames of the wire. A trial in a process of its own
shows first that the new one starts and understands it. Connections end with the old one; nodes connect again.
"""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from .children import HANDLED, allow_descriptors, usual_descriptors
from .held import Held
from .keeper import Keeper
from .net import Net
from .peers import Peer
from .poller import READ, say
from .wire import MOST_BYTES, Frames, MalformedError, pack

_KEEPER, _HELD, _HOLDER = b"keeper", b"session", b"holder"
_USER = b"user"
"""As whom a session runs, where that is not the keeper's user. An earlier version looks past it."""

_ADOPTED = b"adopted"
"""Of a session whose leader is no child: its pidfd, and when it was started. An earlier version looks past it."""

_MARK = b"mark"
"""What was tried, and so is what takes over, unless its files have changed since: then it is asked to upgrade again."""

_KEPT = b"kept"
"""What the service manager keeps: see `Net.numbers`."""

TRIAL_TIME = 30.0
"""Seconds that a trial may take, for which the keeper serves as ever."""

PATIENCE = 5.0
"""Seconds for which a keeper that is to be replaced waits for programs that are being started, and starts no others.

Whoever becomes a program may be stopped on the way by the user that it is by then. What has not come so far is ended,
and started anew by the next keeper, whom its node asks again.
"""

_ENDING = 0.2
"""Seconds in which the ends of those are heard of."""

_Record = list[bytes]


def _numbers(*values: int) -> _Record:
    return [b"%d" % value for value in values]


class Upgrade:
    """Tries what is installed now, and has it take over."""

    def __init__(
        self,
        keeper: Keeper,
        net: Net | None,
        command: Callable[[str, int], list[str]],
        mark: Callable[[], int],
        loaded: int | None,
    ) -> None:
        """`command` makes the new keeper's command line of an option and the descriptor of what is known.

        `net` has kept what is held, if anybody does; `mark` tells by a number what is installed, and `loaded` is what
        it told of this keeper, where that is known.
        """
        self._keeper = keeper
        self._net = net
        self._command = command
        self._mark = mark
        self._loaded = mark() if loaded is None else loaded
        self._trial = self._tried_mark = 0
        self._is_due = False
        self._refused: list[Callable[[str], None]] = []
        keeper.upgrade = self.ask
        keeper.starting.when_over = self._replace_if_due

    def ask(self, refused: Callable[[str], None]) -> bool:
        """Begin, and return whether anything else is installed; `refused` is told why the old one goes on."""
        if self._mark() == self._loaded:
            return False
        self._refused.append(refused)
        if not self._trial and not self._is_due:
            self._try()
        return True

    def _try(self) -> None:
        try:
            self._begin_trial()
        except OSError as exc:
            self._refuse(exc.strerror or str(exc))

    def _begin_trial(self) -> None:
        # It would be where the trial is, of which the next session has to be told apart.
        self._keeper.ready.drop()
        state, self._tried_mark = self._state(), self._mark()
        try:
            argv = self._command("--trial", state)
            pid = os.posix_spawn(argv[0], argv, {}, file_actions=[(os.POSIX_SPAWN_DUP2, state, state)])
        finally:
            os.close(state)
            self._keeper.groups.shared()
        self._trial, pidfd = pid, os.pidfd_open(pid)
        self._keeper.poller.watch(pidfd, READ, lambda _events: self._tried(pidfd))
        # One that does not end is killed, which ends the waiting.
        self._keeper.poller.call_later(TRIAL_TIME, lambda: self._give_up(pid))

    def _give_up(self, trial: int) -> None:
        if self._trial == trial:
            os.kill(trial, signal.SIGKILL)

    def _tried(self, pidfd: int) -> None:
        pid, status = os.waitpid(self._trial, os.WNOHANG)
        if pid == 0:
            return
        self._keeper.poller.unwatch(pidfd)
        os.close(pidfd)
        self._trial, self._is_due = 0, status == 0
        if self._is_due:
            self._replace_if_due()
        elif self._mark() != self._tried_mark:
            # What was tried was half of what is installed by now.
            self._try()
        else:
            self._refuse("What is installed now does not start, so the keeper goes on as it is")

    def _replace_if_due(self) -> None:
        if not self._is_due or self._keeper.ending is not None:
            return
        if self._keeper.starting:
            self._keeper.starting.hold()
            self._keeper.poller.call_later(PATIENCE, self._hurry)
            return
        self._is_due = False
        if self._mark() != self._tried_mark:
            # Somebody is still installing it.
            self._keeper.starting.release()
            self._try()
            return
        try:
            self._replace()
        except OSError as exc:
            self._refuse(exc.strerror or str(exc))

    def _hurry(self) -> None:
        """End what is still being started, and go on once those are waited for."""
        if self._is_due and self._keeper.starting:
            self._is_due = False
            self._keeper.starting.give_up()
            self._is_due = True
            self._keeper.poller.call_later(_ENDING, self._replace_if_due)

    def _replace(self) -> None:
        self._keeper.settle_ended()
        self._keeper.groups.note_tenant()
        state = self._state()
        inherited = [state, *self._keeper.own_descriptors]
        inherited += [fd for held in self._keeper.sessions for fd in held.descriptors.values()]
        inherited += [held.pidfd for held in _adopted(self._keeper)]
        inherited += [holder.pidfd for holder in self._keeper.holders.values()]
        self._keeper.ready.drop()
        try:
            for fd in inherited:
                os.set_inheritable(fd, True)
            say("an upgrade takes over")
            # A signal that comes now is the new one's, as soon as it handles it.
            signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
            argv = self._command("--restore", state)
            usual_descriptors()
            os.execve(argv[0], argv, os.environ)  # noqa: S606
        finally:
            allow_descriptors()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            for fd in inherited:
                os.set_inheritable(fd, False)
            os.close(state)

    def _refuse(self, why: str) -> None:
        say(f"no upgrade: {why}")
        self._keeper.starting.release()
        while self._refused:
            self._refused.pop()(why)

    def _state(self) -> int:
        """Return memory with all that a new keeper has to know."""
        keeper = self._keeper
        records = [[_KEEPER, keeper.boot, *_numbers(*keeper.own_descriptors)]]
        records.append([_MARK, b"%d" % self._tried_mark])
        records += map(_record_of, keeper.sessions)
        records += ([_USER, held.node, held.name, held.user, held.uid] for held in keeper.sessions if held.user)
        records += ([_HOLDER, node, *_numbers(each.pid, each.uid, each.pidfd)] for node, each in keeper.holders.items())
        records += ([_ADOPTED, *_named(held), *_numbers(held.pidfd, held.started)] for held in _adopted(keeper))
        records += ([_KEPT, *number] for number in (self._net.numbers() if self._net is not None else ()))
        fd = os.memfd_create("omnyshell-keeper", os.MFD_CLOEXEC)
        with open(fd, "wb", closefd=False) as file:
            file.writelines(pack(*record) for record in records)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd


def _adopted(keeper: Keeper) -> list[Held]:
    return [held for held in keeper.sessions if not held.is_child and not held.has_ended]


def _named(held: Held) -> _Record:
    return [held.node, held.name]


def _record_of(held: Held) -> _Record:
    descriptors = [fact for name, fd in held.descriptors.items() for fact in (name, b"%d" % fd)]
    numbers = _numbers(held.pid, held.ended_at, held.is_reaped)
    return [_HELD, held.node, held.name, held.kind, held.state, *numbers, *descriptors]


def read_state(fd: int) -> list[_Record]:
    """Return the records that an earlier keeper wrote, the one of itself first. Raises `MalformedError`."""
    frames, records = Frames(), list[_Record]()
    while data := os.read(fd, MOST_BYTES):
        records += [frame.split(b"\0") for frame in frames.feed(data)]
    if not records or records[0][0] != _KEEPER:
        raise MalformedError
    return records


def mark_of(records: list[_Record]) -> int | None:
    """Return what an earlier keeper has tried; None where it does not say."""
    return next((int(facts[0]) for kind, *facts in records if kind == _MARK), None)


def inherited(field: bytes) -> int:
    """Return a descriptor that an earlier keeper left open; it is inherited no further."""
    os.set_inheritable(int(field), False)
    return int(field)


def inherited_socket(field: bytes) -> socket.socket:
    """Return a socket that an earlier keeper left open."""
    return socket.socket(fileno=inherited(field))


def restore(keeper: Keeper, records: list[_Record]) -> list[_Record]:
    """Hold what an earlier keeper did; return what it said of what the service manager keeps."""
    adopted = {(facts[0], facts[1]): facts[2:] for kind, *facts in records if kind == _ADOPTED}
    for kind, *facts in records:
        if kind == _HELD:
            held = held_of(facts)
            _restore(keeper, held, *adopted.get((held.node, held.name), ()))
        elif kind == _USER and (theirs := keeper.sessions.find(*facts[:2])) is not None:
            theirs.user, theirs.uid = facts[2:4]
        elif kind == _HOLDER:
            keeper.holders[facts[0]] = Peer(int(facts[1]), int(facts[2]), inherited(facts[3]))
    return [facts for kind, *facts in records if kind == _KEPT]


def _restore(keeper: Keeper, held: Held, *adopted: bytes) -> None:
    for fd in held.descriptors.values():
        os.set_inheritable(fd, False)
    if adopted:
        held.is_child, held.started = False, int(adopted[1])
    if not held.has_ended:
        held.pidfd = inherited(adopted[0]) if adopted else os.pidfd_open(held.pid)
        keeper.watch(held)
    keeper.sessions.add(held)


def held_of(facts: _Record) -> Held:
    """Return the session of a record. Raises `ValueError`."""
    node, name, kind, state, *numbers = facts
    pid, ended_at, is_reaped = map(int, numbers[:3])
    held = Held(node, name, kind, pid, dict(zip(numbers[3::2], map(int, numbers[4::2]), strict=True)))
    held.ended_at, held.is_reaped = ended_at, bool(is_reaped)
    with suppress(ValueError):
        held.status = int(state)
    return held


def trial(fd: int) -> None:
    """Show that this version understands what a running keeper knows. Raises `MalformedError` or `ValueError`."""
    for kind, *facts in read_state(fd):
        if kind == _HELD:
            held_of(facts)
